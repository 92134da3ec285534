/*
 * charge.c
 *		Charging for work: charge, charge_many.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

#include "access/event.h"
#include "access/principal.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "credit/credit.h"

#define MAX_CATEGORY 100
#define MAX_CHARGES 10000
#define REQUEST_FIELDS 6

/*
 * One look-up a key.  With = ANY ($2) the planner counts a descent for each key,
 * and as long as statistics remember a small ledger it reads all of that instead,
 * by another index, to compare every row with every key.
 */
static Statement find_keys = {
	.types = "uuid, text[]",
	.sql = "SELECT FROM unnest($2) asked (key), LATERAL ("
		   "  SELECT FROM account_data.transactions"
		   "   WHERE workspace_id = $1 AND idempotency_key = asked.key LIMIT 1) used"
		   " UNION ALL"
		   " SELECT FROM account_data.payments"
		   "  WHERE workspace_id = $1 AND idempotency_key = ANY ($2) LIMIT 1",
};

/* What is asked for, by whoever is acting. */
static Entry *
ChargeEntry(int64 amount, const text *description, const text *key, const text *category,
			const Jsonb *details, bool allow_negative)
{
	Entry *entry = LedgerEntry(TRANSACTION_USAGE, -amount);

	entry->description = description;
	entry->idempotency_key = key;
	entry->category = category;
	entry->details = details;
	entry->request = allow_negative ? cstring_to_text("allow_negative") : NULL;
	return entry;
}

static void
ChargePost(Book *book, Entry *entry)
{
	if (entry->request == NULL)
		CreditRequire(book, -entry->amount);
	Burn(book, entry, -entry->amount);
	LedgerPost(book, entry);
}

PG_FUNCTION_INFO_V1(account_charge);
Datum
account_charge(PG_FUNCTION_ARGS)
{
	int64 amount = ArgMicros(fcinfo, 0, "amount_micros");
	const text *description = ArgDescription(fcinfo, 1, "description");
	const text *key = ArgKey(fcinfo, 2, true);
	const Principal *p;
	Entry *entry;
	Entry *old;
	Book *book;

	ArgRequired(fcinfo, 3, "category");
	ArgRequired(fcinfo, 5, "allow_negative");
	entry = ChargeEntry(amount, description, key,
						CreditText(PG_GETARG_TEXT_PP(3), "category", MAX_CATEGORY),
						ArgDetails(fcinfo, 4), PG_GETARG_BOOL(5));
	p = PrincipalRequireRole(ROLE_EDITOR);
	LedgerActor(entry);
	book = LedgerOpen(&p->workspace_id);
	if ((old = LedgerReplay(book, entry)) != NULL)
		PG_RETURN_DATUM(CreditResult(fcinfo, old));
	ChargePost(book, entry);
	LedgerClose(book);
	CreditEvent(book, entry, "charged");
	PG_RETURN_DATUM(CreditResult(fcinfo, entry));
}

/* One account.charge_request; what it leaves out is as account.charge has it. */
static Entry *
RequestEntry(TupleDesc desc, Datum request)
{
	HeapTupleHeader row = DatumGetHeapTupleHeader(request);
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(row), .t_data = row};
	Datum values[REQUEST_FIELDS];
	bool nulls[REQUEST_FIELDS];
	const text *description;

	Assert(desc->natts == REQUEST_FIELDS);
	heap_deform_tuple(&tuple, desc, values, nulls);
	if (nulls[0])
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid amount_micros: null")));
	if (nulls[2])
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid idempotency_key: null")));
	description = nulls[1] ? NULL : DatumGetTextPP(values[1]);
	return ChargeEntry(CreditAmount(DatumGetInt64(values[0]), "amount_micros"),
					   description == NULL || VARSIZE_ANY_EXHDR(description) == 0
						   ? description
						   : CreditText(description, "description", 1000),
					   CreditKey(DatumGetTextPP(values[2])),
					   nulls[3] ? cstring_to_text("usage")
								: CreditText(DatumGetTextPP(values[3]), "category", MAX_CATEGORY),
					   nulls[4] ? EntryNoDetails() : CreditDetails(DatumGetJsonbP(values[4])),
					   !nulls[5] && DatumGetBool(values[5]));
}

