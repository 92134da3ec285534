/*
 * verify.c
 *		Proving a ledger: the chain, the sums and what the wallet says.
 *
 * Transactions are read one after the other and forgotten; only the remainders
 * of grants that are not spent are kept.  Everything is read in the snapshot of
 * the calling statement, so that a ledger in use is verified as it stood then.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "common/int.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "credit/ledger.h"

typedef struct Remainder
{
	pg_uuid_t grant_id; /* hash key */
	int64 micros;
} Remainder;

typedef struct Proof
{
	pg_uuid_t workspace_id;
	int64 seq;
	uint8 hash[CRYPTO_SHA256_LEN];
	TimestampTz at;
	int64 cash;
	int64 promotional;
	int64 debt;
	int64 reserved;
	HTAB *grants;		 /* of Remainder */
	const char *problem; /* NULL: none yet */
	int64 bad_seq;
} Proof;

static Statement list_workspaces = {
	.types = "",
	.mode = QUERY_READ,
	.sql = "SELECT workspace_id FROM account_data.wallets"
		   " UNION SELECT workspace_id FROM account_data.transactions ORDER BY 1",
};

static Statement find_ledger = {
	.types = "uuid",
	.mode = QUERY_READ,
	.sql = "SELECT true FROM account_data.workspaces WHERE id = $1"
		   " UNION ALL SELECT true FROM account_data.transactions WHERE workspace_id = $1 LIMIT 1",
};

static Statement read_chain = {
	.types = "uuid",
	.mode = QUERY_READ,
	.sql = "SELECT t FROM account_data.transactions t WHERE workspace_id = $1 ORDER BY seq",
};

static Statement read_grants = {
	.types = "uuid",
	.mode = QUERY_READ,
	.sql = "SELECT id, remaining_micros FROM account_data.grants"
		   " WHERE workspace_id = $1 AND remaining_micros <> 0",
};

/* What is wrong with the tables beside the ledger, if anything. */
static Statement check_rest = {
	.types = "uuid",
	.mode = QUERY_READ,
	.sql =
		"SELECT CASE"
		" WHEN w.reserved_micros <> h.held OR w.reserved_cash_micros <> h.cash"
		"  THEN 'the reserved amount is not what open holds hold'"
		" WHEN EXISTS (SELECT FROM account_data.holds WHERE workspace_id = $1 AND status = 'open'"
		"   AND held_micros <> cash_micros"
		"     + (SELECT coalesce(sum(m), 0) FROM unnest(grant_micros) m))"
		"  THEN 'a hold does not hold what its parts say'"
		" WHEN EXISTS (SELECT FROM ("
		"    SELECT id, reserved_micros FROM account_data.grants"
		"     WHERE workspace_id = $1 AND reserved_micros <> 0) g"
		"   FULL JOIN ("
		"    SELECT p.id, sum(p.micros) AS micros FROM account_data.holds,"
		"      unnest(grant_ids, grant_micros) p (id, micros)"
		"     WHERE workspace_id = $1 AND status = 'open' GROUP BY p.id HAVING sum(p.micros) > 0) r"
		"   USING (id) WHERE coalesce(g.reserved_micros, 0) <> coalesce(r.micros, 0))"
		"  THEN 'a grant does not reserve what open holds say'"
		" WHEN w.debt_micros <> (SELECT coalesce(sum(owed_micros), 0) FROM account_data.debts"
		"   WHERE workspace_id = $1)"
		"  THEN 'the debt is not what transactions owe'"
		" WHEN w.debt_micros > 0"
		"   AND w.cash_micros + w.promotional_micros <> w.reserved_micros"
		"  THEN 'there is debt while credit is free'"
		" WHEN w.cash_micros::numeric + w.promotional_micros - w.debt_micros - w.reserved_micros"
		"   < w.top_up_below_micros"
		"  THEN 'less than the threshold is available and no top-up was asked for'"
		" WHEN w.top_up_below_micros <> coalesce((SELECT threshold_micros"
		"   FROM account_data.auto_top_ups WHERE workspace_id = $1 AND is_enabled"
		"    AND retry_at IS NULL AND NOT EXISTS (SELECT FROM account_data.payments"
		"     WHERE workspace_id = $1 AND type = 'auto_top_up' AND status = 'pending')),"
		"   -9223372036854775808)"
		"  THEN 'the wallet asks for top-ups at another threshold than was set'"
		" WHEN w.next_due_at > " LEDGER_NEXT_DUE "  THEN 'something is due before the wallet looks'"
		" END"
		" FROM account_data.wallets w, ("
		"  SELECT coalesce(sum(held_micros), 0) AS held, coalesce(sum(cash_micros), 0) AS cash"
		"  FROM account_data.holds WHERE workspace_id = $1 AND status = 'open') h"
		" WHERE w.workspace_id = $1",
};

