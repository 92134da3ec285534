/*
 * attach.c
 *		The triggers of resources and of what hangs on them.
 *
 * They are made as the table's owner, in whose name pg_dump will make them
 * again; the owner gets the rights that this takes.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/query.h"
#include "resource/attach.h"
#include "resource/shape.h"

static Statement list_resources = {
	.types = "",
	.sql = "SELECT r.relation::oid FROM account_data.resources r"
		   " JOIN pg_catalog.pg_class c ON c.oid = r.relation",
};

/* Every table whose rows may be deleted along, with this one first. */
static List *
Reach(Oid relid)
{
	List *reach = list_make1_oid(relid);

	for (int i = 0; i < list_length(reach); i++)
	{
		Oid each = list_nth_oid(reach, i);

		reach = list_concat_unique_oid(reach, ShapeMembers(each));
		reach = list_concat_unique_oid(reach, ShapeCascade(each));
	}
	return reach;
}

/* Whether rows come from partitions or heirs. */
static bool
HasRelatives(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE || has_subclass(relid) ||
		   has_superclass(relid);
}

Oid
AttachOwner(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* What making triggers and policies as the table's owner takes. */
static void
GrantOwner(Oid owner)
{
	const char *role = quote_identifier(GetUserNameFromId(owner, false));

	if (superuser_arg(owner) || owner == CatalogOwner())
		return;
	QueryCommand(CatalogOwner(),
				 psprintf("GRANT USAGE ON SCHEMA account, account_data TO %s", role));
	QueryCommand(CatalogOwner(),
				 psprintf("GRANT EXECUTE ON FUNCTION account_data.trash_capture(),"
						  " account_data.resource_truncated(), account_data.resource_changed(),"
						  " account.has_role(uuid, account.role) TO %s",
						  role));
	QueryCommand(CatalogOwner(), psprintf("GRANT USAGE ON TYPE account.role TO %s", role));
}

static const Trigger *
FindTrigger(Relation relation, const char *name)
{
	TriggerDesc *triggers = relation->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (strcmp(triggers->triggers[i].tgname, name) == 0)
			return &triggers->triggers[i];
	return NULL;
}

static void
MakeTrigger(Oid relid, const char *name, const char *when, const char *function)
{
	QueryCommand(AttachOwner(relid),
				 psprintf("CREATE TRIGGER %s %s EXECUTE FUNCTION account_data.%s()", name,
						  psprintf(when, ShapeQuote(relid)), function));
}

static void
DropTrigger(Oid relid, const char *name)
{
	Relation relation = table_open(relid, AccessShareLock);
	bool is_there = FindTrigger(relation, name) != NULL;

	table_close(relation, NoLock);
	if (is_there)
		QueryCommand(AttachOwner(relid),
					 psprintf("DROP TRIGGER %s ON %s", name, ShapeQuote(relid)));
}

/* Whether the capture triggers are those that the table needs now. */
static bool
IsAttached(Oid relid, bool by_row)
{
	Relation relation = table_open(relid, AccessShareLock);
	const Trigger *capture = FindTrigger(relation, CAPTURE_TRIGGER);
	const Trigger *end = FindTrigger(relation, CAPTURE_END_TRIGGER);
	bool is_attached = capture != NULL && (TRIGGER_FOR_ROW(capture->tgtype) != 0) == by_row &&
					   (end != NULL) == by_row;

	table_close(relation, AccessShareLock);
	return is_attached;
}

/* Attaches what captures deleted rows; false when all of it was there. */
static bool
Attach(Oid relid)
{
	bool is_partition = get_rel_relispartition(relid);
	bool by_row = is_partition || HasRelatives(relid) || ShapeCascade(relid) != NIL;

	if (IsAttached(relid, by_row))
		return false;
	GrantOwner(AttachOwner(relid));
	if (!is_partition)
		DropTrigger(relid, CAPTURE_TRIGGER);
	DropTrigger(relid, CAPTURE_END_TRIGGER);
	if (!is_partition && by_row)
		MakeTrigger(relid, CAPTURE_TRIGGER, "AFTER DELETE ON %s FOR EACH ROW", "trash_capture");
	if (by_row)
		MakeTrigger(relid, CAPTURE_END_TRIGGER, "AFTER DELETE ON %s FOR EACH STATEMENT",
					"trash_capture");
	else
		MakeTrigger(relid, CAPTURE_TRIGGER,
					"AFTER DELETE ON %s REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT",
					"trash_capture");
	return true;
}

/* Attaches it to all that may be deleted along; false when all of it was there. */
bool
AttachCapture(Oid relid)
{
	bool is_changed = false;
	ListCell *cell;

	/* the row triggers of partitions are those of the whole table, which comes first */
	foreach (cell, Reach(relid))
		is_changed = Attach(lfirst_oid(cell)) || is_changed;
	return is_changed;
}

static void
AddReach(const NullableDatum *row, void *state)
{
	List **reach = state;
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(*reach));

	*reach = list_concat_unique_oid(*reach, Reach(DatumGetObjectId(row[0].value)));
	MemoryContextSwitchTo(old);
}

/* Takes the capture triggers off tables that hang on no resource any more. */
void
DetachCapture(Oid relid)
{
	List *kept = list_make1_oid(InvalidOid);
	ListCell *cell;

	QueryEach(&list_resources, NULL, 1, AddReach, &kept);
	foreach (cell, Reach(relid))
	{
		Oid each = lfirst_oid(cell);

		if (list_member_oid(kept, each))
			continue;
		if (!get_rel_relispartition(each))
			DropTrigger(each, CAPTURE_TRIGGER);
		DropTrigger(each, CAPTURE_END_TRIGGER);
		CacheInvalidateRelcacheByRelid(each);
	}
}

/* What counts rows, records their changes and refuses TRUNCATE. */
void
AttachChanges(Oid relid)
{
	MakeTrigger(relid, "account_truncate", "BEFORE TRUNCATE ON %s FOR EACH STATEMENT",
				"resource_truncated");
	if (HasRelatives(relid))
	{
		MakeTrigger(relid, "account_insert", "AFTER INSERT ON %s FOR EACH ROW", "resource_changed");
		MakeTrigger(relid, "account_update", "AFTER UPDATE ON %s FOR EACH ROW", "resource_changed");
		return;
	}
	MakeTrigger(relid, "account_insert",
				"AFTER INSERT ON %s REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT",
				"resource_changed");
	MakeTrigger(relid, "account_update",
				"AFTER UPDATE ON %s REFERENCING OLD TABLE AS before NEW TABLE AS after"
				" FOR EACH STATEMENT",
				"resource_changed");
}

void
DetachChanges(Oid relid)
{
	DropTrigger(relid, "account_truncate");
	DropTrigger(relid, "account_insert");
	DropTrigger(relid, "account_update");
}
