/*
 * api_key_proof.c
 *		Proving an API key: verify, authenticate, admit, locate.
 *
 * One probe of a hash index on the SHA-256 of the key finds one row of
 * account_data.api_key_digests that carries the whole answer: whose key, which
 * role, until when, which scopes and addresses.  What changes any of that
 * writes that row in the same transaction, so an answer is exactly as fresh as
 * the snapshot of the statement that asks; who acts by a key from now on is
 * proven by what is committed now.
 *
 * What is not shaped like a key is refused before any table is read.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inet.h"
#include "utils/timestamp.h"

#include "access/api_key_proof.h"
#include "access/counter.h"
#include "access/principal.h"
#include "access/role.h"
#include "access/scope.h"
#include "access/use.h"
#include "base/args.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/uuid.h"

/* The columns of account_data.api_key_digests, fixed widths first. */
enum
{
	COL_WORKSPACE_ID,
	COL_API_KEY_ID,
	COL_SECRET_ID,
	COL_VALID_UNTIL,
	COL_ROLE,
	COL_REGION,
	COL_IS_DISABLED,
	COL_DIGEST,
	COL_USER_ID,
	COL_SERVICE_ACCOUNT_ID,
	COL_SCOPES,
	COL_ALLOWED_IPS,
};

typedef enum
{
	KEY_VALID,
	KEY_NOT_FOUND,
	KEY_DISABLED,
	KEY_EXPIRED,
	KEY_SCOPE,
	KEY_ADDRESS,
} KeyState;

/* Their counters stand in the same order, from COUNTER_API_KEY_VALID on. */
StaticAssertDecl((int) KEY_ADDRESS == COUNTER_API_KEY_ADDRESS - COUNTER_API_KEY_VALID,
				 "each state of a key has its counter");

static const char *const codes[] = {"VALID",   "NOT_FOUND",			 "DISABLED",
									"EXPIRED", "INSUFFICIENT_SCOPE", "IP_NOT_ALLOWED"};

/* Columns of account.verdict: allowed, code, a principal, then the rate limit. */
#define VERDICT_PRINCIPAL 2
#define VERDICT_LIMIT (VERDICT_PRINCIPAL + PRINCIPAL_COLUMNS)
#define VERDICT_COLUMNS (VERDICT_LIMIT + 4)

static Lookup by_digest = {.table = "api_key_digests", .index = "api_key_digests_digest_idx"};
static Lookup by_secret = {.table = "api_key_digests", .index = "api_key_digests_pkey"};

/* [a-z0-9_], one to sixteen characters, ends in an underscore. */
bool
ApiKeyPrefixOk(const char *prefix, size_t len)
{
	if (len < 1 || len > API_KEY_MAX_PREFIX || prefix[len - 1] != '_')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!((prefix[i] >= 'a' && prefix[i] <= 'z') || (prefix[i] >= '0' && prefix[i] <= '9') ||
			  prefix[i] == '_'))
			return false;
	return true;
}

static bool
IsLowerHex(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	return true;
}

/* The digest of a text that is shaped like a key; false for any other text. */
static bool
DigestOf(Datum key, uint8 *digest)
{
	Size len = toast_raw_datum_size(key) - VARHDRSZ;
	text *value;
	const char *s;

	if (len <= API_KEY_HEX_LEN || len > API_KEY_MAX_LEN)
		return false;
	value = DatumGetTextPP(key);
	s = VARDATA_ANY(value);
	if (!ApiKeyPrefixOk(s, len - API_KEY_HEX_LEN) ||
		!IsLowerHex(s + len - API_KEY_HEX_LEN, API_KEY_HEX_LEN))
		return false;
	if (!CryptoSha256(s, len, digest))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not compute a SHA-256 digest"), errhidestmt(true)));
	return true;
}

/* The row whose digest is equal in full: the index stores only 32 bits of it. */
static TupleTableSlot *
BeginDigest(LookupScan *scan, const uint8 *digest, bool is_latest)
{
	char value[VARHDRSZ + CRYPTO_SHA256_LEN];
	ScanKeyData key;
	TupleTableSlot *slot;

	SET_VARSIZE(value, sizeof(value));
	memcpy(VARDATA(value), digest, CRYPTO_SHA256_LEN);
	ScanKeyInit(&key, 1, HTEqualStrategyNumber, F_BYTEAEQ, PointerGetDatum(value));
	for (slot = LookupBegin(scan, &by_digest, &key, 1, is_latest); slot != NULL;
		 slot = LookupNext(scan))
	{
		bytea *stored;

		slot_getallattrs(slot);
		stored = DatumGetByteaPP(slot->tts_values[COL_DIGEST]);
		if (VARSIZE_ANY_EXHDR(stored) == CRYPTO_SHA256_LEN &&
			CryptoEqual(VARDATA_ANY(stored), digest, CRYPTO_SHA256_LEN))
			return slot;
	}
	return NULL;
}

