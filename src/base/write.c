/*
 * write.c
 *		Writes rows of account_data directly, without a plan.
 *
 * For doors that write several rows on each call, and for many rows at once:
 * starting the executor, reading the expressions of CHECK constraints and
 * querying for foreign keys cost several times what the row and its index
 * entries do.  So a row must be complete, in the order of the table's columns,
 * and the caller answers for what constraints and triggers would have said:
 * values in their ranges, and referenced rows that it holds locked or has just
 * written.  NOT NULL and unique keys are enforced here.
 *
 * What the names of a table mean, and how entries of its indexes are made, is
 * found out once and again whenever the relation cache says that it changed.
 *
 * Who updates a row holds it locked and does not change its keys.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/sinval.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/write.h"

/* An index of a table, and how its entries are made. */
struct TableIndex
{
	Oid oid;
	IndexInfo *info;
};

/* One use of a table: it and its indexes, open. */
typedef struct Target
{
	Table *table;
	Relation rel;
	Relation *indexes; /* NULL: no entries are made */
} Target;

static Table *registered = NULL;

static void
RelationChanged(Datum arg, Oid relid)
{
	for (Table *table = registered; table != NULL; table = table->next)
	{
		if (relid == InvalidOid || relid == table->oid)
			table->is_changed = true;
		for (int i = 0; i < table->nindexes; i++)
			if (relid == table->indexes[i].oid)
				table->is_changed = true;
	}
}

void
WriteInit(void)
{
	CacheRegisterRelcacheCallback(RelationChanged, (Datum) 0);
}

static bool
IsUserFunction(Oid function, void *context)
{
	return function >= FirstNormalObjectId;
}

static bool
CallsUser(Node *node, void *context)
{
	return node != NULL && (check_functions_in_node(node, IsUserFunction, NULL) ||
							expression_tree_walker(node, CallsUser, context));
}

/*
 * Whether what was found out about an index serves the next use too.  Other
 * access methods keep open relations in it, and what somebody else wrote may keep
 * anything; that is found out for each use.
 */
static bool
IsLasting(Relation index, const IndexInfo *info)
{
	return (info->ii_Am == BTREE_AM_OID || info->ii_Am == HASH_AM_OID) &&
		   !CallsUser((Node *) info->ii_Expressions, NULL) &&
		   !CallsUser((Node *) info->ii_Predicate, NULL);
}

static void
ReadIndexes(Table *table)
{
	Relation rel = table_open(table->oid, RowExclusiveLock);
	List *oids = RelationGetIndexList(rel);
	MemoryContext old = MemoryContextSwitchTo(table->memory);

	table->estate = CreateExecutorState();
	table->indexes = palloc0(sizeof(TableIndex) * list_length(oids));
	for (int i = 0; i < list_length(oids); i++)
	{
		Relation index = index_open(list_nth_oid(oids, i), RowExclusiveLock);
		IndexInfo *info = BuildIndexInfo(index);

		table->is_lasting = table->is_lasting && IsLasting(index, info);
		table->indexes[table->nindexes++] = (TableIndex){RelationGetRelid(index), info};
		index_close(index, RowExclusiveLock);
	}
	MemoryContextSwitchTo(old);
	list_free(oids);
	table_close(rel, NoLock);
}

static void
Resolve(Table *table)
{
	if (table->memory == NULL)
	{
		table->memory = AllocSetContextCreate(CacheMemoryContext, "account table",
											  ALLOCSET_SMALL_SIZES);
		table->next = registered;
		registered = table;
	}
	table->is_known = table->is_changed = false;
	table->is_lasting = true;
	table->nindexes = 0;
	MemoryContextReset(table->memory);
	table->generation = CatalogGeneration();
	table->oid = CatalogTable(table->name);
	ReadIndexes(table);
	table->is_known = true;
}

static bool
IsKnown(const Table *table)
{
	return table->is_known && !table->is_changed && table->generation == CatalogGeneration();
}

/* Whether this transaction, at this savepoint, has it locked since an earlier write. */
static bool
IsLocked(const Table *table)
{
	return table->locked_by == AccountLocalTransaction() &&
		   table->locked_at == GetCurrentSubTransactionId();
}

/*
 * Locks the table to the end of the transaction, as every statement does; then
 * no index comes or goes.  Taking the lock may reveal that something changed.
 * Where no message came, what is known stands, even if the caches were emptied.
 */
static void
LockTable(Table *table)
{
	bool is_heard = true;

	while (is_heard && (!IsKnown(table) || !IsLocked(table)))
	{
		uint64 before = SharedInvalidMessageCounter;

		if (!IsKnown(table))
			Resolve(table);
		LockRelationOid(table->oid, RowExclusiveLock);
		table->locked_by = AccountLocalTransaction();
		table->locked_at = GetCurrentSubTransactionId();
		is_heard = before != SharedInvalidMessageCounter;
	}
}

static void
OpenTarget(Target *target, Table *table)
{
	PreventCommandIfReadOnly("INSERT");
	table->is_known = table->is_known && table->is_lasting;
	LockTable(table);
	*target = (Target){.table = table, .rel = table_open(table->oid, NoLock)};
}

static void
OpenIndexes(Target *target)
{
	const Table *table = target->table;

	target->indexes = palloc(sizeof(Relation) * table->nindexes);
	for (int i = 0; i < table->nindexes; i++)
		target->indexes[i] = index_open(table->indexes[i].oid, RowExclusiveLock);
}

