/*
 * profile.c
 *		The profile of a person or team: update_profile.
 *
 * It is their workspace's: the display name is the workspace's name, all else a
 * row of account_data.profiles, made by the first change.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/errors.h"
#include "people/profile.h"
#include "people/user.h"

#define MIN_BIO 10 /* characters */
#define MAX_BIO 500
#define MAX_INTRO 65536 /* bytes */
#define PROFILE_COLUMNS 10

static Statement preview = {
	.types = "uuid, jsonb",
	.mode = QUERY_FRESH,
	.sql = "SELECT to_jsonb(f), to_jsonb(n)"
		   " FROM account_data.profile_fields f, jsonb_populate_record(f, $2) n"
		   " WHERE f.workspace_id = $1",
};

/* clang-format off */
/* Of account_data.profiles, but for the workspace. */
#define COLUMNS(row) \
	row "company, " row "location, " row "use_case, " row "bio, " row "intro, " \
	row "icon_colour, " row "icon_initials, " row "icon_image, " \
	row "links_github, " row "links_linkedin, " row "links_x, " row "links_youtube, " \
	row "links_scholar, " row "links_discord, " row "links_website, " row "hide_teams"

static Statement write_profile = {
	.types = "uuid, jsonb",
	.mode = QUERY_FRESH,
	.sql = "WITH new AS ("
		   "  SELECT n.* FROM account_data.profile_fields f, jsonb_populate_record(f, $2) n"
		   "   WHERE f.workspace_id = $1),"
		   " named AS ("
		   "  UPDATE account_data.workspaces w SET name = n.display_name FROM new n"
		   "   WHERE w.id = $1 AND w.name IS DISTINCT FROM n.display_name)"
		   " INSERT INTO account_data.profiles (workspace_id, " COLUMNS("") ")"
		   "  SELECT workspace_id, " COLUMNS("") " FROM new"
		   "  ON CONFLICT (workspace_id) DO UPDATE SET (" COLUMNS("") ") = (" COLUMNS("excluded.") ")",
};
/* clang-format on */

static Statement read_profile = {
	.types = "",
	.mode = QUERY_FRESH,
	.sql = "SELECT username, display_name, company, location, use_case, bio, intro, icon, links,"
		   " hide_teams FROM account.profile",
};

static void
CheckLine(const PatchField *field, JsonbValue *value)
{
	(void) NameFromText(cstring_to_text(PatchString(value)), PatchPath(field), field->max);
}

/* What may have several lines. */
static void
RefuseControl(const PatchField *field, const JsonbValue *value)
{
	if (TextHasControl(PatchString(value), "\t\n\r"))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it contains a control character", field->name)));
}

static void
CheckBio(const PatchField *field, JsonbValue *value)
{
	int chars = pg_mbstrlen_with_len(value->val.string.val, value->val.string.len);

	if (chars < MIN_BIO || chars > MAX_BIO)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID),
				 errmsg("invalid %s: too %s", field->name, chars < MIN_BIO ? "short" : "long"),
				 errdetail("It must be empty or have %d to %d characters.", MIN_BIO, MAX_BIO)));
	RefuseControl(field, value);
}

static void
CheckIntro(const PatchField *field, JsonbValue *value)
{
	if (value->val.string.len > MAX_INTRO)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid %s: too long", field->name),
				 errdetail("It may take %d bytes.", MAX_INTRO)));
	RefuseControl(field, value);
}

/* Kept in lower case. */
static void
CheckColour(const PatchField *field, JsonbValue *value)
{
	char *colour = PatchString(value);

	for (char *c = colour; *c; c++)
		*c = pg_ascii_tolower(*c);
	if (strlen(colour) != 7 || colour[0] != '#' || strspn(colour + 1, "0123456789abcdef") != 6)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be like \"#1a2b3c\"", PatchPath(field))));
	value->val.string.val = colour;
}

/* clang-format off */
#define TEXT(column) .name = column, .type = jbvString, .reset_to = "null"
#define ICON(member) TEXT("icon_" member), .group = "icon"
#define LINK(member) TEXT("links_" member), .group = "links"

static const PatchField fields[] = {
	{.name = "display_name", .type = jbvString, .check = CheckLine, .max = USER_MAX_DISPLAY_NAME},
	{TEXT("company"), .check = CheckLine, .max = 100},
	{TEXT("location"), .check = CheckLine, .max = 100},
	{TEXT("use_case"), .check = ProfileCheckUseCase},
	{TEXT("bio"), .check = CheckBio},
	{TEXT("intro"), .check = CheckIntro},
	{ICON("colour"), .check = CheckColour},
	{ICON("initials"), .check = CheckLine, .max = 3},
	{ICON("image"), .check = ProfileCheckImage},
	{LINK("github"), .check = ProfileCheckLink},
	{LINK("linkedin"), .check = ProfileCheckLink},
	{LINK("x"), .check = ProfileCheckLink},
	{LINK("youtube"), .check = ProfileCheckLink},
	{LINK("scholar"), .check = ProfileCheckLink},
	{LINK("discord"), .check = ProfileCheckLink},
	{LINK("website"), .check = ProfileCheckWebsite},
	{.name = "hide_teams", .type = jbvBool, .reset_to = "false", .whose = PATCH_PEOPLE},
};
/* clang-format on */

const PatchTarget profile_target = {
	.resource_type = "profile",
	.what = "profile",
	.fields = fields,
	.nfields = lengthof(fields),
	.is_empty_null = true,
	.preview = &preview,
	.write = &write_profile,
};

PG_FUNCTION_INFO_V1(account_update_profile);
Datum
account_update_profile(PG_FUNCTION_ARGS)
{
	Workspace workspace;
	NullableDatum row[PROFILE_COLUMNS];
	Datum values[PROFILE_COLUMNS];
	bool nulls[PROFILE_COLUMNS];

	ArgRequired(fcinfo, 0, "patch");
	(void) WorkspaceLockActive(ROLE_ADMIN, &workspace);
	PatchApply(&profile_target, &workspace,
			   PatchRead(&profile_target, &workspace, PG_GETARG_JSONB_P(0)));
	(void) QueryRow(&read_profile, NULL, row, PROFILE_COLUMNS);
	for (int i = 0; i < PROFILE_COLUMNS; i++)
	{
		values[i] = row[i].value;
		nulls[i] = row[i].isnull;
	}
	PG_RETURN_DATUM(ResultRow(fcinfo, values, nulls));
}
