/*
 * api_key.c
 *		Looking after API keys: names, revocation, rotation, secrets shown again.
 *
 * A key is a row of api_keys; its secrets are rows of api_key_secrets, one of
 * them current, others dying out after a rotation.  api_key_digests has a row
 * for each secret that may still prove the key, with the whole answer (see
 * api_key_proof.c); every door here that changes the answer writes it there.
 *
 * Who changes a key holds its row, taken after those that api_key_create.c names.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "access/api_key.h"
#include "access/event.h"
#include "access/principal.h"
#include "access/role.h"
#include "access/seal.h"
#include "base/args.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"

/* A key as it stands, with the row locked. */
typedef struct ApiKey
{
	pg_uuid_t id;
	char *name;
	bool is_mine;
	bool is_service_account;
	bool is_disabled;
	bool is_revoked;
	TimestampTz expires_at; /* DT_NOEND: never */
} ApiKey;

static Statement lock_key = {
	.types = "uuid, uuid, uuid",
	.sql = "SELECT name, coalesce(user_id = $3, false), service_account_id IS NOT NULL,"
		   "  disabled_at IS NOT NULL, revoked_at IS NOT NULL, coalesce(expires_at, 'infinity')"
		   " FROM account_data.api_keys WHERE workspace_id = $1 AND id = $2 FOR NO KEY UPDATE",
};

static Statement rename_key = {
	.types = "uuid, uuid, text",
	.sql = "UPDATE account_data.api_keys SET name = $3 WHERE workspace_id = $1 AND id = $2",
};

static Statement revoke_key = {
	.types = "uuid, uuid, timestamptz",
	.mode = QUERY_FRESH,
	.sql =
		"WITH digest AS ("
		"  DELETE FROM account_data.api_key_digests WHERE workspace_id = $1 AND api_key_id = $2),"
		" secret AS ("
		"  UPDATE account_data.api_key_secrets SET sealed = NULL"
		"  WHERE workspace_id = $1 AND api_key_id = $2 AND sealed IS NOT NULL)"
		" UPDATE account_data.api_keys SET revoked_at = $3 WHERE workspace_id = $1 AND id = $2",
};

static Statement set_disabled = {
	.types = "uuid, uuid, timestamptz",
	.mode = QUERY_FRESH,
	.sql = "WITH digest AS ("
		   "  UPDATE account_data.api_key_digests SET is_disabled = $3 IS NOT NULL"
		   "  WHERE workspace_id = $1 AND api_key_id = $2)"
		   " UPDATE account_data.api_keys SET disabled_at = $3 WHERE workspace_id = $1 AND id = $2",
};

static Statement current_secret = {
	.types = "uuid, uuid",
	.sql =
		"SELECT s.id, s.sealed, w.api_key_reveal, k.service_account_id"
		" FROM account_data.api_key_secrets s"
		" JOIN account_data.api_keys k ON k.workspace_id = s.workspace_id AND k.id = s.api_key_id"
		" JOIN account_data.workspaces w ON w.id = s.workspace_id"
		" WHERE s.workspace_id = $1 AND s.api_key_id = $2 AND s.expires_at IS NULL",
};

static Statement end_secret = {
	.types = "uuid, uuid, uuid, timestamptz",
	.sql = "UPDATE account_data.api_key_secrets SET expires_at = $4, sealed = NULL"
		   " WHERE workspace_id = $1 AND api_key_id = $2 AND id = $3",
};

static Statement insert_secret = {
	.types = "uuid, uuid, uuid, bytea, text, bytea, timestamptz",
	.sql = "INSERT INTO account_data.api_key_secrets (workspace_id, api_key_id, id, digest, key_id,"
		   "   sealed, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
};

