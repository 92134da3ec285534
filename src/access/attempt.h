/*
 * attempt.h
 *		Tries at something secret, counted for good before they are answered.
 */
#ifndef ACCOUNT_ATTEMPT_H
#define ACCOUNT_ATTEMPT_H

#include "postgres.h"

#include "datatype/timestamp.h"

extern int AttemptCount(const char *kind, const char *key, int max, TimestampTz expires_at);

#endif /* ACCOUNT_ATTEMPT_H */
