/*
 * api_key_create.c
 *		Making an API key, within what the workspace rules about its keys.
 *
 * Who makes a key or gives it a new secret holds the rows it will answer by (FOR
 * SHARE): the workspace, then the member or service account it speaks for.  So a
 * removal, a change of role or of the workspace's rules either comes first and
 * is seen, or waits and finds the new secret.
 *
 * A new key's rows are inserted without their foreign keys being asked, so the
 * user is held too (FOR KEY SHARE): the rows above do not keep one from deletion.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "access/api_key.h"
#include "access/scope.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/query.h"
#include "base/uuid.h"
#include "base/write.h"

#define MAX_ADDRESSES 100

/* Columns of account_data.workspaces and members that the rules are read from. */
enum
{
	WORKSPACE_KIND = 1,
	WORKSPACE_MEMBERS_UNTIL = 6,
	WORKSPACE_API_KEY_MIN_ROLE,
	WORKSPACE_API_KEY_CREATION,
	WORKSPACE_API_KEY_PERSONAL,
	WORKSPACE_API_KEY_REVEAL,
	WORKSPACE_API_KEY_MAX_AGE,
	MEMBER_ROLE = 2,
};

static Table api_keys = {.name = "api_keys", .ncolumns = 12};
static Table api_key_secrets = {.name = "api_key_secrets", .ncolumns = 8};
static Table api_key_digests = {.name = "api_key_digests", .ncolumns = 12};
static Table credential_uses = {.name = "credential_uses", .ncolumns = 2};

static Lookup workspace_by_id = {
	.table = "workspaces", .index = "workspaces_pkey", .lock = RowShareLock};
static Lookup member_by_id = {.table = "members", .index = "members_pkey", .lock = RowShareLock};
static Lookup user_by_id = {.table = "users", .index = "users_pkey", .lock = RowShareLock};

static Statement lock_service_account = {
	.types = "uuid, uuid",
	.sql = "SELECT role FROM account_data.service_accounts"
		   " WHERE workspace_id = $1 AND id = $2 FOR SHARE",
};

static void
ReadRules(const NullableDatum *workspace, const NullableDatum *member, ApiKeyRules *rules)
{
	const NullableDatum *max_age = &workspace[WORKSPACE_API_KEY_MAX_AGE];

	rules->role = CatalogEnumMember(ENUM_ROLE, DatumGetObjectId(member[MEMBER_ROLE].value));
	rules->min_role = CatalogEnumMember(
		ENUM_ROLE, DatumGetObjectId(workspace[WORKSPACE_API_KEY_MIN_ROLE].value));
	rules->is_team = DatumGetObjectId(workspace[WORKSPACE_KIND].value) ==
					 CatalogEnumOid(ENUM_WORKSPACE_KIND, WORKSPACE_TEAM);
	rules->is_creation_allowed = DatumGetBool(workspace[WORKSPACE_API_KEY_CREATION].value);
	rules->is_personal_allowed = DatumGetBool(workspace[WORKSPACE_API_KEY_PERSONAL].value);
	rules->is_revealable = DatumGetBool(workspace[WORKSPACE_API_KEY_REVEAL].value);
	rules->max_age = max_age->isnull ? NULL : DatumGetIntervalP(max_age->value);
	rules->members_until = DatumGetTimestampTz(workspace[WORKSPACE_MEMBERS_UNTIL].value);
}

/* Locks the workspace, the acting person's membership and the person, and reads the rules. */
ApiKeyRules
ApiKeyLockRules(const Principal *p)
{
	ScanKeyData workspace_key;
	ScanKeyData user_key;
	ScanKeyData member_keys[2];
	Row workspace;
	Row member;
	Row user;
	ApiKeyRules rules;

	ScanKeyInit(&workspace_key, 1, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(&p->workspace_id));
	ScanKeyInit(&user_key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&p->actor_id));
	member_keys[0] = workspace_key;
	ScanKeyInit(&member_keys[1], 2, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&p->actor_id));
	if (LookupLock(&workspace_by_id, &workspace_key, 1, LockTupleShare, LockWaitBlock,
				   &workspace) != LOOKUP_FOUND ||
		LookupLock(&member_by_id, member_keys, 2, LockTupleShare, LockWaitBlock, &member) !=
			LOOKUP_FOUND ||
		LookupLock(&user_by_id, &user_key, 1, LockTupleKeyShare, LockWaitBlock, &user) !=
			LOOKUP_FOUND)
		ErrorNotSignedIn();
	ReadRules(workspace.columns, member.columns, &rules);
	if (rules.role < ROLE_OWNER && rules.members_until <= GetCurrentStatementStartTimestamp())
		ErrorNotSignedIn();
	return rules;
}

/* Whether the rules let this person make a key, for themselves or for a service account. */
static void
DecideCreation(const ApiKeyRules *rules, bool for_service_account)
{
	AccountRole needed = for_service_account ? Max(ROLE_ADMIN, rules->min_role) : rules->min_role;

	if (rules->role < needed)
		ErrorDenied(psprintf("Making this key needs the role %s here; the acting role is %s.",
							 CatalogEnumLabel(ENUM_ROLE, needed),
							 CatalogEnumLabel(ENUM_ROLE, rules->role)));
	if (!rules->is_creation_allowed)
		ErrorDenied("This workspace does not allow new API keys.");
	if (rules->is_team && !for_service_account && !rules->is_personal_allowed)
		ErrorDenied("This workspace allows API keys of service accounts only.");
}

