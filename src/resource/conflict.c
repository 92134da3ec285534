/*
 * conflict.c
 *		What stands in the way of an item: a parent that is gone, a taken name.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_operator.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "resource/item.h"
#include "resource/shape.h"

static char *
OperatorName(Oid operator)
{
	HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;
	char *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	name = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
					NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return name;
}

/* Columns to be found equal to values of the row. */
typedef struct Search
{
	Oid relid;
	int ncolumns;
	AttrNumber columns[QUERY_MAX_ARGS]; /* of relid */
	Oid operators[QUERY_MAX_ARGS];
	int places[QUERY_MAX_ARGS]; /* in the row */
} Search;

static Oid
OwnerOf(Oid relid)
{
	Relation relation = table_open(relid, AccessShareLock);
	Oid owner = relation->rd_rel->relowner;

	table_close(relation, NoLock);
	return owner;
}

/* Whether such a row is there; it then stays until the transaction ends. */
static bool
Find(const Search *search, const Destination *d, ItemRow row)
{
	TableStatement *find = palloc0(sizeof(TableStatement));
	NullableDatum args[QUERY_MAX_ARGS];
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT true FROM %s WHERE", ShapeQuote(search->relid));
	for (int i = 0; i < search->ncolumns; i++)
	{
		int place = search->places[i];

		appendStringInfo(&sql, "%s %s %s $%d", i == 0 ? "" : " AND",
						 quote_identifier(get_attname(search->relid, search->columns[i], false)),
						 OperatorName(search->operators[i]), i + 1);
		find->argtypes[i] = TupleDescAttr(d->desc, place)->atttypid;
		args[i] = (NullableDatum){.value = row.values[place], .isnull = row.nulls[place]};
	}
	appendStringInfoString(&sql, " FOR KEY SHARE");
	find->owner = OwnerOf(search->relid);
	find->sql = sql.data;
	find->nargs = search->ncolumns;
	return QueryTable(find, args, NULL, NULL, 0) > 0;
}

/* Whether all columns are stored and none is null: only then there is a question. */
static bool
PlaceColumns(Search *search, const Destination *d, ItemRow row, const AttrNumber *numbers)
{
	for (int i = 0; i < search->ncolumns; i++)
	{
		search->places[i] = DestinationColumn(d, numbers[i]);
		if (search->places[i] < 0 || row.nulls[search->places[i]])
			return false;
	}
	return true;
}

static Conflict *
MakeConflict(const char *action, char *text, bool is_taken)
{
	Conflict *conflict = palloc(sizeof(Conflict));

	conflict->action = action;
	conflict->text = text;
	conflict->is_taken = is_taken;
	conflict->is_name = false;
	return conflict;
}

/* Sets to null what may be null of a reference to nothing, but not whose the row is; false if nothing may. */
static bool
Orphan(const ForeignKeyCacheInfo *foreign, const Destination *d, ItemRow row, bool is_applied)
{
	const Shape *shape = ShapeOf(d->relid);
	bool can_be = false;

	for (int i = 0; i < foreign->nkeys; i++)
	{
		if (TupleDescAttr(d->table, foreign->conkey[i] - 1)->attnotnull ||
			(shape->is_resource && foreign->conkey[i] == shape->workspace))
			continue;
		can_be = true;
		if (is_applied)
			row.nulls[DestinationColumn(d, foreign->conkey[i])] = true;
	}
	return can_be;
}

/* Whether the row refers to itself. */
static bool
RefersToItself(const ForeignKeyCacheInfo *foreign, const Destination *d, ItemRow row)
{
	if (foreign->confrelid != d->relid)
		return false;
	for (int i = 0; i < foreign->nkeys; i++)
	{
		int to = DestinationColumn(d, foreign->confkey[i]);
		int from = DestinationColumn(d, foreign->conkey[i]);

		if (to < 0 || row.nulls[to] ||
			!DatumGetBool(OidFunctionCall2Coll(get_opcode(foreign->conpfeqop[i]),
											   TupleDescAttr(d->desc, to)->attcollation,
											   row.values[to], row.values[from])))
			return false;
	}
	return true;
}

static Conflict *
CheckReference(const ForeignKeyCacheInfo *foreign, const Destination *d, ItemRow row,
			   bool is_applied)
{
	Search search = {.relid = foreign->confrelid, .ncolumns = foreign->nkeys};
	char *text;

	if (foreign->nkeys > QUERY_MAX_ARGS || !PlaceColumns(&search, d, row, foreign->conkey) ||
		RefersToItself(foreign, d, row))
		return NULL;
	for (int i = 0; i < foreign->nkeys; i++)
	{
		search.columns[i] = foreign->confkey[i];
		search.operators[i] = foreign->conpfeqop[i];
	}
	if (Find(&search, d, row))
		return NULL;
	text = psprintf("the row of %s it belongs to does not exist", ShapeQuote(foreign->confrelid));
	return MakeConflict(Orphan(foreign, d, row, is_applied) ? "orphan" : "refuse", text, false);
}

