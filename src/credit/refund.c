/*
 * refund.c
 *		Giving back what was charged, to where it came from.
 *
 * What a charge took from each source is what its own row says, less what it
 * paid of other debts with credit that it freed, plus what paid its own debt
 * later; each refund gave some back.  A refund undoes the burn-down from its end:
 * debt still owed first, then cash, then the grants, the last burned first.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "credit/credit.h"

static Statement find_transaction = {
	.types = "uuid",
	.sql = "SELECT t FROM account_data.transactions t WHERE id = $1",
};

static Statement sum_refunds = {
	.types = "uuid, uuid",
	.sql = "SELECT coalesce(sum(amount_micros), 0)::bigint FROM account_data.transactions"
		   " WHERE workspace_id = $1 AND reference_id = $2 AND type = 'refund'",
};

static Statement find_sources = {
	.types = "uuid, bigint, uuid",
	.sql = "WITH rows AS ("
		   "  SELECT seq, cash_micros, grant_ids, grant_micros FROM account_data.transactions"
		   "   WHERE workspace_id = $1 AND seq = $2"
		   "  UNION ALL"
		   "  SELECT seq, cash_micros, grant_ids, grant_micros FROM account_data.transactions"
		   "   WHERE workspace_id = $1 AND reference_id = $3 AND type = 'refund'),"
		   " moves (grant_id, micros) AS ("
		   "  SELECT NULL::uuid, cash_micros FROM rows"
		   "  UNION ALL SELECT p.* FROM rows, unnest(grant_ids, grant_micros) p"
		   "  UNION ALL SELECT grant_id, amount_micros FROM account_data.debt_payments"
		   "   WHERE workspace_id = $1 AND paid_by_seq IN (SELECT seq FROM rows)"
		   "  UNION ALL SELECT grant_id, -amount_micros FROM account_data.debt_payments"
		   "   WHERE workspace_id = $1 AND seq = $2)"
		   " SELECT m.grant_id, (-sum(m.micros))::bigint FROM moves m"
		   " LEFT JOIN account_data.grants g ON g.workspace_id = $1 AND g.id = m.grant_id"
		   " GROUP BY m.grant_id, g.priority, g.expires_at, g.seq HAVING sum(m.micros) < 0"
		   " ORDER BY g.priority DESC NULLS FIRST, g.expires_at DESC, g.seq DESC",
};

static bool
IsCharge(const Entry *entry)
{
	return entry->type == TRANSACTION_USAGE || entry->type == TRANSACTION_SETTLE;
}

static bool
IsPurchase(const Entry *entry)
{
	return entry->type == TRANSACTION_PURCHASE || entry->type == TRANSACTION_AUTO_TOP_UP;
}

static Entry *
FindTransaction(const pg_uuid_t *id)
{
	NullableDatum args[1] = {ArgUuid(id)};
	NullableDatum row[1];
	Entry *entry = palloc(sizeof(Entry));

	if (!QueryRow(&find_transaction, args, row, 1))
		ErrorNotFound("transaction", id);
	EntryRead(DatumGetHeapTupleHeader(row[0].value), entry);
	if (!IsCharge(entry) && !IsPurchase(entry))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("transaction of type %s cannot be refunded",
							   CatalogEnumLabel(ENUM_TRANSACTION_TYPE, entry->type))));
	return entry;
}

/* An amount without its sign. */
static int64
Magnitude(int64 amount)
{
	return amount < 0 ? -amount : amount;
}

/* How much of the amount has not been given back yet. */
static int64
Refundable(const Entry *of)
{
	NullableDatum args[2] = {ArgUuid(&of->workspace_id), ArgUuid(&of->id)};
	NullableDatum row[1];

	(void) QueryRow(&sum_refunds, args, row, 1);
	return Magnitude(of->amount) - Magnitude(DatumGetInt64(row[0].value));
}

/* What to refund: all that is left, or the amount asked for. */
static int64
DecideRefund(const Entry *of, int64 asked)
{
	int64 left = Refundable(of);

	if (left == 0 || asked > left)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("refund exceeds what was charged"),
				 errdetail("Of " INT64_FORMAT " micro-dollars, " INT64_FORMAT
						   " have not been refunded yet.",
						   Magnitude(of->amount), left)));
	return asked > 0 ? asked : left;
}

/* Gives a part of the amount back to a grant or, without one, to the cash. */
static void
GiveBack(Book *book, Entry *entry, const NullableDatum *grant_id, int64 micros)
{
	Grant *grant;

	if (grant_id->isnull)
	{
		MoveCash(book, entry, micros);
		DebtPay(book, entry, NULL);
		return;
	}
	grant = GrantFind(book, DatumGetUUIDP(grant_id->value));
	MoveGrant(book, entry, grant, micros);
	LedgerDueAt(book, grant->expires_at);
	if (grant->expires_at > book->now)
		DebtPay(book, entry, grant);
}

static void
RefundCharge(Book *book, Entry *entry, const Entry *charge)
{
	NullableDatum args[3] = {ArgUuid(&book->workspace_id), ArgDatum(Int64GetDatum(charge->seq)),
							 ArgUuid(&charge->id)};
	NullableDatum *rows;
	uint64 count = QueryAll(&find_sources, args, &rows, 2);
	int64 left = entry->amount;
	int64 part = Min(left, DebtOwed(book, charge->seq));

	if (part > 0)
		DebtForgive(book, entry, charge->seq, part);
	left -= part;
	for (uint64 i = 0; i < count && left > 0; i++)
	{
		part = Min(left, DatumGetInt64(rows[i * 2 + 1].value));
		GiveBack(book, entry, &rows[i * 2], part);
		left -= part;
	}
	LedgerPost(book, entry);
	GrantsExpire(book, book->now);
}

/* The money went back through the processor: cash first, whatever else there is next. */
static void
RefundPurchase(Book *book, Entry *entry)
{
	int64 cash = Min(-entry->amount, book->wallet.cash - book->wallet.reserved_cash);

	MoveCash(book, entry, -cash);
	Burn(book, entry, -entry->amount - cash);
	LedgerPost(book, entry);
}

PG_FUNCTION_INFO_V1(account_refund);
Datum
account_refund(PG_FUNCTION_ARGS)
{
	int64 asked = PG_ARGISNULL(1) ? 0 : ArgMicros(fcinfo, 1, "amount_micros");
	const text *reason = ArgDescription(fcinfo, 2, "reason");
	const text *key = ArgKey(fcinfo, 3, false);
	Entry *entry;
	Entry *old;
	Entry *of;
	Book *book;

	ArgRequired(fcinfo, 0, "transaction_id");
	of = FindTransaction(PG_GETARG_UUID_P(0));
	entry = LedgerEntry(TRANSACTION_REFUND, IsCharge(of) ? asked : -asked);
	entry->actor_kind = cstring_to_text("operator");
	entry->reference_id = &of->id;
	entry->description = reason;
	entry->idempotency_key = key;
	entry->request = asked > 0 ? NULL : cstring_to_text("all");
	book = LedgerOpen(&of->workspace_id);
	if ((old = LedgerReplay(book, entry)) != NULL)
		PG_RETURN_DATUM(CreditResult(fcinfo, old));
	asked = DecideRefund(of, asked);
	entry->amount = IsCharge(of) ? asked : -asked;
	if (IsCharge(of))
		RefundCharge(book, entry, of);
	else
		RefundPurchase(book, entry);
	LedgerClose(book);
	if (IsPurchase(of))
		PromotionCashIn(book);
	CreditEvent(book, entry, "refunded");
	PG_RETURN_DATUM(CreditResult(fcinfo, entry));
}
