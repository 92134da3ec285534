/*
 * lookup.c
 *		Reads and locks rows by an index of account_data directly, without a plan.
 *
 * The table and its index are opened by cached object ids.  A relation cache
 * invalidation (DROP, REINDEX CONCURRENTLY, VACUUM FULL) makes the next use
 * resolve the names again.
 *
 * A read sees the active snapshot, like the statement that called it, or, when
 * asked for the latest, what is committed now: rules that must hold whatever
 * the isolation level need the second.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/sinval.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/lookup.h"

static Lookup *registered = NULL;

static void
RelationChanged(Datum arg, Oid relid)
{
	for (Lookup *l = registered; l != NULL; l = l->next)
		if (relid == InvalidOid || relid == l->table_oid || relid == l->index_oid)
			l->is_resolved = false;
}

void
LookupInit(void)
{
	CacheRegisterRelcacheCallback(RelationChanged, (Datum) 0);
}

static void
Resolve(Lookup *lookup)
{
	if (!lookup->is_registered)
	{
		lookup->next = registered;
		registered = lookup;
		lookup->is_registered = true;
	}
	lookup->generation = CatalogGeneration();
	lookup->table_oid = CatalogTable(lookup->table);
	lookup->index_oid = CatalogTable(lookup->index);
	if (!OidIsValid(lookup->table_oid) || !OidIsValid(lookup->index_oid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("table account_data.%s or its index %s does not exist",
							   lookup->table, lookup->index)));
	lookup->is_resolved = true;
}

/* Whether this transaction, at this savepoint, has them locked since an earlier read. */
static bool
IsLocked(const Lookup *lookup)
{
	return lookup->is_resolved && lookup->generation == CatalogGeneration() &&
		   lookup->locked_by == AccountLocalTransaction() &&
		   lookup->locked_at == GetCurrentSubTransactionId();
}

/*
 * Locks both relations; taking a lock may reveal that the names moved on.  Where
 * no message came, what was resolved stands, even if the caches were emptied.
 */
static void
LockRelations(Lookup *lookup)
{
	LOCKMODE lock = lookup->lock == NoLock ? AccessShareLock : lookup->lock;
	bool is_heard = true;

	while (is_heard && !IsLocked(lookup))
	{
		uint64 before = SharedInvalidMessageCounter;

		if (!lookup->is_resolved || lookup->generation != CatalogGeneration())
			Resolve(lookup);
		LockRelationOid(lookup->table_oid, lock);
		LockRelationOid(lookup->index_oid, lock);
		lookup->locked_by = AccountLocalTransaction();
		lookup->locked_at = GetCurrentSubTransactionId();
		is_heard = before != SharedInvalidMessageCounter;
	}
}

/*
 * What is committed now.  GetLatestSnapshot() refuses in parallel mode for want
 * of a use for it; policies are one.
 */
static Snapshot
LatestSnapshot(void)
{
	static SnapshotData latest = {.snapshot_type = SNAPSHOT_MVCC};

	return RegisterSnapshot(IsInParallelMode() ? GetSnapshotData(&latest) : GetLatestSnapshot());
}

/* The first row that matches, or NULL; LookupEnd() is due in either case. */
TupleTableSlot *
LookupBegin(LookupScan *scan, Lookup *lookup, ScanKey keys, int nkeys, bool is_latest)
{
	Snapshot snapshot;

	LockRelations(lookup);
	scan->table = table_open(lookup->table_oid, NoLock);
	scan->index = index_open(lookup->index_oid, NoLock);
	scan->direction = lookup->is_backward ? BackwardScanDirection : ForwardScanDirection;
	scan->latest = is_latest ? LatestSnapshot() : NULL;
	snapshot = is_latest ? scan->latest : GetActiveSnapshot();
	scan->slot = table_slot_create(scan->table, NULL);
	scan->scan = AccountIndexBeginScan(scan->table, scan->index, snapshot, nkeys);
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
	return LookupNext(scan);
}

TupleTableSlot *
LookupNext(LookupScan *scan)
{
	return index_getnext_slot(scan->scan, scan->direction, scan->slot) ? scan->slot : NULL;
}

/* The first row that matches other keys, by the same snapshot. */
TupleTableSlot *
LookupAgain(LookupScan *scan, ScanKey keys, int nkeys)
{
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
	return LookupNext(scan);
}

