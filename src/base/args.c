/*
 * args.c
 *		Arguments of doors: the shapes that several of them check, and results.
 *
 * A bad argument is 22023 with the name of the argument, before anything is
 * looked up or locked.
 */
#include "postgres.h"

#include "access/xact.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"

void
ArgRequired(FunctionCallInfo fcinfo, int n, const char *what)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid %s: null", what)));
}

/* Whether the text has anything but ASCII blanks. */
static bool
HasText(const char *s)
{
	return s[strspn(s, " \t\r\n\f\v")] != '\0';
}

/* Whether it has a control character of ASCII but those. */
bool
TextHasControl(const char *s, const char *but)
{
	for (; *s; s++)
		if (((unsigned char) *s < 0x20 || *s == 0x7f) && strchr(but, *s) == NULL)
			return true;
	return false;
}

/* A name people give to a thing: 1 to max_chars characters, printable, not blank. */
char *
NameFromText(const text *value, const char *what, int max_chars)
{
	char *name;

	if (VARSIZE_ANY_EXHDR(value) > (size_t) max_chars * MAX_MULTIBYTE_CHAR_LEN ||
		pg_mbstrlen_with_len(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)) > max_chars)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid %s: too long", what),
						errdetail("It may have at most %d characters.", max_chars)));
	name = text_to_cstring(value);
	if (!HasText(name))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid %s: empty", what),
						errdetail("It must have 1 to %d characters.", max_chars)));
	if (TextHasControl(name, ""))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it contains a control character", what)));
	return name;
}

char *
ArgName(FunctionCallInfo fcinfo, int n, const char *what, int max_chars)
{
	ArgRequired(fcinfo, n, what);
	return NameFromText(PG_GETARG_TEXT_PP(n), what, max_chars);
}

/* A name that code goes by: lower-case letters, digits and underscores. */
char *
ArgSymbol(FunctionCallInfo fcinfo, int n, const char *what)
{
	char *name = ArgName(fcinfo, n, what, ARG_MAX_SYMBOL);

	if (name[0] < 'a' || name[0] > 'z' ||
		name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0')
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid %s: \"%s\"", what, name),
						errdetail("It must begin with a lower-case letter and have only lower-case "
								  "letters, digits and underscores.")));
	return name;
}

char *
ArgOptionalText(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* A list: one dimension at most, no NULL in it, at most max_elements long. */
void
ArgArray(ArrayType *array, const char *what, int max_elements)
{
	if (ARR_NDIM(array) > 1 || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID),
				 errmsg("invalid %s: it must be a list of one dimension without nulls", what)));
	if (ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) > max_elements)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid %s: too many entries", what),
				 errdetail("It may have at most %d entries.", max_elements)));
}

/* At most 100 years either way: such an interval can be added to any time of ours. */
bool
ArgIntervalFits(const Interval *interval)
{
	Datum value = IntervalPGetDatum(interval);
	Interval latest = {.month = 100 * MONTHS_PER_YEAR};
	Interval earliest = {.month = -100 * MONTHS_PER_YEAR};

	return DatumGetBool(DirectFunctionCall2(interval_le, value, IntervalPGetDatum(&latest))) &&
		   DatumGetBool(DirectFunctionCall2(interval_ge, value, IntervalPGetDatum(&earliest)));
}

/* An interval that fits. */
Interval *
ArgInterval(FunctionCallInfo fcinfo, int n, const char *what)
{
	ArgRequired(fcinfo, n, what);
	if (!ArgIntervalFits(PG_GETARG_INTERVAL_P(n)))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be at most 100 years", what)));
	return PG_GETARG_INTERVAL_P(n);
}

/* When an interval that begins with this statement is over. */
TimestampTz
ArgTimeFromNow(FunctionCallInfo fcinfo, int n, const char *what)
{
	Interval *interval = ArgInterval(fcinfo, n, what);
	Datum now = TimestampTzGetDatum(GetCurrentStatementStartTimestamp());

	return DatumGetTimestampTz(
		DirectFunctionCall2(timestamptz_pl_interval, now, IntervalPGetDatum(interval)));
}

AccountRole
ArgGetRole(FunctionCallInfo fcinfo, int n, const char *what)
{
	ArgRequired(fcinfo, n, what);
	return (AccountRole) CatalogEnumMember(ENUM_ROLE, PG_GETARG_OID(n));
}

/*
 * The row type that the function returns; one with a name is in the type cache,
 * FROM knows another.  Not for keeping: what the cache has may go whenever a
 * catalog is read.
 */
static TupleDesc
ResultDesc(FunctionCallInfo fcinfo)
{
	const ReturnSetInfo *result = (const ReturnSetInfo *) fcinfo->resultinfo;
	Oid type = get_fn_expr_rettype(fcinfo->flinfo);
	TupleDesc desc;

	if (OidIsValid(type) && type != RECORDOID)
	{
		desc = lookup_type_cache(type, TYPECACHE_TUPDESC)->tupDesc;
		if (desc != NULL)
			return desc;
	}
	if (result != NULL && IsA(result, ReturnSetInfo) && result->expectedDesc != NULL)
		return BlessTupleDesc(result->expectedDesc);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return BlessTupleDesc(desc);
}

/* What a trigger function was called for. */
TriggerData *
ArgTrigger(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("this function is for triggers only")));
	return (TriggerData *) fcinfo->context;
}

/* Adds a row to what a function returns, a ReturnSetInfo; QueryEach() can call it. */
void
ResultPut(const NullableDatum *row, void *result)
{
	ReturnSetInfo *info = result;
	Datum values[QUERY_MAX_COLUMNS];
	bool nulls[QUERY_MAX_COLUMNS];

	Assert(info->setDesc->natts <= QUERY_MAX_COLUMNS);
	for (int i = 0; i < info->setDesc->natts; i++)
	{
		values[i] = row[i].value;
		nulls[i] = row[i].isnull;
	}
	tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

/* A row of the function's declared result type. */
Datum
ResultRow(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	return HeapTupleGetDatum(heap_form_tuple(ResultDesc(fcinfo), values, nulls));
}
