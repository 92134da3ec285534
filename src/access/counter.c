/*
 * counter.c
 *		How often proofs held and failed, and why: account.stats.
 *
 * A failed proof is an error as a rule, and an error rolls back what its
 * transaction wrote, so it is counted in shared memory, at once and for good.
 * Each counter is one atomic number in a cache line of its own, and no lock
 * guards any.  They count for all databases of the server, since it started.
 *
 * Without preloading there is no such memory, and nothing is counted.
 */
#include "postgres.h"

#include "funcapi.h"
#include "port/atomics.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "access/counter.h"
#include "base/shmem.h"

typedef union Cell
{
	pg_atomic_uint64 count;
	char line[PG_CACHE_LINE_SIZE];
} Cell;

typedef struct Counters
{
	TimestampTz since;
	Cell cells[COUNTERS];
} Counters;

#define STATS_COLUMNS 4

static const struct
{
	const char *subject;
	const char *outcome;
} names[COUNTERS] = {
	[COUNTER_API_KEY_VALID] = {"api_key", "valid"},
	[COUNTER_API_KEY_NOT_FOUND] = {"api_key", "not_found"},
	[COUNTER_API_KEY_DISABLED] = {"api_key", "disabled"},
	[COUNTER_API_KEY_EXPIRED] = {"api_key", "expired"},
	[COUNTER_API_KEY_SCOPE] = {"api_key", "insufficient_scope"},
	[COUNTER_API_KEY_ADDRESS] = {"api_key", "ip_not_allowed"},
	[COUNTER_SESSION_VALID] = {"session", "valid"},
	[COUNTER_SESSION_INVALID] = {"session", "invalid"},
	[COUNTER_EMAIL_CODE_VALID] = {"email_code", "valid"},
	[COUNTER_EMAIL_CODE_INVALID] = {"email_code", "invalid"},
	[COUNTER_INVITE_NOT_FOUND] = {"invite", "not_found"},
};

static Counters *counters = NULL;

static void
Make(void)
{
	counters->since = GetCurrentTimestamp();
	for (int i = 0; i < COUNTERS; i++)
		pg_atomic_init_u64(&counters->cells[i].count, 0);
}

static const SharedPart part = {
	.name = "account counters",
	.size = sizeof(Counters),
	.memory = (void **) &counters,
	.make = Make,
};

void
CounterInit(void)
{
	ShmemShare(&part);
}

void
CounterAdd(Counter counter)
{
	if (counters != NULL)
		(void) pg_atomic_fetch_add_u64(&counters->cells[counter].count, 1);
}

/* Every counter there is; count and since are null where nothing is counted. */
PG_FUNCTION_INFO_V1(account_read_stats);
Datum
account_read_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < COUNTERS; i++)
	{
		bool is_counted = counters != NULL;
		bool nulls[STATS_COLUMNS] = {false, false, !is_counted, !is_counted};
		Datum values[STATS_COLUMNS] = {CStringGetTextDatum(names[i].subject),
									   CStringGetTextDatum(names[i].outcome)};

		if (is_counted)
		{
			values[2] = Int64GetDatum((int64) pg_atomic_read_u64(&counters->cells[i].count));
			values[3] = TimestampTzGetDatum(counters->since);
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
