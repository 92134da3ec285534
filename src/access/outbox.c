/*
 * outbox.c
 *		Messages that the application delivers: email, Slack, webhook.
 *
 * A message is written in the transaction that has reason to send it.  A taker
 * gets it for the length of a lease and says how it ended; a lease that ends
 * without a word makes the message due again.  So every message is delivered
 * at least once, and twice only when a lease ended:
 *
 *	- mark_sent ends a message whoever holds its lease, for it was delivered.
 *	- mark_failed never shortens a lease that might be another taker's: without
 *	  the attempt it speaks of, the retry waits for the lease to end; with it,
 *	  a failure of an earlier attempt than the last changes nothing.
 *	- A failure counts once an attempt.  After account.outbox_attempts the
 *	  message is dead, also when its takers die instead of marking it.
 *
 * The code or token is sealed before it is written and joined to the payload
 * only in what a taker is given.  The ciphertext goes with the row when the
 * message is sent or withdrawn, and is wiped when it is dead.
 *
 * NOTIFY takes a lock that all of the cluster's notifying transactions share,
 * and holds it while they commit one by one.  Where that costs too much,
 * account.outbox_notify is turned off and workers look on their own.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/async.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

#include "access/outbox.h"
#include "access/seal.h"
#include "base/args.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"

#define CHANNEL "account_outbox"
#define MAX_TAKEN 10000
#define MAX_ERROR 1000 /* bytes kept of what a taker says */

#define RECEIPTS_KEPT (7 * USECS_PER_DAY)
#define DEAD_KEPT (30 * USECS_PER_DAY)
#define PURGE_EVERY USECS_PER_MINUTE
#define PURGED_AT_ONCE 10000

static bool account_outbox_notify;
static int account_outbox_attempts;

static Statement insert_message = {
	.types = "uuid, uuid, text, text, text, text, text, bytea, timestamptz, timestamptz",
	.sql = "INSERT INTO account_data.messages (id, workspace_id, kind, channel, recipient, payload,"
		   "  secret_name, sealed, created_at, due_at, valid_until)"
		   " VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $9, $10)",
};

static Statement take_due = {
	.types = "timestamptz, integer, timestamptz",
	.by_index = true,
	.sql = "WITH taken AS ("
		   "  UPDATE account_data.messages"
		   "   SET is_taken = true, attempts = attempts + 1, due_at = $3"
		   "   WHERE id = ANY (ARRAY(SELECT id FROM account_data.messages WHERE due_at <= $1"
		   "     ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED))"
		   "   RETURNING id, kind, channel, recipient, workspace_id, payload, attempts, created_at,"
		   "     valid_until, secret_name, sealed)"
		   " SELECT * FROM taken ORDER BY id",
};

static Statement end_message = {
	.types = "uuid, boolean, timestamptz",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "WITH gone AS (DELETE FROM account_data.messages WHERE id = $1 RETURNING id)"
		   " INSERT INTO account_data.message_receipts (id, is_withdrawn, ended_at)"
		   " SELECT id, $2, $3 FROM gone",
};

/* $3 the attempt that failed, or NULL: the last; $5 the most attempts; 30 s << 9 is 4 h 16 min */
static Statement fail_attempt = {
	.types = "uuid, text, integer, timestamptz, integer",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "UPDATE account_data.messages SET is_taken = false, error = $2,"
		   "  due_at = CASE WHEN attempts < $5 THEN greatest("
		   "    CASE WHEN $3 IS NULL THEN due_at END,"
		   "    $4 + interval '30 seconds' * (1 << least(attempts - 1, 9))) END,"
		   "  dead_at = CASE WHEN attempts >= $5 THEN $4 END,"
		   "  sealed = CASE WHEN attempts < $5 THEN sealed END"
		   " WHERE id = $1 AND is_taken AND attempts = coalesce($3, attempts)",
};

static Statement bury_message = {
	.types = "uuid, text, timestamptz",
	.by_index = true,
	.sql = "UPDATE account_data.messages SET is_taken = false, sealed = NULL, due_at = NULL,"
		   "  dead_at = $3, attempts = attempts - 1,"
		   "  error = concat_ws(': ', $2, error)"
		   " WHERE id = $1",
};

/* One row: whether it waits, whether it was ever taken. */
static Statement find_message = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "SELECT attempts > 0 FROM account_data.messages WHERE id = $1"
		   " UNION ALL SELECT true FROM account_data.message_receipts WHERE id = $1",
};

