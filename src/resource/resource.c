/*
 * resource.c
 *		Making a table of the application a resource, and undoing it.
 *
 * Everything that is checked is checked before anything is changed.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/query.h"
#include "resource/attach.h"
#include "resource/shape.h"
#include "resource/undo.h"
#include "resource/usage.h"
#include "workspace/limit.h"
#include "workspace/plan.h"

typedef struct Registration
{
	Oid relid;
	char *kind;
	char *category;
	Name workspace;
	Name name; /* NULL: none */
	Name size; /* NULL: none */
	bool policies;
	bool row_security; /* is on already */
} Registration;

static Statement find_resource = {
	.types = "oid",
	.sql = "SELECT kind, category, policies, row_security, limit_name"
		   " FROM account_data.resources WHERE relation = $1 FOR UPDATE",
};

static Statement find_kind = {
	.types = "text, text",
	.sql = "SELECT true FROM account_data.resources WHERE kind = $1 OR limit_name = $2",
};

/* One of those whose table was dropped. */
static Statement forget_dropped = {
	.types = "",
	.sql = "DELETE FROM account_data.resources WHERE relation = ("
		   "  SELECT relation FROM account_data.resources r"
		   "   WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = r.relation)"
		   "   ORDER BY relation::oid LIMIT 1)"
		   " RETURNING limit_name, category",
};

static Statement insert_resource = {
	.types = "oid, text, text, name, name, name, boolean, boolean, text",
	.sql = "INSERT INTO account_data.resources (relation, kind, category, workspace_column,"
		   "  name_column, size_column, policies, row_security, limit_name)"
		   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
};

static Statement delete_resource = {
	.types = "oid",
	.sql = "DELETE FROM account_data.resources WHERE relation = $1",
};

static void
Invalid(const char *what)
{
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid resource: %s", what)));
}

/* Its owner, or who may read the tables of account: an operator. */
static void
RequireOwner(Oid relid)
{
	Oid caller = GetUserId();

	if (!AccountOwnsRelation(relid, caller) &&
		pg_class_aclcheck(CatalogTable("resources"), caller, ACL_SELECT) != ACLCHECK_OK)
		ErrorDenied(
			psprintf("This needs the owner of table %s or an operator.", ShapeQuote(relid)));
}

/* The type of a column, which must exist, and in the row itself. */
static Oid
ColumnType(Oid relid, Name column)
{
	AttrNumber number = get_attnum(relid, NameStr(*column));

	if (number <= 0)
		Invalid(psprintf("table %s has no column \"%s\"", ShapeQuote(relid), NameStr(*column)));
	if (get_attgenerated(relid, number) == ATTRIBUTE_GENERATED_VIRTUAL)
		Invalid(psprintf("column \"%s\" is generated but not stored", NameStr(*column)));
	return getBaseType(get_atttype(relid, number));
}

static void
CheckColumns(Registration *r)
{
	Oid type;

	if (ColumnType(r->relid, r->workspace) != UUIDOID)
		Invalid(psprintf("column \"%s\" is not of type uuid", NameStr(*r->workspace)));
	/* a table without the column that stands as the default has no names */
	if (r->name != NULL && strcmp(NameStr(*r->name), "name") == 0 &&
		get_attnum(r->relid, "name") == InvalidAttrNumber)
		r->name = NULL;
	if (r->name != NULL)
		(void) ColumnType(r->relid, r->name);
	if (r->size == NULL)
		return;
	type = ColumnType(r->relid, r->size);
	if (type != INT2OID && type != INT4OID && type != INT8OID)
		Invalid(psprintf("column \"%s\" is not an integer", NameStr(*r->size)));
}

static void
CheckTable(Registration *r)
{
	Relation relation = relation_open(r->relid, ShareRowExclusiveLock);
	const FormData_pg_class *class = relation->rd_rel;

	if (class->relkind != RELKIND_RELATION && class->relkind != RELKIND_PARTITIONED_TABLE)
		Invalid(psprintf("%s is not a table", ShapeQuote(r->relid)));
	if (class->relpersistence == RELPERSISTENCE_TEMP)
		Invalid(psprintf("%s is a temporary table", ShapeQuote(r->relid)));
	if (class->relispartition)
		Invalid(
			psprintf("%s is a partition; register the partitioned table", ShapeQuote(r->relid)));
	if (IsCatalogRelation(relation) || class->relnamespace == CatalogDoors() ||
		class->relnamespace == get_rel_namespace(CatalogTable("resources")))
		Invalid(psprintf("%s belongs to the system", ShapeQuote(r->relid)));
	list_free(RelationGetIndexList(relation));
	if (!OidIsValid(relation->rd_pkindex))
		Invalid(psprintf("table %s has no primary key", ShapeQuote(r->relid)));
	r->row_security = class->relrowsecurity;
	relation_close(relation, NoLock);
	CheckColumns(r);
}