/* $3 the old secret, whose end has been set, $4 the new one */
static Statement follow_rotation = {
	.types = "uuid, uuid, uuid, uuid",
	.sql =
		"WITH old AS ("
		"  UPDATE account_data.api_key_digests d SET valid_until = a.valid_until"
		"  FROM account_data.api_key_answers a"
		"  WHERE a.workspace_id = $1 AND a.api_key_id = $2 AND a.secret_id = $3"
		"   AND d.workspace_id = $1 AND d.api_key_id = $2 AND d.secret_id = $3)"
		" INSERT INTO account_data.api_key_digests (workspace_id, api_key_id, secret_id, valid_until,"
		"   role, region, is_disabled, digest, user_id, service_account_id, scopes, allowed_ips)"
		" SELECT workspace_id, api_key_id, secret_id, valid_until, role, region, is_disabled, digest,"
		"   user_id, service_account_id, scopes, allowed_ips FROM account_data.api_key_answers"
		" WHERE workspace_id = $1 AND api_key_id = $2 AND secret_id = $4",
};

static Statement delete_digest = {
	.types = "uuid, uuid, uuid, uuid",
	.sql = "DELETE FROM account_data.api_key_digests"
		   " WHERE workspace_id = $1 AND api_key_id = $2 AND secret_id = $3",
};

void
ApiKeyEvent(const Principal *p, const pg_uuid_t *id, const char *name, const char *action,
			const char *metadata)
{
	EventWrite(&(Event){.workspace_id = &p->workspace_id,
						.resource_type = "api_key",
						.resource_id = id,
						.resource_name = name,
						.action = action,
						.metadata = metadata});
}

/* (id, key, key_id, a time that may be missing); wipes the key. */
Datum
ApiKeySecretResult(FunctionCallInfo fcinfo, const pg_uuid_t *id, ApiKeySecret *secret,
				   TimestampTz time)
{
	Datum values[4];
	bool nulls[4] = {false, false, false, time == DT_NOEND};

	values[0] = UUIDPGetDatum(id);
	values[1] = CStringGetTextDatum(secret->key);
	values[2] = CStringGetTextDatum(secret->key_id);
	values[3] = TimestampTzGetDatum(time);
	CryptoWipe(secret->key, sizeof(secret->key));
	return ResultRow(fcinfo, values, nulls);
}

/* What is asked of who acts on a key that is not their own. */
typedef enum
{
	KEY_MANAGE, /* rename, disable, revoke: admins, any key */
	KEY_ROTATE, /* admins, service accounts' keys only */
	KEY_REVEAL, /* the owner, service accounts' keys only */
} KeyPower;

/*
 * Locks a key of the active workspace that the acting person has that power
 * over.  Nobody gets a secret that acts as another person.
 */
static ApiKey
LockKey(const Principal *p, const pg_uuid_t *id, KeyPower power)
{
	NullableDatum args[3] = {ArgUuid(&p->workspace_id), ArgUuid(id), ArgUuid(&p->actor_id)};
	NullableDatum row[6];
	ApiKey key;

	if (!QueryRow(&lock_key, args, row, 6))
		ErrorNotFound("API key", id);
	p = PrincipalRequirePerson(); /* who held the key may have ended the membership */
	key.id = *id;
	key.name = TextDatumGetCString(row[0].value);
	key.is_mine = DatumGetBool(row[1].value);
	key.is_service_account = DatumGetBool(row[2].value);
	key.is_disabled = DatumGetBool(row[3].value);
	key.is_revoked = DatumGetBool(row[4].value);
	key.expires_at = DatumGetTimestampTz(row[5].value);
	if (key.is_mine)
		return key;
	if (p->role < ROLE_ADMIN)
		ErrorNotFound("API key", id);
	if (power != KEY_MANAGE && !key.is_service_account)
		ErrorDenied("Only the person an API key belongs to may see or replace its secret.");
	if (power == KEY_REVEAL && p->role < ROLE_OWNER)
		ErrorDenied("Only the owner may see the secret of a service account's API key.");
	return key;
}

static void
RefuseRevoked(const ApiKey *key)
{
	if (key->is_revoked)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("API key is revoked"),
						errdetail("A revoked API key stays revoked.")));
}

static void
RefuseDead(const ApiKey *key)
{
	RefuseRevoked(key);
	if (key->expires_at <= GetCurrentStatementStartTimestamp())
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("API key is expired")));
}

static const Principal *
KeyPerson(FunctionCallInfo fcinfo)
{
	ArgRequired(fcinfo, 0, "id");
	return PrincipalRequirePerson();
}

