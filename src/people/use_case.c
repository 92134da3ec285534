/*
 * use_case.c
 *		What people use the product for: a list that operators change.
 */
#include "postgres.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/operator_list.h"
#include "people/profile.h"

static OperatorList use_cases = OPERATOR_LIST("use case", "use_cases", "name", "is_offered");

void
ProfileCheckUseCase(const PatchField *field, JsonbValue *value)
{
	if (!OperatorListHas(&use_cases, PatchString(value)))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid %s: it is not offered", field->name),
						errhint("account.use_cases has those that are.")));
}

PG_FUNCTION_INFO_V1(account_add_use_case);
Datum
account_add_use_case(PG_FUNCTION_ARGS)
{
	OperatorListAdd(&use_cases, ArgSymbol(fcinfo, 0, "name"));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_remove_use_case);
Datum
account_remove_use_case(PG_FUNCTION_ARGS)
{
	OperatorListRemove(&use_cases, ArgSymbol(fcinfo, 0, "name"));
	PG_RETURN_VOID();
}
