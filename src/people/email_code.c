/*
 * email_code.c
 *		Codes that prove an address: six digits that go there and come back.
 *
 * A code has an id, which is also its message's.  A new one for the same
 * address replaces it and withdraws the message.  Tries are counted by that
 * id, before they are answered, where no rollback undoes it; the sixth is
 * refused even when it is right.  Resending does not help a guesser: an address
 * gets five codes an hour, so 25 tries of a million an hour.
 *
 * A code stands in no table, not even as a plain hash: a million of those are
 * tried in a second.  What is kept is an HMAC under a key that takes the master
 * key to open, bound to the person, the address and the code's id.
 *
 * Locks, in this order: the person's row (the callers), the address's row in
 * email_code_sends, the rows of emails and email_codes.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "access/attempt.h"
#include "access/counter.h"
#include "access/outbox.h"
#include "access/seal.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "people/email_code.h"

#define DIGITS 6
#define CODES 1000000
#define LIFETIME (15 * USECS_PER_MINUTE)
#define MAX_TRIES 5

static Statement note_send = {
	.types = "text, timestamptz",
	.by_index = true,
	.sql =
		"INSERT INTO account_data.email_code_sends AS s (email, sent_at)"
		" VALUES ($1, ARRAY[$2])"
		" ON CONFLICT (email) DO UPDATE SET sent_at = ARRAY("
		"   SELECT t FROM unnest(s.sent_at) t WHERE t > $2 - interval '1 hour') || $2"
		"  WHERE (SELECT count(*) FROM unnest(s.sent_at) t WHERE t > $2 - interval '1 hour') < 5",
};

/* After a send that was one too many: the first of those that count. */
static Statement find_first_send = {
	.types = "text",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "SELECT sent_at[1] FROM account_data.email_code_sends WHERE email = $1",
};

/* Two for each that is written, so that no address stays for long. */
static Statement purge_sends = {
	.types = "timestamptz",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "DELETE FROM account_data.email_code_sends WHERE email = ANY (ARRAY("
		   "  SELECT email FROM account_data.email_code_sends"
		   "  WHERE sent_at[cardinality(sent_at)] < $1 - interval '1 hour'"
		   "  ORDER BY sent_at[cardinality(sent_at)] LIMIT 2 FOR UPDATE SKIP LOCKED))",
};

static Statement insert_code = {
	.types = "uuid, text, uuid, bytea, timestamptz",
	.sql = "INSERT INTO account_data.email_codes (user_id, email, id, mac, valid_until)"
		   " VALUES ($1, $2, $3, $4, $5)",
};

static Statement delete_code = {
	.types = "uuid, text",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "DELETE FROM account_data.email_codes WHERE user_id = $1 AND email = $2 RETURNING id",
};

static Statement find_code = {
	.types = "uuid, text, timestamptz",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "SELECT id FROM account_data.email_codes"
		   " WHERE user_id = $1 AND email = $2 AND valid_until > $3",
};

static Statement lock_code = {
	.types = "uuid, text, uuid",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "SELECT mac FROM account_data.email_codes"
		   " WHERE user_id = $1 AND email = $2 AND id = $3 FOR UPDATE",
};

static void
Refuse(void)
{
	CounterAdd(COUNTER_EMAIL_CODE_INVALID);
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_NOT_SIGNED_IN), errmsg("invalid email code"),
					errdetail("The code is wrong, expired, replaced, or was tried too often."),
					errhint("account.resend_email_code sends a new one."), errhidestmt(true)));
}

/* Counts the send; false when it would be one too many.  Holds the address from here on. */
static bool
CountSend(const char *email)
{
	NullableDatum args[2] = {ArgText(email), ArgTime(GetCurrentStatementStartTimestamp())};

	if (QueryRun(&note_send, args) == 0)
		return false;
	QueryRun(&purge_sends, &args[1]);
	return true;
}