/* What it refers to, unless that comes back together with it. */
static List *
CheckReferences(List *conflicts, const Destination *d, ItemRow row, bool is_applied)
{
	Relation relation = table_open(d->relid, AccessShareLock);
	List *foreign_keys = copyObject(RelationGetFKeyList(relation));
	List *below = ShapeCascade(d->relid);
	ListCell *cell;

	table_close(relation, NoLock);
	for (int i = 0; i < list_length(below); i++)
		below = list_concat_unique_oid(below, ShapeCascade(list_nth_oid(below, i)));
	foreach (cell, foreign_keys)
	{
		ForeignKeyCacheInfo *foreign = lfirst(cell);
		HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(foreign->conoid));
		bool is_top = !OidIsValid(((Form_pg_constraint) GETSTRUCT(tuple))->conparentid);
		Conflict *conflict = NULL;

		ReleaseSysCache(tuple);
		if (is_top && AccountIsEnforced(foreign) &&
			(foreign->confrelid == d->relid || !list_member_oid(below, foreign->confrelid)))
			conflict = CheckReference(foreign, d, row, is_applied);
		if (conflict != NULL)
			conflicts = lappend(conflicts, conflict);
	}
	return conflicts;
}

/* Whether another row has the values that a unique index keeps apart. */
static bool
IsTaken(const Destination *d, ItemRow row, Oid index)
{
	Relation relation = index_open(index, AccessShareLock);
	Form_pg_index form = relation->rd_index;
	Search search = {.relid = d->relid, .ncolumns = form->indnkeyatts};
	bool is_plain = form->indisunique &&
					heap_attisnull(relation->rd_indextuple, Anum_pg_index_indpred, NULL) &&
					search.ncolumns <= QUERY_MAX_ARGS;
	bool is_taken = false;

	for (int i = 0; i < form->indnkeyatts && is_plain; i++)
	{
		search.columns[i] = form->indkey.values[i];
		search.operators[i] = get_opfamily_member(relation->rd_opfamily[i],
												  relation->rd_opcintype[i],
												  relation->rd_opcintype[i], BTEqualStrategyNumber);
		is_plain = search.columns[i] > 0 && OidIsValid(search.operators[i]);
	}
	if (is_plain && PlaceColumns(&search, d, row, search.columns))
		is_taken = Find(&search, d, row);
	index_close(relation, NoLock);
	return is_taken;
}

/* Another name helps only where the name is part of what must be unique. */
static Conflict *
Taken(const StoredItem *item, const Destination *d, Oid index)
{
	const Shape *shape = ShapeOf(d->relid);
	Relation relation = index_open(index, AccessShareLock);
	StringInfoData columns;
	bool is_name = false;
	Conflict *conflict;

	initStringInfo(&columns);
	for (int i = 0; i < relation->rd_index->indnkeyatts; i++)
	{
		AttrNumber number = relation->rd_index->indkey.values[i];

		is_name = is_name || (shape->is_resource && number == shape->name);
		appendStringInfo(&columns, "%s%s", i == 0 ? "" : ", ",
						 get_attname(d->relid, number, false));
	}
	index_close(relation, NoLock);
	conflict = MakeConflict("refuse",
							is_name ? psprintf("%s \"%s\" already exists", item->kind, item->name)
									: psprintf("%s %s already exists: another row has its %s",
											   item->kind, item->resource_id, columns.data),
							true);
	conflict->is_name = is_name;
	return conflict;
}

static List *
CheckUnique(List *conflicts, const StoredItem *item, const Destination *d, ItemRow row)
{
	Relation relation = table_open(d->relid, AccessShareLock);
	List *indexes = RelationGetIndexList(relation);
	ListCell *cell;

	table_close(relation, NoLock);
	foreach (cell, indexes)
		if (IsTaken(d, row, lfirst_oid(cell)))
			return lappend(conflicts, Taken(item, d, lfirst_oid(cell)));
	return conflicts;
}

/* All conflicts of the item itself; is_applied makes an orphan of its row. */
List *
ConflictsOf(const StoredItem *item, const Destination *destination, ItemRow row, bool is_applied)
{
	List *conflicts = CheckReferences(NIL, destination, row, is_applied);

	return CheckUnique(conflicts, item, destination, row);
}
