/*
 * payment.c
 *		Buying credit: start_top_up, confirm_payment, fail_payment.
 *
 * The processor's reports come twice, late and out of order.  A payment is
 * confirmed once, under its workspace's wallet; the money counts more than an
 * earlier report of failure, and a later one changes nothing.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "access/event.h"
#include "access/principal.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/query.h"
#include "base/uuid.h"
#include "credit/credit.h"

#define MIN_TOP_UP INT64CONST(5000000)	  /* $5 */
#define MAX_TOP_UP INT64CONST(1000000000) /* $1,000 */
#define MAX_REFERENCE 255
#define MAX_URL 2048

typedef struct Payment
{
	pg_uuid_t workspace_id;
	TransactionType type; /* as what its cash comes in */
	int64 amount;
	char *status;
	char *provider_ref;
} Payment;

static Statement insert_payment = {
	.types = "uuid, uuid, account.transaction_type, bigint, uuid, timestamptz, text",
	.sql = "INSERT INTO account_data.payments (workspace_id, id, type, amount_micros, status,"
		   "  created_by, created_at, idempotency_key)"
		   " VALUES ($1, $2, $3, $4, 'pending', $5, $6, $7)",
};

static Statement find_by_key = {
	.types = "uuid, text",
	.sql = "SELECT id, amount_micros FROM account_data.payments"
		   " WHERE workspace_id = $1 AND idempotency_key = $2",
};

/* The same by the index alone, for every charge asks it. */
static Lookup by_key = {.table = "payments", .index = "payments_idempotency_key"};

static Statement find_workspace = {
	.types = "uuid",
	.sql = "SELECT workspace_id FROM account_data.payments WHERE id = $1",
};

static Statement find_payment = {
	.types = "uuid, uuid",
	.sql = "SELECT type, amount_micros, status, provider_ref FROM account_data.payments"
		   " WHERE workspace_id = $1 AND id = $2 FOR NO KEY UPDATE",
};

static Statement set_status = {
	.types = "uuid, uuid, text, text, text, text, timestamptz",
	.sql =
		"UPDATE account_data.payments SET status = $3, provider_ref = coalesce($4, provider_ref),"
		"  receipt_url = $5, reason = $6, settled_at = $7 WHERE workspace_id = $1 AND id = $2",
};

/* What can be topped up at once. */
int64
ArgTopUp(FunctionCallInfo fcinfo, int n)
{
	int64 amount = ArgMicros(fcinfo, n, "amount_micros");

	if (amount < MIN_TOP_UP || amount > MAX_TOP_UP)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid amount_micros: " INT64_FORMAT, amount),
						errdetail("A top-up is between $5 and $1,000.")));
	return amount;
}

/* A payment that waits for its processor, under the lock of the wallet. */
void
PaymentInsert(const Book *book, const pg_uuid_t *id, TransactionType type, int64 amount,
			  const pg_uuid_t *created_by, const text *key)
{
	QueryRun(&insert_payment,
			 (NullableDatum[]){
				 ArgUuid(&book->workspace_id),
				 ArgUuid(id),
				 ArgDatum(ObjectIdGetDatum(CatalogEnumOid(ENUM_TRANSACTION_TYPE, type))),
				 ArgDatum(Int64GetDatum(amount)),
				 ArgUuid(created_by),
				 ArgTime(GetCurrentStatementStartTimestamp()),
				 ArgPointer(key),
			 });
}

/* Whether a payment has the key, which no transaction can have then. */
bool
PaymentHasKey(const Book *book, const text *key)
{
	ScanKeyData keys[2];
	LookupScan scan;
	bool is_found;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&book->workspace_id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(key));
	keys[1].sk_collation = C_COLLATION_OID;
	LookupSnapshot();
	is_found = LookupBegin(&scan, &by_key, keys, 2, false) != NULL;
	LookupEnd(&scan);
	PopActiveSnapshot();
	return is_found;
}

/* The payment a request made before under its key; 22023 when that was another. */
static bool
FindByKey(const pg_uuid_t *workspace_id, const text *key, int64 amount, pg_uuid_t *id)
{
	NullableDatum args[2] = {ArgUuid(workspace_id), ArgPointer(key)};
	NullableDatum row[2];

	if (key == NULL || !QueryRow(&find_by_key, args, row, 2))
		return false;
	if (DatumGetInt64(row[1].value) != amount)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid idempotency_key: it was used for another request")));
	*id = *DatumGetUUIDP(row[0].value);
	return true;
}

static void
RequireNoTransaction(const Book *book, const text *key)
{
	if (key != NULL && LedgerFind(book, key) != NULL)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid idempotency_key: it was used for another request")));
}

