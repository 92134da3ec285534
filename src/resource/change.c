/*
 * change.c
 *		The triggers that count rows of resources and record their changes.
 *
 * A plain table has them for each statement, with the rows as transition
 * tables.  Partitions and heirs have rows written behind the back of the whole
 * table, so there the triggers are for each row, and one for the end.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "base/errors.h"
#include "resource/change.h"
#include "resource/usage.h"
#include "resource/watch.h"

/* Longer values are only said to have changed. */
#define MAX_RECORDED 4000

static const char *insert_action = "created";

/* What inserted rows are said to be; gives what they were said to be before. */
const char *
ChangeInsertAction(const char *action)
{
	const char *before = insert_action;

	insert_action = action;
	return before;
}

/* The row that an UPDATE took out of one partition and is about to put into another. */
static struct
{
	MemoryContext query; /* whose row it is */
	Oid relid;
	TupleTableSlot *row;
	bool is_waiting;
} moved;

static void
ForgetMoved(void *arg)
{
	moved.query = NULL;
}

void
ChangeMoved(MemoryContext query, const Shape *shape, TupleTableSlot *row)
{
	if (moved.query != query || moved.relid != shape->relid)
	{
		MemoryContext old = MemoryContextSwitchTo(query);
		MemoryContextCallback *release = palloc0(sizeof(MemoryContextCallback));

		release->func = ForgetMoved;
		MemoryContextRegisterResetCallback(query, release);
		moved.row = MakeSingleTupleTableSlot(shape->desc, &TTSOpsHeapTuple);
		moved.relid = shape->relid;
		moved.query = query;
		MemoryContextSwitchTo(old);
	}
	ExecCopySlot(moved.row, row);
	moved.is_waiting = true;
}

static TupleTableSlot *
TakeMoved(MemoryContext query, const Shape *shape)
{
	if (moved.query != query || moved.relid != shape->relid || !moved.is_waiting)
		return NULL;
	moved.is_waiting = false;
	return moved.row;
}

/* What rows of one statement add up to. */
typedef struct Change
{
	struct Change *outer; /* in by_row */
	MemoryContext query;
	MemoryContext memory;
	MemoryContext row;
	MemoryContextCallback release;
	const Shape *shape;
	const char *action;
	Tallies tallies;
	Watch *watch;
} Change;

/* Of statements whose rows come one by one, until their end. */
static Change *by_row = NULL;

static void
AppendValue(StringInfo json, const char *text)
{
	if (text == NULL)
		appendStringInfoString(json, "null");
	else
		escape_json(json, text);
}

static void
AppendChange(StringInfo json, const char *before, const char *after)
{
	appendStringInfoString(json, ": [");
	AppendValue(json, before);
	appendStringInfoString(json, ", ");
	AppendValue(json, after);
	appendStringInfoChar(json, ']');
}