/* The end of the new key: as asked, within the workspace's largest lifetime. */
static TimestampTz
DecideExpiry(FunctionCallInfo fcinfo, int n, const Interval *max_age)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();
	TimestampTz asked = PG_ARGISNULL(n) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(n);
	TimestampTz latest;

	if (asked <= now)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid expires_at: it is in the past")));
	if (max_age == NULL)
		return asked;
	latest = DatumGetTimestampTz(DirectFunctionCall2(
		timestamptz_pl_interval, TimestampTzGetDatum(now), IntervalPGetDatum(max_age)));
	if (asked != DT_NOEND && asked > latest)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID),
				 errmsg("invalid expires_at: later than this workspace allows"),
				 errdetail("The latest end of a new API key is %s.", timestamptz_to_str(latest))));
	return Min(asked, latest);
}

AccountRole
ApiKeyLockServiceAccount(const Principal *p, const pg_uuid_t *id)
{
	NullableDatum args[2] = {ArgUuid(&p->workspace_id), ArgUuid(id)};
	NullableDatum row[1];

	if (!QueryRow(&lock_service_account, args, row, 1))
		ErrorNotFound("service account", id);
	return CatalogEnumMember(ENUM_ROLE, DatumGetObjectId(row[0].value));
}

static NullableDatum
ArgArrayOrNull(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? ArgNull() : ArgDatum(PG_GETARG_DATUM(n));
}

static NullableDatum
ArgEnd(TimestampTz end)
{
	return end == DT_NOEND ? ArgNull() : ArgTime(end);
}

static void
InsertKey(FunctionCallInfo fcinfo, const Principal *p, const pg_uuid_t *id, const char *name,
		  const pg_uuid_t *service_account_id, AccountRole role, TimestampTz expires_at,
		  TimestampTz members_until, const ApiKeySecret *secret)
{
	NullableDatum workspace = ArgUuid(&p->workspace_id);
	NullableDatum key_id = ArgUuid(id);
	NullableDatum user = service_account_id == NULL ? ArgUuid(&p->actor_id) : ArgNull();
	NullableDatum service_account = ArgUuid(service_account_id);
	NullableDatum scopes = ArgArrayOrNull(fcinfo, 2);
	NullableDatum allowed_ips = ArgArrayOrNull(fcinfo, 3);
	NullableDatum maker = ArgUuid(&p->actor_id);
	NullableDatum now = ArgTime(GetCurrentStatementStartTimestamp());
	NullableDatum none = ArgNull();
	TimestampTz valid_until = role == ROLE_OWNER ? expires_at : Min(expires_at, members_until);

	InsertRow(&api_keys,
			  (NullableDatum[]){workspace, key_id, ArgText(name), user, service_account, scopes,
								allowed_ips, ArgEnd(expires_at), none, none, maker, now});
	InsertRow(&api_key_secrets,
			  (NullableDatum[]){workspace, key_id, ArgUuid(&secret->id), ArgPointer(secret->digest),
								ArgText(secret->key_id), ArgPointer(secret->sealed), now, none});
	InsertRow(&api_key_digests,
			  (NullableDatum[]){workspace, key_id, ArgUuid(&secret->id), ArgTime(valid_until),
								ArgRole(role), ArgRegion(p->region), ArgBool(false),
								ArgPointer(secret->digest), user, service_account, scopes,
								allowed_ips});
	InsertRow(&credential_uses, (NullableDatum[]){key_id, none});
}

PG_FUNCTION_INFO_V1(account_create_api_key);
Datum
account_create_api_key(PG_FUNCTION_ARGS)
{
	char *name = ArgName(fcinfo, 0, "name", API_KEY_MAX_NAME);
	pg_uuid_t *service_account_id = PG_ARGISNULL(4) ? NULL : PG_GETARG_UUID_P(4);
	TimestampTz expires_at = DecideExpiry(fcinfo, 1, NULL);
	const Principal *p;
	ApiKeyRules rules;
	AccountRole role;
	ApiKeySecret secret;
	pg_uuid_t id;

	if (!PG_ARGISNULL(2))
		ScopeCheckArray(PG_GETARG_ARRAYTYPE_P(2));
	if (!PG_ARGISNULL(3))
		ArgArray(PG_GETARG_ARRAYTYPE_P(3), "allowed_ips", MAX_ADDRESSES);
	p = PrincipalRequirePerson();
	rules = ApiKeyLockRules(p);
	DecideCreation(&rules, service_account_id != NULL);
	expires_at = DecideExpiry(fcinfo, 1, rules.max_age);
	role = service_account_id == NULL ? rules.role
									  : ApiKeyLockServiceAccount(p, service_account_id);
	UuidNew(&id);
	ApiKeySecretMake(&secret, &p->workspace_id, rules.is_revealable);
	InsertKey(fcinfo, p, &id, name, service_account_id, role, expires_at, rules.members_until,
			  &secret);
	ApiKeyEvent(p, &id, name, "created", NULL);
	PG_RETURN_DATUM(ApiKeySecretResult(fcinfo, &id, &secret, expires_at));
}
