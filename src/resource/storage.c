/*
 * storage.c
 *		The largest rows of a workspace, live and in the trash.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "access/principal.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "resource/shape.h"

#define MAX_LARGEST 100

static Statement list_sized = {
	.types = "",
	.sql = "SELECT r.relation::oid FROM account_data.resources r"
		   " JOIN pg_catalog.pg_class c ON c.oid = r.relation WHERE r.size_column IS NOT NULL",
};

static Statement merge = {
	.types = "uuid, jsonb, integer",
	.sql =
		"SELECT relation::oid, kind, resource_id, name, size, in_trash FROM ("
		"  SELECT relation::oid, kind, resource_id, name, size_bytes AS size, true AS in_trash"
		"   FROM account_data.trash_items WHERE workspace_id = $1 AND size_bytes > 0"
		"  UNION ALL"
		"  SELECT * FROM jsonb_to_recordset($2) AS live"
		"   (relation oid, kind text, resource_id text, name text, size bigint, in_trash boolean)"
		" ) AS items ORDER BY size DESC, resource_id LIMIT $3",
};

typedef struct Largest
{
	MemoryContext memory;
	const pg_uuid_t *workspace_id;
	int n;
	StringInfoData rows; /* a JSON array */
} Largest;

/* Adds the n largest rows of one table; an index on workspace and size serves it. */
static void
AddTable(const NullableDatum *row, void *state)
{
	Largest *largest = state;
	MemoryContext old = MemoryContextSwitchTo(largest->memory);
	const Shape *shape = ShapeOf(DatumGetObjectId(row[0].value));
	const char *size = quote_identifier(get_attname(shape->relid, shape->size, false));
	TableStatement *find = palloc0(sizeof(TableStatement));
	NullableDatum args[1] = {ArgUuid(largest->workspace_id)};
	NullableDatum rows[1];
	const char *json;

	find->owner = shape->owner;
	find->nargs = 1;
	find->argtypes[0] = UUIDOID;
	find->sql = psprintf(
		"SELECT jsonb_agg(jsonb_build_object('relation', %u, 'kind', %s, 'resource_id',"
		" %s, 'name', %s, 'size', %s, 'in_trash', false))"
		" FROM (SELECT * FROM %s WHERE %s = $1 AND %s > 0 ORDER BY %s DESC LIMIT %d) AS top",
		shape->relid, quote_literal_cstr(shape->kind), ShapeResourceIdSql(shape),
		shape->name == 0 ? "NULL" : quote_identifier(get_attname(shape->relid, shape->name, false)),
		size, ShapeQuote(shape->relid),
		quote_identifier(get_attname(shape->relid, shape->workspace, false)), size, size,
		largest->n);
	(void) QueryTable(find, args, NULL, rows, 1);
	if (!rows[0].isnull)
	{
		json = DatumGetCString(OidFunctionCall1(F_JSONB_OUT, rows[0].value));
		/* the elements without the brackets */
		appendStringInfo(&largest->rows, "%s%.*s", largest->rows.len == 1 ? "" : ", ",
						 (int) strlen(json) - 2, json + 1);
	}
	MemoryContextSwitchTo(old);
}

PG_FUNCTION_INFO_V1(account_largest_items);
Datum
account_largest_items(PG_FUNCTION_ARGS)
{
	const Principal *p = PrincipalRequire();
	Largest largest = {.memory = CurrentMemoryContext, .workspace_id = &p->workspace_id};
	NullableDatum args[3];

	largest.n = PG_ARGISNULL(0) ? 10 : PG_GETARG_INT32(0);
	if (largest.n < 1 || largest.n > MAX_LARGEST)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid n: it must be between 1 and %d", MAX_LARGEST)));
	InitMaterializedSRF(fcinfo, 0);
	initStringInfo(&largest.rows);
	appendStringInfoChar(&largest.rows, '[');
	QueryEach(&list_sized, NULL, 1, AddTable, &largest);
	appendStringInfoChar(&largest.rows, ']');
	args[0] = ArgUuid(&p->workspace_id);
	args[1] = ArgDatum(OidInputFunctionCall(F_JSONB_IN, largest.rows.data, JSONBOID, -1));
	args[2] = ArgDatum(Int32GetDatum(largest.n));
	QueryEach(&merge, args, 6, ResultPut, fcinfo->resultinfo);
	return (Datum) 0;
}
