/*
 * role.c
 *		Roles of people in workspaces, and when what was read of them is stale.
 *
 * Who changes anything that a proof rests on (a role, a membership, a key, a
 * session) calls RoleChanged().  It sends an invalidation of the relation
 * members with the commit; every backend counts these in RoleGeneration(), so
 * a result read under one generation may be used until the next.  That works
 * without shared memory of our own, and on a standby.
 *
 * Roles are read by what is committed now: an old snapshot must not keep a
 * role alive that was taken away.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "access/principal.h"
#include "access/role.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/query.h"
#include "base/uuid.h"

/* A person with more workspaces than this starts over with an empty map. */
#define MAX_CACHED_ROLES 16384

#define MEMBER_WORKSPACE_ID_ATTNUM 1
#define MEMBER_ROLE_ATTNUM 3
#define WORKSPACE_MEMBERS_UNTIL_ATTNUM 7

typedef struct RoleEntry
{
	pg_uuid_t workspace_id; /* hash key */
	Membership membership;
} RoleEntry;

/* The acting person's roles, looked up as they are asked for. */
static struct
{
	HTAB *map;
	pg_uuid_t user_id;
	uint64 generation;
} roles;

static uint64 role_generation = 1;
static Oid members_oid = InvalidOid;
static uint64 members_generation = 0;

static Lookup workspace_lookup = {.table = "workspaces", .index = "workspaces_pkey"};
static Lookup member_lookup = {.table = "members", .index = "members_pkey"};
static Lookup member_by_user = {.table = "members", .index = "members_user_idx"};

static void
RelationChanged(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == members_oid)
		role_generation++;
}

void
RoleInit(void)
{
	CacheRegisterRelcacheCallback(RelationChanged, (Datum) 0);
}

static Oid
MembersOid(void)
{
	if (members_generation != CatalogGeneration() || !OidIsValid(members_oid))
	{
		members_oid = CatalogTable("members");
		members_generation = CatalogGeneration();
		role_generation++;
	}
	return members_oid;
}

/* Changes whenever a role, membership, key or session read before may be wrong. */
uint64
RoleGeneration(void)
{
	(void) MembersOid();
	AcceptInvalidationMessages();
	return role_generation;
}

/* Tells every session, at commit, to look again. */
void
RoleChanged(void)
{
	CacheInvalidateRelcacheByRelid(MembersOid());
}

/* When the members of a workspace other than its owner lose access. */
static TimestampTz
MembersUntil(const pg_uuid_t *workspace_id)
{
	ScanKeyData key;
	LookupScan scan;
	TupleTableSlot *slot;
	TimestampTz until = DT_NOBEGIN;
	bool isnull;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(workspace_id));
	slot = LookupBegin(&scan, &workspace_lookup, &key, 1, true);
	if (slot != NULL)
		until = DatumGetTimestampTz(slot_getattr(slot, WORKSPACE_MEMBERS_UNTIL_ATTNUM, &isnull));
	LookupEnd(&scan);
	return until;
}

/* The role in a row of members. */
static AccountRole
SlotRole(TupleTableSlot *slot)
{
	bool isnull;

	return CatalogEnumMember(ENUM_ROLE,
							 DatumGetObjectId(slot_getattr(slot, MEMBER_ROLE_ATTNUM, &isnull)));
}

/* What a user is in a workspace now. */
Membership
MembershipOf(const pg_uuid_t *workspace_id, const pg_uuid_t *user_id)
{
	Membership membership = {.role = ROLE_VIEWER, .until = DT_NOBEGIN};
	ScanKeyData keys[2];
	LookupScan scan;
	TupleTableSlot *slot;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(workspace_id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(user_id));
	slot = LookupBegin(&scan, &member_lookup, keys, 2, true);
	if (slot != NULL)
	{
		membership.is_member = true;
		membership.role = SlotRole(slot);
	}
	LookupEnd(&scan);
	if (membership.is_member)
		membership.until = membership.role == ROLE_OWNER ? DT_NOEND : MembersUntil(workspace_id);
	return membership;
}

/* The same; raises when it gives no access. */
Membership
MembershipRequire(const pg_uuid_t *workspace_id, const pg_uuid_t *user_id)
{
	Membership membership = MembershipOf(workspace_id, user_id);

	if (!membership.is_member)
		ErrorNotFound("workspace", workspace_id);
	if (membership.until <= GetCurrentStatementStartTimestamp())
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_PAYMENT),
						errmsg("plan limit reached: members have no access to this team"),
						errdetail("The team's plan no longer covers members; nothing is deleted."),
						errhint("The owner can bring the plan back.")));
	return membership;
}

