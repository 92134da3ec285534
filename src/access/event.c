/*
 * event.c
 *		Writes what happened, in the transaction in which it happens.
 *
 * The actor is the principal.  Functions that need none (sign-up, operators')
 * are recorded under the user they act for, if any, and the database role that
 * called them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "access/event.h"
#include "access/principal.h"
#include "base/query.h"
#include "base/uuid.h"

static Statement insert_event = {
	.types =
		"uuid, uuid, timestamptz, text, uuid, text, account.proof, uuid, text, text, text, text,"
		" text",
	.sql =
		"INSERT INTO account_data.events (workspace_id, id, at, actor_kind, actor_id,"
		"  database_role, via, credential_id, resource_type, resource_id, resource_name, action,"
		"  metadata, client_addr)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb, inet_client_addr())",
};

static void
ActorArgs(const Event *event, NullableDatum *args)
{
	const Principal *p = PrincipalCurrent();
	Datum values[PRINCIPAL_COLUMNS];
	bool nulls[PRINCIPAL_COLUMNS];

	if (p == NULL)
	{
		args[0] = ArgText(event->user_id == NULL ? "operator" : "user");
		args[1] = ArgUuid(event->user_id);
		args[2] = ArgText(GetUserNameFromId(GetSessionUserId(), false));
		args[3] = args[4] = ArgNull();
		return;
	}
	PrincipalColumns(p, values, nulls);
	args[0] = ArgText(p->is_service_account ? "service_account" : "user");
	args[1] = ArgUuid(&p->actor_id);
	args[2] = ArgNull();
	args[3] = ArgDatum(values[4]);
	args[4] = nulls[5] ? ArgNull() : ArgUuid(&p->credential_id);
}

void
EventWrite(const Event *event)
{
	pg_uuid_t id;
	NullableDatum args[13];

	UuidNew(&id);
	args[0] = ArgUuid(event->workspace_id);
	args[1] = ArgUuid(&id);
	args[2] = ArgTime(GetCurrentStatementStartTimestamp());
	ActorArgs(event, &args[3]);
	args[8] = ArgText(event->resource_type);
	args[9] = ArgText(event->resource_id == NULL ? NULL : UuidText(event->resource_id));
	args[10] = ArgText(event->resource_name);
	args[11] = ArgText(event->action);
	args[12] = ArgText(event->metadata);
	QueryRun(&insert_event, args);
}

/* The metadata of a change of one column: {"column": ["old", "new"]}. */
char *
EventChange(const char *column, const char *old, const char *new)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	escape_json(&json, column);
	appendStringInfoString(&json, ": [");
	escape_json(&json, old);
	appendStringInfoString(&json, ", ");
	escape_json(&json, new);
	appendStringInfoString(&json, "]}");
	return json.data;
}
