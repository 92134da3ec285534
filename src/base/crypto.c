/*
 * crypto.c
 *		SHA-256, HMAC-SHA-256, AES-256-GCM, scrypt and random bytes, by OpenSSL.
 *
 * The only file that includes OpenSSL.  It uses nothing of the backend, so the
 * test of the published vectors links it alone.
 *
 * Algorithms are fetched once a process and their contexts kept: an implicit
 * fetch costs more than hashing an API key does.  Random bytes come from a
 * pool that is filled a page at a time, wiped as it is used, and emptied in a
 * forked child, so that no two processes ever hand out the same bytes.
 */
#include "c.h"

#include <pthread.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/crypto.h"

#define POOL_SIZE 4096

static uint8 pool[POOL_SIZE];
static size_t pool_left = 0;

static EVP_MD *sha256 = NULL;
static EVP_MD_CTX *sha256_ctx = NULL;
static EVP_MAC *hmac = NULL;
static EVP_CIPHER *aes_gcm = NULL;
static EVP_CIPHER_CTX *aes_ctx = NULL;

static void
EmptyPool(void)
{
	OPENSSL_cleanse(pool, sizeof(pool));
	pool_left = 0;
}

static bool
FillPool(void)
{
	static bool is_watching_forks = false;

	if (!is_watching_forks)
	{
		if (pthread_atfork(NULL, NULL, EmptyPool) != 0)
			return false;
		is_watching_forks = true;
	}
	if (RAND_bytes(pool, sizeof(pool)) != 1)
		return false;
	pool_left = sizeof(pool);
	return true;
}

/* Cryptographically strong random bytes. */
bool
CryptoRandom(void *out, size_t len)
{
	uint8 *from;

	if (len > sizeof(pool))
		return RAND_bytes(out, (int) len) == 1;
	if (pool_left < len && !FillPool())
		return false;
	from = pool + sizeof(pool) - pool_left;
	memcpy(out, from, len);
	OPENSSL_cleanse(from, len);
	pool_left -= len;
	return true;
}

/* FIPS 180-4. */
bool
CryptoSha256(const void *data, size_t len, uint8 out[CRYPTO_SHA256_LEN])
{
	if (sha256 == NULL && (sha256 = EVP_MD_fetch(NULL, "SHA256", NULL)) == NULL)
		return false;
	if (sha256_ctx == NULL && (sha256_ctx = EVP_MD_CTX_new()) == NULL)
		return false;
	return EVP_DigestInit_ex2(sha256_ctx, sha256, NULL) == 1 &&
		   EVP_DigestUpdate(sha256_ctx, data, len) == 1 &&
		   EVP_DigestFinal_ex(sha256_ctx, out, NULL) == 1;
}

/* RFC 2104 with SHA-256. */
bool
CryptoHmacSha256(const void *key, size_t key_len, const void *data, size_t len,
				 uint8 out[CRYPTO_SHA256_LEN])
{
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
						   OSSL_PARAM_construct_end()};
	EVP_MAC_CTX *ctx;
	bool ok;

	if (hmac == NULL && (hmac = EVP_MAC_fetch(NULL, "HMAC", NULL)) == NULL)
		return false;
	if ((ctx = EVP_MAC_CTX_new(hmac)) == NULL)
		return false;
	ok = EVP_MAC_init(ctx, key, key_len, params) == 1 && EVP_MAC_update(ctx, data, len) == 1 &&
		 EVP_MAC_final(ctx, out, NULL, CRYPTO_SHA256_LEN) == 1;
	EVP_MAC_CTX_free(ctx);
	return ok;
}

/* One AES context serves all calls; it never keeps a key between them. */
static bool
AesReady(void)
{
	if (aes_gcm == NULL && (aes_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL)) == NULL)
		return false;
	if (aes_ctx == NULL && (aes_ctx = EVP_CIPHER_CTX_new()) == NULL)
		return false;
	return true;
}