PG_FUNCTION_INFO_V1(account_rename_api_key);
Datum
account_rename_api_key(PG_FUNCTION_ARGS)
{
	char *name = ArgName(fcinfo, 1, "name", API_KEY_MAX_NAME);
	const Principal *p = KeyPerson(fcinfo);
	ApiKey key = LockKey(p, PG_GETARG_UUID_P(0), KEY_MANAGE);
	NullableDatum args[3] = {ArgUuid(&p->workspace_id), ArgUuid(&key.id), ArgText(name)};

	QueryRun(&rename_key, args);
	ApiKeyEvent(p, &key.id, name, "updated", EventChange("name", key.name, name));
	PG_RETURN_VOID();
}

/* False when it was revoked before: revoking again changes nothing. */
static bool
Revoke(const Principal *p, const pg_uuid_t *id)
{
	ApiKey key = LockKey(p, id, KEY_MANAGE);
	NullableDatum args[3] = {ArgUuid(&p->workspace_id), ArgUuid(id),
							 ArgTime(GetCurrentStatementStartTimestamp())};

	if (key.is_revoked)
		return false;
	QueryRun(&revoke_key, args);
	RoleChanged();
	ApiKeyEvent(p, id, key.name, "revoked", NULL);
	return true;
}

PG_FUNCTION_INFO_V1(account_revoke_api_key);
Datum
account_revoke_api_key(PG_FUNCTION_ARGS)
{
	const Principal *p = KeyPerson(fcinfo);

	Revoke(p, PG_GETARG_UUID_P(0));
	PG_RETURN_VOID();
}

static int
CompareIds(const void *a, const void *b)
{
	return memcmp(DatumGetUUIDP(*(const Datum *) a), DatumGetUUIDP(*(const Datum *) b), UUID_LEN);
}

/* All or nothing; in the order of the ids, so that two such calls cannot deadlock. */
PG_FUNCTION_INFO_V1(account_revoke_api_keys);
Datum
account_revoke_api_keys(PG_FUNCTION_ARGS)
{
	ArrayType *array;
	const Principal *p;
	Datum *ids;
	int count;
	int revoked = 0;

	ArgRequired(fcinfo, 0, "ids");
	array = PG_GETARG_ARRAYTYPE_P(0);
	ArgArray(array, "ids", 10000);
	p = PrincipalRequirePerson();
	deconstruct_array(array, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &ids, NULL, &count);
	qsort(ids, count, sizeof(Datum), CompareIds);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		revoked += Revoke(p, DatumGetUUIDP(ids[i]));
	}
	PG_RETURN_INT32(revoked);
}

static void
SetDisabled(FunctionCallInfo fcinfo, bool is_disabled)
{
	const Principal *p = KeyPerson(fcinfo);
	ApiKey key = LockKey(p, PG_GETARG_UUID_P(0), KEY_MANAGE);
	NullableDatum args[3] = {ArgUuid(&p->workspace_id), ArgUuid(&key.id), ArgNull()};

	RefuseRevoked(&key);
	if (key.is_disabled == is_disabled)
		return;
	if (is_disabled)
		args[2] = ArgTime(GetCurrentStatementStartTimestamp());
	QueryRun(&set_disabled, args);
	RoleChanged();
	ApiKeyEvent(p, &key.id, key.name, is_disabled ? "disabled" : "enabled", NULL);
}

PG_FUNCTION_INFO_V1(account_disable_api_key);
Datum
account_disable_api_key(PG_FUNCTION_ARGS)
{
	SetDisabled(fcinfo, true);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_enable_api_key);
Datum
account_enable_api_key(PG_FUNCTION_ARGS)
{
	SetDisabled(fcinfo, false);
	PG_RETURN_VOID();
}

/* What current_secret gives of a key, which must have one: every key not revoked does. */
static pg_uuid_t
CurrentSecret(const Principal *p, const pg_uuid_t *id, NullableDatum *row)
{
	NullableDatum args[2] = {ArgUuid(&p->workspace_id), ArgUuid(id)};

	if (!QueryRow(&current_secret, args, row, 4))
		ErrorNotFound("API key", id);
	return *DatumGetUUIDP(row[0].value);
}

