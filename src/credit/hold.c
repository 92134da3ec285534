/*
 * hold.c
 *		Credit reserved before work starts: hold, settle, release.
 *
 * A hold names the parts it reserves, taken in burn-down order, and settles
 * from them in the same order.  The parts are listed in the hold's own row.  An
 * expired hold is released by whatever next opens the wallet, dated at its end.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "access/event.h"
#include "access/principal.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "credit/credit.h"
#include "credit/ledger.h"

typedef struct Hold
{
	pg_uuid_t id;
	int64 amount;
	int64 held;
	int64 cash; /* the part of held that is cash */
	int nparts;
	pg_uuid_t *grant_ids;
	int64 *grant_micros;
	const char *status;
	const text *description;
	TimestampTz expires_at;
	TimestampTz created_at;
} Hold;

#define HOLD_COLUMNS                                                                               \
	" id, amount_micros, held_micros, cash_micros, grant_ids, grant_micros, status, description,"  \
	" expires_at, created_at"
#define HOLD_NCOLUMNS 10
#define HOLD_FIELDS 8

static Statement find_hold = {
	.types = "uuid, uuid",
	.sql = "SELECT" HOLD_COLUMNS " FROM account_data.holds WHERE workspace_id = $1 AND id = $2",
};

#define DUE_HOLDS                                                                                  \
	"SELECT" HOLD_COLUMNS " FROM account_data.holds"                                               \
	" WHERE workspace_id = $1 AND status = 'open' AND expires_at <= $2 ORDER BY expires_at, id"

static Statement read_due = {.types = "uuid, timestamptz", .sql = DUE_HOLDS};
static Statement peek_due = {.types = "uuid, timestamptz", .mode = QUERY_READ, .sql = DUE_HOLDS};

static Statement insert_hold = {
	.types = "uuid, uuid, bigint, bigint, uuid[], bigint[], text, timestamptz, timestamptz",
	.sql =
		"INSERT INTO account_data.holds (workspace_id, id, amount_micros, held_micros, cash_micros,"
		"  grant_ids, grant_micros, status, description, expires_at, created_at)"
		" VALUES ($1, $2, $3, $3, $4, $5, $6, 'open', $7, $8, $9)",
};

static Statement update_hold = {
	.types = "uuid, uuid, bigint, bigint, bigint[], text",
	.sql = "UPDATE account_data.holds SET held_micros = $3, cash_micros = $4, grant_micros = $5,"
		   "  status = $6 WHERE workspace_id = $1 AND id = $2",
};

static void
ReadHold(const NullableDatum *row, Hold *hold)
{
	ArrayType *ids = DatumGetArrayTypeP(row[4].value);
	ArrayType *micros = DatumGetArrayTypeP(row[5].value);

	hold->id = *DatumGetUUIDP(row[0].value);
	hold->amount = DatumGetInt64(row[1].value);
	hold->held = DatumGetInt64(row[2].value);
	hold->cash = DatumGetInt64(row[3].value);
	hold->nparts = ArrayGetNItems(ARR_NDIM(ids), ARR_DIMS(ids));
	hold->grant_ids = ArrayElements(ids);
	hold->grant_micros = ArrayElements(micros);
	hold->status = TextDatumGetCString(row[6].value);
	hold->description = row[7].isnull ? NULL : DatumGetTextPP(row[7].value);
	hold->expires_at = DatumGetTimestampTz(row[8].value);
	hold->created_at = DatumGetTimestampTz(row[9].value);
}

