/*
 * session.c
 *		Sessions of people: a 256-bit token, stored as its SHA-256.
 *
 * A session ends account.session_lifetime after it began, or when nothing was
 * done with it for account.session_idle_timeout, whichever comes first.
 */
#include "postgres.h"

#include <limits.h>

#include "access/detoast.h"
#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inet.h"

#include "access/event.h"
#include "access/person.h"
#include "access/role.h"
#include "access/session.h"
#include "access/use.h"
#include "base/args.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/query.h"
#include "base/uuid.h"

#define TOKEN_PREFIX "us_"
#define TOKEN_BYTES 32
#define TOKEN_LEN (sizeof(TOKEN_PREFIX) - 1 + 2 * TOKEN_BYTES)
#define MAX_USER_AGENT 512

/* The columns of account_data.sessions that are read here. */
enum
{
	COL_ID,
	COL_USER_ID,
	COL_CREATED_AT,
	COL_EXPIRES_AT,
	COL_DIGEST,
};

typedef struct Session
{
	pg_uuid_t id;
	pg_uuid_t user_id;
	TimestampTz created_at;
	TimestampTz expires_at;
} Session;

static int account_session_idle_timeout;
static int account_session_lifetime;

static Lookup by_digest = {.table = "sessions", .index = "sessions_digest_idx"};
static Lookup by_id = {.table = "sessions", .index = "sessions_pkey"};

static Statement insert_session = {
	.types = "uuid, uuid, timestamptz, timestamptz, bytea, inet, text",
	.sql = "WITH session AS ("
		   "  INSERT INTO account_data.sessions"
		   "    (id, user_id, created_at, expires_at, digest, ip, user_agent)"
		   "    VALUES ($1, $2, $3, $4, $5, $6, $7))"
		   " INSERT INTO account_data.credential_uses (credential_id) VALUES ($1)",
};

void
SessionInit(void)
{
	DefineCustomIntVariable("account.session_idle_timeout",
							"How long a session lasts when nothing is done with it.", NULL,
							&account_session_idle_timeout, 7 * SECS_PER_DAY, 60, INT_MAX, PGC_SUSET,
							GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("account.session_lifetime", "How long a new session lasts at most.",
							NULL, &account_session_lifetime, 30 * SECS_PER_DAY, 60, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
}

static void
Refuse(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_ACCOUNT_NOT_SIGNED_IN), errmsg("invalid session"), errhidestmt(true)));
}

static void
DigestOf(const char *token, size_t len, uint8 *digest)
{
	if (!CryptoSha256(token, len, digest))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not compute a SHA-256 digest"), errhidestmt(true)));
}

/* Reads the row under slot; false when the session has ended. */
static bool
ReadSession(TupleTableSlot *slot, Session *session)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();
	TimestampTz last_seen;

	slot_getallattrs(slot);
	session->id = *DatumGetUUIDP(slot->tts_values[COL_ID]);
	session->user_id = *DatumGetUUIDP(slot->tts_values[COL_USER_ID]);
	session->created_at = DatumGetTimestampTz(slot->tts_values[COL_CREATED_AT]);
	session->expires_at = DatumGetTimestampTz(slot->tts_values[COL_EXPIRES_AT]);
	if (session->expires_at <= now)
		return false;
	if (!UseLast(&session->id, &last_seen))
		last_seen = session->created_at;
	return last_seen > now - (TimestampTz) account_session_idle_timeout * USECS_PER_SEC;
}

static bool
FindByToken(const char *token, size_t len, Session *session)
{
	char value[VARHDRSZ + CRYPTO_SHA256_LEN];
	uint8 digest[CRYPTO_SHA256_LEN];
	ScanKeyData key;
	LookupScan scan;
	TupleTableSlot *slot;
	bool found = false;

	DigestOf(token, len, digest);
	SET_VARSIZE(value, sizeof(value));
	memcpy(VARDATA(value), digest, sizeof(digest));
	ScanKeyInit(&key, 1, HTEqualStrategyNumber, F_BYTEAEQ, PointerGetDatum(value));
	for (slot = LookupBegin(&scan, &by_digest, &key, 1, true); slot != NULL && !found;
		 slot = LookupNext(&scan))
	{
		bytea *stored;
		bool isnull;

		stored = DatumGetByteaPP(slot_getattr(slot, COL_DIGEST + 1, &isnull));
		found = VARSIZE_ANY_EXHDR(stored) == sizeof(digest) &&
				CryptoEqual(VARDATA_ANY(stored), digest, sizeof(digest)) &&
				ReadSession(slot, session);
	}
	LookupEnd(&scan);
	return found;
}

