/*
 * use.h
 *		When a key or session was last used.
 *
 * The interface is the same with and without shared memory behind it.
 */
#ifndef ACCOUNT_USE_H
#define ACCOUNT_USE_H

#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

#define USE_WRITTEN_EVERY USECS_PER_MINUTE

extern void UseNoteEvery(const pg_uuid_t *credential_id, TimestampTz gap);
extern void UseNote(const pg_uuid_t *credential_id);
extern bool UseLast(const pg_uuid_t *credential_id, TimestampTz *last_used_at);

#endif /* ACCOUNT_USE_H */
