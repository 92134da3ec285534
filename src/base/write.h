/*
 * write.h
 *		Writes rows of account_data directly, without a plan.
 */
#ifndef ACCOUNT_WRITE_H
#define ACCOUNT_WRITE_H

#include "postgres.h"

#include "nodes/execnodes.h"
#include "storage/itemptr.h"

typedef struct TableIndex TableIndex;

/* A static struct that names a table and says how many columns it has. */
typedef struct Table
{
	const char *name;
	int ncolumns;
	/* what the name meant last, while is_known and not is_changed */
	bool is_known;
	bool is_changed;
	bool is_lasting; /* else it is known for one use only */
	uint64 generation;
	Oid oid;
	int nindexes;
	TableIndex *indexes;
	EState *estate; /* for conditions and expressions of indexes */
	MemoryContext memory;
	/* who locked it last; the lock stays to the end of that */
	LocalTransactionId locked_by;
	SubTransactionId locked_at;
	struct Table *next; /* those the relcache callback knows */
} Table;

extern void WriteInit(void);
extern void InsertRows(Table *table, const NullableDatum *rows, int nrows);
extern ItemPointerData InsertRow(Table *table, const NullableDatum *row);
extern void UpdateRow(Table *table, ItemPointer tid, const NullableDatum *row);
extern bool DeleteRow(Table *table, ItemPointer tid);

#endif /* ACCOUNT_WRITE_H */
