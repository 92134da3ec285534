/*
 * plan_edit.c
 *		Operators' changes of plans, limits and features.
 *
 * Each writes a row that wins over the one shipped.  Nothing is read from a
 * cache, so a change holds for every workspace on the plan at commit.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "workspace/plan.h"

#define MAX_MICROS INT64CONST(1000000000000)
#define MAX_RANK 1000000

static Statement find_plan = {
	.types = "text",
	.sql = "SELECT true FROM account_data.plans_in_force WHERE plan = $1",
};

/* Keeps the place a plan has, or comes last, when it is not said. */
static Statement write_plan = {
	.types = "text, integer, bigint, bigint, bigint, bigint, bigint",
	.sql =
		"INSERT INTO account_data.plans (plan, rank, monthly_price_micros, yearly_price_micros,"
		"  monthly_credit_micros, signup_credit_micros, company_credit_micros)"
		" SELECT $1, coalesce($2,"
		"    (SELECT rank FROM account_data.plans_in_force WHERE plan = $1),"
		"    (SELECT max(rank) + 100 FROM account_data.plans_in_force)), $3, $4, $5, $6, $7"
		" ON CONFLICT (plan) DO UPDATE SET (rank, monthly_price_micros, yearly_price_micros,"
		"  monthly_credit_micros, signup_credit_micros, company_credit_micros, changed_by, changed_at)"
		" = (excluded.rank, $3, $4, $5, $6, $7, session_user, statement_timestamp())",
};

/* The first workspace after $1 of which PlanSetMembersUntil() keeps the time. */
static Statement next_subscribed = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "SELECT least((SELECT workspace_id FROM account_data.subscriptions"
		   "   WHERE workspace_id > $1 ORDER BY workspace_id LIMIT 1),"
		   "  (SELECT workspace_id FROM account_data.limit_overrides"
		   "   WHERE workspace_id > $1 AND name = 'members' ORDER BY workspace_id LIMIT 1))",
};

/* Not WorkspaceLock(): one that has been deleted meanwhile is no error. */
static Statement lock_workspace = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql = "SELECT true FROM account_data.workspaces WHERE id = $1 FOR NO KEY UPDATE",
};

static Statement write_limit = {
	.types = "text, text, bigint",
	.sql = "INSERT INTO account_data.plan_limits (plan, name, max_value) VALUES ($1, $2, $3)"
		   " ON CONFLICT (plan, name) DO UPDATE SET max_value = $3, changed_by = session_user,"
		   "  changed_at = statement_timestamp()",
};

static Statement write_feature = {
	.types = "text, text, boolean",
	.sql = "INSERT INTO account_data.plan_features (plan, feature, is_included) VALUES ($1, $2, $3)"
		   " ON CONFLICT (plan, feature) DO UPDATE SET is_included = $3, changed_by = session_user,"
		   "  changed_at = statement_timestamp()",
};

static char *
ArgPlan(FunctionCallInfo fcinfo, int n)
{
	char *plan = ArgName(fcinfo, n, "plan", PLAN_MAX_NAME);
	NullableDatum args[1] = {ArgText(plan)};

	if (QueryRun(&find_plan, args) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_NOT_FOUND), errmsg("plan \"%s\" does not exist", plan)));
	return plan;
}

static NullableDatum
ArgMicros(FunctionCallInfo fcinfo, int n, const char *what)
{
	if (PG_ARGISNULL(n))
		return ArgNull();
	if (PG_GETARG_INT64(n) < 0 || PG_GETARG_INT64(n) > MAX_MICROS)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be 0 to %lld", what, (long long) MAX_MICROS)));
	return ArgDatum(PG_GETARG_DATUM(n));
}

/* So far from the end that plans can still come last. */
static NullableDatum
ArgRank(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		return ArgNull();
	if (PG_GETARG_INT32(n) < -MAX_RANK || PG_GETARG_INT32(n) > MAX_RANK)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid rank: it must be %d to %d", -MAX_RANK, MAX_RANK)));
	return ArgDatum(PG_GETARG_DATUM(n));
}

/* The plan without a subscription costs nothing, or it could not be had. */
PG_FUNCTION_INFO_V1(account_set_plan);
Datum
account_set_plan(PG_FUNCTION_ARGS)
{
	char *plan = ArgSymbol(fcinfo, 0, "plan");
	NullableDatum args[7] = {
		ArgText(plan),
		ArgRank(fcinfo, 6),
		ArgMicros(fcinfo, 1, "monthly_price_micros"),
		ArgMicros(fcinfo, 2, "yearly_price_micros"),
		ArgMicros(fcinfo, 3, "monthly_credit_micros"),
		ArgMicros(fcinfo, 4, "signup_credit_micros"),
		ArgMicros(fcinfo, 5, "company_credit_micros"),
	};

	ArgRequired(fcinfo, 4, "signup_credit_micros");
	ArgRequired(fcinfo, 5, "company_credit_micros");
	if (strcmp(plan, PLAN_FREE) == 0 && (args[2].isnull || DatumGetInt64(args[2].value) != 0 ||
										 args[3].isnull || DatumGetInt64(args[3].value) != 0))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid price: the plan %s costs nothing", PLAN_FREE)));
	QueryRun(&write_plan, args);
	PG_RETURN_VOID();
}

/* One after the other in the order of their ids, each locked to the end of the transaction. */
static void
SetMembersUntil(void)
{
	pg_uuid_t last = {{0}};
	NullableDatum args[1] = {ArgUuid(&last)};
	NullableDatum row[1];

	while (QueryRow(&next_subscribed, args, row, 1) && !row[0].isnull)
	{
		CHECK_FOR_INTERRUPTS();
		last = *DatumGetUUIDP(row[0].value);
		pfree(DatumGetPointer(row[0].value));
		if (QueryRun(&lock_workspace, args) > 0)
			PlanSetMembersUntil(&last);
	}
}

/*
 * How many members a plan allows decides whether those of its workspaces have
 * access.  A team that never had a plan of its own keeps what it has.
 */
PG_FUNCTION_INFO_V1(account_set_plan_limit);
Datum
account_set_plan_limit(PG_FUNCTION_ARGS)
{
	char *name = ArgSymbol(fcinfo, 1, "name");
	NullableDatum args[3];

	if (!PG_ARGISNULL(2) && PG_GETARG_INT64(2) < 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid max_value: it must be 0 or more")));
	args[0] = ArgText(ArgPlan(fcinfo, 0));
	args[1] = ArgText(name);
	args[2] = PG_ARGISNULL(2) ? ArgNull() : ArgDatum(PG_GETARG_DATUM(2));
	PlanLockLimits();
	QueryRun(&write_limit, args);
	if (strcmp(name, "members") == 0)
		SetMembersUntil();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_set_plan_feature);
Datum
account_set_plan_feature(PG_FUNCTION_ARGS)
{
	char *feature = ArgSymbol(fcinfo, 1, "feature");
	NullableDatum args[3];

	ArgRequired(fcinfo, 2, "is_included");
	args[0] = ArgText(ArgPlan(fcinfo, 0));
	args[1] = ArgText(feature);
	args[2] = ArgDatum(PG_GETARG_DATUM(2));
	QueryRun(&write_feature, args);
	PG_RETURN_VOID();
}
