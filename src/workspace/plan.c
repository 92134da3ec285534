/*
 * plan.c
 *		What the plan of a workspace allows.
 *
 * The limit of a workspace is, in this order: its override while that lasts; zero
 * when its licence has lapsed; the operator's row for its plan; the row shipped;
 * none.  account.limits says the same in SQL.
 *
 * All of it is read by what is committed now, through the indexes: a guard must
 * not be held off by an old snapshot, and these reads run in triggers and
 * whenever a role is looked up.  Nothing is cached, so nothing has to be told.
 *
 * These functions take no lock.  A caller that must be exact locks what it counts
 * (the row of usage_counts, or of the workspace), reads the count, calls
 * PlanRequire() and writes.
 *
 * What plans allow of members is also kept, as a time, in each workspace that has
 * a subscription or an override.  A change of a plan goes through all of them and
 * would miss one that gets its first meanwhile; PlanHoldLimits() and PlanLockLimits()
 * keep the two apart.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "common/int.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "base/errors.h"
#include "base/lookup.h"
#include "base/query.h"
#include "workspace/plan.h"
#include "workspace/subscription.h"

/* The third column of the four tables keyed by a plan and a name, and of the overrides. */
#define VALUE_ATTNUM 3
#define OVERRIDE_END_ATTNUM 4

#define MEMBERS "members"

static Lookup operator_limits = {.table = "plan_limits", .index = "plan_limits_pkey"};
static Lookup shipped_limits = {.table = "plan_limit_defaults",
								.index = "plan_limit_defaults_pkey"};
static Lookup operator_features = {.table = "plan_features", .index = "plan_features_pkey"};
static Lookup shipped_features = {.table = "plan_feature_defaults",
								  .index = "plan_feature_defaults_pkey"};
static Lookup overrides = {.table = "limit_overrides", .index = "limit_overrides_pkey"};

static Statement set_members_until = {
	.types = "uuid, timestamptz",
	.mode = QUERY_FRESH,
	.sql = "UPDATE account_data.workspaces SET members_until = $2"
		   " WHERE id = $1 AND kind = 'team' AND members_until <> $2",
};

static Statement knows_limit = {
	.types = "text",
	.mode = QUERY_READ,
	.sql = "SELECT true FROM account_data.plan_limits_in_force WHERE name = $1 LIMIT 1",
};

/* The next plan above $1 that allows $3 of $2. */
static Statement find_lifting_plan = {
	.types = "text, text, bigint",
	.mode = QUERY_READ,
	.sql = "SELECT p.plan, coalesce(l.max_value::text, 'any number')"
		   " FROM account_data.plans_in_force p"
		   " LEFT JOIN account_data.plan_limits_in_force l ON l.plan = p.plan AND l.name = $2"
		   " WHERE p.rank > (SELECT rank FROM account_data.plans_in_force WHERE plan = $1)"
		   "  AND coalesce(l.max_value, 9223372036854775807) >= $3"
		   " ORDER BY p.rank LIMIT 1",
};

/* The first row of a table whose key is two texts, or a uuid and a text. */
static TupleTableSlot *
BeginPair(LookupScan *scan, Lookup *lookup, RegProcedure first_equal, Datum first,
		  const char *second)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, first_equal, first);
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(second));
	keys[0].sk_collation = keys[1].sk_collation = DEFAULT_COLLATION_OID;
	return LookupBegin(scan, lookup, keys, 2, true);
}

/* A bigint of which NULL means no limit. */
static int64
MaxValue(TupleTableSlot *slot)
{
	bool isnull;
	Datum value = slot_getattr(slot, VALUE_ATTNUM, &isnull);

	return isnull ? PLAN_UNLIMITED : DatumGetInt64(value);
}

static bool
ReadLimit(Lookup *lookup, const char *plan, const char *name, int64 *max_value)
{
	LookupScan scan;
	TupleTableSlot *slot = BeginPair(&scan, lookup, F_TEXTEQ, CStringGetTextDatum(plan), name);

	if (slot != NULL)
		*max_value = MaxValue(slot);
	LookupEnd(&scan);
	return slot != NULL;
}

static int64
LimitOfPlan(const char *plan, const char *name)
{
	int64 max_value = PLAN_UNLIMITED;

	if (!ReadLimit(&operator_limits, plan, name, &max_value))
		(void) ReadLimit(&shipped_limits, plan, name, &max_value);
	return max_value;
}

/* The override of a workspace that has not ended; when it does. */
static bool
ReadOverride(const pg_uuid_t *workspace_id, const char *name, int64 *max_value,
			 TimestampTz *ends_at)
{
	LookupScan scan;
	TupleTableSlot *slot = BeginPair(&scan, &overrides, F_UUID_EQ, UUIDPGetDatum(workspace_id),
									 name);
	bool is_in_force = false;

	if (slot != NULL)
	{
		bool isnull;
		Datum end = slot_getattr(slot, OVERRIDE_END_ATTNUM, &isnull);

		*max_value = MaxValue(slot);
		*ends_at = isnull ? DT_NOEND : DatumGetTimestampTz(end);
		is_in_force = *ends_at > GetCurrentStatementStartTimestamp();
	}
	LookupEnd(&scan);
	return is_in_force;
}

/* The limit a workspace would have on that plan. */
int64
PlanLimitUnder(const pg_uuid_t *workspace_id, const char *plan, const char *name)
{
	int64 max_value;
	TimestampTz ends_at;

	if (ReadOverride(workspace_id, name, &max_value, &ends_at))
		return max_value;
	return LimitOfPlan(plan, name);
}

