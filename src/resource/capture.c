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
 *
 * The batch lives in the memory of the executor's query and ends with it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupconvert.h"
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
#include "resource/change.h"
#include "resource/trash.h"
#include "resource/usage.h"
#include "resource/watch.h"

/* In place of an item's index. */
#define UNKNOWN (-2)   /* the row hangs on nothing that was captured */
#define FORGOTTEN (-1) /* it is deleted for good */

typedef struct KeyEntry
{
	KeyHash key;
	char status;
	int item;
} KeyEntry;

#define SH_PREFIX keys
#define SH_ELEMENT_TYPE KeyEntry
#define SH_KEY_TYPE KeyHash
#define SH_KEY key
#define SH_HASH_KEY(table, value) ((uint32) (value).a)
#define SH_EQUAL(table, x, y) ((x).a == (y).a && (x).b == (y).b)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* A partition whose rows are turned into those of the whole table. */
typedef struct Conversion
{
	Oid relid;
	TupleConversionMap *map; /* NULL: they are alike */
	TupleTableSlot *slot;
} Conversion;

typedef struct BatchTable
{
	const Shape *shape;
	keys_hash **items; /* by Shape.keys: rows that hang on an item other than usual_item */
	int usual_item;
	TrashChunk chunk;
	bool is_layout_written;
	Watch *watch;
	List *conversions;
} BatchTable;

typedef struct Batch
{
	struct Batch *outer;
	MemoryContext query; /* whose batch it is */
	MemoryContext memory;
	MemoryContext row;
	MemoryContextCallback release;
	TrashWriter writer;
	Tallies tallies;
	List *tables;
	/* the last that were asked for */
	pg_uuid_t workspace_id;
	bool is_workspace;
	bool has_workspace;
} Batch;

static Batch *batches = NULL;

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

static void
ReleaseBatch(void *arg)
{
	Batch **link = &batches;

	while (*link != NULL && *link != arg)
		link = &(*link)->outer;
	if (*link != NULL)
		*link = (*link)->outer;
}

/* The batch of the executor's query that the trigger was fired by. */
static Batch *
BatchOf(MemoryContext query)
{
	Batch *batch;
	MemoryContext memory;

	for (batch = batches; batch != NULL; batch = batch->outer)
		if (batch->query == query)
			return batch;
	memory = AllocSetContextCreate(query, "account batch", ALLOCSET_DEFAULT_SIZES);
	batch = MemoryContextAllocZero(memory, sizeof(Batch));
	batch->query = query;
	batch->memory = memory;
	batch->row = AllocSetContextCreate(memory, "account batch row", ALLOCSET_DEFAULT_SIZES);
	TrashBegin(&batch->writer, memory);
	batch->tallies.memory = memory;
	batch->outer = batches;
	batches = batch;
	batch->release.func = ReleaseBatch;
	batch->release.arg = batch;
	MemoryContextRegisterResetCallback(query, &batch->release);
	return batch;
}

static BatchTable *
FindTable(const Batch *batch, Oid relid)
{
	ListCell *cell;

	foreach (cell, batch->tables)
		if (((BatchTable *) lfirst(cell))->shape->relid == relid)
			return lfirst(cell);
	return NULL;
}

static BatchTable *
TableOf(Batch *batch, Oid relid)
{
	BatchTable *table = FindTable(batch, relid);
	MemoryContext old;
	int nkeys;

	if (table != NULL)
		return table;
	old = MemoryContextSwitchTo(batch->memory);
	table = palloc0(sizeof(BatchTable));
	table->shape = ShapeOf(relid);
	table->usual_item = UNKNOWN;
	nkeys = list_length(table->shape->keys);
	table->items = palloc(sizeof(keys_hash *) * Max(nkeys, 1));
	for (int i = 0; i < nkeys; i++)
		table->items[i] = keys_create(batch->memory, 16, NULL);
	initStringInfo(&table->chunk.data);
	if (table->shape->is_resource)
		table->watch = WatchBegin(batch->memory, table->shape, "trashed", -1);
	batch->tables = lappend(batch->tables, table);
	MemoryContextSwitchTo(old);
	return table;
}

/* The item of the row that a foreign key refers to. */
static int
ItemByKey(const BatchTable *table, const ShapeParent *parent, TupleTableSlot *slot)
{
	ListCell *cell;
	KeyHash hash;

	foreach (cell, table->shape->keys)
	{
		const ShapeKey *key = lfirst(cell);
		KeyEntry *entry;

		if (key->ncolumns != parent->key.ncolumns ||
			memcmp(key->columns, parent->columns, sizeof(AttrNumber) * key->ncolumns) != 0)
			continue;
		if (!ShapeHash(&parent->key, slot, &hash))
			return UNKNOWN;
		entry = keys_lookup(table->items[foreach_current_index(cell)], hash);
		if (entry != NULL)
			return entry->item;
		return table->shape->is_resource ? UNKNOWN : table->usual_item;
	}
	return UNKNOWN;
}

