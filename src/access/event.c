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
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

#include "access/event.h"
#include "access/event_chain.h"
#include "access/principal.h"
#include "base/crypto.h"
#include "base/query.h"
#include "base/uuid.h"

/* One event, what most statements have. */
static Statement insert_event = {
	.types = "uuid, uuid, timestamptz, text, uuid, text, account.proof, uuid, text, text, text,"
			 " text, text, text, uuid",
	.sql =
		"INSERT INTO account_data.events (workspace_id, id, at, actor_kind, actor_id,"
		"  database_role, via, credential_id, resource_type, resource_id, resource_name, action,"
		"  description, metadata, client_addr, link_id, digest)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::jsonb,"
		"  inet_client_addr(), $15, account_data.event_digest($1, $2, $3, $4, $5, $6, $7, $8, $9,"
		"   $10, $11, $12, $13, $14::jsonb, inet_client_addr()))"
		" RETURNING digest",
};

/* All of one transaction and workspace; the digests chain them, in the order of ids. */
static Statement insert_events = {
	.types =
		"uuid[], uuid[], timestamptz, text, uuid, text, account.proof, uuid, text[], text[], text[],"
		" text[], text[], text[], uuid[]",
	.sql =
		"INSERT INTO account_data.events AS e (workspace_id, id, link_id, at, actor_kind, actor_id,"
		"  database_role, via, credential_id, resource_type, resource_id, resource_name, action,"
		"  description, metadata, client_addr, digest)"
		" SELECT n.workspace_id, n.id, n.link_id, $3, $4, $5, $6, $7, $8, n.resource_type,"
		"  n.resource_id, n.resource_name, n.action, n.description, n.metadata, a.client_addr,"
		"  account_data.event_digest(n.workspace_id, n.id, $3, $4, $5, $6, $7, $8, n.resource_type,"
		"   n.resource_id, n.resource_name, n.action, n.description, n.metadata, a.client_addr)"
		" FROM (SELECT workspace_id, id, resource_type, resource_id, resource_name, action,"
		"   description, metadata::jsonb AS metadata, link_id"
		"  FROM unnest($1, $2, $9, $10, $11, $12, $13, $14, $15) AS r (workspace_id, id,"
		"   resource_type, resource_id, resource_name, action, description, metadata, link_id)) n,"
		"  (SELECT inet_client_addr() AS client_addr) a"
		" RETURNING e.workspace_id, e.digest",
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

static void
AddToChain(const NullableDatum *row, void *state)
{
	EventChainAdd(DatumGetUUIDP(row[0].value), DatumGetByteaPP(row[1].value));
}

static Datum
EventColumn(const Event *event, int number, bool *isnull)
{
	const char *const texts[] = {event->resource_type, NULL,
								 event->resource_name, event->action,
								 event->description,   event->metadata};
	const char *text = texts[number];

	if (number == 1)
		text = event->resource_id == NULL ? event->resource_key : UuidText(event->resource_id);
	*isnull = text == NULL;
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

static NullableDatum
ArrayArg(Datum *values, bool *nulls, int n, bool is_uuid)
{
	int dims[1] = {n};
	int bounds[1] = {1};

	return ArgPointer(construct_md_array(values, nulls, 1, dims, bounds,
										 is_uuid ? UUIDOID : TEXTOID, is_uuid ? UUID_LEN : -1,
										 false, is_uuid ? TYPALIGN_CHAR : TYPALIGN_INT));
}

/* Events of one actor, in their order, at most EVENT_MANY. */
void
EventWriteMany(const Event *events, int n)
{
	pg_uuid_t *ids = palloc(sizeof(pg_uuid_t) * n);
	Datum values[3][EVENT_MANY];
	bool nulls[EVENT_MANY];
	NullableDatum args[15];

	Assert(n > 0 && n <= EVENT_MANY);
	if (n == 1)
	{
		EventWrite(events);
		return;
	}
	for (int i = 0; i < n; i++)
	{
		UuidNew(&ids[i]);
		values[0][i] = UUIDPGetDatum(events[i].workspace_id);
		values[1][i] = UUIDPGetDatum(&ids[i]);
		values[2][i] = UUIDPGetDatum(EventChainLink(events[i].workspace_id));
	}
	args[0] = ArrayArg(values[0], NULL, n, true);
	args[1] = ArrayArg(values[1], NULL, n, true);
	args[14] = ArrayArg(values[2], NULL, n, true);
	args[2] = ArgTime(GetCurrentStatementStartTimestamp());
	ActorArgs(&events[0], &args[3]);
	for (int column = 0; column < 6; column++)
	{
		for (int i = 0; i < n; i++)
			values[0][i] = EventColumn(&events[i], column, &nulls[i]);
		args[8 + column] = ArrayArg(values[0], nulls, n, false);
	}
	QueryEach(&insert_events, args, 2, AddToChain, NULL);
}

void
EventWrite(const Event *event)
{
	pg_uuid_t id;
	NullableDatum args[15];
	NullableDatum row[1];

	UuidNew(&id);
	args[0] = ArgUuid(event->workspace_id);
	args[1] = ArgUuid(&id);
	args[2] = ArgTime(GetCurrentStatementStartTimestamp());
	ActorArgs(event, &args[3]);
	for (int column = 0; column < 6; column++)
		args[8 + column].value = EventColumn(event, column, &args[8 + column].isnull);
	args[14] = ArgUuid(EventChainLink(event->workspace_id));
	(void) QueryRow(&insert_event, args, row, 1);
	EventChainAdd(event->workspace_id, DatumGetByteaPP(row[0].value));
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

/* Appends a value so that no two lists of values give the same bytes. */
static void
AppendText(StringInfo bytes, const char *text)
{
	uint32 length = text == NULL ? PG_UINT32_MAX : (uint32) strlen(text);
	uint32 network = pg_hton32(length);

	appendBinaryStringInfo(bytes, (const char *) &network, sizeof(network));
	if (text != NULL)
		appendBinaryStringInfo(bytes, text, (int) length);
}

/*
 * SHA-256 of what an event says: each value as its length, four bytes in network
 * order (all ones: null), and its text; the time is microseconds since 2000.
 */
PG_FUNCTION_INFO_V1(account_event_digest);
Datum
account_event_digest(PG_FUNCTION_ARGS)
{
	StringInfoData bytes;
	bytea *digest = palloc(VARHDRSZ + CRYPTO_SHA256_LEN);

	initStringInfo(&bytes);
	for (int i = 0; i < PG_NARGS(); i++)
	{
		Oid type = get_fn_expr_argtype(fcinfo->flinfo, i);
		Oid out;
		bool is_varlena;

		if (PG_ARGISNULL(i))
			AppendText(&bytes, NULL);
		else if (type == TIMESTAMPTZOID)
			AppendText(&bytes, psprintf(INT64_FORMAT, PG_GETARG_INT64(i)));
		else
		{
			getTypeOutputInfo(type, &out, &is_varlena);
			AppendText(&bytes, OidOutputFunctionCall(out, PG_GETARG_DATUM(i)));
		}
	}
	SET_VARSIZE(digest, VARHDRSZ + CRYPTO_SHA256_LEN);
	if (!CryptoSha256(bytes.data, bytes.len, (uint8 *) VARDATA(digest)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute a digest")));
	PG_RETURN_BYTEA_P(digest);
}
