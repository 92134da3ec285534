/*
 * purge.c
 *		Deleting for good what is in the trash.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "access/event.h"
#include "access/principal.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/uuid.h"
#include "base/write.h"
#include "resource/item.h"
#include "resource/trash.h"
#include "resource/usage.h"

#define UUIDS "uuid, uuid, uuid"
#define BELOW_PART                                                                                 \
	"WITH RECURSIVE below (id) AS (SELECT $2::uuid UNION ALL"                                      \
	"  SELECT c.id FROM below b JOIN account_data.trash_items c ON c.parent_id = b.id"             \
	"  WHERE c.workspace_id = $1 AND c.root_id = $3)"
#define FORGET                                                                                     \
	" chunk AS (DELETE FROM account_data.trash_chunks c USING below b"                             \
	"   WHERE c.workspace_id = $1 AND c.item_id = b.id)"                                           \
	" DELETE FROM account_data.trash_items i USING below b"                                        \
	"  WHERE i.workspace_id = $1 AND i.id = b.id"

/*
 * Events of updates of rows x no longer say from what to what; what a row of
 * the same key did since is not theirs.
 */
#define REDACT(rows)                                                                               \
	" UPDATE account_data.events e SET redacted_at = statement_timestamp(), image_of = NULL,"      \
	"   metadata = (SELECT jsonb_object_agg(c.key, NULL) FROM jsonb_each(e.metadata) c)"           \
	"  FROM " rows                                                                                 \
	"  WHERE e.image_of = account_data.resource_number(x.resource_id) AND e.at <= x.deleted_at"    \
	"   AND e.workspace_id = x.workspace_id AND e.resource_type = x.kind"                          \
	"   AND e.resource_id = x.resource_id"

/* What was taken out of a batch no longer counts with those it hung on. */
static Statement take_out = {
	.types = UUIDS,
	.by_index = true,
	.sql = "WITH RECURSIVE above (id) AS ("
		   "  SELECT parent_id FROM account_data.trash_items WHERE workspace_id = $1 AND id = $2"
		   "  UNION ALL"
		   "  SELECT i.parent_id FROM above a JOIN account_data.trash_items i ON i.id = a.id"
		   "   WHERE i.workspace_id = $1)"
		   " UPDATE account_data.trash_items i"
		   "  SET children = i.children - t.children - 1,"
		   "   child_bytes = i.child_bytes - t.child_bytes - t.size_bytes"
		   "  FROM account_data.trash_items t, above a"
		   "  WHERE t.workspace_id = $1 AND t.id = $2 AND i.workspace_id = $1 AND i.id = a.id"
		   "   AND $3::uuid IS NOT NULL",
};

static Statement forget_part = {
	.types = UUIDS,
	.by_index = true,
	.sql = BELOW_PART "," FORGET,
};

static Statement forget_whole = {
	.types = UUIDS,
	.by_index = true,
	.sql = "WITH below (id) AS (SELECT id FROM account_data.trash_items"
		   "  WHERE workspace_id = $1 AND root_id = $3 AND $2::uuid IS NOT NULL)," FORGET,
};

static Statement redact_part = {
	.types = UUIDS,
	.by_index = true,
	.sql = BELOW_PART REDACT("below b JOIN account_data.trash_items x"
							 " ON x.workspace_id = $1 AND x.id = b.id"),
};

static Statement redact_whole = {
	.types = UUIDS,
	.by_index = true,
	.sql =
		"WITH x AS MATERIALIZED (SELECT workspace_id, kind, resource_id, deleted_at"
		"  FROM account_data.trash_items WHERE workspace_id = $1 AND root_id = $3 AND $2::uuid IS NOT NULL)" REDACT(
			"x"),
};

static Statement count_part = {
	.types = UUIDS,
	.by_index = true,
	.sql = BELOW_PART " SELECT i.workspace_id, i.category, sum(i.size_bytes)::bigint FROM below b"
					  "  JOIN account_data.trash_items i ON i.workspace_id = $1 AND i.id = b.id"
					  "  GROUP BY i.workspace_id, i.category",
};

static Statement count_whole = {
	.types = UUIDS,
	.by_index = true,
	.sql = "SELECT workspace_id, category, sum(size_bytes)::bigint FROM account_data.trash_items"
		   " WHERE workspace_id = $1 AND root_id = $3 AND $2::uuid IS NOT NULL"
		   " GROUP BY workspace_id, category",
};

