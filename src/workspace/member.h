/*
 * member.h
 *		Members of teams.
 */
#ifndef ACCOUNT_MEMBER_H
#define ACCOUNT_MEMBER_H

#include "postgres.h"

#include "workspace/workspace.h"

extern void MemberRequireOwnedTeam(const pg_uuid_t *user_id);
extern void MemberJoin(const Workspace *team, const pg_uuid_t *user_id, AccountRole role);

#endif /* ACCOUNT_MEMBER_H */
