/*
 * catalog.c
 *		Object ids of what the script created: schemas, their owner, enums.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "storage/sinval.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/catalog.h"

#define MAX_MEMBERS 15

/* The members of each enum, in the order of the C enum and of CREATE TYPE. */
static const struct
{
	const char *name;
	int members;
	const char *labels[MAX_MEMBERS];
} enums[CATALOG_ENUMS] = {
	[ENUM_ROLE] = {"role", 4, {"viewer", "editor", "admin", "owner"}},
	[ENUM_PROOF] = {"proof", 3, {"session", "api_key", "trusted"}},
	[ENUM_REGION] = {"region", 3, {"us", "eu", "ap"}},
	[ENUM_WORKSPACE_KIND] = {"workspace_kind", 2, {"personal", "team"}},
	[ENUM_TRANSACTION_TYPE] = {"transaction_type",
							   15,
							   {"signup", "purchase", "subscription", "monthly_grant", "usage",
								"refund", "adjustment", "promo", "referral", "auto_top_up",
								"auto_top_up_failed", "expiry", "hold", "settle", "release"}},
};

static struct
{
	bool is_loaded;
	uint64 generation;
	Oid doors; /* schema account */
	Oid rooms; /* schema account_data */
	uint32 doors_hash;
	uint32 rooms_hash;
	Oid owner;
	Oid members[CATALOG_ENUMS][MAX_MEMBERS];
} catalog = {.generation = 1};

/*
 * One of our two schemas may have changed: forget everything.  Called at the end
 * of transactions too, when no cache may be asked; so their hashes are kept.
 */
static void
SchemaChanged(Datum arg, int cacheid, uint32 hash)
{
	if (catalog.is_loaded && hash != 0 && hash != catalog.doors_hash && hash != catalog.rooms_hash)
		return;
	catalog.is_loaded = false;
	catalog.generation++;
}

void
CatalogInit(void)
{
	CacheRegisterSyscacheCallback(NAMESPACEOID, SchemaChanged, (Datum) 0);
}

static Oid
SchemaOwner(Oid schema)
{
	HeapTuple tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for schema %u", schema);
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

static void
LoadEnum(CatalogEnum type)
{
	Oid oid = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(enums[type].name),
							  ObjectIdGetDatum(catalog.doors));

	for (int i = 0; i < enums[type].members; i++)
		catalog.members[type][i] = GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid,
												   ObjectIdGetDatum(oid),
												   CStringGetDatum(enums[type].labels[i]));
}

/* All of it, and again when a message came meanwhile that may have been about it. */
static pg_noinline void
LoadAll(void)
{
	uint64 heard;

	do
	{
		heard = SharedInvalidMessageCounter;
		catalog.doors = get_namespace_oid("account", false);
		catalog.rooms = get_namespace_oid("account_data", false);
		catalog.doors_hash = GetSysCacheHashValue1(NAMESPACEOID, ObjectIdGetDatum(catalog.doors));
		catalog.rooms_hash = GetSysCacheHashValue1(NAMESPACEOID, ObjectIdGetDatum(catalog.rooms));
		catalog.owner = SchemaOwner(catalog.rooms);
		for (int i = 0; i < CATALOG_ENUMS; i++)
			LoadEnum(i);
	} while (heard != SharedInvalidMessageCounter);
	catalog.is_loaded = true;
}

static inline void
Load(void)
{
	if (unlikely(!catalog.is_loaded))
		LoadAll();
}

/* Changes whenever an object id handed out before may be wrong. */
uint64
CatalogGeneration(void)
{
	return catalog.generation;
}

/* The role all statements on account_data run as. */
Oid
CatalogOwner(void)
{
	Load();
	return catalog.owner;
}

/* A table or index of account_data; InvalidOid when there is none. */
Oid
CatalogTable(const char *name)
{
	Load();
	return get_relname_relid(name, catalog.rooms);
}

/* The schema of the functions and views. */
Oid
CatalogDoors(void)
{
	Load();
	return catalog.doors;
}

Oid
CatalogEnumOid(CatalogEnum type, int member)
{
	Load();
	return catalog.members[type][member];
}

/* -1 when nothing is loaded or the enum has no such member. */
static inline int
LoadedMember(CatalogEnum type, Oid oid)
{
	for (int i = 0; catalog.is_loaded && i < enums[type].members; i++)
		if (catalog.members[type][i] == oid)
			return i;
	return -1;
}

static pg_noinline int
LoadMember(CatalogEnum type, Oid oid)
{
	int member;

	Load();
	member = LoadedMember(type, oid);
	if (member >= 0)
		return member;
	elog(ERROR, "enum value %u is not of account.%s", oid, enums[type].name);
}

/* Short, because policies ask for every row. */
int
CatalogEnumMember(CatalogEnum type, Oid oid)
{
	int member = LoadedMember(type, oid);

	return likely(member >= 0) ? member : LoadMember(type, oid);
}

const char *
CatalogEnumLabel(CatalogEnum type, int member)
{
	return enums[type].labels[member];
}

/* -1 when the enum has no such label. */
int
CatalogEnumFromLabel(CatalogEnum type, const char *label)
{
	for (int i = 0; i < enums[type].members; i++)
		if (strcmp(enums[type].labels[i], label) == 0)
			return i;
	return -1;
}
