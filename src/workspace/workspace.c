/*
 * workspace.c
 *		The workspace a door works on, locked, and its seats.
 *
 * Whatever changes who belongs to a workspace, or counts its seats, holds the
 * workspace's row.  Statements under that lock see what is committed now
 * (QUERY_FRESH): a REPEATABLE READ transaction that waited for the lock must
 * not decide by what it saw before.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "workspace/plan.h"
#include "workspace/workspace.h"

static Statement lock_workspace = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql = "SELECT kind = 'team', members_can_invite, name FROM account_data.workspaces"
		   " WHERE id = $1 FOR NO KEY UPDATE",
};

static Statement count_seats = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql = "SELECT seats FROM account_data.seats_used WHERE workspace_id = $1",
};

/* Locks a workspace to the end of the transaction; raises when there is none. */
Workspace
WorkspaceLock(const pg_uuid_t *id)
{
	NullableDatum args[1] = {ArgUuid(id)};
	NullableDatum row[3];

	if (!QueryRow(&lock_workspace, args, row, 3))
		ErrorNotFound("workspace", id);
	return (Workspace){
		.id = *id,
		.is_team = DatumGetBool(row[0].value),
		.members_can_invite = DatumGetBool(row[1].value),
		.name = TextDatumGetCString(row[2].value),
	};
}

/*
 * Locks the active workspace for a person who has at least that role in it, now
 * that it is locked: who held the lock before may have changed that.
 */
const Principal *
WorkspaceLockActive(AccountRole min_role, Workspace *workspace)
{
	const Principal *p = PrincipalRequirePerson();

	*workspace = WorkspaceLock(&p->workspace_id);
	return PrincipalRequireRole(min_role);
}

/* The same where it must be a team. */
const Principal *
TeamLock(AccountRole min_role, Workspace *team)
{
	const Principal *p = WorkspaceLockActive(min_role, team);

	if (!team->is_team)
		ErrorDenied("A personal workspace has no members but its owner.");
	return p;
}

/*
 * Raises PT402 unless the plan of a locked team has a seat for the person who has
 * just been invited or made a member: asked after that is written, because then
 * whoever had a seat reserved already counts once.
 */
void
SeatRequire(const Workspace *team)
{
	NullableDatum args[1] = {ArgUuid(&team->id)};
	NullableDatum row[1];

	QueryRow(&count_seats, args, row, 1);
	PlanRequire(&team->id, "members", DatumGetInt64(row[0].value) - 1, 1);
}

/*
 * BEFORE UPDATE on workspaces: a person's slug is their username, and like that
 * it never changes.
 */
PG_FUNCTION_INFO_V1(account_workspace_guard);
Datum
account_workspace_guard(PG_FUNCTION_ARGS)
{
	(void) ArgTrigger(fcinfo);
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
					errmsg("slug, kind and region of a workspace cannot be changed")));
}