/* Six digits, each value as likely as any other. */
static void
MakeCode(char code[DIGITS + 1])
{
	uint32 value;

	do
	{
		if (!CryptoRandom(&value, sizeof(value)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	} while (value >= PG_UINT32_MAX / CODES * CODES);
	snprintf(code, DIGITS + 1, "%06u", value % CODES);
}

/* What is kept of a code: bound to the person by their workspace, to the code's id, the address. */
static void
MacOf(const Person *person, const char *email, const pg_uuid_t *id, const char *code, uint8 *mac)
{
	char text[512];
	int len = snprintf(text, sizeof(text), "%.*s %s", DIGITS, code, email);

	Assert(len < (int) sizeof(text));
	SealMac(&person->workspace_id, id, text, len, mac);
	CryptoWipe(text, sizeof(text));
}

static void
InsertCode(const Person *person, const char *email, const pg_uuid_t *id, const char *code,
		   TimestampTz valid_until)
{
	bytea *mac = palloc(VARHDRSZ + CRYPTO_SHA256_LEN);
	NullableDatum args[5] = {ArgUuid(&person->user_id), ArgText(email), ArgUuid(id),
							 ArgPointer(mac), ArgTime(valid_until)};

	SET_VARSIZE(mac, VARHDRSZ + CRYPTO_SHA256_LEN);
	MacOf(person, email, id, code, (uint8 *) VARDATA(mac));
	QueryRun(&insert_code, args);
}

static char *
Payload(const Person *person, TimestampTz valid_until)
{
	char time[MAXDATELEN + 1];
	StringInfoData json;

	JsonEncodeDateTime(time, TimestampTzGetDatum(valid_until), TIMESTAMPTZOID, NULL);
	initStringInfo(&json);
	appendStringInfoString(&json, "{\"username\": ");
	escape_json(&json, person->username);
	appendStringInfo(&json, ", \"valid_until\": \"%s\"}", time);
	return json.data;
}

/*
 * Sends a new code to an address of a person, in place of the one before;
 * false, and nothing done, when the address got its five within the hour.
 */
bool
EmailCodeTrySend(const Person *person, const char *email)
{
	TimestampTz valid_until = GetCurrentStatementStartTimestamp() + LIFETIME;
	char code[DIGITS + 1];
	pg_uuid_t id;

	if (!CountSend(email))
		return false;
	EmailCodeForget(&person->user_id, email);
	UuidNew(&id);
	MakeCode(code);
	InsertCode(person, email, &id, code, valid_until);
	OutboxSend(&(Message){.id = &id,
						  .kind = "email_code",
						  .channel = "email",
						  .recipient = email,
						  .workspace_id = &person->workspace_id,
						  .payload = Payload(person, valid_until),
						  .secret_name = "code",
						  .secret = code,
						  .valid_until = valid_until});
	CryptoWipe(code, sizeof(code));
	return true;
}

static void
RefuseSend(const char *email)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();
	NullableDatum args[1] = {ArgText(email)};
	NullableDatum row[1];
	TimestampTz first = QueryRow(&find_first_send, args, row, 1) ? DatumGetTimestampTz(row[0].value)
																 : now;
	int seconds = (first + USECS_PER_HOUR - now + USECS_PER_SEC - 1) / USECS_PER_SEC;

	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_TOO_MANY), errmsg("rate limit exceeded"),
					errdetail("At most 5 codes an hour are sent to one address; "
							  "retry after %d seconds.",
							  seconds),
					errhint("Use the last code that was sent.")));
}

/* The same, or PT429. */
void
EmailCodeSend(const Person *person, const char *email)
{
	if (!EmailCodeTrySend(person, email))
		RefuseSend(email);
}

/* The code of an address, if there is one, holds no more, and need not be delivered. */
void
EmailCodeForget(const pg_uuid_t *user_id, const char *email)
{
	NullableDatum args[2] = {ArgUuid(user_id), ArgText(email)};
	NullableDatum row[1];

	if (QueryRow(&delete_code, args, row, 1))
		OutboxWithdraw(DatumGetUUIDP(row[0].value));
}

/*
 * Counts a try at the code of an address and gives the code's id; raises 28000
 * when there is no code or it is dead.  Holds no lock: a worker counts.
 */
void
EmailCodeCount(const pg_uuid_t *user_id, const char *email, pg_uuid_t *id)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();
	NullableDatum args[3] = {ArgUuid(user_id), ArgText(email), ArgTime(now)};
	NullableDatum row[1];

	if (!QueryRow(&find_code, args, row, 1))
		Refuse();
	*id = *DatumGetUUIDP(row[0].value);
	if (AttemptCount("email_code", UuidText(id), MAX_TRIES, now + LIFETIME) > MAX_TRIES)
		Refuse();
}

/* Raises 28000 unless it is the code of that id, which has not been replaced since. */
void
EmailCodeCheck(const Person *person, const char *email, const pg_uuid_t *id, const text *code)
{
	NullableDatum args[3] = {ArgUuid(&person->user_id), ArgText(email), ArgUuid(id)};
	NullableDatum row[1];
	uint8 mac[CRYPTO_SHA256_LEN];
	bytea *stored;

	if (VARSIZE_ANY_EXHDR(code) != DIGITS || !QueryRow(&lock_code, args, row, 1))
		Refuse();
	MacOf(person, email, id, VARDATA_ANY(code), mac);
	stored = DatumGetByteaPP(row[0].value);
	if (VARSIZE_ANY_EXHDR(stored) != sizeof(mac) ||
		!CryptoEqual(VARDATA_ANY(stored), mac, sizeof(mac)))
		Refuse();
	CounterAdd(COUNTER_EMAIL_CODE_VALID);
}
