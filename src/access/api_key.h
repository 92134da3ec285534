/*
 * api_key.h
 *		Making API keys and looking after them.
 */
#ifndef ACCOUNT_API_KEY_H
#define ACCOUNT_API_KEY_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "access/api_key_proof.h"
#include "access/principal.h"

#define API_KEY_MAX_NAME 100

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

/* What a workspace rules about its keys. */
typedef struct ApiKeyRules
{
	AccountRole role; /* of who asks, as locked */
	AccountRole min_role;
	bool is_team;
	bool is_creation_allowed;
	bool is_personal_allowed;
	bool is_revealable;
	Interval *max_age;		   /* NULL: no limit */
	TimestampTz members_until; /* when all but the owner lose access */
} ApiKeyRules;

/* api_key_secret.c */
extern void ApiKeyInit(void);
extern void ApiKeySecretMake(ApiKeySecret *secret, const pg_uuid_t *workspace_id,
							 bool is_revealable);

/* api_key_create.c */
extern ApiKeyRules ApiKeyLockRules(const Principal *p);
extern AccountRole ApiKeyLockServiceAccount(const Principal *p, const pg_uuid_t *id);

/* api_key.c */
extern void ApiKeyEvent(const Principal *p, const pg_uuid_t *id, const char *name,
						const char *action, const char *metadata);
extern Datum ApiKeySecretResult(FunctionCallInfo fcinfo, const pg_uuid_t *id, ApiKeySecret *secret,
								TimestampTz time);

#endif /* ACCOUNT_API_KEY_H */
