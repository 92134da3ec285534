/*
 * credit.c
 *		What the doors of the ledger share: arguments, refusals, events, results.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "access/event.h"
#include "base/args.h"
#include "base/errors.h"
#include "credit/credit.h"

#define MAX_KEY 200
#define MAX_DESCRIPTION 1000
#define MAX_DETAILS (16 * 1024) /* bytes, as stored; and its numbers as they are printed */

/* An amount somebody asks to move: more than zero. */
int64
CreditAmount(int64 micros, const char *what)
{
	if (micros <= 0 || micros > CREDIT_MAX_MICROS)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: " INT64_FORMAT, what, micros),
						errdetail("It must be between 1 and " INT64_FORMAT " micro-dollars.",
								  CREDIT_MAX_MICROS)));
	return micros;
}

int64
ArgMicros(FunctionCallInfo fcinfo, int n, const char *what)
{
	ArgRequired(fcinfo, n, what);
	return CreditAmount(PG_GETARG_INT64(n), what);
}

/* 1 to max_chars characters, or NULL. */
const text *
CreditText(const text *value, const char *what, int max_chars)
{
	int chars;

	if (value == NULL)
		return NULL;
	chars = pg_mbstrlen_with_len(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	if (chars < 1 || chars > max_chars)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it has %d characters", what, chars),
						errdetail("It must have 1 to %d characters.", max_chars)));
	return value;
}

const text *
CreditKey(const text *key)
{
	size_t own = strlen(CREDIT_OWN_KEYS);

	if (VARSIZE_ANY_EXHDR(key) >= own && memcmp(VARDATA_ANY(key), CREDIT_OWN_KEYS, own) == 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid idempotency_key: it begins with \"%s\"", CREDIT_OWN_KEYS)));
	return CreditText(key, "idempotency_key", MAX_KEY);
}

const text *
ArgKey(FunctionCallInfo fcinfo, int n, bool is_required)
{
	if (is_required)
		ArgRequired(fcinfo, n, "idempotency_key");
	return PG_ARGISNULL(n) ? NULL : CreditKey(PG_GETARG_TEXT_PP(n));
}

/* What people will read on the statement; may be empty or NULL. */
const text *
ArgDescription(FunctionCallInfo fcinfo, int n, const char *what)
{
	text *value = PG_ARGISNULL(n) ? NULL : PG_GETARG_TEXT_PP(n);

	if (value == NULL || VARSIZE_ANY_EXHDR(value) == 0)
		return value;
	return CreditText(value, what, MAX_DESCRIPTION);
}

/* Whether the numbers, which are stored in a few bytes whatever their power of ten, are short in print. */
static bool
AreNumbersShort(const Jsonb *details)
{
	JsonbIterator *iterator = JsonbIteratorInit(&unconstify(Jsonb *, details)->root);
	JsonbValue value;
	JsonbIteratorToken token;
	size_t len = 0;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE && len <= MAX_DETAILS)
		if ((token == WJB_VALUE || token == WJB_ELEM) && value.type == jbvNumeric)
			len += strlen(DatumGetCString(
				DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric))));
	return len <= MAX_DETAILS;
}

const Jsonb *
CreditDetails(const Jsonb *details)
{
	if (!JB_ROOT_IS_OBJECT(details))
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid details: not an object")));
	if (VARSIZE_ANY_EXHDR(details) > MAX_DETAILS || !AreNumbersShort(details))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid details: too large"),
						errdetail("They may take %d bytes.", MAX_DETAILS)));
	return details;
}

const Jsonb *
ArgDetails(FunctionCallInfo fcinfo, int n)
{
	ArgRequired(fcinfo, n, "details");
	return CreditDetails(PG_GETARG_JSONB_P(n));
}

/* PT402 unless this much is available. */
void
CreditRequire(const Book *book, int64 amount)
{
	int64 available = WalletAvailable(&book->wallet);

	if (available < amount)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_PAYMENT), errmsg("insufficient credits"),
				 errdetail("Asked: " INT64_FORMAT " micro-dollars; available: " INT64_FORMAT ".",
						   amount, available)));
}

void
CreditEvent(const Book *book, const Entry *entry, const char *action)
{
	const char *type = CatalogEnumLabel(ENUM_TRANSACTION_TYPE, entry->type);

	EventWrite(&(Event){
		.workspace_id = &book->workspace_id,
		.resource_type = "billing",
		.resource_id = &entry->id,
		.resource_name = type,
		.action = action,
		.metadata = psprintf("{\"amount_micros\": " INT64_FORMAT "}", entry->amount),
	});
}

/* account.transaction, for a function that returns one. */
Datum
CreditResult(FunctionCallInfo fcinfo, const Entry *entry)
{
	Datum values[ENTRY_FIELDS];
	bool nulls[ENTRY_FIELDS];

	EntryFields(entry, values, nulls);
	return ResultRow(fcinfo, values, nulls);
}