/* The item this row went with. */
static int
ItemAbove(const Batch *batch, const Shape *shape, TupleTableSlot *slot)
{
	ListCell *cell;

	foreach (cell, shape->parents)
	{
		const ShapeParent *parent = lfirst(cell);
		BatchTable *table = FindTable(batch, parent->relid);
		int item = table == NULL ? UNKNOWN : ItemByKey(table, parent, slot);

		if (item != UNKNOWN)
			return item;
	}
	return UNKNOWN;
}

/* Remembers where rows that refer to this one belong. */
static void
NoteItem(BatchTable *table, TupleTableSlot *slot, int item)
{
	ListCell *cell;

	if (table->usual_item == UNKNOWN && !table->shape->is_resource)
		table->usual_item = item;
	if (item == table->usual_item && !table->shape->is_resource)
		return;
	foreach (cell, table->shape->keys)
	{
		KeyHash hash;
		bool found;

		if (ShapeHash(lfirst(cell), slot, &hash))
			keys_insert(table->items[foreach_current_index(cell)], hash, &found)->item = item;
	}
}

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

static void
WriteImage(BatchTable *table, StringInfo to, TupleTableSlot *slot)
{
	int level = table->shape->layout->has_text ? ImagePin() : 0;

	ImageWrite(to, table->shape->layout, slot);
	if (table->shape->layout->has_text)
		ImageUnpin(level);
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

	UuidNew(&row.id);
	row.workspace_id = above < 0 ? *workspace_id : writer->items[above].workspace_id;
	row.root_id = above < 0 ? row.id : writer->items[writer->items[above].root].id;
	if (above >= 0)
		row.parent_id = writer->items[above].id;
	row.resource_id = ShapeResourceId(shape, slot);
	row.name = ShapeName(shape, slot);
	row.size = IsOf(shape, slot, &row.workspace_id) ? ShapeSize(shape, slot) : 0;
	initStringInfo(&data);
	appendStringInfoSpaces(&data, VARHDRSZ);
	WriteImage(table, &data, slot);
	SET_VARSIZE(data.data, data.len);
	row.data = (bytea *) data.data;
	WriteLayoutOnce(table);
	MemoryContextSwitchTo(old);
	WatchNote(table->watch, &row.workspace_id, row.resource_id, row.name, NULL);
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

	if (chunk->item != item)
		TrashWriteChunk(&batch->writer, table->shape, chunk);
	chunk->item = item;
	WriteLayoutOnce(table);
	WriteImage(table, &chunk->data, slot);
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

/* The row is not live any more; its bytes count until it is purged. */
static void
Uncount(Batch *batch, const Shape *shape, TupleTableSlot *slot, bool is_kept)
{
	const pg_uuid_t *workspace_id = ShapeWorkspace(shape, slot);

	if (workspace_id != NULL)
		UsageNote(&batch->tallies, shape, workspace_id, -1, is_kept ? 0 : -ShapeSize(shape, slot));
}

static void
Capture(Batch *batch, BatchTable *table, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(batch->row);
	int item = ItemAbove(batch, table->shape, slot);

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
		Uncount(batch, table->shape, slot, is_stored);
	}
	else if (item >= 0)
		CaptureRow(batch, table, slot, item);
	else
		item = FORGOTTEN;
	if (table->shape->keys != NIL)
		NoteItem(table, slot, item);
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
		if (((BatchTable *) lfirst(cell))->watch != NULL)
			WatchEnd(((BatchTable *) lfirst(cell))->watch);
}

/* The row in the columns of the whole table when it comes from a partition. */
static TupleTableSlot *
AsRoot(Batch *batch, BatchTable *table, Relation relation, TupleTableSlot *slot)
{
	Conversion *conversion = NULL;
	ListCell *cell;
	MemoryContext old;

	if (RelationGetRelid(relation) == table->shape->relid)
		return slot;
	foreach (cell, table->conversions)
		if (((Conversion *) lfirst(cell))->relid == RelationGetRelid(relation))
			conversion = lfirst(cell);
	if (conversion == NULL)
	{
		old = MemoryContextSwitchTo(batch->memory);
		conversion = palloc(sizeof(Conversion));
		conversion->relid = RelationGetRelid(relation);
		conversion->map = convert_tuples_by_name(CreateTupleDescCopy(RelationGetDescr(relation)),
												 table->shape->desc);
		conversion->slot = MakeSingleTupleTableSlot(table->shape->desc, &TTSOpsVirtual);
		table->conversions = lappend(table->conversions, conversion);
		MemoryContextSwitchTo(old);
	}
	if (conversion->map == NULL)
		return slot;
	return execute_attr_map_slot(conversion->map->attrMap, slot, conversion->slot);
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

	table = TableOf(batch, ShapeRoot(RelationGetRelid(relation)));
	row = AsRoot(batch, table, relation, trigger->tg_trigslot);
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
	table = TableOf(batch, RelationGetRelid(trigger->tg_relation));
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
		Flush(batch);
	PG_RETURN_POINTER(NULL);
}
