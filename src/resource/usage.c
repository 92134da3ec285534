/*
 * usage.c
 *		How much each workspace has: what limits count, and bytes.
 *
 * The rows of usage_counts are exact at every commit: whoever changes a
 * resource holds the row of its workspace until then.  Live rows count for the
 * limit of their kind; the bytes of live rows and of those in the trash count
 * as storage.  Workspaces are taken in their order, and in each the counts of
 * rows before those of bytes, so that two statements on many never wait for each
 * other.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/query.h"
#include "base/uuid.h"
#include "resource/usage.h"
#include "workspace/plan.h"

#define STORAGE "storage_bytes"

static Statement add_usage = {
	.types = "uuid, text, bigint",
	.by_index = true,
	.sql = "INSERT INTO account_data.usage_counts AS u (workspace_id, name, used)"
		   " SELECT id, $2, $3 FROM account_data.workspaces WHERE id = $1"
		   " ON CONFLICT (workspace_id, name) DO UPDATE SET used = u.used + excluded.used"
		   " RETURNING used",
};

static Statement take_usage = {
	.types = "uuid, text, bigint",
	.by_index = true,
	.sql = "UPDATE account_data.usage_counts SET used = greatest(used + $3, 0)"
		   " WHERE workspace_id = $1 AND name = $2",
};

static Statement find_workspace = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "SELECT true FROM account_data.workspaces WHERE id = $1",
};

static void
AddBytes(Tally *tally, int64 bytes)
{
	if (pg_add_s64_overflow(tally->bytes, bytes, &tally->bytes))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("sizes of rows are out of range")));
}

/* Remembers a change until UsageWrite(). */
void
UsageNote(Tallies *tallies, const pg_uuid_t *workspace_id, const char *limit, const char *category,
		  int64 rows, int64 bytes)
{
	Tally *tally;

	for (int i = tallies->count - 1; i >= 0; i--)
	{
		tally = &tallies->list[i];
		if (tally->limit == limit && tally->category == category &&
			UuidEqual(&tally->workspace_id, workspace_id))
		{
			tally->rows += rows;
			AddBytes(tally, bytes);
			return;
		}
		/* rows of one workspace mostly come together; the rest are summed when written */
		if (tallies->count - i > 8)
			break;
	}
	if (tallies->count == tallies->max)
	{
		tallies->max = Max(16, tallies->max * 2);
		tallies->list = tallies->list == NULL
							? MemoryContextAlloc(tallies->memory, sizeof(Tally) * tallies->max)
							: repalloc_huge(tallies->list, sizeof(Tally) * tallies->max);
	}
	tally = &tallies->list[tallies->count++];
	tally->workspace_id = *workspace_id;
	tally->limit = limit;
	tally->category = category;
	tally->rows = rows;
	tally->bytes = bytes;
}

/* Rows of no workspace do not count; those of one that the transaction cannot see yet would have to. */
static void
RequireNone(const pg_uuid_t *workspace_id)
{
	NullableDatum args[1] = {ArgUuid(workspace_id)};
	NullableDatum row[1];

	if (IsolationUsesXactSnapshot() && QueryRow(&find_workspace, args, row, 1))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access: workspace %s is newer than the transaction",
						UuidText(workspace_id))));
}

static void
AddOne(const pg_uuid_t *workspace_id, const char *name, int64 delta)
{
	NullableDatum args[3] = {ArgUuid(workspace_id), ArgText(name), ArgDatum(Int64GetDatum(delta))};
	NullableDatum row[1];

	if (delta < 0)
		QueryRun(&take_usage, args);
	else if (delta > 0 && QueryRow(&add_usage, args, row, 1))
		PlanRequire(workspace_id, name, DatumGetInt64(row[0].value) - delta, delta);
	else if (delta > 0)
		RequireNone(workspace_id);
}

/* Adds to the storage; PT402 when its limit would be passed. */
void
UsageAddBytes(const pg_uuid_t *workspace_id, const char *category, int64 bytes)
{
	if (bytes == 0)
		return;
	AddOne(workspace_id, STORAGE, bytes);
	AddOne(workspace_id, psprintf(STORAGE ":%s", category), bytes);
}

