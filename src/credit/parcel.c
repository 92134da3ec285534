/*
 * parcel.c
 *		Where credit lies: grants and cash, and how it is moved and burned.
 *
 * Burn-down order is priority, then soonest expiry, then age; cash is last.  A
 * grant is looked at in one place only, the book's copy; what the tables say of
 * it is old news once it is there.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "utils/array.h"

#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "credit/ledger.h"

/* Grants that are read at a time in burn-down order. */
#define BURN_PAGE 32

#define GRANT_COLUMNS                                                                              \
	" id, type, amount_micros, remaining_micros, reserved_micros, priority, expires_at, seq"
#define GRANT_NCOLUMNS 8

static Statement read_burning = {
	.types = "uuid, integer, timestamptz, bigint",
	.sql =
		"SELECT" GRANT_COLUMNS " FROM account_data.grants"
		" WHERE workspace_id = $1 AND NOT is_spent AND (priority, expires_at, seq) > ($2, $3, $4)"
		" ORDER BY priority, expires_at, seq LIMIT 32",
};

static Statement read_grant = {
	.types = "uuid, uuid",
	.sql = "SELECT" GRANT_COLUMNS " FROM account_data.grants WHERE workspace_id = $1 AND id = $2",
};

static Statement peek_grant = {
	.types = "uuid, uuid",
	.mode = QUERY_READ,
	.sql = "SELECT" GRANT_COLUMNS " FROM account_data.grants WHERE workspace_id = $1 AND id = $2",
};

#define DUE_GRANTS                                                                                 \
	"SELECT" GRANT_COLUMNS " FROM account_data.grants"                                             \
	" WHERE workspace_id = $1 AND NOT is_spent AND expires_at <= $2 ORDER BY expires_at, seq"

static Statement read_due = {.types = "uuid, timestamptz", .sql = DUE_GRANTS};
static Statement peek_due = {.types = "uuid, timestamptz", .mode = QUERY_READ, .sql = DUE_GRANTS};

static Statement insert_grant = {
	.types = "uuid, uuid, account.transaction_type, bigint, bigint, bigint, integer, timestamptz,"
			 " bigint",
	.sql = "INSERT INTO account_data.grants (workspace_id, id, type, amount_micros,"
		   "  remaining_micros, reserved_micros, priority, expires_at, seq, is_spent)"
		   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $5 = 0)",
};

static Statement update_grant = {
	.types = "uuid, uuid, bigint, bigint",
	.sql = "UPDATE account_data.grants SET remaining_micros = $3, reserved_micros = $4,"
		   "  is_spent = $3 = 0 WHERE workspace_id = $1 AND id = $2",
};

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
ReadGrant(Book *book, const NullableDatum *row)
{
	Grant *grant = KnownGrant(book, DatumGetUUIDP(row[0].value));

	if (grant != NULL)
		return grant;
	grant = palloc0(sizeof(Grant));
	grant->id = *DatumGetUUIDP(row[0].value);
	grant->type = CatalogEnumMember(ENUM_TRANSACTION_TYPE, DatumGetObjectId(row[1].value));
	grant->amount = DatumGetInt64(row[2].value);
	grant->remaining = DatumGetInt64(row[3].value);
	grant->reserved = DatumGetInt64(row[4].value);
	grant->priority = DatumGetInt32(row[5].value);
	grant->expires_at = DatumGetTimestampTz(row[6].value);
	grant->seq = DatumGetInt64(row[7].value);
	book->grants = lappend(book->grants, grant);
	return grant;
}

Grant *
GrantFind(Book *book, const pg_uuid_t *id)
{
	NullableDatum args[2] = {ArgUuid(&book->workspace_id), ArgUuid(id)};
	NullableDatum row[GRANT_NCOLUMNS];
	Grant *grant = KnownGrant(book, id);

	if (grant != NULL)
		return grant;
	if (!QueryRow(book->is_peek ? &peek_grant : &read_grant, args, row, GRANT_NCOLUMNS))
		elog(ERROR, "grant %s is missing", UuidText(id));
	return ReadGrant(book, row);
}

/* Reads the grants that have expired by now, the first first. */
void
GrantsReadDue(Book *book)
{
	NullableDatum args[2] = {ArgUuid(&book->workspace_id), ArgTime(book->now)};
	int max = 1;
	int count;
	NullableDatum *rows;

	do
	{
		max *= 64;
		rows = palloc(sizeof(NullableDatum) * GRANT_NCOLUMNS * max);
		count = QueryRows(book->is_peek ? &peek_due : &read_due, args, rows, GRANT_NCOLUMNS, max);
	} while (count == max);
	for (int i = 0; i < count; i++)
		(void) ReadGrant(book, rows + i * GRANT_NCOLUMNS);
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

/* Reads the next grants in burn-down order. */
static void
ReadBurning(Book *book)
{
	const Grant *last = book->burning == NIL ? NULL : llast(book->burning);
	NullableDatum rows[GRANT_NCOLUMNS * BURN_PAGE];
	NullableDatum args[4] = {
		ArgUuid(&book->workspace_id),
		ArgDatum(Int32GetDatum(last == NULL ? PG_INT32_MIN : last->priority)),
		ArgTime(last == NULL ? DT_NOBEGIN : last->expires_at),
		ArgDatum(Int64GetDatum(last == NULL ? 0 : last->seq)),
	};
	int count = QueryRows(&read_burning, args, rows, GRANT_NCOLUMNS, BURN_PAGE);

	for (int i = 0; i < count; i++)
		book->burning = lappend(book->burning, ReadGrant(book, rows + i * GRANT_NCOLUMNS));
	book->is_burning_all = count < BURN_PAGE;
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
WriteGrant(const Book *book, const Grant *grant)
{
	NullableDatum args[9] = {
		ArgUuid(&book->workspace_id),
		ArgUuid(&grant->id),
		ArgDatum(Int64GetDatum(grant->remaining)),
		ArgDatum(Int64GetDatum(grant->reserved)),
	};

	if (!grant->is_new)
	{
		QueryRun(&update_grant, args);
		return;
	}
	args[2] = ArgDatum(ObjectIdGetDatum(CatalogEnumOid(ENUM_TRANSACTION_TYPE, grant->type)));
	args[3] = ArgDatum(Int64GetDatum(grant->amount));
	args[4] = ArgDatum(Int64GetDatum(grant->remaining));
	args[5] = ArgDatum(Int64GetDatum(grant->reserved));
	args[6] = ArgDatum(Int32GetDatum(grant->priority));
	args[7] = ArgTime(grant->expires_at);
	args[8] = ArgDatum(Int64GetDatum(grant->seq));
	QueryRun(&insert_grant, args);
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
