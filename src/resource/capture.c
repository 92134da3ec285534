/*
 * capture.c
 *		The trigger that keeps deleted rows: what one statement takes is one batch.
 *
 * A row of a resource that was deleted by itself becomes an item.  A row that a
 * cascade took hangs on the item of the row it referred to: as an item of its
 * own if its table is a resource, else as a row of that item's chunks.
 *
 * Tables that others hang on have the trigger for each row, so that parents are
 * always seen before their children, and once for the statement to write what is
 * pending.  The rest, which may be millions of rows, come as a transition table.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "resource/batch.h"
#include "resource/change.h"
#include "resource/trash.h"
#include "resource/usage.h"
#include "resource/watch.h"

static Statement find_workspace = {
	.types = "uuid",
	.by_index = true,
	.sql = "SELECT true FROM account_data.workspaces WHERE id = $1",
};

static Statement find_user = {
	.types = "uuid",
	.by_index = true,
	.sql = "SELECT true FROM account_data.users WHERE id = $1",
};

static bool
Exists(Statement *find, const pg_uuid_t *id)
{
	NullableDatum args[1] = {ArgUuid(id)};
	NullableDatum row[1];

	return QueryRow(find, args, row, 1);
}

static bool
WorkspaceExists(Batch *batch, const pg_uuid_t *id)
{
	if (!batch->is_workspace || !UuidEqual(&batch->workspace_id, id))
	{
		batch->workspace_id = *id;
		batch->has_workspace = Exists(&find_workspace, id);
		batch->is_workspace = true;
	}
	return batch->has_workspace;
}

/* Whether a cascade from a person took the row: then it is deleted for good. */
static bool
WentWithPerson(const Shape *shape, TupleTableSlot *slot)
{
	Oid users = CatalogTable("users");
	ListCell *cell;

	if (!shape->goes_with_people)
		return false;
	foreach (cell, shape->parents)
	{
		const ShapeParent *parent = lfirst(cell);
		bool isnull;
		Datum value;

		if (parent->relid != users)
			continue;
		value = slot_getattr(slot, parent->key.columns[0], &isnull);
		if (!isnull && !Exists(&find_user, DatumGetUUIDP(value)))
			return true;
	}
	return false;
}

static void
WriteLayoutOnce(BatchTable *table)
{
	if (!table->is_layout_written)
		TrashWriteLayout(table->shape->layout);
	table->is_layout_written = true;
}

/* A cascade may take rows of other workspaces: their bytes are no storage of the one whose trash it is. */
static bool
IsOf(const Shape *shape, TupleTableSlot *slot, const pg_uuid_t *workspace_id)
{
	const pg_uuid_t *own = ShapeWorkspace(shape, slot);

	return own != NULL && UuidEqual(own, workspace_id);
}

/* A row of a resource; gives the index of its item if others may hang on it. */
static int
CaptureItem(Batch *batch, BatchTable *table, TupleTableSlot *slot, int above,
			const pg_uuid_t *workspace_id)
{
	TrashWriter *writer = &batch->writer;
	const Shape *shape = table->shape;
	MemoryContext old = MemoryContextSwitchTo(writer->pending);
	TrashRow row = {.shape = shape, .is_root = above < 0};
	StringInfoData data;
	int level = ImagePin(!shape->layout->is_steady);
	const pg_uuid_t *own = ShapeWorkspace(shape, slot);
	bool is_own;

	UuidNew(&row.id);
	row.workspace_id = above < 0 ? *workspace_id : writer->items[above].workspace_id;
	row.root_id = above < 0 ? row.id : writer->items[writer->items[above].root].id;
	if (above >= 0)
		row.parent_id = writer->items[above].id;
	row.resource_id = ShapeResourceId(shape, slot);
	row.name = ShapeName(shape, slot);
	is_own = own != NULL && UuidEqual(own, &row.workspace_id);
	row.size = is_own ? ShapeSize(shape, slot) : 0;
	initStringInfo(&data);
	appendStringInfoSpaces(&data, VARHDRSZ);
	ImageWrite(&data, shape->layout, slot);
	ImageUnpin(level);
	SET_VARSIZE(data.data, data.len);
	row.data = (bytea *) data.data;
	WriteLayoutOnce(table);
	MemoryContextSwitchTo(old);
	WatchNote(table->watch, &row.workspace_id, row.resource_id, row.name, NULL, false);
	if (own != NULL && !is_own)
		WatchNote(table->watch, own, row.resource_id, row.name, NULL, false);
	if (above >= 0)
		TrashTouch(writer, above, 1, row.size);
	if (shape->children != NIL)
		return TrashAddItem(writer, &row, above);
	TrashAddRow(writer, &row);
	return UNKNOWN;
}

/* A row of another table, that goes into a chunk of its item. */
static void
CaptureRow(Batch *batch, BatchTable *table, TupleTableSlot *slot, int item)
{
	TrashChunk *chunk = &table->chunk;
	Layout *layout = table->shape->layout;
	int level;

	if (chunk->item != item)
		TrashWriteChunk(&batch->writer, table->shape, chunk);
	chunk->item = item;
	WriteLayoutOnce(table);
	level = ImagePin(layout->has_text);
	ImageWrite(&chunk->data, layout, slot);
	ImageUnpin(level);
	chunk->row_count++;
	if (chunk->data.len >= TRASH_CHUNK_BYTES)
		TrashWriteChunk(&batch->writer, table->shape, chunk);
}

