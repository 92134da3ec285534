/*
 * usage.c
 *		Reading credit: balances now and then, usage reports.
 */
#include "postgres.h"

#include "access/xact.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "access/principal.h"
#include "access/role.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "credit/ledger.h"

/* A report is drawn as a chart; more points than this are none. */
#define MAX_BUCKETS "10000"

static Statement find_balance_at = {
	.types = "uuid, timestamptz",
	.mode = QUERY_READ,
	.sql = "SELECT balance_after_micros FROM account_data.transactions"
		   " WHERE workspace_id = $1 AND created_at <= $2"
		   " ORDER BY created_at DESC, seq DESC LIMIT 1",
};

static Statement count_buckets = {
	.types = "timestamptz, timestamptz, text",
	.mode = QUERY_READ,
	.sql = "SELECT count(*) > " MAX_BUCKETS " FROM ("
		   " SELECT FROM generate_series(date_trunc($3, $1), $2, ('1 ' || $3)::interval)"
		   " LIMIT " MAX_BUCKETS " + 1) buckets",
};

/*
 * Every bucket has a row for every key, so that a chart needs nothing more.  A
 * bucket ends where the next begins, so that nothing is lost where the clock
 * changes.  Keys become text, and ids names, once for each key and bucket.
 */
static Statement read_usage = {
	.types = "uuid, timestamptz, timestamptz, text, text",
	.mode = QUERY_READ,
	.sql = "WITH buckets AS MATERIALIZED ("
		   "  SELECT bucket, lead(bucket, 1, $3) OVER (ORDER BY bucket) AS next FROM ("
		   "   SELECT DISTINCT date_trunc($4, b) AS bucket"
		   "    FROM generate_series(date_trunc($4, $2), $3 + interval '1 day',"
		   "     ('1 ' || $4)::interval) b WHERE date_trunc($4, b) < $3) starts),"
		   " spend AS MATERIALIZED ("
		   "  SELECT bucket, coalesce(id::text, word) AS key, micros, events"
		   "   FROM buckets, LATERAL ("
		   "   SELECT CASE $5 WHEN 'user' THEN actor_id WHEN 'api_key' THEN api_key_id END AS id,"
		   "     CASE WHEN $5 = 'category' THEN category"
		   "      WHEN $5 NOT IN ('user', 'api_key') THEN details ->> $5 END AS word,"
		   "     (-sum(amount_micros))::bigint AS micros, count(*) AS events"
		   "    FROM account_data.transactions"
		   "   WHERE workspace_id = $1 AND created_at >= greatest(bucket, $2)"
		   "     AND created_at < next AND type IN ('usage', 'settle')"
		   "   GROUP BY 1, 2) sums),"
		   " keys AS MATERIALIZED (SELECT key, CASE $5"
		   "   WHEN 'user' THEN coalesce("
		   "    (SELECT username FROM account_data.users WHERE id = key::uuid),"
		   "    (SELECT name FROM account_data.service_accounts"
		   "      WHERE workspace_id = $1 AND id = key::uuid), key)"
		   "   WHEN 'api_key' THEN coalesce("
		   "    (SELECT name FROM account_data.api_keys"
		   "      WHERE workspace_id = $1 AND id = key::uuid), key)"
		   "   ELSE key END AS name"
		   "  FROM (SELECT key FROM spend UNION SELECT NULL WHERE $5 IS NULL) k)"
		   " SELECT b.bucket, k.name, coalesce(s.micros, 0), coalesce(s.events, 0)"
		   " FROM buckets b CROSS JOIN keys k"
		   " LEFT JOIN spend s ON s.bucket = b.bucket"
		   "  AND coalesce(s.key, '') = coalesce(k.key, '') AND (s.key IS NULL) = (k.key IS NULL)"
		   " ORDER BY 1, 2",
};

static Statement sum_usage = {
	.types = "uuid, timestamptz, timestamptz",
	.mode = QUERY_READ,
	.sql = "SELECT coalesce(-sum(amount_micros), 0)::bigint, count(*)"
		   " FROM account_data.transactions"
		   " WHERE workspace_id = $1 AND created_at >= $2 AND created_at < $3"
		   "  AND type IN ('usage', 'settle')",
};

static const char *const buckets[] = {"hour", "day", "week", "month", "year"};

/* What view account.balance shows. */
PG_FUNCTION_INFO_V1(account_read_balance);
Datum
account_read_balance(PG_FUNCTION_ARGS)
{
	const Principal *p = PrincipalRequire();
	const Book *book = LedgerPeek(&p->workspace_id, GetCurrentStatementStartTimestamp());
	const Wallet *w = &book->wallet;
	bool nulls[6] = {false};
	Datum values[6] = {
		Int64GetDatum(w->cash),
		Int64GetDatum(w->promotional),
		Int64GetDatum(w->debt),
		Int64GetDatum(w->reserved),
		Int64GetDatum(WalletAvailable(w)),
		Int64GetDatum(WalletTotal(w)),
	};

	PG_RETURN_DATUM(ResultRow(fcinfo, values, nulls));
}

