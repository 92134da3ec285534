/*
 * grant.c
 *		Credit that comes in: grants, cash, corrections by an operator.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/args.h"
#include "base/errors.h"
#include "credit/credit.h"

/* Whether credit of this type was bought: it is cash and never expires. */
static bool
IsCash(TransactionType type)
{
	return type == TRANSACTION_PURCHASE || type == TRANSACTION_AUTO_TOP_UP;
}

static bool
IsPromotional(TransactionType type)
{
	return type == TRANSACTION_SIGNUP || type == TRANSACTION_SUBSCRIPTION ||
		   type == TRANSACTION_MONTHLY_GRANT || type == TRANSACTION_PROMO ||
		   type == TRANSACTION_REFERRAL;
}

/* What is asked for when credit of a type is to be granted. */
Entry *
GrantEntry(TransactionType type, int64 amount, int32 priority, TimestampTz expires_at,
		   const text *key)
{
	Entry *entry = LedgerEntry(type, amount);

	entry->idempotency_key = key;
	if (!IsCash(type))
		entry->request = cstring_to_text(
			psprintf("priority %d, expires %s", priority,
					 expires_at == DT_NOEND ? "never" : psprintf(INT64_FORMAT, expires_at)));
	return entry;
}

/* Makes a grant of the amount of the entry. */
void
GrantPost(Book *book, Entry *entry, int32 priority, TimestampTz expires_at)
{
	Grant *grant = GrantMake(book, entry->type, entry->amount, priority, expires_at);

	entry->reference_id = &grant->id;
	MoveGrant(book, entry, grant, entry->amount);
	DebtPay(book, entry, grant);
	LedgerPost(book, entry);
}

/* Adds the amount of the entry to the cash. */
void
CashPost(Book *book, Entry *entry)
{
	MoveCash(book, entry, entry->amount);
	DebtPay(book, entry, NULL);
	LedgerPost(book, entry);
}

static TransactionType
ArgGrantType(FunctionCallInfo fcinfo, int n)
{
	TransactionType type;

	ArgRequired(fcinfo, n, "type");
	type = CatalogEnumMember(ENUM_TRANSACTION_TYPE, PG_GETARG_OID(n));
	if (!IsCash(type) && !IsPromotional(type))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid type: %s is not a type of credit to be granted",
							   CatalogEnumLabel(ENUM_TRANSACTION_TYPE, type)),
						errhint("Grant signup, subscription, monthly_grant, promo, referral, "
								"purchase or auto_top_up.")));
	return type;
}

static void
CheckExpiry(const Book *book, TransactionType type, TimestampTz expires_at)
{
	if (IsCash(type) && expires_at != DT_NOEND)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid expires_at: what was bought never expires")));
	if (expires_at <= book->now)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid expires_at: it is in the past")));
}

PG_FUNCTION_INFO_V1(account_grant_credits);
Datum
account_grant_credits(PG_FUNCTION_ARGS)
{
	int64 amount = ArgMicros(fcinfo, 1, "amount_micros");
	TransactionType type = ArgGrantType(fcinfo, 2);
	const text *key = ArgKey(fcinfo, 3, true);
	TimestampTz expires_at = PG_ARGISNULL(4) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(4);
	int32 priority;
	Entry *entry;
	Entry *old;
	Book *book;

	ArgRequired(fcinfo, 0, "workspace_id");
	ArgRequired(fcinfo, 5, "priority");
	priority = PG_GETARG_INT32(5);
	entry = GrantEntry(type, amount, priority, expires_at, key);
	entry->actor_kind = cstring_to_text("operator");
	book = LedgerOpen(PG_GETARG_UUID_P(0));
	if ((old = LedgerReplay(book, entry)) != NULL)
		PG_RETURN_DATUM(CreditResult(fcinfo, old));
	CheckExpiry(book, type, expires_at);
	if (IsCash(type))
		CashPost(book, entry);
	else
		GrantPost(book, entry, priority, expires_at);
	LedgerClose(book);
	if (IsCash(type))
		PromotionCashIn(book);
	CreditEvent(book, entry, "granted");
	PG_RETURN_DATUM(CreditResult(fcinfo, entry));
}

/* More is cash; less burns like a charge. */
PG_FUNCTION_INFO_V1(account_adjust_credits);
Datum
account_adjust_credits(PG_FUNCTION_ARGS)
{
	int64 amount;
	Entry *entry;
	Entry *old;
	Book *book;

	ArgRequired(fcinfo, 0, "workspace_id");
	ArgRequired(fcinfo, 1, "amount_micros");
	amount = PG_GETARG_INT64(1);
	if (amount < -CREDIT_MAX_MICROS || amount >= 0)
		CreditAmount(amount, "amount_micros");
	entry = LedgerEntry(TRANSACTION_ADJUSTMENT, amount);
	entry->actor_kind = cstring_to_text("operator");
	ArgRequired(fcinfo, 2, "reason");
	entry->description = ArgDescription(fcinfo, 2, "reason");
	entry->idempotency_key = ArgKey(fcinfo, 3, true);
	book = LedgerOpen(PG_GETARG_UUID_P(0));
	if ((old = LedgerReplay(book, entry)) != NULL)
		PG_RETURN_DATUM(CreditResult(fcinfo, old));
	if (amount > 0)
		CashPost(book, entry);
	else
	{
		CreditRequire(book, -amount);
		Burn(book, entry, -amount);
		LedgerPost(book, entry);
	}
	LedgerClose(book);
	CreditEvent(book, entry, "adjusted");
	PG_RETURN_DATUM(CreditResult(fcinfo, entry));
}
