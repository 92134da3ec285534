/*
 * early_release.h
 *		Letting go of a transaction's locks before its commit is on disk.
 */
#ifndef ACCOUNT_EARLY_RELEASE_H
#define ACCOUNT_EARLY_RELEASE_H

#include "postgres.h"

extern void EarlyReleaseInit(void);
extern void EarlyReleaseContended(void);
extern void EarlyRelease(void);

#endif /* ACCOUNT_EARLY_RELEASE_H */
