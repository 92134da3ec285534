/*
 * shape.c
 *		What the catalog says of a table that is a resource or hangs on one.
 *
 * A shape is made once a backend and again when the table, or a table that its
 * rows cascade to, changes.  An old one stays in memory until nobody can hold
 * it: who took one keeps it to the end of the statement.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "storage/proc.h"
#include "storage/sinval.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/query.h"
#include "resource/shape.h"

#define SEED_A 0x6163636f756e74ULL
#define SEED_B 0x7265736f75726365ULL

typedef struct ShapeEntry
{
	Oid relid; /* hash key */
	Shape *shape;
} ShapeEntry;

static HTAB *shapes = NULL;
static MemoryContext shape_memory = NULL;
static LocalTransactionId shape_lxid = InvalidLocalTransactionId;
static bool has_stale = false;

/* The registration of a table, or of the one it inherits from. */
static Statement find_resource = {
	.types = "oid",
	.mode = QUERY_WRITE,
	.sql =
		"WITH RECURSIVE up (relation) AS ("
		"  SELECT $1 UNION"
		"  SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN up ON i.inhrelid = up.relation)"
		" SELECT r.relation::oid, r.kind, r.category, r.workspace_column, r.name_column, r.size_column, r.limit_name"
		"  FROM up JOIN account_data.resources r ON r.relation = up.relation LIMIT 1",
};

static void
RelationChanged(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS scan;
	ShapeEntry *entry;

	if (shapes == NULL)
		return;
	hash_seq_init(&scan, shapes);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (entry->shape != NULL &&
			(relid == InvalidOid || list_member_oid(entry->shape->related, relid)))
			entry->shape->is_stale = has_stale = true;
}

void
ShapeInit(void)
{
	CacheRegisterRelcacheCallback(RelationChanged, (Datum) 0);
}

/* The partitioned table a partition belongs to at last, or the table itself. */
Oid
ShapeRoot(Oid relid)
{
	return get_rel_relispartition(relid) ? llast_oid(get_partition_ancestors(relid)) : relid;
}

/* "schema"."table", quoted where needed. */
const char *
ShapeQuote(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

static bool
IsTopConstraint(Oid constraint)
{
	HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	bool is_top;

	if (!HeapTupleIsValid(tuple))
		return false;
	is_top = !OidIsValid(((Form_pg_constraint) GETSTRUCT(tuple))->conparentid);
	ReleaseSysCache(tuple);
	return is_top;
}

/* The table, its partitions and what inherits from it. */
List *
ShapeMembers(Oid relid)
{
	return find_all_inheritors(relid, AccessShareLock, NULL);
}

/* The tables whose foreign keys and triggers are the shape's: partitions may have their own. */
static List *
Parts(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE ? ShapeMembers(relid)
															   : list_make1_oid(relid);
}

/* Whether the trigger deletes rows of another table along, for a foreign key that is no partition's copy. */
static bool
IsCascade(const Trigger *trigger)
{
	return trigger->tgfoid == F_RI_FKEY_CASCADE_DEL && IsTopConstraint(trigger->tgconstraint);
}

/*
 * The tables whose rows are deleted along, by their foreign keys' own triggers.
 * Here and below what the relation cache lends is copied: it may be gone after a
 * catalog is read.
 */
List *
ShapeCascade(Oid relid)
{
	List *children = NIL;
	ListCell *cell;

	foreach (cell, Parts(relid))
	{
		Relation relation = table_open(lfirst_oid(cell), AccessShareLock);
		TriggerDesc *triggers = CopyTriggerDesc(relation->trigdesc);

		for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
			if (IsCascade(&triggers->triggers[i]))
				children = list_append_unique_oid(children,
												  ShapeRoot(triggers->triggers[i].tgconstrrelid));
		table_close(relation, AccessShareLock);
	}
	return children;
}

/* Whether the capture trigger is there, for rows or for statements. */
bool
ShapeIsCaptured(Oid relid)
{
	Relation relation = table_open(relid, AccessShareLock);
	TriggerDesc *triggers = relation->trigdesc;
	bool found = false;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers && !found; i++)
		found = strcmp(triggers->triggers[i].tgname, CAPTURE_TRIGGER) == 0;
	table_close(relation, AccessShareLock);
	return found;
}

