/*
 * limit.c
 *		Limits of workspaces: asking about them, and operators' overrides.
 *
 * The doors that ask lock nothing: two sessions may both be told that there is
 * room for one more.  What must be exact is counted by the trigger of a registered
 * resource, which holds the count while it asks PlanRequire().
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "common/int.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "access/event.h"
#include "access/principal.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/query.h"
#include "workspace/limit.h"
#include "workspace/plan.h"
#include "workspace/workspace.h"

#define USED_ATTNUM 3
#define UPLOAD_SUFFIX "_upload_bytes"
#define STORAGE "storage_bytes"

static Lookup counts = {.table = "usage_counts", .index = "usage_counts_pkey"};

static Statement count_members = {
	.types = "uuid",
	.mode = QUERY_READ,
	.sql = "SELECT seats FROM account_data.seats_used WHERE workspace_id = $1",
};

static Statement count_owned_teams = {
	.types = "uuid",
	.mode = QUERY_READ,
	.sql = "SELECT count(*) FROM account_data.members o"
		   " JOIN account_data.members t ON t.user_id = o.user_id AND t.role = 'owner'"
		   " JOIN account_data.workspaces w ON w.id = t.workspace_id AND w.kind = 'team'"
		   " WHERE o.workspace_id = $1 AND o.role = 'owner'",
};

static Statement write_override = {
	.types = "uuid, text, bigint, timestamptz",
	.mode = QUERY_FRESH,
	.sql = "INSERT INTO account_data.limit_overrides (workspace_id, name, max_value, ends_at)"
		   " VALUES ($1, $2, $3, $4)"
		   " ON CONFLICT (workspace_id, name) DO UPDATE SET max_value = $3, ends_at = $4,"
		   "  changed_by = session_user, changed_at = statement_timestamp()",
};

static Statement delete_override = {
	.types = "uuid, text",
	.mode = QUERY_FRESH,
	.sql = "DELETE FROM account_data.limit_overrides WHERE workspace_id = $1 AND name = $2",
};

static bool
EndsWith(const char *name, const char *suffix)
{
	size_t len = strlen(name);
	size_t suffix_len = strlen(suffix);

	return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* Whether the extension itself knows what the limit is of: then it counts no kind of resource. */
bool
LimitIsOwn(const char *name)
{
	return strcmp(name, "members") == 0 || strcmp(name, "owned_teams") == 0 ||
		   strcmp(name, STORAGE) == 0 || EndsWith(name, UPLOAD_SUFFIX);
}

/* None where the statement's snapshot is older than the workspace. */
static int64
CountBy(Statement *statement, const pg_uuid_t *workspace_id)
{
	NullableDatum args[1] = {ArgUuid(workspace_id)};
	NullableDatum row[1];

	return QueryRow(statement, args, row, 1) ? DatumGetInt64(row[0].value) : 0;
}

static int64
ReadCount(const pg_uuid_t *workspace_id, const char *name)
{
	ScanKeyData keys[2];
	LookupScan scan;
	TupleTableSlot *slot;
	bool isnull;
	int64 used = 0;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(workspace_id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(name));
	keys[1].sk_collation = DEFAULT_COLLATION_OID;
	slot = LookupBegin(&scan, &counts, keys, 2, true);
	if (slot != NULL)
		used = DatumGetInt64(slot_getattr(slot, USED_ATTNUM, &isnull));
	LookupEnd(&scan);
	return used;
}

/* How much a workspace has of what the limit counts; a limit on one file is used by none. */
static int64
Used(const pg_uuid_t *workspace_id, const char *name)
{
	if (strcmp(name, "members") == 0)
		return CountBy(&count_members, workspace_id);
	if (strcmp(name, "owned_teams") == 0)
		return CountBy(&count_owned_teams, workspace_id);
	return EndsWith(name, UPLOAD_SUFFIX) ? 0 : ReadCount(workspace_id, name);
}

static void
RequireKnown(const char *name)
{
	if (!PlanKnowsLimit(name))
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_NOT_FOUND), errmsg("limit \"%s\" does not exist", name)));
}

static int64
ArgAmount(FunctionCallInfo fcinfo, int n, const char *what, int64 least)
{
	ArgRequired(fcinfo, n, what);
	if (PG_GETARG_INT64(n) < least)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be %lld or more", what, (long long) least)));
	return PG_GETARG_INT64(n);
}

static bool
Fits(const pg_uuid_t *workspace_id, const char *name, int64 adding)
{
	int64 max_value = PlanLimit(workspace_id, name);
	int64 wanted;

	return max_value == PLAN_UNLIMITED ||
		   (!pg_add_s64_overflow(Used(workspace_id, name), adding, &wanted) && wanted <= max_value);
}

