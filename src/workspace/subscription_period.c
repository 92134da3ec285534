/*
 * subscription_period.c
 *		The periods of subscriptions: their ends, licences, credit by the month.
 *
 * Ends of periods are counted in months of UTC from an anchor, so that a period
 * that began on the 31st does not creep to the 28th.  The processor may state an
 * end of its own, with whatever grace it gives to late payments; the next period
 * is counted from there.
 *
 * A licence is a plan by agreement, which an operator provisions to a certain
 * end.  After that it is lapsed: members lose access, nothing new can be made, and
 * what is left to the owner is to read and to have it renewed.
 *
 * Nothing ends by a job: SubscriptionMaintain() tells people afterwards.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "access/outbox.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "credit/promotion.h"
#include "workspace/plan.h"
#include "workspace/subscription.h"
#include "workspace/workspace.h"

#define MONTHS_A_YEAR 12

static Statement note_end = {
	.types = "timestamptz",
	.by_index = true,
	.sql = "UPDATE account_data.subscriptions SET end_noted_at = $1 WHERE workspace_id = ("
		   "  SELECT s.workspace_id FROM account_data.subscriptions s"
		   "  JOIN account_data.workspaces w ON w.id = s.workspace_id"
		   "  WHERE s.end_noted_at IS NULL AND s.period_ends_at <= $1"
		   "  ORDER BY s.period_ends_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)"
		   " RETURNING workspace_id",
};

static Statement next_due_credits = {
	.types = "timestamptz",
	.by_index = true,
	.sql = "SELECT s.workspace_id FROM account_data.subscriptions s"
		   " JOIN account_data.workspaces w ON w.id = s.workspace_id"
		   " WHERE s.credits_due_at <= $1"
		   " ORDER BY s.credits_due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED",
};

/* Whom to tell that a plan is over, and what. */
static Statement people_of = {
	.types = "uuid",
	.sql = "SELECT e.email, jsonb_build_object('notice', 'subscription_ended', 'plan', s.plan,"
		   "  'workspace', w.slug, 'workspace_name', w.name, 'role', m.role,"
		   "  'has_access', m.role = 'owner' OR w.members_until > statement_timestamp())::text"
		   " FROM account_data.subscriptions s"
		   " JOIN account_data.workspaces w ON w.id = s.workspace_id"
		   " JOIN account_data.members m ON m.workspace_id = s.workspace_id"
		   " JOIN account_data.emails e ON e.user_id = m.user_id AND e.is_primary"
		   "  AND e.verified_at IS NOT NULL"
		   " WHERE s.workspace_id = $1",
};

static TimestampTz
Now(void)
{
	return GetCurrentStatementStartTimestamp();
}

/* That many months later by the calendar of UTC, whatever the session's time zone. */
TimestampTz
SubscriptionAddMonths(TimestampTz at, int months)
{
	Interval interval = {.month = months};

	return DatumGetTimestamp(DirectFunctionCall2(timestamp_pl_interval, TimestampGetDatum(at),
												 IntervalPGetDatum(&interval)));
}

/* An end that someone states lies ahead, and there is one. */
void
SubscriptionCheckEnd(TimestampTz at, const char *what)
{
	if (at <= Now())
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid %s: it is in the past", what)));
	if (at == DT_NOEND)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid %s: it must be a time", what)));
}

/*
 * When the next month of a period begins after that time; DT_NOEND when a
 * renewal comes first.  A month's period has no further one; a licence has one
 * each month to its end.
 */
TimestampTz
SubscriptionNextCredits(const Subscription *s, TimestampTz after)
{
	int last = s->cycle == CYCLE_YEARLY ? MONTHS_A_YEAR - 1 : 0;

	for (int i = 1; s->is_licence || i <= last; i++)
	{
		TimestampTz due = SubscriptionAddMonths(s->period_started_at, i);

		if (due >= s->period_ends_at)
			break;
		if (due > after)
			return due;
	}
	return DT_NOEND;
}

/* Grants the months that have begun; the caller writes the row. */
void
SubscriptionGrantDue(Subscription *s)
{
	while (s->credits_due_at <= Now())
	{
		PromotionMonthly(&s->workspace_id, s->seats, s->credits_due_at);
		s->credits_due_at = SubscriptionNextCredits(s, s->credits_due_at);
	}
}

/* Where the period after the present one ends, when nobody states it. */
TimestampTz
SubscriptionNextEnd(const Subscription *s)
{
	int months = s->cycle == CYCLE_YEARLY ? MONTHS_A_YEAR : 1;

	return SubscriptionAddMonths(s->anchored_at, (s->periods + 1) * months);
}

/*
 * Makes the period from start on the one that is paid: to the end stated, or, when
 * that is DT_NOEND, one cycle on.
 */
void
SubscriptionBeginPeriod(Subscription *s, TimestampTz start, TimestampTz stated_end)
{
	s->period_started_at = start;
	if (stated_end != DT_NOEND)
	{
		s->period_ends_at = s->anchored_at = stated_end;
		s->periods = 0;
	}
	else
	{
		s->period_ends_at = SubscriptionNextEnd(s);
		s->periods++;
	}
	s->credits_due_at = SubscriptionNextCredits(s, start);
	SubscriptionWrite(s);
	PromotionMonthly(&s->workspace_id, s->seats, start);
}

