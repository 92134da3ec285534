/*
 * uuid.h
 *		Ids: UUID version 7 (RFC 9562).
 */
#ifndef ACCOUNT_UUID_H
#define ACCOUNT_UUID_H

#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

extern void UuidNew(pg_uuid_t *uuid);
extern void UuidFloor(pg_uuid_t *uuid, TimestampTz time);
extern char *UuidText(const pg_uuid_t *uuid);

static inline bool
UuidEqual(const pg_uuid_t *a, const pg_uuid_t *b)
{
	return memcmp(a->data, b->data, UUID_LEN) == 0;
}

#endif /* ACCOUNT_UUID_H */
