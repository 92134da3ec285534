/*
 * setting.c
 *		Settings of a workspace, changed by a merge patch (RFC 7396).
 *
 * Each setting is a column of account_data.workspaces of the same name; the
 * table below says what a patch may hold and what null puts back.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "access/event.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "workspace/workspace.h"

typedef enum
{
	SETTING_BOOL,
	SETTING_ROLE,
	SETTING_INTERVAL,
} SettingType;

static const struct Setting
{
	const char *name;
	SettingType type;
	const char *reset_to; /* JSON */
	bool is_team_only;
} settings[] = {
	{"api_key_min_role", SETTING_ROLE, "\"editor\"", false},
	{"api_key_creation", SETTING_BOOL, "true", false},
	{"api_key_personal", SETTING_BOOL, "true", true},
	{"api_key_reveal", SETTING_BOOL, "true", false},
	{"api_key_max_age", SETTING_INTERVAL, "null", false},
	{"members_can_invite", SETTING_BOOL, "false", true},
	{"hidden", SETTING_BOOL, "false", true},
	{"public_sharing", SETTING_BOOL, "true", true},
	{"recommend_to_domain", SETTING_BOOL, "false", true},
	{"code_saving", SETTING_BOOL, "false", false},
};

/* Writes the patch; gives {"column": [old, new], …} of what it changed. */
static Statement apply_patch = {
	.types = "uuid, jsonb",
	.sql =
		"WITH old AS ("
		"  SELECT to_jsonb(w) AS was FROM account_data.workspaces w WHERE id = $1),"
		" new AS ("
		"  UPDATE account_data.workspaces w SET (api_key_min_role, api_key_creation, api_key_personal,"
		"    api_key_reveal, api_key_max_age, members_can_invite, hidden, public_sharing,"
		"    recommend_to_domain, code_saving) = ("
		"    SELECT n.api_key_min_role, n.api_key_creation, n.api_key_personal, n.api_key_reveal,"
		"      n.api_key_max_age, n.members_can_invite, n.hidden, n.public_sharing,"
		"      n.recommend_to_domain, n.code_saving"
		"    FROM jsonb_populate_record(w, $2) n)"
		"  WHERE id = $1 RETURNING to_jsonb(w) AS now)"
		" SELECT jsonb_object_agg(key, jsonb_build_array(was -> key, now -> key))::text"
		" FROM old, new, jsonb_object_keys($2) key"
		" WHERE was -> key IS DISTINCT FROM now -> key",
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

static const struct Setting *
FindSetting(const char *name, size_t len)
{
	for (size_t i = 0; i < lengthof(settings); i++)
		if (strlen(settings[i].name) == len && memcmp(settings[i].name, name, len) == 0)
			return &settings[i];
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
					errmsg("invalid setting: unknown field \"%.*s\"", (int) Min(len, 100), name)));
}

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
CheckInterval(const struct Setting *setting, const JsonbValue *value)
{
	Interval age;
	Interval zero = {0};

	if (!ReadInterval(pnstrdup(value->val.string.val, value->val.string.len), &age))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be an interval", setting->name),
						errhint("Write it like \"90 days\".")));
	if (DatumGetBool(
			DirectFunctionCall2(interval_le, IntervalPGetDatum(&age), IntervalPGetDatum(&zero))))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be longer than zero", setting->name)));
	if (!ArgIntervalFits(&age))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be at most 100 years", setting->name)));
}

static void
CheckRole(const struct Setting *setting, const JsonbValue *value)
{
	char *label = pnstrdup(value->val.string.val, value->val.string.len);
	int role = CatalogEnumFromLabel(ENUM_ROLE, label);

	if (role < ROLE_EDITOR)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be editor, admin or owner", setting->name)));
}

static void
CheckValue(const struct Setting *setting, const JsonbValue *value)
{
	if (value->type != (setting->type == SETTING_BOOL ? jbvBool : jbvString))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be a %s", setting->name,
							   setting->type == SETTING_BOOL ? "boolean" : "string")));
	if (setting->type == SETTING_INTERVAL)
		CheckInterval(setting, value);
	if (setting->type == SETTING_ROLE)
		CheckRole(setting, value);
}

/* The value that null puts back. */
static JsonbValue
ResetValue(const struct Setting *setting)
{
	Jsonb *json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(setting->reset_to)));
	JsonbValue value;

	(void) JsonbExtractScalar(&json->root, &value);
	return value;
}

/* The patch, each field checked and each null replaced by its default. */
static Jsonb *
CheckPatch(Jsonb *patch, bool is_team)
{
	JsonbIterator *iterator = JsonbIteratorInit(&patch->root);
	JsonbParseState *state = NULL;
	JsonbValue key;
	JsonbValue value;
	JsonbIteratorToken token;

	if (!JB_ROOT_IS_OBJECT(patch))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid patch: not an object")));
	(void) JsonbIteratorNext(&iterator, &key, false);
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) == WJB_KEY)
	{
		const struct Setting *setting = FindSetting(key.val.string.val, key.val.string.len);

		(void) JsonbIteratorNext(&iterator, &value, true);
		if (setting->is_team_only && !is_team)
			ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
							errmsg("invalid setting: \"%s\" is for teams", setting->name)));
		if (value.type == jbvNull)
			value = ResetValue(setting);
		else
			CheckValue(setting, &value);
		(void) pushJsonbValue(&state, WJB_KEY, &key);
		(void) pushJsonbValue(&state, WJB_VALUE, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

PG_FUNCTION_INFO_V1(account_update_team_settings);
Datum
account_update_team_settings(PG_FUNCTION_ARGS)
{
	Workspace workspace;
	NullableDatum args[2];
	NullableDatum row[1];

	ArgRequired(fcinfo, 0, "patch");
	(void) WorkspaceLockActive(ROLE_ADMIN, &workspace);
	args[0] = ArgUuid(&workspace.id);
	args[1] = ArgPointer(CheckPatch(PG_GETARG_JSONB_P(0), workspace.is_team));
	if (!QueryRow(&apply_patch, args, row, 1) || row[0].isnull)
		PG_RETURN_VOID();
	QueryRun(&forget_seals, args);
	EventWrite(&(Event){.workspace_id = &workspace.id,
						.resource_type = "settings",
						.resource_id = &workspace.id,
						.action = "updated",
						.metadata = TextDatumGetCString(row[0].value)});
	PG_RETURN_VOID();
}
