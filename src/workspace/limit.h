/*
 * limit.h
 *		Limits of workspaces.
 */
#ifndef ACCOUNT_LIMIT_H
#define ACCOUNT_LIMIT_H

#include "postgres.h"

extern bool LimitIsOwn(const char *name);

#endif /* ACCOUNT_LIMIT_H */
