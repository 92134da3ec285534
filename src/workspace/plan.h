/*
 * plan.h
 *		What the plan of a workspace allows.
 */
#ifndef ACCOUNT_PLAN_H
#define ACCOUNT_PLAN_H

#include "postgres.h"

#include "utils/uuid.h"

/* A limit that is none. */
#define PLAN_UNLIMITED PG_INT64_MAX

extern int64 PlanLimit(const pg_uuid_t *workspace_id, const char *name);
extern bool PlanHasFeature(const pg_uuid_t *workspace_id, const char *feature);
extern void PlanRequire(const pg_uuid_t *workspace_id, const char *name, int64 used, int64 adding);

#endif /* ACCOUNT_PLAN_H */
