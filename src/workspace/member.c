/*
 * member.c
 *		Members of teams: joining, roles, leaving, the one owner.
 *
 * Nobody acts on a member at or above their own role, and nobody gives a role
 * at or above their own; only a transfer makes an owner.  Keys and sessions
 * follow by the triggers of access_guard.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "access/event.h"
#include "access/role.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "workspace/member.h"
#include "workspace/plan.h"
#include "workspace/subscription.h"

static Statement insert_member = {
	.types = "uuid, uuid, account.role, timestamptz",
	.mode = QUERY_FRESH,
	.sql = "INSERT INTO account_data.members (workspace_id, user_id, role, joined_at)"
		   " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
};

/* Whoever joined by another way needs no invite any more. */
static Statement close_invites = {
	.types = "uuid, uuid, timestamptz",
	.mode = QUERY_FRESH,
	.sql = "UPDATE account_data.invites i SET accepted_at = $3, accepted_by = $2"
		   " FROM account_data.emails e"
		   " WHERE i.workspace_id = $1 AND i.accepted_at IS NULL AND i.cancelled_at IS NULL"
		   "  AND e.user_id = $2 AND e.email = i.email AND e.verified_at IS NOT NULL",
};

static Statement lock_member = {
	.types = "uuid, uuid",
	.mode = QUERY_FRESH,
	.sql = "SELECT m.role, u.username FROM account_data.members m"
		   " JOIN account_data.users u ON u.id = m.user_id"
		   " WHERE m.workspace_id = $1 AND m.user_id = $2 FOR UPDATE OF m",
};

static Statement update_role = {
	.types = "uuid, uuid, account.role",
	.mode = QUERY_FRESH,
	.sql = "UPDATE account_data.members SET role = $3 WHERE workspace_id = $1 AND user_id = $2",
};

static Statement delete_member = {
	.types = "uuid, uuid",
	.mode = QUERY_FRESH,
	.sql = "DELETE FROM account_data.members WHERE workspace_id = $1 AND user_id = $2",
};

static Statement find_username = {
	.types = "uuid",
	.sql = "SELECT username, personal_workspace_id FROM account_data.users WHERE id = $1",
};

static Statement count_owned = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql = "SELECT count(*) FROM account_data.members m"
		   " JOIN account_data.workspaces w ON w.id = m.workspace_id"
		   " WHERE m.user_id = $1 AND m.role = 'owner' AND w.kind = 'team'",
};

static Statement has_no_owner = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql = "SELECT NOT EXISTS (SELECT FROM account_data.members"
		   "  WHERE workspace_id = $1 AND role = 'owner')"
		   " FROM account_data.workspaces WHERE id = $1 FOR NO KEY UPDATE",
};

static void
WriteEvent(const pg_uuid_t *workspace_id, const pg_uuid_t *user_id, const char *username,
		   const char *action, const char *metadata)
{
	EventWrite(&(Event){.workspace_id = workspace_id,
						.resource_type = "member",
						.resource_id = user_id,
						.resource_name = username,
						.action = action,
						.metadata = metadata});
}

static char *
UserName(const pg_uuid_t *user_id, pg_uuid_t *personal_workspace_id)
{
	NullableDatum args[1] = {ArgUuid(user_id)};
	NullableDatum row[2];

	if (!QueryRow(&find_username, args, row, 2))
		ErrorNotFound("user", user_id);
	*personal_workspace_id = *DatumGetUUIDP(row[1].value);
	return TextDatumGetCString(row[0].value);
}

/* Makes a user a member of a locked team, if it has a seat for them. */
void
MemberJoin(const Workspace *team, const pg_uuid_t *user_id, AccountRole role)
{
	NullableDatum args[4] = {ArgUuid(&team->id), ArgUuid(user_id), ArgRole(role),
							 ArgTime(GetCurrentStatementStartTimestamp())};
	NullableDatum close[3] = {args[0], args[1], args[3]};
	pg_uuid_t personal;
	char *username = UserName(user_id, &personal);

	if (QueryRun(&insert_member, args) == 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_TAKEN),
						errmsg("member \"%s\" already exists in this team", username)));
	QueryRun(&close_invites, close);
	SeatRequire(team);
	SubscriptionSeatAdded(&team->id);
	RoleChanged();
	WriteEvent(&team->id, user_id, username, "created", NULL);
}

/*
 * Holds a person to the teams their own plan lets them own.  Their personal
 * workspace is locked, so that two new teams at once are counted one by one.
 */
void
MemberRequireOwnedTeam(const pg_uuid_t *user_id)
{
	NullableDatum args[1] = {ArgUuid(user_id)};
	NullableDatum row[1];
	pg_uuid_t personal;

	(void) UserName(user_id, &personal);
	(void) WorkspaceLock(&personal);
	QueryRow(&count_owned, args, row, 1);
	PlanRequire(&personal, "owned_teams", DatumGetInt64(row[0].value), 1);
}

/* Locks another member of a locked team; their role, and their name if wanted. */
static AccountRole
LockMember(const Workspace *team, const pg_uuid_t *user_id, char **username)
{
	NullableDatum args[2] = {ArgUuid(&team->id), ArgUuid(user_id)};
	NullableDatum row[2];

	if (!QueryRow(&lock_member, args, row, 2))
		ErrorNotFound("member", user_id);
	*username = TextDatumGetCString(row[1].value);
	return CatalogEnumMember(ENUM_ROLE, DatumGetObjectId(row[0].value));
}

