/*
 * session.c
 *		Sessions of people: a 256-bit token, stored as its SHA-256.
 *
 * A session ends account.session_lifetime after it began, or when nothing was
 * done with it for account.session_idle_timeout, whichever comes first.  A use is
 * a resume_session(); those within a minute of a written one, or within a
 * sixtieth of the timeout if that is less, are not written.  So a session may be
 * found idle that much too early, and never one that is used more often.
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inet.h"

#include "access/counter.h"
#include "access/event.h"
#include "access/person.h"
#include "access/role.h"
#include "access/session.h"
#include "access/token.h"
#include "access/use.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/query.h"
#include "base/uuid.h"

#define SESSION_PREFIX "us_"
#define MAX_USER_AGENT 512
#define USES_A_TIMEOUT 60

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

static TimestampTz
IdleTimeout(void)
{
	return (TimestampTz) account_session_idle_timeout * USECS_PER_SEC;
}

static void
Refuse(void)
{
	CounterAdd(COUNTER_SESSION_INVALID);
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_NOT_SIGNED_IN), errmsg("invalid session")));
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
	return last_seen > now - IdleTimeout();
}

static bool
FindByDigest(const bytea *digest, Session *session)
{
	ScanKeyData key;
	LookupScan scan;
	TupleTableSlot *slot;
	bool found = false;

	ScanKeyInit(&key, 1, HTEqualStrategyNumber, F_BYTEAEQ, PointerGetDatum(digest));
	for (slot = LookupBegin(&scan, &by_digest, &key, 1, true); slot != NULL && !found;
		 slot = LookupNext(&scan))
	{
		bool isnull;
		bytea *stored = DatumGetByteaPP(slot_getattr(slot, COL_DIGEST + 1, &isnull));

		found = CryptoEqual(VARDATA_ANY(stored), VARDATA_ANY(digest), CRYPTO_SHA256_LEN) &&
				ReadSession(slot, session);
	}
	LookupEnd(&scan);
	return found;
}

/* Until when that session lasts, as things are now. */
TimestampTz
SessionHoldsUntil(const pg_uuid_t *session_id)
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
	return holds ? session.expires_at : DT_NOBEGIN;
}

PG_FUNCTION_INFO_V1(account_resume_session);
Datum
account_resume_session(PG_FUNCTION_ARGS)
{
	uint64 generation = RoleGeneration();
	bool is_local = PG_ARGISNULL(1) || PG_GETARG_BOOL(1);
	Principal *principal = PrincipalMake(NULL);
	ErrorContextCallback hide;
	Session session;
	TimestampTz until;
	bytea *digest = PG_ARGISNULL(0) ? NULL : TokenDigest(SESSION_PREFIX, PG_GETARG_DATUM(0));

	ErrorHideStatement(&hide);
	if (digest == NULL || !FindByDigest(digest, &session))
		Refuse();
	principal->proof = PROOF_SESSION;
	principal->credential_id = session.id;
	if (!PersonEnter(principal, &session.user_id, NULL, &until))
		Refuse();
	CounterAdd(COUNTER_SESSION_VALID);
	PrincipalSet(principal, is_local, generation, Min(until, session.expires_at));
	UseNoteEvery(&session.id, Min(USE_WRITTEN_EVERY, IdleTimeout() / USES_A_TIMEOUT));
	ErrorShowStatement(&hide);
	PG_RETURN_DATUM(PrincipalResult(fcinfo, principal));
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
	TimestampTz until;
	char token[TOKEN_LEN + 1];
	bytea *digest;
	char *user_agent = UserAgent(fcinfo, 2);
	pg_uuid_t id;
	NullableDatum args[7];
	Datum values[3];
	bool nulls[3] = {false, false, false};

	ArgRequired(fcinfo, 0, "user_id");
	if (!PersonEnter(&person, PG_GETARG_UUID_P(0), NULL, &until))
		ErrorNotFound("user", PG_GETARG_UUID_P(0));
	UuidNew(&id);
	TokenMake(SESSION_PREFIX, token, &digest);
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
