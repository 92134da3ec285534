/*
 * activity.c
 *		The feed of a workspace: pages, what a person has seen, own events.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "access/event.h"
#include "access/principal.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/query.h"
#include "base/uuid.h"

#define ACTIVITY_COLUMNS 17
#define MAX_PAGE 100
#define MAX_IDS 10000
#define MAX_NAME 63
#define MAX_TEXT 1000
#define DEFAULT_RANGE (30 * USECS_PER_DAY)

/*
 * Ids ascend with time, so the range of ids bounds what is read and gives the
 * order; one to five milliseconds of clocks that differ are left at its ends.
 */
static Statement read_page = {
	.types = "uuid, uuid, uuid, uuid, text, timestamptz, timestamptz, boolean, text, text, integer",
	.mode = QUERY_READ,
	.by_index = true,
	.sql =
		"SELECT e.id, e.at, e.actor_kind, e.actor_id, coalesce(u.username, s.name, e.database_role),"
		"  e.via, e.credential_id, e.resource_type, e.resource_id, e.resource_name, e.action,"
		"  e.description, e.metadata, e.client_addr,"
		"  coalesce(m.is_seen, e.id <= i.seen_through, false),"
		"  coalesce(m.is_archived, e.id <= i.archived_through, false),"
		"  CASE WHEN e.action = 'updated' AND e.at > statement_timestamp() - interval '1 hour'"
		"    AND x.event_id IS NULL AND e.image_of IS NOT NULL"
		"    AND NOT e.metadata @? 'strict $.* ? (@ == null)'"
		"   THEN e.at + interval '1 hour' END"
		" FROM account_data.events e"
		" LEFT JOIN account_data.inboxes i ON i.workspace_id = $1 AND i.user_id = $2"
		" LEFT JOIN account_data.event_marks m"
		"  ON m.workspace_id = $1 AND m.user_id = $2 AND m.event_id = e.id"
		" LEFT JOIN account_data.users u ON u.id = e.actor_id AND e.actor_kind = 'user'"
		" LEFT JOIN account_data.service_accounts s ON s.workspace_id = $1 AND s.id = e.actor_id"
		" LEFT JOIN account_data.undone_events x ON x.workspace_id = $1 AND x.event_id = e.id"
		" WHERE e.workspace_id = $1 AND e.id >= $3 AND e.id < $4 AND e.at >= $6 AND e.at < $7"
		"  AND ($5 IS NULL OR strpos(lower(e.resource_name), $5) > 0"
		"   OR strpos(lower(e.resource_type), $5) > 0)"
		"  AND coalesce(m.is_archived, e.id <= i.archived_through, false) = $8"
		"  AND ($9 IS NULL OR e.resource_type = $9) AND ($10 IS NULL OR e.action = $10)"
		" ORDER BY e.id DESC LIMIT $11",
};

static Statement open_inbox = {
	.types = "uuid, uuid",
	.sql = "INSERT INTO account_data.inboxes (workspace_id, user_id) VALUES ($1, $2)"
		   " ON CONFLICT DO NOTHING",
};

#define THROUGH_LAST(column)                                                                       \
	"UPDATE account_data.inboxes SET " column " = (SELECT id FROM account_data.events"             \
	"  WHERE workspace_id = $1 ORDER BY id DESC LIMIT 1)"                                          \
	" WHERE workspace_id = $1 AND user_id = $2"
#define FORGET_MARKS(column)                                                                       \
	"WITH mark AS (UPDATE account_data.event_marks SET " column " = NULL"                          \
	"  WHERE workspace_id = $1 AND user_id = $2 AND " column " IS NOT NULL) "
#define MARK(column, value)                                                                        \
	"INSERT INTO account_data.event_marks AS m (workspace_id, user_id, event_id, " column ")"      \
	" SELECT $1, $2, e.id, " value " FROM account_data.events e"                                   \
	"  WHERE e.workspace_id = $1 AND e.id = ANY ($3) ORDER BY e.id"                                \
	" ON CONFLICT (workspace_id, user_id, event_id) DO UPDATE SET " column " = " value

static Statement see_all = {.types = "uuid, uuid",
							.by_index = true,
							.sql = FORGET_MARKS("is_seen") THROUGH_LAST("seen_through")};
static Statement archive_all = {.types = "uuid, uuid",
								.by_index = true,
								.sql = FORGET_MARKS("is_archived")
									THROUGH_LAST("archived_through")};
