/*
 * subscription_seat.c
 *		The seats that a subscription pays for.
 *
 * While a subscription is in force there are at least as many of them as
 * members.  More are paid for at once, by a message to the processor with their
 * part of the period's price; fewer from the next period on.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "workspace/plan.h"
#include "workspace/subscription.h"

static Statement count_members = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql = "SELECT count(*) FROM account_data.members WHERE workspace_id = $1",
};

int
SubscriptionArgSeats(FunctionCallInfo fcinfo, int n)
{
	int seats;

	ArgRequired(fcinfo, n, "seats");
	seats = PG_GETARG_INT32(n);
	if (seats < 1 || seats > SUBSCRIPTION_MAX_SEATS)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid seats: they must be 1 to %d", SUBSCRIPTION_MAX_SEATS)));
	return seats;
}

/* The owner's seat comes with any plan; more are a team's, as many as it may have members. */
void
SubscriptionCheckSeats(const pg_uuid_t *workspace_id, bool is_team, const char *plan, int seats)
{
	int64 max_value = PlanLimitUnder(workspace_id, plan, "members");

	if (seats > 1 && !is_team)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid seats: a personal workspace has one")));
	if (seats > 1 && seats > max_value)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_PAYMENT), errmsg("plan limit reached: members"),
						errdetail("The plan %s allows %lld seats here; %d are asked for.", plan,
								  (long long) max_value, seats),
						errhint("An operator can allow more with account.override_limit.")));
}

static int
CountMembers(const pg_uuid_t *workspace_id)
{
	NullableDatum args[1] = {ArgUuid(workspace_id)};
	NullableDatum row[1];

	if (!QueryRow(&count_members, args, row, 1))
		return 0;
	return (int) Min(DatumGetInt64(row[0].value), SUBSCRIPTION_MAX_SEATS);
}

/* Pays for more seats from now to the end of the period. */
static void
AddSeats(Subscription *s, int seats)
{
	int added = seats - s->seats;

	s->seats = seats;
	SubscriptionWrite(s);
	SubscriptionTellProcessor(s, "seats_added", added);
	SubscriptionEvent(s, "updated", psprintf("{\"seats\": [%d, %d]}", s->seats - added, s->seats));
}

/* Sees to it that each member has a paid seat; a licence is not paid by the seat. */
void
SubscriptionFillSeats(Subscription *s)
{
	int members = CountMembers(&s->workspace_id);

	if (!s->is_licence && SubscriptionIsInForce(s) && members > s->seats)
		AddSeats(s, members);
}

/*
 * Who makes somebody a member calls this after, with the workspace locked: a
 * vacant paid seat is theirs, or else one more is paid for.
 */
void
SubscriptionSeatAdded(const pg_uuid_t *workspace_id)
{
	Subscription s;

	if (SubscriptionLock(workspace_id, &s))
		SubscriptionFillSeats(&s);
}

/* Fewer seats from the next period on, but none from under a member. */
static void
ReduceSeats(Subscription *s, int seats)
{
	int members = CountMembers(&s->workspace_id);
	int next = seats == s->seats ? 0 : seats;

	if (seats < members)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("seats are taken"),
						errdetail("%d seats are taken; %d are asked for.", members, seats),
						errhint("Remove members first.")));
	if (next == s->next_seats)
		return;
	s->next_seats = next;
	SubscriptionWrite(s);
	SubscriptionTellProcessor(s, "seats_changed", 0);
	SubscriptionEvent(s, "updated", psprintf("{\"next_seats\": [%d, %d]}", s->seats, seats));
}

PG_FUNCTION_INFO_V1(account_set_seats);
Datum
account_set_seats(PG_FUNCTION_ARGS)
{
	int seats = SubscriptionArgSeats(fcinfo, 0);
	bool is_team;
	Subscription s = SubscriptionLockOwn(&is_team);

	SubscriptionRefuseCancelled(&s);
	SubscriptionCheckSeats(&s.workspace_id, is_team, s.plan, seats);
	if (seats > s.seats)
	{
		s.next_seats = 0;
		AddSeats(&s, seats);
	}
	else
		ReduceSeats(&s, seats);
	PG_RETURN_VOID();
}
