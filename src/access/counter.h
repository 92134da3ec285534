/*
 * counter.h
 *		How often proofs held and failed, and why.
 */
#ifndef ACCOUNT_COUNTER_H
#define ACCOUNT_COUNTER_H

#include "postgres.h"

typedef enum Counter
{
	COUNTER_API_KEY_VALID,
	COUNTER_API_KEY_NOT_FOUND,
	COUNTER_API_KEY_DISABLED,
	COUNTER_API_KEY_EXPIRED,
	COUNTER_API_KEY_SCOPE,
	COUNTER_API_KEY_ADDRESS,
	COUNTER_SESSION_VALID,
	COUNTER_SESSION_INVALID,
	COUNTER_EMAIL_CODE_VALID,
	COUNTER_EMAIL_CODE_INVALID,
	COUNTER_INVITE_NOT_FOUND,
	COUNTERS
} Counter;

extern void CounterAdd(Counter counter);
extern void CounterInit(void);

#endif /* ACCOUNT_COUNTER_H */