static KeyState
StateOf(TupleTableSlot *slot)
{
	if (DatumGetBool(slot->tts_values[COL_IS_DISABLED]))
		return KEY_DISABLED;
	if (DatumGetTimestampTz(slot->tts_values[COL_VALID_UNTIL]) <=
		GetCurrentStatementStartTimestamp())
		return KEY_EXPIRED;
	return KEY_VALID;
}

/* A copy of an array column, NULL when it is null. */
static ArrayType *
ArrayColumn(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column] ? NULL : DatumGetArrayTypePCopy(slot->tts_values[column]);
}

static Principal *
PrincipalOf(TupleTableSlot *slot)
{
	Principal *p = PrincipalMake(ArrayColumn(slot, COL_SCOPES));
	Datum *values = slot->tts_values;
	int actor;

	p->is_service_account = slot->tts_isnull[COL_USER_ID];
	actor = p->is_service_account ? COL_SERVICE_ACCOUNT_ID : COL_USER_ID;
	p->actor_id = *DatumGetUUIDP(values[actor]);
	p->workspace_id = *DatumGetUUIDP(values[COL_WORKSPACE_ID]);
	p->credential_id = *DatumGetUUIDP(values[COL_API_KEY_ID]);
	p->secret_id = *DatumGetUUIDP(values[COL_SECRET_ID]);
	p->role = CatalogEnumMember(ENUM_ROLE, DatumGetObjectId(values[COL_ROLE]));
	p->region = CatalogEnumMember(ENUM_REGION, DatumGetObjectId(values[COL_REGION]));
	p->proof = PROOF_API_KEY;
	return p;
}

/*
 * Reads what a key proves.  The principal is given for every key that exists,
 * whatever its state; allowed_ips only when asked for.  Who asks until when it
 * holds will rely on that later, so no old snapshot may answer.
 */
static KeyState
Prove(Datum key, Principal **principal, TimestampTz *until, ArrayType **allowed_ips)
{
	uint8 digest[CRYPTO_SHA256_LEN];
	LookupScan scan;
	TupleTableSlot *slot;
	KeyState state = KEY_NOT_FOUND;

	*principal = NULL;
	if (!DigestOf(key, digest))
		return KEY_NOT_FOUND;
	slot = BeginDigest(&scan, digest, until != NULL);
	if (slot != NULL)
	{
		state = StateOf(slot);
		*principal = PrincipalOf(slot);
		if (until != NULL)
			*until = DatumGetTimestampTz(slot->tts_values[COL_VALID_UNTIL]);
		if (allowed_ips != NULL)
			*allowed_ips = ArrayColumn(slot, COL_ALLOWED_IPS);
	}
	LookupEnd(&scan);
	return state;
}

/* Until when that secret proves its key, as things are now, and the key's role. */
TimestampTz
ApiKeyHoldsUntil(const pg_uuid_t *workspace_id, const pg_uuid_t *api_key_id,
				 const pg_uuid_t *secret_id, AccountRole *role)
{
	const pg_uuid_t *ids[3] = {workspace_id, api_key_id, secret_id};
	ScanKeyData keys[3];
	LookupScan scan;
	TupleTableSlot *slot;
	TimestampTz until = DT_NOBEGIN;

	for (int i = 0; i < 3; i++)
		ScanKeyInit(&keys[i], i + 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(ids[i]));
	slot = LookupBegin(&scan, &by_secret, keys, 3, true);
	if (slot != NULL)
	{
		slot_getallattrs(slot);
		*role = CatalogEnumMember(ENUM_ROLE, DatumGetObjectId(slot->tts_values[COL_ROLE]));
		if (StateOf(slot) == KEY_VALID)
			until = DatumGetTimestampTz(slot->tts_values[COL_VALID_UNTIL]);
	}
	LookupEnd(&scan);
	return until;
}

static KeyState
Count(KeyState state)
{
	CounterAdd(COUNTER_API_KEY_VALID + state);
	return state;
}

/* Pure: no side effect but a count, so it serves a standby and parallel plans too. */
PG_FUNCTION_INFO_V1(account_verify_api_key);
Datum
account_verify_api_key(PG_FUNCTION_ARGS)
{
	ErrorContextCallback hide;
	Principal *principal;
	KeyState state;

	ErrorHideStatement(&hide);
	state = Count(Prove(PG_GETARG_DATUM(0), &principal, NULL, NULL));
	ErrorShowStatement(&hide);
	if (state != KEY_VALID)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PrincipalResult(fcinfo, principal));
}

/* Which key was refused and why; only the server's log tells. */
static const char *
Reason(KeyState state, const Principal *principal)
{
	return principal == NULL
			   ? "No such key."
			   : psprintf("API key %s: %s.", UuidText(&principal->credential_id), codes[state]);
}

