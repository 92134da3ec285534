/*
 * subscription.c
 *		The subscription of a workspace: its row, and what admins may change of it.
 *
 * The processor is told of every change by a message; only it moves money, and
 * what it says comes back through subscription_processor.c.
 *
 * Locks: the row of the workspace, then that of the subscription; both are read
 * by what is committed when the lock is held, whatever the isolation level.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "access/event.h"
#include "access/outbox.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/query.h"
#include "base/uuid.h"
#include "workspace/plan.h"
#include "workspace/subscription.h"
#include "workspace/workspace.h"

#define MAX_CYCLE 20

/* The columns of account_data.subscriptions that SubscriptionPlan() reads. */
enum
{
	ATTNUM_ENDS_AT = 2,
	ATTNUM_IS_LICENCE,
	ATTNUM_PLAN,
};

static const char *const cycle_labels[] = {"monthly", "yearly"};

static Lookup by_workspace = {.table = "subscriptions", .index = "subscriptions_pkey"};

static Statement lock_subscription = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql = "SELECT period_ends_at, is_licence, plan, cycle, next_cycle, seats, next_seats,"
		   "  started_at, period_started_at, anchored_at, periods, cancelled_at, credits_due_at,"
		   "  provider_ref"
		   " FROM account_data.subscriptions WHERE workspace_id = $1 FOR NO KEY UPDATE",
};

static Statement write_subscription = {
	.types = "uuid, timestamptz, boolean, text, text, text, integer, integer, timestamptz,"
			 " timestamptz, timestamptz, integer, timestamptz, timestamptz, text",
	.mode = QUERY_FRESH,
	.sql =
		"INSERT INTO account_data.subscriptions AS s (workspace_id, period_ends_at, is_licence,"
		"  plan, cycle, next_cycle, seats, next_seats, started_at, period_started_at, anchored_at,"
		"  periods, cancelled_at, credits_due_at, provider_ref)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
		" ON CONFLICT (workspace_id) DO UPDATE SET (period_ends_at, is_licence, plan, cycle,"
		"  next_cycle, seats, next_seats, started_at, period_started_at, anchored_at, periods,"
		"  cancelled_at, credits_due_at, provider_ref, end_noted_at)"
		" = ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,"
		"  CASE WHEN s.period_ends_at = $2 THEN s.end_noted_at END)",
};

static Statement find_price = {
	.types = "text, text",
	.mode = QUERY_READ,
	.sql = "SELECT CASE $2 WHEN 'yearly' THEN yearly_price_micros ELSE monthly_price_micros END"
		   " FROM account_data.plans_in_force WHERE plan = $1",
};

/* $2 seats more, for what is left of the period after $3; rounded down. */
static Statement processor_payload = {
	.types = "uuid, integer, timestamptz",
	.mode = QUERY_FRESH,
	.sql =
		"SELECT jsonb_strip_nulls(jsonb_build_object("
		"  'workspace_id', s.workspace_id, 'provider_ref', s.provider_ref, 'plan', s.plan,"
		"  'cycle', s.cycle, 'next_cycle', s.next_cycle, 'seats', s.seats,"
		"  'next_seats', s.next_seats, 'period_ends_at', s.period_ends_at,"
		"  'added_seats', nullif($2, 0), 'amount_micros', CASE WHEN $2 > 0 THEN floor("
		"    CASE s.cycle WHEN 'yearly' THEN p.yearly_price_micros ELSE p.monthly_price_micros END"
		"    * $2::numeric * greatest(extract(epoch FROM s.period_ends_at - $3), 0)"
		"    / extract(epoch FROM s.period_ends_at - s.period_started_at)) END))::text"
		" FROM account_data.subscriptions s"
		" LEFT JOIN account_data.plans_in_force p ON p.plan = s.plan WHERE s.workspace_id = $1",
};

const char *
SubscriptionCycleLabel(SubscriptionCycle cycle)
{
	return cycle == CYCLE_NONE ? NULL : cycle_labels[cycle];
}

static SubscriptionCycle
CycleFromLabel(const char *label)
{
	for (size_t i = 0; i < lengthof(cycle_labels); i++)
		if (strcmp(cycle_labels[i], label) == 0)
			return (SubscriptionCycle) i;
	return CYCLE_NONE;
}

SubscriptionCycle
SubscriptionArgCycle(FunctionCallInfo fcinfo, int n)
{
	SubscriptionCycle cycle = CycleFromLabel(ArgName(fcinfo, n, "cycle", MAX_CYCLE));

	if (cycle == CYCLE_NONE)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid cycle: it must be monthly or yearly")));
	return cycle;
}

/*
 * The plan a workspace is on, by what is committed now.  A period that has ended
 * is over for every reader at once, whether or not maintenance has run.
 */
