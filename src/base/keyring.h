/*
 * keyring.h
 *		The master keys that this server has been given.
 */
#ifndef ACCOUNT_KEYRING_H
#define ACCOUNT_KEYRING_H

#include "postgres.h"

#include "base/crypto.h"

/* 16 hexadecimal characters and the terminating zero. */
#define MASTER_KEY_ID_LEN 17

typedef struct MasterKey
{
	char id[MASTER_KEY_ID_LEN];
	uint8 fingerprint[CRYPTO_SHA256_LEN];
	uint8 key[CRYPTO_KEY_LEN];
} MasterKey;

extern void KeyringInit(void);
extern const char *KeyringNewest(MasterKey *key);
extern const char *KeyringFind(const char *id, MasterKey *key);
extern const char *KeyringReload(int *count);
extern bool KeyringIsFile(void);
extern const char *KeyringAddToFile(bool only_if_absent, bool *added);
extern const char *KeyringFilePath(void);

#endif /* ACCOUNT_KEYRING_H */