static void
AddColumn(ShapeKey *key, TupleDesc desc, AttrNumber number)
{
	Form_pg_attribute att = TupleDescAttr(desc, number - 1);
	TypeCacheEntry *type = lookup_type_cache(att->atttypid, TYPECACHE_HASH_EXTENDED_PROC_FINFO);

	if (!OidIsValid(type->hash_extended_proc))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid resource: values of column \"%s\" cannot be hashed",
							   NameStr(att->attname))));
	key->columns[key->ncolumns] = number;
	fmgr_info_cxt(type->hash_extended_proc, &key->hash[key->ncolumns], CurrentMemoryContext);
	key->collations[key->ncolumns] = att->attcollation;
	key->ncolumns++;
}

/* Columns of different families of types are compared as the referenced one's. */
static void
ConvertColumn(ShapeKey *key, int i, Oid from, Oid to)
{
	TypeCacheEntry *a = lookup_type_cache(from, TYPECACHE_HASH_OPFAMILY);
	TypeCacheEntry *b = lookup_type_cache(to, TYPECACHE_HASH_OPFAMILY);
	TypeCacheEntry *target;

	if (a->hash_opf == b->hash_opf)
		return;
	target = lookup_type_cache(to, TYPECACHE_HASH_EXTENDED_PROC_FINFO);
	key->convert_from[i] = from;
	key->convert_to[i] = to;
	fmgr_info_cxt(target->hash_extended_proc, &key->hash[i], CurrentMemoryContext);
}

/* The hash of the row's key; false when part of it is null: it refers to nothing. */
bool
ShapeHash(const ShapeKey *key, TupleTableSlot *slot, KeyHash *hash)
{
	hash->a = hash->b = 0;
	for (int i = 0; i < key->ncolumns; i++)
	{
		bool isnull;
		Datum value = slot_getattr(slot, key->columns[i], &isnull);
		FmgrInfo *function = unconstify(FmgrInfo *, &key->hash[i]);

		if (isnull)
			return false;
		if (OidIsValid(key->convert_to[i]))
		{
			Oid out;
			Oid in;
			Oid param;
			bool is_varlena;

			getTypeOutputInfo(key->convert_from[i], &out, &is_varlena);
			getTypeInputInfo(key->convert_to[i], &in, &param);
			value = OidInputFunctionCall(in, OidOutputFunctionCall(out, value), param, -1);
		}
		hash->a = hash_combine64(hash->a,
								 DatumGetUInt64(FunctionCall2Coll(function, key->collations[i],
																  value, UInt64GetDatum(SEED_A))));
		hash->b = hash_combine64(hash->b,
								 DatumGetUInt64(FunctionCall2Coll(function, key->collations[i],
																  value, UInt64GetDatum(SEED_B))));
	}
	return true;
}

/* The number in the whole table of a column that one of its partitions has. */
static AttrNumber
RootColumn(Oid root, Oid relid, AttrNumber number)
{
	return root == relid ? number : get_attnum(root, get_attname(relid, number, false));
}

static void
AddParent(Shape *shape, const ForeignKeyCacheInfo *foreign)
{
	ShapeParent *parent = palloc0(sizeof(ShapeParent));

	if (foreign->nkeys > SHAPE_MAX_KEYS)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid resource: a foreign key of \"%s\" has more than %d columns",
							   get_rel_name(shape->relid), SHAPE_MAX_KEYS)));
	parent->relid = ShapeRoot(foreign->confrelid);
	for (int i = 0; i < foreign->nkeys; i++)
	{
		AttrNumber number = RootColumn(shape->relid, foreign->conrelid, foreign->conkey[i]);

		AddColumn(&parent->key, shape->desc, number);
		parent->columns[i] = RootColumn(parent->relid, foreign->confrelid, foreign->confkey[i]);
		ConvertColumn(&parent->key, i,
					  getBaseType(TupleDescAttr(shape->desc, number - 1)->atttypid),
					  getBaseType(get_atttype(parent->relid, parent->columns[i])));
	}
	shape->parents = lappend(shape->parents, parent);
}

