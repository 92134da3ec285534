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
 * The doors tell of a new member in the same way; a plain INSERT, COPY or restore
 * does not, since no trigger of ours fires on INSERT.  So what such a row could add
 * to (that somebody is no member, and workspace_ids()) is read again in a statement
 * that begins a second later.  To read it again in every transaction would make a
 * primary-key look-up under a policy twice as dear for a member of ten workspaces.
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
#include "utils/inval.h"
#include "utils/memutils.h"

#include "access/principal.h"
#include "access/role.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/query.h"
#include "base/uuid.h"

/* With more workspaces than this the map starts over empty. */
#define MAX_MAPPED_ROLES 16384

/* How long it may be unseen that somebody was made a member behind the doors' back. */
#define UNTOLD_FOR USECS_PER_SEC

#define MEMBER_WORKSPACE_ID_ATTNUM 1
#define MEMBER_ROLE_ATTNUM 3
#define WORKSPACE_MEMBERS_UNTIL_ATTNUM 7

/*
 * What the acting person is in the workspaces that were asked for.  An entry
 * counts while its epoch is the map's, so a new person or generation makes all
 * of them stale without a look at any.
 */
typedef struct RoleEntry
{
	pg_uuid_t workspace_id; /* hash key */
	TimestampTz until;		/* DT_NOBEGIN: no access */
	TimestampTz read_at;
	uint64 epoch;
	int8 role;
	char status; /* simplehash's own */
} RoleEntry;

static inline uint32
HashUuid(const pg_uuid_t *uuid)
{
	uint64 half[2];

	memcpy(half, uuid, UUID_LEN);
	half[0] ^= half[1];
	half[0] ^= half[0] >> 32;
	return (uint32) ((half[0] * UINT64CONST(0x9E3779B97F4A7C15)) >> 32);
}

/*
 * Sparse: policies ask for every row, in any order, and to find a slot taken by
 * another workspace is what a look costs most.  At most 6 MB.
 */
#define SH_FILLFACTOR 0.2
#define SH_PREFIX rolemap
#define SH_ELEMENT_TYPE RoleEntry
#define SH_KEY_TYPE pg_uuid_t
#define SH_KEY workspace_id
#define SH_HASH_KEY(map, key) HashUuid(&(key))
#define SH_EQUAL(map, a, b) UuidEqual(&(a), &(b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static struct
{
	rolemap_hash *map;
	uint64 epoch;
	pg_uuid_t user_id; /* whose epoch it is, and under which generation */
	uint64 generation;
} roles;

/* What workspace_ids() gave last; the planner asks for it with every plan, a join with every loop. */
static struct
{
	ArrayType *ids;
	AccountRole min_role;
	pg_uuid_t user_id;
	uint64 generation;
	TimestampTz read_at;
	TimestampTz until;
} list;

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

/* What was read may have been written by the very transaction that is undone, by whatever statement. */
static void
TransactionEnds(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		role_generation++;
}

static void
SubtransactionEnds(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		role_generation++;
}

void
RoleInit(void)
{
	CacheRegisterRelcacheCallback(RelationChanged, (Datum) 0);
	RegisterXactCallback(TransactionEnds, NULL);
	RegisterSubXactCallback(SubtransactionEnds, NULL);
}

static pg_noinline void
FindMembers(void)
{
	members_oid = CatalogTable("members");
	members_generation = CatalogGeneration();
	role_generation++;
}

