/*
 * payment_method.c
 *		How a workspace pays: what the payment processor calls its cards and accounts.
 *
 * A method is the processor's reference and what a person knows it by.  A card
 * number never gets here: text that holds one is refused before anything is
 * written, and no error of these functions writes the statement to the log.
 * While there are methods, one of them is the default: what is there is read and
 * written under the lock of the workspace, as it stands then at any isolation level.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"

#include "access/event.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "credit/card_number.h"
#include "workspace/workspace.h"

#define MAX_METHODS 50
#define MAX_PROVIDER 50
#define MAX_REFERENCE 255
#define MAX_BRAND 50
#define MIN_YEAR 2000
#define MAX_YEAR 2199

#define NAME "payment method"

static Statement insert_method = {
	.types = "uuid, uuid, text, text, text, text, integer, integer, timestamptz",
	.mode = QUERY_FRESH,
	.sql = "INSERT INTO account_data.payment_methods (workspace_id, id, provider, provider_ref,"
		   "  brand, last4, exp_month, exp_year, created_at, is_default)"
		   " SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9,"
		   "  NOT EXISTS (SELECT FROM account_data.payment_methods WHERE workspace_id = $1)"
		   " ON CONFLICT (workspace_id, provider, provider_ref) DO NOTHING",
};

static Statement count_methods = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql = "SELECT count(*) FROM account_data.payment_methods WHERE workspace_id = $1",
};

static Statement find_method = {
	.types = "uuid, uuid",
	.mode = QUERY_FRESH,
	.sql =
		"SELECT is_default FROM account_data.payment_methods WHERE workspace_id = $1 AND id = $2",
};

static Statement unset_default = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql = "UPDATE account_data.payment_methods SET is_default = false"
		   " WHERE workspace_id = $1 AND is_default",
};

static Statement set_default = {
	.types = "uuid, uuid",
	.mode = QUERY_FRESH,
	.sql = "UPDATE account_data.payment_methods SET is_default = true"
		   " WHERE workspace_id = $1 AND id = $2",
};

static Statement delete_method = {
	.types = "uuid, uuid",
	.mode = QUERY_FRESH,
	.sql = "DELETE FROM account_data.payment_methods WHERE workspace_id = $1 AND id = $2",
};

/* The newest; ids are made in the order of time. */
static Statement set_newest_default = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.sql = "UPDATE account_data.payment_methods SET is_default = true"
		   " WHERE workspace_id = $1 AND id = (SELECT id FROM account_data.payment_methods"
		   "   WHERE workspace_id = $1 ORDER BY id DESC LIMIT 1)",
};

static char *
ArgCardText(FunctionCallInfo fcinfo, int n, const char *what, int max_chars)
{
	char *value = ArgName(fcinfo, n, what, max_chars);

	CardNumberRefuse(value, what);
	return value;
}

/* The last digits of a card or account, which say which one it is and no more. */
static char *
ArgLast4(FunctionCallInfo fcinfo, int n)
{
	char *value = PG_ARGISNULL(n) ? NULL : ArgCardText(fcinfo, n, "last4", MAX_REFERENCE);

	if (value != NULL && (strlen(value) != 4 || strspn(value, "0123456789") != 4))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid last4: it must be four digits")));
	return value;
}

/* Both or neither: not everything one pays with expires. */
static void
CheckExpiry(FunctionCallInfo fcinfo, int month, int year)
{
	if (PG_ARGISNULL(month) != PG_ARGISNULL(year))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid exp_month or exp_year: one without the other")));
	if (PG_ARGISNULL(month))
		return;
	if (PG_GETARG_INT32(month) < 1 || PG_GETARG_INT32(month) > 12)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid exp_month: it must be 1 to 12")));
	if (PG_GETARG_INT32(year) < MIN_YEAR || PG_GETARG_INT32(year) > MAX_YEAR)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid exp_year: it must be %d to %d", MIN_YEAR, MAX_YEAR)));
}

static void
MethodEvent(const pg_uuid_t *workspace_id, const pg_uuid_t *id, const char *action)
{
	EventWrite(&(Event){.workspace_id = workspace_id,
						.resource_type = "billing",
						.resource_id = id,
						.resource_name = NAME,
						.action = action});
}