/* The wallet is written as it was, so that no snapshot from before can use the key again. */
PG_FUNCTION_INFO_V1(account_start_top_up);
Datum
account_start_top_up(PG_FUNCTION_ARGS)
{
	int64 amount = ArgTopUp(fcinfo, 0);
	const text *key = ArgKey(fcinfo, 1, false);
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));
	const Principal *p;
	Book *book;

	PrincipalRequirePerson();
	p = PrincipalRequireRole(ROLE_ADMIN);
	book = LedgerOpen(&p->workspace_id);
	if (FindByKey(&book->workspace_id, key, amount, id))
		PG_RETURN_UUID_P(id);
	RequireNoTransaction(book, key);
	UuidNew(id);
	PaymentInsert(book, id, TRANSACTION_PURCHASE, amount, &p->actor_id, key);
	WalletWrite(book);
	EventWrite(&(Event){.workspace_id = &book->workspace_id,
						.resource_type = "billing",
						.resource_id = id,
						.resource_name = "top-up",
						.action = "started"});
	PG_RETURN_UUID_P(id);
}

/* The book of a payment's workspace, and the payment as it stands under its lock. */
static Book *
OpenPayment(const pg_uuid_t *id, Payment *payment)
{
	NullableDatum args[2] = {ArgUuid(id), ArgUuid(id)};
	NullableDatum row[4];
	Book *book;

	if (!QueryRow(&find_workspace, args, row, 1))
		ErrorNotFound("payment", id);
	payment->workspace_id = *DatumGetUUIDP(row[0].value);
	book = LedgerOpen(&payment->workspace_id);
	args[0] = ArgUuid(&payment->workspace_id);
	if (!QueryRow(&find_payment, args, row, 4))
		ErrorNotFound("payment", id);
	payment->type = CatalogEnumMember(ENUM_TRANSACTION_TYPE, DatumGetObjectId(row[0].value));
	payment->amount = DatumGetInt64(row[1].value);
	payment->status = TextDatumGetCString(row[2].value);
	payment->provider_ref = row[3].isnull ? NULL : TextDatumGetCString(row[3].value);
	return book;
}

static void
SetStatus(const Book *book, const pg_uuid_t *id, const char *status, const char *provider_ref,
		  const text *receipt_url, const text *reason)
{
	QueryRun(&set_status, (NullableDatum[]){
							  ArgUuid(&book->workspace_id),
							  ArgUuid(id),
							  ArgText(status),
							  ArgText(provider_ref),
							  ArgPointer(receipt_url),
							  ArgPointer(reason),
							  ArgTime(GetCurrentStatementStartTimestamp()),
						  });
}

/* What the ledger calls a payment. */
static Entry *
PaymentEntry(const pg_uuid_t *id, const Payment *payment)
{
	Entry *entry = LedgerEntry(payment->type, payment->amount);

	entry->actor_kind = cstring_to_text("operator");
	entry->reference_id = id;
	entry->idempotency_key = cstring_to_text(psprintf(CREDIT_OWN_KEYS "payment:%s", UuidText(id)));
	return entry;
}

PG_FUNCTION_INFO_V1(account_confirm_payment);
Datum
account_confirm_payment(PG_FUNCTION_ARGS)
{
	char *provider_ref = ArgName(fcinfo, 1, "provider_ref", MAX_REFERENCE);
	const text *url = PG_ARGISNULL(2) ? NULL
									  : CreditText(PG_GETARG_TEXT_PP(2), "receipt_url", MAX_URL);
	const pg_uuid_t *id;
	Payment payment;
	Entry *entry;
	Entry *old;
	Book *book;

	ArgRequired(fcinfo, 0, "payment_id");
	id = PG_GETARG_UUID_P(0);
	book = OpenPayment(id, &payment);
	entry = PaymentEntry(id, &payment);
	if ((old = LedgerReplay(book, entry)) != NULL)
	{
		if (payment.provider_ref == NULL || strcmp(payment.provider_ref, provider_ref) != 0)
			ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
							errmsg("payment is already confirmed under another reference")));
		PG_RETURN_DATUM(CreditResult(fcinfo, old));
	}
	SetStatus(book, id, "confirmed", provider_ref, url, NULL);
	CashPost(book, entry);
	if (payment.type == TRANSACTION_AUTO_TOP_UP)
		AutoTopUpConfirmed(book, id);
	LedgerClose(book);
	PromotionCashIn(book);
	CreditEvent(book, entry, "confirmed");
	PG_RETURN_DATUM(CreditResult(fcinfo, entry));
}

PG_FUNCTION_INFO_V1(account_fail_payment);
Datum
account_fail_payment(PG_FUNCTION_ARGS)
{
	const text *reason;
	const pg_uuid_t *id;
	Payment payment;
	Book *book;

	ArgRequired(fcinfo, 0, "payment_id");
	ArgRequired(fcinfo, 1, "reason");
	reason = ArgDescription(fcinfo, 1, "reason");
	id = PG_GETARG_UUID_P(0);
	book = OpenPayment(id, &payment);
	if (strcmp(payment.status, "pending") != 0)
		PG_RETURN_VOID();
	SetStatus(book, id, "failed", NULL, NULL, reason);
	if (payment.type == TRANSACTION_AUTO_TOP_UP)
		AutoTopUpFailed(book, id, reason);
	LedgerClose(book);
	EventWrite(&(Event){.workspace_id = &book->workspace_id,
						.resource_type = "billing",
						.resource_id = id,
						.resource_name = "top-up",
						.action = "failed"});
	PG_RETURN_VOID();
}
