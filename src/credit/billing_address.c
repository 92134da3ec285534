/*
 * billing_address.c
 *		Whom to bill: set_billing_address.
 *
 * The address is kept as it was written, in whatever fields the application has.
 * People type card numbers into the wrong box: none is taken in any, and no error
 * repeats what was written, or writes the statement to the log.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "access/event.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "credit/card_number.h"
#include "workspace/workspace.h"

#define MAX_ADDRESS 8192 /* bytes, as stored */

/* It may be a number of the form that card numbers have, as a SIRET always is. */
#define TAX_FIELD "tax_id"

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

static void
RequireShort(size_t len)
{
	if (len > MAX_ADDRESS)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid address: too large"),
						errdetail("It may take %d bytes.", MAX_ADDRESS)));
}

/* What a string or number says; "" for what is neither. */
static char *
ValueText(const JsonbValue *value)
{
	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value->type == jbvNumeric)
		return DatumGetCString(
			DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	return "";
}

static void
CheckAddress(Jsonb *address)
{
	JsonbIterator *iterator = JsonbIteratorInit(&address->root);
	JsonbIteratorToken token;
	JsonbValue value;
	bool is_tax_id = false;

	if (!JB_ROOT_IS_OBJECT(address))
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid address: not an object")));
	RequireShort(VARSIZE_ANY_EXHDR(address));
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		const char *text;

		if (token != WJB_KEY && token != WJB_VALUE && token != WJB_ELEM)
			continue;
		text = ValueText(&value);
		RequireShort(strlen(text));
		if (token == WJB_KEY || !is_tax_id)
			CardNumberRefuse(text, "address");
		if (token == WJB_KEY)
			is_tax_id = strcmp(text, TAX_FIELD) == 0;
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
