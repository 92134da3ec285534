/*
 * insert.c
 *		Inserts rows into a table of account_data directly, without a plan.
 *
 * For doors that write several rows on each call, and for many rows at once: starting the executor, reading
 * the expressions of CHECK constraints and querying for foreign keys cost several
 * times what the row and its index entries do.  So a row must be complete, in the
 * order of the table's columns, and the caller answers for what the constraints
 * would have said: values in their ranges, and referenced rows that it holds
 * locked or has just written.  NOT NULL and unique keys are enforced here.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/insert.h"

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

static void
InsertSlots(Relation rel, TupleTableSlot **slots, int nrows)
{
	EState *estate = CreateExecutorState();
	ResultRelInfo *target = makeNode(ResultRelInfo);
	CommandId command = GetCurrentCommandId(true);

	InitResultRelInfo(target, rel, 0, NULL, 0);
	ExecOpenIndices(target, false);
	if (nrows == 1)
		table_tuple_insert(rel, slots[0], command, 0, NULL);
	else
		table_multi_insert(rel, slots, nrows, command, 0, NULL);
	for (int i = 0; i < nrows; i++)
		AccountInsertIndexTuples(target, slots[i], estate);
	ExecCloseIndices(target);
	FreeExecutorState(estate);
}

/*
 * Inserts rows that stand one after the other.  The commands that follow see
 * them, as they see what a statement wrote.
 */
void
InsertRows(const char *table, const NullableDatum *rows, int nrows, int ncolumns)
{
	TupleTableSlot **slots = palloc(sizeof(TupleTableSlot *) * nrows);
	Relation rel;

	PreventCommandIfReadOnly("INSERT");
	rel = table_open(CatalogTable(table), RowExclusiveLock);
	for (int i = 0; i < nrows; i++)
		slots[i] = MakeSlot(rel, rows + i * ncolumns, ncolumns);
	InsertSlots(rel, slots, nrows);
	for (int i = 0; i < nrows; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

void
InsertRow(const char *table, const NullableDatum *row, int ncolumns)
{
	InsertRows(table, row, 1, ncolumns);
}
