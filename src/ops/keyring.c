/*
 * keyring.c
 *		A new master key, and every data key wrapped by it.
 *
 * Wrapping is one row a workspace and blocks no reader; a row that another
 * session is at is passed over and counted as remaining.
 */
#include "postgres.h"

#include "catalog/pg_extension.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "access/seal.h"
#include "base/args.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"

static Statement count_remaining = {
	.types = "text",
	.mode = QUERY_FRESH,
	.sql = "SELECT count(*) FROM account_data.data_keys WHERE master_key_id <> $1",
};

static Statement lock_stale = {
	.types = "text, bigint",
	.sql = "SELECT workspace_id, master_key_id, wrapped FROM account_data.data_keys"
		   " WHERE master_key_id <> $1 LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
};

static Statement store_wrapped = {
	.types = "uuid, text, bytea",
	.sql = "UPDATE account_data.data_keys SET master_key_id = $2, wrapped = $3"
		   " WHERE workspace_id = $1",
};

/* Keeps every other database of this cluster from writing the file meanwhile. */
static void
LockFile(void)
{
	LockSharedObject(ExtensionRelationId, InvalidOid, 0, ExclusiveLock);
}

static void
RaiseProblem(const char *problem)
{
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("could not add a master key"),
					errdetail("The source of master keys cannot be used: %s.", problem)));
}

static void
AddToFile(void)
{
	bool added;
	const char *problem = KeyringAddToFile(false, &added);

	if (problem != NULL)
		RaiseProblem(problem);
}

/* A command's keys are somebody else's to add; it may have one more by now. */
static void
ReadCommandAgain(const char *old_id)
{
	int count;
	const char *problem = KeyringReload(&count);
	MasterKey master;

	if (problem != NULL)
		RaiseProblem(problem);
	SealMasterKey(&master);
	CryptoWipe(master.key, sizeof(master.key));
	if (strcmp(master.id, old_id) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("there is no newer master key"),
				 errhint("Let account.master_key_command print a new key as its last line "
						 "first.")));
}

static int64
Remaining(const char *id)
{
	NullableDatum args[1] = {ArgText(id)};
	NullableDatum row[1];

	QueryRow(&count_remaining, args, row, 1);
	return DatumGetInt64(row[0].value);
}

typedef struct Resealing
{
	const MasterKey *master;
	int64 done;
} Resealing;

static void
Reseal(const NullableDatum *row, void *state)
{
	Resealing *resealing = state;
	pg_uuid_t *workspace_id = DatumGetUUIDP(row[0].value);
	bytea *wrapped = SealRewrap(workspace_id, TextDatumGetCString(row[1].value),
								DatumGetByteaPP(row[2].value), resealing->master);
	NullableDatum args[3] = {ArgUuid(workspace_id), ArgText(resealing->master->id),
							 ArgPointer(wrapped)};

	QueryRun(&store_wrapped, args);
	resealing->done++;
}

/*
 * Adds a master key, unless data keys still wait for the newest from before:
 * then it goes on with those.  (master_key_id, resealed, remaining)
 */
PG_FUNCTION_INFO_V1(account_rotate_master_key);
Datum
account_rotate_master_key(PG_FUNCTION_ARGS)
{
	int64 max_rows = PG_ARGISNULL(0) ? PG_INT64_MAX : PG_GETARG_INT64(0);
	MasterKey master;
	Resealing resealing = {.master = &master};
	NullableDatum args[2];
	Datum values[3];
	bool nulls[3] = {false, false, false};

	if (max_rows < 1)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid max_rows: it must be one or more")));
	PreventCommandIfReadOnly("rotate_master_key()"); /* before a key is in the file */
	LockFile();
	SealMasterKey(&master);
	if (Remaining(master.id) == 0)
	{
		if (KeyringIsFile())
			AddToFile();
		else
			ReadCommandAgain(master.id);
		SealMasterKey(&master);
	}
	SealWaitForOthers();
	SealRegister(&master);
	args[0] = ArgText(master.id);
	args[1] = ArgDatum(Int64GetDatum(max_rows));
	QueryEach(&lock_stale, args, 3, Reseal, &resealing);
	CryptoWipe(master.key, sizeof(master.key));
	values[0] = CStringGetTextDatum(master.id);
	values[1] = Int64GetDatum(resealing.done);
	values[2] = Int64GetDatum(Remaining(master.id));
	PG_RETURN_DATUM(ResultRow(fcinfo, values, nulls));
}

/* CREATE EXTENSION silences notices; this one must be seen. */
static void
NoticeNewFile(void)
{
	int level = NewGUCNestLevel();

	(void) set_config_option("client_min_messages", "notice", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	ereport(NOTICE, (errmsg("made the master key file \"%s\"", KeyringFilePath()),
					 errhint("Back it up apart from the database: what it sealed cannot be opened "
							 "without it.")));
	AtEOXact_GUC(true, level);
}

/* CREATE EXTENSION: a server without a master key file gets one. */
PG_FUNCTION_INFO_V1(account_create_master_key_file);
Datum
account_create_master_key_file(PG_FUNCTION_ARGS)
{
	bool added = false;
	const char *problem = NULL;

	if (KeyringIsFile())
	{
		LockFile();
		problem = KeyringAddToFile(true, &added);
	}
	if (problem != NULL)
		ereport(WARNING, (errmsg("could not make the master key file \"%s\"", KeyringFilePath()),
						  errdetail("The cause: %s.", problem),
						  errhint("Until there is one, API keys cannot be sealed for being shown "
								  "again.")));
	if (added)
		NoticeNewFile();
	PG_RETURN_VOID();
}
