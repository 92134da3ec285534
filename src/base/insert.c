/*
 * insert.c
 *		Inserts a row into a table of account_data directly, without a plan.
 *
 * For doors that write several rows on each call: starting the executor, reading
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

/* Puts the row into slot. */
static void
FillSlot(TupleTableSlot *slot, const NullableDatum *row, int ncolumns)
{
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
	ExecStoreVirtualTuple(slot);
}

/* The commands that follow see the row, as they see what a statement wrote. */
void
InsertRow(const char *table, const NullableDatum *row, int ncolumns)
{
	Relation rel;
	EState *estate = CreateExecutorState();
	ResultRelInfo *target = makeNode(ResultRelInfo);
	TupleTableSlot *slot;

	PreventCommandIfReadOnly("INSERT");
	rel = table_open(CatalogTable(table), RowExclusiveLock);
	slot = table_slot_create(rel, NULL);
	FillSlot(slot, row, ncolumns);
	InitResultRelInfo(target, rel, 0, NULL, 0);
	ExecOpenIndices(target, false);
	table_tuple_insert(rel, slot, GetCurrentCommandId(true), 0, NULL);
	AccountInsertIndexTuples(target, slot, estate);
	ExecCloseIndices(target);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	FreeExecutorState(estate);
	CommandCounterIncrement();
}