/*
 * In one statement: what others delete meanwhile stays, and of what goes nothing
 * is neither counted nor redacted.
 */
static Statement forget_all = {
	.types = "uuid",
	.by_index = true,
	.sql =
		"WITH root AS MATERIALIZED (SELECT id FROM account_data.trash_items"
		"  WHERE workspace_id = $1 AND parent_id IS NULL ORDER BY id FOR UPDATE),"
		" x AS MATERIALIZED (SELECT i.workspace_id, i.id, i.kind, i.resource_id, i.deleted_at"
		"  FROM root r JOIN account_data.trash_items i ON i.workspace_id = $1 AND i.root_id = r.id),"
		" image AS (" REDACT(
			"x") "),"
				 " chunk AS (DELETE FROM account_data.trash_chunks c USING x"
				 "  WHERE c.workspace_id = $1 AND c.item_id = x.id),"
				 " item AS (DELETE FROM account_data.trash_items i USING x"
				 "  WHERE i.workspace_id = $1 AND i.id = x.id"
				 "  RETURNING i.workspace_id, i.category, i.size_bytes)"
				 " SELECT workspace_id, category, sum(size_bytes)::bigint, count(*) FROM item"
				 "  GROUP BY workspace_id, category",
};

/*
 * Listed items that were deleted themselves, with all that went with them, unless
 * somebody holds them.  Bytes by category, items, and rows of any table.
 */
#define ITEM "workspace_id, id, parent_id, kind, resource_id, deleted_at, children"
#define DUE                                                                                        \
	"WITH root AS MATERIALIZED (SELECT " ITEM " FROM account_data.trash_items"                     \
	"  WHERE (workspace_id, id) IN (SELECT * FROM unnest($1, $2)) AND expires_at <= $3"            \
	"   AND parent_id IS NULL FOR UPDATE SKIP LOCKED),"                                            \
	" below AS MATERIALIZED (SELECT " ITEM " FROM root UNION ALL"                                  \
	"  SELECT i.workspace_id, i.id, i.parent_id, i.kind, i.resource_id, i.deleted_at, i.children"  \
	"   FROM root r JOIN account_data.trash_items i"                                               \
	"    ON i.workspace_id = r.workspace_id AND i.root_id = r.id AND i.id <> r.id"                 \
	"   WHERE r.children > 0),"
#define FORGET_DUE                                                                                 \
	" chunk AS (DELETE FROM account_data.trash_chunks c USING below b"                             \
	"  WHERE c.workspace_id = b.workspace_id AND c.item_id = b.id AND b.children > 0),"            \
	" item AS (DELETE FROM account_data.trash_items i USING below b"                               \
	"  WHERE i.workspace_id = b.workspace_id AND i.id = b.id"                                      \
	"  RETURNING i.workspace_id, i.category, i.size_bytes,"                                        \
	"   CASE WHEN i.parent_id IS NULL THEN i.children + 1 ELSE 0 END AS rows)"                     \
	" SELECT workspace_id, category, sum(size_bytes)::bigint, count(*), sum(rows)::bigint"         \
	"  FROM item GROUP BY workspace_id, category"
static Statement forget_listed = {
	.types = "uuid[], uuid[], timestamptz",
	.by_index = true,
	.sql = DUE " image AS (" REDACT("below x") ")," FORGET_DUE,
};

/* What is gone from the trash is no storage any more. */
static void
Uncount(const NullableDatum *row, void *state)
{
	UsageAddBytes(DatumGetUUIDP(row[0].value), TextDatumGetCString(row[1].value),
				  -DatumGetInt64(row[2].value));
}

/* The same of all items of one category; adds up how many they were. */
static void
UncountAll(const NullableDatum *row, void *state)
{
	Uncount(row, NULL);
	*(int64 *) state += DatumGetInt64(row[3].value);
}

/* Takes the bytes of an item and all that went with it off the storage. */
void
ItemUncount(const StoredItem *item)
{
	QueryEach(ItemIsRoot(item) ? &count_whole : &count_part, ItemArgs(item), 3, Uncount, NULL);
}