static int
CompareTallies(const void *a, const void *b)
{
	const Tally *x = a;
	const Tally *y = b;
	int order = memcmp(&x->workspace_id, &y->workspace_id, UUID_LEN);

	if (order == 0)
		order = strcmp(x->limit == NULL ? "" : x->limit, y->limit == NULL ? "" : y->limit);
	if (order == 0)
		order = strcmp(x->category, y->category);
	return order;
}

/* One tally for each workspace and kind of resource, in the order of workspaces. */
void
UsageSum(Tallies *tallies)
{
	int n = 0;

	if (tallies->count < 2)
		return;
	qsort(tallies->list, tallies->count, sizeof(Tally), CompareTallies);
	for (int i = 1; i < tallies->count; i++)
	{
		Tally *last = &tallies->list[n];
		Tally *next = &tallies->list[i];

		if (CompareTallies(last, next) != 0)
			tallies->list[++n] = *next;
		else
		{
			last->rows += next->rows;
			AddBytes(last, next->bytes);
		}
	}
	tallies->count = n + 1;
}

/* Those of one workspace, which stand together: rows first. */
static void
WriteTallies(const Tally *tallies, int n)
{
	for (int i = 0; i < n; i++)
		if (tallies[i].limit != NULL)
			AddOne(&tallies[i].workspace_id, tallies[i].limit, tallies[i].rows);
	for (int i = 0; i < n; i++)
		UsageAddBytes(&tallies[i].workspace_id, tallies[i].category, tallies[i].bytes);
}

/* Adds all that was noted to the counts; PT402 when a limit would be passed. */
void
UsageWrite(Tallies *tallies)
{
	int n;

	UsageSum(tallies);
	for (int i = 0; i < tallies->count; i += n)
	{
		const Tally *first = &tallies->list[i];

		for (n = 1; i + n < tallies->count; n++)
			if (!UuidEqual(&first->workspace_id, &first[n].workspace_id))
				break;
		WriteTallies(first, n);
	}
	tallies->count = 0;
}

/*
 * Who counts anew holds the tables, and sees all that is committed whatever its
 * transaction's snapshot.
 */
static Statement write_counts = {
	.types = "uuid[], bigint[], text",
	.mode = QUERY_FRESH,
	.sql = "INSERT INTO account_data.usage_counts AS u (workspace_id, name, used)"
		   " SELECT w.id, $3, c.used FROM unnest($1, $2) AS c (id, used)"
		   "  JOIN account_data.workspaces w ON w.id = c.id WHERE c.used <> 0"
		   " ON CONFLICT (workspace_id, name) DO UPDATE SET used = u.used + excluded.used",
};

/* Workspaces, rows and bytes of a table, as arrays; false when it has no row. */
static bool
CountTable(const Shape *shape, NullableDatum *counts)
{
	TableStatement *count = palloc0(sizeof(TableStatement));
	const char *workspace = quote_identifier(get_attname(shape->relid, shape->workspace, false));
	const char *size = shape->size == 0
						   ? "0"
						   : psprintf(
								 "coalesce(sum(%s), 0)",
								 quote_identifier(get_attname(shape->relid, shape->size, false)));

	count->owner = shape->owner;
	count->is_fresh = true;
	count->sql = psprintf("SELECT array_agg(w), array_agg(n), array_agg(b) FROM ("
						  "SELECT %s AS w, count(*) AS n, (%s)::bigint AS b FROM %s"
						  " WHERE %s IS NOT NULL GROUP BY 1 ORDER BY 1) AS counted",
						  workspace, size, ShapeQuote(shape->relid), workspace);
	QueryTable(count, NULL, NULL, counts, 3);
	return !counts[0].isnull;
}

static void
WriteBytes(const Shape *shape, const NullableDatum *counts)
{
	NullableDatum args[3] = {counts[0], counts[2], ArgText(STORAGE)};

	QueryRun(&write_counts, args);
	args[2] = ArgText(psprintf(STORAGE ":%s", shape->category));
	QueryRun(&write_counts, args);
}