static Datum
MicrosArray(const Hold *hold)
{
	Datum *values = palloc(sizeof(Datum) * (hold->nparts + 1));

	for (int i = 0; i < hold->nparts; i++)
		values[i] = Int64GetDatum(hold->grant_micros[i]);
	return PointerGetDatum(construct_array(values, hold->nparts, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static Datum
IdsArray(const Hold *hold)
{
	Datum *values = palloc(sizeof(Datum) * (hold->nparts + 1));

	for (int i = 0; i < hold->nparts; i++)
		values[i] = UUIDPGetDatum(&hold->grant_ids[i]);
	return PointerGetDatum(
		construct_array(values, hold->nparts, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

static void
InsertHold(const Book *book, const Hold *hold)
{
	NullableDatum args[9] = {
		ArgUuid(&book->workspace_id),
		ArgUuid(&hold->id),
		ArgDatum(Int64GetDatum(hold->amount)),
		ArgDatum(Int64GetDatum(hold->cash)),
		ArgDatum(IdsArray(hold)),
		ArgDatum(MicrosArray(hold)),
		ArgPointer(hold->description),
		ArgTime(hold->expires_at),
		ArgTime(hold->created_at),
	};

	QueryRun(&insert_hold, args);
}

static void
UpdateHold(const Book *book, const Hold *hold)
{
	NullableDatum args[6] = {
		ArgUuid(&book->workspace_id),		 ArgUuid(&hold->id),
		ArgDatum(Int64GetDatum(hold->held)), ArgDatum(Int64GetDatum(hold->cash)),
		ArgDatum(MicrosArray(hold)),		 ArgText(hold->status),
	};

	if (!book->is_peek)
		QueryRun(&update_hold, args);
}

/* Reserves free credit in burn-down order; it has been seen to be there. */
static void
Reserve(Book *book, Entry *entry, Hold *hold)
{
	int64 left = hold->amount;
	Grant *grant;

	while (left > 0 && (grant = BurnNext(book)) != NULL)
	{
		int64 part = Min(left, GrantFree(grant));

		if (hold->nparts % 8 == 0)
		{
			pg_uuid_t *ids = palloc(sizeof(pg_uuid_t) * (hold->nparts + 8));
			int64 *micros = palloc(sizeof(int64) * (hold->nparts + 8));

			memcpy(ids, hold->grant_ids, sizeof(pg_uuid_t) * hold->nparts);
			memcpy(micros, hold->grant_micros, sizeof(int64) * hold->nparts);
			hold->grant_ids = ids;
			hold->grant_micros = micros;
		}
		hold->grant_ids[hold->nparts] = grant->id;
		hold->grant_micros[hold->nparts++] = part;
		ReserveGrant(book, entry, grant, part);
		left -= part;
	}
	hold->cash = left;
	ReserveCash(book, entry, left);
}

/* Charges what was reserved, in the order in which it was reserved. */
static void
Spend(Book *book, Entry *entry, Hold *hold, int64 micros)
{
	hold->held -= micros;
	for (int i = 0; i < hold->nparts && micros > 0; i++)
	{
		int64 part = Min(micros, hold->grant_micros[i]);
		Grant *grant;

		if (part == 0)
			continue;
		grant = GrantFind(book, &hold->grant_ids[i]);
		ReserveGrant(book, entry, grant, -part);
		MoveGrant(book, entry, grant, -part);
		hold->grant_micros[i] -= part;
		micros -= part;
	}
	if (micros > 0)
	{
		ReserveCash(book, entry, -micros);
		MoveCash(book, entry, -micros);
		hold->cash -= micros;
	}
}

/* Frees what is left of a hold at a time; what has not expired by then pays debt. */
static void
Free(Book *book, Entry *entry, Hold *hold, TimestampTz at, const char *status)
{
	for (int i = 0; i < hold->nparts; i++)
	{
		Grant *grant;

		if (hold->grant_micros[i] == 0)
			continue;
		grant = GrantFind(book, &hold->grant_ids[i]);
		ReserveGrant(book, entry, grant, -hold->grant_micros[i]);
		hold->grant_micros[i] = 0;
		if (grant->expires_at <= at)
			continue;
		LedgerDueAt(book, grant->expires_at);
		DebtPay(book, entry, grant);
	}
	ReserveCash(book, entry, -hold->cash);
	DebtPay(book, entry, NULL);
	hold->held = hold->cash = 0;
	hold->status = status;
}

/* Releases the holds that have expired by now, each at its end. */
void
HoldsExpire(Book *book)
{
	NullableDatum args[2] = {ArgUuid(&book->workspace_id), ArgTime(book->now)};
	NullableDatum *rows;
	uint64 count = QueryAll(book->is_peek ? &peek_due : &read_due, args, &rows, HOLD_NCOLUMNS);

	for (uint64 i = 0; i < count; i++)
	{
		Hold hold;
		Entry *entry = LedgerEntry(TRANSACTION_RELEASE, 0);

		ReadHold(rows + i * HOLD_NCOLUMNS, &hold);
		GrantsExpire(book, hold.expires_at);
		entry->reference_id = memcpy(palloc(UUID_LEN), &hold.id, UUID_LEN);
		Free(book, entry, &hold, hold.expires_at, "expired");
		LedgerPostAt(book, entry, hold.expires_at);
		UpdateHold(book, &hold);
	}
}

/* A hold of the book's workspace, P0002 when it is none. */
static Hold *
FindHold(const Book *book, const pg_uuid_t *id)
{
	NullableDatum args[2] = {ArgUuid(&book->workspace_id), ArgUuid(id)};
	NullableDatum row[HOLD_NCOLUMNS];
	Hold *hold = palloc(sizeof(Hold));

	if (!QueryRow(&find_hold, args, row, HOLD_NCOLUMNS))
		ErrorNotFound("hold", id);
	ReadHold(row, hold);
	return hold;
}

static void
RequireOpen(const Hold *hold)
{
	if (strcmp(hold->status, "open") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("hold is already %s", hold->status)));
}

static Datum
HoldResult(FunctionCallInfo fcinfo, const Book *book, const pg_uuid_t *id)
{
	NullableDatum args[2] = {ArgUuid(&book->workspace_id), ArgUuid(id)};
	NullableDatum row[HOLD_NCOLUMNS];
	Datum values[HOLD_FIELDS];
	bool nulls[HOLD_FIELDS] = {false};

	if (!QueryRow(&find_hold, args, row, HOLD_NCOLUMNS))
		elog(ERROR, "hold %s is missing", UuidText(id));
	values[0] = row[0].value;
	values[1] = UUIDPGetDatum(&book->workspace_id);
	values[2] = row[1].value;
	values[3] = row[2].value;
	values[4] = row[6].value;
	values[5] = row[7].value;
	nulls[5] = row[7].isnull;
	values[6] = row[8].value;
	values[7] = row[9].value;
	return ResultRow(fcinfo, values, nulls);
}

/* When a hold made now ends. */
static TimestampTz
HoldEnd(const Book *book, Interval *expires_in)
{
	Datum end = DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(book->now),
									IntervalPGetDatum(expires_in));

	if (DatumGetTimestampTz(end) <= book->now)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid expires_in: it must be longer than zero")));
	return DatumGetTimestampTz(end);
}

/* What was asked for; not as interval_out() writes it, which follows the session's IntervalStyle. */
static const text *
HoldRequest(int64 amount, const Interval *expires_in)
{
	return cstring_to_text(psprintf(INT64_FORMAT " for %d months %d days " INT64_FORMAT " us",
									amount, expires_in->month, expires_in->day, expires_in->time));
}

PG_FUNCTION_INFO_V1(account_hold);
Datum
account_hold(PG_FUNCTION_ARGS)
{
	Hold hold = {.amount = ArgMicros(fcinfo, 0, "amount_micros")};
	Entry *entry = LedgerEntry(TRANSACTION_HOLD, 0);
	Interval *expires_in;
	Entry *old;
	Book *book;
	const Principal *p;

	entry->description = hold.description = ArgDescription(fcinfo, 1, "description");
	entry->idempotency_key = ArgKey(fcinfo, 2, true);
	expires_in = ArgInterval(fcinfo, 3, "expires_in");
	entry->request = HoldRequest(hold.amount, expires_in);
	p = PrincipalRequireRole(ROLE_EDITOR);
	LedgerActor(entry);
	book = LedgerOpen(&p->workspace_id);
	if ((old = LedgerReplay(book, entry)) != NULL)
		PG_RETURN_DATUM(HoldResult(fcinfo, book, old->reference_id));
	hold.expires_at = HoldEnd(book, expires_in);
	hold.created_at = book->now;
	CreditRequire(book, hold.amount);
	UuidNew(&hold.id);
	entry->reference_id = &hold.id;
	Reserve(book, entry, &hold);
	LedgerPost(book, entry);
	LedgerDueAt(book, hold.expires_at);
	InsertHold(book, &hold);
	LedgerClose(book);
	CreditEvent(book, entry, "held");
	PG_RETURN_DATUM(HoldResult(fcinfo, book, &hold.id));
}

PG_FUNCTION_INFO_V1(account_settle);
Datum
account_settle(PG_FUNCTION_ARGS)
{
	int64 amount = ArgMicros(fcinfo, 1, "amount_micros");
	Entry *entry = LedgerEntry(TRANSACTION_SETTLE, -amount);
	bool is_final;
	Entry *old;
	Hold *hold;
	Book *book;
	const Principal *p;

	ArgRequired(fcinfo, 0, "hold_id");
	ArgRequired(fcinfo, 3, "is_final");
	is_final = PG_GETARG_BOOL(3);
	entry->reference_id = PG_GETARG_UUID_P(0);
	entry->details = ArgDetails(fcinfo, 2);
	entry->idempotency_key = ArgKey(fcinfo, 4, false);
	entry->request = is_final ? NULL : cstring_to_text("partial");
	entry->category = cstring_to_text("usage");
	p = PrincipalRequireRole(ROLE_EDITOR);
	LedgerActor(entry);
	book = LedgerOpen(&p->workspace_id);
	hold = FindHold(book, entry->reference_id);
	entry->description = hold->description;
	if ((old = LedgerReplay(book, entry)) != NULL)
		PG_RETURN_DATUM(CreditResult(fcinfo, old));
	RequireOpen(hold);
	if (amount > hold->held)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_WRONG_STATE),
				 errmsg("hold has less than the amount to settle"),
				 errdetail("Asked: " INT64_FORMAT " micro-dollars; still held: " INT64_FORMAT ".",
						   amount, hold->held)));
	Spend(book, entry, hold, amount);
	if (is_final)
		Free(book, entry, hold, book->now, "settled");
	LedgerPost(book, entry);
	GrantsExpire(book, book->now);
	UpdateHold(book, hold);
	LedgerClose(book);
	CreditEvent(book, entry, "settled");
	PG_RETURN_DATUM(CreditResult(fcinfo, entry));
}

PG_FUNCTION_INFO_V1(account_release);
Datum
account_release(PG_FUNCTION_ARGS)
{
	Entry *entry = LedgerEntry(TRANSACTION_RELEASE, 0);
	Hold *hold;
	Book *book;
	const Principal *p;

	ArgRequired(fcinfo, 0, "hold_id");
	p = PrincipalRequireRole(ROLE_EDITOR);
	LedgerActor(entry);
	book = LedgerOpen(&p->workspace_id);
	hold = FindHold(book, PG_GETARG_UUID_P(0));
	RequireOpen(hold);
	entry->reference_id = &hold->id;
	entry->description = hold->description;
	Free(book, entry, hold, book->now, "released");
	LedgerPost(book, entry);
	GrantsExpire(book, book->now);
	UpdateHold(book, hold);
	LedgerClose(book);
	CreditEvent(book, entry, "released");
	PG_RETURN_VOID();
}
