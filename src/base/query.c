/*
 * query.c
 *		Statements: saved plans, run as the owner of what they touch.
 *
 * The only file that calls SPI.  Each run switches to the owner of the
 * extension, or of the application's table, and to a search path on which only
 * pg_catalog and, last, the temporary schema stand, so that nothing a caller
 * created or set takes part in it.  What writes to a table of the application
 * may have its schema between the two: triggers there were written to find what
 * stands beside them.  On an error the transaction's own clean-up restores all.
 *
 * AFTER triggers of what runs as the extension's owner fire when the switch is
 * over.  Applications have foreign keys on users and workspaces, a delete reaches
 * their rows by cascade, and their triggers must not run with its rights.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/query.h"

/* Rows a cursor fetches at a time: bounds what QueryEach() holds. */
#define FETCH_ROWS 500

typedef struct Switch
{
	MemoryContext caller;
	Oid userid;
	int sec_context;
	int guc_level;
} Switch;

static void
SetPath(const char *path)
{
	(void) set_config_option("search_path", path, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
							 0, false);
}

static void
SwitchTo(Switch *s, Oid owner, int sec_context)
{
	s->caller = CurrentMemoryContext;
	GetUserIdAndSecContext(&s->userid, &s->sec_context);
	SetUserIdAndSecContext(owner, s->sec_context | SECURITY_LOCAL_USERID_CHANGE | sec_context);
	s->guc_level = NewGUCNestLevel();
	SetPath(ACCOUNT_SEARCH_PATH);
	SPI_connect();
}

static void
SwitchToOwner(Switch *s)
{
	SwitchTo(s, CatalogOwner(), 0);
}

static void
SwitchBack(Switch *s)
{
	SPI_finish();
	AtEOXact_GUC(true, s->guc_level);
	SetUserIdAndSecContext(s->userid, s->sec_context);
	MemoryContextSwitchTo(s->caller);
}

/* "uuid, text, account.role" as type ids; the list is ours, so it is well formed. */
static void
ResolveTypes(Statement *statement)
{
	char *list = pstrdup(statement->types);
	char *state = NULL;

	statement->nargs = 0;
	for (char *name = strtok_r(list, ",", &state); name; name = strtok_r(NULL, ",", &state))
	{
		int32 typmod;

		Assert(statement->nargs < QUERY_MAX_ARGS);
		AccountParseType(name, &statement->argtypes[statement->nargs++], &typmod);
	}
	pfree(list);
}

/* Prepared once a backend, and again after the extension was created anew. */
static void
Prepare(Statement *statement)
{
	if (statement->plan != NULL && statement->generation == CatalogGeneration())
		return;
	if (statement->plan != NULL)
	{
		SPI_freeplan(statement->plan);
		statement->plan = NULL;
	}
	statement->generation = CatalogGeneration();
	ResolveTypes(statement);
	statement->plan = SPI_prepare(statement->sql, statement->nargs, statement->argtypes);
	if (statement->plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", statement->sql,
			 SPI_result_code_string(SPI_result));
	SPI_keepplan(statement->plan);
}

/*
 * A plan is kept for long, and one made while its table was empty would read
 * the whole of it when it is full.  Undone by SwitchBack().
 */
static void
PlanByIndex(void)
{
	static const char *const ways[] = {"enable_seqscan", "enable_bitmapscan"};

	for (size_t i = 0; i < lengthof(ways); i++)
		(void) set_config_option(ways[i], "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
								 0, false);
}

/* What is committed now, and what this transaction did. */
static Snapshot
FreshSnapshot(void)
{
	CommandCounterIncrement();
	return GetLatestSnapshot();
}

/* Runs the plan inside a switch; returns the rows it processed. */
static uint64
Execute(Statement *statement, const NullableDatum *args)
{
	Datum values[QUERY_MAX_ARGS];
	char nulls[QUERY_MAX_ARGS];
	Snapshot fresh = InvalidSnapshot;
	int result;

	Prepare(statement);
	if (statement->by_index)
		PlanByIndex();
	for (int i = 0; i < statement->nargs; i++)
	{
		values[i] = args[i].value;
		nulls[i] = args[i].isnull ? 'n' : ' ';
	}
	if (statement->mode == QUERY_FRESH)
		fresh = FreshSnapshot();
	result = SPI_execute_snapshot(statement->plan, values, nulls, fresh, InvalidSnapshot,
								  statement->mode == QUERY_READ, false, 0);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", statement->sql, SPI_result_code_string(result));
	return SPI_processed;
}

/* One row of the current result, with what it points to copied to the caller's memory. */
static void
CopyRow(uint64 number, NullableDatum *row, int ncolumns, MemoryContext to)
{
	TupleDesc desc = SPI_tuptable->tupdesc;
	MemoryContext from = MemoryContextSwitchTo(to);

	Assert(desc->natts == ncolumns);
	for (int i = 0; i < ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		row[i].value = SPI_getbinval(SPI_tuptable->vals[number], desc, i + 1, &row[i].isnull);
		if (!row[i].isnull)
			row[i].value = datumCopy(row[i].value, att->attbyval, att->attlen);
	}
	MemoryContextSwitchTo(from);
}

/* Runs a statement, and copies its first row, or all of them to memory of their own. */
static uint64
Run(Statement *statement, const NullableDatum *args, NullableDatum *first, NullableDatum **all,
	int ncolumns)
{
	Switch s;
	uint64 processed;

	AfterTriggerBeginQuery();
	SwitchToOwner(&s);
	processed = Execute(statement, args);
	if (all != NULL)
	{
		*all = MemoryContextAllocHuge(s.caller, sizeof(NullableDatum) * ncolumns * processed);
		for (uint64 i = 0; i < processed; i++)
			CopyRow(i, *all + i * ncolumns, ncolumns, s.caller);
	}
	else if (first != NULL && processed > 0)
		CopyRow(0, first, ncolumns, s.caller);
	SwitchBack(&s);
	AfterTriggerEndQuery(NULL);
	return processed;
}

