/*
 * mutex.h
 *		Locks of a workspace that are not a row's.
 */
#ifndef ACCOUNT_MUTEX_H
#define ACCOUNT_MUTEX_H

#include "postgres.h"

#include "utils/uuid.h"

/* The fourth field of an advisory lock's tag; SQL takes 1 and 2. */
typedef enum Mutex
{
	MUTEX_CHAIN = 0xacc, /* adding a link to the chain of events */
	MUTEX_WALLET,		 /* being the next to have the row of a wallet that somebody has */
} Mutex;

extern bool MutexLock(Mutex mutex, const pg_uuid_t *workspace_id);

#endif /* ACCOUNT_MUTEX_H */