PG_FUNCTION_INFO_V1(account_require_limit);
Datum
account_require_limit(PG_FUNCTION_ARGS)
{
	char *name = ArgName(fcinfo, 0, "name", PLAN_MAX_NAME);
	int64 adding = ArgAmount(fcinfo, 1, "adding", 1);
	const Principal *p = PrincipalRequire();

	RequireKnown(name);
	PlanRequire(&p->workspace_id, name, Used(&p->workspace_id, name), adding);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_within_limit);
Datum
account_within_limit(PG_FUNCTION_ARGS)
{
	char *name = ArgName(fcinfo, 0, "name", PLAN_MAX_NAME);
	int64 adding = ArgAmount(fcinfo, 1, "adding", 1);
	const Principal *p = PrincipalRequire();

	RequireKnown(name);
	PG_RETURN_BOOL(Fits(&p->workspace_id, name, adding));
}

PG_FUNCTION_INFO_V1(account_upload_allowed);
Datum
account_upload_allowed(PG_FUNCTION_ARGS)
{
	char *kind = ArgName(fcinfo, 0, "kind", PLAN_MAX_NAME - (int) strlen(UPLOAD_SUFFIX));
	int64 bytes = ArgAmount(fcinfo, 1, "bytes", 0);
	const Principal *p = PrincipalRequire();
	char *name = psprintf("%s%s", kind, UPLOAD_SUFFIX);

	RequireKnown(name);
	PG_RETURN_BOOL(Fits(&p->workspace_id, name, bytes) && Fits(&p->workspace_id, STORAGE, bytes));
}

PG_FUNCTION_INFO_V1(account_has_feature);
Datum
account_has_feature(PG_FUNCTION_ARGS)
{
	const Principal *p = PrincipalCurrent();

	PG_RETURN_BOOL(p != NULL &&
				   PlanHasFeature(&p->workspace_id, text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

static void
WriteEvent(const pg_uuid_t *workspace_id, const char *name, const char *action,
		   const char *metadata)
{
	EventWrite(&(Event){.workspace_id = workspace_id,
						.resource_type = "limit",
						.resource_name = name,
						.action = action,
						.metadata = metadata});
}

PG_FUNCTION_INFO_V1(account_override_limit);
Datum
account_override_limit(PG_FUNCTION_ARGS)
{
	char *name = ArgName(fcinfo, 1, "name", PLAN_MAX_NAME);
	NullableDatum args[4];
	pg_uuid_t *workspace_id;

	ArgRequired(fcinfo, 0, "workspace_id");
	workspace_id = PG_GETARG_UUID_P(0);
	if (!PG_ARGISNULL(2))
		(void) ArgAmount(fcinfo, 2, "max_value", 0);
	if (!PG_ARGISNULL(3) && PG_GETARG_TIMESTAMPTZ(3) <= GetCurrentStatementStartTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid until: it is in the past")));
	RequireKnown(name);
	PlanHoldLimits();
	(void) WorkspaceLock(workspace_id); /* what is decided there meanwhile waits */
	args[0] = ArgUuid(workspace_id);
	args[1] = ArgText(name);
	args[2] = PG_ARGISNULL(2) ? ArgNull() : ArgDatum(PG_GETARG_DATUM(2));
	args[3] = PG_ARGISNULL(3) ? ArgNull() : ArgDatum(PG_GETARG_DATUM(3));
	QueryRun(&write_override, args);
	PlanSetMembersUntil(workspace_id);
	WriteEvent(
		workspace_id, name, "updated",
		psprintf("{\"max_value\": %s}",
				 PG_ARGISNULL(2) ? "null" : psprintf("%lld", (long long) PG_GETARG_INT64(2))));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_end_limit_override);
Datum
account_end_limit_override(PG_FUNCTION_ARGS)
{
	char *name = ArgName(fcinfo, 1, "name", PLAN_MAX_NAME);
	NullableDatum args[2];

	ArgRequired(fcinfo, 0, "workspace_id");
	(void) WorkspaceLock(PG_GETARG_UUID_P(0));
	args[0] = ArgDatum(PG_GETARG_DATUM(0));
	args[1] = ArgText(name);
	if (QueryRun(&delete_override, args) == 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_NOT_FOUND),
						errmsg("override of limit \"%s\" does not exist", name)));
	PlanSetMembersUntil(PG_GETARG_UUID_P(0));
	WriteEvent(PG_GETARG_UUID_P(0), name, "reset", NULL);
	PG_RETURN_VOID();
}
