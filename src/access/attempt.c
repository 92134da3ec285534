/*
 * attempt.c
 *		Tries at something secret, counted for good before they are answered.
 *
 * A wrong code ends in an error, and the error rolls back what its transaction
 * wrote.  So a background worker counts the try in a transaction of its own,
 * and the session waits for that commit before it looks whether the code was
 * right.  Who tries in a hundred sessions at once is counted a hundred times.
 *
 * Workers are few and others need them.  At most two of the cluster count at a
 * time; who finds both at work waits a second at most.  A try that cannot be
 * counted is refused, and so is one past the maximum, without any worker.
 *
 * The worker never waits for its session: it writes account_data.attempts,
 * which sessions only read, and a lock on it would end by lock_timeout.  Its
 * commit is not flushed at once: a crash of the server, which no caller can
 * bring about, may forget the tries of its last moments.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "access/attempt.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/query.h"

#define WORKERS 2
#define PATIENCE_MS 1000
#define POLL_MS 5
#define PURGED_AT_ONCE 10

/* In memory shared with the worker; who writes it has it alone: first the session, then the worker.
 */
typedef struct Request
{
	Oid database;
	char kind[NAMEDATALEN];
	char digest[VARHDRSZ + CRYPTO_SHA256_LEN]; /* a bytea */
	TimestampTz expires_at;
	int32 count; /* the worker's answer; 0 until it has committed */
} Request;

PGDLLEXPORT void account_attempt_worker(Datum handle);

static Statement read_count = {
	.types = "bytea",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "SELECT count FROM account_data.attempts"
		   " WHERE digest = $1 AND expires_at > statement_timestamp()",
};

static Statement count_try = {
	.types = "bytea, text, timestamptz, timestamptz",
	.by_index = true,
	.sql = "INSERT INTO account_data.attempts AS a (digest, kind, count, expires_at)"
		   " VALUES ($1, $2, 1, $3)"
		   " ON CONFLICT (digest) DO UPDATE SET"
		   "  count = CASE WHEN a.expires_at > $4 THEN a.count + 1 ELSE 1 END,"
		   "  expires_at = CASE WHEN a.expires_at > $4 THEN a.expires_at ELSE $3 END"
		   " RETURNING count",
};

static Statement purge_expired = {
	.types = "timestamptz, integer",
	.by_index = true,
	.sql = "DELETE FROM account_data.attempts WHERE digest = ANY (ARRAY("
		   "  SELECT digest FROM account_data.attempts WHERE expires_at <= $1"
		   "  ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))",
};

static void
Refuse(const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_TOO_MANY), errmsg("rate limit exceeded"),
					errdetail("%s", detail), errhint("Try again in a moment.")));
}

static void
Connect(Oid database)
{
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	SetConfigOption("lock_timeout", "500ms", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("synchronous_commit", "off", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_USERSET, PGC_S_OVERRIDE);
}

static int32
CountTry(const Request *request)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();
	NullableDatum args[4] = {ArgPointer(request->digest), ArgText(request->kind),
							 ArgTime(request->expires_at), ArgTime(now)};
	NullableDatum purge[2] = {ArgTime(now), ArgDatum(Int32GetDatum(PURGED_AT_ONCE))};
	NullableDatum row[1];

	QueryRow(&count_try, args, row, 1);
	QueryRun(&purge_expired, purge);
	return DatumGetInt32(row[0].value);
}

/* The whole life of a worker: one try. */
void
account_attempt_worker(Datum handle)
{
	dsm_segment *segment;
	Request *request;
	int32 count;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	segment = dsm_attach(DatumGetUInt32(handle));
	if (segment == NULL)
		return; /* the session has gone */
	request = dsm_segment_address(segment);
	Connect(request->database);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, "account: counting a try");
	count = CountTry(request);
	PopActiveSnapshot();
	CommitTransactionCommand();
	request->count = count;
}

static bool
TryPlace(LOCKTAG *place)
{
	for (uint16 i = 1; i <= WORKERS; i++)
	{
		SET_LOCKTAG_OBJECT(*place, InvalidOid, ExtensionRelationId, InvalidOid, i);
		if (LockAcquire(place, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
			return true;
	}
	return false;
}

/* One of the places for workers; to be given back, an error does that too. */
static void
TakePlace(LOCKTAG *place)
{
	for (int waited = 0; !TryPlace(place); waited += POLL_MS)
	{
		if (waited >= PATIENCE_MS)
			Refuse("Too many tries are being counted at this moment.");
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, POLL_MS,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Starts a worker on the request and waits for its end; false when there is none to be had. */
static bool
RunWorker(dsm_segment *segment)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(segment));
	strlcpy(worker.bgw_library_name, "account", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "account_attempt_worker", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "account attempt", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "account attempt", sizeof(worker.bgw_type));
	return RegisterDynamicBackgroundWorker(&worker, &handle) &&
		   WaitForBackgroundWorkerShutdown(handle) == BGWH_STOPPED;
}

/* The try's number, once it is committed; 0 when no worker could count it. */
static int32
CountInWorker(const Request *request)
{
	dsm_segment *segment = dsm_create(sizeof(Request), 0);
	Request *shared = dsm_segment_address(segment);
	int32 count;

	*shared = *request;
	count = RunWorker(segment) ? shared->count : 0;
	dsm_detach(segment);
	return count;
}

static void
DigestOf(const char *kind, const char *key, char *digest)
{
	char *text = psprintf("%s %s", kind, key);

	SET_VARSIZE(digest, VARHDRSZ + CRYPTO_SHA256_LEN);
	if (!CryptoSha256(text, strlen(text), (uint8 *) VARDATA(digest)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not compute a SHA-256 digest"), errhidestmt(true)));
}

static int32
ReadCount(const Request *request)
{
	NullableDatum args[1] = {ArgPointer(request->digest)};
	NullableDatum row[1];

	return QueryRow(&read_count, args, row, 1) ? DatumGetInt32(row[0].value) : 0;
}

/*
 * Counts a try at key and returns its number: the first is 1, and one greater
 * than max is to be refused, right or wrong.  A count begun now is kept until
 * expires_at.  Raises PT429 when the try cannot be counted.
 */
int
AttemptCount(const char *kind, const char *key, int max, TimestampTz expires_at)
{
	Request request = {.database = MyDatabaseId, .expires_at = expires_at};
	LOCKTAG place;
	int32 count;

	strlcpy(request.kind, kind, sizeof(request.kind));
	DigestOf(kind, key, request.digest);
	count = ReadCount(&request);
	if (count >= max)
		return count + 1;
	TakePlace(&place);
	count = CountInWorker(&request);
	LockRelease(&place, ExclusiveLock, false);
	if (count == 0)
		Refuse("The try could not be counted: no background worker was free.");
	return count;
}