/* P0002 unless who is acting may look at that workspace. */
static void
RequireViewer(const pg_uuid_t *workspace_id)
{
	const Principal *p = PrincipalRequire();

	if (UuidEqual(&p->workspace_id, workspace_id))
		return;
	if (p->proof == PROOF_API_KEY || p->is_service_account ||
		MembershipOf(workspace_id, &p->actor_id).until <= GetCurrentStatementStartTimestamp())
		ErrorNotFound("workspace", workspace_id);
}

/* The total at a time in the past; from the start of this transaction on, it is now's. */
static int64
BalanceAt(const pg_uuid_t *workspace_id, TimestampTz at)
{
	NullableDatum args[2] = {ArgUuid(workspace_id), ArgTime(at)};
	NullableDatum row[1];
	Wallet wallet;

	(void) WalletRead(workspace_id, &wallet);
	if (at >= GetCurrentTransactionStartTimestamp())
		at = Max(wallet.last_at, GetCurrentStatementStartTimestamp());
	if (at >= wallet.last_at)
		return WalletTotal(&LedgerPeek(workspace_id, at)->wallet);
	return QueryRow(&find_balance_at, args, row, 1) ? DatumGetInt64(row[0].value) : 0;
}

PG_FUNCTION_INFO_V1(account_balance_at);
Datum
account_balance_at(PG_FUNCTION_ARGS)
{
	ArgRequired(fcinfo, 0, "workspace_id");
	ArgRequired(fcinfo, 1, "at");
	RequireViewer(PG_GETARG_UUID_P(0));
	PG_RETURN_INT64(BalanceAt(PG_GETARG_UUID_P(0), PG_GETARG_TIMESTAMPTZ(1)));
}

static void
CheckPeriod(FunctionCallInfo fcinfo)
{
	ArgRequired(fcinfo, 0, "from_at");
	ArgRequired(fcinfo, 1, "to_at");
	if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(0)) ||
		TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(1)) ||
		PG_GETARG_TIMESTAMPTZ(0) > PG_GETARG_TIMESTAMPTZ(1))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid to_at: the period has no end after its start")));
}

static void
CheckBucket(FunctionCallInfo fcinfo)
{
	NullableDatum args[3] = {ArgDatum(PG_GETARG_DATUM(0)), ArgDatum(PG_GETARG_DATUM(1))};
	NullableDatum row[1];
	const char *name;
	size_t i = 0;

	ArgRequired(fcinfo, 2, "bucket");
	name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	while (i < lengthof(buckets) && strcmp(name, buckets[i]) != 0)
		i++;
	if (i == lengthof(buckets))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid bucket: it must be hour, day, week, month or year")));
	args[2] = ArgText(name);
	(void) QueryRow(&count_buckets, args, row, 1);
	if (DatumGetBool(row[0].value))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid bucket: the period has too many of them"),
						errdetail("A report has at most " MAX_BUCKETS " buckets.")));
}

PG_FUNCTION_INFO_V1(account_usage_report);
Datum
account_usage_report(PG_FUNCTION_ARGS)
{
	const Principal *p = PrincipalRequire();
	NullableDatum args[5];

	CheckPeriod(fcinfo);
	CheckBucket(fcinfo);
	InitMaterializedSRF(fcinfo, 0);
	args[0] = ArgUuid(&p->workspace_id);
	args[1] = ArgDatum(PG_GETARG_DATUM(0));
	args[2] = ArgDatum(PG_GETARG_DATUM(1));
	args[3] = ArgDatum(PG_GETARG_DATUM(2));
	args[4] = PG_ARGISNULL(3) ? ArgNull() : ArgDatum(PG_GETARG_DATUM(3));
	QueryEach(&read_usage, args, 4, ResultPut, fcinfo->resultinfo);
	return (Datum) 0;
}

/* The one place where money is rounded: an average, to the micro-dollar below. */
static int64
MicrosAverage(int64 micros, int64 events)
{
	return events == 0 ? 0 : micros / events;
}

PG_FUNCTION_INFO_V1(account_usage_total);
Datum
account_usage_total(PG_FUNCTION_ARGS)
{
	const Principal *p = PrincipalRequire();
	NullableDatum args[3];
	NullableDatum row[2];
	Datum values[3];
	bool nulls[3] = {false};

	CheckPeriod(fcinfo);
	args[0] = ArgUuid(&p->workspace_id);
	args[1] = ArgDatum(PG_GETARG_DATUM(0));
	args[2] = ArgDatum(PG_GETARG_DATUM(1));
	(void) QueryRow(&sum_usage, args, row, 2);
	values[0] = row[0].value;
	values[1] = row[1].value;
	values[2] = Int64GetDatum(MicrosAverage(DatumGetInt64(values[0]), DatumGetInt64(values[1])));
	PG_RETURN_DATUM(ResultRow(fcinfo, values, nulls));
}
