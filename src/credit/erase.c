/*
 * erase.c
 *		The two ways out of the ledger: with a workspace that is deleted for good,
 *		and the text of a person in one that stays.
 *
 * Text is what people wrote: description, details, and the salt without which
 * text_digest tells nothing of them.  The chain covers the digest, so it holds.
 * The guard lets exactly these two through, each to what it is for.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "commands/trigger.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "credit/ledger.h"

static enum
{
	ERASING_NOTHING,
	ERASING_ROWS,
	ERASING_TEXT,
} erasing = ERASING_NOTHING;

static Statement erase_workspace = {
	.types = "uuid",
	.sql = "DELETE FROM account_data.transactions WHERE workspace_id = $1",
};

/* A hold's description stands in what settles and releases it, whoever did that. */
static Statement erase_text = {
	.types = "uuid, uuid",
	.sql =
		"WITH held AS ("
		"  SELECT reference_id AS id FROM account_data.transactions"
		"   WHERE workspace_id = $1 AND actor_kind = 'user' AND actor_id = $2 AND type = 'hold'),"
		" holds AS ("
		"  UPDATE account_data.holds SET description = NULL"
		"   WHERE workspace_id = $1 AND id IN (SELECT id FROM held) AND description IS NOT NULL)"
		" UPDATE account_data.transactions SET description = NULL, details = '{}', salt = NULL"
		"  WHERE workspace_id = $1 AND salt IS NOT NULL"
		"   AND (actor_kind = 'user' AND actor_id = $2"
		"    OR type IN ('settle', 'release') AND reference_id IN (SELECT id FROM held))",
};

static Statement find_workspace = {
	.types = "uuid",
	.sql = "SELECT true FROM account_data.workspaces WHERE id = $1",
};

/* Runs a statement past the guard. */
static uint64
Erase(Statement *statement, const NullableDatum *args, int what)
{
	volatile uint64 rows = 0;

	erasing = what;
	PG_TRY();
	{
		rows = QueryRun(statement, args);
	}
	PG_FINALLY();
	{
		erasing = ERASING_NOTHING;
	}
	PG_END_TRY();
	return rows;
}

/* Deletes the ledger of a workspace that is no more. */
void
LedgerErase(const pg_uuid_t *workspace_id)
{
	NullableDatum args[1] = {ArgUuid(workspace_id)};

	(void) Erase(&erase_workspace, args, ERASING_ROWS);
}

/* Erases what a person wrote on the ledger of a workspace; returns in how many transactions. */
int64
LedgerEraseText(const pg_uuid_t *workspace_id, const pg_uuid_t *user_id)
{
	NullableDatum args[2] = {ArgUuid(workspace_id), ArgUuid(user_id)};

	(void) LedgerOpen(workspace_id);
	return (int64) Erase(&erase_text, args, ERASING_TEXT);
}

PG_FUNCTION_INFO_V1(account_erase_transaction_text);
Datum
account_erase_transaction_text(PG_FUNCTION_ARGS)
{
	ArgRequired(fcinfo, 0, "workspace_id");
	ArgRequired(fcinfo, 1, "user_id");
	PG_RETURN_INT64(LedgerEraseText(PG_GETARG_UUID_P(0), PG_GETARG_UUID_P(1)));
}

/* Whether an UPDATE is of the columns with text alone. */
static bool
IsOfText(const TriggerData *trigger)
{
	static const char *const names[] = {"description", "details", "salt"};
	Oid table = RelationGetRelid(trigger->tg_relation);
	Bitmapset *text = NULL;

	for (size_t i = 0; i < lengthof(names); i++)
		text = bms_add_member(text,
							  get_attnum(table, names[i]) - FirstLowInvalidHeapAttributeNumber);
	return bms_is_subset(trigger->tg_updatedcols, text);
}

static bool
IsAllowed(const TriggerData *trigger)
{
	if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		return erasing == ERASING_ROWS;
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		return erasing == ERASING_TEXT && IsOfText(trigger);
	return false;
}

PG_FUNCTION_INFO_V1(account_transaction_guard);
Datum
account_transaction_guard(PG_FUNCTION_ARGS)
{
	if (!IsAllowed(ArgTrigger(fcinfo)))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("transactions cannot be changed or deleted"),
						errhint("Correct a balance with account.adjust_credits.")));
	return PointerGetDatum(NULL);
}

PG_FUNCTION_INFO_V1(account_wallet_deleted);
Datum
account_wallet_deleted(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = ArgTrigger(fcinfo);
	bool isnull;
	Datum id = heap_getattr(trigger->tg_trigtuple, 1, RelationGetDescr(trigger->tg_relation),
							&isnull);
	NullableDatum args[1] = {ArgDatum(id)};
	NullableDatum row[1];

	if (QueryRow(&find_workspace, args, row, 1))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("a wallet cannot be deleted without its workspace")));
	LedgerErase(DatumGetUUIDP(id));
	return PointerGetDatum(NULL);
}
