/*
 * event.c
 *		Writes what happened, in the transaction in which it happens.
 *
 * The actor is the principal.  Functions that need none (sign-up, operators')
 * are recorded under the user they act for, if any, and the database role that
 * called them.
 *
 * An event's digest is the SHA-256 of what it says: each value as its length,
 * four bytes in network order (all ones: null), and its text; a time is its
 * microseconds since 2000.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "access/event.h"
#include "access/event_chain.h"
#include "access/principal.h"
#include "base/crypto.h"
#include "base/query.h"
#include "base/uuid.h"
#include "base/write.h"

/* The columns of account_data.events; the digest is of those before LINK_ID. */
enum
{
	WORKSPACE_ID,
	ID,
	AT,
	ACTOR_KIND,
	ACTOR_ID,
	DATABASE_ROLE,
	VIA,
	CREDENTIAL_ID,
	RESOURCE_TYPE,
	RESOURCE_ID,
	RESOURCE_NAME,
	ACTION,
	DESCRIPTION,
	METADATA,
	CLIENT_ADDR,
	LINK_ID,
	DIGEST,
	REDACTED_AT,
	IMAGE_OF,
	EVENT_COLUMNS
};

#define UUID_TEXT_LEN 36

static Table events_table = {.name = "events", .ncolumns = EVENT_COLUMNS};

/* What events that are written together have in common. */
typedef struct Shared
{
	NullableDatum row[EVENT_COLUMNS];
	StringInfoData bytes;	 /* of AT to CREDENTIAL_ID, for the digest */
	StringInfoData digested; /* of the event at hand */
} Shared;

/* Appends a value so that no two lists of values give the same bytes. */
static void
AppendBytes(StringInfo bytes, const void *value, size_t len)
{
	uint32 network = pg_hton32((uint32) len);

	appendBinaryStringInfo(bytes, (const char *) &network, sizeof(network));
	appendBinaryStringInfo(bytes, value, (int) len);
}

static void
AppendString(StringInfo bytes, const char *value)
{
	AppendBytes(bytes, value, strlen(value));
}

static void
AppendJson(StringInfo bytes, Jsonb *value)
{
	int start = bytes->len;
	uint32 network;

	AppendBytes(bytes, "", 0);
	(void) JsonbToCString(bytes, &value->root, VARSIZE(value));
	network = pg_hton32((uint32) (bytes->len - start - sizeof(network)));
	memcpy(bytes->data + start, &network, sizeof(network));
}

static void
AppendColumn(StringInfo bytes, int column, NullableDatum value)
{
	static const uint32 null = PG_UINT32_MAX;

	if (value.isnull)
	{
		appendBinaryStringInfo(bytes, (const char *) &null, sizeof(null));
		return;
	}
	switch (column)
	{
		case WORKSPACE_ID:
		case ID:
		case ACTOR_ID:
		case CREDENTIAL_ID:
			AppendString(bytes, UuidText(DatumGetUUIDP(value.value)));
			break;
		case AT:
			AppendString(bytes, psprintf(INT64_FORMAT, DatumGetTimestampTz(value.value)));
			break;
		case VIA:
			AppendString(bytes,
						 CatalogEnumLabel(ENUM_PROOF, CatalogEnumMember(ENUM_PROOF, value.value)));
			break;
		case METADATA:
			AppendJson(bytes, DatumGetJsonbP(value.value));
			break;
		case CLIENT_ADDR:
			AppendString(bytes, DatumGetCString(DirectFunctionCall1(inet_out, value.value)));
			break;
		default:
		{
			text *words = DatumGetTextPP(value.value);

			AppendBytes(bytes, VARDATA_ANY(words), VARSIZE_ANY_EXHDR(words));
		}
	}
}

/* Columns from one up to another, which is not among them. */
static void
AppendColumns(StringInfo bytes, const NullableDatum *row, int from, int to)
{
	for (int column = from; column < to; column++)
		AppendColumn(bytes, column, row[column]);
}

static void
Digest(const StringInfoData *bytes, uint8 digest[CRYPTO_SHA256_LEN])
{
	if (!CryptoSha256(bytes->data, bytes->len, digest))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute a digest")));
}

/* For who verifies: the digest of an event as it stands in the table. */
PG_FUNCTION_INFO_V1(account_event_digest);
Datum
account_event_digest(PG_FUNCTION_ARGS)
{
	uint8 digest[CRYPTO_SHA256_LEN];
	StringInfoData bytes;

	Assert(PG_NARGS() == LINK_ID);
	initStringInfo(&bytes);
	AppendColumns(&bytes, fcinfo->args, 0, LINK_ID);
	Digest(&bytes, digest);
	PG_RETURN_DATUM(ArgBytes(digest, CRYPTO_SHA256_LEN).value);
}

/* The address of this connection, null when there is none; it never changes. */
static NullableDatum
ClientAddress(void)
{
	static bool is_known = false;
	static NullableDatum address;

	if (!is_known)
	{
		LOCAL_FCINFO(fcinfo, 0);
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
		address.value = inet_client_addr(fcinfo);
		address.isnull = fcinfo->isnull;
		MemoryContextSwitchTo(old);
		is_known = true;
	}
	return address;
}