/* The foreign keys of the table that delete its rows. */
static void
AddParents(Shape *shape, Relation relation)
{
	Oid people[2] = {CatalogTable("users"), CatalogTable("workspaces")};
	ListCell *cell;

	foreach (cell, copyObject(RelationGetFKeyList(relation)))
	{
		ForeignKeyCacheInfo *foreign = lfirst(cell);
		HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(foreign->conoid));
		Form_pg_constraint constraint = (Form_pg_constraint) GETSTRUCT(tuple);
		bool is_cascade = constraint->confdeltype == FKCONSTR_ACTION_CASCADE &&
						  !OidIsValid(constraint->conparentid) && AccountIsEnforced(constraint);

		ReleaseSysCache(tuple);
		if (is_cascade && (foreign->confrelid == people[0] || foreign->confrelid == people[1]))
			shape->goes_with_people = true;
		if (is_cascade)
			AddParent(shape, foreign);
	}
}

static bool
IsSameKey(const ShapeKey *key, const AttrNumber *columns, int ncolumns)
{
	return key->ncolumns == ncolumns &&
		   memcmp(key->columns, columns, sizeof(AttrNumber) * ncolumns) == 0;
}

/* The sets of columns that cascading foreign keys of other tables refer to. */
static void
AddKeys(Shape *shape, Relation relation)
{
	TriggerDesc *triggers = CopyTriggerDesc(relation->trigdesc);

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger *trigger = &triggers->triggers[i];
		HeapTuple tuple;
		AttrNumber columns[INDEX_MAX_KEYS];
		int ncolumns;
		bool is_known = false;
		ListCell *cell;
		ShapeKey *key;

		if (!IsCascade(trigger))
			continue;
		tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(trigger->tgconstraint));
		DeconstructFkConstraintRow(tuple, &ncolumns, (AttrNumber[INDEX_MAX_KEYS]){0}, columns, NULL,
								   NULL, NULL, NULL, NULL);
		ReleaseSysCache(tuple);
		for (int c = 0; c < ncolumns; c++)
			columns[c] = RootColumn(shape->relid, RelationGetRelid(relation), columns[c]);
		foreach (cell, shape->keys)
			is_known = is_known || IsSameKey(lfirst(cell), columns, ncolumns);
		if (is_known || ncolumns > SHAPE_MAX_KEYS)
			continue;
		key = palloc0(sizeof(ShapeKey));
		for (int c = 0; c < ncolumns; c++)
			AddColumn(key, shape->desc, columns[c]);
		shape->keys = lappend(shape->keys, key);
	}
}

static AttrNumber
ColumnNamed(Oid relid, Datum name)
{
	AttrNumber number = get_attnum(relid, NameStr(*DatumGetName(name)));

	if (number <= 0 || get_attgenerated(relid, number) == ATTRIBUTE_GENERATED_VIRTUAL)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("resource \"%s\" has no stored column \"%s\"", get_rel_name(relid),
							   NameStr(*DatumGetName(name))),
						errhint("Run account.unregister_resource and account.register_resource.")));
	return number;
}

/* The primary key, by the names of its columns in the registered table. */
static void
AddPrimaryKey(Shape *shape, Oid registered)
{
	Relation relation = table_open(registered, AccessShareLock);
	List *indexes = RelationGetIndexList(relation);
	HeapTuple tuple;

	list_free(indexes);
	if (!OidIsValid(relation->rd_pkindex))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("resource \"%s\" has no primary key any more",
							   RelationGetRelationName(relation))));
	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(relation->rd_pkindex));
	shape->nkey = ((Form_pg_index) GETSTRUCT(tuple))->indnkeyatts;
	for (int i = 0; i < shape->nkey; i++)
	{
		AttrNumber number = ((Form_pg_index) GETSTRUCT(tuple))->indkey.values[i];

		shape->key[i] = get_attnum(shape->relid, get_attname(registered, number, false));
	}
	ReleaseSysCache(tuple);
	table_close(relation, AccessShareLock);
}

