/*
 * usage.c
 *		How much each workspace has: what limits count, and bytes.
 *
 * The rows of usage_counts are exact at every commit: whoever changes a
 * resource holds the row of its workspace until then.  Live rows count for the
 * limit of their kind; the bytes of live rows and of those in the trash count
 * as storage.  Workspaces are taken in their order, so that two statements on
 * many never wait for each other.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
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

/* Remembers a change until UsageWrite(). */
void
UsageNote(Tallies *tallies, const Shape *shape, const pg_uuid_t *workspace_id, int64 rows,
		  int64 bytes)
{
	Tally *tally;

	for (int i = tallies->count - 1; i >= 0; i--)
	{
		tally = &tallies->list[i];
		if (tally->shape == shape && UuidEqual(&tally->workspace_id, workspace_id))
		{
			tally->rows += rows;
			tally->bytes += bytes;
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
	tally->shape = shape;
	tally->rows = rows;
	tally->bytes = bytes;
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
}

/* Adds to the counts; PT402 when a limit would be passed.  name NULL: bytes only. */
void
UsageAdd(const pg_uuid_t *workspace_id, const char *name, const char *category, int64 rows,
		 int64 bytes)
{
	if (name != NULL)
		AddOne(workspace_id, name, rows);
	AddOne(workspace_id, STORAGE, bytes);
	if (bytes != 0)
		AddOne(workspace_id, psprintf(STORAGE ":%s", category), bytes);
}

static int
CompareTallies(const void *a, const void *b)
{
	const Tally *x = a;
	const Tally *y = b;
	int order = memcmp(&x->workspace_id, &y->workspace_id, UUID_LEN);

	return order != 0 ? order
					  : (x->shape->relid > y->shape->relid) - (x->shape->relid < y->shape->relid);
}

/* One tally for each workspace and resource, in the order of workspaces. */
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
			last->bytes += next->bytes;
		}
	}
	tallies->count = n + 1;
}

void
UsageWrite(Tallies *tallies)
{
	UsageSum(tallies);
	for (int i = 0; i < tallies->count; i++)
	{
		const Tally *tally = &tallies->list[i];

		UsageAdd(&tally->workspace_id, tally->shape->limit, tally->shape->category, tally->rows,
				 tally->bytes);
	}
	tallies->count = 0;
}

/* Counts the rows a table has when it becomes a resource; downgrades delete nothing, nor does this. */
void
UsageCountAll(const Shape *shape)
{
	TableStatement *count = palloc0(sizeof(TableStatement));
	const char *workspace = quote_identifier(get_attname(shape->relid, shape->workspace, false));
	const char *size = shape->size == 0
						   ? "0"
						   : psprintf(
								 "coalesce(sum(%s), 0)",
								 quote_identifier(get_attname(shape->relid, shape->size, false)));
	static Statement write_counts = {
		.types = "uuid[], bigint[], text",
		.sql = "INSERT INTO account_data.usage_counts AS u (workspace_id, name, used)"
			   " SELECT w.id, $3, c.used FROM unnest($1, $2) AS c (id, used)"
			   "  JOIN account_data.workspaces w ON w.id = c.id WHERE c.used <> 0"
			   " ON CONFLICT (workspace_id, name) DO UPDATE SET used = u.used + excluded.used",
	};
	NullableDatum row[3];
	NullableDatum args[3];

	count->owner = shape->owner;
	count->sql = psprintf("SELECT array_agg(w), array_agg(n), array_agg(b) FROM ("
						  "SELECT %s AS w, count(*) AS n, (%s)::bigint AS b FROM %s"
						  " WHERE %s IS NOT NULL GROUP BY 1 ORDER BY 1) AS counted",
						  workspace, size, ShapeQuote(shape->relid), workspace);
	QueryTable(count, NULL, NULL, row, 3);
	if (row[0].isnull)
		return;
	args[0] = row[0];
	args[1] = row[1];
	args[2] = ArgText(shape->limit);
	QueryRun(&write_counts, args);
	args[1] = row[2];
	args[2] = ArgText(STORAGE);
	QueryRun(&write_counts, args);
	args[2] = ArgText(psprintf(STORAGE ":%s", shape->category));
	QueryRun(&write_counts, args);
}