/* Counts the rows a table has when it becomes a resource; downgrades delete nothing, nor does this. */
void
UsageCountAll(const Shape *shape)
{
	NullableDatum counts[3];
	NullableDatum args[3];

	if (!CountTable(shape, counts))
		return;
	args[0] = counts[0];
	args[1] = counts[1];
	args[2] = ArgText(shape->limit);
	QueryRun(&write_counts, args);
	WriteBytes(shape, counts);
}

static Statement forget_rows = {
	.types = "text",
	.mode = QUERY_FRESH,
	.sql = "DELETE FROM account_data.usage_counts WHERE name = $1",
};

static Statement list_category = {
	.types = "text",
	.mode = QUERY_FRESH,
	.sql = "SELECT array_agg(c.oid ORDER BY c.oid) FROM account_data.resources r"
		   " JOIN pg_catalog.pg_class c ON c.oid = r.relation WHERE r.category = $1",
};

/* In the order of UsageWrite(). */
static Statement lock_category = {
	.types = "text",
	.mode = QUERY_FRESH,
	.sql = "SELECT FROM account_data.usage_counts u WHERE name = '" STORAGE "' AND EXISTS ("
		   "  SELECT FROM account_data.usage_counts c"
		   "   WHERE c.workspace_id = u.workspace_id AND c.name = '" STORAGE ":' || $1)"
		   " ORDER BY workspace_id FOR UPDATE",
};

static Statement take_category = {
	.types = "text",
	.mode = QUERY_FRESH,
	.sql = "WITH category AS (SELECT workspace_id, used FROM account_data.usage_counts"
		   "   WHERE name = '" STORAGE ":' || $1 FOR UPDATE)"
		   " UPDATE account_data.usage_counts u"
		   "  SET used = CASE WHEN u.name = '" STORAGE
		   "' THEN greatest(u.used - c.used, 0) ELSE 0 END"
		   "  FROM category c WHERE u.workspace_id = c.workspace_id"
		   "   AND u.name IN ('" STORAGE "', '" STORAGE ":' || $1)",
};

static Statement add_trash = {
	.types = "text",
	.mode = QUERY_FRESH,
	.sql = "INSERT INTO account_data.usage_counts AS u (workspace_id, name, used)"
		   " SELECT t.workspace_id, n.name, sum(t.size_bytes)::bigint"
		   "  FROM account_data.trash_items t,"
		   "   unnest(ARRAY['" STORAGE "', '" STORAGE ":' || $1]) AS n (name)"
		   "  WHERE t.category = $1 GROUP BY 1, 2 HAVING sum(t.size_bytes) <> 0 ORDER BY 1, 2"
		   " ON CONFLICT (workspace_id, name) DO UPDATE SET used = u.used + excluded.used",
};

/*
 * The rows of a table that is no resource any more count no more, nor do their
 * bytes.  Nobody knows which of its category's were its own, when it is gone,
 * so those of the trash and of other tables are counted anew.
 */
void
UsageForget(NullableDatum limit, NullableDatum category)
{
	NullableDatum row[1];
	NullableDatum counts[3];
	Datum *others = NULL;
	int nothers = 0;

	QueryRun(&forget_rows, &limit);
	(void) QueryRow(&list_category, &category, row, 1);
	if (!row[0].isnull)
		deconstruct_array(DatumGetArrayTypeP(row[0].value), OIDOID, sizeof(Oid), true, TYPALIGN_INT,
						  &others, NULL, &nothers);
	for (int i = 0; i < nothers; i++)
		LockRelationOid(DatumGetObjectId(others[i]), ShareRowExclusiveLock);
	QueryRun(&lock_category, &category);
	QueryRun(&take_category, &category);
	QueryRun(&add_trash, &category);
	for (int i = 0; i < nothers; i++)
	{
		const Shape *shape = ShapeOf(DatumGetObjectId(others[i]));

		if (CountTable(shape, counts))
			WriteBytes(shape, counts);
	}
}