static Statement list_dead = {
	.types = "",
	.by_index = true,
	.sql = "SELECT id, kind, channel, recipient, workspace_id, attempts, error, created_at, dead_at"
		   " FROM account_data.messages WHERE dead_at IS NOT NULL ORDER BY dead_at DESC",
};

static Statement lock_dead = {
	.types = "uuid",
	.sql = "SELECT secret_name IS NOT NULL FROM account_data.messages"
		   " WHERE id = $1 AND dead_at IS NOT NULL FOR UPDATE",
};

static Statement revive_message = {
	.types = "uuid, timestamptz",
	.sql = "UPDATE account_data.messages SET attempts = 0, error = NULL, due_at = $2,"
		   "  dead_at = NULL, valid_until = NULL WHERE id = $1",
};

static Statement purge_receipts = {
	.types = "uuid, integer",
	.by_index = true,
	.sql = "DELETE FROM account_data.message_receipts WHERE id = ANY (ARRAY("
		   "  SELECT id FROM account_data.message_receipts WHERE id < $1"
		   "  ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED))",
};

static Statement purge_dead = {
	.types = "timestamptz, integer",
	.by_index = true,
	.sql = "DELETE FROM account_data.messages WHERE id = ANY (ARRAY("
		   "  SELECT id FROM account_data.messages WHERE dead_at < $1"
		   "  ORDER BY dead_at LIMIT $2 FOR UPDATE SKIP LOCKED))",
};