/* {"column": ["old", "new"], …} in the text of the types; NULL when nothing changed. */
static char *
Difference(const Shape *shape, TupleTableSlot *old, TupleTableSlot *new)
{
	StringInfoData json;

	initStringInfo(&json);
	slot_getallattrs(old);
	slot_getallattrs(new);
	for (int i = 0; i < shape->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(shape->desc, i);
		char *before;
		char *after;

		if (att->attisdropped || att->attgenerated || (old->tts_isnull[i] && new->tts_isnull[i]) ||
			(!old->tts_isnull[i] && !new->tts_isnull[i] &&
			 datum_image_eq(old->tts_values[i], new->tts_values[i], att->attbyval, att->attlen)))
			continue;
		appendStringInfoString(&json, json.len == 0 ? "{" : ", ");
		escape_json(&json, NameStr(att->attname));
		before = ShapeText(shape, old, att->attnum);
		after = ShapeText(shape, new, att->attnum);
		if ((before != NULL && strlen(before) > MAX_RECORDED) ||
			(after != NULL && strlen(after) > MAX_RECORDED))
		{
			appendStringInfoString(&json, ": null");
			continue;
		}
		AppendChange(&json, before, after);
	}
	if (json.len == 0)
		return NULL;
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* A row that leaves a workspace is an event there too: where to, and nothing of what it became. */
static void
Left(Change *change, const pg_uuid_t *from, TupleTableSlot *old, TupleTableSlot *new)
{
	const Shape *shape = change->shape;
	StringInfoData json;

	if (!WatchWants(change->watch))
	{
		WatchNote(change->watch, from, NULL, NULL, NULL, false);
		return;
	}
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	escape_json(&json, NameStr(TupleDescAttr(shape->desc, shape->workspace - 1)->attname));
	AppendChange(&json, ShapeText(shape, old, shape->workspace),
				 ShapeText(shape, new, shape->workspace));
	appendStringInfoChar(&json, '}');
	WatchNote(change->watch, from, ShapeResourceId(shape, old), ShapeName(shape, old), json.data,
			  false);
}

static void
Inserted(Change *change, TupleTableSlot *row)
{
	const Shape *shape = change->shape;
	const pg_uuid_t *workspace_id = ShapeWorkspace(shape, row);

	if (workspace_id == NULL)
		return;
	UsageNote(&change->tallies, workspace_id, shape->limit, shape->category, 1,
			  ShapeSize(shape, row));
	if (WatchWants(change->watch))
		WatchNote(change->watch, workspace_id, ShapeResourceId(shape, row), ShapeName(shape, row),
				  NULL, false);
	else
		WatchNote(change->watch, workspace_id, NULL, NULL, NULL, false);
}

static void
Updated(Change *change, TupleTableSlot *old, TupleTableSlot *new)
{
	const Shape *shape = change->shape;
	const pg_uuid_t *from = ShapeWorkspace(shape, old);
	const pg_uuid_t *to = ShapeWorkspace(shape, new);
	char *metadata;

	if (from != NULL && to != NULL && memcmp(from, to, UUID_LEN) == 0)
	{
		int64 grown = ShapeSize(shape, new) - ShapeSize(shape, old);

		if (grown != 0)
			UsageNote(&change->tallies, to, shape->limit, shape->category, 0, grown);
	}
	else
	{
		if (from != NULL)
		{
			UsageNote(&change->tallies, from, shape->limit, shape->category, -1,
					  -ShapeSize(shape, old));
			Left(change, from, old, new);
		}
		if (to != NULL)
			UsageNote(&change->tallies, to, shape->limit, shape->category, 1,
					  ShapeSize(shape, new));
	}
	if (to == NULL)
		return;
	if (!WatchWants(change->watch))
		WatchNote(change->watch, to, NULL, NULL, NULL, false);
	else if ((metadata = Difference(shape, old, new)) != NULL)
		WatchNote(change->watch, to, ShapeResourceId(shape, new), ShapeName(shape, new), metadata,
				  true);
}

static TupleTableSlot *
Rewind(Tuplestorestate *rows, TupleDesc desc)
{
	tuplestore_select_read_pointer(rows, tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND));
	tuplestore_rescan(rows);
	return MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
}

/* All rows of a statement; old and new rows of an UPDATE stand in the same order. */
static void
ChangeAll(Change *change, TriggerData *trigger)
{
	TupleDesc desc = RelationGetDescr(trigger->tg_relation);
	Tuplestorestate *olds = trigger->tg_oldtable;
	Tuplestorestate *news = trigger->tg_newtable;
	TupleTableSlot *old = olds == NULL ? NULL : Rewind(olds, desc);
	TupleTableSlot *new = Rewind(news, desc);

	while (tuplestore_gettupleslot(news, true, false, new) &&
		   (olds == NULL || tuplestore_gettupleslot(olds, true, false, old)))
	{
		MemoryContext outer = MemoryContextSwitchTo(change->row);

		CHECK_FOR_INTERRUPTS();
		if (old == NULL)
			Inserted(change, new);
		else
			Updated(change, old, new);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(change->row);
	}
	ExecDropSingleTupleTableSlot(new);
	tuplestore_select_read_pointer(news, 0);
	if (old != NULL)
	{
		ExecDropSingleTupleTableSlot(old);
		tuplestore_select_read_pointer(olds, 0);
	}
}

/* from is the row as it was in another partition. */
static void
ChangeOne(Change *change, TriggerData *trigger, TupleTableSlot *from)
{
	const Shape *shape = change->shape;
	Relation relation = trigger->tg_relation;
	TupleTableSlot *row = ShapeSlot(shape, relation, trigger->tg_trigslot);

	if (from != NULL)
		Updated(change, from, row);
	else if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		Inserted(change, row);
	else
		Updated(change, row, ShapeSlot(shape, relation, trigger->tg_newslot));
}

