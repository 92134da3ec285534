/*
 * seal.c
 *		Secrets that must be shown again: sealed before they are written.
 *
 * Each workspace has a data key, made when it seals its first secret and
 * stored wrapped (AES-256-GCM) by a master key.  A secret is sealed with that
 * data key; the id of its workspace and of its row are associated data, so a
 * ciphertext that was moved to another row does not open.  Destroying the data
 * key destroys every secret of the workspace, in backups of the ciphertext too;
 * a new master key only needs the data keys wrapped again.
 *
 * A key in the clear lives in this file's local variables and is wiped before
 * they go, on errors too: errors are raised after the wipe.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"

#include "access/seal.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/query.h"
#include "base/uuid.h"

/* Associated data: what the ciphertext is, and whose. */
typedef struct Binding
{
	char purpose[8];
	uint8 workspace_id[UUID_LEN];
	uint8 row_id[UUID_LEN];
} Binding;

#define WRAPPED_LEN (CRYPTO_KEY_LEN + CRYPTO_SEAL_OVERHEAD)

#define DATA_KEY_MASTER_ATTNUM 2
#define DATA_KEY_WRAPPED_ATTNUM 3

static Lookup data_key_lookup = {.table = "data_keys", .index = "data_keys_pkey"};

static Statement register_master_key = {
	.types = "text, bytea",
	.sql = "INSERT INTO account_data.master_keys (id, fingerprint)"
		   " SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM account_data.master_keys WHERE id = $1)"
		   " ON CONFLICT (id) DO NOTHING",
};

static Statement insert_data_key = {
	.types = "uuid, text, bytea",
	.sql = "INSERT INTO account_data.data_keys (workspace_id, master_key_id, wrapped)"
		   " VALUES ($1, $2, $3) ON CONFLICT (workspace_id) DO NOTHING",
};

static Binding
Bind(const char *purpose, const pg_uuid_t *workspace_id, const pg_uuid_t *row_id)
{
	Binding binding = {0};

	strlcpy(binding.purpose, purpose, sizeof(binding.purpose));
	memcpy(binding.workspace_id, workspace_id->data, UUID_LEN);
	memcpy(binding.row_id, row_id->data, UUID_LEN);
	return binding;
}

/* Where the file is goes to the server's log, not to the client. */
static void
Unavailable(const char *id, const char *problem)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_ACCOUNT_WRONG_STATE),
		 id == NULL ? errmsg("no master key is available")
					: errmsg("master key %s is not available", id),
		 errdetail("The source of master keys cannot be used: %s.", problem),
		 errdetail_log("The source of master keys is %s: %s.",
					   KeyringIsFile() ? KeyringFilePath() : "account.master_key_command", problem),
		 errhint("An administrator finds the cause in account.health().")));
}

static void
Damaged(const char *what)
{
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("%s cannot be opened", what),
					errdetail("It was changed, cut off or moved from another row.")));
}

static void
Failed(void)
{
	ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not seal a secret")));
}

static bytea *
MakeBytea(size_t len)
{
	bytea *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	return result;
}

/* The master key that seals, for the caller to wipe; raises when there is none. */
void
SealMasterKey(MasterKey *master)
{
	const char *problem = KeyringNewest(master);

	if (problem != NULL)
		Unavailable(NULL, problem);
}

/* Notes the fingerprint of a key that is about to wrap something. */
void
SealRegister(const MasterKey *master)
{
	NullableDatum args[2];
	bytea *fingerprint = MakeBytea(CRYPTO_SHA256_LEN);

	memcpy(VARDATA(fingerprint), master->fingerprint, CRYPTO_SHA256_LEN);
	args[0] = ArgText(master->id);
	args[1] = ArgPointer(fingerprint);
	QueryRun(&register_master_key, args);
}

static bytea *
Wrap(const pg_uuid_t *workspace_id, const MasterKey *master, const uint8 *key)
{
	Binding binding = Bind("wrap", workspace_id, workspace_id);
	bytea *wrapped = MakeBytea(WRAPPED_LEN);

	return CryptoSeal(master->key, &binding, sizeof(binding), key, CRYPTO_KEY_LEN,
					  (uint8 *) VARDATA(wrapped))
			   ? wrapped
			   : NULL;
}

