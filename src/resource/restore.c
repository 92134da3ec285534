/*
 * restore.c
 *		Putting back what was deleted.
 *
 * The rows go back as INSERTs of the tables' owners, one for each item and
 * chunk.  Their triggers, foreign keys first of all, wait until everything is
 * back, so that rows may refer to each other in any direction.  Rows of tables
 * that refer to items only have theirs fired at once, which keeps memory flat.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "access/principal.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/uuid.h"
#include "resource/change.h"
#include "resource/item.h"
#include "resource/shape.h"

/* $1 workspace, $2 item, $3 the item that was deleted itself */
#define WHOLE                                                                                      \
	"WITH below (id) AS (SELECT id FROM account_data.trash_items"                                  \
	"  WHERE workspace_id = $1 AND root_id = $3 AND $2::uuid IS NOT NULL)"
#define PART                                                                                       \
	"WITH RECURSIVE below (id) AS (SELECT $2::uuid UNION ALL"                                      \
	"  SELECT c.id FROM below b JOIN account_data.trash_items c ON c.parent_id = b.id"             \
	"  WHERE c.workspace_id = $1 AND c.root_id = $3)"

#define ITEMS                                                                                      \
	" SELECT i.relation::oid, i.layout_id, i.data FROM account_data.trash_items i"                 \
	"  WHERE i.workspace_id = $1 AND i.id IN (SELECT id FROM below) AND i.id <> $2 ORDER BY i.id"
#define CHUNKS                                                                                     \
	" SELECT c.relation::oid, c.layout_id, c.data FROM below b"                                    \
	"  JOIN account_data.trash_chunks c ON c.workspace_id = $1 AND c.item_id = b.id"
#define LAYOUTS                                                                                    \
	" SELECT relation, layout_id, sum(n) FROM ("                                                   \
	"  SELECT i.relation::oid, i.layout_id, 1 AS n FROM account_data.trash_items i"                \
	"   WHERE i.workspace_id = $1 AND i.id IN (SELECT id FROM below)"                              \
	"  UNION ALL"                                                                                  \
	"  SELECT c.relation::oid, c.layout_id, c.row_count FROM below b"                              \
	"   JOIN account_data.trash_chunks c ON c.workspace_id = $1 AND c.item_id = b.id"              \
	" ) AS stored (relation, layout_id, n) GROUP BY relation, layout_id"
/* The counts of what comes back, parents first: in the order in which a cascade takes them. */
#define COUNTS                                                                                     \
	" SELECT FROM (SELECT i.relation, min(i.id::text) AS first FROM account_data.trash_items i"    \
	"   WHERE i.workspace_id = $1 AND i.id IN (SELECT id FROM below) GROUP BY i.relation) k"       \
	"  JOIN account_data.resources r ON r.relation = k.relation"                                   \
	"  JOIN account_data.usage_counts u ON u.workspace_id = $1 AND u.name = r.limit_name"          \
	"  ORDER BY k.first FOR UPDATE OF u"
#define UUIDS "uuid, uuid, uuid"

static Statement items[2] = {{.types = UUIDS, .by_index = true, .sql = PART ITEMS},
							 {.types = UUIDS, .by_index = true, .sql = WHOLE ITEMS}};
static Statement chunks[2] = {{.types = UUIDS, .by_index = true, .sql = PART CHUNKS},
							  {.types = UUIDS, .by_index = true, .sql = WHOLE CHUNKS}};
static Statement layouts[2] = {{.types = UUIDS, .by_index = true, .sql = PART LAYOUTS},
							   {.types = UUIDS, .by_index = true, .sql = WHOLE LAYOUTS}};

static Statement lock_counts[2] = {{.types = UUIDS, .by_index = true, .sql = PART COUNTS},
								   {.types = UUIDS, .by_index = true, .sql = WHOLE COUNTS}};

typedef struct Restore
{
	MemoryContext memory;
	const StoredItem *item;
	List *destinations;
	bool is_chunk;
} Restore;

/* Inserts the rows of one item or chunk, all or none; the first may be given. */
static void
Insert(Destination *d, StringInfo from, const ItemRow *first)
{
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);

	if (first != NULL)
		tuplestore_putvalues(rows, d->desc, first->values, first->nulls);
	while (from->cursor < from->len)
	{
		ItemRow row = DestinationRead(d, from);

		tuplestore_putvalues(rows, d->desc, row.values, row.nulls);
	}
	if (QueryTable(d->insert, NULL, rows, NULL, 0) != (uint64) tuplestore_tuple_count(rows))
		ereport(
			ERROR,
			(errcode(ERRCODE_ACCOUNT_WRONG_STATE),
			 errmsg("rows cannot be restored: table %s does not take them", ShapeQuote(d->relid)),
			 errdetail("A trigger or a rule of the table leaves out rows that are inserted.")));
	tuplestore_end(rows);
}

static StringInfoData
BytesOf(const bytea *data)
{
	return (StringInfoData){
		.data = (char *) VARDATA_ANY(data), .len = (int) VARSIZE_ANY_EXHDR(data), .maxlen = -1};
}