static void
SetRole(const Workspace *team, const pg_uuid_t *user_id, const char *username, AccountRole old,
		AccountRole new)
{
	NullableDatum args[3] = {ArgUuid(&team->id), ArgUuid(user_id), ArgRole(new)};

	if (old == new)
		return;
	QueryRun(&update_role, args);
	WriteEvent(
		&team->id, user_id, username, "updated",
		EventChange("role", CatalogEnumLabel(ENUM_ROLE, old), CatalogEnumLabel(ENUM_ROLE, new)));
}

static void
RequireAbove(const Principal *p, AccountRole target)
{
	if (target >= p->role)
		ErrorDenied(psprintf("The acting role is %s, the member's is %s; it must be a lesser one.",
							 CatalogEnumLabel(ENUM_ROLE, p->role),
							 CatalogEnumLabel(ENUM_ROLE, target)));
}

PG_FUNCTION_INFO_V1(account_set_member_role);
Datum
account_set_member_role(PG_FUNCTION_ARGS)
{
	AccountRole role = ArgGetRole(fcinfo, 1, "role");
	const Principal *p;
	Workspace team;
	AccountRole old;
	char *username;

	ArgRequired(fcinfo, 0, "user_id");
	if (role == ROLE_OWNER)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid role: owner cannot be given"),
				 errhint("Use account.transfer_ownership to make a member the owner.")));
	p = TeamLock(ROLE_ADMIN, &team);
	old = LockMember(&team, PG_GETARG_UUID_P(0), &username);
	RequireAbove(p, old);
	RequireAbove(p, role);
	SetRole(&team, PG_GETARG_UUID_P(0), username, old, role);
	PG_RETURN_VOID();
}

static void
Remove(const Workspace *team, const pg_uuid_t *user_id, const char *username, const char *action)
{
	NullableDatum args[2] = {ArgUuid(&team->id), ArgUuid(user_id)};

	WriteEvent(&team->id, user_id, username, action, NULL);
	QueryRun(&delete_member, args);
}

PG_FUNCTION_INFO_V1(account_remove_member);
Datum
account_remove_member(PG_FUNCTION_ARGS)
{
	const Principal *p;
	Workspace team;
	AccountRole role;
	char *username;

	ArgRequired(fcinfo, 0, "user_id");
	p = TeamLock(ROLE_ADMIN, &team);
	role = LockMember(&team, PG_GETARG_UUID_P(0), &username);
	RequireAbove(p, role);
	Remove(&team, PG_GETARG_UUID_P(0), username, "deleted");
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_leave_team);
Datum
account_leave_team(PG_FUNCTION_ARGS)
{
	Workspace team;
	const Principal *p = TeamLock(ROLE_VIEWER, &team);
	pg_uuid_t user_id = p->actor_id;
	char *username;

	if (p->role == ROLE_OWNER)
		ErrorDenied("The owner cannot leave; transfer the team or delete it.");
	(void) LockMember(&team, &user_id, &username);
	Remove(&team, &user_id, username, "left");
	PG_RETURN_VOID();
}

/* Down first, then up: the unique index allows no second owner for a moment. */
PG_FUNCTION_INFO_V1(account_transfer_ownership);
Datum
account_transfer_ownership(PG_FUNCTION_ARGS)
{
	const Principal *p;
	Workspace team;
	pg_uuid_t old_owner;
	pg_uuid_t *new_owner;
	AccountRole role;
	char *old_name;
	char *new_name;

	ArgRequired(fcinfo, 0, "user_id");
	new_owner = PG_GETARG_UUID_P(0);
	p = TeamLock(ROLE_OWNER, &team);
	old_owner = p->actor_id;
	role = LockMember(&team, new_owner, &new_name);
	if (UuidEqual(&old_owner, new_owner))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid user_id: this member is the owner already")));
	MemberRequireOwnedTeam(new_owner);
	(void) LockMember(&team, &old_owner, &old_name);
	SetRole(&team, &old_owner, old_name, ROLE_OWNER, ROLE_ADMIN);
	SetRole(&team, new_owner, new_name, role, ROLE_OWNER);
	PG_RETURN_VOID();
}

/*
 * Deferred constraint trigger: fired for a row that was the owner's.  The lock
 * on the workspace makes two transactions that touch its owner commit one after
 * the other, each seeing what the other left.
 */
PG_FUNCTION_INFO_V1(account_owner_check);
Datum
account_owner_check(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = ArgTrigger(fcinfo);
	NullableDatum args[1];
	NullableDatum row[1];

	args[0].value = heap_getattr(trigger->tg_trigtuple, 1, RelationGetDescr(trigger->tg_relation),
								 &args[0].isnull);
	if (QueryRow(&has_no_owner, args, row, 1) && DatumGetBool(row[0].value))
		ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
						errmsg("workspace %s would be left without an owner",
							   UuidText(DatumGetUUIDP(args[0].value))),
						errhint("Make another member the owner in the same transaction.")));
	PG_RETURN_POINTER(NULL);
}
