/*
 * service_account.c
 *		Service accounts: they belong to a workspace, outlive people, take no seat.
 *
 * The keys of one follow its role and end with it: the trigger of access_guard.c
 * sees to both, also for edits made around these functions.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"

#include "access/event.h"
#include "access/principal.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"

#define MAX_NAME 100

static Statement lock_workspace = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql = "SELECT true FROM account_data.workspaces WHERE id = $1 FOR SHARE",
};

static Statement insert_account = {
	.types = "uuid, uuid, text, account.role, uuid, timestamptz",
	.sql =
		"INSERT INTO account_data.service_accounts"
		" (workspace_id, id, name, role, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
};

static Statement lock_account = {
	.types = "uuid, uuid",
	.sql = "SELECT name, role FROM account_data.service_accounts"
		   " WHERE workspace_id = $1 AND id = $2 FOR UPDATE",
};

static Statement update_role = {
	.types = "uuid, uuid, account.role",
	.sql = "UPDATE account_data.service_accounts SET role = $3 WHERE workspace_id = $1 AND id = $2",
};

static Statement delete_account = {
	.types = "uuid, uuid",
	.sql = "DELETE FROM account_data.service_accounts WHERE workspace_id = $1 AND id = $2",
};

static void
WriteEvent(const Principal *p, const pg_uuid_t *id, const char *name, const char *action,
		   const char *metadata)
{
	EventWrite(&(Event){.workspace_id = &p->workspace_id,
						.resource_type = "service_account",
						.resource_id = id,
						.resource_name = name,
						.action = action,
						.metadata = metadata});
}

static AccountRole
ArgServiceRole(FunctionCallInfo fcinfo, int n)
{
	AccountRole role = ArgGetRole(fcinfo, n, "role");

	if (role == ROLE_OWNER)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid role: a service account cannot be owner")));
	return role;
}

/*
 * The acting admin of the active workspace, which is locked before any service
 * account of it: whoever held it may have taken the role away, or all of it.
 */
static const Principal *
LockForAdmin(void)
{
	const Principal *p = PrincipalRequirePerson();
	NullableDatum args[1] = {ArgUuid(&p->workspace_id)};

	QueryRun(&lock_workspace, args);
	return PrincipalRequireRole(ROLE_ADMIN);
}

/* Locks a service account of the active workspace; gives its name and role. */
static AccountRole
LockAccount(const Principal *p, const pg_uuid_t *id, char **name)
{
	NullableDatum args[2] = {ArgUuid(&p->workspace_id), ArgUuid(id)};
	NullableDatum row[2];

	if (!QueryRow(&lock_account, args, row, 2))
		ErrorNotFound("service account", id);
	*name = TextDatumGetCString(row[0].value);
	return CatalogEnumMember(ENUM_ROLE, DatumGetObjectId(row[1].value));
}

PG_FUNCTION_INFO_V1(account_create_service_account);
Datum
account_create_service_account(PG_FUNCTION_ARGS)
{
	char *name = ArgName(fcinfo, 0, "name", MAX_NAME);
	AccountRole role = ArgServiceRole(fcinfo, 1);
	const Principal *p = LockForAdmin();
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));
	NullableDatum args[6];

	UuidNew(id);
	args[0] = ArgUuid(&p->workspace_id);
	args[1] = ArgUuid(id);
	args[2] = ArgText(name);
	args[3] = ArgRole(role);
	args[4] = ArgUuid(&p->actor_id);
	args[5] = ArgTime(GetCurrentStatementStartTimestamp());
	QueryRun(&insert_account, args);
	WriteEvent(p, id, name, "created", NULL);
	PG_RETURN_UUID_P(id);
}

PG_FUNCTION_INFO_V1(account_set_service_account_role);
Datum
account_set_service_account_role(PG_FUNCTION_ARGS)
{
	AccountRole role = ArgServiceRole(fcinfo, 1);
	const Principal *p;
	AccountRole old;
	char *name;

	ArgRequired(fcinfo, 0, "id");
	p = LockForAdmin();
	old = LockAccount(p, PG_GETARG_UUID_P(0), &name);
	if (role != old)
	{
		NullableDatum args[3] = {ArgUuid(&p->workspace_id), ArgDatum(PG_GETARG_DATUM(0)),
								 ArgRole(role)};

		QueryRun(&update_role, args);
		WriteEvent(p, PG_GETARG_UUID_P(0), name, "updated",
				   EventChange("role", CatalogEnumLabel(ENUM_ROLE, old),
							   CatalogEnumLabel(ENUM_ROLE, role)));
	}
	PG_RETURN_VOID();
}

/* Its keys go with it, for every session at commit. */
PG_FUNCTION_INFO_V1(account_delete_service_account);
Datum
account_delete_service_account(PG_FUNCTION_ARGS)
{
	const Principal *p;
	NullableDatum args[2];
	char *name;

	ArgRequired(fcinfo, 0, "id");
	p = LockForAdmin();
	LockAccount(p, PG_GETARG_UUID_P(0), &name);
	args[0] = ArgUuid(&p->workspace_id);
	args[1] = ArgDatum(PG_GETARG_DATUM(0));
	QueryRun(&delete_account, args);
	WriteEvent(p, PG_GETARG_UUID_P(0), name, "deleted", NULL);
	PG_RETURN_VOID();
}
