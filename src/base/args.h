/*
 * args.h
 *		Arguments of doors: the shapes that several of them check, and results.
 */
#ifndef ACCOUNT_ARGS_H
#define ACCOUNT_ARGS_H

#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "base/catalog.h"

#define ARG_MAX_SYMBOL 63

extern bool TextHasControl(const char *s, const char *but);
extern char *NameFromText(const text *value, const char *what, int max_chars);
extern char *ArgName(FunctionCallInfo fcinfo, int n, const char *what, int max_chars);
extern char *ArgSymbol(FunctionCallInfo fcinfo, int n, const char *what);
extern char *ArgOptionalText(FunctionCallInfo fcinfo, int n);
extern void ArgRequired(FunctionCallInfo fcinfo, int n, const char *what);
extern void ArgArray(ArrayType *array, const char *what, int max_elements);
extern bool ArgIntervalFits(const Interval *interval);
extern Interval *ArgInterval(FunctionCallInfo fcinfo, int n, const char *what);
extern TimestampTz ArgTimeFromNow(FunctionCallInfo fcinfo, int n, const char *what);
extern AccountRole ArgGetRole(FunctionCallInfo fcinfo, int n, const char *what);
extern TriggerData *ArgTrigger(FunctionCallInfo fcinfo);
extern void ResultPut(const NullableDatum *row, void *result);
extern Datum ResultRow(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

/* The first element of an array without nulls. */
static inline void *
ArrayElements(ArrayType *array)
{
	return (char *) array + ARR_OVERHEAD_NONULLS(ARR_NDIM(array));
}

#endif /* ACCOUNT_ARGS_H */
