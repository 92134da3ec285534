/*
 * shape_row.c
 *		What a row of a resource says of itself: its key, name, size, workspace.
 */
#include "postgres.h"

#include "access/tupconvert.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "resource/shape.h"

/* A column as text; NULL when it is null. */
char *
ShapeText(const Shape *shape, TupleTableSlot *slot, AttrNumber number)
{
	bool isnull;
	Datum value = slot_getattr(slot, number, &isnull);
	FmgrInfo *out = &shape->out[number - 1];

	if (isnull)
		return NULL;
	if (!OidIsValid(out->fn_oid))
	{
		Oid function;
		bool is_varlena;

		getTypeOutputInfo(TupleDescAttr(shape->desc, number - 1)->atttypid, &function, &is_varlena);
		fmgr_info_cxt(function, out, GetMemoryChunkContext(shape->out));
	}
	return OutputFunctionCall(out, value);
}

/* The name, if the resource has names. */
char *
ShapeName(const Shape *shape, TupleTableSlot *slot)
{
	return shape->name == 0 ? NULL : ShapeText(shape, slot, shape->name);
}

/*
 * The primary key as text: its columns parted by commas, with a backslash before
 * a comma or backslash of their own, so that no two keys read the same.
 */
char *
ShapeResourceId(const Shape *shape, TupleTableSlot *slot)
{
	StringInfoData id;

	if (shape->nkey == 1)
		return ShapeText(shape, slot, shape->key[0]);
	initStringInfo(&id);
	for (int i = 0; i < shape->nkey; i++)
	{
		if (i > 0)
			appendStringInfoChar(&id, ',');
		for (const char *c = ShapeText(shape, slot, shape->key[i]); *c != '\0'; c++)
		{
			if (*c == ',' || *c == '\\')
				appendStringInfoChar(&id, '\\');
			appendStringInfoChar(&id, *c);
		}
	}
	return id.data;
}

/* The same in SQL, of a row of the table. */
char *
ShapeResourceIdSql(const Shape *shape)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "pg_catalog.concat_ws(','");
	for (int i = 0; i < shape->nkey; i++)
		appendStringInfo(&sql,
						 shape->nkey == 1 ? ", %s"
										  : ", pg_catalog.regexp_replace(pg_catalog.concat(%s),"
											" E'([,\\\\\\\\])', E'\\\\\\\\\\\\1', 'g')",
						 quote_identifier(get_attname(shape->relid, shape->key[i], false)));
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

/* Bytes, as the size column says; never less than none. */
int64
ShapeSize(const Shape *shape, TupleTableSlot *slot)
{
	bool isnull;
	Datum value;
	int64 size;

	if (shape->size == 0)
		return 0;
	value = slot_getattr(slot, shape->size, &isnull);
	if (isnull)
		return 0;
	switch (getBaseType(TupleDescAttr(shape->desc, shape->size - 1)->atttypid))
	{
		case INT2OID:
			size = DatumGetInt16(value);
			break;
		case INT4OID:
			size = DatumGetInt32(value);
			break;
		default:
			size = DatumGetInt64(value);
	}
	return Max(size, 0);
}

/* Whose the row is; NULL when nobody's. */
const pg_uuid_t *
ShapeWorkspace(const Shape *shape, TupleTableSlot *slot)
{
	bool isnull;
	Datum value = slot_getattr(slot, shape->workspace, &isnull);

	return isnull ? NULL : DatumGetUUIDP(value);
}

/* A partition's row in the columns of the whole table. */
TupleTableSlot *
ShapeSlot(const Shape *shape, Relation relation, TupleTableSlot *slot)
{
	TupleConversionMap *map;

	if (slot == NULL || RelationGetRelid(relation) == shape->relid)
		return slot;
	map = convert_tuples_by_name(RelationGetDescr(relation), shape->desc);
	if (map == NULL)
		return slot;
	return execute_attr_map_slot(map->attrMap, slot,
								 MakeSingleTupleTableSlot(shape->desc, &TTSOpsVirtual));
}
