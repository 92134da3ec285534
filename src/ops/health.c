/*
 * health.c
 *		What an administrator should know is wrong: (check_name, ok, detail).
 */
#include "postgres.h"

#include "access/xact.h"
#include "funcapi.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "base/crypto.h"
#include "base/keyring.h"
#include "base/query.h"

/* The version this library was built for; the script has its own. */
#ifndef ACCOUNT_VERSION
#error "ACCOUNT_VERSION comes from the Makefile"
#endif

static Statement find_version = {
	.types = "",
	.sql = "SELECT extversion FROM pg_extension WHERE extname = 'account'",
};

static Statement keys_in_use = {
	.types = "",
	.sql =
		"SELECT m.id, m.fingerprint, count(*) FROM account_data.data_keys d"
		" JOIN account_data.master_keys m ON m.id = d.master_key_id GROUP BY m.id, m.fingerprint",
};

/* Of the messages that may be taken, the one that has waited longest. */
static Statement most_overdue = {
	.types = "timestamptz",
	.by_index = true,
	.sql = "SELECT created_at, due_at, $1 - due_at > interval '10 minutes'"
		   " FROM account_data.messages WHERE due_at <= $1 ORDER BY due_at LIMIT 1",
};

static void
Report(ReturnSetInfo *result, const char *name, bool ok, const char *detail)
{
	Datum values[3] = {CStringGetTextDatum(name), BoolGetDatum(ok), CStringGetTextDatum(detail)};
	bool nulls[3] = {false, false, false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
CheckVersion(ReturnSetInfo *result)
{
	NullableDatum row[1];
	char *script;

	if (!QueryRow(&find_version, NULL, row, 1))
		return;
	script = TextDatumGetCString(row[0].value);
	Report(result, "version", strcmp(script, ACCOUNT_VERSION) == 0,
		   psprintf("library %s, script %s", ACCOUNT_VERSION, script));
}

/* What is wrong with one master key that data keys are wrapped by. */
static void
CheckMasterKey(const NullableDatum *row, void *state)
{
	char **trouble = state;
	char *id = TextDatumGetCString(row[0].value);
	bytea *fingerprint = DatumGetByteaPP(row[1].value);
	MasterKey master;
	const char *problem = KeyringFind(id, &master);

	if (problem == NULL &&
		!CryptoEqual(VARDATA_ANY(fingerprint), master.fingerprint, CRYPTO_SHA256_LEN))
		problem = "its fingerprint differs";
	CryptoWipe(&master, sizeof(master));
	if (problem != NULL && *trouble == NULL)
		*trouble = MemoryContextStrdup(
			TopTransactionContext,
			psprintf("master key %s, which seals the secrets of " INT64_FORMAT
					 " workspaces, cannot be used: %s",
					 id, DatumGetInt64(row[2].value), problem));
}

static void
CheckMasterKeys(ReturnSetInfo *result)
{
	char *trouble = NULL;
	const char *source = KeyringIsFile() ? KeyringFilePath() : "account.master_key_command";
	MasterKey newest;
	const char *problem;
	int count;

	problem = KeyringReload(&count);
	QueryEach(&keys_in_use, NULL, 3, CheckMasterKey, &trouble);
	if (trouble != NULL || problem != NULL)
	{
		Report(result, "master_key", false,
			   psprintf("%s (%s)", trouble != NULL ? trouble : problem, source));
		return;
	}
	(void) KeyringNewest(&newest);
	CryptoWipe(newest.key, sizeof(newest.key));
	Report(result, "master_key", true,
		   psprintf("%d loaded from %s, the newest is %s", count, source, newest.id));
}

/* Settings that would write a secret given as a literal into the server log. */
static void
CheckLogging(ReturnSetInfo *result)
{
	const char *trouble = NULL;

	if (log_statement != LOGSTMT_NONE && log_statement != LOGSTMT_DDL)
		trouble = "log_statement writes statements with their literals to the log";
	else if (log_min_duration_statement >= 0 || log_min_duration_sample >= 0)
		trouble = "log_min_duration_statement or log_min_duration_sample writes statements with "
				  "their literals to the log";
	else if (log_xact_sample_rate > 0)
		trouble = "log_transaction_sample_rate writes statements with their literals to the log";
	else if (log_parameter_max_length_on_error != 0)
		trouble = "log_parameter_max_length_on_error writes bind parameters to the log";
	Report(result, "statement_logging", trouble == NULL,
		   trouble != NULL ? trouble
						   : "statements are not logged; pass secrets as bind parameters");
}

/* Whether anybody takes messages; one between its tries or in a lease is not late. */
static void
CheckOutbox(ReturnSetInfo *result)
{
	NullableDatum args[1] = {ArgTime(GetCurrentStatementStartTimestamp())};
	NullableDatum row[3];
	char *created_at;

	if (!QueryRow(&most_overdue, args, row, 3))
	{
		Report(result, "outbox", true, "no message waits to be taken");
		return;
	}
	created_at = pstrdup(timestamptz_to_str(DatumGetTimestampTz(row[0].value)));
	Report(result, "outbox", !DatumGetBool(row[2].value),
		   psprintf("the oldest unsent message, of %s, has waited to be taken since %s", created_at,
					timestamptz_to_str(DatumGetTimestampTz(row[1].value))));
}

PG_FUNCTION_INFO_V1(account_health);
Datum
account_health(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	CheckVersion(result);
	CheckMasterKeys(result);
	CheckLogging(result);
	CheckOutbox(result);
	return (Datum) 0;
}