void
SubscriptionPlan(const pg_uuid_t *workspace_id, PlanInForce *current)
{
	ScanKeyData key;
	LookupScan scan;
	TupleTableSlot *slot;

	*current = (PlanInForce){.plan = PLAN_FREE, .until = DT_NOEND};
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(workspace_id));
	slot = LookupBegin(&scan, &by_workspace, &key, 1, true);
	if (slot != NULL)
	{
		bool isnull;
		TimestampTz ends_at = DatumGetTimestampTz(slot_getattr(slot, ATTNUM_ENDS_AT, &isnull));

		if (ends_at <= GetCurrentStatementStartTimestamp())
			current->is_lapsed = DatumGetBool(slot_getattr(slot, ATTNUM_IS_LICENCE, &isnull));
		else
		{
			text_to_cstring_buffer(DatumGetTextPP(slot_getattr(slot, ATTNUM_PLAN, &isnull)),
								   current->plan, sizeof(current->plan));
			current->until = ends_at;
		}
	}
	LookupEnd(&scan);
}

static TimestampTz
TimeOrNone(const NullableDatum *column)
{
	return column->isnull ? DT_NOEND : DatumGetTimestampTz(column->value);
}

static NullableDatum
ArgTimeOrNull(TimestampTz at)
{
	return at == DT_NOEND ? ArgNull() : ArgTime(at);
}

/* Locks the subscription of a workspace; false when it never had one. */
bool
SubscriptionLock(const pg_uuid_t *workspace_id, Subscription *s)
{
	NullableDatum args[1] = {ArgUuid(workspace_id)};
	NullableDatum row[14];

	if (!QueryRow(&lock_subscription, args, row, 14))
		return false;
	*s = (Subscription){
		.workspace_id = *workspace_id,
		.period_ends_at = DatumGetTimestampTz(row[0].value),
		.is_licence = DatumGetBool(row[1].value),
		.plan = TextDatumGetCString(row[2].value),
		.cycle = CycleFromLabel(TextDatumGetCString(row[3].value)),
		.next_cycle = row[4].isnull ? CYCLE_NONE
									: CycleFromLabel(TextDatumGetCString(row[4].value)),
		.seats = DatumGetInt32(row[5].value),
		.next_seats = row[6].isnull ? 0 : DatumGetInt32(row[6].value),
		.started_at = DatumGetTimestampTz(row[7].value),
		.period_started_at = DatumGetTimestampTz(row[8].value),
		.anchored_at = DatumGetTimestampTz(row[9].value),
		.periods = DatumGetInt32(row[10].value),
		.cancelled_at = TimeOrNone(&row[11]),
		.credits_due_at = TimeOrNone(&row[12]),
		.provider_ref = row[13].isnull ? NULL : TextDatumGetCString(row[13].value),
	};
	return true;
}

bool
SubscriptionIsInForce(const Subscription *s)
{
	return s->period_ends_at > GetCurrentStatementStartTimestamp();
}

void
SubscriptionWrite(const Subscription *s)
{
	NullableDatum args[15] = {
		ArgUuid(&s->workspace_id),
		ArgTime(s->period_ends_at),
		ArgBool(s->is_licence),
		ArgText(s->plan),
		ArgText(SubscriptionCycleLabel(s->cycle)),
		ArgText(SubscriptionCycleLabel(s->next_cycle)),
		ArgDatum(Int32GetDatum(s->seats)),
		s->next_seats == 0 ? ArgNull() : ArgDatum(Int32GetDatum(s->next_seats)),
		ArgTime(s->started_at),
		ArgTime(s->period_started_at),
		ArgTime(s->anchored_at),
		ArgDatum(Int32GetDatum(s->periods)),
		ArgTimeOrNull(s->cancelled_at),
		ArgTimeOrNull(s->credits_due_at),
		ArgText(s->provider_ref),
	};

	QueryRun(&write_subscription, args);
	PlanSetMembersUntil(&s->workspace_id);
}

void
SubscriptionEvent(const Subscription *s, const char *action, const char *metadata)
{
	EventWrite(&(Event){.workspace_id = &s->workspace_id,
						.resource_type = "billing",
						.resource_id = &s->workspace_id,
						.resource_name = s->plan,
						.action = action,
						.metadata = metadata});
}

/* Queues what the application passes on to the payment processor. */
void
SubscriptionTellProcessor(const Subscription *s, const char *kind, int added_seats)
{
	NullableDatum args[3] = {ArgUuid(&s->workspace_id), ArgDatum(Int32GetDatum(added_seats)),
							 ArgTime(GetCurrentStatementStartTimestamp())};
	NullableDatum row[1];

	if (QueryRow(&processor_payload, args, row, 1))
		OutboxSend(&(Message){.kind = kind,
							  .channel = "webhook",
							  .recipient = "processor",
							  .workspace_id = &s->workspace_id,
							  .payload = TextDatumGetCString(row[0].value)});
}

