/*
 * undo.c
 *		Putting back what an update changed, unless it was changed again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "access/event.h"
#include "access/principal.h"
#include "access/role.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "people/profile.h"
#include "resource/shape.h"
#include "resource/undo.h"
#include "workspace/setting.h"

#define MAX_CHANGES 100

/*
 * The event, held against a second undo, and what it changed, a column a row.
 * One that somebody logged has no image: it could say anything.
 */
static Statement find_event = {
	.types = "uuid, uuid",
	.by_index = true,
	.sql = "SELECT resource_type, resource_id, at, action, image_of IS NOT NULL"
		   " FROM account_data.events WHERE workspace_id = $1 AND id = $2 FOR UPDATE",
};

static Statement note_undone = {
	.types = "uuid, uuid",
	.sql = "INSERT INTO account_data.undone_events (workspace_id, event_id) VALUES ($1, $2)"
		   " ON CONFLICT DO NOTHING",
};

static Statement list_changes = {
	.types = "uuid, uuid",
	.by_index = true,
	.sql = "SELECT c.key, jsonb_typeof(c.value) = 'array', c.value ->> 0, c.value ->> 1"
		   " FROM account_data.events e, jsonb_each(e.metadata) c"
		   " WHERE e.workspace_id = $1 AND e.id = $2 ORDER BY 1",
};

static Statement find_kind = {
	.types = "text",
	.sql = "SELECT relation::oid FROM account_data.resources WHERE kind = $1",
};

/* Fields ($3) that are not any more what the event made of them; what to make of all of them. */
static Statement changed_fields = {
	.types = "uuid, uuid, jsonb",
	.by_index = true,
	.sql = "SELECT string_agg(c.key, ', ' ORDER BY c.key)"
		   "   FILTER (WHERE $3 -> c.key IS DISTINCT FROM c.value -> 1),"
		   "  jsonb_object_agg(c.key, c.value -> 0)"
		   " FROM account_data.events e, jsonb_each(e.metadata) c"
		   " WHERE e.workspace_id = $1 AND e.id = $2",
};

/* What is changed by merge patches. */
static const PatchTarget *const patch_targets[] = {&setting_target, &profile_target};

typedef struct ColumnChange
{
	char *column;
	bool is_recorded; /* else the values were too long, or are redacted */
	char *old;		  /* NULL: null */
	char *new;
} ColumnChange;

typedef struct Changes
{
	MemoryContext memory;
	ColumnChange list[MAX_CHANGES];
	int count;
} Changes;

static void
AddChange(const NullableDatum *row, void *state)
{
	Changes *changes = state;
	MemoryContext old = MemoryContextSwitchTo(changes->memory);
	ColumnChange *change = &changes->list[changes->count];

	if (changes->count == MAX_CHANGES)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_WRONG_STATE),
				 errmsg("an event with more than %d changes cannot be undone", MAX_CHANGES)));
	change->column = TextDatumGetCString(row[0].value);
	change->is_recorded = DatumGetBool(row[1].value);
	change->old = row[2].isnull ? NULL : TextDatumGetCString(row[2].value);
	change->new = row[3].isnull ? NULL : TextDatumGetCString(row[3].value);
	changes->count++;
	MemoryContextSwitchTo(old);
}

static void
Conflict(const char *columns)
{
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
					errmsg("event cannot be undone: it was changed again"),
					errdetail("Changed since: %s.", columns)));
}

/* A text as the literal of a column's type. */
static char *
Literal(const Shape *shape, AttrNumber number, const char *text)
{
	Form_pg_attribute att = TupleDescAttr(shape->desc, number - 1);
	char *type = format_type_extended(att->atttypid, att->atttypmod,
									  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);

	return text == NULL ? psprintf("NULL::%s", type)
						: psprintf("%s::%s", quote_literal_cstr(text), type);
}

static AttrNumber
ColumnOf(const Shape *shape, const ColumnChange *change)
{
	AttrNumber number = get_attnum(shape->relid, change->column);

	if (number <= 0 || !change->is_recorded)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_WRONG_STATE),
				 errmsg("event cannot be undone: column \"%s\" %s", change->column,
						number <= 0 ? "does not exist any more" : "has no recorded values")));
	return number;
}

/* "WHERE" of the row, by its key; a composite one is compared as it was recorded. */
static void
AppendKey(StringInfo sql, const Shape *shape, const char *resource_id,
		  const pg_uuid_t *workspace_id)
{
	appendStringInfo(sql, " FROM %s WHERE %s = %s::pg_catalog.uuid AND %s = %s",
					 ShapeQuote(shape->relid),
					 quote_identifier(get_attname(shape->relid, shape->workspace, false)),
					 quote_literal_cstr(UuidText(workspace_id)), ShapeResourceIdSql(shape),
					 quote_literal_cstr(resource_id));
	if (shape->nkey == 1)
		appendStringInfo(sql, " AND %s = %s",
						 quote_identifier(get_attname(shape->relid, shape->key[0], false)),
						 Literal(shape, shape->key[0], resource_id));
}

/* The columns that do not have the value any more that the event gave them. */
static char *
ChangedSince(const Shape *shape, const Changes *changes, const char *key)
{
	TableStatement *find = palloc0(sizeof(TableStatement));
	StringInfoData sql;
	NullableDatum row[1];

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT pg_catalog.concat_ws(', '");
	for (int i = 0; i < changes->count; i++)
	{
		const ColumnChange *change = &changes->list[i];
		AttrNumber number = ColumnOf(shape, change);

		appendStringInfo(&sql, ", CASE WHEN %s::text IS DISTINCT FROM (%s)::text THEN %s END",
						 quote_identifier(change->column), Literal(shape, number, change->new),
						 quote_literal_cstr(change->column));
	}
	appendStringInfo(&sql, ")%s FOR UPDATE", key);
	find->owner = shape->owner;
	find->sql = sql.data;
	if (QueryTable(find, NULL, NULL, row, 1) == 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("event cannot be undone: what it changed does not exist")));
	return TextDatumGetCString(row[0].value);
}

