/*
 * entry.h
 *		A transaction of the ledger in memory, as a row, and its hash.
 */
#ifndef ACCOUNT_ENTRY_H
#define ACCOUNT_ENTRY_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/catalog.h"
#include "base/crypto.h"

#define ENTRY_SALT_LEN 16

/* Of account_data.transactions. */
#define ENTRY_COLUMNS 24
#define ENTRY_FIELDS 17

/*
 * Signed amounts say what the transaction changed: cash, debt and reserved of
 * the wallet, and the remainder of each grant.  What a pointer leads to
 * outlives the entry's book.
 */
typedef struct Entry
{
	pg_uuid_t workspace_id;
	int64 seq;
	pg_uuid_t id;
	TransactionType type;
	int64 amount;
	int64 balance_after;
	int64 cash;
	int64 debt;
	int64 reserved;
	TimestampTz created_at;
	const text *actor_kind;
	const pg_uuid_t *actor_id;	 /* NULL: no person or service account */
	const pg_uuid_t *api_key_id; /* NULL: no key proved who acts */
	const pg_uuid_t *reference_id;
	int nparts;
	pg_uuid_t *grant_ids;
	int64 *grant_micros;
	const text *idempotency_key;
	const text *request; /* what else was asked for than the columns tell */
	const text *category;
	const text *description;
	const Jsonb *details;
	const uint8 *salt; /* NULL once the text was erased */
	uint8 text_digest[CRYPTO_SHA256_LEN];
	uint8 hash[CRYPTO_SHA256_LEN];
	bool is_malformed; /* it was read from a row that nothing here writes */
} Entry;

extern const Jsonb *EntryNoDetails(void);
extern void EntrySeal(Entry *entry, const uint8 previous[CRYPTO_SHA256_LEN]);
extern void EntryHash(const Entry *entry, const uint8 previous[CRYPTO_SHA256_LEN],
					  uint8 hash[CRYPTO_SHA256_LEN]);
extern void EntryTextDigest(const Entry *entry, const uint8 *salt, uint8 digest[CRYPTO_SHA256_LEN]);
extern bool EntrySameRequest(const Entry *old, const Entry *asked);
extern void EntryColumns(const Entry *entry, NullableDatum *row);
extern void EntryRead(HeapTupleHeader row, Entry *entry);
extern void EntryFields(const Entry *entry, Datum *values, bool *nulls);

#endif /* ACCOUNT_ENTRY_H */