/* Whether rows of this table can refer to others that come back later. */
static bool
RefersToRows(Oid relid)
{
	Relation relation = table_open(relid, AccessShareLock);
	ListCell *cell;
	bool refers = false;

	foreach (cell, copyObject(RelationGetFKeyList(relation)))
	{
		Oid referenced = ShapeRoot(((ForeignKeyCacheInfo *) lfirst(cell))->confrelid);

		refers = refers || (ShapeIsCaptured(referenced) && !ShapeOf(referenced)->is_resource);
	}
	table_close(relation, NoLock);
	return refers;
}

static void
InsertStored(const NullableDatum *row, void *state)
{
	Restore *restore = state;
	MemoryContext old = MemoryContextSwitchTo(restore->memory);
	int known = list_length(restore->destinations);
	Destination *d = DestinationOf(&restore->destinations, DatumGetObjectId(row[0].value),
								   DatumGetUUIDP(row[1].value));
	StringInfoData from;

	if (restore->is_chunk && list_length(restore->destinations) > known)
		d->insert->is_deferred = RefersToRows(d->relid);
	MemoryContextSwitchTo(old);
	from = BytesOf(DatumGetByteaPP(row[2].value));
	Insert(d, &from, NULL);
}

/* Gives the row another name. */
static void
Rename(StoredItem *item, const Destination *d, ItemRow row, const char *name)
{
	const Shape *shape = ShapeOf(item->relid);
	int place;
	Oid in;
	Oid param;

	if (!shape->is_resource || shape->name == 0 || (place = DestinationColumn(d, shape->name)) < 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid new_name: a %s has no name", item->kind)));
	getTypeInputInfo(TupleDescAttr(d->desc, place)->atttypid, &in, &param);
	row.values[place] = OidInputFunctionCall(in, unconstify(char *, name), param,
											 TupleDescAttr(d->desc, place)->atttypmod);
	row.nulls[place] = false;
	item->name = pstrdup(name);
}

static void
Refuse(const StoredItem *item, const List *conflicts)
{
	ListCell *cell;

	foreach (cell, conflicts)
	{
		const Conflict *conflict = lfirst(cell);

		if (conflict->is_taken)
			ereport(
				ERROR,
				(errcode(ERRCODE_ACCOUNT_TAKEN), errmsg("%s", conflict->text),
				 conflict->is_name ? errhint("Give account.restore a new_name that is free.") : 0));
		if (strcmp(conflict->action, "refuse") == 0)
			ereport(ERROR,
					(errcode(ERRCODE_ACCOUNT_WRONG_STATE),
					 errmsg("%s \"%s\" cannot be restored alone: %s", item->kind,
							item->name == NULL ? item->resource_id : item->name, conflict->text),
					 errhint("Restore its parent first.")));
	}
}

static void
InsertItem(Restore *restore, StoredItem *item, const char *new_name)
{
	Destination *d = DestinationOf(&restore->destinations, item->relid, &item->layout_id);
	StringInfoData from = BytesOf(item->data);
	ItemRow row = DestinationRead(d, &from);

	if (new_name != NULL)
		Rename(item, d, row, new_name);
	Refuse(item, ConflictsOf(item, d, row, true));
	Insert(d, &from, &row);
}

/* In a catch: a row that came along may refer to one that is not back. */
static void
RefuseDangling(const StoredItem *item, MemoryContext memory)
{
	ErrorData *error;

	if (geterrcode() != ERRCODE_FOREIGN_KEY_VIOLATION)
		PG_RE_THROW();
	MemoryContextSwitchTo(memory);
	error = CopyErrorData();
	FlushErrorState();
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
					errmsg("%s \"%s\" cannot be restored: %s", item->kind,
						   item->name == NULL ? item->resource_id : item->name, error->message),
					error->detail == NULL ? 0 : errdetail("%s", error->detail),
					errhint("Restore first what its rows refer to.")));
}

/* Inserts all rows, then fires what waited; the rows are recorded as restored. */
static void
PutBack(Restore *restore, StoredItem *item, const char *new_name)
{
	bool is_whole = ItemIsRoot(item);
	const char *before = ChangeInsertAction("restored");

	PG_TRY();
	{
		AfterTriggerBeginQuery();
		InsertItem(restore, item, new_name);
		QueryEach(&items[is_whole], ItemArgs(item), 3, InsertStored, restore);
		restore->is_chunk = true;
		QueryEach(&chunks[is_whole], ItemArgs(item), 3, InsertStored, restore);
		/* last, and rows before bytes: who deletes such rows holds them before their counts */
		QueryRun(&lock_counts[is_whole], ItemArgs(item));
		ItemUncount(item);
		AfterTriggerEndQuery(NULL);
	}
	PG_CATCH();
	{
		(void) ChangeInsertAction(before);
		RefuseDangling(item, restore->memory);
	}
	PG_END_TRY();
	(void) ChangeInsertAction(before);
}