/* How much a workspace may have of something; PLAN_UNLIMITED where nothing limits it. */
int64
PlanLimit(const pg_uuid_t *workspace_id, const char *name)
{
	PlanInForce current;
	int64 max_value;
	TimestampTz ends_at;

	if (ReadOverride(workspace_id, name, &max_value, &ends_at))
		return max_value;
	SubscriptionPlan(workspace_id, &current);
	return current.is_lapsed ? 0 : LimitOfPlan(current.plan, name);
}

bool
PlanHasFeature(const pg_uuid_t *workspace_id, const char *feature)
{
	PlanInForce current;
	LookupScan scan;
	TupleTableSlot *slot;
	bool is_decided;
	bool has = false;
	bool isnull;

	SubscriptionPlan(workspace_id, &current);
	if (current.is_lapsed)
		return false;
	slot = BeginPair(&scan, &operator_features, F_TEXTEQ, CStringGetTextDatum(current.plan),
					 feature);
	is_decided = slot != NULL;
	if (is_decided)
		has = DatumGetBool(slot_getattr(slot, VALUE_ATTNUM, &isnull));
	LookupEnd(&scan);
	if (is_decided)
		return has;
	slot = BeginPair(&scan, &shipped_features, F_TEXTEQ, CStringGetTextDatum(current.plan),
					 feature);
	has = slot != NULL;
	LookupEnd(&scan);
	return has;
}

/* Whether any plan has a limit of that name. */
bool
PlanKnowsLimit(const char *name)
{
	NullableDatum args[1] = {ArgText(name)};

	return QueryRun(&knows_limit, args) > 0;
}

static const char *
LiftingHint(const pg_uuid_t *workspace_id, const PlanInForce *current, const char *name,
			int64 wanted)
{
	NullableDatum args[3] = {ArgText(current->plan), ArgText(name),
							 ArgDatum(Int64GetDatum(wanted))};
	NullableDatum row[2];
	int64 max_value;
	TimestampTz ends_at;

	if (ReadOverride(workspace_id, name, &max_value, &ends_at))
		return "The limit is this workspace's own, whatever its plan; an operator can change it, with "
			   "account.override_limit.";
	if (current->is_lapsed)
		return "The licence has ended; renew it.";
	if (!QueryRow(&find_lifting_plan, args, row, 2))
		return "No plan allows more; an operator can, with account.override_limit.";
	return psprintf("The plan %s allows %s.", TextDatumGetCString(row[0].value),
					TextDatumGetCString(row[1].value));
}

/*
 * Raises PT402 when a workspace that uses that much may not have this much more.
 * Adding nothing is always allowed, also above the limit.
 */
void
PlanRequire(const pg_uuid_t *workspace_id, const char *name, int64 used, int64 adding)
{
	int64 max_value = PlanLimit(workspace_id, name);
	PlanInForce current;
	int64 wanted;

	if (pg_add_s64_overflow(used, adding, &wanted))
		wanted = PG_INT64_MAX;
	if (adding <= 0 || max_value == PLAN_UNLIMITED || wanted <= max_value)
		return;
	SubscriptionPlan(workspace_id, &current);
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_PAYMENT), errmsg("plan limit reached: %s", name),
					errdetail("The limit is %lld; %lld are used and %lld would be added.",
							  (long long) max_value, (long long) used, (long long) adding),
					errhint("%s", LiftingHint(workspace_id, &current, name, wanted))));
}

/*
 * No plan's limits change from here to the end of the transaction.  Whoever gives a
 * workspace a subscription or an override calls this before it locks the
 * workspace: PlanLockLimits() is followed by locks of workspaces.
 */
void
PlanHoldLimits(void)
{
	LockRelationOid(CatalogTable("plan_limits"), RowExclusiveLock);
}

/* Waits for all who hold them; whoever changes a limit of a plan calls this first. */
void
PlanLockLimits(void)
{
	LockRelationOid(CatalogTable("plan_limits"), ShareRowExclusiveLock);
}

/*
 * Until when the plan of a workspace covers members beside its owner: as long as
 * an override or a plan in force allows any, and for good where free does and
 * comes next.  An override that allows none shuts them out only when it has no
 * end, for there is nothing to let them in again when it is over.
 */
static TimestampTz
CoversMembersUntil(const pg_uuid_t *workspace_id)
{
	TimestampTz until = DT_NOBEGIN;
	PlanInForce current;
	int64 max_value;
	TimestampTz ends_at;

	if (ReadOverride(workspace_id, MEMBERS, &max_value, &ends_at))
	{
		if (max_value == 0 && ends_at == DT_NOEND)
			return DT_NOBEGIN;
		until = max_value == 0 ? DT_NOBEGIN : ends_at;
	}
	SubscriptionPlan(workspace_id, &current);
	if (current.is_lapsed || LimitOfPlan(current.plan, MEMBERS) == 0)
		return until;
	if (!current.is_licence && LimitOfPlan(PLAN_FREE, MEMBERS) != 0)
		return DT_NOEND;
	return Max(until, current.until);
}

/*
 * Writes that time to the workspace, where every look-up of a role reads it; a
 * trigger tells sessions and keys.  Called by whatever changes the plan of a
 * workspace or its override of members, with the workspace locked.
 */
void
PlanSetMembersUntil(const pg_uuid_t *workspace_id)
{
	NullableDatum args[2] = {ArgUuid(workspace_id)};

	CommandCounterIncrement();
	args[1] = ArgTime(CoversMembersUntil(workspace_id));
	QueryRun(&set_members_until, args);
}
