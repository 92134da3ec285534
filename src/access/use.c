/*
 * use.c
 *		When a key or session was last used.
 *
 * A use is written to the row of account_data.credential_uses that was made
 * with the credential, at most once a minute, or more often for who asks.  The
 * write is dropped, never waited for, when another transaction holds that row or
 * has just written it, or keeps writers out of the table: two uses of one key
 * must not block each other.  It reads and locks by what is committed now, so
 * that it cannot fail a REPEATABLE READ transaction either.
 *
 * Nothing is written in a read-only transaction, in a parallel worker or on a
 * standby.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/parallel.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "access/use.h"
#include "base/lookup.h"

/* A backend that serves more credentials than this within a minute starts over. */
#define MAX_REMEMBERED 8192

#define LAST_USED_AT_ATTNUM 2

typedef struct Remembered
{
	pg_uuid_t credential_id; /* hash key */
	TimestampTz known_at;	 /* a write at this time or later exists */
} Remembered;

static HTAB *remembered = NULL;

static Lookup use_lookup = {.table = "credential_uses", .index = "credential_uses_pkey"};

/* This backend's memory of a credential; makes it when there is none. */
static Remembered *
Remember(const pg_uuid_t *credential_id)
{
	Remembered *entry;
	bool found;

	if (remembered != NULL && hash_get_num_entries(remembered) >= MAX_REMEMBERED)
	{
		hash_destroy(remembered);
		remembered = NULL;
	}
	if (remembered == NULL)
	{
		HASHCTL control = {
			.keysize = UUID_LEN, .entrysize = sizeof(Remembered), .hcxt = TopMemoryContext};

		remembered = hash_create("account uses", 256, &control,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(remembered, credential_id, HASH_ENTER, &found);
	if (!found)
		entry->known_at = DT_NOBEGIN;
	return entry;
}

static TupleTableSlot *
BeginRow(LookupScan *scan, const pg_uuid_t *credential_id)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(credential_id));
	return LookupBegin(scan, &use_lookup, &key, 1, true);
}

static TimestampTz
LastUsedAt(TupleTableSlot *slot)
{
	bool isnull;
	Datum value = slot_getattr(slot, LAST_USED_AT_ATTNUM, &isnull);

	return isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
}

/* Whether this transaction wrote the row under slot, and may yet take it back. */
static bool
IsOwn(TupleTableSlot *slot)
{
	bool isnull;
	Datum xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull);

	return TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

/* Writes now to the row under slot, unless somebody else is at it or has the table locked. */
static void
WriteRow(LookupScan *scan, TupleTableSlot *slot, TimestampTz now)
{
	TM_FailureData failure;
	ItemPointerData tid = slot->tts_tid;
	Datum values[2];
	bool nulls[2] = {false, false};
	bool replace[2] = {false, true};
	HeapTuple old;
	HeapTuple new;

	if (!ConditionalLockRelation(scan->table, RowExclusiveLock) ||
		table_tuple_lock(scan->table, &tid, scan->latest, slot, GetCurrentCommandId(true),
						 LockTupleNoKeyExclusive, LockWaitSkip, 0, &failure) != TM_Ok)
		return;
	values[1] = TimestampTzGetDatum(now);
	old = ExecFetchSlotHeapTuple(slot, false, NULL);
	new = heap_modify_tuple(old, RelationGetDescr(scan->table), values, nulls, replace);
	CatalogTupleUpdate(scan->table, &tid, new);
	heap_freetuple(new);
}

/* Notes that a credential was used by this statement, unless a use so short before is written. */
void
UseNoteEvery(const pg_uuid_t *credential_id, TimestampTz gap)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();
	Remembered *memory;
	LookupScan scan;
	TupleTableSlot *slot;

	if (XactReadOnly || IsInParallelMode() || RecoveryInProgress())
		return;
	memory = Remember(credential_id);
	if (memory->known_at > now - gap)
		return;
	slot = BeginRow(&scan, credential_id);
	if (slot != NULL)
	{
		TimestampTz last_used_at = LastUsedAt(slot);

		if (last_used_at <= now - gap)
			WriteRow(&scan, slot, now);
		else if (!IsOwn(slot))
			memory->known_at = last_used_at;
	}
	LookupEnd(&scan);
}

void
UseNote(const pg_uuid_t *credential_id)
{
	UseNoteEvery(credential_id, USE_WRITTEN_EVERY);
}

/* The last use that was written; false when there is none. */
bool
UseLast(const pg_uuid_t *credential_id, TimestampTz *last_used_at)
{
	LookupScan scan;
	TupleTableSlot *slot = BeginRow(&scan, credential_id);

	*last_used_at = slot == NULL ? DT_NOBEGIN : LastUsedAt(slot);
	LookupEnd(&scan);
	return *last_used_at != DT_NOBEGIN;
}