/* What all events of one actor and statement share. */
static void
FillActor(const Event *event, NullableDatum *row)
{
	const Principal *p = PrincipalCurrent();
	Datum values[PRINCIPAL_COLUMNS];
	bool nulls[PRINCIPAL_COLUMNS];

	row[AT] = ArgTime(GetCurrentStatementStartTimestamp());
	row[CLIENT_ADDR] = ClientAddress();
	row[REDACTED_AT] = ArgNull();
	if (p == NULL)
	{
		row[ACTOR_KIND] = ArgText(event->user_id == NULL ? "operator" : "user");
		row[ACTOR_ID] = ArgUuid(event->user_id);
		row[DATABASE_ROLE] = ArgText(GetUserNameFromId(GetSessionUserId(), false));
		row[VIA] = row[CREDENTIAL_ID] = ArgNull();
		return;
	}
	PrincipalColumns(p, values, nulls);
	row[ACTOR_KIND] = ArgText(p->is_service_account ? "service_account" : "user");
	row[ACTOR_ID] = ArgUuid(&p->actor_id);
	row[DATABASE_ROLE] = ArgNull();
	row[VIA] = ArgDatum(values[4]);
	row[CREDENTIAL_ID] = nulls[5] ? ArgNull() : ArgUuid(&p->credential_id);
}

static void
FillShared(const Event *event, Shared *shared)
{
	FillActor(event, shared->row);
	initStringInfo(&shared->bytes);
	AppendColumns(&shared->bytes, shared->row, AT, RESOURCE_TYPE);
	initStringInfo(&shared->digested);
}

static void
EventDigest(Shared *shared, const NullableDatum *row, uint8 digest[CRYPTO_SHA256_LEN])
{
	StringInfo bytes = &shared->digested;

	resetStringInfo(bytes);
	AppendColumns(bytes, row, 0, AT);
	appendBinaryStringInfo(bytes, shared->bytes.data, shared->bytes.len);
	AppendColumns(bytes, row, RESOURCE_TYPE, LINK_ID);
	Digest(bytes, digest);
}

/*
 * A number that hardly another resource of the workspace has: an integer is its
 * own, a UUID's is the half with the time.  So rows that stand together, which
 * change together, are mostly indexed together.
 */
int64
EventResourceNumber(const char *key)
{
	size_t len = strlen(key);
	char *end;
	int64 number;

	errno = 0;
	number = strtoi64(key, &end, 10);
	if (*end == '\0' && errno == 0)
		return number;
	if (len == UUID_TEXT_LEN && strspn(key, "0123456789abcdef-") == len)
		return (int64) (strtou64(key, NULL, 16) << 32 | strtou64(key + 9, NULL, 16) << 16 |
						strtou64(key + 14, NULL, 16));
	return (int64) hash_bytes_extended((const unsigned char *) key, (int) len, 0);
}

/* For who looks for events by it. */
PG_FUNCTION_INFO_V1(account_resource_number);
Datum
account_resource_number(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(EventResourceNumber(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

/* The whole row; its digest goes into the chain. */
static void
FillEvent(const Event *event, Shared *shared, pg_uuid_t *id, NullableDatum *row)
{
	const char *key = event->resource_id == NULL ? event->resource_key
												 : UuidText(event->resource_id);
	uint8 digest[CRYPTO_SHA256_LEN];

	memcpy(row, shared->row, sizeof(shared->row));
	UuidNew(id);
	row[WORKSPACE_ID] = ArgUuid(event->workspace_id);
	row[ID] = ArgUuid(id);
	row[RESOURCE_TYPE] = ArgText(event->resource_type);
	row[RESOURCE_ID] = ArgText(key);
	row[RESOURCE_NAME] = ArgText(event->resource_name);
	row[ACTION] = ArgText(event->action);
	row[DESCRIPTION] = ArgText(event->description);
	row[METADATA] = event->metadata == NULL
						? ArgNull()
						: ArgDatum(DirectFunctionCall1(jsonb_in, CStringGetDatum(event->metadata)));
	row[LINK_ID] = ArgUuid(EventChainLink(event->workspace_id));
	row[IMAGE_OF] = event->has_image ? ArgDatum(Int64GetDatum(EventResourceNumber(key)))
									 : ArgNull();
	EventDigest(shared, row, digest);
	row[DIGEST] = ArgBytes(digest, CRYPTO_SHA256_LEN);
	EventChainAdd(event->workspace_id, digest);
}

/* Events of one actor, in their order. */
void
EventWriteMany(const Event *events, int n)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "account events",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	NullableDatum *rows = palloc(sizeof(NullableDatum) * n * EVENT_COLUMNS);
	pg_uuid_t *ids = palloc(sizeof(pg_uuid_t) * n);
	Shared shared;

	Assert(n > 0 && n <= EVENT_MANY);
	FillShared(&events[0], &shared);
	for (int i = 0; i < n; i++)
		FillEvent(&events[i], &shared, &ids[i], rows + i * EVENT_COLUMNS);
	InsertRows(&events_table, rows, n);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
}

void
EventWrite(const Event *event)
{
	EventWriteMany(event, 1);
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
