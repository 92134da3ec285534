/*
 * subscription_processor.c
 *		What the payment processor says, through the application's service.
 *
 * It counts once for each of its events: the first call under an idempotency
 * key does it and records the request with its result; the same call again
 * gives that result, however much later; another call under the key is 22023.
 * The row of the workspace is locked before the record is looked for, so of two
 * calls at once one finds the other's.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "workspace/plan.h"
#include "workspace/subscription.h"
#include "workspace/workspace.h"

#define MAX_IDEMPOTENCY_KEY 200
#define MAX_PROVIDER_REF 200

/* A call of the processor's, as it is compared with a later one under the same key. */
typedef struct Request
{
	const pg_uuid_t *workspace_id;
	const char *key;
	const char *action;
	const char *plan;	 /* NULL: not said */
	const char *cycle;	 /* NULL: not said */
	int seats;			 /* 0: not said */
	TimestampTz ends_at; /* DT_NOEND: not said */
	const char *provider_ref;
} Request;

static Statement find_event = {
	.types = "uuid, text, text, text, text, integer, timestamptz, text",
	.mode = QUERY_FRESH,
	.sql = "SELECT (action, plan, cycle, seats, period_ends_at, provider_ref)"
		   "  IS NOT DISTINCT FROM ($3, $4, $5, $6, $7, $8), result"
		   " FROM account_data.subscription_events"
		   " WHERE workspace_id = $1 AND idempotency_key = $2",
};

static Statement insert_event = {
	.types = "uuid, text, text, text, text, integer, timestamptz, text, timestamptz",
	.sql = "INSERT INTO account_data.subscription_events (workspace_id, idempotency_key, action,"
		   "  plan, cycle, seats, period_ends_at, provider_ref, result)"
		   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
};

static TimestampTz
Now(void)
{
	return GetCurrentStatementStartTimestamp();
}

static void
EventArgs(const Request *request, NullableDatum *args)
{
	args[0] = ArgUuid(request->workspace_id);
	args[1] = ArgText(request->key);
	args[2] = ArgText(request->action);
	args[3] = ArgText(request->plan);
	args[4] = ArgText(request->cycle);
	args[5] = request->seats == 0 ? ArgNull() : ArgDatum(Int32GetDatum(request->seats));
	args[6] = request->ends_at == DT_NOEND ? ArgNull() : ArgTime(request->ends_at);
	args[7] = ArgText(request->provider_ref);
}

/* Whether this request was served before; its result then. */
static bool
WasServed(const Request *request, TimestampTz *result)
{
	NullableDatum args[8];
	NullableDatum row[2];

	EventArgs(request, args);
	if (!QueryRow(&find_event, args, row, 2))
		return false;
	if (!DatumGetBool(row[0].value))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid idempotency_key: it belongs to another request")));
	*result = DatumGetTimestampTz(row[1].value);
	return true;
}

static void
RecordResult(const Request *request, TimestampTz result)
{
	NullableDatum args[9];

	EventArgs(request, args);
	args[8] = ArgTime(result);
	QueryRun(&insert_event, args);
}

/* When the call states no end, DT_NOEND; whether it lies ahead is for a new request to be. */
static TimestampTz
ArgEnd(FunctionCallInfo fcinfo, int n)
{
	TimestampTz at = PG_ARGISNULL(n) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(n);

	if (!PG_ARGISNULL(n) && TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid period_ends_at: it must be a time")));
	return at;
}

static void
CheckEnd(const Request *request)
{
	if (request->ends_at != DT_NOEND)
		SubscriptionCheckEnd(request->ends_at, "period_ends_at");
}

/* A plan a processor may start: one with a price for that cycle. */
static void
CheckPriced(const char *plan, SubscriptionCycle cycle)
{
	int64 price_micros;

	if (!SubscriptionPrice(plan, cycle, &price_micros))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid plan: \"%s\" has no %s price", plan,
							   SubscriptionCycleLabel(cycle)),
						errhint("An operator provisions it with account.provision_enterprise.")));
	if (price_micros == 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid plan: \"%s\" costs nothing", plan),
						errdetail("A workspace without a subscription is on the plan free.")));
}

/* Another plan may take the place of one that runs, the same one only when cancelled. */
static void
CheckReplaceable(const Subscription *old, const char *plan)
{
	if (!SubscriptionIsInForce(old))
		return;
	if (old->is_licence)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("workspace has a licence"),
						errdetail("It ends at %s.", timestamptz_to_str(old->period_ends_at))));
	if (old->cancelled_at == DT_NOEND && strcmp(old->plan, plan) == 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("workspace has that plan"),
						errhint("Add a period with account.renew_subscription.")));
}

