/*
 * role.h
 *		Roles of people in workspaces, and when what was read of them is stale.
 */
#ifndef ACCOUNT_ROLE_H
#define ACCOUNT_ROLE_H

#include "postgres.h"

#include "access/xact.h"
#include "utils/array.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/catalog.h"

/* What somebody is in a workspace, and until when that gives them access. */
typedef struct Membership
{
	bool is_member;
	AccountRole role;
	TimestampTz until; /* DT_NOBEGIN: no access now; DT_NOEND: no end in sight */
} Membership;

/* Whether access that ends then is still given; has_role asks for every row, mostly of no end. */
static inline bool
RoleLasts(TimestampTz until)
{
	return until == DT_NOEND || until > GetCurrentStatementStartTimestamp();
}

extern void RoleInit(void);
extern uint64 RoleGeneration(void);
extern void RoleChanged(void);
extern Membership MembershipOf(const pg_uuid_t *workspace_id, const pg_uuid_t *user_id);
extern Membership MembershipRequire(const pg_uuid_t *workspace_id, const pg_uuid_t *user_id);

extern ArrayType *RoleWorkspaces(AccountRole min_role);

#endif /* ACCOUNT_ROLE_H */
