/*
 * api_key_proof.h
 *		Proving an API key.
 */
#ifndef ACCOUNT_API_KEY_PROOF_H
#define ACCOUNT_API_KEY_PROOF_H

#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/catalog.h"

/* 40 hexadecimal characters: 160 random bits. */
#define API_KEY_HEX_LEN 40
#define API_KEY_MAX_PREFIX 16
#define API_KEY_MAX_LEN (API_KEY_MAX_PREFIX + API_KEY_HEX_LEN)

/* What people see of a key: its prefix and this many characters more. */
#define API_KEY_SHOWN_HEX 8

extern bool ApiKeyPrefixOk(const char *prefix, size_t len);
extern TimestampTz ApiKeyHoldsUntil(const pg_uuid_t *workspace_id, const pg_uuid_t *api_key_id,
									const pg_uuid_t *secret_id, AccountRole *role);

#endif /* ACCOUNT_API_KEY_PROOF_H */