static Entry **
ArgRequests(FunctionCallInfo fcinfo, int n, int *count)
{
	ArrayType *array;
	Datum *requests;
	Entry **entries;
	TupleDesc desc;

	ArgRequired(fcinfo, n, "charges");
	array = PG_GETARG_ARRAYTYPE_P(n);
	ArgArray(array, "charges", MAX_CHARGES);
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_DOUBLE, &requests, NULL,
					  count);
	entries = palloc(sizeof(Entry *) * (*count + 1));
	desc = lookup_rowtype_tupdesc_copy(ARR_ELEMTYPE(array), -1);
	for (int i = 0; i < *count; i++)
		entries[i] = RequestEntry(desc, requests[i]);
	return entries;
}

static int
CompareKeys(const void *a, const void *b)
{
	const text *x = (*(Entry *const *) a)->idempotency_key;
	const text *y = (*(Entry *const *) b)->idempotency_key;
	size_t len_x = VARSIZE_ANY_EXHDR(x);
	size_t len_y = VARSIZE_ANY_EXHDR(y);
	int order = memcmp(VARDATA_ANY(x), VARDATA_ANY(y), Min(len_x, len_y));

	return order != 0 ? order : (len_x > len_y) - (len_x < len_y);
}

/* Whether no key of the batch was used before, for whatever, or stands twice in it. */
static bool
AreKeysNew(const Book *book, Entry *const *entries, int count)
{
	Entry **sorted = palloc(sizeof(Entry *) * count);
	Datum *keys = palloc(sizeof(Datum) * count);
	NullableDatum args[2] = {ArgUuid(&book->workspace_id)};

	memcpy(sorted, entries, sizeof(Entry *) * count);
	qsort(sorted, count, sizeof(Entry *), CompareKeys);
	for (int i = 0; i < count; i++)
	{
		if (i > 0 && CompareKeys(&sorted[i - 1], &sorted[i]) == 0)
			return false;
		keys[i] = PointerGetDatum(sorted[i]->idempotency_key);
	}
	args[1] = ArgPointer(construct_array(keys, count, TEXTOID, -1, false, TYPALIGN_INT));
	return !QueryRow(&find_keys, args, NULL, 0);
}

/* Posts one charge of a batch that holds replays, or gives the transaction there is. */
static Entry *
ChargeOrReplay(Book *book, Entry *entry)
{
	Entry *old = LedgerReplay(book, entry);

	if (old != NULL)
		return old;
	ChargePost(book, entry);
	LedgerClose(book);
	return entry;
}

static void
BatchEvent(const Book *book, int64 posted)
{
	if (posted > 0)
		EventWrite(&(Event){
			.workspace_id = &book->workspace_id,
			.resource_type = "billing",
			.resource_name = "usage",
			.action = "charged",
			.metadata = psprintf("{\"transactions\": " INT64_FORMAT ", \"last_seq\": " INT64_FORMAT
								 "}",
								 posted, book->wallet.last_seq),
		});
}

static void
BatchResult(ReturnSetInfo *result, Entry *const *entries, int count)
{
	Datum values[ENTRY_FIELDS];
	bool nulls[ENTRY_FIELDS];

	for (int i = 0; i < count; i++)
	{
		EntryFields(entries[i], values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/* All or nothing, in the given order, under one lock and with one flush. */
PG_FUNCTION_INFO_V1(account_charge_many);
Datum
account_charge_many(PG_FUNCTION_ARGS)
{
	int count;
	Entry **entries = ArgRequests(fcinfo, 0, &count);
	const Principal *p = PrincipalRequireRole(ROLE_EDITOR);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool is_new;
	int64 first;
	Book *book;

	InitMaterializedSRF(fcinfo, 0);
	if (count == 0)
		return (Datum) 0;
	book = LedgerOpen(&p->workspace_id);
	first = book->wallet.last_seq;
	is_new = AreKeysNew(book, entries, count);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		LedgerActor(entries[i]);
		if (is_new)
			ChargePost(book, entries[i]);
		else
			entries[i] = ChargeOrReplay(book, entries[i]);
	}
	LedgerClose(book);
	BatchEvent(book, book->wallet.last_seq - first);
	BatchResult(result, entries, count);
	return (Datum) 0;
}
