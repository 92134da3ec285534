/*
 * shape.h
 *		What the catalog says of a table that is a resource or hangs on one.
 */
#ifndef ACCOUNT_SHAPE_H
#define ACCOUNT_SHAPE_H

#include "postgres.h"

#include "access/attnum.h"
#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"
#include "utils/uuid.h"

#include "resource/image.h"

#define SHAPE_MAX_KEYS 8

/* A value's place in a key: its column and how to hash it. */
typedef struct ShapeKey
{
	int ncolumns;
	AttrNumber columns[SHAPE_MAX_KEYS];
	FmgrInfo hash[SHAPE_MAX_KEYS];
	Oid collations[SHAPE_MAX_KEYS];
	/* a referencing column whose type hashes otherwise is converted first */
	Oid convert_from[SHAPE_MAX_KEYS];
	Oid convert_to[SHAPE_MAX_KEYS];
} ShapeKey;

/* A foreign key ON DELETE CASCADE of the table. */
typedef struct ShapeParent
{
	Oid relid;
	AttrNumber columns[SHAPE_MAX_KEYS]; /* referenced, of relid */
	ShapeKey key;						/* referencing */
} ShapeParent;

typedef struct Shape
{
	Oid relid;	   /* the root when it is partitioned */
	List *related; /* itself, partitions, heirs and children: it is stale when one changes */
	Oid owner;
	bool is_resource; /* else it only hangs on one */
	char *kind;
	char *category;
	char *limit; /* the name its rows count under */
	AttrNumber workspace;
	AttrNumber name; /* 0: none */
	AttrNumber size; /* 0: none */
	int nkey;
	AttrNumber key[INDEX_MAX_KEYS];
	List *children; /* tables whose rows go with its rows */
	Oid uncaptured; /* one of them, or an heir, without the trigger; InvalidOid: all have it */
	List *parents;	/* ShapeParent, by cascade */
	List *keys;		/* ShapeKey, that children refer to */
	bool goes_with_people;
	TupleDesc desc;
	FmgrInfo *out; /* by column, looked up when first used */
	Layout *layout;
	bool is_stale;
} Shape;

/* 128 bits of a key: equal keys give equal ones, also across types. */
typedef struct KeyHash
{
	uint64 a;
	uint64 b;
} KeyHash;

extern void ShapeInit(void);
extern const Shape *ShapeOf(Oid relid);
extern Oid ShapeRoot(Oid relid);
extern List *ShapeCascade(Oid relid);
extern List *ShapeMembers(Oid relid);
extern bool ShapeIsCaptured(Oid relid);
extern void ShapeRequireCaptured(const Shape *shape);
extern bool ShapeHash(const ShapeKey *key, TupleTableSlot *slot, KeyHash *hash);
extern const char *ShapeQuote(Oid relid);

extern char *ShapeText(const Shape *shape, TupleTableSlot *slot, AttrNumber number);
extern char *ShapeName(const Shape *shape, TupleTableSlot *slot);
extern char *ShapeResourceId(const Shape *shape, TupleTableSlot *slot);
extern char *ShapeResourceIdSql(const Shape *shape);
extern int64 ShapeSize(const Shape *shape, TupleTableSlot *slot);
extern const pg_uuid_t *ShapeWorkspace(const Shape *shape, TupleTableSlot *slot);
extern TupleTableSlot *ShapeSlot(const Shape *shape, Relation relation, TupleTableSlot *slot);

/* The triggers of a captured table. */
#define CAPTURE_TRIGGER "account_capture"
#define CAPTURE_END_TRIGGER "account_capture_end"
#define CHANGE_END_TRIGGER "account_change_end"

#endif /* ACCOUNT_SHAPE_H */
