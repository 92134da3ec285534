/*
 * api_key.h
 *		Making API keys and looking after them.
 */
#ifndef ACCOUNT_API_KEY_H
#define ACCOUNT_API_KEY_H

#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "access/api_key_proof.h"

/* Room for a key in the clear. */
#define API_KEY_BUFFER (API_KEY_MAX_LEN + 1)

/* One secret of a key.  Whoever holds it in the clear wipes it. */
typedef struct ApiKeySecret
{
	pg_uuid_t id;
	char key[API_KEY_BUFFER];
	char key_id[API_KEY_MAX_PREFIX + API_KEY_SHOWN_HEX + 1];
	bytea *digest;
	bytea *sealed; /* NULL where keys are shown once */
} ApiKeySecret;

extern void ApiKeyInit(void);
extern void ApiKeySecretMake(ApiKeySecret *secret, const pg_uuid_t *workspace_id,
							 bool is_revealable);

#endif /* ACCOUNT_API_KEY_H */