/*
 * Whether each grant is what its transaction granted.  It may end sooner than it
 * would have, which only takes away; its request says when in PostgreSQL's own
 * microseconds.
 */
static Statement check_grants = {
	.types = "uuid",
	.mode = QUERY_READ,
	.sql = "SELECT 'a grant is not what its transaction granted' WHERE EXISTS ("
		   " SELECT FROM account_data.grants g LEFT JOIN account_data.transactions t"
		   "   ON t.workspace_id = g.workspace_id AND t.seq = g.seq"
		   "  WHERE g.workspace_id = $1 AND (g.is_spent = (g.remaining_micros = 0)"
		   "   AND t.reference_id = g.id AND t.type = g.type AND t.amount_micros = g.amount_micros"
		   "   AND split_part(t.request, ', expires ', 1) = 'priority ' || g.priority"
		   "   AND CASE split_part(t.request, ', expires ', 2) WHEN 'never' THEN true"
		   "    ELSE ('x' || encode(timestamptz_send(g.expires_at), 'hex'))::bit(64)::bigint"
		   "     <= split_part(t.request, ', expires ', 2)::bigint END) IS NOT TRUE)",
};

/* Whether what is owed is what was, less what paid it and what refunds took back. */
static Statement check_debts = {
	.types = "uuid",
	.mode = QUERY_READ,
	.sql = "WITH paid AS ("
		   "  SELECT seq, sum(amount_micros) AS micros, count(*) AS count, max(number) AS last"
		   "   FROM account_data.debt_payments WHERE workspace_id = $1 GROUP BY seq),"
		   " paying AS ("
		   "  SELECT paid_by_seq AS seq, sum(amount_micros) AS micros"
		   "   FROM account_data.debt_payments WHERE workspace_id = $1 GROUP BY paid_by_seq),"
		   " forgiven AS ("
		   "  SELECT r.reference_id AS id, sum(-r.debt_micros - coalesce(p.micros, 0)) AS micros"
		   "   FROM account_data.transactions r LEFT JOIN paying p ON p.seq = r.seq"
		   "   WHERE r.workspace_id = $1 AND r.type = 'refund' GROUP BY r.reference_id)"
		   " SELECT 'a debt is not what its transaction left owed' WHERE EXISTS ("
		   "  SELECT FROM account_data.debts d"
		   "   LEFT JOIN account_data.transactions t ON t.workspace_id = $1 AND t.seq = d.seq"
		   "   LEFT JOIN paid p ON p.seq = d.seq LEFT JOIN forgiven f ON f.id = t.id"
		   "   WHERE d.workspace_id = $1 AND (t.debt_micros = d.amount_micros"
		   "    AND d.owed_micros = d.amount_micros - coalesce(p.micros, 0) - coalesce(f.micros, 0)"
		   "    AND d.payments = coalesce(p.count, 0) AND d.payments = coalesce(p.last, 0))"
		   "   IS NOT TRUE)"
		   " OR EXISTS ("
		   "  SELECT FROM paying p"
		   "   LEFT JOIN account_data.transactions t ON t.workspace_id = $1 AND t.seq = p.seq"
		   "   WHERE (t.type = 'refund' OR t.debt_micros = -p.micros) IS NOT TRUE)",
};

static void
Found(Proof *proof, int64 seq, const char *problem)
{
	if (proof->problem != NULL)
		return;
	proof->problem = problem;
	proof->bad_seq = seq;
}

/* Adds without raising; a sum that does not fit cannot be right. */
static void
Sum(Proof *proof, const Entry *entry, int64 *sum, int64 micros)
{
	if (pg_add_s64_overflow(*sum, micros, sum))
		Found(proof, entry->seq, "the amounts do not fit");
}