/* NIST SP 800-38D; sealed takes len + CRYPTO_SEAL_OVERHEAD bytes: nonce, ciphertext, tag. */
bool
CryptoSealWithNonce(const uint8 key[CRYPTO_KEY_LEN], const uint8 nonce[CRYPTO_NONCE_LEN],
					const void *aad, size_t aad_len, const void *plain, size_t len, uint8 *sealed)
{
	uint8 *text = sealed + CRYPTO_NONCE_LEN;
	int n;
	bool ok;

	if (!AesReady())
		return false;
	memcpy(sealed, nonce, CRYPTO_NONCE_LEN);
	ok = EVP_EncryptInit_ex2(aes_ctx, aes_gcm, key, nonce, NULL) == 1 &&
		 EVP_EncryptUpdate(aes_ctx, NULL, &n, aad, (int) aad_len) == 1 &&
		 EVP_EncryptUpdate(aes_ctx, text, &n, plain, (int) len) == 1 &&
		 EVP_EncryptFinal_ex(aes_ctx, text + len, &n) == 1 &&
		 EVP_CIPHER_CTX_ctrl(aes_ctx, EVP_CTRL_AEAD_GET_TAG, CRYPTO_TAG_LEN, text + len) == 1;
	EVP_CIPHER_CTX_reset(aes_ctx);
	return ok;
}

/* The same under a fresh random nonce. */
bool
CryptoSeal(const uint8 key[CRYPTO_KEY_LEN], const void *aad, size_t aad_len, const void *plain,
		   size_t len, uint8 *sealed)
{
	uint8 nonce[CRYPTO_NONCE_LEN];

	return CryptoRandom(nonce, sizeof(nonce)) &&
		   CryptoSealWithNonce(key, nonce, aad, aad_len, plain, len, sealed);
}

/*
 * Opens what CryptoSeal made; plain takes sealed_len - CRYPTO_SEAL_OVERHEAD
 * bytes.  False, with plain wiped, when anything of it was changed.
 */
bool
CryptoOpen(const uint8 key[CRYPTO_KEY_LEN], const void *aad, size_t aad_len, const uint8 *sealed,
		   size_t sealed_len, uint8 *plain)
{
	size_t len = sealed_len - CRYPTO_SEAL_OVERHEAD;
	int n;
	bool ok;

	if (sealed_len < CRYPTO_SEAL_OVERHEAD || !AesReady())
		return false;
	ok = EVP_DecryptInit_ex2(aes_ctx, aes_gcm, key, sealed, NULL) == 1 &&
		 EVP_DecryptUpdate(aes_ctx, NULL, &n, aad, (int) aad_len) == 1 &&
		 EVP_DecryptUpdate(aes_ctx, plain, &n, sealed + CRYPTO_NONCE_LEN, (int) len) == 1 &&
		 EVP_CIPHER_CTX_ctrl(aes_ctx, EVP_CTRL_AEAD_SET_TAG, CRYPTO_TAG_LEN,
							 unconstify(uint8 *, sealed) + CRYPTO_NONCE_LEN + len) == 1 &&
		 EVP_DecryptFinal_ex(aes_ctx, plain + len, &n) == 1;
	EVP_CIPHER_CTX_reset(aes_ctx);
	if (!ok)
		OPENSSL_cleanse(plain, len);
	return ok;
}

/* RFC 7914; needs about 128 * r * 2^log2_n bytes of memory, which it is allowed. */
bool
CryptoScrypt(const char *password, size_t len, const uint8 *salt, size_t salt_len, int log2_n,
			 int r, int p, uint8 *out, size_t out_len)
{
	uint64 n = UINT64CONST(1) << log2_n;
	uint64 memory = UINT64CONST(128) * r * (n + p + 2) + 1024 * 1024;

	return EVP_PBE_scrypt(password, len, salt, salt_len, n, r, p, memory, out, out_len) == 1;
}

/* Compares in a time that tells nothing of where the two differ. */
bool
CryptoEqual(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

/* Overwrites a secret; never optimised away. */
void
CryptoWipe(void *data, size_t len)
{
	OPENSSL_cleanse(data, len);
}

/* Lower-case hexadecimal and a terminating zero: out takes 2 * len + 1 bytes. */
void
CryptoHex(const uint8 *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++)
	{
		*out++ = digits[data[i] >> 4];
		*out++ = digits[data[i] & 15];
	}
	*out = '\0';
}