static void
RequireRoom(const pg_uuid_t *workspace_id)
{
	NullableDatum args[1] = {ArgUuid(workspace_id)};
	NullableDatum row[1];

	(void) QueryRow(&count_methods, args, row, 1);
	if (DatumGetInt64(row[0].value) >= MAX_METHODS)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("too many payment methods"),
						errdetail("A workspace may have %d.", MAX_METHODS)));
}

PG_FUNCTION_INFO_V1(account_add_payment_method);
Datum
account_add_payment_method(PG_FUNCTION_ARGS)
{
	NullableDatum args[9];
	Workspace workspace;
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));
	ErrorContextCallback hide;

	ErrorHideStatement(&hide);
	args[2] = ArgText(ArgCardText(fcinfo, 0, "provider", MAX_PROVIDER));
	args[3] = ArgText(ArgCardText(fcinfo, 1, "provider_ref", MAX_REFERENCE));
	args[4] = ArgText(PG_ARGISNULL(2) ? NULL : ArgCardText(fcinfo, 2, "brand", MAX_BRAND));
	args[5] = ArgText(ArgLast4(fcinfo, 3));
	CheckExpiry(fcinfo, 4, 5);
	args[6] = PG_ARGISNULL(4) ? ArgNull() : ArgDatum(PG_GETARG_DATUM(4));
	args[7] = PG_ARGISNULL(5) ? ArgNull() : ArgDatum(PG_GETARG_DATUM(5));
	(void) WorkspaceLockActive(ROLE_ADMIN, &workspace);
	RequireRoom(&workspace.id);
	UuidNew(id);
	args[0] = ArgUuid(&workspace.id);
	args[1] = ArgUuid(id);
	args[8] = ArgTime(GetCurrentStatementStartTimestamp());
	if (QueryRun(&insert_method, args) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_TAKEN), errmsg("this payment method already exists")));
	MethodEvent(&workspace.id, id, "added");
	ErrorShowStatement(&hide);
	PG_RETURN_UUID_P(id);
}

/* A method of the active workspace, under its lock; whether it is the default. */
static bool
LockMethod(FunctionCallInfo fcinfo, Workspace *workspace)
{
	NullableDatum args[2];
	NullableDatum row[1];

	ArgRequired(fcinfo, 0, "payment_method_id");
	(void) WorkspaceLockActive(ROLE_ADMIN, workspace);
	args[0] = ArgUuid(&workspace->id);
	args[1] = ArgUuid(PG_GETARG_UUID_P(0));
	if (!QueryRow(&find_method, args, row, 1))
		ErrorNotFound(NAME, PG_GETARG_UUID_P(0));
	return DatumGetBool(row[0].value);
}

PG_FUNCTION_INFO_V1(account_set_default_payment_method);
Datum
account_set_default_payment_method(PG_FUNCTION_ARGS)
{
	Workspace workspace;
	NullableDatum args[2];

	if (LockMethod(fcinfo, &workspace))
		PG_RETURN_VOID();
	args[0] = ArgUuid(&workspace.id);
	args[1] = ArgUuid(PG_GETARG_UUID_P(0));
	QueryRun(&unset_default, args);
	QueryRun(&set_default, args);
	MethodEvent(&workspace.id, PG_GETARG_UUID_P(0), "made_default");
	PG_RETURN_VOID();
}

/* In the place of a default that is removed comes the newest of the others. */
PG_FUNCTION_INFO_V1(account_remove_payment_method);
Datum
account_remove_payment_method(PG_FUNCTION_ARGS)
{
	Workspace workspace;
	bool is_default = LockMethod(fcinfo, &workspace);
	NullableDatum args[2] = {ArgUuid(&workspace.id), ArgUuid(PG_GETARG_UUID_P(0))};

	QueryRun(&delete_method, args);
	if (is_default)
		QueryRun(&set_newest_default, args);
	MethodEvent(&workspace.id, PG_GETARG_UUID_P(0), "removed");
	PG_RETURN_VOID();
}
