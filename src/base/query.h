/*
 * query.h
 *		Statements: saved plans, run as the owner of what they touch.
 *
 * A Statement on account_data is a static struct: its text, the types of its
 * parameters, and how it sees the data.  It is prepared once a backend and runs
 * as the extension's owner.
 *
 * A TableStatement is on a table of the application.  Its text is made at run
 * time, of quoted names from the catalog only; it runs as that table's owner,
 * so that triggers, checks and defaults of the application never have the
 * extension's rights.
 */
#ifndef ACCOUNT_QUERY_H
#define ACCOUNT_QUERY_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "base/catalog.h"

#define QUERY_MAX_ARGS 20
#define QUERY_MAX_COLUMNS 24

typedef enum
{
	QUERY_WRITE, /* sees what a statement of its own would see, and may write */
	QUERY_READ,	 /* sees what the calling statement sees */
	QUERY_FRESH, /* writes, and sees what is committed now at any isolation level */
} QueryMode;

typedef struct Statement
{
	const char *types; /* "uuid, text, account.role" */
	QueryMode mode;
	bool by_index; /* never planned as a scan of a whole table */
	const char *sql;
	/* filled by the first run */
	struct _SPI_plan *plan;
	uint64 generation;
	int nargs;
	Oid argtypes[QUERY_MAX_ARGS];
} Statement;

typedef struct TableStatement
{
	Oid owner; /* runs as this role */
	const char *sql;
	int nargs;
	Oid argtypes[QUERY_MAX_ARGS];
	Oid home;		  /* its triggers find what is in this schema; 0: none has */
	TupleDesc rows;	  /* of the relation "rows" that the text reads; NULL: none */
	bool is_fresh;	  /* as QUERY_FRESH */
	bool is_deferred; /* its triggers wait for AfterTriggerEndQuery() of the caller */
	/* filled by the first run; freed with the memory context of that */
	struct _SPI_plan *plan;
	MemoryContextCallback release;
} TableStatement;

extern uint64 QueryTable(TableStatement *statement, const NullableDatum *args,
						 Tuplestorestate *rows, NullableDatum *row, int ncolumns);
extern void QueryCommand(Oid owner, const char *sql);

extern uint64 QueryRun(Statement *statement, const NullableDatum *args);
extern bool QueryRow(Statement *statement, const NullableDatum *args, NullableDatum *row,
					 int ncolumns);
extern uint64 QueryAll(Statement *statement, const NullableDatum *args, NullableDatum **rows,
					   int ncolumns);
extern void QueryEach(Statement *statement, const NullableDatum *args, int ncolumns,
					  void (*each)(const NullableDatum *row, void *state), void *state);

static inline NullableDatum
ArgDatum(Datum value)
{
	return (NullableDatum){.value = value, .isnull = false};
}

static inline NullableDatum
ArgNull(void)
{
	return (NullableDatum){.value = (Datum) 0, .isnull = true};
}

/* A pointer that may be NULL, for any type passed by reference. */
static inline NullableDatum
ArgPointer(const void *value)
{
	return (NullableDatum){.value = PointerGetDatum(value), .isnull = value == NULL};
}

static inline NullableDatum
ArgUuid(const pg_uuid_t *value)
{
	return ArgPointer(value);
}

static inline NullableDatum
ArgText(const char *value)
{
	return value == NULL ? ArgNull() : ArgDatum(CStringGetTextDatum(value));
}

static inline NullableDatum
ArgBytes(const void *bytes, size_t len)
{
	bytea *value = palloc(VARHDRSZ + len);

	SET_VARSIZE(value, VARHDRSZ + len);
	memcpy(VARDATA(value), bytes, len);
	return ArgDatum(PointerGetDatum(value));
}

static inline NullableDatum
ArgTime(TimestampTz value)
{
	return ArgDatum(TimestampTzGetDatum(value));
}

static inline NullableDatum
ArgBool(bool value)
{
	return ArgDatum(BoolGetDatum(value));
}

static inline NullableDatum
ArgRole(AccountRole role)
{
	return ArgDatum(ObjectIdGetDatum(CatalogEnumOid(ENUM_ROLE, role)));
}

static inline NullableDatum
ArgRegion(AccountRegion region)
{
	return ArgDatum(ObjectIdGetDatum(CatalogEnumOid(ENUM_REGION, region)));
}

#endif /* ACCOUNT_QUERY_H */
