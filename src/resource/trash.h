/*
 * trash.h
 *		Writing what was deleted, in bounded memory.
 */
#ifndef ACCOUNT_TRASH_H
#define ACCOUNT_TRASH_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/write.h"
#include "resource/shape.h"

/* The columns of account_data.trash_items. */
enum
{
	ITEM_WORKSPACE_ID,
	ITEM_ID,
	ITEM_ROOT_ID,
	ITEM_PARENT_ID,
	ITEM_RELATION,
	ITEM_KIND,
	ITEM_CATEGORY,
	ITEM_RESOURCE_ID,
	ITEM_NAME,
	ITEM_SIZE_BYTES,
	ITEM_DELETED_AT,
	ITEM_DELETED_BY,
	ITEM_EXPIRES_AT,
	ITEM_CHILDREN,
	ITEM_CHILD_BYTES,
	ITEM_LAYOUT_ID,
	ITEM_DATA,
	ITEM_COLUMNS
};

extern Table trash_items;

/* An item that other rows may hang on. */
typedef struct TrashItem
{
	pg_uuid_t id;
	pg_uuid_t workspace_id;
	int parent; /* index; -1: it was deleted itself */
	int root;
	int64 own_children; /* since the last flush */
	int64 own_bytes;
	int64 children; /* the same with those below */
	int64 bytes;
	bool is_changed;
} TrashItem;

/* Rows of one table on their way into a chunk of one item. */
typedef struct TrashChunk
{
	int item;
	int row_count;
	StringInfoData data;
} TrashChunk;

/* A row of trash_items on its way. */
typedef struct TrashRow
{
	pg_uuid_t id;
	pg_uuid_t workspace_id;
	pg_uuid_t root_id;
	pg_uuid_t parent_id;
	bool is_root;
	const Shape *shape;
	char *resource_id;
	char *name;
	int64 size;
	bytea *data;
} TrashRow;

#define TRASH_ROWS 256
#define TRASH_ROWS_BYTES (1024 * 1024)
#define TRASH_CHUNK_BYTES 7800

typedef struct TrashWriter
{
	MemoryContext memory; /* as long as the statement that deletes */
	MemoryContext pending;
	TimestampTz at;
	TrashItem *items;
	int nitems;
	int max_items;
	int *touched; /* items with own_children or own_bytes */
	int ntouched;
	int max_touched;
	TrashRow rows[TRASH_ROWS];
	int nrows;
	size_t rows_bytes;
} TrashWriter;

extern void TrashInit(void);
extern void TrashBegin(TrashWriter *writer, MemoryContext memory);
extern int TrashAddItem(TrashWriter *writer, const TrashRow *row, int parent);
extern void TrashAddRow(TrashWriter *writer, const TrashRow *row);
extern void TrashTouch(TrashWriter *writer, int item, int64 children, int64 bytes);
extern void TrashWriteLayout(const Layout *layout);
extern void TrashWriteChunk(TrashWriter *writer, const Shape *shape, TrashChunk *chunk);
extern void TrashFlush(TrashWriter *writer);

#endif /* ACCOUNT_TRASH_H */
