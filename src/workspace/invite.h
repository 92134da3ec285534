/*
 * invite.h
 *		Tokens that invite to a team.
 */
#ifndef ACCOUNT_INVITE_H
#define ACCOUNT_INVITE_H

#include "postgres.h"

#include "workspace/workspace.h"

#define INVITE_PREFIX "ui_"

extern bool InviteAllowed(AccountRole inviter, bool members_can_invite, AccountRole invited);
extern void InviteForgetToken(const pg_uuid_t *workspace_id, const pg_uuid_t *invite_id);

#endif /* ACCOUNT_INVITE_H */
