/*
 * subscription.h
 *		The plan a workspace is subscribed to, and for how long.
 */
#ifndef ACCOUNT_SUBSCRIPTION_H
#define ACCOUNT_SUBSCRIPTION_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "workspace/plan.h"

#define SUBSCRIPTION_MAX_SEATS 1000000

/* The plan of a workspace as the clock stands. */
typedef struct PlanInForce
{
	char plan[PLAN_MAX_NAME + 1];
	bool is_lapsed;	   /* a licence has ended: nothing is left but its renewal */
	TimestampTz until; /* when this changes by itself; DT_NOEND: never */
} PlanInForce;

typedef enum
{
	CYCLE_MONTHLY,
	CYCLE_YEARLY,
	CYCLE_NONE, /* no change is due */
} SubscriptionCycle;

/* A row of account_data.subscriptions; NULL, CYCLE_NONE, 0 and DT_NOEND stand for its nulls. */
typedef struct Subscription
{
	pg_uuid_t workspace_id;
	TimestampTz period_ends_at;
	bool is_licence;
	const char *plan;
	SubscriptionCycle cycle;
	SubscriptionCycle next_cycle;
	int seats;
	int next_seats;
	TimestampTz started_at;
	TimestampTz period_started_at;
	TimestampTz anchored_at;
	int periods;
	TimestampTz cancelled_at;
	TimestampTz credits_due_at;
	const char *provider_ref;
} Subscription;

extern void SubscriptionPlan(const pg_uuid_t *workspace_id, PlanInForce *current);
extern void SubscriptionSeatAdded(const pg_uuid_t *workspace_id);
extern void SubscriptionStop(const pg_uuid_t *workspace_id);
extern int64 SubscriptionMaintain(int64 max_rows);

/* Between the files of this domain. */
extern bool SubscriptionLock(const pg_uuid_t *workspace_id, Subscription *subscription);
extern Subscription SubscriptionLockOwn(bool *is_team);
extern void SubscriptionRefuseCancelled(const Subscription *subscription);
extern bool SubscriptionIsInForce(const Subscription *subscription);
extern void SubscriptionWrite(const Subscription *subscription);
extern void SubscriptionFillSeats(Subscription *subscription);
extern void SubscriptionTellProcessor(const Subscription *subscription, const char *kind,
									  int added_seats);
extern void SubscriptionStopCharges(const Subscription *subscription);
extern void SubscriptionEvent(const Subscription *subscription, const char *action,
							  const char *metadata);
extern bool SubscriptionPrice(const char *plan, SubscriptionCycle cycle, int64 *price_micros);
extern void SubscriptionCheckSeats(const pg_uuid_t *workspace_id, bool is_team, const char *plan,
								   int seats);
extern const char *SubscriptionCycleLabel(SubscriptionCycle cycle);
extern SubscriptionCycle SubscriptionArgCycle(FunctionCallInfo fcinfo, int n);
extern int SubscriptionArgSeats(FunctionCallInfo fcinfo, int n);
extern void SubscriptionCheckEnd(TimestampTz at, const char *what);
extern TimestampTz SubscriptionAddMonths(TimestampTz at, int months);
extern TimestampTz SubscriptionNextEnd(const Subscription *subscription);
extern void SubscriptionBeginPeriod(Subscription *subscription, TimestampTz start,
									TimestampTz stated_end);
extern void SubscriptionGrantDue(Subscription *subscription);
extern TimestampTz SubscriptionNextCredits(const Subscription *subscription, TimestampTz after);

#endif /* ACCOUNT_SUBSCRIPTION_H */