/* "models" is the limit of kind "model"; a kind without any counts under its own name. */
static const char *
LimitName(const char *kind)
{
	char *plural = psprintf("%ss", kind);

	return !PlanKnowsLimit(kind) && !LimitIsOwn(plural) && PlanKnowsLimit(plural) ? plural : kind;
}

static void
InsertResource(const Registration *r)
{
	NullableDatum args[9] = {ArgDatum(ObjectIdGetDatum(r->relid)),
							 ArgText(r->kind),
							 ArgText(r->category),
							 ArgPointer(r->workspace),
							 ArgPointer(r->name),
							 ArgPointer(r->size),
							 ArgBool(r->policies),
							 ArgBool(r->row_security),
							 ArgText(LimitName(r->kind))};

	QueryRun(&insert_resource, args);
}

/* Registered already: only tables that came since can be the reason to ask again. */
static void
RegisterAgain(const Registration *r, const char *kind)
{
	if (strcmp(r->kind, kind) != 0 || !AttachCapture(r->relid))
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_TAKEN),
				 errmsg("resource %s already exists", ShapeQuote(r->relid)),
				 errdetail("It is registered as \"%s\", and so is all that hangs on it.", kind)));
	CacheInvalidateRelcacheByRelid(r->relid);
}

static void
Register(Registration *r)
{
	NullableDatum args[2] = {ArgDatum(ObjectIdGetDatum(r->relid))};
	NullableDatum row[5];

	while (QueryRow(&forget_dropped, NULL, row, 2))
		UsageForget(row[0], row[1]);
	if (QueryRow(&find_resource, args, row, 5))
	{
		RegisterAgain(r, TextDatumGetCString(row[0].value));
		return;
	}
	args[0] = ArgText(r->kind);
	args[1] = ArgText(LimitName(r->kind));
	if (UndoOwnsType(r->kind) || LimitIsOwn(r->kind) || QueryRow(&find_kind, args, row, 1))
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_TAKEN), errmsg("kind \"%s\" already exists", r->kind),
				 errdetail("Another table is registered under it or counts for the same limit, or"
						   " account has it.")));
	InsertResource(r);
	(void) AttachCapture(r->relid);
	AttachChanges(r->relid);
	if (r->policies)
		PoliciesMake(r->relid, NameStr(*r->workspace));
	/* what is known of the table and what it hangs on is made anew */
	CacheInvalidateRelcacheByRelid(r->relid);
	CommandCounterIncrement();
	UsageCountAll(ShapeOf(r->relid));
}

static Name
ArgColumn(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_NAME(n);
}

static Oid
ArgTable(FunctionCallInfo fcinfo, int n)
{
	Oid relid;

	ArgRequired(fcinfo, n, "resource");
	relid = PG_GETARG_OID(n);
	if (get_rel_name(relid) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_NOT_FOUND), errmsg("table %u does not exist", relid)));
	return relid;
}

PG_FUNCTION_INFO_V1(account_register_resource);
Datum
account_register_resource(PG_FUNCTION_ARGS)
{
	Registration r = {.relid = ArgTable(fcinfo, 0)};

	r.kind = ArgSymbol(fcinfo, 1, "kind");
	ArgRequired(fcinfo, 2, "workspace_column");
	r.workspace = PG_GETARG_NAME(2);
	r.name = ArgColumn(fcinfo, 3);
	r.size = ArgColumn(fcinfo, 4);
	r.category = PG_ARGISNULL(5) ? r.kind : ArgName(fcinfo, 5, "category", ARG_MAX_SYMBOL);
	r.policies = PG_ARGISNULL(6) || PG_GETARG_BOOL(6);
	RequireOwner(r.relid);
	CheckTable(&r);
	Register(&r);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_unregister_resource);
Datum
account_unregister_resource(PG_FUNCTION_ARGS)
{
	Oid relid = ArgTable(fcinfo, 0);
	NullableDatum args[1] = {ArgDatum(ObjectIdGetDatum(relid))};
	NullableDatum row[5];

	RequireOwner(relid);
	LockRelationOid(relid, ShareRowExclusiveLock);
	if (!QueryRow(&find_resource, args, row, 5))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_NOT_FOUND),
						errmsg("resource %s does not exist", ShapeQuote(relid))));
	QueryRun(&delete_resource, args);
	Detach(relid);
	UsageForget(row[4], row[1]);
	if (DatumGetBool(row[2].value))
		PoliciesDrop(relid, DatumGetBool(row[3].value));
	CacheInvalidateRelcacheByRelid(relid);
	PG_RETURN_VOID();
}
