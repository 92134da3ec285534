/*
 * username.c
 *		The one namespace of usernames and workspace slugs.
 *
 * A name is taken by its row in account_data.slugs, for good: the primary key
 * decides between two who want it at once.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/operator_list.h"
#include "base/query.h"
#include "people/username.h"

#define MIN_LEN 4
#define MAX_LEN 32

static OperatorList reserved_names = OPERATOR_LIST("reserved name", "reserved_names", "name",
												   "is_reserved");

static Statement find_slug = {
	.types = "text",
	.mode = QUERY_READ,
	.sql = "SELECT true FROM account_data.slugs WHERE slug = $1",
};

static Statement take_slug = {
	.types = "text, account.region",
	.sql = "INSERT INTO account_data.slugs (slug, region) VALUES ($1, $2) ON CONFLICT DO NOTHING",
};

/* The first free one of name-2, name-3 …, cut so that it fits. */
static Statement suggest_slug = {
	.types = "text",
	.mode = QUERY_READ,
	.sql =
		"SELECT candidate FROM generate_series(2, 1000) n,"
		" LATERAL (SELECT rtrim(left($1, 31 - length(n::text)), '-') || '-' || n AS candidate) c"
		" WHERE NOT EXISTS (SELECT FROM account_data.slugs WHERE slug = candidate)"
		"  AND NOT EXISTS (SELECT FROM account_data.reserved_names_in_force WHERE name = candidate)"
		" ORDER BY n LIMIT 1",
};

/* What is wrong with a name, however short it is; NULL when nothing is. */
static const char *
ReservedProblem(const char *name)
{
	size_t len = strlen(name);

	if (len > MAX_LEN)
		return "it is longer than 32 characters";
	for (const char *c = name; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-'))
			return "it has other than lower-case letters, digits and hyphens";
	if (name[0] == '-' || name[len - 1] == '-')
		return "it begins or ends with a hyphen";
	if (strstr(name, "--") != NULL)
		return "it has two hyphens in a row";
	return NULL;
}

/* What is wrong with the shape of a name that somebody wants. */
static const char *
ShapeProblem(const char *name)
{
	return strlen(name) < MIN_LEN ? "it is shorter than 4 characters" : ReservedProblem(name);
}

/* Raises 22023 for a name nobody may have; what is "username" or "slug". */
void
UsernameCheck(const char *name, const char *what)
{
	const char *problem = ShapeProblem(name);

	if (problem == NULL && OperatorListHas(&reserved_names, name))
		problem = "it is reserved";
	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid %s: %s", what, problem)));
}

/* Takes a name that was checked, or raises 23505; what is "username" or "slug". */
void
UsernameTake(const char *name, const char *what, AccountRegion region)
{
	NullableDatum args[2] = {ArgText(name), ArgRegion(region)};

	if (QueryRun(&take_slug, args) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_TAKEN), errmsg("%s \"%s\" already exists", what, name)));
}

static bool
IsTaken(const char *name)
{
	NullableDatum args[1] = {ArgText(name)};

	return QueryRun(&find_slug, args) > 0;
}

static char *
Suggest(const char *name)
{
	NullableDatum args[1] = {ArgText(name)};
	NullableDatum row[1];

	return QueryRow(&suggest_slug, args, row, 1) ? TextDatumGetCString(row[0].value) : NULL;
}

/* (available, reason, suggestion) */
PG_FUNCTION_INFO_V1(account_check_username);
Datum
account_check_username(PG_FUNCTION_ARGS)
{
	char *name;
	const char *reason;
	char *suggestion = NULL;
	bool is_wellformed;
	Datum values[3];
	bool nulls[3];

	ArgRequired(fcinfo, 0, "name");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	reason = ShapeProblem(name);
	is_wellformed = reason == NULL;
	if (is_wellformed && OperatorListHas(&reserved_names, name))
		reason = "it is reserved";
	else if (is_wellformed && IsTaken(name))
		reason = "it already exists";
	if (is_wellformed && reason != NULL && !PG_ARGISNULL(1) && PG_GETARG_BOOL(1))
		suggestion = Suggest(name);
	values[0] = BoolGetDatum(reason == NULL);
	nulls[0] = false;
	nulls[1] = reason == NULL;
	values[1] = reason == NULL ? (Datum) 0 : CStringGetTextDatum(reason);
	nulls[2] = suggestion == NULL;
	values[2] = suggestion == NULL ? (Datum) 0 : CStringGetTextDatum(suggestion);
	PG_RETURN_DATUM(ResultRow(fcinfo, values, nulls));
}

/* A name to reserve may be shorter than any that can be taken. */
static char *
ArgReserved(FunctionCallInfo fcinfo, int n)
{
	char *name = ArgName(fcinfo, n, "name", MAX_LEN);
	const char *problem = ReservedProblem(name);

	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid name: %s", problem)));
	return name;
}

/* Who has the name keeps it. */
PG_FUNCTION_INFO_V1(account_add_reserved_name);
Datum
account_add_reserved_name(PG_FUNCTION_ARGS)
{
	OperatorListAdd(&reserved_names, ArgReserved(fcinfo, 0));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_remove_reserved_name);
Datum
account_remove_reserved_name(PG_FUNCTION_ARGS)
{
	OperatorListRemove(&reserved_names, ArgReserved(fcinfo, 0));
	PG_RETURN_VOID();
}
