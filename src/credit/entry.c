/*
 * entry.c
 *		A transaction of the ledger in memory, as a row, and its hash.
 *
 * The hash of a transaction is the SHA-256 of the hash before it (32 zero bytes
 * before the first) and of these fields in this order, each as its length in
 * four bytes, big end first, and its bytes; NULL has the length ffffffff:
 *
 *		workspace_id, seq, id, type, amount_micros, balance_after_micros,
 *		cash_micros, debt_micros, reserved_micros, created_at, actor_kind,
 *		actor_id, api_key_id, reference_id, grant_ids, grant_micros,
 *		idempotency_key, request, category, text_digest
 *
 * Numbers are eight bytes, big end first; times are microseconds since 2000 as
 * PostgreSQL keeps them; a type is its label; arrays are their elements one
 * after the other.  text_digest is the SHA-256 of salt, description and details
 * (as PostgreSQL prints jsonb) encoded likewise: what people wrote can be
 * erased together with the salt, and the chain still holds.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "base/args.h"
#include "base/query.h"
#include "base/uuid.h"
#include "credit/entry.h"

/* The columns of account_data.transactions. */
enum
{
	WORKSPACE_ID,
	SEQ,
	ID,
	TYPE,
	AMOUNT,
	BALANCE_AFTER,
	CASH,
	DEBT,
	RESERVED,
	CREATED_AT,
	ACTOR_KIND,
	ACTOR_ID,
	API_KEY_ID,
	REFERENCE_ID,
	GRANT_IDS,
	GRANT_MICROS,
	IDEMPOTENCY_KEY,
	REQUEST,
	CATEGORY,
	DESCRIPTION,
	DETAILS,
	SALT,
	TEXT_DIGEST,
	HASH
};

/* Every encoding is made in the same buffer, which lives as long as the backend. */
static StringInfo
Encoding(void)
{
	static StringInfo buffer = NULL;

	if (buffer == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		buffer = makeStringInfo();
		MemoryContextSwitchTo(old);
	}
	resetStringInfo(buffer);
	return buffer;
}

/* {}, which lives as long as the backend. */
const Jsonb *
EntryNoDetails(void)
{
	static const Jsonb *none = NULL;

	if (none == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		none = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
		MemoryContextSwitchTo(old);
	}
	return none;
}

static void
PutBytes(StringInfo to, const void *bytes, size_t len)
{
	uint32 prefix = pg_hton32(bytes == NULL ? PG_UINT32_MAX : (uint32) len);

	appendBinaryStringInfo(to, (const char *) &prefix, sizeof(prefix));
	if (bytes != NULL)
		appendBinaryStringInfo(to, bytes, (int) len);
}

static void
PutInt64(StringInfo to, int64 value)
{
	uint64 bytes = pg_hton64((uint64) value);

	PutBytes(to, &bytes, sizeof(bytes));
}

