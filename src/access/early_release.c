/*
 * early_release.c
 *		Letting go of a transaction's locks before its commit is on disk.
 *
 * A commit holds its locks while it waits for the flush of the log, so that one
 * busy wallet, or the chain of one busy workspace's events, makes no more
 * transactions a second than the disk makes flushes.  Where others wait, one that
 * adds to a chain commits asynchronously instead, lets go of its locks, and then
 * waits for the same flush before its client is told.
 *
 * What a client was told to be committed is on disk, as ever: the order of the
 * log is the order of the commits, so who saw a change and was told of a commit
 * of their own has both there.  But who only reads may see a change up to one
 * flush before a crash of the server forgets it, client and all.
 * account.early_lock_release = off takes that away, and the speed with it.
 *
 * That costs a little, for the server's log writer is woken each time, so only a
 * session does it that has itself had to wait within the last second.
 *
 * It stands aside where a commit waits for more than the local disk
 * (synchronous_standby_names), where it waits for nothing (synchronous_commit =
 * off), and in PREPARE TRANSACTION, which flushes before it returns, as does
 * COMMIT PREPARED.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "utils/guc.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "access/early_release.h"

static bool account_early_lock_release = true;

/* For how long a session that had to wait takes it that others will have to. */
#define CONTENDED_FOR USECS_PER_SEC

static TimestampTz contended_until = DT_NOBEGIN;

/* This transaction commits without a flush, and owes its client one. */
static bool is_flush_owed = false;

/* Runs at the end of every transaction, once its locks are released. */
static void
AfterLocks(ResourceReleasePhase phase, bool is_commit, bool is_top_level, void *arg)
{
	if (phase != RESOURCE_RELEASE_AFTER_LOCKS || !is_top_level || !is_flush_owed)
		return;
	is_flush_owed = false;
	if (is_commit)
		XLogFlush(XactLastCommitEnd);
}

void
EarlyReleaseInit(void)
{
	DefineCustomBoolVariable(
		"account.early_lock_release",
		"Releases the locks of commits that others wait for before the log is flushed; the client is told after.",
		NULL, &account_early_lock_release, true, PGC_USERSET, 0, NULL, NULL, NULL);
	RegisterResourceReleaseCallback(AfterLocks, NULL);
}

/* Somebody held what this session wanted. */
void
EarlyReleaseContended(void)
{
	contended_until = GetCurrentTimestamp() + CONTENDED_FOR;
}

/* Just before the commit of a transaction that others may wait for. */
void
EarlyRelease(void)
{
	if (!account_early_lock_release || contended_until < GetCurrentStatementStartTimestamp() ||
		synchronous_commit == SYNCHRONOUS_COMMIT_OFF ||
		(SyncRepRequested() && SyncRepStandbyNames != NULL && SyncRepStandbyNames[0] != '\0'))
		return;
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	is_flush_owed = true;
	elog(DEBUG1, "locks are released before the log is flushed");
}
