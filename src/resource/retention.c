/*
 * retention.c
 *		Deleting events whose time is over, so that what is left still verifies.
 *
 * Only whole links of a chain go, from its beginning on, and only while each has
 * the events it was written with: a chain that does not hold is left as it is.
 * The last link that went stays, marked, as what the next one follows.
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "resource/retention.h"

/* Events that are looked at together; a transaction that wrote more needs more. */
#define BATCH 1000

static int account_activity_retention; /* seconds; 0: for good */

/* The next workspace with an event that old, by one look into each chain. */
static Statement find_due = {
	.types = "uuid, uuid",
	.by_index = true,
	.sql = "WITH RECURSIVE chain (workspace_id) AS ("
		   "  (SELECT workspace_id FROM account_data.event_links WHERE workspace_id > $1"
		   "    ORDER BY workspace_id LIMIT 1)"
		   "  UNION ALL SELECT (SELECT l.workspace_id FROM account_data.event_links l"
		   "    WHERE l.workspace_id > c.workspace_id ORDER BY l.workspace_id LIMIT 1)"
		   "   FROM chain c WHERE c.workspace_id IS NOT NULL)"
		   " SELECT workspace_id FROM chain c WHERE EXISTS (SELECT FROM account_data.events e"
		   "   WHERE e.workspace_id = c.workspace_id AND e.id < $2) LIMIT 1",
};

/* Whoever purges a chain holds its first link; nobody waits for it. */
static Statement lock_chain = {
	.types = "uuid",
	.by_index = true,
	.sql =
		"SELECT true FROM account_data.event_links WHERE workspace_id = $1 AND seq = ("
		"  SELECT seq FROM account_data.event_links WHERE workspace_id = $1 ORDER BY seq LIMIT 1)"
		" FOR UPDATE SKIP LOCKED",
};

/* How many events went, of how many that were old enough. */
static Statement purge_batch = {
	.types = "uuid, uuid, bigint",
	.by_index = true,
	.sql =
		"WITH old AS MATERIALIZED ("
		"  SELECT id, link_id FROM account_data.events WHERE workspace_id = $1 AND id < $2"
		"   ORDER BY id LIMIT $3),"
		" counted AS MATERIALIZED (SELECT link_id, count(*) AS events FROM old GROUP BY link_id),"
		" first AS MATERIALIZED ("
		"  SELECT seq, id, event_count FROM account_data.event_links"
		"   WHERE workspace_id = $1 AND pruned_at IS NULL ORDER BY seq LIMIT $3),"
		" gone AS MATERIALIZED (SELECT seq, id FROM ("
		"  SELECT l.seq, l.id, bool_and(c.events IS NOT DISTINCT FROM l.event_count)"
		"    OVER (ORDER BY l.seq) AS is_whole"
		"   FROM first l LEFT JOIN counted c ON c.link_id = l.id) run WHERE is_whole),"
		" event AS (DELETE FROM account_data.events e USING old o JOIN gone g ON g.id = o.link_id"
		"  WHERE e.workspace_id = $1 AND e.id = o.id RETURNING e.id),"
		" link AS (DELETE FROM account_data.event_links"
		"  WHERE workspace_id = $1 AND seq < (SELECT max(seq) FROM gone)),"
		" anchor AS (UPDATE account_data.event_links SET pruned_at = statement_timestamp()"
		"  WHERE workspace_id = $1 AND seq = (SELECT max(seq) FROM gone)),"
		" mark AS (DELETE FROM account_data.event_marks m USING account_data.inboxes i"
		"  WHERE i.workspace_id = $1 AND m.workspace_id = $1 AND m.user_id = i.user_id"
		"   AND m.event_id IN (SELECT id FROM event)),"
		" undone AS (DELETE FROM account_data.undone_events u USING event e"
		"  WHERE u.workspace_id = $1 AND u.event_id = e.id)"
		" SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM old)",
};

void
RetentionInit(void)
{
	DefineCustomIntVariable(
		"account.activity_retention", "How long events are kept; 0 keeps them for good.",
		"account.purge_activity deletes what is older.", &account_activity_retention, 0, 0, INT_MAX,
		PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
}

static int64
PurgeChain(const pg_uuid_t *workspace_id, const pg_uuid_t *before, int64 max)
{
	NullableDatum args[3] = {ArgUuid(workspace_id), ArgUuid(before)};
	NullableDatum row[2];
	int64 purged = 0;
	int64 batch = 0;

	if (!QueryRow(&lock_chain, args, row, 1))
		return 0;
	while (purged < max)
	{
		int64 events;

		CHECK_FOR_INTERRUPTS();
		if (batch == 0)
			batch = Min(BATCH, max - purged);
		args[2] = ArgDatum(Int64GetDatum(batch));
		(void) QueryRow(&purge_batch, args, row, 2);
		events = DatumGetInt64(row[0].value);
		purged += events;
		if (DatumGetInt64(row[1].value) < batch)
			break;
		batch = events > 0 ? 0 : batch * 2;
	}
	return purged;
}

PG_FUNCTION_INFO_V1(account_purge_activity);
Datum
account_purge_activity(PG_FUNCTION_ARGS)
{
	pg_uuid_t workspace_id = {{0}};
	pg_uuid_t before;
	TimestampTz since = GetCurrentStatementStartTimestamp() -
						(TimestampTz) account_activity_retention * USECS_PER_SEC;
	NullableDatum args[2] = {ArgUuid(&workspace_id), ArgUuid(&before)};
	NullableDatum row[1];
	int64 purged = 0;
	int64 max;

	ArgRequired(fcinfo, 0, "max_events");
	max = PG_GETARG_INT64(0);
	if (max <= 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid max_events: it must be greater than zero")));
	/* of before 2000 there is none, and no id */
	if (account_activity_retention == 0 || since < 0)
		PG_RETURN_INT64(0);
	UuidFloor(&before, since);
	while (purged < max && QueryRow(&find_due, args, row, 1))
	{
		workspace_id = *DatumGetUUIDP(row[0].value);
		purged += PurgeChain(&workspace_id, &before, max - purged);
	}
	PG_RETURN_INT64(purged);
}