/* One message for every way to fail, so that it tells nothing to who guesses. */
PG_FUNCTION_INFO_V1(account_authenticate);
Datum
account_authenticate(PG_FUNCTION_ARGS)
{
	uint64 generation = RoleGeneration();
	bool is_local = PG_ARGISNULL(1) || PG_GETARG_BOOL(1);
	ErrorContextCallback hide;
	Principal *principal = NULL;
	KeyState state = KEY_NOT_FOUND;
	TimestampTz until;

	ErrorHideStatement(&hide);
	if (!PG_ARGISNULL(0))
		state = Prove(PG_GETARG_DATUM(0), &principal, &until, NULL);
	if (Count(state) != KEY_VALID)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_NOT_SIGNED_IN), errmsg("invalid API key"),
						errdetail_log("%s", Reason(state, principal))));
	PrincipalSet(principal, is_local, generation, until);
	UseNote(&principal->credential_id);
	ErrorShowStatement(&hide);
	PG_RETURN_DATUM(PrincipalResult(fcinfo, principal));
}

static bool
AddressAllowed(ArrayType *allowed, Datum address)
{
	ArrayIterator iterator = array_create_iterator(allowed, 0, NULL);
	Datum network;
	bool isnull;
	bool found = false;

	while (!found && array_iterate(iterator, &network, &isnull))
		found = DatumGetBool(DirectFunctionCall2(network_subeq, address, network));
	array_free_iterator(iterator);
	return found;
}

/* What the key itself allows; a key with an address list needs an address. */
static KeyState
Admit(FunctionCallInfo fcinfo, Principal **principal)
{
	ArrayType *allowed_ips = NULL;
	KeyState state = Prove(PG_GETARG_DATUM(0), principal, NULL, &allowed_ips);

	if (state != KEY_VALID)
		return state;
	if (!PG_ARGISNULL(2))
	{
		text *scope = PG_GETARG_TEXT_PP(2);

		if (!PrincipalHasScope(*principal, VARDATA_ANY(scope), VARSIZE_ANY_EXHDR(scope)))
			return KEY_SCOPE;
	}
	if (allowed_ips != NULL &&
		(PG_ARGISNULL(3) || !AddressAllowed(allowed_ips, PG_GETARG_DATUM(3))))
		return KEY_ADDRESS;
	return KEY_VALID;
}

/* A verdict is no error, so what a gateway turns away is told to the log here. */
static void
LogRefusal(KeyState state, const Principal *principal, inet *address)
{
	const char *from = "";

	if (address != NULL)
		from = psprintf(" from %s",
						DatumGetCString(DirectFunctionCall1(inet_out, InetPGetDatum(address))));
	ereport(LOG_SERVER_ONLY, (errmsg("API key refused%s", from),
							  errdetail_log("%s", Reason(state, principal)), errhidecontext(true)));
}

/*
 * The whole gate in one call.  The rate limit's fields are null: no limit.
 * Fields of the principal are null unless the key itself holds.
 */
PG_FUNCTION_INFO_V1(account_admit);
Datum
account_admit(PG_FUNCTION_ARGS)
{
	Datum values[VERDICT_COLUMNS];
	bool nulls[VERDICT_COLUMNS];
	ErrorContextCallback hide;
	Principal *principal = NULL;
	KeyState state = KEY_NOT_FOUND;

	ErrorHideStatement(&hide);
	ArgRequired(fcinfo, 1, "category");
	ArgRequired(fcinfo, 4, "cost");
	if (PG_GETARG_INT32(4) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid cost: %d", PG_GETARG_INT32(4)),
				 errdetail("It must be zero or more.")));
	if (!PG_ARGISNULL(2))
		ScopeCheck(PG_GETARG_TEXT_PP(2));
	if (!PG_ARGISNULL(0))
		state = Admit(fcinfo, &principal);
	if (Count(state) == KEY_VALID)
		UseNote(&principal->credential_id);
	else
		LogRefusal(state, principal, PG_ARGISNULL(3) ? NULL : PG_GETARG_INET_PP(3));
	ErrorShowStatement(&hide);
	memset(nulls, true, sizeof(nulls));
	values[0] = BoolGetDatum(state == KEY_VALID);
	values[1] = CStringGetTextDatum(codes[state]);
	nulls[0] = nulls[1] = false;
	if (state != KEY_NOT_FOUND && state != KEY_DISABLED && state != KEY_EXPIRED)
		PrincipalColumns(principal, values + VERDICT_PRINCIPAL, nulls + VERDICT_PRINCIPAL);
	PG_RETURN_DATUM(ResultRow(fcinfo, values, nulls));
}

/* The region whose database owns the key, valid or not; NULL when unknown. */
PG_FUNCTION_INFO_V1(account_locate_api_key);
Datum
account_locate_api_key(PG_FUNCTION_ARGS)
{
	ErrorContextCallback hide;
	Principal *principal;

	ErrorHideStatement(&hide);
	(void) Prove(PG_GETARG_DATUM(0), &principal, NULL, NULL);
	ErrorShowStatement(&hide);
	if (principal == NULL)
		PG_RETURN_NULL();
	PG_RETURN_OID(CatalogEnumOid(ENUM_REGION, principal->region));
}
