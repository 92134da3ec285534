/*
 * parcel.c
 *		Where credit lies: grants and cash, and how it is moved and burned.
 *
 * Burn-down order is priority, then soonest expiry, then age; cash is last.  A
 * grant is looked at in one place only, the book's copy; what the tables say of
 * it is old news once it is there.
 */
#include "postgres.h"

#include "common/int.h"
#include "storage/proc.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/query.h"
#include "base/uuid.h"
#include "base/write.h"
#include "credit/ledger.h"

/* Grants that are read at first in burn-down order. */
#define BURN_PAGE 4

/* The columns of account_data.grants. */
enum
{
	WORKSPACE_ID,
	ID,
	TYPE,
	AMOUNT,
	REMAINING,
	RESERVED,
	PRIORITY,
	EXPIRES_AT,
	SEQ,
	IS_SPENT,
	GRANT_COLUMNS
};

static Table grants = {.name = "grants", .ncolumns = GRANT_COLUMNS};
static Lookup by_id = {.table = "grants", .index = "grants_pkey"};

/* Those not spent, in burn-down order; what is read to be changed is locked as for that. */
static Lookup unspent = {.table = "grants", .index = "grants_burn_idx"};
static Lookup unspent_for_update = {
	.table = "grants", .index = "grants_burn_idx", .lock = RowExclusiveLock};

/*
 * What the wallet, in the version that this transaction wrote last, burns next,
 * and where that version is: see wallet.c for why.
 */
static struct
{
	LocalTransactionId by;
	ItemPointerData wallet_tid;
	ItemPointerData tid;
} next;

/* Money never wraps around. */
int64
MicrosAdd(int64 a, int64 b)
{
	int64 sum;

	if (pg_add_s64_overflow(a, b, &sum))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("amount of credit out of range")));
	return sum;
}

void
MoveCash(Book *book, Entry *entry, int64 micros)
{
	book->wallet.cash = MicrosAdd(book->wallet.cash, micros);
	entry->cash = MicrosAdd(entry->cash, micros);
}

/* Debt that grows is a negative balance that grows. */
void
MoveDebt(Book *book, Entry *entry, int64 micros)
{
	book->wallet.debt = MicrosAdd(book->wallet.debt, micros);
	entry->debt = MicrosAdd(entry->debt, micros);
}

/* The place of a grant among the parts of an entry. */
static int64 *
EntryPart(Entry *entry, const pg_uuid_t *grant_id)
{
	int n = entry->nparts;

	for (int i = 0; i < n; i++)
		if (UuidEqual(&entry->grant_ids[i], grant_id))
			return &entry->grant_micros[i];
	if (n == 0)
	{
		entry->grant_ids = palloc(sizeof(pg_uuid_t));
		entry->grant_micros = palloc(sizeof(int64));
	}
	else if ((n & (n - 1)) == 0)
	{
		entry->grant_ids = repalloc(entry->grant_ids, sizeof(pg_uuid_t) * n * 2);
		entry->grant_micros = repalloc(entry->grant_micros, sizeof(int64) * n * 2);
	}
	entry->grant_ids[n] = *grant_id;
	entry->grant_micros[n] = 0;
	entry->nparts++;
	return &entry->grant_micros[n];
}

void
MoveGrant(Book *book, Entry *entry, Grant *grant, int64 micros)
{
	int64 *part = EntryPart(entry, &grant->id);

	*part = MicrosAdd(*part, micros);
	grant->remaining = MicrosAdd(grant->remaining, micros);
	book->wallet.promotional = MicrosAdd(book->wallet.promotional, micros);
	grant->is_changed = true;
}

void
ReserveCash(Book *book, Entry *entry, int64 micros)
{
	book->wallet.reserved_cash = MicrosAdd(book->wallet.reserved_cash, micros);
	book->wallet.reserved = MicrosAdd(book->wallet.reserved, micros);
	entry->reserved = MicrosAdd(entry->reserved, micros);
}

void
ReserveGrant(Book *book, Entry *entry, Grant *grant, int64 micros)
{
	grant->reserved = MicrosAdd(grant->reserved, micros);
	book->wallet.reserved = MicrosAdd(book->wallet.reserved, micros);
	entry->reserved = MicrosAdd(entry->reserved, micros);
	grant->is_changed = true;
}

/* A new grant with nothing in it yet; the next transaction to be posted makes it. */
Grant *
GrantMake(Book *book, TransactionType type, int64 amount, int32 priority, TimestampTz expires_at)
{
	Grant *grant = palloc0(sizeof(Grant));

	UuidNew(&grant->id);
	grant->type = type;
	grant->amount = amount;
	grant->priority = priority;
	grant->expires_at = expires_at;
	grant->seq = book->wallet.last_seq + 1;
	grant->is_new = true;
	book->grants = lappend(book->grants, grant);
	LedgerDueAt(book, expires_at);
	return grant;
}