/* Keeps the locks to the end of the transaction, as every statement does. */
void
LookupEnd(LookupScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
	table_close(scan->table, NoLock);
	if (scan->latest != NULL)
		UnregisterSnapshot(scan->latest);
}

/* What is read from here to PopActiveSnapshot() is what a statement of its own would see. */
void
LookupSnapshot(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* Copies a row to the caller's memory. */
static void
CopyRow(TupleTableSlot *slot, Row *row)
{
	TupleDesc desc = slot->tts_tupleDescriptor;

	Assert(desc->natts <= ROW_MAX_COLUMNS);
	slot_getallattrs(slot);
	row->tid = slot->tts_tid;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		row->columns[i].isnull = slot->tts_isnull[i];
		row->columns[i].value = slot->tts_isnull[i]
									? (Datum) 0
									: datumCopy(slot->tts_values[i], att->attbyval, att->attlen);
	}
}

/* The row that matches, by the active snapshot; false when there is none. */
bool
LookupRow(Lookup *lookup, ScanKey keys, int nkeys, Row *row)
{
	LookupScan scan;
	TupleTableSlot *slot = LookupBegin(&scan, lookup, keys, nkeys, false);

	if (slot != NULL)
		CopyRow(slot, row);
	LookupEnd(&scan);
	return slot != NULL;
}

/* Locks the newest version of a row that was read.  Its key is taken not to change. */
static LookupResult
LockNewest(Relation table, TupleTableSlot *slot, LockTupleMode mode, LockWaitPolicy wait)
{
	bool is_snapshot_fixed = IsolationUsesXactSnapshot();
	ItemPointerData tid = slot->tts_tid;
	TM_FailureData failure;
	TM_Result result;

	result = table_tuple_lock(table, &tid, GetActiveSnapshot(), slot, GetCurrentCommandId(true),
							  mode, wait,
							  TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS |
								  (is_snapshot_fixed ? 0 : TUPLE_LOCK_FLAG_FIND_LAST_VERSION),
							  &failure);
	if (result == TM_Ok)
		return LOOKUP_FOUND;
	if (result == TM_WouldBlock)
		return LOOKUP_BUSY;
	if (result != TM_Updated && result != TM_Deleted)
		elog(ERROR, "could not lock a row of \"%s\": %d", RelationGetRelationName(table), result);
	if (is_snapshot_fixed)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("could not serialize access due to concurrent update")));
	return LOOKUP_NONE;
}

/*
 * The row that matches, locked to the end of the transaction, as it stands then,
 * as by SELECT ... FOR UPDATE.  40001 when it changed after the transaction's own
 * snapshot.
 */
LookupResult
LookupLock(Lookup *lookup, ScanKey keys, int nkeys, LockTupleMode mode, LockWaitPolicy wait,
		   Row *row)
{
	LookupScan scan;
	TupleTableSlot *slot;
	LookupResult result;

	Assert(lookup->lock >= RowShareLock);
	PreventCommandIfReadOnly("SELECT FOR UPDATE");
	LookupSnapshot();
	slot = LookupBegin(&scan, lookup, keys, nkeys, false);
	result = slot == NULL ? LOOKUP_NONE : LockNewest(scan.table, slot, mode, wait);
	if (result == LOOKUP_FOUND)
		CopyRow(slot, row);
	LookupEnd(&scan);
	PopActiveSnapshot();
	return result;
}

/*
 * The version of a row at a place where this transaction wrote one; false when it
 * is not to be seen there: it was written again or rolled back.  While it is
 * seen nobody else can change the row, so it needs no lock.
 */
bool
LookupOwn(Lookup *lookup, ItemPointer tid, Row *row)
{
	Relation table;
	TupleTableSlot *slot;
	bool isnull;
	bool found;

	LookupSnapshot();
	LockRelations(lookup);
	table = table_open(lookup->table_oid, NoLock);
	slot = table_slot_create(table, NULL);
	found = ItemPointerGetBlockNumber(tid) < RelationGetNumberOfBlocks(table) &&
			table_tuple_fetch_row_version(table, tid, GetActiveSnapshot(), slot) &&
			TransactionIdIsCurrentTransactionId(DatumGetTransactionId(
				slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull)));
	if (found)
		CopyRow(slot, row);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
	PopActiveSnapshot();
	return found;
}