static void
Begin(Change *change, MemoryContext memory, const Shape *shape, const char *action, int64 expected)
{
	change->memory = memory;
	change->row = AllocSetContextCreate(memory, "account row", ALLOCSET_DEFAULT_SIZES);
	change->shape = shape;
	change->action = action;
	change->tallies.memory = memory;
	change->watch = WatchBegin(memory, shape, action, expected);
}

static void
End(Change *change)
{
	UsageWrite(&change->tallies);
	WatchEnd(change->watch);
}

static void
ReleaseChange(void *arg)
{
	Change **link = &by_row;

	while (*link != NULL && *link != arg)
		link = &(*link)->outer;
	if (*link != NULL)
		*link = (*link)->outer;
}

/* The one of the statement and table, whose shape may have been made anew since. */
static Change *
ChangeOf(MemoryContext query, const Shape *shape, const char *action)
{
	MemoryContext memory;
	Change *change;

	for (change = by_row; change != NULL; change = change->outer)
		if (change->query == query && change->shape->relid == shape->relid &&
			strcmp(change->action, action) == 0)
			return change;
	memory = AllocSetContextCreate(query, "account change", ALLOCSET_DEFAULT_SIZES);
	change = MemoryContextAllocZero(memory, sizeof(Change));
	Begin(change, memory, shape, action, -1);
	change->query = query;
	change->outer = by_row;
	by_row = change;
	change->release.func = ReleaseChange;
	change->release.arg = change;
	MemoryContextRegisterResetCallback(memory, &change->release);
	return change;
}

/* The end of a statement whose rows came one by one. */
static void
EndRows(MemoryContext query)
{
	Change *next;

	for (Change *change = by_row; change != NULL; change = next)
	{
		next = change->outer;
		if (change->query != query)
			continue;
		End(change);
		MemoryContextDelete(change->memory);
	}
}

/* A partition or heir that came later, for whose own statements no trigger tells the end. */
static bool
IsLone(Relation relation)
{
	for (int i = 0; i < relation->trigdesc->numtriggers; i++)
		if (strcmp(relation->trigdesc->triggers[i].tgname, CHANGE_END_TRIGGER) == 0)
			return false;
	return true;
}

static void
ChangeRow(MemoryContext query, const Shape *shape, TriggerData *trigger)
{
	bool is_insert = TRIGGER_FIRED_BY_INSERT(trigger->tg_event);
	TupleTableSlot *from = is_insert ? TakeMoved(query, shape) : NULL;
	Change *change = ChangeOf(query, shape, is_insert && from == NULL ? insert_action : "updated");
	MemoryContext old = MemoryContextSwitchTo(change->row);

	ChangeOne(change, trigger, from);
	MemoryContextSwitchTo(old);
	MemoryContextReset(change->row);
	if (IsLone(trigger->tg_relation))
		EndRows(query);
}

static void
ChangeStatement(const Shape *shape, TriggerData *trigger)
{
	Change change = {.query = NULL};

	Begin(&change, CurrentMemoryContext, shape,
		  TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? insert_action : "updated",
		  tuplestore_tuple_count(trigger->tg_newtable));
	ChangeAll(&change, trigger);
	End(&change);
}

/* AFTER INSERT OR UPDATE on resources */
PG_FUNCTION_INFO_V1(account_resource_changed);
Datum
account_resource_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	MemoryContext query = fcinfo->flinfo->fn_mcxt;
	const Shape *shape;
	int pin;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("this function is for triggers after INSERT or UPDATE only")));
	if (!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) && trigger->tg_newtable == NULL)
	{
		EndRows(query);
		PG_RETURN_POINTER(NULL);
	}
	if (trigger->tg_newtable != NULL && tuplestore_tuple_count(trigger->tg_newtable) == 0)
		PG_RETURN_POINTER(NULL);
	shape = ShapeOf(RelationGetRelid(trigger->tg_relation));
	if (!shape->is_resource)
		PG_RETURN_POINTER(NULL);
	pin = ImagePin(!shape->layout->is_steady);
	if (TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ChangeRow(query, shape, trigger);
	else
		ChangeStatement(shape, trigger);
	ImageUnpin(pin);
	PG_RETURN_POINTER(NULL);
}