static Grant *
KnownGrant(const Book *book, const pg_uuid_t *id)
{
	ListCell *cell;

	foreach (cell, book->grants)
	{
		Grant *grant = lfirst(cell);

		if (UuidEqual(&grant->id, id))
			return grant;
	}
	return NULL;
}

/* The book's copy of a grant, made from a row if there is none. */
static Grant *
ReadColumns(Book *book, const Datum *values, ItemPointerData tid)
{
	Grant *grant = KnownGrant(book, DatumGetUUIDP(values[ID]));

	if (grant != NULL)
		return grant;
	grant = palloc0(sizeof(Grant));
	grant->tid = tid;
	grant->id = *DatumGetUUIDP(values[ID]);
	grant->type = CatalogEnumMember(ENUM_TRANSACTION_TYPE, DatumGetObjectId(values[TYPE]));
	grant->amount = DatumGetInt64(values[AMOUNT]);
	grant->remaining = DatumGetInt64(values[REMAINING]);
	grant->reserved = DatumGetInt64(values[RESERVED]);
	grant->priority = DatumGetInt32(values[PRIORITY]);
	grant->expires_at = DatumGetTimestampTz(values[EXPIRES_AT]);
	grant->seq = DatumGetInt64(values[SEQ]);
	book->grants = lappend(book->grants, grant);
	return grant;
}

static Grant *
ReadGrant(Book *book, TupleTableSlot *slot)
{
	slot_getallattrs(slot);
	return ReadColumns(book, slot->tts_values, slot->tts_tid);
}

static Lookup *
Unspent(const Book *book)
{
	return book->is_peek ? &unspent : &unspent_for_update;
}

/* Under the lock of the wallet the newest is read; a peek reads what its statement sees. */
static TupleTableSlot *
BeginGrants(LookupScan *scan, Lookup *lookup, ScanKey keys, int nkeys, const Book *book)
{
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&book->workspace_id));
	if (!book->is_peek)
		LookupSnapshot();
	return LookupBegin(scan, lookup, keys, nkeys, false);
}

static void
EndGrants(LookupScan *scan, const Book *book)
{
	LookupEnd(scan);
	if (!book->is_peek)
		PopActiveSnapshot();
}

Grant *
GrantFind(Book *book, const pg_uuid_t *id)
{
	Grant *grant = KnownGrant(book, id);
	ScanKeyData keys[2];
	LookupScan scan;
	TupleTableSlot *slot;

	if (grant != NULL)
		return grant;
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(id));
	slot = BeginGrants(&scan, &by_id, keys, 2, book);
	if (slot == NULL)
		elog(ERROR, "grant %s is missing", UuidText(id));
	grant = ReadGrant(book, slot);
	EndGrants(&scan, book);
	return grant;
}

/* The one that expires first first; of two, the older. */
static int
CompareExpiry(const ListCell *a, const ListCell *b)
{
	const Grant *x = lfirst(a);
	const Grant *y = lfirst(b);

	if (x->expires_at != y->expires_at)
		return x->expires_at < y->expires_at ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

/* Reads the grants that have expired by now, the first first, into an empty book. */
void
GrantsReadDue(Book *book)
{
	ScanKeyData keys[1];
	LookupScan scan;
	TupleTableSlot *slot;

	Assert(book->grants == NIL);
	for (slot = BeginGrants(&scan, Unspent(book), keys, 1, book); slot != NULL;
		 slot = LookupNext(&scan))
	{
		bool isnull;
		Datum expires_at = slot_getattr(slot, EXPIRES_AT + 1, &isnull);

		if (DatumGetTimestampTz(expires_at) <= book->now)
			(void) ReadGrant(book, slot);
	}
	EndGrants(&scan, book);
	list_sort(book->grants, CompareExpiry);
}

/* Ends what is free of one grant, dated when it expired. */
static void
ExpireGrant(Book *book, Grant *grant)
{
	Entry *entry = LedgerEntry(TRANSACTION_EXPIRY, -GrantFree(grant));

	entry->reference_id = &grant->id;
	MoveGrant(book, entry, grant, entry->amount);
	LedgerPostAt(book, entry, grant->expires_at);
}

/* Ends what is free of the grants in the book that have expired by a time. */
void
GrantsExpire(Book *book, TimestampTz at)
{
	ListCell *cell;

	foreach (cell, book->grants)
	{
		Grant *grant = lfirst(cell);

		if (grant->expires_at <= at && GrantFree(grant) > 0)
			ExpireGrant(book, grant);
	}
}

/* Whether a row, of the same priority or a later one, comes after a grant in burn-down order. */
static bool
BurnsAfter(TupleTableSlot *slot, const Grant *grant)
{
	const Datum *values = slot->tts_values;

	slot_getallattrs(slot);
	if (DatumGetInt32(values[PRIORITY]) != grant->priority)
		return true;
	if (DatumGetTimestampTz(values[EXPIRES_AT]) != grant->expires_at)
		return DatumGetTimestampTz(values[EXPIRES_AT]) > grant->expires_at;
	return DatumGetInt64(values[SEQ]) > grant->seq;
}

/* The grant that the last book of this transaction would have burned next, if that still holds. */
static bool
ReadNext(Book *book)
{
	Datum values[GRANT_COLUMNS];
	Row row;

	if (next.by != AccountLocalTransaction() ||
		!ItemPointerEquals(&next.wallet_tid, &book->wallet_tid) ||
		!LookupOwn(&by_id, &next.tid, &row))
		return false;
	for (int i = 0; i < GRANT_COLUMNS; i++)
		values[i] = row.columns[i].value;
	book->burning = list_make1(ReadColumns(book, values, row.tid));
	return true;
}

/* Notes for this transaction what the wallet, as it was just written, burns next. */
void
GrantsRemember(const Book *book)
{
	next.by = InvalidLocalTransactionId;
	if (book->next_burning >= list_length(book->burning))
		return;
	next.by = AccountLocalTransaction();
	next.wallet_tid = book->wallet_tid;
	next.tid = ((const Grant *) list_nth(book->burning, book->next_burning))->tid;
}

/* Reads the next grants in burn-down order, as many again as were read so far. */
static void
ReadBurning(Book *book)
{
	const Grant *last = book->burning == NIL ? NULL : llast(book->burning);
	int wanted = Max(BURN_PAGE, list_length(book->burning) * 2);
	ScanKeyData keys[2];
	LookupScan scan;
	TupleTableSlot *slot;

	if (last == NULL && ReadNext(book))
		return;
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT4GE,
				Int32GetDatum(last == NULL ? PG_INT32_MIN : last->priority));
	for (slot = BeginGrants(&scan, Unspent(book), keys, 2, book);
		 slot != NULL && list_length(book->burning) < wanted; slot = LookupNext(&scan))
		if (last == NULL || BurnsAfter(slot, last))
			book->burning = lappend(book->burning, ReadGrant(book, slot));
	book->is_burning_all = slot == NULL;
	EndGrants(&scan, book);
}

