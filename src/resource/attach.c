/*
 * attach.c
 *		Triggers and policies on the tables of the application.
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
#include "utils/acl.h"
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

/* Whether others hang on the table, or rows come from partitions or heirs. */
static bool
NeedsRowTrigger(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE || has_subclass(relid) ||
		   has_superclass(relid) || ShapeCascade(relid) != NIL;
}

static Oid
OwnerOf(Oid relid)
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

static bool
HasTrigger(Oid relid, const char *name)
{
	Relation relation = table_open(relid, AccessShareLock);
	bool is_there = FindTrigger(relation, name) != NULL;

	table_close(relation, NoLock);
	return is_there;
}

static void
MakeTrigger(Oid relid, const char *name, const char *when, const char *function)
{
	QueryCommand(OwnerOf(relid), psprintf("CREATE TRIGGER %s %s EXECUTE FUNCTION account_data.%s()",
										  name, psprintf(when, ShapeQuote(relid)), function));
}

static void
DropTrigger(Oid relid, const char *name)
{
	if (HasTrigger(relid, name))
		QueryCommand(OwnerOf(relid), psprintf("DROP TRIGGER %s ON %s", name, ShapeQuote(relid)));
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
	bool by_row = is_partition || NeedsRowTrigger(relid);

	if (IsAttached(relid, by_row))
		return false;
	GrantOwner(OwnerOf(relid));
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

static void
MakeRowTriggers(Oid relid)
{
	MakeTrigger(relid, "account_insert", "AFTER INSERT ON %s FOR EACH ROW", "resource_changed");
	MakeTrigger(relid, "account_update", "AFTER UPDATE ON %s FOR EACH ROW", "resource_changed");
}

static void
MakeEndTrigger(Oid relid)
{
	MakeTrigger(relid, CHANGE_END_TRIGGER, "AFTER INSERT OR UPDATE ON %s FOR EACH STATEMENT",
				"resource_changed");
}

static void
MakeTruncateTrigger(Oid relid)
{
	MakeTrigger(relid, "account_truncate", "BEFORE TRUNCATE ON %s FOR EACH STATEMENT",
				"resource_truncated");
}

/*
 * Heirs and partitions hold rows of the resource too.  Partitions have its row
 * triggers from PostgreSQL; what ends a statement on one of them is its own.
 */
static bool
AttachMembers(Oid relid)
{
	bool is_changed = false;
	ListCell *cell;

	foreach (cell, ShapeMembers(relid))
	{
		Oid member = lfirst_oid(cell);

		if (member == relid || HasTrigger(member, CHANGE_END_TRIGGER))
			continue;
		GrantOwner(OwnerOf(member));
		if (!get_rel_relispartition(member))
			MakeRowTriggers(member);
		MakeEndTrigger(member);
		MakeTruncateTrigger(member);
		is_changed = true;
	}
	/* the first heir: what statements on the whole table do must not be seen twice */
	if (is_changed && HasTrigger(relid, "account_insert") && !HasTrigger(relid, CHANGE_END_TRIGGER))
	{
		DropTrigger(relid, "account_insert");
		DropTrigger(relid, "account_update");
		MakeRowTriggers(relid);
		MakeEndTrigger(relid);
	}
	return is_changed;
}

/* Attaches what captures deleted rows of all that goes with the table; false when it was there. */
bool
AttachCapture(Oid relid)
{
	bool is_changed = false;
	ListCell *cell;

	/* the row triggers of partitions are those of the whole table, which comes first */
	foreach (cell, Reach(relid))
		is_changed = Attach(lfirst_oid(cell)) || is_changed;
	return AttachMembers(relid) || is_changed;
}

/* Attaches what counts rows and records their changes, and refuses TRUNCATE. */
void
AttachChanges(Oid relid)
{
	MakeTruncateTrigger(relid);
	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE || has_subclass(relid) ||
		has_superclass(relid))
	{
		MakeRowTriggers(relid);
		MakeEndTrigger(relid);
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

static void
AddReach(const NullableDatum *row, void *state)
{
	List **reach = state;
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(*reach));

	*reach = list_concat_unique_oid(*reach, Reach(DatumGetObjectId(row[0].value)));
	MemoryContextSwitchTo(old);
}

/* Takes the capture triggers off tables that hang on no resource any more. */
static void
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

/* Takes everything off a table that is no resource any more. */
void
Detach(Oid relid)
{
	ListCell *cell;

	DetachCapture(relid);
	foreach (cell, ShapeMembers(relid))
	{
		Oid member = lfirst_oid(cell);

		DropTrigger(member, "account_truncate");
		DropTrigger(member, CHANGE_END_TRIGGER);
		if (member != relid && get_rel_relispartition(member))
			continue;
		DropTrigger(member, "account_insert");
		DropTrigger(member, "account_update");
	}
}

/* Viewers read, editors write. */
void
PoliciesMake(Oid relid, const char *workspace_column)
{
	static const struct
	{
		const char *name;
		const char *command;
		const char *using;
		const char *check;
	} policies[] = {
		{"account_select", "SELECT", "viewer", NULL},
		{"account_insert", "INSERT", NULL, "editor"},
		{"account_update", "UPDATE", "editor", "editor"},
		{"account_delete", "DELETE", "editor", NULL},
	};
	const char *table = ShapeQuote(relid);
	const char *column = quote_identifier(workspace_column);

	QueryCommand(OwnerOf(relid), psprintf("ALTER TABLE %s ENABLE ROW LEVEL SECURITY", table));
	for (size_t i = 0; i < lengthof(policies); i++)
	{
		StringInfoData sql;

		initStringInfo(&sql);
		appendStringInfo(&sql, "CREATE POLICY %s ON %s FOR %s", policies[i].name, table,
						 policies[i].command);
		if (policies[i].using != NULL)
			appendStringInfo(&sql, " USING (account.has_role(%s, '%s'))", column,
							 policies[i].using);
		if (policies[i].check != NULL)
			appendStringInfo(&sql, " WITH CHECK (account.has_role(%s, '%s'))", column,
							 policies[i].check);
		QueryCommand(OwnerOf(relid), sql.data);
	}
}

void
PoliciesDrop(Oid relid, bool row_security)
{
	static const char *const names[] = {"account_select", "account_insert", "account_update",
										"account_delete"};

	for (size_t i = 0; i < lengthof(names); i++)
		QueryCommand(OwnerOf(relid),
					 psprintf("DROP POLICY IF EXISTS %s ON %s", names[i], ShapeQuote(relid)));
	if (!row_security)
		QueryCommand(OwnerOf(relid),
					 psprintf("ALTER TABLE %s DISABLE ROW LEVEL SECURITY", ShapeQuote(relid)));
}