PG_FUNCTION_INFO_V1(account_reveal_api_key);
Datum
account_reveal_api_key(PG_FUNCTION_ARGS)
{
	const Principal *p = KeyPerson(fcinfo);
	ApiKey key = LockKey(p, PG_GETARG_UUID_P(0), KEY_REVEAL);
	NullableDatum row[4];
	pg_uuid_t secret_id;
	char *secret;
	text *result;

	RefuseDead(&key);
	secret_id = CurrentSecret(p, &key.id, row);
	if (row[1].isnull || !DatumGetBool(row[2].value))
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("API key cannot be shown again"),
				 DatumGetBool(row[2].value)
					 ? errdetail("It was shown once, when its secret was made; no copy was kept.")
					 : errdetail("This workspace shows an API key once, when it is made."),
				 errhint("Rotate the key to get a new secret.")));
	secret = SealOpen(&p->workspace_id, &secret_id, DatumGetByteaPP(row[1].value));
	ApiKeyEvent(p, &key.id, key.name, "revealed", NULL);
	result = cstring_to_text(secret);
	CryptoWipe(secret, strlen(secret));
	PG_RETURN_TEXT_P(result);
}

/* When the old secret ends: after the grace, at the latest with the key. */
static TimestampTz
GraceEnd(FunctionCallInfo fcinfo, int n, TimestampTz key_end)
{
	TimestampTz end = ArgTimeFromNow(fcinfo, n, "grace");

	if (end < GetCurrentStatementStartTimestamp())
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid grace: it is negative")));
	return Min(end, key_end);
}

/* Ends the old secret, at once or at a time, and puts the new one beside it. */
static void
ReplaceSecret(const Principal *p, const ApiKey *key, const pg_uuid_t *old_id,
			  TimestampTz old_valid_until, const ApiKeySecret *new)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();
	NullableDatum end[4] = {ArgUuid(&p->workspace_id), ArgUuid(&key->id), ArgUuid(old_id),
							ArgTime(old_valid_until)};
	NullableDatum insert[7] = {ArgUuid(&p->workspace_id),
							   ArgUuid(&key->id),
							   ArgUuid(&new->id),
							   ArgPointer(new->digest),
							   ArgText(new->key_id),
							   ArgPointer(new->sealed),
							   ArgTime(now)};
	NullableDatum ids[4] = {ArgUuid(&p->workspace_id), ArgUuid(&key->id), ArgUuid(old_id),
							ArgUuid(&new->id)};

	QueryRun(&end_secret, end);
	QueryRun(&insert_secret, insert);
	QueryRun(&follow_rotation, ids);
	if (old_valid_until <= now)
		QueryRun(&delete_digest, ids);
	RoleChanged();
}

/*
 * Two rotations of one key at once: the one that waited finds another current
 * secret than it saw, and fails instead of killing the secret just handed out.
 */
PG_FUNCTION_INFO_V1(account_rotate_api_key);
Datum
account_rotate_api_key(PG_FUNCTION_ARGS)
{
	TimestampTz old_valid_until = GraceEnd(fcinfo, 1, DT_NOEND);
	const Principal *p = KeyPerson(fcinfo);
	NullableDatum row[4];
	ApiKeyRules rules;
	ApiKey key;
	ApiKeySecret secret;
	pg_uuid_t seen = CurrentSecret(p, PG_GETARG_UUID_P(0), row);
	pg_uuid_t current;

	rules = ApiKeyLockRules(p);
	if (!row[3].isnull)
		ApiKeyLockServiceAccount(p, DatumGetUUIDP(row[3].value));
	p = PrincipalRequirePerson(); /* with the role that is locked now */
	key = LockKey(p, PG_GETARG_UUID_P(0), KEY_ROTATE);
	RefuseDead(&key);
	current = CurrentSecret(p, &key.id, row);
	if (!UuidEqual(&seen, &current))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("API key was rotated by another session"),
						errhint("Look at the key again before you rotate it once more.")));
	old_valid_until = GraceEnd(fcinfo, 1, key.expires_at);
	ApiKeySecretMake(&secret, &p->workspace_id, rules.is_revealable);
	ReplaceSecret(p, &key, &current, old_valid_until, &secret);
	ApiKeyEvent(p, &key.id, key.name, "rotated", NULL);
	PG_RETURN_DATUM(ApiKeySecretResult(fcinfo, &key.id, &secret, old_valid_until));
}