/* As many seats as the plan allows here, when the operator does not say. */
static int
SeatsOfPlan(const pg_uuid_t *workspace_id, bool is_team, const char *plan)
{
	int64 max_value = is_team ? PlanLimitUnder(workspace_id, plan, "members") : 1;

	return (int) Max(1, Min(max_value, SUBSCRIPTION_MAX_SEATS));
}

/* A plan by agreement or with a price; free has no end. */
static void
CheckLicensable(const char *plan)
{
	int64 price_micros;

	if (SubscriptionPrice(plan, CYCLE_MONTHLY, &price_micros) && price_micros == 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid plan: \"%s\" needs no licence", plan)));
}

/* Moves the end of a licence in force, and what else was agreed anew. */
static void
ExtendLicence(Subscription *s, const char *plan, int seats, TimestampTz ends_at)
{
	SubscriptionGrantDue(s);
	s->plan = plan;
	s->seats = seats;
	s->period_ends_at = s->anchored_at = ends_at;
	s->credits_due_at = SubscriptionNextCredits(s, Now());
	SubscriptionWrite(s);
	SubscriptionEvent(s, "renewed", NULL);
}

/* A licence from now on; the processor is to stop a subscription that it replaces. */
static void
BeginLicence(const pg_uuid_t *workspace_id, const Subscription *old, const char *plan, int seats,
			 TimestampTz ends_at)
{
	Subscription s = {
		.workspace_id = *workspace_id,
		.is_licence = true,
		.plan = plan,
		.cycle = CYCLE_YEARLY,
		.next_cycle = CYCLE_NONE,
		.seats = seats,
		.started_at = Now(),
		.cancelled_at = DT_NOEND,
	};

	if (old != NULL)
		SubscriptionStopCharges(old);
	SubscriptionBeginPeriod(&s, Now(), ends_at);
	SubscriptionEvent(&s, "started", NULL);
}

PG_FUNCTION_INFO_V1(account_provision_enterprise);
Datum
account_provision_enterprise(PG_FUNCTION_ARGS)
{
	TimestampTz ends_at;
	char *plan = ArgName(fcinfo, 3, "plan", PLAN_MAX_NAME);
	int seats = PG_ARGISNULL(2) ? 0 : SubscriptionArgSeats(fcinfo, 2);
	const pg_uuid_t *workspace_id;
	Subscription s;
	bool is_team;

	ArgRequired(fcinfo, 0, "workspace_id");
	ArgRequired(fcinfo, 1, "licence_ends_at");
	workspace_id = PG_GETARG_UUID_P(0);
	ends_at = PG_GETARG_TIMESTAMPTZ(1);
	SubscriptionCheckEnd(ends_at, "licence_ends_at");
	PlanHoldLimits();
	is_team = WorkspaceLock(workspace_id).is_team;
	CheckLicensable(plan);
	if (seats == 0)
		seats = SeatsOfPlan(workspace_id, is_team, plan);
	SubscriptionCheckSeats(workspace_id, is_team, plan, seats);
	if (!SubscriptionLock(workspace_id, &s))
		BeginLicence(workspace_id, NULL, plan, seats, ends_at);
	else if (s.is_licence && SubscriptionIsInForce(&s))
		ExtendLicence(&s, plan, seats, ends_at);
	else
		BeginLicence(workspace_id, &s, plan, seats, ends_at);
	PG_RETURN_VOID();
}

/* Records one subscription whose time is over; false when there is none. */
static bool
NoteEnd(void)
{
	NullableDatum args[1] = {ArgTime(Now())};
	NullableDatum row[1];
	Subscription s;

	if (!QueryRow(&note_end, args, row, 1))
		return false;
	if (!SubscriptionLock(DatumGetUUIDP(row[0].value), &s))
		return false;
	OutboxNotices(&people_of, &s.workspace_id);
	SubscriptionEvent(&s, "ended", NULL);
	return true;
}

/* Grants one workspace the months that are due; false when there is none. */
static bool
GrantOne(void)
{
	NullableDatum args[1] = {ArgTime(Now())};
	NullableDatum row[1];
	Subscription s;

	if (!QueryRow(&next_due_credits, args, row, 1) ||
		!SubscriptionLock(DatumGetUUIDP(row[0].value), &s))
		return false;
	SubscriptionGrantDue(&s);
	SubscriptionWrite(&s);
	return true;
}

/*
 * Tells those whose plan is over and grants the credit of months that have begun,
 * for at most that many workspaces; returns for how many.  Rows that others hold
 * are left to them or to the next call.  However many they are, it takes the memory
 * of one.
 */
int64
SubscriptionMaintain(int64 max_rows)
{
	bool (*const tasks[])(void) = {NoteEnd, GrantOne};
	MemoryContext each = AllocSetContextCreate(CurrentMemoryContext, "account subscription",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(each);
	int64 done = 0;

	for (size_t i = 0; i < lengthof(tasks); i++)
		for (; done < max_rows && tasks[i](); done++)
		{
			CHECK_FOR_INTERRUPTS();
			MemoryContextReset(each);
		}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(each);
	return done;
}

PG_FUNCTION_INFO_V1(account_maintain_subscriptions);
Datum
account_maintain_subscriptions(PG_FUNCTION_ARGS)
{
	ArgRequired(fcinfo, 0, "max_rows");
	if (PG_GETARG_INT64(0) < 1)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid max_rows: it must be 1 or more")));
	PG_RETURN_INT64(SubscriptionMaintain(PG_GETARG_INT64(0)));
}
