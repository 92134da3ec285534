/*
 * scope.c
 *		The names of scopes a key is limited to: [a-z0-9_:.*-]{1,64}.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "access/scope.h"
#include "base/args.h"
#include "base/errors.h"

static bool
IsScope(const char *s, size_t len)
{
	if (len < 1 || len > SCOPE_MAX_LEN)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') ||
			  (s[i] != '\0' && strchr("_:.*-", s[i]) != NULL)))
			return false;
	return true;
}

void
ScopeCheck(const text *scope)
{
	if (!IsScope(VARDATA_ANY(scope), VARSIZE_ANY_EXHDR(scope)))
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid scope"),
				 errdetail("A scope is 1 to 64 of the characters a-z, 0-9, _, :, ., - and *."),
				 errhidestmt(true)));
}

void
ScopeCheckArray(ArrayType *scopes)
{
	ArrayIterator iterator;
	Datum scope;
	bool isnull;

	ArgArray(scopes, "scopes", SCOPE_MAX_COUNT);
	iterator = array_create_iterator(scopes, 0, NULL);
	while (array_iterate(iterator, &scope, &isnull))
		ScopeCheck(DatumGetTextPP(scope));
	array_free_iterator(iterator);
}