static void
CloseTarget(Target *target)
{
	Table *table = target->table;

	for (int i = 0; target->indexes != NULL && i < table->nindexes; i++)
	{
		AccountIndexInsertCleanup(target->indexes[i], table->indexes[i].info);
		index_close(target->indexes[i], RowExclusiveLock);
	}
	table_close(target->rel, NoLock);
	if (!table->is_lasting)
		FreeExecutorState(table->estate);
	CommandCounterIncrement();
}

/* A new slot of the table that holds the row. */
static TupleTableSlot *
MakeSlot(const Target *target, const NullableDatum *row)
{
	TupleTableSlot *slot = table_slot_create(target->rel, NULL);
	TupleDesc desc = slot->tts_tupleDescriptor;

	if (desc->natts != target->table->ncolumns)
		elog(ERROR, "a row of %d columns does not fit a table of %d", target->table->ncolumns,
			 desc->natts);
	for (int i = 0; i < desc->natts; i++)
	{
		if (row[i].isnull && TupleDescAttr(desc, i)->attnotnull)
			elog(ERROR, "column \"%s\" is null", NameStr(TupleDescAttr(desc, i)->attname));
		slot->tts_values[i] = row[i].value;
		slot->tts_isnull[i] = row[i].isnull;
	}
	return ExecStoreVirtualTuple(slot);
}

/* Whether the row belongs in an index; with expressions, puts it where they find it. */
static bool
IsIndexed(EState *estate, IndexInfo *info, TupleTableSlot *slot)
{
	if (info->ii_Predicate == NIL && info->ii_Expressions == NIL)
		return true;
	GetPerTupleExprContext(estate)->ecxt_scantuple = slot;
	if (info->ii_Predicate == NIL)
		return true;
	if (info->ii_PredicateState == NULL)
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, estate);
	return ExecQual(info->ii_PredicateState, GetPerTupleExprContext(estate));
}

/*
 * Makes the entries of a row in the indexes that need one.  Another version of a
 * row that was there has the keys it had, which need no look at all versions
 * before it.
 */
static void
InsertEntries(Target *target, TupleTableSlot *slot, bool is_update, AccountUpdateIndexes which)
{
	Datum values[INDEX_MAX_KEYS];
	bool nulls[INDEX_MAX_KEYS];
	EState *estate = target->table->estate;

	for (int i = 0; i < target->table->nindexes; i++)
	{
		Relation index = target->indexes[i];
		IndexInfo *info = target->table->indexes[i].info;
		bool is_checked = index->rd_index->indisunique && !is_update;

		if (!index->rd_index->indisready || !AccountNeedsEntry(which, index) ||
			!IsIndexed(estate, info, slot))
			continue;
		FormIndexDatum(info, slot, estate, values, nulls);
		(void) index_insert(index, values, nulls, &slot->tts_tid, target->rel,
							is_checked ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, is_update, info);
	}
	ResetPerTupleExprContext(estate);
}

/*
 * Inserts rows that stand one after the other.  The commands that follow see
 * them, as they see what a statement wrote.  Returns where the last one is.
 */
static ItemPointerData
Insert(Table *table, const NullableDatum *rows, int nrows)
{
	TupleTableSlot **slots = palloc(sizeof(TupleTableSlot *) * nrows);
	CommandId command = GetCurrentCommandId(true);
	ItemPointerData last = {0};
	Target target;

	OpenTarget(&target, table);
	OpenIndexes(&target);
	for (int i = 0; i < nrows; i++)
		slots[i] = MakeSlot(&target, rows + i * table->ncolumns);
	if (nrows == 1)
		table_tuple_insert(target.rel, slots[0], command, 0, NULL);
	else
		table_multi_insert(target.rel, slots, nrows, command, 0, NULL);
	for (int i = 0; i < nrows; i++)
	{
		InsertEntries(&target, slots[i], false, ACCOUNT_ALL_INDEXES);
		last = slots[i]->tts_tid;
		ExecDropSingleTupleTableSlot(slots[i]);
	}
	pfree(slots);
	CloseTarget(&target);
	return last;
}

void
InsertRows(Table *table, const NullableDatum *rows, int nrows)
{
	(void) Insert(table, rows, nrows);
}

/* Inserts one, and returns where it is. */
ItemPointerData
InsertRow(Table *table, const NullableDatum *row)
{
	return Insert(table, row, 1);
}

/*
 * Writes a new version of a row that is locked; tid is where the one is that was
 * locked or written last, and then where the new one is.
 */
void
UpdateRow(Table *table, ItemPointer tid, const NullableDatum *row)
{
	Target target;
	TupleTableSlot *slot;
	TM_FailureData failure;
	LockTupleMode mode;
	AccountUpdateIndexes indexes = 0;

	OpenTarget(&target, table);
	slot = MakeSlot(&target, row);
	if (table_tuple_update(target.rel, tid, slot, GetCurrentCommandId(true), InvalidSnapshot,
						   InvalidSnapshot, true, &failure, &mode, &indexes) != TM_Ok)
		elog(ERROR, "a row of \"%s\" was changed in spite of its lock", table->name);
	if (indexes != 0)
	{
		OpenIndexes(&target);
		InsertEntries(&target, slot, true, indexes);
	}
	*tid = slot->tts_tid;
	ExecDropSingleTupleTableSlot(slot);
	CloseTarget(&target);
}

/*
 * Deletes the version of a row that was read; false, at once, when somebody holds
 * the row, this transaction too, or has changed it since.
 */
bool
DeleteRow(Table *table, ItemPointer tid)
{
	Target target;
	TM_FailureData failure;
	TM_Result result;

	OpenTarget(&target, table);
	result = table_tuple_delete(target.rel, tid, GetCurrentCommandId(true), InvalidSnapshot,
								InvalidSnapshot, false, &failure, false);
	CloseTarget(&target);
	return result == TM_Ok;
}
