/*
 * person.c
 *		Letting a person act: for a trusted backend, and in another workspace.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "access/person.h"
#include "access/role.h"
#include "access/session.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/uuid.h"

#define USER_REGION_ATTNUM 3
#define USER_WORKSPACE_ATTNUM 4

static Lookup user_lookup = {.table = "users", .index = "users_pkey"};

/* Where a user's data lives and their personal workspace; false when there is no such user. */
static bool
FindUser(const pg_uuid_t *id, AccountRegion *region, pg_uuid_t *workspace_id)
{
	ScanKeyData key;
	LookupScan scan;
	TupleTableSlot *slot;
	bool isnull;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(id));
	slot = LookupBegin(&scan, &user_lookup, &key, 1, true);
	if (slot != NULL)
	{
		*workspace_id = *DatumGetUUIDP(slot_getattr(slot, USER_WORKSPACE_ATTNUM, &isnull));
		*region = CatalogEnumMember(
			ENUM_REGION, DatumGetObjectId(slot_getattr(slot, USER_REGION_ATTNUM, &isnull)));
	}
	LookupEnd(&scan);
	return slot != NULL;
}

/*
 * Fills in a user in a workspace, their personal one when workspace_id is NULL.
 * False when there is no such user; raises when they are not a member there.
 */
bool
PersonEnter(Principal *principal, const pg_uuid_t *user_id, const pg_uuid_t *workspace_id,
			TimestampTz *until)
{
	pg_uuid_t personal;
	Membership membership;

	if (!FindUser(user_id, &principal->region, &personal))
		return false;
	principal->actor_id = *user_id;
	principal->workspace_id = workspace_id != NULL ? *workspace_id : personal;
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