/* A subscription that is about to go is charged for no more. */
void
SubscriptionStopCharges(const Subscription *s)
{
	if (!s->is_licence && s->cancelled_at == DT_NOEND && SubscriptionIsInForce(s))
		SubscriptionTellProcessor(s, "subscription_cancelled", 0);
}

/* Who deletes a workspace calls this first. */
void
SubscriptionStop(const pg_uuid_t *workspace_id)
{
	Subscription s;

	if (SubscriptionLock(workspace_id, &s))
		SubscriptionStopCharges(&s);
}

/* What a seat costs a cycle; false when that is by agreement.  P0002 without such a plan. */
bool
SubscriptionPrice(const char *plan, SubscriptionCycle cycle, int64 *price_micros)
{
	NullableDatum args[2] = {ArgText(plan), ArgText(SubscriptionCycleLabel(cycle))};
	NullableDatum row[1];

	if (!QueryRow(&find_price, args, row, 1))
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_NOT_FOUND), errmsg("plan \"%s\" does not exist", plan)));
	*price_micros = row[0].isnull ? 0 : DatumGetInt64(row[0].value);
	return !row[0].isnull;
}

/* The subscription of the active workspace, locked, for an admin to change. */
Subscription
SubscriptionLockOwn(bool *is_team)
{
	Workspace workspace;
	Subscription s;

	(void) WorkspaceLockActive(ROLE_ADMIN, &workspace);
	*is_team = workspace.is_team;
	if (!SubscriptionLock(&workspace.id, &s))
		ErrorNotFound("subscription of workspace", &workspace.id);
	if (!SubscriptionIsInForce(&s))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("subscription has ended"),
						errhint("Only a renewal or a new subscription brings the plan back.")));
	if (s.is_licence)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("workspace has a licence"),
						errdetail("A licence is changed by who provisioned it.")));
	return s;
}

void
SubscriptionRefuseCancelled(const Subscription *s)
{
	if (s->cancelled_at != DT_NOEND)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("subscription is cancelled"),
				 errdetail("It ends at %s.", timestamptz_to_str(s->period_ends_at)),
				 errhint("Take the cancellation back with account.resume_subscription first.")));
}

PG_FUNCTION_INFO_V1(account_cancel_subscription);
Datum
account_cancel_subscription(PG_FUNCTION_ARGS)
{
	bool is_team;
	Subscription s = SubscriptionLockOwn(&is_team);

	SubscriptionRefuseCancelled(&s);
	SubscriptionGrantDue(&s);
	s.cancelled_at = GetCurrentStatementStartTimestamp();
	s.credits_due_at = DT_NOEND;
	SubscriptionWrite(&s);
	SubscriptionTellProcessor(&s, "subscription_cancelled", 0);
	SubscriptionEvent(&s, "cancelled", NULL);
	PG_RETURN_TIMESTAMPTZ(s.period_ends_at);
}

/* Credit of months that began while it was cancelled is not made up for. */
PG_FUNCTION_INFO_V1(account_resume_subscription);
Datum
account_resume_subscription(PG_FUNCTION_ARGS)
{
	bool is_team;
	Subscription s = SubscriptionLockOwn(&is_team);

	if (s.cancelled_at == DT_NOEND)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("subscription is not cancelled")));
	s.cancelled_at = DT_NOEND;
	s.credits_due_at = SubscriptionNextCredits(&s, GetCurrentStatementStartTimestamp());
	SubscriptionWrite(&s);
	SubscriptionTellProcessor(&s, "subscription_resumed", 0);
	SubscriptionEvent(&s, "resumed", NULL);
	PG_RETURN_TIMESTAMPTZ(s.period_ends_at);
}

PG_FUNCTION_INFO_V1(account_change_cycle);
Datum
account_change_cycle(PG_FUNCTION_ARGS)
{
	SubscriptionCycle cycle = SubscriptionArgCycle(fcinfo, 0);
	bool is_team;
	Subscription s = SubscriptionLockOwn(&is_team);
	SubscriptionCycle old = s.next_cycle == CYCLE_NONE ? s.cycle : s.next_cycle;
	int64 price_micros;

	SubscriptionRefuseCancelled(&s);
	if (!SubscriptionPrice(s.plan, cycle, &price_micros))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid cycle: plan \"%s\" has no %s price", s.plan,
							   SubscriptionCycleLabel(cycle))));
	if (cycle == old)
		PG_RETURN_VOID();
	s.next_cycle = cycle == s.cycle ? CYCLE_NONE : cycle;
	SubscriptionWrite(&s);
	SubscriptionTellProcessor(&s, "cycle_changed", 0);
	SubscriptionEvent(
		&s, "updated",
		EventChange("next_cycle", SubscriptionCycleLabel(old), SubscriptionCycleLabel(cycle)));
	PG_RETURN_VOID();
}
