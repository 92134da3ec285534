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
#include "base/lookup.h"
#include "base/query.h"
#include "base/uuid.h"

/* A person with more workspaces than this starts over with an empty map. */
#define MAX_CACHED_ROLES 16384

#define MEMBER_ROLE_ATTNUM 3

typedef struct RoleEntry
{
	pg_uuid_t workspace_id; /* hash key */
	bool is_member;
	AccountRole role;
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

static Lookup member_lookup = {.table = "members", .index = "members_pkey"};

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

/* The role of a user in a workspace now; false when they are not a member. */
bool
RoleOfMember(const pg_uuid_t *workspace_id, const pg_uuid_t *user_id, AccountRole *role)
{
	ScanKeyData keys[2];
	LookupScan scan;
	TupleTableSlot *slot;
	bool isnull;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(workspace_id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(user_id));
	slot = LookupBegin(&scan, &member_lookup, keys, 2, true);
	if (slot != NULL)
		*role = CatalogEnumMember(
			ENUM_ROLE, DatumGetObjectId(slot_getattr(slot, MEMBER_ROLE_ATTNUM, &isnull)));
	LookupEnd(&scan);
	return slot != NULL;
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
static const RoleEntry *
CachedRole(const Principal *p, const pg_uuid_t *workspace_id)
{
	uint64 generation = RoleGeneration();
	RoleEntry *entry;
	AccountRole role = ROLE_VIEWER;
	bool is_member;

	if (roles.map == NULL || roles.generation != generation ||
		!UuidEqual(&roles.user_id, &p->actor_id) ||
		hash_get_num_entries(roles.map) >= (long) MAX_CACHED_ROLES)
		EmptyMap(p, generation);
	entry = hash_search(roles.map, workspace_id, HASH_FIND, NULL);
	if (entry != NULL)
		return entry;
	is_member = RoleOfMember(workspace_id, &p->actor_id, &role);
	entry = hash_search(roles.map, workspace_id, HASH_ENTER, NULL);
	entry->is_member = is_member;
	entry->role = role;
	return entry;
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
	const RoleEntry *entry;

	if (p == NULL)
		PG_RETURN_BOOL(false);
	if (UuidEqual(workspace_id, &p->workspace_id))
		PG_RETURN_BOOL(p->role >= min_role);
	if (p->proof == PROOF_API_KEY)
		PG_RETURN_BOOL(false);
	entry = CachedRole(p, workspace_id);
	PG_RETURN_BOOL(entry->is_member && entry->role >= min_role);
}

static Statement workspaces_of = {
	.types = "uuid, account.role",
	.mode = QUERY_READ,
	.sql = "SELECT coalesce(array_agg(workspace_id ORDER BY workspace_id), '{}')"
		   "  FROM account_data.members WHERE user_id = $1 AND role >= $2",
};

PG_FUNCTION_INFO_V1(account_workspace_ids);
Datum
account_workspace_ids(PG_FUNCTION_ARGS)
{
	AccountRole min_role = ArgGetRole(fcinfo, 0, "role");
	const Principal *p = PrincipalCurrent();
	NullableDatum args[2];
	NullableDatum row;
	Datum own;

	if (p == NULL)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(UUIDOID));
	if (p->proof == PROOF_API_KEY)
	{
		own = UUIDPGetDatum(&p->workspace_id);
		PG_RETURN_ARRAYTYPE_P(construct_array(&own, p->role >= min_role ? 1 : 0, UUIDOID, UUID_LEN,
											  false, TYPALIGN_CHAR));
	}
	args[0] = ArgUuid(&p->actor_id);
	args[1] = ArgRole(min_role);
	QueryRow(&workspaces_of, args, &row, 1);
	PG_RETURN_DATUM(row.value);
}