/* A problem of the keyring in words; without one, *ok tells whether key was opened. */
static const char *
TryUnwrap(const pg_uuid_t *workspace_id, const char *master_key_id, const bytea *wrapped,
		  uint8 *key, bool *ok)
{
	Binding binding = Bind("wrap", workspace_id, workspace_id);
	MasterKey master;
	const char *problem = KeyringFind(master_key_id, &master);

	*ok = false;
	if (problem != NULL)
		return problem;
	*ok = VARSIZE_ANY_EXHDR(wrapped) == WRAPPED_LEN &&
		  CryptoOpen(master.key, &binding, sizeof(binding), (const uint8 *) VARDATA_ANY(wrapped),
					 WRAPPED_LEN, key);
	CryptoWipe(&master, sizeof(master));
	return NULL;
}

/* Opens a wrapped data key into key, or raises. */
static void
Unwrap(const pg_uuid_t *workspace_id, const char *master_key_id, const bytea *wrapped, uint8 *key)
{
	bool ok;
	const char *problem = TryUnwrap(workspace_id, master_key_id, wrapped, key, &ok);

	if (problem != NULL)
		Unavailable(master_key_id, problem);
	if (!ok)
		Damaged("the data key of the workspace");
}

/* The workspace's data key as it is stored; false when it has none yet. */
static bool
ReadWrapped(const pg_uuid_t *workspace_id, char **master_key_id, bytea **wrapped)
{
	ScanKeyData scan_key;
	LookupScan scan;
	TupleTableSlot *slot;
	bool found;
	bool isnull;

	ScanKeyInit(&scan_key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(workspace_id));
	slot = LookupBegin(&scan, &data_key_lookup, &scan_key, 1, true);
	found = slot != NULL;
	if (found)
	{
		*master_key_id = TextDatumGetCString(slot_getattr(slot, DATA_KEY_MASTER_ATTNUM, &isnull));
		*wrapped = DatumGetByteaPCopy(slot_getattr(slot, DATA_KEY_WRAPPED_ATTNUM, &isnull));
	}
	LookupEnd(&scan);
	return found;
}

/* Reads the workspace's data key into key; false when it has none yet. */
static bool
ReadDataKey(const pg_uuid_t *workspace_id, uint8 *key)
{
	char *master_key_id;
	bytea *wrapped;

	if (!ReadWrapped(workspace_id, &master_key_id, &wrapped))
		return false;
	Unwrap(workspace_id, master_key_id, wrapped, key);
	return true;
}

/*
 * Waits for every transaction that may have chosen an older master key and not
 * yet committed what it wrapped; those that begin meanwhile choose the newest.
 */
void
SealWaitForOthers(void)
{
	LOCKTAG tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, CatalogTable("data_keys"));
	WaitForLockers(tag, ShareLock, false);
}

/*
 * Stores a new data key unless another session is faster; then reads whichever
 * won.  The table is locked before a master key is chosen: see above.
 */
static void
MakeDataKey(const pg_uuid_t *workspace_id, uint8 *key)
{
	MasterKey master;
	NullableDatum args[3];
	bytea *wrapped = NULL;

	LockRelationOid(CatalogTable("data_keys"), RowExclusiveLock);
	SealMasterKey(&master);
	if (CryptoRandom(key, CRYPTO_KEY_LEN))
		wrapped = Wrap(workspace_id, &master, key);
	CryptoWipe(key, CRYPTO_KEY_LEN);
	CryptoWipe(master.key, sizeof(master.key));
	if (wrapped == NULL)
		Failed();
	SealRegister(&master);
	args[0] = ArgUuid(workspace_id);
	args[1] = ArgText(master.id);
	args[2] = ArgPointer(wrapped);
	QueryRun(&insert_data_key, args);
	CommandCounterIncrement();
	if (!ReadDataKey(workspace_id, key))
		Damaged("the data key of the workspace");
}

static void
DataKey(const pg_uuid_t *workspace_id, uint8 *key)
{
	if (!ReadDataKey(workspace_id, key))
		MakeDataKey(workspace_id, key);
}

