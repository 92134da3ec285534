/*
 * scope.h
 *		The names of scopes a key is limited to.
 */
#ifndef ACCOUNT_SCOPE_H
#define ACCOUNT_SCOPE_H

#include "postgres.h"

#include "utils/array.h"

#define SCOPE_MAX_LEN 64
#define SCOPE_MAX_COUNT 100

extern void ScopeCheck(const text *scope);
extern void ScopeCheckArray(ArrayType *scopes);

#endif /* ACCOUNT_SCOPE_H */