static void
EmptyMap(const Principal *p, uint64 generation)
{
	HASHCTL control = {
		.keysize = UUID_LEN, .entrysize = sizeof(RoleEntry), .hcxt = TopMemoryContext};

	if (roles.map != NULL)
		hash_destroy(roles.map);
	roles.map = hash_create("account roles", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	roles.user_id = p->actor_id;
	roles.generation = generation;
}

/* The acting person's role in any workspace, through the map. */
static const Membership *
CachedMembership(const Principal *p, const pg_uuid_t *workspace_id)
{
	uint64 generation = RoleGeneration();
	RoleEntry *entry;
	Membership membership;

	if (roles.map == NULL || roles.generation != generation ||
		!UuidEqual(&roles.user_id, &p->actor_id) ||
		hash_get_num_entries(roles.map) >= (long) MAX_CACHED_ROLES)
		EmptyMap(p, generation);
	entry = hash_search(roles.map, workspace_id, HASH_FIND, NULL);
	if (entry != NULL)
		return &entry->membership;
	membership = MembershipOf(workspace_id, &p->actor_id);
	entry = hash_search(roles.map, workspace_id, HASH_ENTER, NULL);
	entry->membership = membership;
	return &entry->membership;
}

PG_FUNCTION_INFO_V1(account_has_role);
Datum
account_has_role(PG_FUNCTION_ARGS)
{
	AccountRole min_role = CatalogEnumMember(ENUM_ROLE, PG_GETARG_OID(0));
	const Principal *p = PrincipalCurrent();

	PG_RETURN_BOOL(p != NULL && p->role >= min_role);
}

/*
 * For row-security policies.  A key and a service account are confined to
 * their own workspace; a person has the role of their membership.
 */
PG_FUNCTION_INFO_V1(account_has_role_in);
Datum
account_has_role_in(PG_FUNCTION_ARGS)
{
	pg_uuid_t *workspace_id = PG_GETARG_UUID_P(0);
	AccountRole min_role = CatalogEnumMember(ENUM_ROLE, PG_GETARG_OID(1));
	const Principal *p = PrincipalCurrent();
	const Membership *membership;

	if (p == NULL)
		PG_RETURN_BOOL(false);
	if (UuidEqual(workspace_id, &p->workspace_id))
		PG_RETURN_BOOL(p->role >= min_role);
	if (p->proof == PROOF_API_KEY)
		PG_RETURN_BOOL(false);
	membership = CachedMembership(p, workspace_id);
	PG_RETURN_BOOL(membership->role >= min_role &&
				   membership->until > GetCurrentStatementStartTimestamp());
}

/* The workspaces a person has that role in and access to now. */
static ArrayBuildState *
WorkspacesOf(const pg_uuid_t *user_id, AccountRole min_role)
{
	ArrayBuildState *ids = initArrayResult(UUIDOID, CurrentMemoryContext, false);
	ScanKeyData key;
	LookupScan scan;
	TupleTableSlot *slot;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(user_id));
	for (slot = LookupBegin(&scan, &member_by_user, &key, 1, true); slot != NULL;
		 slot = LookupNext(&scan))
	{
		AccountRole role = SlotRole(slot);
		Datum id;
		bool isnull;

		id = slot_getattr(slot, MEMBER_WORKSPACE_ID_ATTNUM, &isnull);
		if (role >= min_role && (role == ROLE_OWNER || MembersUntil(DatumGetUUIDP(id)) >
														   GetCurrentStatementStartTimestamp()))
			ids = accumArrayResult(ids, id, false, UUIDOID, CurrentMemoryContext);
	}
	LookupEnd(&scan);
	return ids;
}

/* The workspaces where who is acting has that role or a greater one. */
ArrayType *
RoleWorkspaces(AccountRole min_role)
{
	const Principal *p = PrincipalCurrent();
	Datum own;

	if (p == NULL)
		return construct_empty_array(UUIDOID);
	if (p->proof == PROOF_API_KEY)
	{
		own = UUIDPGetDatum(&p->workspace_id);
		return construct_array(&own, p->role >= min_role ? 1 : 0, UUIDOID, UUID_LEN, false,
							   TYPALIGN_CHAR);
	}
	return DatumGetArrayTypeP(
		makeArrayResult(WorkspacesOf(&p->actor_id, min_role), CurrentMemoryContext));
}

PG_FUNCTION_INFO_V1(account_workspace_ids);
Datum
account_workspace_ids(PG_FUNCTION_ARGS)
{
	PG_RETURN_ARRAYTYPE_P(RoleWorkspaces(ArgGetRole(fcinfo, 0, "role")));
}
