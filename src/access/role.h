/*
 * role.h
 *		Roles of people in workspaces, and when what was read of them is stale.
 */
#ifndef ACCOUNT_ROLE_H
#define ACCOUNT_ROLE_H

#include "postgres.h"

#include "utils/uuid.h"

#include "base/catalog.h"

extern void RoleInit(void);
extern uint64 RoleGeneration(void);
extern void RoleChanged(void);
extern bool RoleOfMember(const pg_uuid_t *workspace_id, const pg_uuid_t *user_id,
						 AccountRole *role);

#endif /* ACCOUNT_ROLE_H */
