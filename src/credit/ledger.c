/*
 * ledger.c
 *		The wallet of a workspace under its lock, and what is posted to it.
 *
 * Invariants, for every workspace and at every commit:
 *
 *	1.	cash + promotional - debt = the sum of all amounts = the balance after
 *		the last transaction; promotional = the sum of what remains of all
 *		grants, and what remains of each is what its transactions left of it.
 *	2.	reserved = the sum of what open holds hold, by grant and in cash; what a
 *		hold reserves, no charge takes and no expiry ends.  Available is never
 *		below zero but by a charge that allows it.
 *	3.	seq counts from 1 without a gap; each hash covers the one before, and the
 *		wallet has the last; created_at never goes back.
 *	4.	A committed transaction never changes, but for the erasure of its text.
 *	5.	One idempotency key of a workspace has one effect.
 *	6.	There is debt only while nothing is free: credit that comes in or is
 *		freed pays debt first.
 *	7.	What is due by a transaction's time was posted before it, dated at the
 *		instant it expired.
 *	8.	No less is available than top_up_below: who takes it below asks for a
 *		top-up, and until that ends it is TOP_UP_NEVER; see auto_top_up.c.
 *
 * How they are kept: every change is made by one function, LedgerPost, on a Book
 * whose wallet row is locked, so that the changes of a workspace come one after
 * another; the row is the only lock.  A snapshot older than the last change
 * cannot take it (40001).  Everything is computed in memory and written at the
 * end: grants and holds first, then transactions and the wallet.
 *
 * verify_ledger() checks all of them; test/fault and test/race try to break them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "access/principal.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/query.h"
#include "base/uuid.h"
#include "base/write.h"
#include "credit/ledger.h"

/* Transactions that are written at a time. */
#define WRITE_ROWS 500

#define MAX_DUE_WALLETS 10000

/* The first use of a wallet; of two that race, the second waits for the first. */
static Statement make_wallet = {
	.types = "uuid",
	.sql = "INSERT INTO account_data.wallets (workspace_id)"
		   " SELECT id FROM account_data.workspaces WHERE id = $1 ON CONFLICT DO NOTHING",
};

static Table transactions = {.name = "transactions", .ncolumns = ENTRY_COLUMNS};
static Lookup by_key = {
	.table = "transactions", .index = "transactions_idempotency_key", .lock = RowExclusiveLock};

static Statement find_next_due = {
	.types = "uuid",
	.sql = "SELECT " LEDGER_NEXT_DUE,
};

/* Wallets that somebody else is at are left to them: opening posts what is due. */
static Statement find_due = {
	.types = "timestamptz, integer",
	.mode = QUERY_FRESH,
	.sql = "SELECT workspace_id FROM account_data.wallets WHERE next_due_at <= $1"
		   " ORDER BY next_due_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
};

/* Posts, in the order in which they happened, all expiries up to now. */
static void
PostDue(Book *book)
{
	if (book->wallet.next_due_at > book->now)
		return;
	GrantsReadDue(book);
	HoldsExpire(book);
	GrantsExpire(book, book->now);
	book->is_due_stale = true;
	if (book->is_peek)
		return;
	AutoTopUpDue(book);
	LedgerClose(book);
}

/*
 * Locks the wallet of a workspace, making it at its first use, and posts what
 * has expired.  P0002 when there is no such workspace.
 */
Book *
LedgerOpen(const pg_uuid_t *workspace_id)
{
	Book *book = palloc0(sizeof(Book));
	NullableDatum args[1] = {ArgUuid(workspace_id)};

	book->workspace_id = *workspace_id;
	if (!WalletLock(book))
	{
		QueryRun(&make_wallet, args);
		if (!WalletLock(book))
			ErrorNotFound("workspace", workspace_id);
	}
	book->now = Max(GetCurrentStatementStartTimestamp(), book->wallet.last_at);
	PostDue(book);
	return book;
}

/*
 * The wallet as the calling statement sees it, with what has expired by a time
 * not before the last transaction taken out; nothing is locked or written.
 */
Book *
LedgerPeek(const pg_uuid_t *workspace_id, TimestampTz at)
{
	Book *book = palloc0(sizeof(Book));

	book->workspace_id = *workspace_id;
	book->is_peek = true;
	(void) WalletRead(workspace_id, &book->wallet);
	book->now = Max(at, book->wallet.last_at);
	PostDue(book);
	return book;
}

/* A transaction by nobody in particular, to be filled in. */
Entry *
LedgerEntry(TransactionType type, int64 amount)
{
	static const char *const kind = "system";
	Entry *entry = palloc0(sizeof(Entry));

	entry->type = type;
	entry->amount = amount;
	entry->actor_kind = cstring_to_text(kind);
	entry->details = EntryNoDetails();
	return entry;
}

/* Puts down who is acting, or that an operator or service is. */
void
LedgerActor(Entry *entry)
{
	const Principal *p = PrincipalCurrent();

	if (p == NULL)
	{
		entry->actor_kind = cstring_to_text("operator");
		return;
	}
	entry->actor_kind = cstring_to_text(p->is_service_account ? "service_account" : "user");
	entry->actor_id = memcpy(palloc(UUID_LEN), &p->actor_id, UUID_LEN);
	if (p->proof == PROOF_API_KEY)
		entry->api_key_id = memcpy(palloc(UUID_LEN), &p->credential_id, UUID_LEN);
}

