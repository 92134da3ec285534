/*
 * mutex.c
 *		Locks of a workspace that are not a row's.
 *
 * They are advisory locks, apart from those SQL can take.  Who waits is given the
 * lock in turn, and wakes once.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"

#include "base/mutex.h"

/* To the end of the transaction; says whether somebody else had it. */
bool
MutexLock(Mutex mutex, const pg_uuid_t *workspace_id)
{
	uint64 hash = hash_bytes_extended(workspace_id->data, UUID_LEN, 0);
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash, mutex);
	if (LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
		return false;
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	return true;
}
