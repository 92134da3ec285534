/*
 * lookup.h
 *		Reads and locks rows by an index of account_data directly, without a plan.
 *
 * For the few reads that run on every request or for every row.  A Lookup is
 * a static struct that names table and index; a LookupScan is one use of it, and
 * a Row is what it found, copied.
 */
#ifndef ACCOUNT_LOOKUP_H
#define ACCOUNT_LOOKUP_H

#include "postgres.h"

#include "access/genam.h"
#include "access/sdir.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "nodes/lockoptions.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#define ROW_MAX_COLUMNS 24

typedef struct Lookup
{
	const char *table;
	const char *index;
	bool is_backward; /* reads the last row of those that match first */
	LOCKMODE lock;	  /* of both, to the end of the transaction; AccessShareLock: 0 */
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

/* The columns of a row, and where the version is that they were read from. */
typedef struct Row
{
	ItemPointerData tid;
	NullableDatum columns[ROW_MAX_COLUMNS];
} Row;

/* What came of locking a row. */
typedef enum LookupResult
{
	LOOKUP_NONE,  /* there is none */
	LOOKUP_FOUND, /* it is locked */
	LOOKUP_BUSY,  /* somebody else has it, and the caller did not want to wait */
} LookupResult;

extern void LookupInit(void);
extern TupleTableSlot *LookupBegin(LookupScan *scan, Lookup *lookup, ScanKey keys, int nkeys,
								   bool is_latest);
extern TupleTableSlot *LookupNext(LookupScan *scan);
extern TupleTableSlot *LookupAgain(LookupScan *scan, ScanKey keys, int nkeys);
extern void LookupEnd(LookupScan *scan);
extern void LookupSnapshot(void);
extern bool LookupRow(Lookup *lookup, ScanKey keys, int nkeys, Row *row);
extern bool LookupOwn(Lookup *lookup, ItemPointer tid, Row *row);
extern LookupResult LookupLock(Lookup *lookup, ScanKey keys, int nkeys, LockTupleMode mode,
							   LockWaitPolicy wait, Row *row);

#endif /* ACCOUNT_LOOKUP_H */