/* Takes an item and all that went with it out of the trash. */
void
ItemForget(const StoredItem *item)
{
	NullableDatum *args = ItemArgs(item);

	if (ItemIsRoot(item))
		QueryRun(&forget_whole, args);
	else
	{
		QueryRun(&take_out, args);
		QueryRun(&forget_part, args);
	}
}

PG_FUNCTION_INFO_V1(account_purge);
Datum
account_purge(PG_FUNCTION_ARGS)
{
	const Principal *p;
	StoredItem item;

	ArgRequired(fcinfo, 0, "trash_id");
	p = PrincipalRequireRole(ROLE_EDITOR);
	ItemLock(&item, &p->workspace_id, PG_GETARG_UUID_P(0), false);
	ItemUncount(&item);
	QueryRun(ItemIsRoot(&item) ? &redact_whole : &redact_part, ItemArgs(&item));
	ItemForget(&item);
	EventWrite(&(Event){.workspace_id = &item.workspace_id,
						.resource_type = item.kind,
						.resource_key = item.resource_id,
						.resource_name = item.name,
						.action = "deleted"});
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_empty_trash);
Datum
account_empty_trash(PG_FUNCTION_ARGS)
{
	const Principal *p;
	NullableDatum args[1];
	int64 purged = 0;

	PrincipalRequirePerson();
	p = PrincipalRequireRole(ROLE_ADMIN);
	args[0] = ArgUuid(&p->workspace_id);
	QueryEach(&forget_all, args, 4, UncountAll, &purged);
	if (purged > 0)
		EventWrite(&(Event){
			.workspace_id = &p->workspace_id, .resource_type = "trash", .action = "deleted"});
	PG_RETURN_INT64(purged);
}

/* Items that are listed before they are forgotten together. */
#define LISTED_MAX 1000

/* A purge of what has expired. */
typedef struct Purge
{
	TimestampTz at;
	int64 max_rows;
	int64 items; /* that are gone */
	int64 rows;	 /* of any table, that were in them */
	Tallies tallies;
	List *categories; /* their names, for the tallies */
	MemoryContext memory;
	LookupScan images;
	bool has_images; /* the scan of them has begun */
	/* what took others along, has images or is held by somebody */
	ArrayBuildState *workspaces;
	ArrayBuildState *ids;
	int nlisted;
	int64 listed_rows;
} Purge;

static Lookup due_items = {
	.table = "trash_items", .index = "trash_items_expires_idx", .lock = RowExclusiveLock};
static Lookup images_of = {.table = "events", .index = "events_image_idx"};

/* A category's name, the same each time. */
static const char *
Category(Purge *purge, const text *category)
{
	size_t len = VARSIZE_ANY_EXHDR(category);
	MemoryContext old;
	ListCell *cell;

	foreach (cell, purge->categories)
		if (strlen(lfirst(cell)) == len && memcmp(lfirst(cell), VARDATA_ANY(category), len) == 0)
			return lfirst(cell);
	old = MemoryContextSwitchTo(purge->memory);
	purge->categories = lappend(purge->categories, text_to_cstring(category));
	MemoryContextSwitchTo(old);
	return llast(purge->categories);
}

static void
Gone(Purge *purge, Datum workspace_id, Datum category, int64 bytes, int64 items, int64 rows)
{
	UsageNote(&purge->tallies, DatumGetUUIDP(workspace_id), NULL,
			  Category(purge, DatumGetTextPP(category)), 0, -bytes);
	purge->items += items;
	purge->rows += rows;
}

static void
ListedGone(const NullableDatum *row, void *state)
{
	Gone(state, row[0].value, row[1].value, DatumGetInt64(row[2].value),
		 DatumGetInt64(row[3].value), DatumGetInt64(row[4].value));
}

/* What somebody holds stays, and is met again by the next call. */
static void
ForgetListed(Purge *purge)
{
	NullableDatum args[3];

	if (purge->nlisted == 0)
		return;
	args[0] = ArgDatum(makeArrayResult(purge->workspaces, CurrentMemoryContext));
	args[1] = ArgDatum(makeArrayResult(purge->ids, CurrentMemoryContext));
	args[2] = ArgTime(purge->at);
	QueryEach(&forget_listed, args, 5, ListedGone, purge);
	pfree(DatumGetPointer(args[0].value));
	pfree(DatumGetPointer(args[1].value));
	purge->workspaces = purge->ids = NULL;
	purge->nlisted = 0;
	purge->listed_rows = 0;
}