/* Runs a statement; returns how many rows it wrote or found. */
uint64
QueryRun(Statement *statement, const NullableDatum *args)
{
	return Run(statement, args, NULL, NULL, 0);
}

/* Runs a statement that gives at most one row; false when it gave none. */
bool
QueryRow(Statement *statement, const NullableDatum *args, NullableDatum *row, int ncolumns)
{
	return Run(statement, args, row, NULL, ncolumns) > 0;
}

/* Runs a statement that gives few rows; *rows is all of them, one after the other, and returns how many. */
uint64
QueryAll(Statement *statement, const NullableDatum *args, NullableDatum **rows, int ncolumns)
{
	return Run(statement, args, NULL, rows, ncolumns);
}

/*
 * Calls each() for every row, in bounded memory.  It runs as the extension's
 * owner, so it only keeps or prints what it is given.
 */
void
QueryEach(Statement *statement, const NullableDatum *args, int ncolumns,
		  void (*each)(const NullableDatum *row, void *state), void *state)
{
	Switch s;
	Datum values[QUERY_MAX_ARGS];
	char nulls[QUERY_MAX_ARGS];
	NullableDatum row[QUERY_MAX_COLUMNS];
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "account query row",
												 ALLOCSET_DEFAULT_SIZES);
	Portal portal;

	Assert(statement->mode != QUERY_FRESH && ncolumns <= QUERY_MAX_COLUMNS);
	SwitchToOwner(&s);
	Prepare(statement);
	if (statement->by_index)
		PlanByIndex();
	for (int i = 0; i < statement->nargs; i++)
	{
		values[i] = args[i].value;
		nulls[i] = args[i].isnull ? 'n' : ' ';
	}
	portal = SPI_cursor_open(NULL, statement->plan, values, nulls, statement->mode == QUERY_READ);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			MemoryContext old;

			CHECK_FOR_INTERRUPTS();
			CopyRow(i, row, ncolumns, memory);
			old = MemoryContextSwitchTo(memory);
			each(row, state);
			MemoryContextSwitchTo(old);
			MemoryContextReset(memory);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SwitchBack(&s);
	MemoryContextDelete(memory);
}

/* Names what the text reads as "rows" to the current connection. */
static void
ShowRows(TableStatement *statement, Tuplestorestate *rows)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));

	relation->md.name = "rows";
	relation->md.reliddesc = InvalidOid;
	relation->md.tupdesc = statement->rows;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = tuplestore_tuple_count(rows);
	relation->reldata = rows;
	if (SPI_register_relation(relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register rows");
}

static void
ReleasePlan(void *arg)
{
	SPI_freeplan(((TableStatement *) arg)->plan);
}

/* Kept until the memory the statement lives in goes, whatever ends it. */
static void
PrepareTable(TableStatement *statement, MemoryContext memory)
{
	if (statement->plan != NULL)
		return;
	statement->plan = SPI_prepare(statement->sql, statement->nargs, statement->argtypes);
	if (statement->plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", statement->sql,
			 SPI_result_code_string(SPI_result));
	SPI_keepplan(statement->plan);
	statement->release.func = ReleasePlan;
	statement->release.arg = statement;
	MemoryContextRegisterResetCallback(memory, &statement->release);
}

/*
 * Runs a statement on an application's table; returns the rows it wrote or
 * found, and gives the first in row when ncolumns > 0.  rows is what the text
 * reads under that name.  Like the checks of foreign keys it is not subject to
 * the owner's own row security. The statement itself is palloc'd.
 */
uint64
QueryTable(TableStatement *statement, const NullableDatum *args, Tuplestorestate *rows,
		   NullableDatum *row, int ncolumns)
{
	Switch s;
	Datum values[QUERY_MAX_ARGS];
	char nulls[QUERY_MAX_ARGS];
	Snapshot fresh;
	uint64 processed;
	int result;

	SwitchTo(&s, statement->owner, SECURITY_NOFORCE_RLS);
	if (OidIsValid(statement->home))
		SetPath(psprintf("pg_catalog, %s, pg_temp",
						 quote_identifier(get_namespace_name(statement->home))));
	if (rows != NULL)
		ShowRows(statement, rows);
	PrepareTable(statement, GetMemoryChunkContext(statement));
	for (int i = 0; i < statement->nargs; i++)
	{
		values[i] = args[i].value;
		nulls[i] = args[i].isnull ? 'n' : ' ';
	}
	fresh = statement->is_fresh ? FreshSnapshot() : InvalidSnapshot;
	result = SPI_execute_snapshot(statement->plan, values, nulls, fresh, InvalidSnapshot, false,
								  !statement->is_deferred, 0);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", statement->sql, SPI_result_code_string(result));
	processed = SPI_processed;
	if (ncolumns > 0 && processed > 0)
		CopyRow(0, row, ncolumns, s.caller);
	SwitchBack(&s);
	return processed;
}

/* Runs one command that takes no parameter, DDL mostly, as owner. */
void
QueryCommand(Oid owner, const char *sql)
{
	Switch s;
	int result;

	SwitchTo(&s, owner, 0);
	result = SPI_execute(sql, false, 0);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
	SwitchBack(&s);
}
