/*
 * shmem.h
 *		Memory that all backends share, where the server preloads the library.
 */
#ifndef ACCOUNT_SHMEM_H
#define ACCOUNT_SHMEM_H

#include "postgres.h"

/*
 * Memory under a name, made once by the function, which gets zeros.  The pointer
 * is NULL for good without shared_preload_libraries: what uses it does without.
 */
typedef struct SharedPart
{
	const char *name;
	Size size;
	void **memory;
	void (*make)(void);
} SharedPart;

extern void ShmemShare(const SharedPart *part);
extern void ShmemInit(void);

#endif /* ACCOUNT_SHMEM_H */
