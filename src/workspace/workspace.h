/*
 * workspace.h
 *		The workspace a door works on, locked.
 */
#ifndef ACCOUNT_WORKSPACE_H
#define ACCOUNT_WORKSPACE_H

#include "postgres.h"

#include "utils/uuid.h"

#include "access/principal.h"

typedef struct Workspace
{
	pg_uuid_t id;
	bool is_team;
	bool members_can_invite;
	char *name;
} Workspace;

extern Workspace WorkspaceLock(const pg_uuid_t *id);
extern const Principal *WorkspaceLockActive(AccountRole min_role, Workspace *workspace);
extern const Principal *TeamLock(AccountRole min_role, Workspace *team);
extern void SeatRequire(const Workspace *team);

#endif /* ACCOUNT_WORKSPACE_H */