PG_FUNCTION_INFO_V1(account_restore);
Datum
account_restore(PG_FUNCTION_ARGS)
{
	char *new_name = PG_ARGISNULL(1) ? NULL : ArgName(fcinfo, 1, "new_name", 1000);
	const Principal *p;
	StoredItem item;
	Restore restore = {.memory = CurrentMemoryContext, .item = &item};

	ArgRequired(fcinfo, 0, "trash_id");
	p = PrincipalRequireRole(ROLE_EDITOR);
	ItemLock(&item, &p->workspace_id, PG_GETARG_UUID_P(0), true);
	PutBack(&restore, &item, new_name);
	ItemForget(&item);
	PG_RETURN_VOID();
}

typedef struct PlanResult
{
	ReturnSetInfo *result;
	Restore restore;
	const StoredItem *item;
} PlanResult;

static void
PlanRow(PlanResult *plan, const char *action, const char *kind, const char *name,
		const char *conflict)
{
	Datum values[4] = {CStringGetTextDatum(action), CStringGetTextDatum(kind)};
	bool nulls[4] = {false, false, name == NULL, conflict == NULL};

	if (name != NULL)
		values[2] = CStringGetTextDatum(name);
	if (conflict != NULL)
		values[3] = CStringGetTextDatum(conflict);
	tuplestore_putvalues(plan->result->setResult, plan->result->setDesc, values, nulls);
}

static bool
IsRetyped(const Destination *d, int i)
{
	Form_pg_attribute att = TupleDescAttr(d->table, d->targets[i].number - 1);

	return !d->targets[i].is_skipped &&
		   strcmp(LayoutDeclared(att), d->layout->columns[i].declared) != 0;
}

/* Columns that are gone, or are of another type, or must have a value and have none. */
static void
PlanColumns(PlanResult *plan, const Destination *d, const char *kind)
{
	for (int i = 0; i < d->layout->ncolumns; i++)
	{
		const LayoutColumn *column = &d->layout->columns[i];

		if (d->targets[i].number == 0)
			PlanRow(plan, "skip", kind, column->name,
					psprintf("column \"%s\" does not exist any more", column->name));
		else if (IsRetyped(d, i))
			PlanRow(plan, "convert", kind, column->name,
					psprintf("column \"%s\" was of type %s", column->name, column->declared));
	}
	for (int i = 0; i < d->table->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(d->table, i);

		if (!att->attisdropped && att->attnotnull && !att->atthasdef && !att->attidentity &&
			DestinationColumn(d, att->attnum) < 0)
			PlanRow(plan, "refuse", kind, NameStr(att->attname),
					psprintf("column \"%s\" must have a value now", NameStr(att->attname)));
	}
}

static void
PlanTable(const NullableDatum *row, void *state)
{
	PlanResult *plan = state;
	MemoryContext old = MemoryContextSwitchTo(plan->restore.memory);
	Destination *d = DestinationOf(&plan->restore.destinations, DatumGetObjectId(row[0].value),
								   DatumGetUUIDP(row[1].value));
	const Shape *shape = ShapeOf(d->relid);
	const char *kind = shape->is_resource ? shape->kind : get_rel_name(d->relid);

	PlanRow(plan, "restore", kind, NULL, NULL);
	PlanColumns(plan, d, kind);
	MemoryContextSwitchTo(old);
}

/* Reads the row if its columns still take its values; else says which does not. */
static bool
PlanRead(PlanResult *plan, Destination *d, ItemRow *row)
{
	MemoryContext memory = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	StringInfoData from = BytesOf(plan->item->data);
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		*row = DestinationRead(d, &from);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(memory);
	CurrentResourceOwner = owner;
	if (error == NULL)
		return true;
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION &&
		ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION)
		ReThrowError(error);
	PlanRow(plan, "refuse", plan->item->kind, d->layout->reading, error->message);
	return false;
}

static void
PlanItem(PlanResult *plan, Destination *d)
{
	ItemRow row;
	ListCell *cell;

	if (!PlanRead(plan, d, &row))
		return;
	foreach (cell, ConflictsOf(plan->item, d, row, false))
	{
		const Conflict *conflict = lfirst(cell);

		PlanRow(plan, conflict->action, plan->item->kind, plan->item->name, conflict->text);
	}
}

PG_FUNCTION_INFO_V1(account_restore_plan);
Datum
account_restore_plan(PG_FUNCTION_ARGS)
{
	const Principal *p;
	StoredItem item;
	PlanResult plan = {.restore.memory = CurrentMemoryContext, .item = &item};
	Destination *d;

	ArgRequired(fcinfo, 0, "trash_id");
	p = PrincipalRequireRole(ROLE_EDITOR);
	InitMaterializedSRF(fcinfo, 0);
	plan.result = (ReturnSetInfo *) fcinfo->resultinfo;
	ItemLock(&item, &p->workspace_id, PG_GETARG_UUID_P(0), true);
	d = DestinationOf(&plan.restore.destinations, item.relid, &item.layout_id);
	PlanRow(&plan, "restore", item.kind, item.name, NULL);
	PlanItem(&plan, d);
	QueryEach(&layouts[ItemIsRoot(&item)], ItemArgs(&item), 3, PlanTable, &plan);
	return (Datum) 0;
}
