/*
 * trash.c
 *		Writing what was deleted, in bounded memory.
 *
 * A writer lives as long as the statement that deletes.  It gathers a few
 * hundred items or one chunk before it writes.  What it keeps of the items
 * themselves is 72 bytes for each one that other rows may hang on.
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/array.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "access/principal.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "resource/trash.h"

static int account_trash_retention; /* seconds */

Table trash_items = {.name = "trash_items", .ncolumns = ITEM_COLUMNS};
static Table trash_chunks = {.name = "trash_chunks", .ncolumns = 7};

static Statement insert_layout = {
	.types = "uuid, bytea",
	.sql = "INSERT INTO account_data.trash_layouts (id, layout) VALUES ($1, $2)"
		   " ON CONFLICT DO NOTHING",
};

static Statement update_items = {
	.types = "uuid[], uuid[], bigint[], bigint[]",
	.by_index = true,
	.sql = "UPDATE account_data.trash_items t"
		   " SET children = t.children + d.children, child_bytes = t.child_bytes + d.bytes"
		   " FROM unnest($1, $2, $3, $4) AS d (workspace_id, id, children, bytes)"
		   " WHERE t.workspace_id = d.workspace_id AND t.id = d.id",
};

static Statement empty_items = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "WITH chunk AS (DELETE FROM account_data.trash_chunks WHERE workspace_id = $1)"
		   " DELETE FROM account_data.trash_items WHERE workspace_id = $1",
};

void
TrashInit(void)
{
	DefineCustomIntVariable("account.trash_retention",
							"How long a deleted row of a resource can be restored.", NULL,
							&account_trash_retention, 30 * SECS_PER_DAY, 1, INT_MAX, PGC_SUSET,
							GUC_UNIT_S, NULL, NULL, NULL);
}

void
TrashBegin(TrashWriter *writer, MemoryContext memory)
{
	memset(writer, 0, sizeof(TrashWriter));
	writer->memory = memory;
	writer->pending = AllocSetContextCreate(memory, "account trash rows", ALLOCSET_DEFAULT_SIZES);
	writer->at = GetCurrentStatementStartTimestamp();
}

/* Doubles an array of the writer when it is full. */
static void *
Grow(TrashWriter *writer, void *array, int used, int *max, size_t size)
{
	if (used < *max)
		return array;
	*max = *max == 0 ? 16 : *max * 2;
	return array == NULL ? MemoryContextAlloc(writer->memory, size * *max)
						 : repalloc_huge(array, size * *max);
}

/* Remembers an item that rows may hang on and writes its row; gives its index. */
int
TrashAddItem(TrashWriter *writer, const TrashRow *row, int parent)
{
	TrashItem *item;

	writer->items = Grow(writer, writer->items, writer->nitems, &writer->max_items,
						 sizeof(TrashItem));
	item = &writer->items[writer->nitems];
	memset(item, 0, sizeof(TrashItem));
	item->id = row->id;
	item->workspace_id = row->workspace_id;
	item->parent = parent;
	item->root = parent < 0 ? writer->nitems : writer->items[parent].root;
	TrashAddRow(writer, row);
	return writer->nitems++;
}

/* Takes over a row whose contents are in writer->pending. */
void
TrashAddRow(TrashWriter *writer, const TrashRow *row)
{
	writer->rows[writer->nrows++] = *row;
	writer->rows_bytes += VARSIZE(row->data) + sizeof(TrashRow);
	if (writer->nrows == TRASH_ROWS || writer->rows_bytes > TRASH_ROWS_BYTES)
		TrashFlush(writer);
}

/* Rows went with an item. */
void
TrashTouch(TrashWriter *writer, int item, int64 children, int64 bytes)
{
	TrashItem *i = &writer->items[item];

	if (i->own_children == 0 && i->own_bytes == 0)
	{
		writer->touched = Grow(writer, writer->touched, writer->ntouched, &writer->max_touched,
							   sizeof(int));
		writer->touched[writer->ntouched++] = item;
	}
	i->own_children += children;
	i->own_bytes += bytes;
}

void
TrashWriteLayout(const Layout *layout)
{
	NullableDatum args[2] = {ArgUuid(&layout->id), ArgPointer(layout->bytes)};

	QueryRun(&insert_layout, args);
}

void
TrashWriteChunk(TrashWriter *writer, const Shape *shape, TrashChunk *chunk)
{
	const TrashItem *item = &writer->items[chunk->item];
	NullableDatum data;
	pg_uuid_t id;

	if (chunk->row_count == 0)
		return;
	UuidNew(&id);
	data = ArgBytes(chunk->data.data, chunk->data.len);
	InsertRow(&trash_chunks, (NullableDatum[]){
								 ArgUuid(&item->workspace_id),
								 ArgUuid(&item->id),
								 ArgUuid(&id),
								 ArgDatum(ObjectIdGetDatum(shape->relid)),
								 ArgUuid(&shape->layout->id),
								 ArgDatum(Int32GetDatum(chunk->row_count)),
								 data,
							 });
	TrashTouch(writer, chunk->item, chunk->row_count, 0);
	pfree(DatumGetPointer(data.value));
	resetStringInfo(&chunk->data);
	chunk->row_count = 0;
}