/* Follows what remains of a grant; one that is spent is forgotten. */
static void
SumGrant(Proof *proof, const Entry *entry, int part)
{
	bool is_found;
	Remainder *remainder = hash_search(proof->grants, &entry->grant_ids[part], HASH_ENTER,
									   &is_found);

	if (!is_found)
		remainder->micros = 0;
	Sum(proof, entry, &remainder->micros, entry->grant_micros[part]);
	Sum(proof, entry, &proof->promotional, entry->grant_micros[part]);
	if (remainder->micros < 0)
		Found(proof, entry->seq, "more was taken from a grant than it had");
	if (remainder->micros == 0)
		(void) hash_search(proof->grants, &entry->grant_ids[part], HASH_REMOVE, NULL);
}

static void
CheckSums(Proof *proof, const Entry *entry)
{
	int64 before = proof->cash + proof->promotional - proof->debt;
	int64 after;

	Sum(proof, entry, &proof->cash, entry->cash);
	Sum(proof, entry, &proof->debt, entry->debt);
	Sum(proof, entry, &proof->reserved, entry->reserved);
	for (int i = 0; i < entry->nparts; i++)
		SumGrant(proof, entry, i);
	after = proof->cash + proof->promotional - proof->debt;
	if (after != entry->balance_after)
		Found(proof, entry->seq, "the balance is not the sum of the transactions");
	if (after - before != entry->amount)
		Found(proof, entry->seq, "the parts do not add up to the amount");
	if (proof->cash < 0 || proof->debt < 0 || proof->reserved < 0)
		Found(proof, entry->seq, "a part of the balance is below zero");
}

static void
CheckHash(Proof *proof, const Entry *entry)
{
	uint8 digest[CRYPTO_SHA256_LEN];

	EntryHash(entry, proof->hash, digest);
	if (memcmp(digest, entry->hash, CRYPTO_SHA256_LEN) != 0)
		Found(proof, entry->seq, "the hash does not cover the row and the one before");
	if (entry->salt == NULL)
	{
		if (entry->description != NULL || JB_ROOT_COUNT(entry->details) > 0)
			Found(proof, entry->seq, "the text was changed");
		return;
	}
	EntryTextDigest(entry, entry->salt, digest);
	if (memcmp(digest, entry->text_digest, CRYPTO_SHA256_LEN) != 0)
		Found(proof, entry->seq, "the text was changed");
}

static void
CheckEntry(const NullableDatum *row, void *state)
{
	Proof *proof = state;
	Entry entry;

	if (proof->problem != NULL)
		return;
	EntryRead(DatumGetHeapTupleHeader(row[0].value), &entry);
	if (entry.seq != proof->seq + 1)
	{
		Found(proof, proof->seq + 1, "a transaction is missing");
		return;
	}
	if (entry.is_malformed)
		Found(proof, entry.seq, "the row is not of the form of a transaction");
	CheckHash(proof, &entry);
	CheckSums(proof, &entry);
	if (entry.created_at < proof->at)
		Found(proof, entry.seq, "the time goes back");
	proof->seq = entry.seq;
	proof->at = entry.created_at;
	memcpy(proof->hash, entry.hash, CRYPTO_SHA256_LEN);
}

static void
CheckGrant(const NullableDatum *row, void *state)
{
	Proof *proof = state;
	Remainder *remainder = hash_search(proof->grants, DatumGetUUIDP(row[0].value), HASH_REMOVE,
									   NULL);

	if (remainder == NULL || remainder->micros != DatumGetInt64(row[1].value))
		Found(proof, 0, "a grant does not have what its transactions left of it");
}

/* What a statement finds wrong with the tables beside the ledger. */
static void
CheckTables(Proof *proof, Statement *statement)
{
	NullableDatum args[1] = {ArgUuid(&proof->workspace_id)};
	NullableDatum row[1];

	if (QueryRow(statement, args, row, 1) && !row[0].isnull)
		Found(proof, 0, TextDatumGetCString(row[0].value));
}

/* The wallet and what stands beside the ledger. */
static void
CheckState(Proof *proof)
{
	NullableDatum args[1] = {ArgUuid(&proof->workspace_id)};
	Wallet wallet;

	WalletRead(&proof->workspace_id, &wallet);
	if (wallet.last_seq != proof->seq)
		Found(proof, Min(wallet.last_seq, proof->seq) + 1,
			  "the wallet and the ledger end with different transactions");
	if (memcmp(wallet.head, proof->hash, CRYPTO_SHA256_LEN) != 0)
		Found(proof, proof->seq, "the wallet has another hash than the last transaction");
	if (wallet.last_at != proof->at)
		Found(proof, proof->seq, "the wallet has another time than the last transaction");
	if (wallet.cash != proof->cash || wallet.promotional != proof->promotional ||
		wallet.debt != proof->debt || wallet.reserved != proof->reserved)
		Found(proof, 0, "the wallet is not the sum of the transactions");
	QueryEach(&read_grants, args, 2, CheckGrant, proof);
	if (hash_get_num_entries(proof->grants) > 0)
		Found(proof, 0, "a grant does not have what its transactions left of it");
	CheckTables(proof, &check_rest);
	CheckTables(proof, &check_grants);
	CheckTables(proof, &check_debts);
}

