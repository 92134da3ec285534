/*
 * crypto.h
 *		The cryptography the extension uses, and nothing else of OpenSSL.
 *
 * Every function returns a status and never raises; callers that cannot go on
 * without a result raise themselves.  Lengths are in bytes.
 */
#ifndef ACCOUNT_CRYPTO_H
#define ACCOUNT_CRYPTO_H

#include "c.h"

#define CRYPTO_SHA256_LEN 32
#define CRYPTO_KEY_LEN 32
#define CRYPTO_NONCE_LEN 12
#define CRYPTO_TAG_LEN 16

/* What a seal adds to its plaintext: the nonce before it, the tag behind it. */
#define CRYPTO_SEAL_OVERHEAD (CRYPTO_NONCE_LEN + CRYPTO_TAG_LEN)

extern bool CryptoRandom(void *out, size_t len);
extern bool CryptoSha256(const void *data, size_t len, uint8 out[CRYPTO_SHA256_LEN]);
extern bool CryptoHmacSha256(const void *key, size_t key_len, const void *data, size_t len,
							 uint8 out[CRYPTO_SHA256_LEN]);
extern bool CryptoSeal(const uint8 key[CRYPTO_KEY_LEN], const void *aad, size_t aad_len,
					   const void *plain, size_t len, uint8 *sealed);
extern bool CryptoSealWithNonce(const uint8 key[CRYPTO_KEY_LEN],
								const uint8 nonce[CRYPTO_NONCE_LEN], const void *aad,
								size_t aad_len, const void *plain, size_t len, uint8 *sealed);
extern bool CryptoOpen(const uint8 key[CRYPTO_KEY_LEN], const void *aad, size_t aad_len,
					   const uint8 *sealed, size_t sealed_len, uint8 *plain);
extern bool CryptoScrypt(const char *password, size_t len, const uint8 *salt, size_t salt_len,
						 int log2_n, int r, int p, uint8 *out, size_t out_len);
extern bool CryptoEqual(const void *a, const void *b, size_t len);
extern void CryptoWipe(void *data, size_t len);
extern void CryptoHex(const uint8 *data, size_t len, char *out);

#endif /* ACCOUNT_CRYPTO_H */
