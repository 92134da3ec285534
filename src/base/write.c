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
 * Who updates a row holds it locked and does not change its keys.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/write.h"

/* A table that is written to, and its indexes. */
typedef struct Target
{
	Relation rel;
	int nindexes;
	Relation *indexes;
	IndexInfo **infos;
	EState *estate; /* for conditions of partial indexes; made when there are any */
} Target;

static void
OpenTarget(Target *target, const char *table)
{
	PreventCommandIfReadOnly("INSERT");
	*target = (Target){.rel = table_open(CatalogTable(table), RowExclusiveLock)};
}

static void
OpenIndexes(Target *target)
{
	List *oids = RelationGetIndexList(target->rel);
	ListCell *cell;

	target->indexes = palloc(sizeof(Relation) * list_length(oids));
	target->infos = palloc(sizeof(IndexInfo *) * list_length(oids));
	foreach (cell, oids)
	{
		Relation index = index_open(lfirst_oid(cell), RowExclusiveLock);
		IndexInfo *info = BuildIndexInfo(index);

		target->indexes[target->nindexes] = index;
		target->infos[target->nindexes++] = info;
		if ((info->ii_Predicate != NIL || info->ii_Expressions != NIL) && target->estate == NULL)
			target->estate = CreateExecutorState();
	}
	list_free(oids);
}

static void
CloseTarget(Target *target)
{
	if (target->estate != NULL)
		FreeExecutorState(target->estate);
	for (int i = 0; i < target->nindexes; i++)
		index_close(target->indexes[i], RowExclusiveLock);
	table_close(target->rel, NoLock);
	CommandCounterIncrement();
}

/* A new slot of the table that holds the row. */
static TupleTableSlot *
MakeSlot(Relation rel, const NullableDatum *row, int ncolumns)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TupleDesc desc = slot->tts_tupleDescriptor;

	if (desc->natts != ncolumns)
		elog(ERROR, "a row of %d columns does not fit a table of %d", ncolumns, desc->natts);
	for (int i = 0; i < ncolumns; i++)
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
IsIndexed(Target *target, IndexInfo *info, TupleTableSlot *slot)
{
	if (info->ii_Predicate == NIL && info->ii_Expressions == NIL)
		return true;
	GetPerTupleExprContext(target->estate)->ecxt_scantuple = slot;
	if (info->ii_Predicate == NIL)
		return true;
	if (info->ii_PredicateState == NULL)
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, target->estate);
	return ExecQual(info->ii_PredicateState, GetPerTupleExprContext(target->estate));
}

/*
 * Makes the index entries of a row.  Another version of a row that was there has
 * the keys it had, which need no look at all versions before it.
 */
static void
InsertEntries(Target *target, TupleTableSlot *slot, bool is_update)
{
	Datum values[INDEX_MAX_KEYS];
	bool nulls[INDEX_MAX_KEYS];

	for (int i = 0; i < target->nindexes; i++)
	{
		Relation index = target->indexes[i];
		bool is_checked = index->rd_index->indisunique && !is_update;

		if (!index->rd_index->indisready || !IsIndexed(target, target->infos[i], slot))
			continue;
		FormIndexDatum(target->infos[i], slot, target->estate, values, nulls);
		(void) index_insert(index, values, nulls, &slot->tts_tid, target->rel,
							is_checked ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, is_update,
							target->infos[i]);
	}
	if (target->estate != NULL)
		ResetPerTupleExprContext(target->estate);
}

/*
 * Inserts rows that stand one after the other.  The commands that follow see
 * them, as they see what a statement wrote.  Returns where the last one is.
 */
static ItemPointerData
Insert(const char *table, const NullableDatum *rows, int nrows, int ncolumns)
{
	TupleTableSlot **slots = palloc(sizeof(TupleTableSlot *) * nrows);
	CommandId command = GetCurrentCommandId(true);
	ItemPointerData last = {0};
	Target target;

	OpenTarget(&target, table);
	OpenIndexes(&target);
	for (int i = 0; i < nrows; i++)
		slots[i] = MakeSlot(target.rel, rows + i * ncolumns, ncolumns);
	if (nrows == 1)
		table_tuple_insert(target.rel, slots[0], command, 0, NULL);
	else
		table_multi_insert(target.rel, slots, nrows, command, 0, NULL);
	for (int i = 0; i < nrows; i++)
	{
		InsertEntries(&target, slots[i], false);
		last = slots[i]->tts_tid;
		ExecDropSingleTupleTableSlot(slots[i]);
	}
	pfree(slots);
	CloseTarget(&target);
	return last;
}

void
InsertRows(const char *table, const NullableDatum *rows, int nrows, int ncolumns)
{
	(void) Insert(table, rows, nrows, ncolumns);
}

/* Inserts one, and returns where it is. */
ItemPointerData
InsertRow(const char *table, const NullableDatum *row, int ncolumns)
{
	return Insert(table, row, 1, ncolumns);
}

/*
 * Writes a new version of a row that is locked; tid is where the one is that was
 * locked or written last, and then where the new one is.
 */
void
UpdateRow(const char *table, ItemPointer tid, const NullableDatum *row, int ncolumns)
{
	Target target;
	TupleTableSlot *slot;
	bool needs_entries;

	OpenTarget(&target, table);
	slot = MakeSlot(target.rel, row, ncolumns);
	if (!AccountTupleUpdate(target.rel, tid, slot, &needs_entries))
		elog(ERROR, "a row of \"%s\" was changed in spite of its lock", table);
	if (needs_entries)
	{
		OpenIndexes(&target);
		InsertEntries(&target, slot, true);
	}
	*tid = slot->tts_tid;
	ExecDropSingleTupleTableSlot(slot);
	CloseTarget(&target);
}