static Statement see_some = {
	.types = "uuid, uuid, uuid[]", .by_index = true, .sql = MARK("is_seen", "true")};
static Statement archive_some = {
	.types = "uuid, uuid, uuid[]", .by_index = true, .sql = MARK("is_archived", "true")};
static Statement unarchive_some = {
	.types = "uuid, uuid, uuid[]", .by_index = true, .sql = MARK("is_archived", "false")};

static Statement count_unseen = {
	.types = "uuid, uuid",
	.mode = QUERY_READ,
	.by_index = true,
	.sql = "SELECT count(*)::integer FROM ("
		   "  SELECT FROM account_data.events e WHERE e.workspace_id = $1"
		   "   AND e.id > coalesce((SELECT seen_through FROM account_data.inboxes"
		   "    WHERE workspace_id = $1 AND user_id = $2), '00000000-0000-0000-0000-000000000000')"
		   "   AND NOT EXISTS (SELECT FROM account_data.event_marks m WHERE m.workspace_id = $1"
		   "    AND m.user_id = $2 AND m.event_id = e.id AND m.is_seen)"
		   "  LIMIT 1000) unseen",
};

static Lookup inbox_of = {.table = "inboxes", .index = "inboxes_pkey"};
static Lookup events_after = {.table = "events", .index = "events_pkey"};

#define INBOX_SEEN_THROUGH_ATTNUM 3

/* The first id of a time, or the greatest there is. */
static pg_uuid_t *
IdAt(TimestampTz at, int64 slack)
{
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));

	if (TIMESTAMP_IS_NOEND(at))
		memset(id, 0xff, sizeof(pg_uuid_t));
	else if (TIMESTAMP_IS_NOBEGIN(at) || at < 0)
		memset(id, 0, sizeof(pg_uuid_t));
	else
		UuidFloor(id, at + slack);
	return id;
}

static char *
LowerText(FunctionCallInfo fcinfo, int n)
{
	char *word;

	if (PG_ARGISNULL(n))
		return NULL;
	word = TextDatumGetCString(
		DirectFunctionCall1Coll(lower, DEFAULT_COLLATION_OID, PG_GETARG_DATUM(n)));
	return *word == '\0' ? NULL : word;
}

PG_FUNCTION_INFO_V1(account_activity_page);
Datum
account_activity_page(PG_FUNCTION_ARGS)
{
	const Principal *p = PrincipalRequirePerson();
	TimestampTz now = GetCurrentStatementStartTimestamp();
	TimestampTz to = PG_ARGISNULL(2) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(2);
	TimestampTz from = PG_ARGISNULL(1) ? (TIMESTAMP_NOT_FINITE(to) ? now : to) - DEFAULT_RANGE
									   : PG_GETARG_TIMESTAMPTZ(1);
	int32 size = PG_ARGISNULL(7) ? 20 : PG_GETARG_INT32(7);
	/* an event has the start of its statement as its time, and an id made later */
	pg_uuid_t *end = IdAt(to, USECS_PER_DAY);
	NullableDatum args[11];

	if (size < 1 || size > MAX_PAGE)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid page_size: it must be between 1 and %d", MAX_PAGE)));
	if (!PG_ARGISNULL(6) && memcmp(PG_GETARG_UUID_P(6), end, UUID_LEN) < 0)
		end = PG_GETARG_UUID_P(6);
	InitMaterializedSRF(fcinfo, 0);
	args[0] = ArgUuid(&p->workspace_id);
	args[1] = ArgUuid(&p->actor_id);
	args[2] = ArgUuid(IdAt(from, -USECS_PER_SEC));
	args[3] = ArgUuid(end);
	args[4] = ArgText(LowerText(fcinfo, 0));
	args[5] = ArgTime(from);
	args[6] = ArgTime(to);
	args[7] = ArgBool(!PG_ARGISNULL(3) && PG_GETARG_BOOL(3));
	args[8] = ArgText(ArgOptionalText(fcinfo, 4));
	args[9] = ArgText(ArgOptionalText(fcinfo, 5));
	args[10] = ArgDatum(Int32GetDatum(size));
	QueryEach(&read_page, args, ACTIVITY_COLUMNS, ResultPut, fcinfo->resultinfo);
	return (Datum) 0;
}

