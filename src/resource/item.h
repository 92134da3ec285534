/*
 * item.h
 *		One item of the trash, found and locked, and where its rows go back.
 */
#ifndef ACCOUNT_ITEM_H
#define ACCOUNT_ITEM_H

#include "postgres.h"

#include "access/attnum.h"
#include "base/query.h"
#include "resource/image.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

typedef struct StoredItem
{
	pg_uuid_t workspace_id;
	pg_uuid_t id;
	pg_uuid_t root_id;
	Oid relid;
	char *kind;
	char *name; /* NULL: it has none */
	char *resource_id;
	TimestampTz expires_at;
	pg_uuid_t layout_id;
	bytea *data;
} StoredItem;

/* A table that rows of one layout go back into. */
typedef struct Destination
{
	Oid relid;
	pg_uuid_t layout_id;
	Oid owner;
	Layout *layout;
	ImageTarget *targets;
	TupleDesc table;
	TupleDesc desc; /* of the rows that are read */
	TableStatement *insert;
} Destination;

/* A row on its way back, in the columns of Destination.desc. */
typedef struct ItemRow
{
	Datum *values;
	bool *nulls;
} ItemRow;

extern void ItemLock(StoredItem *item, const pg_uuid_t *workspace_id, const pg_uuid_t *id,
					 bool must_be_restorable);
extern NullableDatum *ItemArgs(const StoredItem *item);
extern bool ItemIsRoot(const StoredItem *item);
extern void ItemUncount(const StoredItem *item);
extern void ItemForget(const StoredItem *item);

extern Destination *DestinationOf(List **known, Oid relid, const pg_uuid_t *layout_id);
extern ItemRow DestinationRead(Destination *destination, StringInfo from);
extern int DestinationColumn(const Destination *destination, AttrNumber number);

typedef struct Conflict
{
	const char *action; /* orphan, refuse */
	const char *text;
	bool is_taken;
	bool is_name; /* what is taken is its name */
} Conflict;

extern List *ConflictsOf(const StoredItem *item, const Destination *destination, ItemRow row,
						 bool is_applied);

#endif /* ACCOUNT_ITEM_H */
