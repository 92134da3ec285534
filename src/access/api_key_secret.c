/*
 * api_key_secret.c
 *		The secret of an API key: born here, hashed and sealed here.
 *
 * It leaves only in the result of the function that asked for it.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "access/api_key.h"
#include "access/seal.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/uuid.h"

#define DEFAULT_PREFIX "ul_"

static char *account_api_key_prefix = NULL;

static bool
CheckPrefix(char **newval, void **extra, GucSource source)
{
	if (ApiKeyPrefixOk(*newval, strlen(*newval)))
		return true;
	GUC_check_errdetail("It must be 1 to 16 of the characters a-z, 0-9 and _, and end in _.");
	return false;
}

void
ApiKeyInit(void)
{
	DefineCustomStringVariable("account.api_key_prefix", "What new API keys begin with.",
							   "Keys made under an earlier prefix keep working.",
							   &account_api_key_prefix, DEFAULT_PREFIX, PGC_SUSET, 0, CheckPrefix,
							   NULL, NULL);
}

/* A new secret for a key of that workspace, with its copy for re-display if wanted. */
void
ApiKeySecretMake(ApiKeySecret *secret, const pg_uuid_t *workspace_id, bool is_revealable)
{
	size_t prefix_len = strlen(account_api_key_prefix);
	size_t len = prefix_len + API_KEY_HEX_LEN;
	uint8 random[API_KEY_HEX_LEN / 2];
	bool ok;

	UuidNew(&secret->id);
	ok = CryptoRandom(random, sizeof(random));
	strcpy(secret->key, account_api_key_prefix);
	CryptoHex(random, sizeof(random), secret->key + prefix_len);
	CryptoWipe(random, sizeof(random));
	strlcpy(secret->key_id, secret->key, prefix_len + API_KEY_SHOWN_HEX + 1);
	secret->digest = palloc(VARHDRSZ + CRYPTO_SHA256_LEN);
	SET_VARSIZE(secret->digest, VARHDRSZ + CRYPTO_SHA256_LEN);
	ok = ok && CryptoSha256(secret->key, len, (uint8 *) VARDATA(secret->digest));
	if (!ok)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not make an API key")));
	secret->sealed = is_revealable ? SealSecret(workspace_id, &secret->id, secret->key, len) : NULL;
}