static void
FillItem(const TrashWriter *writer, TrashRow *row, NullableDatum *columns)
{
	const Principal *p = PrincipalCurrent();

	columns[ITEM_WORKSPACE_ID] = ArgUuid(&row->workspace_id);
	columns[ITEM_ID] = ArgUuid(&row->id);
	columns[ITEM_ROOT_ID] = ArgUuid(&row->root_id);
	columns[ITEM_PARENT_ID] = row->is_root ? ArgNull() : ArgUuid(&row->parent_id);
	columns[ITEM_RELATION] = ArgDatum(ObjectIdGetDatum(row->shape->relid));
	columns[ITEM_KIND] = ArgText(row->shape->kind);
	columns[ITEM_CATEGORY] = ArgText(row->shape->category);
	columns[ITEM_RESOURCE_ID] = ArgText(row->resource_id);
	columns[ITEM_NAME] = ArgText(row->name);
	columns[ITEM_SIZE_BYTES] = ArgDatum(Int64GetDatum(row->size));
	columns[ITEM_DELETED_AT] = ArgTime(writer->at);
	columns[ITEM_DELETED_BY] = p == NULL ? ArgNull() : ArgUuid(&p->actor_id);
	columns[ITEM_EXPIRES_AT] = ArgTime(writer->at +
									   (TimestampTz) account_trash_retention * USECS_PER_SEC);
	columns[ITEM_CHILDREN] = columns[ITEM_CHILD_BYTES] = ArgDatum(Int64GetDatum(0));
	columns[ITEM_LAYOUT_ID] = ArgUuid(&row->shape->layout->id);
	columns[ITEM_DATA] = ArgPointer(row->data);
}

static void
WriteItems(TrashWriter *writer)
{
	NullableDatum *rows = palloc(sizeof(NullableDatum) * writer->nrows * ITEM_COLUMNS);

	for (int i = 0; i < writer->nrows; i++)
		FillItem(writer, &writer->rows[i], rows + i * ITEM_COLUMNS);
	InsertRows(&trash_items, rows, writer->nrows);
}

static NullableDatum
ArrayArg(Datum *values, int n, Oid type)
{
	int16 len;
	bool byval;
	char align;

	get_typlenbyvalalign(type, &len, &byval, &align);
	return ArgPointer(construct_array(values, n, type, len, byval, align));
}

/* Adds what went with each touched item to it and to those above it. */
static int
SumUp(TrashWriter *writer, int *changed, int max)
{
	int n = 0;

	while (writer->ntouched > 0)
	{
		TrashItem *from = &writer->items[writer->touched[writer->ntouched - 1]];

		if (n + 64 > max)
			break;
		for (int i = writer->touched[writer->ntouched - 1]; i >= 0; i = writer->items[i].parent)
		{
			TrashItem *item = &writer->items[i];

			if (n == max)
				ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
								errmsg("resources are nested too deeply")));
			item->children += from->own_children;
			item->bytes += from->own_bytes;
			if (!item->is_changed)
				changed[n++] = i;
			item->is_changed = true;
		}
		from->own_children = from->own_bytes = 0;
		writer->ntouched--;
	}
	return n;
}

static void
UpdateItems(TrashWriter *writer)
{
	int changed[TRASH_ROWS];
	Datum columns[4][TRASH_ROWS];
	NullableDatum args[4];
	int n;

	while ((n = SumUp(writer, changed, TRASH_ROWS)) > 0)
	{
		for (int i = 0; i < n; i++)
		{
			TrashItem *item = &writer->items[changed[i]];

			columns[0][i] = UUIDPGetDatum(&item->workspace_id);
			columns[1][i] = UUIDPGetDatum(&item->id);
			columns[2][i] = Int64GetDatum(item->children);
			columns[3][i] = Int64GetDatum(item->bytes);
			item->children = item->bytes = 0;
			item->is_changed = false;
		}
		args[0] = ArrayArg(columns[0], n, UUIDOID);
		args[1] = ArrayArg(columns[1], n, UUIDOID);
		args[2] = ArrayArg(columns[2], n, INT8OID);
		args[3] = ArrayArg(columns[3], n, INT8OID);
		QueryRun(&update_items, args);
	}
}

/* Writes all that is pending but chunks. */
void
TrashFlush(TrashWriter *writer)
{
	MemoryContext old = MemoryContextSwitchTo(writer->pending);

	if (writer->nrows > 0)
		WriteItems(writer);
	writer->nrows = 0;
	writer->rows_bytes = 0;
	UpdateItems(writer);
	MemoryContextSwitchTo(old);
	MemoryContextReset(writer->pending);
}

static TriggerData *
TriggerOf(FunctionCallInfo fcinfo)
{
	(void) ArgTrigger(fcinfo);
	return (TriggerData *) fcinfo->context;
}

/* AFTER DELETE ON workspaces */
PG_FUNCTION_INFO_V1(account_workspace_emptied);
Datum
account_workspace_emptied(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = TriggerOf(fcinfo);
	NullableDatum args[1];

	args[0].value = heap_getattr(trigger->tg_trigtuple, 1, RelationGetDescr(trigger->tg_relation),
								 &args[0].isnull);
	QueryRun(&empty_items, args);
	PG_RETURN_POINTER(NULL);
}

/* BEFORE TRUNCATE on a resource */
PG_FUNCTION_INFO_V1(account_resource_truncated);
Datum
account_resource_truncated(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = TriggerOf(fcinfo);

	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
					errmsg("resource \"%s\" cannot be truncated",
						   RelationGetRelationName(trigger->tg_relation)),
					errhint("Use DELETE, or run account.unregister_resource first.")));
}