static inline Oid
MembersOid(void)
{
	if (members_generation != CatalogGeneration() || !OidIsValid(members_oid))
		FindMembers();
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

/* Whether a row may have been added since that nobody told of. */
static inline bool
MayHaveGrown(TimestampTz read_at)
{
	return GetCurrentStatementStartTimestamp() - read_at >= UNTOLD_FOR;
}

/* Reads a membership into the map. */
static pg_noinline const RoleEntry *
MapMembership(const Principal *p, const pg_uuid_t *workspace_id)
{
	uint64 epoch = roles.epoch;
	Membership membership = MembershipOf(workspace_id, &p->actor_id);
	RoleEntry *entry;
	bool found;

	if (roles.map == NULL)
		roles.map = rolemap_create(TopMemoryContext, 64, NULL);
	else if (roles.map->members >= MAX_MAPPED_ROLES)
		rolemap_reset(roles.map);
	entry = rolemap_insert(roles.map, *workspace_id, &found);
	entry->until = membership.until;
	entry->role = membership.role;
	entry->epoch = epoch;
	entry->read_at = GetCurrentStatementStartTimestamp();
	return entry;
}

/* The acting person's role in any workspace, as of the generation that PrincipalCurrent() saw. */
static const RoleEntry *
MappedMembership(const Principal *p, const pg_uuid_t *workspace_id)
{
	const RoleEntry *entry;

	if (roles.generation != role_generation || !UuidEqual(&roles.user_id, &p->actor_id))
	{
		roles.generation = role_generation;
		roles.user_id = p->actor_id;
		roles.epoch++;
	}
	entry = roles.map == NULL ? NULL : rolemap_lookup(roles.map, *workspace_id);
	if (entry == NULL || entry->epoch != roles.epoch ||
		(entry->until == DT_NOBEGIN && MayHaveGrown(entry->read_at)))
		entry = MapMembership(p, workspace_id);
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
	entry = MappedMembership(p, workspace_id);
	PG_RETURN_BOOL(entry->role >= (int) min_role && RoleLasts(entry->until));
}

/*
 * The workspaces a person has that role in and access to now, and until when
 * that is all of them at the most.
 */
static ArrayType *
WorkspacesOf(const pg_uuid_t *user_id, AccountRole min_role, TimestampTz *until)
{
	ArrayBuildState *ids = initArrayResult(UUIDOID, CurrentMemoryContext, false);
	ScanKeyData key;
	LookupScan scan;
	TupleTableSlot *slot;

	*until = DT_NOEND;
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(user_id));
	for (slot = LookupBegin(&scan, &member_by_user, &key, 1, true); slot != NULL;
		 slot = LookupNext(&scan))
	{
		AccountRole role = SlotRole(slot);
		bool isnull;
		Datum id = slot_getattr(slot, MEMBER_WORKSPACE_ID_ATTNUM, &isnull);
		TimestampTz ends;

		if (role < min_role)
			continue;
		ends = role == ROLE_OWNER ? DT_NOEND : MembersUntil(DatumGetUUIDP(id));
		if (!RoleLasts(ends))
			continue;
		ids = accumArrayResult(ids, id, false, UUIDOID, CurrentMemoryContext);
		*until = Min(*until, ends);
	}
	LookupEnd(&scan);
	return DatumGetArrayTypeP(makeArrayResult(ids, CurrentMemoryContext));
}

static void
ListWorkspaces(const Principal *p, AccountRole min_role)
{
	uint64 generation = role_generation;
	TimestampTz until;
	ArrayType *ids = WorkspacesOf(&p->actor_id, min_role, &until);
	ArrayType *kept = MemoryContextAlloc(TopMemoryContext, VARSIZE(ids));

	memcpy(kept, ids, VARSIZE(ids));
	pfree(ids);
	if (list.ids != NULL)
		pfree(list.ids);
	list.ids = kept;
	list.min_role = min_role;
	list.user_id = p->actor_id;
	list.generation = generation;
	list.read_at = GetCurrentStatementStartTimestamp();
	list.until = until;
}

/* A copy of the list: the next generation may replace it while a scan is at work with it. */
static ArrayType *
ListedWorkspaces(const Principal *p, AccountRole min_role)
{
	if (list.ids == NULL || list.min_role != min_role || !UuidEqual(&list.user_id, &p->actor_id) ||
		list.generation != role_generation || MayHaveGrown(list.read_at) || !RoleLasts(list.until))
		ListWorkspaces(p, min_role);
	return memcpy(palloc(VARSIZE(list.ids)), list.ids, VARSIZE(list.ids));
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
	return ListedWorkspaces(p, min_role);
}

PG_FUNCTION_INFO_V1(account_workspace_ids);
Datum
account_workspace_ids(PG_FUNCTION_ARGS)
{
	PG_RETURN_ARRAYTYPE_P(RoleWorkspaces(ArgGetRole(fcinfo, 0, "role")));
}