/* A ciphertext that only this row of this workspace can open. */
bytea *
SealSecret(const pg_uuid_t *workspace_id, const pg_uuid_t *row_id, const char *secret, size_t len)
{
	Binding binding = Bind("secret", workspace_id, row_id);
	bytea *sealed = MakeBytea(len + CRYPTO_SEAL_OVERHEAD);
	uint8 key[CRYPTO_KEY_LEN];
	bool ok;

	DataKey(workspace_id, key);
	ok = CryptoSeal(key, &binding, sizeof(binding), secret, len, (uint8 *) VARDATA(sealed));
	CryptoWipe(key, sizeof(key));
	if (!ok)
		Failed();
	return sealed;
}

/* The secret in the clear, zero-terminated; NULL when the ciphertext does not open. */
static char *
OpenWith(const uint8 *key, const pg_uuid_t *workspace_id, const pg_uuid_t *row_id,
		 const bytea *sealed)
{
	Binding binding = Bind("secret", workspace_id, row_id);
	size_t sealed_len = VARSIZE_ANY_EXHDR(sealed);
	char *secret = palloc0(sealed_len + 1);

	return CryptoOpen(key, &binding, sizeof(binding), (const uint8 *) VARDATA_ANY(sealed),
					  sealed_len, (uint8 *) secret)
			   ? secret
			   : NULL;
}

/* The secret in the clear, zero-terminated, palloc'd: the caller wipes it after use. */
char *
SealOpen(const pg_uuid_t *workspace_id, const pg_uuid_t *row_id, const bytea *sealed)
{
	uint8 key[CRYPTO_KEY_LEN];
	char *secret;

	if (!ReadDataKey(workspace_id, key))
		Damaged("the data key of the workspace");
	secret = OpenWith(key, workspace_id, row_id, sealed);
	CryptoWipe(key, sizeof(key));
	if (secret == NULL)
		Damaged("the sealed secret");
	return secret;
}

/* The same for who must go on without it: what is wrong in words, or NULL and the secret. */
const char *
SealTryOpen(const pg_uuid_t *workspace_id, const pg_uuid_t *row_id, const bytea *sealed,
			char **secret)
{
	uint8 key[CRYPTO_KEY_LEN];
	char *master_key_id;
	bytea *wrapped;
	const char *problem;
	bool ok;

	*secret = NULL;
	if (!ReadWrapped(workspace_id, &master_key_id, &wrapped))
		return "the workspace has no data key";
	problem = TryUnwrap(workspace_id, master_key_id, wrapped, key, &ok);
	if (problem != NULL)
		return psprintf("master key %s: %s", master_key_id, problem);
	if (ok)
		*secret = OpenWith(key, workspace_id, row_id, sealed);
	CryptoWipe(key, sizeof(key));
	return *secret == NULL ? "it was changed, cut off or moved from another row" : NULL;
}

/*
 * What is stored of a secret that is too short to be hashed: HMAC-SHA-256 under
 * a key derived from the data key.  Without the master key, nobody who reads
 * the tables can try values; with it, only for this row of this workspace.
 */
void
SealMac(const pg_uuid_t *workspace_id, const pg_uuid_t *row_id, const char *secret, size_t len,
		uint8 mac[CRYPTO_SHA256_LEN])
{
	Binding binding = Bind("mac", workspace_id, row_id);
	uint8 key[CRYPTO_KEY_LEN];
	bool ok;

	DataKey(workspace_id, key);
	ok = CryptoHmacSha256(key, sizeof(key), &binding, sizeof(binding), key) &&
		 CryptoHmacSha256(key, sizeof(key), secret, len, mac);
	CryptoWipe(key, sizeof(key));
	if (!ok)
		Failed();
}

/* The same data key wrapped by another master key. */
bytea *
SealRewrap(const pg_uuid_t *workspace_id, const char *old_id, const bytea *wrapped,
		   const MasterKey *master)
{
	uint8 key[CRYPTO_KEY_LEN];
	bytea *result;

	Unwrap(workspace_id, old_id, wrapped, key);
	result = Wrap(workspace_id, master, key);
	CryptoWipe(key, sizeof(key));
	if (result == NULL)
		Failed();
	return result;
}
