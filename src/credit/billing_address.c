/*
 * billing_address.c
 *		Whom to bill: set_billing_address.
 *
 * The address is kept as it was written, of known fields only.  No error repeats
 * a field or value, or writes the statement to the log: people type card numbers
 * into the wrong box.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "access/event.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "credit/card_number.h"
#include "workspace/workspace.h"

#define MAX_ADDRESS 8192 /* bytes, as stored */

static const struct Field
{
	const char *name;
	int max_chars;
	bool is_number; /* one of its own that may have a card number's form, as a SIRET always has */
} fields[] = {
	{"name", 200, false},	 {"company", 200, false},	 {"line1", 200, false},
	{"line2", 200, false},	 {"city", 100, false},		 {"state", 100, false},
	{"country", 100, false}, {"postal_code", 20, false}, {"tax_id", 30, true},
};

static Statement write_address = {
	.types = "uuid, jsonb, timestamptz",
	.sql = "INSERT INTO account_data.billing_addresses (workspace_id, address, updated_at)"
		   " VALUES ($1, $2, $3) ON CONFLICT (workspace_id) DO UPDATE"
		   "  SET address = excluded.address, updated_at = excluded.updated_at",
};

static Statement delete_address = {
	.types = "uuid",
	.sql = "DELETE FROM account_data.billing_addresses WHERE workspace_id = $1",
};

static const struct Field *
FindField(const JsonbValue *key)
{
	for (size_t i = 0; i < lengthof(fields); i++)
		if (strlen(fields[i].name) == (size_t) key->val.string.len &&
			memcmp(fields[i].name, key->val.string.val, key->val.string.len) == 0)
			return &fields[i];
	ereport(ERROR,
			(errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid address: it has an unknown field"),
			 errhint("Fields are name, company, line1, line2, city, state, postal_code, "
					 "country and tax_id.")));
}

static void
CheckField(const struct Field *field, const JsonbValue *value)
{
	char *text;

	if (value->type != jbvString)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it must be a string", field->name)));
	text = NameFromText(cstring_to_text_with_len(value->val.string.val, value->val.string.len),
						field->name, field->max_chars);
	if (!field->is_number)
		CardNumberRefuse(text, field->name);
	if (strcmp(field->name, "country") == 0 &&
		(strlen(text) != 2 || strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 2))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid country"),
						errdetail("It must be the two capital letters of ISO 3166-1.")));
}

static void
CheckAddress(Jsonb *address)
{
	JsonbIterator *iterator = JsonbIteratorInit(&address->root);
	JsonbValue key;
	JsonbValue value;

	if (!JB_ROOT_IS_OBJECT(address))
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid address: not an object")));
	if (VARSIZE_ANY_EXHDR(address) > MAX_ADDRESS)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid address: too large"),
						errdetail("It may take %d bytes.", MAX_ADDRESS)));
	(void) JsonbIteratorNext(&iterator, &key, false);
	while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&iterator, &value, true);
		CheckField(FindField(&key), &value);
	}
}

PG_FUNCTION_INFO_V1(account_set_billing_address);
Datum
account_set_billing_address(PG_FUNCTION_ARGS)
{
	Workspace workspace;
	NullableDatum args[3];
	ErrorContextCallback hide;
	Jsonb *address;

	ErrorHideStatement(&hide);
	ArgRequired(fcinfo, 0, "address");
	address = PG_GETARG_JSONB_P(0);
	CheckAddress(address);
	(void) WorkspaceLockActive(ROLE_ADMIN, &workspace);
	args[0] = ArgUuid(&workspace.id);
	args[1] = ArgPointer(address);
	args[2] = ArgTime(GetCurrentStatementStartTimestamp());
	(void) QueryRun(JB_ROOT_COUNT(address) > 0 ? &write_address : &delete_address, args);
	EventWrite(&(Event){.workspace_id = &workspace.id,
						.resource_type = "billing",
						.resource_id = &workspace.id,
						.resource_name = "billing address",
						.action = JB_ROOT_COUNT(address) > 0 ? "updated" : "removed"});
	ErrorShowStatement(&hide);
	PG_RETURN_VOID();
}
