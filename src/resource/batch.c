/*
 * batch.c
 *		What one statement deletes, and which item each of its rows went with.
 *
 * A batch lives in the memory of the executor's query and ends with it.
 */
#include "postgres.h"

#include "access/tupconvert.h"
#include "executor/executor.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "resource/batch.h"

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

static Batch *batches = NULL;

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
Batch *
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

BatchTable *
BatchTableOf(Batch *batch, Oid relid)
{
	BatchTable *table = FindTable(batch, relid);
	MemoryContext old;
	int nkeys;

	if (table != NULL)
		return table;
	old = MemoryContextSwitchTo(batch->memory);
	table = palloc0(sizeof(BatchTable));
	table->shape = ShapeOf(relid);
	ShapeRequireCaptured(table->shape);
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

/* Whether the row refers to what the last one referred to. */
static bool
IsLast(const LastKey *last, const ShapeParent *parent, TupleTableSlot *slot)
{
	Form_pg_attribute att;
	bool isnull;
	Datum value;

	if (last->parent != parent)
		return false;
	att = TupleDescAttr(slot->tts_tupleDescriptor, parent->key.columns[0] - 1);
	value = slot_getattr(slot, att->attnum, &isnull);
	return !isnull && datum_image_eq(value, last->value, att->attbyval, att->attlen);
}

static void
KeepLast(LastKey *last, const ShapeParent *parent, TupleTableSlot *slot, int item)
{
	Form_pg_attribute att = TupleDescAttr(slot->tts_tupleDescriptor, parent->key.columns[0] - 1);
	bool isnull;

	if (parent->key.ncolumns > 1 || att->attlen < 0 || att->attlen > UUID_LEN)
		return;
	last->parent = parent;
	last->item = item;
	last->value = slot_getattr(slot, att->attnum, &isnull);
	if (!att->attbyval)
		last->value = PointerGetDatum(
			memcpy(&last->bytes, DatumGetPointer(last->value), att->attlen));
}

/* The item of the row that a foreign key refers to. */
static int
ItemByKey(LastKey *last, const BatchTable *table, const ShapeParent *parent, TupleTableSlot *slot)
{
	ListCell *cell;
	KeyHash hash;
	int item = UNKNOWN;

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
			item = entry->item;
		else if (!table->shape->is_resource)
			item = table->usual_item;
		if (item != UNKNOWN)
			KeepLast(last, parent, slot, item);
		return item;
	}
	return UNKNOWN;
}

/*
 * Whether a row goes with one item rather than another.  Of what was deleted
 * later, so that of two batches only one can need the other to be restored first;
 * in the same batch, what is deeper.
 */
static bool
GoesWith(const TrashItem *items, int item, int other)
{
	if (item < 0 || other < 0 || items[item].root == items[other].root)
		return item > other;
	return items[item].root > items[other].root;
}

/* The item this row went with. */
int
BatchItemAbove(Batch *batch, const Shape *shape, TupleTableSlot *slot)
{
	int above = UNKNOWN;
	ListCell *cell;

	foreach (cell, shape->parents)
	{
		const ShapeParent *parent = lfirst(cell);
		int item = UNKNOWN;

		if (IsLast(&batch->last, parent, slot))
			item = batch->last.item;
		else
		{
			BatchTable *table = FindTable(batch, parent->relid);

			if (table != NULL)
				item = ItemByKey(&batch->last, table, parent, slot);
		}
		if (GoesWith(batch->writer.items, item, above))
			above = item;
	}
	return above;
}

/* Remembers where rows that refer to this one belong. */
void
BatchNoteItem(Batch *batch, BatchTable *table, TupleTableSlot *slot, int item)
{
	ListCell *cell;

	if (table->usual_item == UNKNOWN && !table->shape->is_resource)
		table->usual_item = item;
	if (item == table->usual_item && !table->shape->is_resource)
		return;
	batch->last.parent = NULL;
	foreach (cell, table->shape->keys)
	{
		KeyHash hash;
		bool found;

		if (ShapeHash(lfirst(cell), slot, &hash))
			keys_insert(table->items[foreach_current_index(cell)], hash, &found)->item = item;
	}
}

/* The row in the columns of the whole table when it comes from a partition. */
TupleTableSlot *
BatchRow(Batch *batch, BatchTable *table, Relation relation, TupleTableSlot *slot)
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