static TimestampTz
Start(const Request *request, SubscriptionCycle cycle)
{
	TimestampTz now = Now();
	TimestampTz result;
	bool is_team;
	Subscription old;
	Subscription s;

	PlanHoldLimits();
	is_team = WorkspaceLock(request->workspace_id).is_team;
	if (WasServed(request, &result))
		return result;
	CheckEnd(request);
	CheckPriced(request->plan, cycle);
	SubscriptionCheckSeats(request->workspace_id, is_team, request->plan, request->seats);
	if (SubscriptionLock(request->workspace_id, &old))
		CheckReplaceable(&old, request->plan);
	s = (Subscription){
		.workspace_id = *request->workspace_id,
		.plan = request->plan,
		.cycle = cycle,
		.next_cycle = CYCLE_NONE,
		.seats = request->seats,
		.started_at = now,
		.anchored_at = now,
		.cancelled_at = DT_NOEND,
		.provider_ref = request->provider_ref,
	};
	SubscriptionBeginPeriod(&s, now, request->ends_at);
	SubscriptionEvent(&s, "started", NULL);
	SubscriptionFillSeats(&s);
	RecordResult(request, s.period_ends_at);
	return s.period_ends_at;
}

PG_FUNCTION_INFO_V1(account_start_subscription);
Datum
account_start_subscription(PG_FUNCTION_ARGS)
{
	SubscriptionCycle cycle;
	Request request;

	ArgRequired(fcinfo, 0, "workspace_id");
	cycle = SubscriptionArgCycle(fcinfo, 2);
	request = (Request){
		.workspace_id = PG_GETARG_UUID_P(0),
		.key = ArgName(fcinfo, 3, "idempotency_key", MAX_IDEMPOTENCY_KEY),
		.action = "start",
		.plan = ArgName(fcinfo, 1, "plan", PLAN_MAX_NAME),
		.cycle = SubscriptionCycleLabel(cycle),
		.seats = SubscriptionArgSeats(fcinfo, 4),
		.ends_at = ArgEnd(fcinfo, 5),
		.provider_ref = PG_ARGISNULL(6) ? NULL
										: ArgName(fcinfo, 6, "provider_ref", MAX_PROVIDER_REF),
	};
	PG_RETURN_TIMESTAMPTZ(Start(&request, cycle));
}

static void
CheckRenewable(const Request *request, const Subscription *s)
{
	CheckEnd(request);
	if (s->is_licence)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("workspace has a licence"),
						errhint("An operator renews it with account.provision_enterprise.")));
	if (s->cancelled_at != DT_NOEND)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("subscription is cancelled"),
						errhint("Start a new one with account.start_subscription.")));
	if (request->ends_at <= s->period_ends_at)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid period_ends_at: not after the end of the present period"),
						errdetail("That ends at %s.", timestamptz_to_str(s->period_ends_at))));
}

/* Periods are counted from here anew. */
static void
MoveAnchor(Subscription *s, TimestampTz at)
{
	s->anchored_at = at;
	s->periods = 0;
}

/*
 * Where the next period begins: where the last one ended, also for a payment that
 * comes late, unless that period would be over by now.
 */
static TimestampTz
NextStart(Subscription *s)
{
	TimestampTz start = s->period_ends_at;

	if (s->next_cycle != CYCLE_NONE)
	{
		s->cycle = s->next_cycle;
		MoveAnchor(s, start);
	}
	s->next_cycle = CYCLE_NONE;
	if (SubscriptionNextEnd(s) <= Max(start, Now()))
	{
		start = Max(start, Now());
		MoveAnchor(s, start);
	}
	return start;
}

static TimestampTz
Renew(const Request *request)
{
	TimestampTz result;
	bool is_team;
	Subscription s;

	PlanHoldLimits();
	is_team = WorkspaceLock(request->workspace_id).is_team;
	if (WasServed(request, &result))
		return result;
	if (!SubscriptionLock(request->workspace_id, &s))
		ErrorNotFound("subscription of workspace", request->workspace_id);
	CheckRenewable(request, &s);
	if (request->seats != 0)
		SubscriptionCheckSeats(request->workspace_id, is_team, s.plan, request->seats);
	SubscriptionGrantDue(&s);
	if (request->seats != 0)
		s.seats = request->seats;
	else if (s.next_seats != 0)
		s.seats = s.next_seats;
	s.next_seats = 0;
	SubscriptionBeginPeriod(&s, NextStart(&s), request->ends_at);
	SubscriptionEvent(&s, "renewed", NULL);
	SubscriptionFillSeats(&s);
	RecordResult(request, s.period_ends_at);
	return s.period_ends_at;
}

PG_FUNCTION_INFO_V1(account_renew_subscription);
Datum
account_renew_subscription(PG_FUNCTION_ARGS)
{
	Request request;

	ArgRequired(fcinfo, 0, "workspace_id");
	request = (Request){
		.workspace_id = PG_GETARG_UUID_P(0),
		.key = ArgName(fcinfo, 1, "idempotency_key", MAX_IDEMPOTENCY_KEY),
		.action = "renew",
		.seats = PG_ARGISNULL(2) ? 0 : SubscriptionArgSeats(fcinfo, 2),
		.ends_at = ArgEnd(fcinfo, 3),
	};
	PG_RETURN_TIMESTAMPTZ(Renew(&request));
}