static void
PutText(StringInfo to, const text *value)
{
	if (value == NULL)
		PutBytes(to, NULL, 0);
	else
		PutBytes(to, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

static void
PutUuid(StringInfo to, const pg_uuid_t *value)
{
	PutBytes(to, value, UUID_LEN);
}

static void
PutParts(StringInfo to, const Entry *entry)
{
	uint32 len = pg_hton32((uint32) entry->nparts * sizeof(int64));

	PutBytes(to, entry->nparts == 0 ? NULL : (const void *) entry->grant_ids,
			 entry->nparts * sizeof(pg_uuid_t));
	if (entry->nparts == 0)
	{
		PutBytes(to, NULL, 0);
		return;
	}
	appendBinaryStringInfo(to, (const char *) &len, sizeof(len));
	for (int i = 0; i < entry->nparts; i++)
	{
		uint64 bytes = pg_hton64((uint64) entry->grant_micros[i]);

		appendBinaryStringInfo(to, (const char *) &bytes, sizeof(bytes));
	}
}

static void
Digest(StringInfo from, uint8 digest[CRYPTO_SHA256_LEN])
{
	if (!CryptoSha256(from->data, from->len, digest))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not hash a transaction")));
}

void
EntryHash(const Entry *entry, const uint8 previous[CRYPTO_SHA256_LEN],
		  uint8 hash[CRYPTO_SHA256_LEN])
{
	StringInfo to = Encoding();
	const char *type = CatalogEnumLabel(ENUM_TRANSACTION_TYPE, entry->type);

	appendBinaryStringInfo(to, (const char *) previous, CRYPTO_SHA256_LEN);
	PutUuid(to, &entry->workspace_id);
	PutInt64(to, entry->seq);
	PutUuid(to, &entry->id);
	PutBytes(to, type, strlen(type));
	PutInt64(to, entry->amount);
	PutInt64(to, entry->balance_after);
	PutInt64(to, entry->cash);
	PutInt64(to, entry->debt);
	PutInt64(to, entry->reserved);
	PutInt64(to, entry->created_at);
	PutText(to, entry->actor_kind);
	PutUuid(to, entry->actor_id);
	PutUuid(to, entry->api_key_id);
	PutUuid(to, entry->reference_id);
	PutParts(to, entry);
	PutText(to, entry->idempotency_key);
	PutText(to, entry->request);
	PutText(to, entry->category);
	PutBytes(to, entry->text_digest, CRYPTO_SHA256_LEN);
	Digest(to, hash);
}

/* What the text of an entry digests to under a salt. */
void
EntryTextDigest(const Entry *entry, const uint8 *salt, uint8 digest[CRYPTO_SHA256_LEN])
{
	StringInfo to = Encoding();
	Jsonb *details = unconstify(Jsonb *, entry->details);
	int start;
	uint32 len;

	PutBytes(to, salt, ENTRY_SALT_LEN);
	PutText(to, entry->description);
	start = to->len;
	PutBytes(to, "", 0);
	(void) JsonbToCString(to, &details->root, VARSIZE_ANY_EXHDR(details));
	len = pg_hton32((uint32) (to->len - start - sizeof(len)));
	memcpy(to->data + start, &len, sizeof(len));
	Digest(to, digest);
}

/* Puts a new transaction at the end of the chain. */
void
EntrySeal(Entry *entry, const uint8 previous[CRYPTO_SHA256_LEN])
{
	uint8 *salt = palloc(ENTRY_SALT_LEN);

	if (!CryptoRandom(salt, ENTRY_SALT_LEN))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not make random bytes")));
	UuidNew(&entry->id);
	entry->salt = salt;
	EntryTextDigest(entry, salt, entry->text_digest);
	EntryHash(entry, previous, entry->hash);
}

static bool
SameText(const text *a, const text *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		   memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/*
 * Whether the transaction is what a request under its key asks for.  Where the
 * amount or the thing it is about follow from the state of the ledger, the
 * request's own words stand in the column request.
 */
bool
EntrySameRequest(const Entry *old, const Entry *asked)
{
	uint8 digest[CRYPTO_SHA256_LEN];

	if (old->type != asked->type || !SameText(old->request, asked->request) ||
		!SameText(old->category, asked->category))
		return false;
	if (asked->amount != 0 && old->amount != asked->amount)
		return false;
	if (asked->reference_id != NULL &&
		(old->reference_id == NULL || !UuidEqual(old->reference_id, asked->reference_id)))
		return false;
	if (old->salt == NULL)
		return true;
	EntryTextDigest(asked, old->salt, digest);
	return CryptoEqual(digest, old->text_digest, CRYPTO_SHA256_LEN);
}

static void
Put(Datum *values, bool *nulls, int column, const void *value)
{
	values[column] = PointerGetDatum(value);
	nulls[column] = value == NULL;
}

static void
PutPartColumns(const Entry *entry, NullableDatum *row)
{
	Datum *ids = palloc(sizeof(Datum) * entry->nparts);
	Datum *micros = palloc(sizeof(Datum) * entry->nparts);

	for (int i = 0; i < entry->nparts; i++)
	{
		ids[i] = UUIDPGetDatum(&entry->grant_ids[i]);
		micros[i] = Int64GetDatum(entry->grant_micros[i]);
	}
	row[GRANT_IDS] = ArgPointer(
		construct_array(ids, entry->nparts, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	row[GRANT_MICROS] = ArgPointer(construct_array(micros, entry->nparts, INT8OID, sizeof(int64),
												   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* A row of account_data.transactions, of ENTRY_COLUMNS. */
void
EntryColumns(const Entry *entry, NullableDatum *row)
{
	row[WORKSPACE_ID] = ArgUuid(&entry->workspace_id);
	row[SEQ] = ArgDatum(Int64GetDatum(entry->seq));
	row[ID] = ArgUuid(&entry->id);
	row[TYPE] = ArgDatum(ObjectIdGetDatum(CatalogEnumOid(ENUM_TRANSACTION_TYPE, entry->type)));
	row[AMOUNT] = ArgDatum(Int64GetDatum(entry->amount));
	row[BALANCE_AFTER] = ArgDatum(Int64GetDatum(entry->balance_after));
	row[CASH] = ArgDatum(Int64GetDatum(entry->cash));
	row[DEBT] = ArgDatum(Int64GetDatum(entry->debt));
	row[RESERVED] = ArgDatum(Int64GetDatum(entry->reserved));
	row[CREATED_AT] = ArgTime(entry->created_at);
	row[ACTOR_KIND] = ArgPointer(entry->actor_kind);
	row[ACTOR_ID] = ArgUuid(entry->actor_id);
	row[API_KEY_ID] = ArgUuid(entry->api_key_id);
	row[REFERENCE_ID] = ArgUuid(entry->reference_id);
	row[GRANT_IDS] = row[GRANT_MICROS] = ArgNull();
	if (entry->nparts > 0)
		PutPartColumns(entry, row);
	row[IDEMPOTENCY_KEY] = ArgPointer(entry->idempotency_key);
	row[REQUEST] = ArgPointer(entry->request);
	row[CATEGORY] = ArgPointer(entry->category);
	row[DESCRIPTION] = ArgPointer(entry->description);
	row[DETAILS] = ArgPointer(entry->details);
	row[SALT] = entry->salt == NULL ? ArgNull() : ArgBytes(entry->salt, ENTRY_SALT_LEN);
	row[TEXT_DIGEST] = ArgBytes(entry->text_digest, CRYPTO_SHA256_LEN);
	row[HASH] = ArgBytes(entry->hash, CRYPTO_SHA256_LEN);
}

static const text *
GetText(const Datum *values, const bool *nulls, int column)
{
	return nulls[column] ? NULL : DatumGetTextPP(values[column]);
}

static const pg_uuid_t *
GetUuid(const Datum *values, const bool *nulls, int column)
{
	return nulls[column] ? NULL : DatumGetUUIDP(values[column]);
}

/* A digest of another length reads as zeros, which match nothing. */
static void
GetDigest(const Datum *values, int column, uint8 digest[CRYPTO_SHA256_LEN])
{
	bytea *value = DatumGetByteaPP(values[column]);

	if (VARSIZE_ANY_EXHDR(value) == CRYPTO_SHA256_LEN)
		memcpy(digest, VARDATA_ANY(value), CRYPTO_SHA256_LEN);
	else
		memset(digest, 0, CRYPTO_SHA256_LEN);
}

static bool
IsList(const ArrayType *array)
{
	return ARR_NDIM(array) == 1 && ARR_LBOUND(array)[0] == 1 && !ARR_HASNULL(array);
}

/* The parts; arrays that do not belong together read as none. */
static void
GetParts(const Datum *values, const bool *nulls, Entry *entry)
{
	ArrayType *ids;
	ArrayType *micros;

	entry->nparts = 0;
	if (nulls[GRANT_IDS] || nulls[GRANT_MICROS])
	{
		entry->is_malformed |= nulls[GRANT_IDS] != nulls[GRANT_MICROS];
		return;
	}
	ids = DatumGetArrayTypeP(values[GRANT_IDS]);
	micros = DatumGetArrayTypeP(values[GRANT_MICROS]);
	if (!IsList(ids) || !IsList(micros) || ARR_DIMS(ids)[0] != ARR_DIMS(micros)[0])
	{
		entry->is_malformed = true;
		return;
	}
	entry->nparts = ARR_DIMS(ids)[0];
	entry->grant_ids = ArrayElements(ids);
	entry->grant_micros = ArrayElements(micros);
}

/* NULL once the text was erased. */
static void
GetSalt(const Datum *values, const bool *nulls, Entry *entry)
{
	bytea *salt = nulls[SALT] ? NULL : DatumGetByteaPP(values[SALT]);

	entry->salt = NULL;
	if (salt == NULL)
		return;
	if (VARSIZE_ANY_EXHDR(salt) == ENTRY_SALT_LEN)
		entry->salt = (const uint8 *) VARDATA_ANY(salt);
	else
		entry->is_malformed = true;
}

/* The entry of a row of account_data.transactions; it points into the row. */
void
EntryRead(HeapTupleHeader row, Entry *entry)
{
	TupleDesc desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row),
											HeapTupleHeaderGetTypMod(row));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(row), .t_data = row};
	Datum values[ENTRY_COLUMNS];
	bool nulls[ENTRY_COLUMNS];

	Assert(desc->natts == ENTRY_COLUMNS && HASH == ENTRY_COLUMNS - 1);
	heap_deform_tuple(&tuple, desc, values, nulls);
	ReleaseTupleDesc(desc);
	entry->is_malformed = false;
	memcpy(&entry->workspace_id, DatumGetUUIDP(values[WORKSPACE_ID]), UUID_LEN);
	entry->seq = DatumGetInt64(values[SEQ]);
	memcpy(&entry->id, DatumGetUUIDP(values[ID]), UUID_LEN);
	entry->type = CatalogEnumMember(ENUM_TRANSACTION_TYPE, DatumGetObjectId(values[TYPE]));
	entry->amount = DatumGetInt64(values[AMOUNT]);
	entry->balance_after = DatumGetInt64(values[BALANCE_AFTER]);
	entry->cash = DatumGetInt64(values[CASH]);
	entry->debt = DatumGetInt64(values[DEBT]);
	entry->reserved = DatumGetInt64(values[RESERVED]);
	entry->created_at = DatumGetTimestampTz(values[CREATED_AT]);
	entry->actor_kind = GetText(values, nulls, ACTOR_KIND);
	entry->actor_id = GetUuid(values, nulls, ACTOR_ID);
	entry->api_key_id = GetUuid(values, nulls, API_KEY_ID);
	entry->reference_id = GetUuid(values, nulls, REFERENCE_ID);
	GetParts(values, nulls, entry);
	entry->idempotency_key = GetText(values, nulls, IDEMPOTENCY_KEY);
	entry->request = GetText(values, nulls, REQUEST);
	entry->category = GetText(values, nulls, CATEGORY);
	entry->description = GetText(values, nulls, DESCRIPTION);
	entry->details = DatumGetJsonbP(values[DETAILS]);
	GetSalt(values, nulls, entry);
	GetDigest(values, TEXT_DIGEST, entry->text_digest);
	GetDigest(values, HASH, entry->hash);
}

/* Whether an actor of this kind is named in that field of the result. */
static const pg_uuid_t *
ActorIf(const Entry *entry, const char *kind)
{
	size_t len = strlen(kind);

	return VARSIZE_ANY_EXHDR(entry->actor_kind) == len &&
				   memcmp(VARDATA_ANY(entry->actor_kind), kind, len) == 0
			   ? entry->actor_id
			   : NULL;
}

/* The fields of account.transaction. */
void
EntryFields(const Entry *entry, Datum *values, bool *nulls)
{
	memset(nulls, false, sizeof(bool) * ENTRY_FIELDS);
	values[0] = UUIDPGetDatum(&entry->id);
	values[1] = UUIDPGetDatum(&entry->workspace_id);
	values[2] = Int64GetDatum(entry->seq);
	values[3] = ObjectIdGetDatum(CatalogEnumOid(ENUM_TRANSACTION_TYPE, entry->type));
	values[4] = Int64GetDatum(entry->amount);
	values[5] = Int64GetDatum(entry->balance_after);
	values[6] = Int64GetDatum(entry->reserved);
	Put(values, nulls, 7, ActorIf(entry, "user"));
	Put(values, nulls, 8, ActorIf(entry, "service_account"));
	Put(values, nulls, 9, entry->api_key_id);
	Put(values, nulls, 10, entry->category);
	Put(values, nulls, 11, entry->description);
	Put(values, nulls, 12, entry->details);
	Put(values, nulls, 13, entry->reference_id);
	Put(values, nulls, 14, entry->idempotency_key);
	values[15] = TimestampTzGetDatum(entry->created_at);
	values[16] = ArgBytes(entry->hash, CRYPTO_SHA256_LEN).value;
}
