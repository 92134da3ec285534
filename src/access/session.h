/*
 * session.h
 *		Sessions of people.
 */
#ifndef ACCOUNT_SESSION_H
#define ACCOUNT_SESSION_H

#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

extern void SessionInit(void);
extern TimestampTz SessionHoldsUntil(const pg_uuid_t *session_id);

#endif /* ACCOUNT_SESSION_H */