static void
Verify(Proof *proof)
{
	NullableDatum args[1] = {ArgUuid(&proof->workspace_id)};
	HASHCTL control = {
		.keysize = sizeof(pg_uuid_t), .entrysize = sizeof(Remainder), .hcxt = CurrentMemoryContext};

	proof->grants = hash_create("account grants", 64, &control,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	proof->at = DT_NOBEGIN;
	QueryEach(&read_chain, args, 1, CheckEntry, proof);
	if (proof->problem == NULL)
		CheckState(proof);
	hash_destroy(proof->grants);
}

static void
Report(ReturnSetInfo *result, const Proof *proof)
{
	Datum values[5];
	bool nulls[5] = {false};

	values[0] = UUIDPGetDatum(&proof->workspace_id);
	values[1] = Int64GetDatum(proof->seq);
	values[2] = BoolGetDatum(proof->problem == NULL);
	values[3] = Int64GetDatum(proof->bad_seq);
	nulls[3] = proof->bad_seq == 0;
	nulls[4] = proof->problem == NULL;
	if (proof->problem != NULL)
		values[4] = CStringGetTextDatum(proof->problem);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

typedef struct Workspaces
{
	pg_uuid_t *ids;
	int count;
	int max;
} Workspaces;

static void
AddWorkspace(const NullableDatum *row, void *state)
{
	Workspaces *list = state;

	if (list->count == list->max)
	{
		list->max *= 2;
		list->ids = repalloc_huge(list->ids, sizeof(pg_uuid_t) * list->max);
	}
	list->ids[list->count++] = *DatumGetUUIDP(row[0].value);
}

static Workspaces
AllWorkspaces(void)
{
	Workspaces list = {.max = 64, .ids = palloc(sizeof(pg_uuid_t) * 64)};

	QueryEach(&list_workspaces, NULL, 1, AddWorkspace, &list);
	return list;
}

/* What was mistyped must not look proven. */
static void
RequireWorkspace(const pg_uuid_t *id)
{
	NullableDatum args[1] = {ArgUuid(id)};
	NullableDatum row[1];

	if (!QueryRow(&find_ledger, args, row, 1))
		ErrorNotFound("workspace", id);
}

static Workspaces
OneWorkspace(pg_uuid_t *id)
{
	RequireWorkspace(id);
	return (Workspaces){.ids = id, .count = 1};
}

PG_FUNCTION_INFO_V1(account_verify_ledger);
Datum
account_verify_ledger(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "account verify",
												 ALLOCSET_DEFAULT_SIZES);
	Workspaces list;

	InitMaterializedSRF(fcinfo, 0);
	list = PG_ARGISNULL(0) ? AllWorkspaces() : OneWorkspace(PG_GETARG_UUID_P(0));
	for (int i = 0; i < list.count; i++)
	{
		Proof proof = {.workspace_id = list.ids[i]};
		MemoryContext old = MemoryContextSwitchTo(memory);

		CHECK_FOR_INTERRUPTS();
		Verify(&proof);
		Report(result, &proof);
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
	}
	return (Datum) 0;
}

/* A chain with nothing on it yet ends as the first hash begins, with zeros. */
PG_FUNCTION_INFO_V1(account_ledger_checkpoint);
Datum
account_ledger_checkpoint(PG_FUNCTION_ARGS)
{
	Wallet wallet;
	bool nulls[2] = {false};
	Datum values[2];

	ArgRequired(fcinfo, 0, "workspace_id");
	if (!WalletRead(PG_GETARG_UUID_P(0), &wallet))
		RequireWorkspace(PG_GETARG_UUID_P(0));
	values[0] = Int64GetDatum(wallet.last_seq);
	values[1] = ArgBytes(wallet.head, CRYPTO_SHA256_LEN).value;
	PG_RETURN_DATUM(ResultRow(fcinfo, values, nulls));
}
