/*
 * operator_list.c
 *		Lists that are shipped and that operators change.
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/operator_list.h"

bool
OperatorListHas(OperatorList *list, const char *entry)
{
	NullableDatum args[1] = {ArgText(entry)};

	return QueryRun(&list->has, args) > 0;
}

void
OperatorListAdd(OperatorList *list, const char *entry)
{
	NullableDatum args[1] = {ArgText(entry)};

	QueryRun(&list->add, args);
}

void
OperatorListRemove(OperatorList *list, const char *entry)
{
	NullableDatum args[1] = {ArgText(entry)};

	if (QueryRun(&list->remove, args) == 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_NOT_FOUND),
						errmsg("%s \"%s\" does not exist", list->what, entry)));
}
