/*
 * compat.h
 *		What differs between PostgreSQL 15 and 18, in one place.
 *
 * No other file of the extension looks at PG_VERSION_NUM.
 */
#ifndef ACCOUNT_COMPAT_H
#define ACCOUNT_COMPAT_H

#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "parser/parse_type.h"
#include "storage/proc.h"
#include "utils/guc.h"

#if PG_VERSION_NUM < 150000
#error "account needs PostgreSQL 15 or later"
#endif

/* 18 counts index searches in a struct that the caller may pass. */
#if PG_VERSION_NUM >= 180000
#define AccountIndexBeginScan(heap, index, snapshot, nkeys)                                        \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#else
#define AccountIndexBeginScan(heap, index, snapshot, nkeys)                                        \
	index_beginscan(heap, index, snapshot, nkeys, 0)
#endif

/*
 * Writes a new version of a row; false when it is not the newest.  16 tells
 * apart which indexes need an entry for it; ours are none that summarize.
 */
static inline bool
AccountTupleUpdate(Relation rel, ItemPointer tid, TupleTableSlot *slot, bool *needs_entries)
{
	CommandId command = GetCurrentCommandId(true);
	TM_FailureData failure;
	LockTupleMode mode;
	TM_Result result;
#if PG_VERSION_NUM >= 160000
	TU_UpdateIndexes indexes;
#else
	bool indexes;
#endif

	result = table_tuple_update(rel, tid, slot, command, InvalidSnapshot, InvalidSnapshot, true,
								&failure, &mode, &indexes);
#if PG_VERSION_NUM >= 160000
	*needs_entries = indexes != TU_None;
#else
	*needs_entries = indexes;
#endif
	return result == TM_Ok;
}

/* From 16 on a setting's "extra" is freed by guc_free(), before by free(). */
#if PG_VERSION_NUM >= 160000
#define AccountGucAlloc(size) guc_malloc(LOG, size)
#else
#define AccountGucAlloc(size) malloc(size)
#endif

/* 16 replaced "missing_ok" by an error context; neither is wanted here. */
#if PG_VERSION_NUM >= 160000
#define AccountParseType(name, oid, typmod) parseTypeString(name, oid, typmod, NULL)
#else
#define AccountParseType(name, oid, typmod) parseTypeString(name, oid, typmod, false)
#endif

/* 17 gathered the virtual transaction id in a struct. */
#if PG_VERSION_NUM >= 170000
#define AccountLocalTransaction() (MyProc->vxid.lxid)
#else
#define AccountLocalTransaction() (MyProc->lxid)
#endif

/* 17 drops the override stack; the setting itself serves all versions. */
#define ACCOUNT_SEARCH_PATH "pg_catalog, pg_temp"

#endif /* ACCOUNT_COMPAT_H */
