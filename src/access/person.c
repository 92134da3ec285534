/*
 * person.c
 *		Letting a person act: for a trusted backend, and in another workspace.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "access/person.h"
#include "access/role.h"
#include "access/session.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"

static Statement find_user = {
	.types = "uuid",
	.mode = QUERY_READ,
	.sql = "SELECT personal_workspace_id, region FROM account_data.users WHERE id = $1",
};

/*
 * Fills in a user in a workspace, their personal one when workspace_id is NULL.
 * False when there is no such user; raises when they are not a member there.
 */
bool
PersonEnter(Principal *principal, const pg_uuid_t *user_id, const pg_uuid_t *workspace_id,
			TimestampTz *until)
{
	NullableDatum args[1] = {ArgUuid(user_id)};
	NullableDatum row[2];
	Membership membership;

	if (!QueryRow(&find_user, args, row, 2))
		return false;
	principal->actor_id = *user_id;
	principal->workspace_id = workspace_id != NULL ? *workspace_id : *DatumGetUUIDP(row[0].value);
	principal->region = CatalogEnumMember(ENUM_REGION, DatumGetObjectId(row[1].value));
	membership = MembershipRequire(&principal->workspace_id, user_id);
	principal->role = membership.role;
	*until = membership.until;
	return true;
}

/* The grant of this function is the proof. */
PG_FUNCTION_INFO_V1(account_act_as);
Datum
account_act_as(PG_FUNCTION_ARGS)
{
	uint64 generation = RoleGeneration();
	bool is_local = PG_ARGISNULL(2) || PG_GETARG_BOOL(2);
	Principal *principal = PrincipalMake(NULL);
	pg_uuid_t *workspace_id;
	TimestampTz until;

	ArgRequired(fcinfo, 0, "user_id");
	principal->proof = PROOF_TRUSTED;
	workspace_id = PG_ARGISNULL(1) ? NULL : PG_GETARG_UUID_P(1);
	if (!PersonEnter(principal, PG_GETARG_UUID_P(0), workspace_id, &until))
		ErrorNotFound("user", PG_GETARG_UUID_P(0));
	PrincipalSet(principal, is_local, generation, until);
	PG_RETURN_DATUM(PrincipalResult(fcinfo, principal));
}

/* The same proof in another workspace, for as long as it was to act. */
PG_FUNCTION_INFO_V1(account_switch_workspace);
Datum
account_switch_workspace(PG_FUNCTION_ARGS)
{
	uint64 generation = RoleGeneration();
	const Principal *p = PrincipalRequirePerson();
	Principal *principal;
	Membership membership;
	TimestampTz until;

	ArgRequired(fcinfo, 0, "workspace_id");
	principal = PrincipalMake(PrincipalScopes(p));
	*principal = *p;
	principal->workspace_id = *PG_GETARG_UUID_P(0);
	membership = MembershipRequire(&principal->workspace_id, &principal->actor_id);
	principal->role = membership.role;
	until = p->proof == PROOF_SESSION ? SessionHoldsUntil(&p->credential_id) : DT_NOEND;
	PrincipalSet(principal, principal->is_local, generation, Min(until, membership.until));
	PG_RETURN_DATUM(PrincipalResult(fcinfo, principal));
}
