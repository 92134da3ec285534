/*
 * seal.h
 *		Secrets that must be shown again: sealed before they are written.
 */
#ifndef ACCOUNT_SEAL_H
#define ACCOUNT_SEAL_H

#include "postgres.h"

#include "utils/uuid.h"

#include "base/keyring.h"

extern bytea *SealSecret(const pg_uuid_t *workspace_id, const pg_uuid_t *row_id, const char *secret,
						 size_t len);
extern char *SealOpen(const pg_uuid_t *workspace_id, const pg_uuid_t *row_id, const bytea *sealed);
extern const char *SealTryOpen(const pg_uuid_t *workspace_id, const pg_uuid_t *row_id,
							   const bytea *sealed, char **secret);
extern void SealMac(const pg_uuid_t *workspace_id, const pg_uuid_t *row_id, const char *secret,
					size_t len, uint8 mac[CRYPTO_SHA256_LEN]);
extern bytea *SealRewrap(const pg_uuid_t *workspace_id, const char *old_id, const bytea *wrapped,
						 const MasterKey *master);
extern void SealMasterKey(MasterKey *master);
extern void SealRegister(const MasterKey *master);
extern void SealWaitForOthers(void);

#endif /* ACCOUNT_SEAL_H */
