/*
 * compat.h
 *		What differs between PostgreSQL 15 and 18, in one place.
 *
 * No other file of the extension looks at PG_VERSION_NUM.  Who uses a macro
 * includes what the server's function behind it needs.
 */
#ifndef ACCOUNT_COMPAT_H
#define ACCOUNT_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "account needs PostgreSQL 15 or later"
#endif

/* 16 took what is in a varlena out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18 says what does not return before the declaration, as C11 does. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn _Noreturn
#endif

/* 18 counts index searches in a struct that the caller may pass. */
#if PG_VERSION_NUM >= 180000
#define AccountIndexBeginScan(heap, index, snapshot, nkeys)                                        \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#else
#define AccountIndexBeginScan(heap, index, snapshot, nkeys)                                        \
	index_beginscan(heap, index, snapshot, nkeys, 0)
#endif

/* 16 tells apart which indexes need a row's new version; 0 is none, and it may be BRIN's alone. */
#if PG_VERSION_NUM >= 160000
#define AccountUpdateIndexes TU_UpdateIndexes
#define ACCOUNT_ALL_INDEXES TU_All
#define AccountNeedsEntry(which, index)                                                            \
	((which) != TU_Summarizing || (index)->rd_indam->amsummarizing)
#else
#define AccountUpdateIndexes bool
#define ACCOUNT_ALL_INDEXES true
#define AccountNeedsEntry(which, index) true
#endif

/* 17 lets an access method keep something open from one entry to the next. */
#if PG_VERSION_NUM >= 170000
#define AccountIndexInsertCleanup(index, info) index_insert_cleanup(index, info)
#else
#define AccountIndexInsertCleanup(index, info) ((void) 0)
#endif

/* 16 has one function for what roles own, whatever it is. */
#if PG_VERSION_NUM >= 160000
#define AccountOwnsRelation(relid, role) object_ownercheck(RelationRelationId, relid, role)
#else
#define AccountOwnsRelation(relid, role) pg_class_ownercheck(relid, role)
#endif

/* 18 has foreign keys that are only declared: nothing checks them, nothing cascades. */
#if PG_VERSION_NUM >= 180000
#define AccountIsEnforced(foreign) ((foreign)->conenforced)
#else
#define AccountIsEnforced(foreign) true
#endif

/* 18 can compute a generated column when it is read; the stored row has none. */
#if PG_VERSION_NUM < 180000
#define ATTRIBUTE_GENERATED_VIRTUAL 'v'
#endif

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
