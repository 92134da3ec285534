/*
 * purge.c
 *		Deleting for good what is in the trash.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"

#include "access/event.h"
#include "access/principal.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/uuid.h"
#include "resource/item.h"
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

static Statement redact_all = {
	.types = "uuid",
	.by_index = true,
	.sql = "WITH x AS MATERIALIZED (SELECT workspace_id, kind, resource_id, deleted_at"
		   "  FROM account_data.trash_items WHERE workspace_id = $1)" REDACT("x"),
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

static Statement count_all = {
	.types = "uuid",
	.by_index = true,
	.sql = "SELECT workspace_id, category, sum(size_bytes)::bigint FROM account_data.trash_items"
		   " WHERE workspace_id = $1 GROUP BY workspace_id, category",
};

static Statement lock_all = {
	.types = "uuid",
	.by_index = true,
	.sql = "SELECT count(*) FROM (SELECT FROM account_data.trash_items"
		   "  WHERE workspace_id = $1 AND parent_id IS NULL ORDER BY id FOR UPDATE) locked",
};

static Statement forget_all = {
	.types = "uuid",
	.by_index = true,
	.sql = "WITH chunk AS (DELETE FROM account_data.trash_chunks WHERE workspace_id = $1)"
		   " DELETE FROM account_data.trash_items WHERE workspace_id = $1",
};

/*
 * Whole deletions whose time is over, until they come to the number of rows.
 * Most items took nothing along, and then nothing is looked for.
 */
#define ITEM "workspace_id, id, kind, resource_id, deleted_at, children"
static Statement forget_expired = {
	.types = "timestamptz, bigint",
	.by_index = true,
	.sql =
		"WITH due AS MATERIALIZED ("
		"  SELECT " ITEM ", expires_at FROM account_data.trash_items"
		"   WHERE expires_at <= $1 AND parent_id IS NULL"
		"   ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED),"
		" root AS MATERIALIZED ("
		"  SELECT " ITEM " FROM ("
		"   SELECT " ITEM ", coalesce(sum(children + 1) OVER (ORDER BY expires_at, id"
		"    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before FROM due) counted"
		"  WHERE before < $2),"
		" below AS MATERIALIZED (SELECT " ITEM " FROM root UNION ALL"
		"  SELECT i.workspace_id, i.id, i.kind, i.resource_id, i.deleted_at, i.children"
		"   FROM root r JOIN account_data.trash_items i"
		"    ON i.workspace_id = r.workspace_id AND i.root_id = r.id AND i.id <> r.id"
		"   WHERE r.children > 0), image AS (" REDACT(
			"below x") "),"
					   " chunk AS (DELETE FROM account_data.trash_chunks c USING below b"
					   "   WHERE c.workspace_id = b.workspace_id AND c.item_id = b.id AND b.children > 0),"
					   " item AS (DELETE FROM account_data.trash_items i USING below b"
					   "   WHERE i.workspace_id = b.workspace_id AND i.id = b.id"
					   "   RETURNING i.workspace_id, i.category, i.size_bytes)"
					   " SELECT workspace_id, category, sum(size_bytes)::bigint, count(*) FROM item"
					   "  GROUP BY workspace_id, category ORDER BY workspace_id, category",
};

/* What is gone from the trash is no storage any more. */
static void
Uncount(const NullableDatum *row, void *state)
{
	UsageAdd(DatumGetUUIDP(row[0].value), NULL, TextDatumGetCString(row[1].value), 0,
			 -DatumGetInt64(row[2].value));
	if (state != NULL)
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
	NullableDatum row[1];
	int64 purged;

	PrincipalRequirePerson();
	p = PrincipalRequireRole(ROLE_ADMIN);
	args[0] = ArgUuid(&p->workspace_id);
	QueryRow(&lock_all, args, row, 1);
	QueryEach(&count_all, args, 3, Uncount, NULL);
	QueryRun(&redact_all, args);
	purged = (int64) QueryRun(&forget_all, args);
	if (purged > 0)
		EventWrite(&(Event){
			.workspace_id = &p->workspace_id, .resource_type = "trash", .action = "deleted"});
	PG_RETURN_INT64(purged);
}

PG_FUNCTION_INFO_V1(account_purge_expired);
Datum
account_purge_expired(PG_FUNCTION_ARGS)
{
	NullableDatum args[2] = {ArgTime(GetCurrentStatementStartTimestamp())};
	int64 purged = 0;

	ArgRequired(fcinfo, 0, "max_rows");
	args[1] = ArgDatum(PG_GETARG_DATUM(0));
	if (PG_GETARG_INT64(0) <= 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid max_rows: it must be greater than zero")));
	QueryEach(&forget_expired, args, 4, Uncount, &purged);
	PG_RETURN_INT64(purged);
}
