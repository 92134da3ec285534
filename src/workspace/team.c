/*
 * team.c
 *		Teams: making, joining by domain, deleting.
 */
#include "postgres.h"

#include "access/xact.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "access/event.h"
#include "access/role.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "credit/auto_top_up.h"
#include "people/username.h"
#include "workspace/member.h"
#include "workspace/subscription.h"

#define MAX_NAME 100

static Statement insert_team = {
	.types = "uuid, text, text, account.region, timestamptz, uuid",
	.sql = "WITH team AS ("
		   "  INSERT INTO account_data.workspaces (id, kind, slug, name, region, created_at)"
		   "  VALUES ($1, 'team', $2, $3, $4, $5))"
		   " INSERT INTO account_data.members (workspace_id, user_id, role, joined_at)"
		   "  VALUES ($1, $6, 'owner', $5)",
};

static Statement count_members = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql = "SELECT count(*) FROM account_data.members WHERE workspace_id = $1",
};

static Statement delete_team = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql = "DELETE FROM account_data.workspaces WHERE id = $1",
};

static Statement find_joinable = {
	.types = "uuid",
	.mode = QUERY_READ,
	.sql = "SELECT id, slug, name, members FROM account_data.joinable_teams WHERE user_id = $1"
		   " ORDER BY name, id",
};

static Statement is_joinable = {
	.types = "uuid, uuid",
	.mode = QUERY_FRESH,
	.sql = "SELECT true FROM account_data.joinable_teams WHERE user_id = $1 AND id = $2",
};

static void
WriteEvent(const pg_uuid_t *id, const char *name, const char *action)
{
	EventWrite(&(Event){.workspace_id = id,
						.resource_type = "team",
						.resource_id = id,
						.resource_name = name,
						.action = action});
}

PG_FUNCTION_INFO_V1(account_create_team);
Datum
account_create_team(PG_FUNCTION_ARGS)
{
	char *slug = ArgName(fcinfo, 0, "slug", MAX_NAME);
	char *name = ArgName(fcinfo, 1, "name", MAX_NAME);
	const Principal *p;
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));
	NullableDatum args[6];

	UsernameCheck(slug, "slug");
	p = PrincipalRequirePerson();
	MemberRequireOwnedTeam(&p->actor_id);
	UsernameTake(slug, "slug", p->region);
	UuidNew(id);
	args[0] = ArgUuid(id);
	args[1] = ArgText(slug);
	args[2] = ArgText(name);
	args[3] = ArgRegion(p->region);
	args[4] = ArgTime(GetCurrentStatementStartTimestamp());
	args[5] = ArgUuid(&p->actor_id);
	QueryRun(&insert_team, args);
	RoleChanged();
	WriteEvent(id, name, "created");
	PG_RETURN_UUID_P(id);
}

/* Its slug stays taken and its events stay; all else that is its own goes. */
PG_FUNCTION_INFO_V1(account_delete_team);
Datum
account_delete_team(PG_FUNCTION_ARGS)
{
	Workspace team;
	NullableDatum args[1];
	NullableDatum row[1];

	if (PG_ARGISNULL(0) || strcmp(text_to_cstring(PG_GETARG_TEXT_PP(0)), "DELETE") != 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid confirmation: it must be the word DELETE")));
	(void) TeamLock(ROLE_OWNER, &team);
	args[0] = ArgUuid(&team.id);
	QueryRow(&count_members, args, row, 1);
	if (DatumGetInt64(row[0].value) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("team still has other members"),
				 errhint("Remove them first, or transfer the team to one of them.")));
	SubscriptionStop(&team.id);
	AutoTopUpStop(&team.id);
	WriteEvent(&team.id, team.name, "deleted");
	QueryRun(&delete_team, args);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_joinable_teams);
Datum
account_joinable_teams(PG_FUNCTION_ARGS)
{
	const Principal *p = PrincipalRequirePerson();
	NullableDatum args[1] = {ArgUuid(&p->actor_id)};

	InitMaterializedSRF(fcinfo, 0);
	QueryEach(&find_joinable, args, 4, ResultPut, fcinfo->resultinfo);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(account_join_team);
Datum
account_join_team(PG_FUNCTION_ARGS)
{
	const Principal *p;
	Workspace team;
	NullableDatum args[2];
	NullableDatum row[1];

	ArgRequired(fcinfo, 0, "id");
	p = PrincipalRequirePerson();
	team = WorkspaceLock(PG_GETARG_UUID_P(0));
	args[0] = ArgUuid(&p->actor_id);
	args[1] = ArgUuid(&team.id);
	if (!QueryRow(&is_joinable, args, row, 1))
		ErrorNotFound("workspace", &team.id);
	MemberJoin(&team, &p->actor_id, ROLE_VIEWER);
	PG_RETURN_VOID();
}
