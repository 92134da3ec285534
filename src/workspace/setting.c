/*
 * setting.c
 *		Settings of a workspace, changed by a merge patch (RFC 7396).
 *
 * Each setting is a column of account_data.workspaces of the same name.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "workspace/setting.h"

static Statement preview = {
	.types = "uuid, jsonb",
	.mode = QUERY_FRESH,
	.sql = "SELECT to_jsonb(w), to_jsonb(n)"
		   " FROM account_data.workspaces w, jsonb_populate_record(w, $2) n WHERE w.id = $1",
};

static Statement write_settings = {
	.types = "uuid, jsonb",
	.mode = QUERY_FRESH,
	.sql = "UPDATE account_data.workspaces w SET (api_key_min_role, api_key_creation,"
		   "   api_key_personal, api_key_reveal, api_key_max_age, members_can_invite, hidden,"
		   "   public_sharing, recommend_to_domain, code_saving) = ("
		   "  SELECT n.api_key_min_role, n.api_key_creation, n.api_key_personal, n.api_key_reveal,"
		   "    n.api_key_max_age, n.members_can_invite, n.hidden, n.public_sharing,"
		   "    n.recommend_to_domain, n.code_saving"
		   "  FROM jsonb_populate_record(w, $2) n)"
		   " WHERE id = $1",
};

/* Where keys are shown once there is no ciphertext of any: also of one made while this waited. */
static Statement forget_seals = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql =
		"UPDATE account_data.api_key_secrets s SET sealed = NULL"
		" FROM account_data.workspaces w"
		" WHERE w.id = $1 AND NOT w.api_key_reveal AND s.workspace_id = w.id AND s.sealed IS NOT NULL",
};

/* What interval_in() reads, without its errors: it has its own SQLSTATEs for them. */
static bool
ReadInterval(char *text, Interval *interval)
{
	char work[MAXDATELEN * 2];
	char *field[MAXDATEFIELDS];
	int ftype[MAXDATEFIELDS];
	struct pg_itm_in itm = {0};
	int nfields;
	int dtype = DTK_DELTA;
	int problem = ParseDateTime(text, work, sizeof(work), field, ftype, MAXDATEFIELDS, &nfields);

	if (problem == 0)
		problem = DecodeInterval(field, ftype, nfields, INTERVAL_FULL_RANGE, &dtype, &itm);
	if (problem == DTERR_BAD_FORMAT)
		problem = DecodeISO8601Interval(text, &dtype, &itm);
	return problem == 0 && dtype == DTK_DELTA && itmin2interval(&itm, interval) == 0;
}

static void
CheckInterval(const PatchField *field, JsonbValue *value)
{
	Interval age;
	Interval zero = {0};

	if (!ReadInterval(PatchString(value), &age))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be an interval", field->name),
						errhint("Write it like \"90 days\".")));
	if (DatumGetBool(
			DirectFunctionCall2(interval_le, IntervalPGetDatum(&age), IntervalPGetDatum(&zero))))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be longer than zero", field->name)));
	if (!ArgIntervalFits(&age))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be at most 100 years", field->name)));
}

static void
CheckRole(const PatchField *field, JsonbValue *value)
{
	if (CatalogEnumFromLabel(ENUM_ROLE, PatchString(value)) < ROLE_EDITOR)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be editor, admin or owner", field->name)));
}

static void
ForgetSeals(const Workspace *workspace)
{
	NullableDatum args[1] = {ArgUuid(&workspace->id)};

	QueryRun(&forget_seals, args);
}

static const PatchField settings[] = {
	{.name = "api_key_min_role", .type = jbvString, .reset_to = "\"editor\"", .check = CheckRole},
	{.name = "api_key_creation", .type = jbvBool, .reset_to = "true"},
	{.name = "api_key_personal", .type = jbvBool, .reset_to = "true", .whose = PATCH_TEAMS},
	{.name = "api_key_reveal", .type = jbvBool, .reset_to = "true"},
	{.name = "api_key_max_age", .type = jbvString, .reset_to = "null", .check = CheckInterval},
	{.name = "members_can_invite", .type = jbvBool, .reset_to = "false", .whose = PATCH_TEAMS},
	{.name = "hidden", .type = jbvBool, .reset_to = "false", .whose = PATCH_TEAMS},
	{.name = "public_sharing", .type = jbvBool, .reset_to = "true", .whose = PATCH_TEAMS},
	{.name = "recommend_to_domain", .type = jbvBool, .reset_to = "false", .whose = PATCH_TEAMS},
	{.name = "code_saving", .type = jbvBool, .reset_to = "false"},
};

const PatchTarget setting_target = {
	.resource_type = "settings",
	.what = "setting",
	.fields = settings,
	.nfields = lengthof(settings),
	.preview = &preview,
	.write = &write_settings,
	.after = ForgetSeals,
};

PG_FUNCTION_INFO_V1(account_update_team_settings);
Datum
account_update_team_settings(PG_FUNCTION_ARGS)
{
	Workspace workspace;

	ArgRequired(fcinfo, 0, "patch");
	(void) WorkspaceLockActive(ROLE_ADMIN, &workspace);
	PatchApply(&setting_target, &workspace,
			   PatchRead(&setting_target, &workspace, PG_GETARG_JSONB_P(0)));
	PG_RETURN_VOID();
}
