/*
 * merge_patch.c
 *		Merge patches (RFC 7396) on what a workspace has: settings, a profile.
 *
 * A target says in a table which fields there are and what each may hold.  A
 * patch is read whole before anything is written, into an object of one level:
 * what it puts into each column.  The caller holds the workspace's row from
 * before it is applied; two at once are one after the other.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"

#include "access/event.h"
#include "base/errors.h"
#include "workspace/merge_patch.h"

#define MAX_NAME_SHOWN 100 /* bytes of a name nobody knows, in an error */

static Statement difference = {
	.types = "jsonb, jsonb",
	.sql = "SELECT jsonb_object_agg(key, jsonb_build_array($1 -> key, $2 -> key))::text"
		   " FROM jsonb_object_keys($2) key WHERE $1 -> key IS DISTINCT FROM $2 -> key",
};

typedef struct Reader
{
	const PatchTarget *target;
	bool is_team;
	JsonbParseState *state; /* the object that is made */
} Reader;

/* How a patch names it: "links.x" is member "x" of object "links". */
const char *
PatchPath(const PatchField *field)
{
	if (field->group == NULL)
		return field->name;
	return psprintf("%s.%s", field->group, field->name + strlen(field->group) + 1);
}

char *
PatchString(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* What a patch calls it, inside of what its group is called. */
static bool
IsNamed(const PatchField *field, const char *group, const char *name)
{
	if (group == NULL || field->group == NULL)
		return group == field->group && strcmp(field->name, name) == 0;
	return strcmp(field->group, group) == 0 && strcmp(field->name + strlen(group) + 1, name) == 0;
}

static const PatchField *
FindField(const PatchTarget *target, const char *group, const char *name)
{
	for (int i = 0; i < target->nfields; i++)
		if (IsNamed(&target->fields[i], group, name))
			return &target->fields[i];
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
					errmsg("invalid %s: unknown field \"%s%s%.*s\"", target->what,
						   group == NULL ? "" : group, group == NULL ? "" : ".",
						   pg_mbcliplen(name, strlen(name), MAX_NAME_SHOWN), name)));
}

static bool
IsGroup(const PatchTarget *target, const char *name)
{
	for (int i = 0; i < target->nfields; i++)
		if (target->fields[i].group != NULL && strcmp(target->fields[i].group, name) == 0)
			return true;
	return false;
}

static void
CheckAudience(const Reader *reader, const PatchField *field)
{
	if (field->whose == (reader->is_team ? PATCH_PEOPLE : PATCH_TEAMS))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: \"%s\" is for %s", reader->target->what,
							   PatchPath(field), reader->is_team ? "people" : "teams")));
}

/* The value that null puts. */
static JsonbValue
ResetValue(const PatchField *field)
{
	JsonbValue value;

	if (field->reset_to == NULL)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it cannot be removed", PatchPath(field))));
	(void) JsonbExtractScalar(
		&DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(field->reset_to)))->root,
		&value);
	return value;
}

static void
Put(Reader *reader, const PatchField *field, JsonbValue value)
{
	JsonbValue key = {.type = jbvString};

	CheckAudience(reader, field);
	if (reader->target->is_empty_null && field->reset_to != NULL && value.type == jbvString &&
		value.val.string.len == 0)
		value.type = jbvNull;
	if (value.type == jbvNull)
		value = ResetValue(field);
	else if (value.type != field->type)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be a %s", PatchPath(field),
							   field->type == jbvBool ? "boolean" : "string")));
	else if (field->check != NULL)
		field->check(field, &value);
	key.val.string.val = unconstify(char *, field->name);
	key.val.string.len = strlen(field->name);
	(void) pushJsonbValue(&reader->state, WJB_KEY, &key);
	(void) pushJsonbValue(&reader->state, WJB_VALUE, &value);
}

static void ReadObject(Reader *reader, const char *group, JsonbContainer *object);

/* A group's members one by one; null removes them all. */
static void
ReadGroup(Reader *reader, const char *group, JsonbValue value)
{
	if (value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data))
		ReadObject(reader, group, value.val.binary.data);
	else if (value.type != jbvNull)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be an object", group)));
	else
		for (int i = 0; i < reader->target->nfields; i++)
			if (reader->target->fields[i].group != NULL &&
				strcmp(reader->target->fields[i].group, group) == 0)
				Put(reader, &reader->target->fields[i], value);
}

static void
ReadObject(Reader *reader, const char *group, JsonbContainer *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbValue key;
	JsonbValue value;

	(void) JsonbIteratorNext(&iterator, &key, false);
	while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY)
	{
		char *name = PatchString(&key);

		(void) JsonbIteratorNext(&iterator, &value, true);
		if (group == NULL && IsGroup(reader->target, name))
			ReadGroup(reader, name, value);
		else
			Put(reader, FindField(reader->target, group, name), value);
	}
}

/* What a patch puts into each column, each value checked. */
Jsonb *
PatchRead(const PatchTarget *target, const Workspace *workspace, Jsonb *patch)
{
	Reader reader = {.target = target, .is_team = workspace->is_team};

	if (!JB_ROOT_IS_OBJECT(patch))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid patch: not an object")));
	(void) pushJsonbValue(&reader.state, WJB_BEGIN_OBJECT, NULL);
	ReadObject(&reader, NULL, &patch->root);
	return JsonbValueToJsonb(pushJsonbValue(&reader.state, WJB_END_OBJECT, NULL));
}

/*
 * All fields as they are (0) and as they would be with some changed (1).  An
 * interval reads the same in every session: events keep it, an undo compares.
 */
static void
Preview(const PatchTarget *target, const Workspace *workspace, Jsonb *values, NullableDatum row[2])
{
	NullableDatum args[2] = {ArgUuid(&workspace->id), ArgPointer(values)};
	int level = NewGUCNestLevel();

	(void) set_config_option("intervalstyle", "postgres", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (!QueryRow(target->preview, args, row, 2))
		ErrorNotFound("workspace", &workspace->id);
	AtEOXact_GUC(true, level);
}

/* The fields as they are, an object of one level. */
Jsonb *
PatchFields(const PatchTarget *target, const Workspace *workspace)
{
	Jsonb *none = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
	NullableDatum row[2];

	Preview(target, workspace, none, row);
	return DatumGetJsonbP(row[0].value);
}

/* Puts values into columns; one event when that changes any. */
void
PatchApply(const PatchTarget *target, const Workspace *workspace, Jsonb *values)
{
	NullableDatum args[2] = {ArgUuid(&workspace->id), ArgPointer(values)};
	NullableDatum row[2];
	NullableDatum changes[1];

	Preview(target, workspace, values, row);
	(void) QueryRow(&difference, row, changes, 1);
	if (changes[0].isnull)
		return;
	QueryRun(target->write, args);
	if (target->after != NULL)
		target->after(workspace);
	EventWrite(&(Event){.workspace_id = &workspace->id,
						.resource_type = target->resource_type,
						.resource_id = &workspace->id,
						.action = "updated",
						.metadata = TextDatumGetCString(changes[0].value),
						.has_image = true});
}