static void
AddRegistration(Shape *shape)
{
	NullableDatum args[1] = {ArgDatum(ObjectIdGetDatum(shape->relid))};
	NullableDatum row[7];

	shape->is_resource = QueryRow(&find_resource, args, row, 7);
	if (!shape->is_resource)
		return;
	shape->kind = TextDatumGetCString(row[1].value);
	shape->category = TextDatumGetCString(row[2].value);
	shape->limit = TextDatumGetCString(row[6].value);
	shape->workspace = ColumnNamed(shape->relid, row[3].value);
	if (!row[4].isnull)
		shape->name = ColumnNamed(shape->relid, row[4].value);
	if (!row[5].isnull)
		shape->size = ColumnNamed(shape->relid, row[5].value);
	AddPrimaryKey(shape, DatumGetObjectId(row[0].value));
}

static Oid
FirstUncaptured(const List *tables)
{
	ListCell *cell;

	foreach (cell, tables)
		if (!ShapeIsCaptured(lfirst_oid(cell)))
			return lfirst_oid(cell);
	return InvalidOid;
}

/* For who captures: every table the rows cascade to must be captured, or its rows would be lost. */
void
ShapeRequireCaptured(const Shape *shape)
{
	if (OidIsValid(shape->uncaptured))
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_WRONG_STATE),
				 errmsg("rows of \"%s\" would be deleted along with \"%s\" and be lost",
						get_rel_name(shape->uncaptured), get_rel_name(shape->relid)),
				 errhint("Run account.register_resource again for the resource they hang on.")));
}

static Shape *
MakeShape(Oid relid)
{
	MemoryContext old = MemoryContextSwitchTo(shape_memory);
	Relation relation = table_open(relid, AccessShareLock);
	Shape *shape = palloc0(sizeof(Shape));
	List *parts = Parts(relid);
	ListCell *cell;

	shape->relid = relid;
	shape->children = ShapeCascade(relid);
	shape->related = list_concat_copy(parts, shape->children);
	if (has_subclass(relid))
		shape->related = list_concat_unique_oid(shape->related, ShapeMembers(relid));
	shape->uncaptured = FirstUncaptured(list_delete_oid(list_copy(shape->related), relid));
	shape->owner = relation->rd_rel->relowner;
	shape->desc = CreateTupleDescCopyConstr(RelationGetDescr(relation));
	shape->out = palloc0(sizeof(FmgrInfo) * Max(shape->desc->natts, 1));
	table_close(relation, AccessShareLock);
	AddRegistration(shape);
	foreach (cell, parts)
	{
		relation = table_open(lfirst_oid(cell), AccessShareLock);
		AddParents(shape, relation);
		AddKeys(shape, relation);
		table_close(relation, AccessShareLock);
	}
	shape->layout = LayoutMake(relid, shape->desc);
	MemoryContextSwitchTo(old);
	return shape;
}

/* Starts over when something changed and no statement of before can hold a shape. */
static void
ForgetStale(void)
{
	HASHCTL control = {.keysize = sizeof(Oid), .entrysize = sizeof(ShapeEntry)};

	if (shapes != NULL && !(has_stale && shape_lxid != AccountLocalTransaction()))
		return;
	if (shape_memory != NULL)
		MemoryContextDelete(shape_memory);
	shapes = NULL;
	has_stale = false;
	shape_memory = AllocSetContextCreate(TopMemoryContext, "account shapes",
										 ALLOCSET_DEFAULT_SIZES);
	control.hcxt = shape_memory;
	shapes = hash_create("account shapes", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * The shape of a table, or of the partitioned table it is part of.  What a message
 * that came while it was made was about is not known: it serves this once.
 */
const Shape *
ShapeOf(Oid relid)
{
	Oid root = ShapeRoot(relid);
	ShapeEntry *entry;
	Shape *shape;
	uint64 heard;

	ForgetStale();
	shape_lxid = AccountLocalTransaction();
	entry = hash_search(shapes, &root, HASH_FIND, NULL);
	if (entry != NULL && entry->shape != NULL && !entry->shape->is_stale)
		return entry->shape;
	heard = SharedInvalidMessageCounter;
	shape = MakeShape(root);
	shape->is_stale = heard != SharedInvalidMessageCounter;
	has_stale = has_stale || shape->is_stale;
	entry = hash_search(shapes, &root, HASH_ENTER, NULL);
	entry->shape = shape;
	return shape;
}