/* Marks the events that are named, or all. */
static void
Mark(FunctionCallInfo fcinfo, Statement *all, Statement *some)
{
	const Principal *p = PrincipalRequirePerson();
	NullableDatum args[3] = {ArgUuid(&p->workspace_id), ArgUuid(&p->actor_id)};

	if (PG_ARGISNULL(0) && all == NULL)
		ArgRequired(fcinfo, 0, "ids");
	if (!PG_ARGISNULL(0))
		ArgArray(PG_GETARG_ARRAYTYPE_P(0), "ids", MAX_IDS);
	QueryRun(&open_inbox, args);
	if (PG_ARGISNULL(0))
		QueryRun(all, args);
	else
	{
		args[2] = ArgDatum(PG_GETARG_DATUM(0));
		QueryRun(some, args);
	}
}

PG_FUNCTION_INFO_V1(account_mark_seen);
Datum
account_mark_seen(PG_FUNCTION_ARGS)
{
	Mark(fcinfo, &see_all, &see_some);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_archive_events);
Datum
account_archive_events(PG_FUNCTION_ARGS)
{
	Mark(fcinfo, &archive_all, &archive_some);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_unarchive_events);
Datum
account_unarchive_events(PG_FUNCTION_ARGS)
{
	Mark(fcinfo, NULL, &unarchive_some);
	PG_RETURN_VOID();
}

/* Up to which event the person has seen the feed; all zeros when there is no inbox. */
static pg_uuid_t
SeenThrough(const Principal *p)
{
	pg_uuid_t through = {0};
	ScanKeyData keys[2];
	LookupScan scan;
	TupleTableSlot *slot;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&p->workspace_id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&p->actor_id));
	slot = LookupBegin(&scan, &inbox_of, keys, 2, false);
	if (slot != NULL)
	{
		bool isnull;
		Datum value = slot_getattr(slot, INBOX_SEEN_THROUGH_ATTNUM, &isnull);

		if (!isnull)
			through = *DatumGetUUIDP(value);
	}
	LookupEnd(&scan);
	return through;
}

static bool
HasEventAfter(const pg_uuid_t *workspace_id, const pg_uuid_t *id)
{
	ScanKeyData keys[2];
	LookupScan scan;
	bool found;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(workspace_id));
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_UUID_GT, UUIDPGetDatum(id));
	found = LookupBegin(&scan, &events_after, keys, 2, false) != NULL;
	LookupEnd(&scan);
	return found;
}

/* Asked with every page of an application, it is nearly always zero: that is told without a plan. */
PG_FUNCTION_INFO_V1(account_unseen_count);
Datum
account_unseen_count(PG_FUNCTION_ARGS)
{
	const Principal *p = PrincipalRequirePerson();
	NullableDatum args[2] = {ArgUuid(&p->workspace_id), ArgUuid(&p->actor_id)};
	NullableDatum row[1];
	pg_uuid_t seen_through = SeenThrough(p);

	if (!HasEventAfter(&p->workspace_id, &seen_through))
		PG_RETURN_INT32(0);
	(void) QueryRow(&count_unseen, args, row, 1);
	PG_RETURN_DATUM(row[0].value);
}

static char *
OptionalName(FunctionCallInfo fcinfo, int n, const char *what)
{
	return PG_ARGISNULL(n) ? NULL : ArgName(fcinfo, n, what, MAX_TEXT);
}

PG_FUNCTION_INFO_V1(account_log_event);
Datum
account_log_event(PG_FUNCTION_ARGS)
{
	const Principal *p = PrincipalRequireRole(ROLE_EDITOR);
	Event event = {.workspace_id = &p->workspace_id};

	event.resource_type = ArgName(fcinfo, 0, "resource_type", MAX_NAME);
	event.action = ArgName(fcinfo, 1, "action", MAX_NAME);
	event.resource_key = OptionalName(fcinfo, 2, "resource_id");
	event.resource_name = OptionalName(fcinfo, 3, "resource_name");
	event.description = OptionalName(fcinfo, 4, "description");
	if (!PG_ARGISNULL(5))
	{
		if (!JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(5)))
			ereport(ERROR,
					(errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid metadata: not an object")));
		event.metadata = DatumGetCString(DirectFunctionCall1(jsonb_out, PG_GETARG_DATUM(5)));
	}
	EventWrite(&event);
	PG_RETURN_VOID();
}