void
OutboxInit(void)
{
	DefineCustomBoolVariable("account.outbox_notify",
							 "Whether a new message notifies the listeners of account_outbox.",
							 "Transactions that notify commit one at a time.",
							 &account_outbox_notify, true, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("account.outbox_attempts",
							"How often a message is taken before it is given up.", NULL,
							&account_outbox_attempts, 10, 1, 1000, PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Queues a message in the current transaction. */
void
OutboxSend(const Message *message)
{
	pg_uuid_t id;
	bytea *sealed = NULL;
	NullableDatum args[10];

	if (message->id != NULL)
		id = *message->id;
	else
		UuidNew(&id);
	if (message->secret != NULL)
		sealed = SealSecret(message->workspace_id, &id, message->secret, strlen(message->secret));
	args[0] = ArgUuid(&id);
	args[1] = ArgUuid(message->workspace_id);
	args[2] = ArgText(message->kind);
	args[3] = ArgText(message->channel);
	args[4] = ArgText(message->recipient);
	args[5] = ArgText(message->payload == NULL ? "{}" : message->payload);
	args[6] = ArgText(message->secret_name);
	args[7] = ArgPointer(sealed);
	args[8] = ArgTime(GetCurrentStatementStartTimestamp());
	args[9] = message->valid_until == 0 ? ArgNull() : ArgTime(message->valid_until);
	QueryRun(&insert_message, args);
	if (account_outbox_notify)
		Async_Notify(CHANNEL, NULL);
}

/* Addresses and what each is to be told, copied to where it lasts. */
typedef struct Notices
{
	MemoryContext memory;
	List *recipients;
	List *payloads;
} Notices;

static void
CollectNotice(const NullableDatum *row, void *state)
{
	Notices *notices = state;
	MemoryContext old = MemoryContextSwitchTo(notices->memory);

	notices->recipients = lappend(notices->recipients, TextDatumGetCString(row[0].value));
	notices->payloads = lappend(notices->payloads, TextDatumGetCString(row[1].value));
	MemoryContextSwitchTo(old);
}

/* Queues a notice by email for each row, address and payload, that a statement gives for a workspace. */
void
OutboxNotices(Statement *recipients, const pg_uuid_t *workspace_id)
{
	Notices notices = {.memory = CurrentMemoryContext};
	NullableDatum args[1] = {ArgUuid(workspace_id)};
	ListCell *recipient;
	ListCell *payload;

	QueryEach(recipients, args, 2, CollectNotice, &notices);
	forboth(recipient, notices.recipients, payload, notices.payloads)
		OutboxSend(&(Message){.kind = "notice",
							  .channel = "email",
							  .recipient = lfirst(recipient),
							  .workspace_id = workspace_id,
							  .payload = lfirst(payload)});
}

/* Takes a message out of the queue; false when it is not there. */
static bool
End(const pg_uuid_t *id, bool is_withdrawn)
{
	NullableDatum args[3] = {ArgUuid(id), ArgBool(is_withdrawn),
							 ArgTime(GetCurrentStatementStartTimestamp())};

	return QueryRun(&end_message, args) > 0;
}

/*
 * The message has become pointless; if it still waits, nobody gets it.  Who has
 * taken it may deliver it nevertheless.
 */
void
OutboxWithdraw(const pg_uuid_t *id)
{
	(void) End(id, true);
}

/* What take_due gives, in its order; the first eight are account.message. */
enum
{
	COL_ID,
	COL_WORKSPACE = 4,
	COL_PAYLOAD,
	COL_ATTEMPTS,
	COL_VALID_UNTIL = 8,
	COL_SECRET_NAME,
	COL_SEALED,
	TAKEN_COLUMNS,
};

#define MESSAGE_COLUMNS 8

typedef struct Taking
{
	ReturnSetInfo *result;
	TimestampTz now;
	int found;
	int given;
} Taking;

static void
FailAttempt(const pg_uuid_t *id, const char *error, NullableDatum attempt, uint64 *rows)
{
	NullableDatum args[5] = {
		ArgUuid(id),
		ArgText(error),
		attempt,
		ArgTime(GetCurrentStatementStartTimestamp()),
		ArgDatum(Int32GetDatum(account_outbox_attempts)),
	};

	*rows = QueryRun(&fail_attempt, args);
}

static void
Bury(const pg_uuid_t *id, const char *why)
{
	NullableDatum args[3] = {ArgUuid(id), ArgText(why),
							 ArgTime(GetCurrentStatementStartTimestamp())};

	QueryRun(&bury_message, args);
}

/* The payload with one member more; the secret is wiped. */
static Datum
JoinSecret(Datum payload, char *name, char *secret)
{
	JsonbParseState *state = NULL;
	JsonbValue key = {.type = jbvString, .val.string = {.val = name, .len = (int) strlen(name)}};
	JsonbValue value = {.type = jbvString,
						.val.string = {.val = secret, .len = (int) strlen(secret)}};
	Jsonb *member;
	Datum joined;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&state, WJB_KEY, &key);
	pushJsonbValue(&state, WJB_VALUE, &value);
	member = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	joined = DirectFunctionCall2(jsonb_concat, payload, JsonbPGetDatum(member));
	CryptoWipe(secret, strlen(secret));
	CryptoWipe(VARDATA(member), VARSIZE(member) - VARHDRSZ);
	return joined;
}

/* What the taker may deliver goes into the result; what nobody can is ended here. */
static void
Give(const NullableDatum *row, void *state)
{
	Taking *taking = state;
	pg_uuid_t *id = DatumGetUUIDP(row[COL_ID].value);
	Datum values[MESSAGE_COLUMNS];
	bool nulls[MESSAGE_COLUMNS] = {false};
	const char *problem = NULL;
	char *secret = NULL;
	uint64 rows;

	taking->found++;
	if (!row[COL_VALID_UNTIL].isnull &&
		DatumGetTimestampTz(row[COL_VALID_UNTIL].value) <= taking->now)
	{
		Bury(id, "not sent before it expired");
		return;
	}
	if (DatumGetInt32(row[COL_ATTEMPTS].value) > account_outbox_attempts)
	{
		Bury(id, "taken too often without being marked");
		return;
	}
	if (!row[COL_SEALED].isnull)
		problem = SealTryOpen(DatumGetUUIDP(row[COL_WORKSPACE].value), id,
							  DatumGetByteaPP(row[COL_SEALED].value), &secret);
	if (problem != NULL)
	{
		FailAttempt(id, psprintf("its secret cannot be opened: %s", problem), row[COL_ATTEMPTS],
					&rows);
		return;
	}
	for (int i = 0; i < MESSAGE_COLUMNS; i++)
		values[i] = row[i].value;
	if (secret != NULL)
		values[COL_PAYLOAD] = JoinSecret(row[COL_PAYLOAD].value,
										 TextDatumGetCString(row[COL_SECRET_NAME].value), secret);
	tuplestore_putvalues(taking->result->setResult, taking->result->setDesc, values, nulls);
	taking->given++;
}

/* The result never goes to a file, however large: it has secrets in the clear. */
static void
KeepInMemory(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;

	InitMaterializedSRF(fcinfo, 0);
	tuplestore_end(result->setResult);
	old = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
	result->setResult = tuplestore_begin_heap((result->allowedModes & SFRM_Materialize_Random) != 0,
											  false, MAX_KILOBYTES);
	MemoryContextSwitchTo(old);
}

static TimestampTz
LeaseEnd(FunctionCallInfo fcinfo, int n, TimestampTz now)
{
	TimestampTz end = ArgTimeFromNow(fcinfo, n, "lease");

	if (end <= now || end > now + USECS_PER_DAY)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid lease"),
						errdetail("A lease is longer than nothing and at most one day.")));
	return end;
}

