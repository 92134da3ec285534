/*
 * access_guard.c
 *		Triggers that hold: what a proof rests on and the proof never disagree.
 *
 * A key's answer (api_key_digests) carries the role of who it speaks for.  These
 * triggers follow every change of a role and every end of a membership, service
 * account, key or session, made by a function or by hand, and tell all sessions
 * to look again.  They fire on UPDATE and DELETE only, so that a restore, which
 * inserts, changes nothing.
 *
 * Their statements see what is committed now, whatever the isolation level: a
 * key made while the change waited for its row lock is found too.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "access/role.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"

/* A role and the end of members' access may change at once: each must see the other. */
static Statement lock_workspace = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql = "SELECT true FROM account_data.workspaces WHERE id = $1 FOR SHARE",
};

/* $2 and $3 narrow it to the keys of one user or service account. */
static Statement follow = {
	.types = "uuid, uuid, uuid",
	.mode = QUERY_FRESH,
	.sql = "UPDATE account_data.api_key_digests d SET role = a.role, valid_until = a.valid_until"
		   " FROM account_data.api_key_answers a"
		   " WHERE a.workspace_id = $1 AND d.workspace_id = $1 AND d.api_key_id = a.api_key_id"
		   "  AND d.secret_id = a.secret_id"
		   "  AND ($2 IS NULL OR a.user_id = $2) AND ($3 IS NULL OR a.service_account_id = $3)",
};

static Statement revoke_member_keys = {
	.types = "uuid, uuid, timestamptz",
	.mode = QUERY_FRESH,
	.sql = "WITH dead AS ("
		   "  UPDATE account_data.api_keys SET revoked_at = $3"
		   "  WHERE workspace_id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING id),"
		   " secret AS ("
		   "  UPDATE account_data.api_key_secrets SET sealed = NULL"
		   "  WHERE workspace_id = $1 AND api_key_id IN (SELECT id FROM dead))"
		   " DELETE FROM account_data.api_key_digests"
		   "  WHERE workspace_id = $1 AND api_key_id IN (SELECT id FROM dead)",
};

static Statement forget_digest = {
	.types = "uuid, uuid, uuid",
	.mode = QUERY_FRESH,
	.sql = "DELETE FROM account_data.api_key_digests"
		   " WHERE workspace_id = $1 AND api_key_id = $2 AND secret_id = $3",
};

static Statement forget_use = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql = "DELETE FROM account_data.credential_uses WHERE credential_id = $1",
};

/* A column of the row as it was: keys, which no update changes (members have a guard). */
static NullableDatum
Column(TriggerData *trigger, const char *name)
{
	AttrNumber number = get_attnum(RelationGetRelid(trigger->tg_relation), name);
	NullableDatum result;

	result.value = heap_getattr(trigger->tg_trigtuple, number,
								RelationGetDescr(trigger->tg_relation), &result.isnull);
	return result;
}

/* BEFORE UPDATE of its key ON members: the keys made under a membership stay behind. */
PG_FUNCTION_INFO_V1(account_member_guard);
Datum
account_member_guard(PG_FUNCTION_ARGS)
{
	(void) ArgTrigger(fcinfo);
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
					errmsg("membership cannot be moved to another workspace or user"),
					errhint("Delete it and make another.")));
}

/* What an AFTER trigger gives back: no row, but not an SQL null, which would be an error. */
static Datum
TriggerDone(void)
{
	return PointerGetDatum(NULL);
}

/* Brings the answers of a user's or service account's keys up to date. */
static void
Follow(const NullableDatum *args)
{
	QueryRun(&lock_workspace, args);
	QueryRun(&follow, args);
}

/* AFTER UPDATE OF role OR DELETE ON members */
PG_FUNCTION_INFO_V1(account_member_changed);
Datum
account_member_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = ArgTrigger(fcinfo);
	NullableDatum args[3] = {Column(trigger, "workspace_id"), Column(trigger, "user_id")};

	if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
	{
		args[2] = ArgTime(GetCurrentStatementStartTimestamp());
		QueryRun(&revoke_member_keys, args);
	}
	else
	{
		args[2] = ArgNull();
		Follow(args);
	}
	RoleChanged();
	return TriggerDone();
}

/* AFTER UPDATE OF role ON service_accounts */
PG_FUNCTION_INFO_V1(account_service_account_changed);
Datum
account_service_account_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = ArgTrigger(fcinfo);
	NullableDatum args[3] = {Column(trigger, "workspace_id"), ArgNull(), Column(trigger, "id")};

	Follow(args);
	RoleChanged();
	return TriggerDone();
}

/* AFTER UPDATE OF members_until, api_key_personal ON workspaces */
PG_FUNCTION_INFO_V1(account_workspace_changed);
Datum
account_workspace_changed(PG_FUNCTION_ARGS)
{
	NullableDatum args[3] = {Column(ArgTrigger(fcinfo), "id"), ArgNull(), ArgNull()};

	QueryRun(&follow, args);
	RoleChanged();
	return TriggerDone();
}

/* AFTER DELETE ON api_key_secrets */
PG_FUNCTION_INFO_V1(account_secret_deleted);
Datum
account_secret_deleted(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = ArgTrigger(fcinfo);
	NullableDatum args[3] = {Column(trigger, "workspace_id"), Column(trigger, "api_key_id"),
							 Column(trigger, "id")};

	QueryRun(&forget_digest, args);
	RoleChanged();
	return TriggerDone();
}

/* AFTER DELETE ON api_keys, sessions */
PG_FUNCTION_INFO_V1(account_credential_deleted);
Datum
account_credential_deleted(PG_FUNCTION_ARGS)
{
	NullableDatum args[1] = {Column(ArgTrigger(fcinfo), "id")};

	QueryRun(&forget_use, args);
	RoleChanged();
	return TriggerDone();
}
