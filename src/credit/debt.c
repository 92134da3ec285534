/*
 * debt.c
 *		Charges beyond the balance, and what pays for them later.
 *
 * Debt is kept by transaction, and so is what paid it: a refund of a charge that
 * was paid in arrears goes back to where the payment came from.  Debt is rare;
 * it is written as it moves, before the transaction that moves it.
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/query.h"
#include "credit/ledger.h"

static Statement insert_debt = {
	.types = "uuid, bigint, bigint",
	.sql = "INSERT INTO account_data.debts (workspace_id, seq, amount_micros, owed_micros)"
		   " VALUES ($1, $2, $3, $3)",
};

static Statement oldest_debt = {
	.types = "uuid",
	.sql = "SELECT seq, owed_micros FROM account_data.debts"
		   " WHERE workspace_id = $1 AND owed_micros > 0 ORDER BY seq LIMIT 1",
};

static Statement pay_debt = {
	.types = "uuid, bigint, bigint, bigint, uuid",
	.sql =
		"WITH debt AS ("
		"  UPDATE account_data.debts SET owed_micros = owed_micros - $3, payments = payments + 1"
		"  WHERE workspace_id = $1 AND seq = $2 RETURNING payments)"
		" INSERT INTO account_data.debt_payments (workspace_id, seq, number, paid_by_seq, grant_id,"
		"  amount_micros)"
		" SELECT $1, $2, payments, $4, $5, $3 FROM debt",
};

static Statement forgive_debt = {
	.types = "uuid, bigint, bigint",
	.sql = "UPDATE account_data.debts SET owed_micros = owed_micros - $3"
		   " WHERE workspace_id = $1 AND seq = $2",
};

static Statement find_owed = {
	.types = "uuid, bigint",
	.sql = "SELECT owed_micros FROM account_data.debts WHERE workspace_id = $1 AND seq = $2",
};

/* No credit is left for this much of the entry, which is to be posted next. */
void
DebtIncur(Book *book, Entry *entry, int64 micros)
{
	NullableDatum args[3] = {
		ArgUuid(&book->workspace_id),
		ArgDatum(Int64GetDatum(book->wallet.last_seq + 1)),
		ArgDatum(Int64GetDatum(micros)),
	};

	MoveDebt(book, entry, micros);
	QueryRun(&insert_debt, args);
}

/* Puts a payment against the debts, the oldest first. */
static void
WritePayments(const Book *book, const Grant *grant, int64 micros)
{
	while (micros > 0)
	{
		NullableDatum args[5] = {ArgUuid(&book->workspace_id)};
		NullableDatum row[2];
		int64 paid;

		if (!QueryRow(&oldest_debt, args, row, 2))
			elog(ERROR, "the debts of a wallet do not add up to what it owes");
		paid = Min(micros, DatumGetInt64(row[1].value));
		args[1] = row[0];
		args[2] = ArgDatum(Int64GetDatum(paid));
		args[3] = ArgDatum(Int64GetDatum(book->wallet.last_seq + 1));
		args[4] = ArgUuid(grant == NULL ? NULL : &grant->id);
		QueryRun(&pay_debt, args);
		micros -= paid;
	}
}

/*
 * Credit came in or was freed by the entry, which is to be posted next: as much
 * of it as is owed pays debt.  No grant means cash.
 */
void
DebtPay(Book *book, Entry *entry, Grant *grant)
{
	const Wallet *w = &book->wallet;
	int64 micros = Min(w->debt, grant == NULL ? w->cash - w->reserved_cash : GrantFree(grant));

	if (micros == 0)
		return;
	if (!book->is_peek)
		WritePayments(book, grant, micros);
	if (grant == NULL)
		MoveCash(book, entry, -micros);
	else
		MoveGrant(book, entry, grant, -micros);
	MoveDebt(book, entry, -micros);
}

/* What is still owed for a transaction. */
int64
DebtOwed(const Book *book, int64 seq)
{
	NullableDatum args[2] = {ArgUuid(&book->workspace_id), ArgDatum(Int64GetDatum(seq))};
	NullableDatum row[1];

	return QueryRow(&find_owed, args, row, 1) ? DatumGetInt64(row[0].value) : 0;
}

/* A refund takes back debt that was never paid. */
void
DebtForgive(Book *book, Entry *entry, int64 seq, int64 micros)
{
	NullableDatum args[3] = {
		ArgUuid(&book->workspace_id),
		ArgDatum(Int64GetDatum(seq)),
		ArgDatum(Int64GetDatum(micros)),
	};

	MoveDebt(book, entry, -micros);
	QueryRun(&forgive_debt, args);
}
