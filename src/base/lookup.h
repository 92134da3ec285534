/*
 * lookup.h
 *		Reads a row by an index of account_data directly, without a plan.
 *
 * For the few reads that run on every request or for every row.  A Lookup is
 * a static struct that names table and index; a LookupScan is one use of it.
 */
#ifndef ACCOUNT_LOOKUP_H
#define ACCOUNT_LOOKUP_H

#include "postgres.h"

#include "access/genam.h"
#include "access/sdir.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

typedef struct Lookup
{
	const char *table;
	const char *index;
	bool is_backward; /* reads the last row of those that match first */
	/* what the names meant last; valid while is_resolved */
	Oid table_oid;
	Oid index_oid;
	bool is_resolved;
	uint64 generation;
	/* who locked both last; locks stay to the end of that */
	LocalTransactionId locked_by;
	SubTransactionId locked_at;
	struct Lookup *next; /* those the relcache callback knows */
	bool is_registered;
} Lookup;

typedef struct LookupScan
{
	Relation table;
	Relation index;
	ScanDirection direction;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	Snapshot latest; /* registered here when the scan reads what is newest */
} LookupScan;

extern void LookupInit(void);
extern TupleTableSlot *LookupBegin(LookupScan *scan, Lookup *lookup, ScanKey keys, int nkeys,
								   bool is_latest);
extern TupleTableSlot *LookupNext(LookupScan *scan);
extern void LookupEnd(LookupScan *scan);

#endif /* ACCOUNT_LOOKUP_H */