/* A row that came from another workspace goes back only if one may write there too. */
static void
CheckWorkspace(const Shape *shape, const Changes *changes)
{
	const Principal *p = PrincipalRequire();

	for (int i = 0; i < changes->count; i++)
	{
		const ColumnChange *change = &changes->list[i];
		Membership membership;

		if (get_attnum(shape->relid, change->column) != shape->workspace || change->old == NULL)
			continue;
		membership = MembershipOf(
			DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(change->old))),
			&p->actor_id);
		if (!membership.is_member || membership.role < ROLE_EDITOR || !RoleLasts(membership.until))
			ErrorDenied("The row came from a workspace in which you are no editor.");
	}
}

/* event is the workspace and the id of the event, as list_changes takes them. */
static void
UndoResource(Oid relid, const NullableDatum event[2], const char *resource_id)
{
	const Shape *shape = ShapeOf(relid);
	Changes changes = {.memory = CurrentMemoryContext};
	TableStatement *update = palloc0(sizeof(TableStatement));
	StringInfoData key;
	StringInfoData sql;
	char *changed;
	int level = ImagePin(true);

	initStringInfo(&key);
	initStringInfo(&sql);
	QueryEach(&list_changes, event, 4, AddChange, &changes);
	CheckWorkspace(shape, &changes);
	AppendKey(&key, shape, resource_id, DatumGetUUIDP(event[0].value));
	changed = ChangedSince(shape, &changes, key.data);
	if (*changed != '\0')
		Conflict(changed);
	appendStringInfo(&sql, "UPDATE %s SET ", ShapeQuote(relid));
	for (int i = 0; i < changes.count; i++)
		appendStringInfo(&sql, "%s%s = %s", i == 0 ? "" : ", ",
						 quote_identifier(changes.list[i].column),
						 Literal(shape, ColumnOf(shape, &changes.list[i]), changes.list[i].old));
	appendStringInfoString(&sql, strstr(key.data, " WHERE "));
	update->owner = shape->owner;
	update->home = get_rel_namespace(relid);
	update->sql = sql.data;
	if (QueryTable(update, NULL, NULL, NULL, 0) == 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("event cannot be undone: table %s does not take the change",
							   ShapeQuote(relid)),
						errdetail("A trigger or a rule of the table leaves out the update.")));
	ImageUnpin(level);
}

static void
UndoPatch(const PatchTarget *target, const pg_uuid_t *event_id)
{
	Workspace workspace;
	NullableDatum args[3];
	NullableDatum row[2];

	(void) WorkspaceLockActive(ROLE_ADMIN, &workspace);
	args[0] = ArgUuid(&workspace.id);
	args[1] = ArgUuid(event_id);
	args[2] = ArgPointer(PatchFields(target, &workspace));
	(void) QueryRow(&changed_fields, args, row, 2);
	if (!row[0].isnull)
		Conflict(TextDatumGetCString(row[0].value));
	PatchApply(target, &workspace, DatumGetJsonbP(row[1].value));
}

/* What is changed by patches and has events of that type; NULL: nothing. */
static const PatchTarget *
FindTarget(const char *resource_type)
{
	for (size_t i = 0; i < lengthof(patch_targets); i++)
		if (strcmp(patch_targets[i]->resource_type, resource_type) == 0)
			return patch_targets[i];
	return NULL;
}

/* Whether events of that type are undone as something else than a resource. */
bool
UndoOwnsType(const char *resource_type)
{
	return FindTarget(resource_type) != NULL;
}

/* The event, held and noted as undone: who comes second finds it so. */
static void
TakeEvent(const NullableDatum args[2], NullableDatum event[5])
{
	if (!QueryRow(&find_event, args, event, 5))
		ErrorNotFound("event", DatumGetUUIDP(args[1].value));
	if (strcmp(TextDatumGetCString(event[3].value), "updated") != 0 ||
		DatumGetTimestampTz(event[2].value) <= GetCurrentStatementStartTimestamp() - USECS_PER_HOUR)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("event cannot be undone"),
						errdetail("Updates can be undone for an hour.")));
	if (QueryRun(&note_undone, args) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("event has been undone already")));
}

PG_FUNCTION_INFO_V1(account_undo);
Datum
account_undo(PG_FUNCTION_ARGS)
{
	const Principal *p;
	const PatchTarget *target;
	NullableDatum args[2];
	NullableDatum event[5];
	NullableDatum relation[1];
	bool has_image;

	ArgRequired(fcinfo, 0, "event_id");
	PrincipalRequirePerson();
	p = PrincipalRequireRole(ROLE_EDITOR);
	args[0] = ArgUuid(&p->workspace_id);
	args[1] = ArgUuid(PG_GETARG_UUID_P(0));
	TakeEvent(args, event);
	has_image = DatumGetBool(event[4].value);
	target = FindTarget(TextDatumGetCString(event[0].value));
	if (has_image && target != NULL)
		UndoPatch(target, PG_GETARG_UUID_P(0));
	else if (has_image && QueryRow(&find_kind, event, relation, 1) && !event[1].isnull)
		UndoResource(DatumGetObjectId(relation[0].value), args,
					 TextDatumGetCString(event[1].value));
	else
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("event cannot be undone"),
						errdetail("It is no update of settings, a profile or a resource.")));
	PG_RETURN_VOID();
}