/*
 * The first grant in burn-down order with anything free; NULL: only cash is.
 * While a book is burned from, nothing in it is freed: see LedgerOpen.
 */
Grant *
BurnNext(Book *book)
{
	const Wallet *w = &book->wallet;

	if (w->promotional == w->reserved - w->reserved_cash)
		return NULL;
	for (;;)
	{
		while (book->next_burning < list_length(book->burning))
		{
			Grant *grant = list_nth(book->burning, book->next_burning);

			if (GrantFree(grant) > 0)
				return grant;
			book->next_burning++;
		}
		if (book->is_burning_all)
			elog(ERROR, "the grants of a wallet do not add up to its promotional credit");
		ReadBurning(book);
	}
}

/* Takes free credit in burn-down order; what is not there becomes debt. */
void
Burn(Book *book, Entry *entry, int64 micros)
{
	Grant *grant;
	int64 part;

	while (micros > 0 && (grant = BurnNext(book)) != NULL)
	{
		part = Min(micros, GrantFree(grant));
		MoveGrant(book, entry, grant, -part);
		micros -= part;
	}
	part = Min(micros, book->wallet.cash - book->wallet.reserved_cash);
	if (part > 0)
		MoveCash(book, entry, -part);
	if (micros > part)
		DebtIncur(book, entry, micros - part);
}

static void
WriteGrant(const Book *book, Grant *grant)
{
	NullableDatum columns[GRANT_COLUMNS] = {
		[WORKSPACE_ID] = ArgUuid(&book->workspace_id),
		[ID] = ArgUuid(&grant->id),
		[TYPE] = ArgDatum(ObjectIdGetDatum(CatalogEnumOid(ENUM_TRANSACTION_TYPE, grant->type))),
		[AMOUNT] = ArgDatum(Int64GetDatum(grant->amount)),
		[REMAINING] = ArgDatum(Int64GetDatum(grant->remaining)),
		[RESERVED] = ArgDatum(Int64GetDatum(grant->reserved)),
		[PRIORITY] = ArgDatum(Int32GetDatum(grant->priority)),
		[EXPIRES_AT] = ArgTime(grant->expires_at),
		[SEQ] = ArgDatum(Int64GetDatum(grant->seq)),
		[IS_SPENT] = ArgBool(grant->remaining == 0),
	};

	if (grant->is_new)
		grant->tid = InsertRow(&grants, columns);
	else
		UpdateRow(&grants, &grant->tid, columns);
}

/* Writes the grants of the book that have changed. */
void
GrantsWrite(Book *book)
{
	ListCell *cell;

	foreach (cell, book->grants)
	{
		Grant *grant = lfirst(cell);

		if (grant->reserved < 0 || grant->reserved > grant->remaining ||
			grant->remaining > grant->amount)
			elog(ERROR, "a part of a grant is out of its bounds");
		if (grant->is_changed)
			WriteGrant(book, grant);
		grant->is_new = grant->is_changed = false;
	}
}