/* The transaction under a key, or NULL. */
Entry *
LedgerFind(const Book *book, const text *key)
{
	ScanKeyData keys[2];
	LookupScan scan;
	TupleTableSlot *slot;
	Entry *entry = NULL;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&book->workspace_id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(key));
	keys[1].sk_collation = C_COLLATION_OID;
	LookupSnapshot();
	slot = LookupBegin(&scan, &by_key, keys, 2, false);
	if (slot != NULL)
	{
		entry = palloc(sizeof(Entry));
		EntryRead(DatumGetHeapTupleHeader(ExecFetchSlotHeapTupleDatum(slot)), entry);
	}
	LookupEnd(&scan);
	PopActiveSnapshot();
	return entry;
}

/*
 * The transaction that this request made before, or NULL.  22023 when its key
 * was used for another request.
 */
Entry *
LedgerReplay(const Book *book, const Entry *asked)
{
	Entry *old = asked->idempotency_key == NULL ? NULL : LedgerFind(book, asked->idempotency_key);

	if (old == NULL)
	{
		if (asked->idempotency_key != NULL && PaymentHasKey(book, asked->idempotency_key))
			ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
							errmsg("invalid idempotency_key: it was used for another request"),
							errdetail("A top-up has this key.")));
		return NULL;
	}
	if (!EntrySameRequest(old, asked))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid idempotency_key: it was used for another request"),
						errdetail("Transaction %s has this key.", UuidText(&old->id))));
	return old;
}

/* The sum of what an entry did to the parts of the balance. */
static int64
PartsSum(const Entry *entry)
{
	int64 sum = MicrosAdd(entry->cash, -entry->debt);

	for (int i = 0; i < entry->nparts; i++)
		sum = MicrosAdd(sum, entry->grant_micros[i]);
	return sum;
}

/* Puts an entry, whose credit has been moved, at the end of the ledger, dated at a time. */
void
LedgerPostAt(Book *book, Entry *entry, TimestampTz at)
{
	Wallet *wallet = &book->wallet;

	if (entry->amount != PartsSum(entry))
		elog(ERROR, "the parts of a transaction do not add up to its amount");
	wallet->last_at = Max(at, wallet->last_at);
	entry->workspace_id = book->workspace_id;
	entry->seq = ++wallet->last_seq;
	entry->created_at = wallet->last_at;
	(void) MicrosAdd(wallet->cash, wallet->promotional);
	entry->balance_after = WalletTotal(wallet);
	if (book->is_peek)
		return;
	EntrySeal(entry, wallet->head);
	memcpy(wallet->head, entry->hash, CRYPTO_SHA256_LEN);
	book->entries = lappend(book->entries, entry);
}

Entry *
LedgerPost(Book *book, Entry *entry)
{
	LedgerPostAt(book, entry, book->now);
	return entry;
}

/* Something may expire at that time. */
void
LedgerDueAt(Book *book, TimestampTz at)
{
	book->wallet.next_due_at = Min(book->wallet.next_due_at, at);
}

static void
FindNextDue(Book *book)
{
	NullableDatum args[1] = {ArgUuid(&book->workspace_id)};
	NullableDatum row[1];

	book->wallet.next_due_at = DT_NOEND;
	if (QueryRow(&find_next_due, args, row, 1) && !row[0].isnull)
		book->wallet.next_due_at = DatumGetTimestampTz(row[0].value);
	book->is_due_stale = false;
}

/* What cannot be is not written. */
static void
CheckWallet(const Wallet *w)
{
	if (w->reserved_cash < 0 || w->reserved_cash > w->cash || w->debt < 0 ||
		w->reserved < w->reserved_cash || w->reserved - w->reserved_cash > w->promotional)
		elog(ERROR, "a part of a wallet is out of its bounds");
}

static void
WriteEntries(const List *entries)
{
	int count = list_length(entries);
	NullableDatum *rows = palloc(sizeof(NullableDatum) * ENTRY_COLUMNS * Min(count, WRITE_ROWS));

	for (int done = 0; done < count; done += WRITE_ROWS)
	{
		int nrows = Min(count - done, WRITE_ROWS);

		for (int i = 0; i < nrows; i++)
			EntryColumns(list_nth(entries, done + i), rows + i * ENTRY_COLUMNS);
		InsertRows(&transactions, rows, nrows);
	}
	pfree(rows);
}

/* Writes what was posted.  The book may be used on. */
void
LedgerClose(Book *book)
{
	Assert(!book->is_peek);
	CheckWallet(&book->wallet);
	if (WalletAvailable(&book->wallet) < book->wallet.top_up_below)
		AutoTopUpRequest(book);
	GrantsWrite(book);
	if (book->is_due_stale)
		FindNextDue(book);
	else if (book->entries == NIL)
		return;
	WriteEntries(book->entries);
	WalletWrite(book);
	GrantsRemember(book);
	book->entries = NIL;
}

/*
 * Posts what has expired in up to max wallets, the longest due first; returns
 * how many there were.
 */
int
LedgerExpireDue(int max)
{
	NullableDatum args[2] = {ArgTime(GetCurrentStatementStartTimestamp()),
							 ArgDatum(Int32GetDatum(max))};
	NullableDatum *rows;
	int count = (int) QueryAll(&find_due, args, &rows, 1);

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		(void) LedgerOpen(DatumGetUUIDP(rows[i].value));
	}
	return count;
}

PG_FUNCTION_INFO_V1(account_expire_credits);
Datum
account_expire_credits(PG_FUNCTION_ARGS)
{
	ArgRequired(fcinfo, 0, "max_wallets");
	if (PG_GETARG_INT32(0) < 1 || PG_GETARG_INT32(0) > MAX_DUE_WALLETS)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID),
				 errmsg("invalid max_wallets: it must be between 1 and %d", MAX_DUE_WALLETS)));
	PG_RETURN_INT64(LedgerExpireDue(PG_GETARG_INT32(0)));
}