/* Some of what is too old, now and then when this backend takes: no scheduler is needed. */
static void
Purge(TimestampTz now)
{
	static TimestampTz last = 0;
	pg_uuid_t floor;
	NullableDatum args[2] = {ArgUuid(&floor), ArgDatum(Int32GetDatum(PURGED_AT_ONCE))};

	if (now < last + PURGE_EVERY)
		return;
	last = now;
	UuidFloor(&floor, now - RECEIPTS_KEPT);
	QueryRun(&purge_receipts, args);
	args[0] = ArgTime(now - DEAD_KEPT);
	QueryRun(&purge_dead, args);
}

/* Goes on while all that was found had to be ended: an empty result means an empty queue. */
PG_FUNCTION_INFO_V1(account_take_messages);
Datum
account_take_messages(PG_FUNCTION_ARGS)
{
	Taking taking = {.result = (ReturnSetInfo *) fcinfo->resultinfo,
					 .now = GetCurrentStatementStartTimestamp()};
	NullableDatum args[3];

	ArgRequired(fcinfo, 0, "max");
	if (PG_GETARG_INT32(0) < 1 || PG_GETARG_INT32(0) > MAX_TAKEN)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid max"),
						errdetail("It may be 1 to %d.", MAX_TAKEN)));
	args[0] = ArgTime(taking.now);
	args[1] = ArgDatum(PG_GETARG_DATUM(0));
	args[2] = ArgTime(LeaseEnd(fcinfo, 1, taking.now));
	KeepInMemory(fcinfo);
	do
	{
		CHECK_FOR_INTERRUPTS();
		taking.found = 0;
		QueryEach(&take_due, args, TAKEN_COLUMNS, Give, &taking);
	} while (taking.found > 0 && taking.given == 0);
	Purge(taking.now);
	return (Datum) 0;
}

/* Whether the message was ever taken, or has ended; P0002 when it is unknown. */
static bool
WasTaken(const pg_uuid_t *id)
{
	NullableDatum args[1] = {ArgUuid(id)};
	NullableDatum row[1];

	if (!QueryRow(&find_message, args, row, 1))
		ErrorNotFound("message", id);
	return DatumGetBool(row[0].value);
}

PG_FUNCTION_INFO_V1(account_mark_sent);
Datum
account_mark_sent(PG_FUNCTION_ARGS)
{
	ArgRequired(fcinfo, 0, "id");
	if (!End(PG_GETARG_UUID_P(0), false))
		(void) WasTaken(PG_GETARG_UUID_P(0));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_mark_failed);
Datum
account_mark_failed(PG_FUNCTION_ARGS)
{
	pg_uuid_t *id;
	text *error;
	int len;
	uint64 rows;

	ArgRequired(fcinfo, 0, "id");
	ArgRequired(fcinfo, 1, "error");
	id = PG_GETARG_UUID_P(0);
	error = PG_GETARG_TEXT_PP(1);
	len = pg_mbcliplen(VARDATA_ANY(error), VARSIZE_ANY_EXHDR(error), MAX_ERROR);
	FailAttempt(id, pnstrdup(VARDATA_ANY(error), len),
				PG_ARGISNULL(2) ? ArgNull() : ArgDatum(PG_GETARG_DATUM(2)), &rows);
	if (rows == 0 && !WasTaken(id))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("message %s has not been taken", UuidText(id))));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_dead_letters);
Datum
account_dead_letters(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	QueryEach(&list_dead, NULL, 9, ResultPut, fcinfo->resultinfo);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(account_retry_dead_letter);
Datum
account_retry_dead_letter(PG_FUNCTION_ARGS)
{
	NullableDatum args[2];
	NullableDatum row[1];

	ArgRequired(fcinfo, 0, "id");
	args[0] = ArgUuid(PG_GETARG_UUID_P(0));
	args[1] = ArgTime(GetCurrentStatementStartTimestamp());
	if (!QueryRow(&lock_dead, args, row, 1))
		ErrorNotFound("dead letter", PG_GETARG_UUID_P(0));
	if (DatumGetBool(row[0].value))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("message %s cannot be sent again", UuidText(PG_GETARG_UUID_P(0))),
						errdetail("The code or token it carried was wiped when it was given up.")));
	QueryRun(&revive_message, args);
	if (account_outbox_notify)
		Async_Notify(CHANNEL, NULL);
	PG_RETURN_VOID();
}
