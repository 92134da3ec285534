/*
 * batch.h
 *		What one statement deletes, and which item each of its rows went with.
 */
#ifndef ACCOUNT_BATCH_H
#define ACCOUNT_BATCH_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"
#include "utils/uuid.h"

#include "resource/shape.h"
#include "resource/trash.h"
#include "resource/usage.h"
#include "resource/watch.h"

/* In place of an item's index. */
#define UNKNOWN (-2)   /* the row hangs on nothing that was captured */
#define FORGOTTEN (-1) /* it is deleted for good */

typedef struct BatchTable
{
	const Shape *shape;
	struct keys_hash **items; /* by Shape.keys: rows that hang on an item other than usual_item */
	int usual_item;
	TrashChunk chunk;
	bool is_layout_written;
	Watch *watch; /* of rows that went to the trash; NULL: no resource */
	Watch *gone;  /* of those that went for good; NULL: none did */
	List *conversions;
} BatchTable;

/* The key that the last row referred by, if it is short: mostly the next one's too. */
typedef struct LastKey
{
	const ShapeParent *parent; /* NULL: none is kept */
	Datum value;
	pg_uuid_t bytes; /* where value is unless it is passed by value */
	int item;
} LastKey;

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
	LastKey last;
	/* the last that were asked for */
	pg_uuid_t workspace_id;
	bool is_workspace;
	bool has_workspace;
} Batch;

extern Batch *BatchOf(MemoryContext query);
extern BatchTable *BatchTableOf(Batch *batch, Oid relid);
extern int BatchItemAbove(Batch *batch, const Shape *shape, TupleTableSlot *slot);
extern void BatchNoteItem(Batch *batch, BatchTable *table, TupleTableSlot *slot, int item);
extern TupleTableSlot *BatchRow(Batch *batch, BatchTable *table, Relation relation,
								TupleTableSlot *slot);

#endif /* ACCOUNT_BATCH_H */
