/*
 * item.c
 *		One item of the trash, found and locked, and where its rows go back.
 *
 * Whoever restores or purges holds the row of the item that was deleted itself,
 * whichever item below it is meant: of two at once one wins, and the other then
 * finds nothing.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/errors.h"
#include "base/uuid.h"
#include "resource/item.h"
#include "resource/shape.h"

static Statement find_item = {
	.types = "uuid, uuid",
	.by_index = true,
	.sql = "SELECT root_id, relation::oid, kind, name, resource_id, expires_at, layout_id, data"
		   " FROM account_data.trash_items WHERE workspace_id = $1 AND id = $2",
};

static Statement lock_root = {
	.types = "uuid, uuid",
	.by_index = true,
	.sql = "SELECT true FROM account_data.trash_items WHERE workspace_id = $1 AND id = $2"
		   " FOR UPDATE",
};

static Statement find_layout = {
	.types = "uuid",
	.mode = QUERY_READ,
	.by_index = true,
	.sql = "SELECT layout FROM account_data.trash_layouts WHERE id = $1",
};

/* Finds the item and holds what was deleted with it; P0002 when it is not there. */
void
ItemLock(StoredItem *item, const pg_uuid_t *workspace_id, const pg_uuid_t *id,
		 bool must_be_restorable)
{
	NullableDatum args[2] = {ArgUuid(workspace_id), ArgUuid(id)};
	NullableDatum root[2] = {ArgUuid(workspace_id)};
	NullableDatum row[8];
	NullableDatum found[1];

	if (!QueryRow(&find_item, args, row, 8))
		ErrorNotFound("trash item", id);
	root[1] = row[0];
	if (!QueryRow(&lock_root, root, found, 1) || !QueryRow(&find_item, args, row, 8))
		ErrorNotFound("trash item", id);
	item->workspace_id = *workspace_id;
	item->id = *id;
	item->root_id = *DatumGetUUIDP(row[0].value);
	item->relid = DatumGetObjectId(row[1].value);
	item->kind = TextDatumGetCString(row[2].value);
	item->name = row[3].isnull ? NULL : TextDatumGetCString(row[3].value);
	item->resource_id = TextDatumGetCString(row[4].value);
	item->expires_at = DatumGetTimestampTz(row[5].value);
	item->layout_id = *DatumGetUUIDP(row[6].value);
	item->data = DatumGetByteaPP(row[7].value);
	if (must_be_restorable && item->expires_at <= GetCurrentStatementStartTimestamp())
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("trash item %s has expired", UuidText(id))));
}

bool
ItemIsRoot(const StoredItem *item)
{
	return UuidEqual(&item->id, &item->root_id);
}

/* The arguments of statements on all that went with an item. */
NullableDatum *
ItemArgs(const StoredItem *item)
{
	NullableDatum *args = palloc(sizeof(NullableDatum) * 3);

	args[0] = ArgUuid(&item->workspace_id);
	args[1] = ArgUuid(&item->id);
	args[2] = ArgUuid(&item->root_id);
	return args;
}

static TableStatement *
MakeInsert(const Destination *d)
{
	TableStatement *insert = palloc0(sizeof(TableStatement));
	StringInfoData columns;
	const char *separator = "";

	initStringInfo(&columns);
	for (int i = 0; i < d->desc->natts; i++)
	{
		appendStringInfo(&columns, "%s%s", separator,
						 quote_identifier(NameStr(TupleDescAttr(d->desc, i)->attname)));
		separator = ", ";
	}
	insert->owner = d->owner;
	insert->home = get_rel_namespace(d->relid);
	insert->sql = psprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM rows",
						   ShapeQuote(d->relid), columns.data, columns.data);
	insert->rows = d->desc;
	insert->is_deferred = true;
	return insert;
}

/* Where rows of this layout go back, kept in the list. */
Destination *
DestinationOf(List **known, Oid relid, const pg_uuid_t *layout_id)
{
	NullableDatum args[1] = {ArgUuid(layout_id)};
	NullableDatum row[1];
	Destination *d;
	Relation relation;
	ListCell *cell;

	foreach (cell, *known)
	{
		d = lfirst(cell);
		if (d->relid == relid && UuidEqual(&d->layout_id, layout_id))
			return d;
	}
	relation = try_relation_open(relid, RowExclusiveLock);
	if (relation == NULL)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("the table of a deleted row does not exist any more")));
	if (!QueryRow(&find_layout, args, row, 1))
		elog(ERROR, "layout %s is missing", UuidText(layout_id));
	d = palloc0(sizeof(Destination));
	d->relid = relid;
	d->layout_id = *layout_id;
	d->owner = relation->rd_rel->relowner;
	d->table = CreateTupleDescCopyConstr(RelationGetDescr(relation));
	d->layout = LayoutRead(DatumGetByteaPP(row[0].value));
	d->targets = LayoutMatch(d->layout, relid, d->table);
	d->desc = LayoutDesc(d->layout, d->targets, d->table);
	d->insert = MakeInsert(d);
	table_close(relation, NoLock);
	*known = lappend(*known, d);
	return d;
}

/* The next row; as the table's owner, for domains have checks. */
ItemRow
DestinationRead(Destination *d, StringInfo from)
{
	ItemRow row;
	Oid userid;
	int sec_context;
	int level;

	row.values = palloc(sizeof(Datum) * Max(d->desc->natts, 1));
	row.nulls = palloc(sizeof(bool) * Max(d->desc->natts, 1));
	GetUserIdAndSecContext(&userid, &sec_context);
	SetUserIdAndSecContext(d->owner, sec_context | SECURITY_LOCAL_USERID_CHANGE);
	level = ImagePin(d->layout->has_text);
	ImageRead(from, d->layout, d->targets, row.values, row.nulls);
	ImageUnpin(level);
	SetUserIdAndSecContext(userid, sec_context);
	return row;
}

/* The place of a table's column among those read; -1 when it is not stored. */
int
DestinationColumn(const Destination *d, AttrNumber number)
{
	int n = 0;

	for (int i = 0; i < d->layout->ncolumns; i++)
	{
		const ImageTarget *target = &d->targets[i];

		if (!ImageIsKept(target))
			continue;
		if (target->number == number)
			return n;
		n++;
	}
	return -1;
}
