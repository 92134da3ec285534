/*
 * plan.h
 *		What the plan of a workspace allows.
 */
#ifndef ACCOUNT_PLAN_H
#define ACCOUNT_PLAN_H

#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

/* A limit that is none. */
#define PLAN_UNLIMITED PG_INT64_MAX

/* The plan of a workspace without a subscription. */
#define PLAN_FREE "free"

/* Names of plans, limits and features. */
#define PLAN_MAX_NAME 63

extern int64 PlanLimit(const pg_uuid_t *workspace_id, const char *name);
extern int64 PlanLimitUnder(const pg_uuid_t *workspace_id, const char *plan, const char *name);
extern bool PlanHasFeature(const pg_uuid_t *workspace_id, const char *feature);
extern void PlanRequire(const pg_uuid_t *workspace_id, const char *name, int64 used, int64 adding);
extern void PlanHoldLimits(void);
extern void PlanLockLimits(void);
extern void PlanSetMembersUntil(const pg_uuid_t *workspace_id);
extern bool PlanKnowsLimit(const char *name);

#endif /* ACCOUNT_PLAN_H */
