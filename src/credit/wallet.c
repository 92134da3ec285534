/*
 * wallet.c
 *		The row of a wallet: locked, read and written over.
 *
 * A transaction may charge one wallet many times.  Each change leaves a version
 * of the row behind that no other transaction has seen and nothing removes
 * before the end, so the way through the index grows with every one.  The
 * version that was written last is therefore remembered, and read where it is.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "storage/proc.h"
#include "utils/fmgroids.h"

#include "access/early_release.h"
#include "base/compat.h"
#include "base/lookup.h"
#include "base/mutex.h"
#include "base/query.h"
#include "base/uuid.h"
#include "base/write.h"
#include "credit/ledger.h"

/* The columns of account_data.wallets. */
enum
{
	WORKSPACE_ID,
	CASH,
	PROMOTIONAL,
	DEBT,
	RESERVED,
	RESERVED_CASH,
	LAST_SEQ,
	LAST_AT,
	NEXT_DUE_AT,
	TOP_UP_BELOW,
	HEAD,
	WALLET_COLUMNS
};

static Table wallets = {.name = "wallets", .ncolumns = WALLET_COLUMNS};
static Lookup by_id = {.table = "wallets", .index = "wallets_pkey"};
static Lookup by_id_for_update = {
	.table = "wallets", .index = "wallets_pkey", .lock = RowExclusiveLock};

/* The version that was written last, by which transaction. */
static struct
{
	LocalTransactionId by;
	pg_uuid_t workspace_id;
	ItemPointerData tid;
} written;

static ScanKeyData
KeyOf(const pg_uuid_t *workspace_id)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(workspace_id));
	return key;
}

static void
ReadColumns(const NullableDatum *columns, Wallet *wallet)
{
	bytea *head = DatumGetByteaPP(columns[HEAD].value);

	wallet->cash = DatumGetInt64(columns[CASH].value);
	wallet->promotional = DatumGetInt64(columns[PROMOTIONAL].value);
	wallet->debt = DatumGetInt64(columns[DEBT].value);
	wallet->reserved = DatumGetInt64(columns[RESERVED].value);
	wallet->reserved_cash = DatumGetInt64(columns[RESERVED_CASH].value);
	wallet->last_seq = DatumGetInt64(columns[LAST_SEQ].value);
	wallet->last_at = DatumGetTimestampTz(columns[LAST_AT].value);
	wallet->next_due_at = DatumGetTimestampTz(columns[NEXT_DUE_AT].value);
	wallet->top_up_below = DatumGetInt64(columns[TOP_UP_BELOW].value);
	memcpy(wallet->head, VARDATA_ANY(head), CRYPTO_SHA256_LEN);
}

/* The wallet as it stands in the calling statement's snapshot; zeros when there is none. */
bool
WalletRead(const pg_uuid_t *workspace_id, Wallet *wallet)
{
	ScanKeyData key = KeyOf(workspace_id);
	Row row;

	*wallet = (Wallet){
		.last_at = DT_NOBEGIN, .next_due_at = DT_NOEND, .top_up_below = TOP_UP_NEVER};
	if (!LookupRow(&by_id, &key, 1, &row))
		return false;
	ReadColumns(row.columns, wallet);
	return true;
}

/* Whether this transaction wrote the newest version of the row, which is its own then. */
static bool
ReadWritten(const pg_uuid_t *workspace_id, Row *row)
{
	return written.by == AccountLocalTransaction() &&
		   UuidEqual(&written.workspace_id, workspace_id) &&
		   LookupOwn(&by_id_for_update, &written.tid, row) &&
		   UuidEqual(DatumGetUUIDP(row->columns[WORKSPACE_ID].value), workspace_id);
}

/*
 * Locks the row.  Who finds it locked queues for it: of those who wait for a row
 * each wakes whenever it changes hands, of those in a queue only the next.
 */
static bool
LockRow(const pg_uuid_t *workspace_id, Row *row)
{
	ScanKeyData key = KeyOf(workspace_id);
	LookupResult result = LookupLock(&by_id_for_update, &key, 1, LockTupleNoKeyExclusive,
									 LockWaitSkip, row);

	if (result == LOOKUP_BUSY)
	{
		EarlyReleaseContended();
		(void) MutexLock(MUTEX_WALLET, workspace_id);
		result = LookupLock(&by_id_for_update, &key, 1, LockTupleNoKeyExclusive, LockWaitBlock,
							row);
	}
	return result == LOOKUP_FOUND;
}

/* Locks the wallet of the book's workspace and reads it; false when there is none. */
bool
WalletLock(Book *book)
{
	Row row;

	if (!ReadWritten(&book->workspace_id, &row) && !LockRow(&book->workspace_id, &row))
		return false;
	book->wallet_tid = row.tid;
	ReadColumns(row.columns, &book->wallet);
	return true;
}

/* Writes the wallet of a book, which holds it locked. */
void
WalletWrite(Book *book)
{
	const Wallet *w = &book->wallet;
	NullableDatum columns[WALLET_COLUMNS] = {
		[WORKSPACE_ID] = ArgUuid(&book->workspace_id),
		[CASH] = ArgDatum(Int64GetDatum(w->cash)),
		[PROMOTIONAL] = ArgDatum(Int64GetDatum(w->promotional)),
		[DEBT] = ArgDatum(Int64GetDatum(w->debt)),
		[RESERVED] = ArgDatum(Int64GetDatum(w->reserved)),
		[RESERVED_CASH] = ArgDatum(Int64GetDatum(w->reserved_cash)),
		[LAST_SEQ] = ArgDatum(Int64GetDatum(w->last_seq)),
		[LAST_AT] = ArgTime(w->last_at),
		[NEXT_DUE_AT] = ArgTime(w->next_due_at),
		[TOP_UP_BELOW] = ArgDatum(Int64GetDatum(w->top_up_below)),
		[HEAD] = ArgBytes(w->head, CRYPTO_SHA256_LEN),
	};

	UpdateRow(&wallets, &book->wallet_tid, columns);
	written.by = AccountLocalTransaction();
	written.workspace_id = book->workspace_id;
	written.tid = book->wallet_tid;
}