/* A row of a resource that no captured row took along. */
static int
CaptureRoot(Batch *batch, BatchTable *table, TupleTableSlot *slot)
{
	const Shape *shape = table->shape;
	const pg_uuid_t *workspace_id = ShapeWorkspace(shape, slot);

	if (workspace_id == NULL || !WorkspaceExists(batch, workspace_id) ||
		WentWithPerson(shape, slot))
		return FORGOTTEN;
	return CaptureItem(batch, table, slot, -1, workspace_id);
}

/* A row that went for good, though its workspace did not. */
static void
NoteGone(Batch *batch, BatchTable *table, TupleTableSlot *slot)
{
	const Shape *shape = table->shape;
	const pg_uuid_t *workspace_id = ShapeWorkspace(shape, slot);
	int level;

	if (workspace_id == NULL || !WorkspaceExists(batch, workspace_id))
		return;
	if (table->gone == NULL)
		table->gone = WatchBegin(batch->memory, shape, "deleted", -1);
	level = ImagePin(!shape->layout->is_steady);
	WatchNote(table->gone, workspace_id, ShapeResourceId(shape, slot), ShapeName(shape, slot), NULL,
			  false);
	ImageUnpin(level);
}

/* The row is not live any more; its bytes count until it is purged. */
static void
Uncount(Batch *batch, const Shape *shape, TupleTableSlot *slot, bool is_kept)
{
	const pg_uuid_t *workspace_id = ShapeWorkspace(shape, slot);

	if (workspace_id != NULL)
		UsageNote(&batch->tallies, workspace_id, shape->limit, shape->category, -1,
				  is_kept ? 0 : -ShapeSize(shape, slot));
}

static void
Capture(Batch *batch, BatchTable *table, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(batch->row);
	int item = BatchItemAbove(batch, table->shape, slot);

	if (table->shape->is_resource)
	{
		bool is_stored = false;

		if (item == UNKNOWN)
		{
			item = CaptureRoot(batch, table, slot);
			is_stored = item != FORGOTTEN;
		}
		else if (item >= 0)
		{
			is_stored = IsOf(table->shape, slot, &batch->writer.items[item].workspace_id);
			item = CaptureItem(batch, table, slot, item, NULL);
		}
		if (item == FORGOTTEN)
			NoteGone(batch, table, slot);
		Uncount(batch, table->shape, slot, is_stored);
	}
	else if (item >= 0)
		CaptureRow(batch, table, slot, item);
	else
		item = FORGOTTEN;
	if (table->shape->keys != NIL)
		BatchNoteItem(batch, table, slot, item);
	MemoryContextSwitchTo(old);
	MemoryContextReset(batch->row);
}

static void
Flush(Batch *batch)
{
	ListCell *cell;

	foreach (cell, batch->tables)
	{
		BatchTable *table = lfirst(cell);

		TrashWriteChunk(&batch->writer, table->shape, &table->chunk);
	}
	TrashFlush(&batch->writer);
	UsageWrite(&batch->tallies);
	foreach (cell, batch->tables)
	{
		BatchTable *table = lfirst(cell);

		if (table->watch != NULL)
			WatchEnd(table->watch);
		if (table->gone != NULL)
			WatchEnd(table->gone);
	}
}

/* A partition without a trigger of its own for the end of a statement. */
static bool
IsLonePartition(Relation relation)
{
	if (!relation->rd_rel->relispartition)
		return false;
	for (int i = 0; i < relation->trigdesc->numtriggers; i++)
		if (strcmp(relation->trigdesc->triggers[i].tgname, CAPTURE_END_TRIGGER) == 0)
			return false;
	return true;
}

static void
CaptureOne(Batch *batch, TriggerData *trigger)
{
	Relation relation = trigger->tg_relation;
	BatchTable *table;
	TupleTableSlot *row;

	table = BatchTableOf(batch, ShapeRoot(RelationGetRelid(relation)));
	row = BatchRow(batch, table, relation, trigger->tg_trigslot);
	/* an UPDATE that moves a row to another partition deletes it here and inserts it there */
	if (!HeapTupleHeaderIndicatesMovedPartitions(trigger->tg_trigtuple->t_data))
		Capture(batch, table, row);
	else if (table->shape->is_resource)
		ChangeMoved(batch->query, table->shape, row);
	if (IsLonePartition(relation))
		Flush(batch);
}

static void
CaptureAll(Batch *batch, TriggerData *trigger)
{
	Tuplestorestate *rows = trigger->tg_oldtable;
	BatchTable *table;
	TupleTableSlot *slot;

	if (tuplestore_tuple_count(rows) == 0)
		return;
	table = BatchTableOf(batch, RelationGetRelid(trigger->tg_relation));
	slot = MakeSingleTupleTableSlot(RelationGetDescr(trigger->tg_relation), &TTSOpsMinimalTuple);
	tuplestore_select_read_pointer(rows, tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND));
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		Capture(batch, table, slot);
	}
	tuplestore_select_read_pointer(rows, 0);
	ExecDropSingleTupleTableSlot(slot);
	Flush(batch);
}

/* AFTER DELETE on resources and what hangs on them */
PG_FUNCTION_INFO_V1(account_trash_capture);
Datum
account_trash_capture(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Batch *batch;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("this function is for triggers after DELETE only")));
	batch = BatchOf(fcinfo->flinfo->fn_mcxt);
	if (TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		CaptureOne(batch, trigger);
	else if (trigger->tg_oldtable != NULL)
		CaptureAll(batch, trigger);
	else
	{
		/* rows of an heir that came since were seen by no trigger */
		ShapeRequireCaptured(ShapeOf(RelationGetRelid(trigger->tg_relation)));
		Flush(batch);
	}
	PG_RETURN_POINTER(NULL);
}