/* Whether an event of the workspace may say what a row was before an update. */
static bool
HasImages(Purge *purge, Datum workspace_id, Datum resource_id)
{
	char *resource = TextDatumGetCString(resource_id);
	ScanKeyData key;
	TupleTableSlot *slot;
	bool isnull;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(EventResourceNumber(resource)));
	pfree(resource);
	slot = purge->has_images ? LookupAgain(&purge->images, &key, 1)
							 : LookupBegin(&purge->images, &images_of, &key, 1, false);
	purge->has_images = true;
	while (slot != NULL &&
		   !UuidEqual(DatumGetUUIDP(slot_getattr(slot, 1, &isnull)), DatumGetUUIDP(workspace_id)))
		slot = LookupNext(&purge->images);
	return slot != NULL;
}

/* Most items took nothing along and were never updated: their row is all there is. */
static void
ForgetItem(Purge *purge, TupleTableSlot *slot)
{
	Datum *item = slot->tts_values;
	int64 children;

	slot_getsomeattrs(slot, ITEM_CHILDREN + 1);
	children = DatumGetInt64(item[ITEM_CHILDREN]);
	if (children == 0 && !HasImages(purge, item[ITEM_WORKSPACE_ID], item[ITEM_RESOURCE_ID]) &&
		DeleteRow(&trash_items, &slot->tts_tid))
	{
		Gone(purge, item[ITEM_WORKSPACE_ID], item[ITEM_CATEGORY],
			 DatumGetInt64(item[ITEM_SIZE_BYTES]), 1, 1);
		return;
	}
	purge->workspaces = accumArrayResult(purge->workspaces, item[ITEM_WORKSPACE_ID], false, UUIDOID,
										 purge->memory);
	purge->ids = accumArrayResult(purge->ids, item[ITEM_ID], false, UUIDOID, purge->memory);
	purge->nlisted++;
	purge->listed_rows += children + 1;
}

/*
 * Until when this session has purged: there the next call begins, so that it does
 * not pass by all the entries that are dead but not yet vacuumed.  Who comes to
 * the end starts over, for others may have held, or this one rolled back, what
 * is before.
 */
static TimestampTz purged_until = DT_NOBEGIN;

/* Oldest first, until what is gone comes to so many rows. */
static void
PurgeFrom(Purge *purge, TimestampTz from)
{
	LookupScan due;
	ScanKeyData keys[2];
	TupleTableSlot *slot;

	ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(from));
	ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(purge->at));
	purged_until = DT_NOBEGIN;
	LookupSnapshot();
	slot = LookupBegin(&due, &due_items, keys, 2, false);
	while (slot != NULL && purge->rows < purge->max_rows)
	{
		CHECK_FOR_INTERRUPTS();
		ForgetItem(purge, slot);
		if (purge->nlisted == LISTED_MAX || purge->rows + purge->listed_rows >= purge->max_rows)
			ForgetListed(purge);
		if (purge->rows >= purge->max_rows)
			purged_until = DatumGetTimestampTz(slot->tts_values[ITEM_EXPIRES_AT]);
		else
			slot = LookupNext(&due);
	}
	ForgetListed(purge);
	if (purge->has_images)
		LookupEnd(&purge->images);
	purge->has_images = false;
	LookupEnd(&due);
	PopActiveSnapshot();
}

PG_FUNCTION_INFO_V1(account_purge_expired);
Datum
account_purge_expired(PG_FUNCTION_ARGS)
{
	Purge purge = {.at = GetCurrentStatementStartTimestamp(),
				   .memory = CurrentMemoryContext,
				   .tallies = {.memory = CurrentMemoryContext}};
	TimestampTz from = purged_until;

	ArgRequired(fcinfo, 0, "max_rows");
	purge.max_rows = PG_GETARG_INT64(0);
	if (purge.max_rows <= 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid max_rows: it must be greater than zero")));
	PurgeFrom(&purge, from);
	if (purge.rows < purge.max_rows && from != DT_NOBEGIN)
		PurgeFrom(&purge, DT_NOBEGIN);
	UsageWrite(&purge.tallies);
	PG_RETURN_INT64(purge.items);
}