/* Whether that session has not ended. */
bool
SessionHolds(const pg_uuid_t *session_id)
{
	ScanKeyData key;
	LookupScan scan;
	TupleTableSlot *slot;
	Session session;
	bool holds;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(session_id));
	slot = LookupBegin(&scan, &by_id, &key, 1, true);
	holds = slot != NULL && ReadSession(slot, &session);
	LookupEnd(&scan);
	return holds;
}

PG_FUNCTION_INFO_V1(account_resume_session);
Datum
account_resume_session(PG_FUNCTION_ARGS)
{
	uint64 generation = RoleGeneration();
	bool is_local = PG_ARGISNULL(1) || PG_GETARG_BOOL(1);
	Principal *principal = PrincipalMake(NULL);
	Session session;
	text *token;

	if (PG_ARGISNULL(0) || toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ != TOKEN_LEN)
		Refuse();
	token = PG_GETARG_TEXT_PP(0);
	if (!FindByToken(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), &session))
		Refuse();
	principal->proof = PROOF_SESSION;
	principal->credential_id = session.id;
	principal->valid_until = session.expires_at;
	if (!PersonEnter(principal, &session.user_id, NULL))
		Refuse();
	PrincipalSet(principal, is_local, generation);
	UseNote(&session.id);
	PG_RETURN_DATUM(PrincipalResult(fcinfo, principal));
}

/* A new token: what its holder shows, and what is stored of it. */
static void
MakeToken(char *token, bytea *digest)
{
	uint8 random[TOKEN_BYTES];

	if (!CryptoRandom(random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	strcpy(token, TOKEN_PREFIX);
	CryptoHex(random, sizeof(random), token + sizeof(TOKEN_PREFIX) - 1);
	CryptoWipe(random, sizeof(random));
	SET_VARSIZE(digest, VARHDRSZ + CRYPTO_SHA256_LEN);
	DigestOf(token, TOKEN_LEN, (uint8 *) VARDATA(digest));
}

static char *
UserAgent(FunctionCallInfo fcinfo, int n)
{
	char *user_agent = ArgOptionalText(fcinfo, n);

	if (user_agent != NULL && strlen(user_agent) > MAX_USER_AGENT)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid user_agent: too long"),
						errdetail("It may have at most %d bytes.", MAX_USER_AGENT)));
	return user_agent;
}

/*
 * For a trusted backend that proved who a person is by its own means.
 */
PG_FUNCTION_INFO_V1(account_open_session);
Datum
account_open_session(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();
	TimestampTz expires_at = now + (TimestampTz) account_session_lifetime * USECS_PER_SEC;
	Principal person;
	char token[TOKEN_LEN + 1];
	bytea *digest = palloc(VARHDRSZ + CRYPTO_SHA256_LEN);
	char *user_agent = UserAgent(fcinfo, 2);
	pg_uuid_t id;
	NullableDatum args[7];
	Datum values[3];
	bool nulls[3] = {false, false, false};

	ArgRequired(fcinfo, 0, "user_id");
	if (!PersonEnter(&person, PG_GETARG_UUID_P(0), NULL))
		ErrorNotFound("user", PG_GETARG_UUID_P(0));
	UuidNew(&id);
	MakeToken(token, digest);
	args[0] = ArgUuid(&id);
	args[1] = ArgUuid(&person.actor_id);
	args[2] = ArgTime(now);
	args[3] = ArgTime(expires_at);
	args[4] = ArgPointer(digest);
	args[5] = PG_ARGISNULL(1) ? ArgNull() : ArgDatum(PG_GETARG_DATUM(1));
	args[6] = ArgText(user_agent);
	QueryRun(&insert_session, args);
	EventWrite(&(Event){.workspace_id = &person.workspace_id,
						.resource_type = "session",
						.resource_id = &id,
						.action = "created",
						.user_id = &person.actor_id});
	values[0] = CStringGetTextDatum(token);
	values[1] = UUIDPGetDatum(&id);
	values[2] = TimestampTzGetDatum(expires_at);
	CryptoWipe(token, sizeof(token));
	PG_RETURN_DATUM(ResultRow(fcinfo, values, nulls));
}
