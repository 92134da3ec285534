/*
 * role_support.c
 *		What the planner is told of account.has_role(workspace_id, min_role).
 *
 * A policy says USING (account.has_role(workspace_id, 'viewer')) and nothing
 * more.  Where an index begins with that column the scan gets the condition
 * workspace_id = ANY (account.workspace_ids('viewer')), evaluated once a scan;
 * has_role itself still checks every row that comes.  Its selectivity is that
 * of the acting person's real workspaces: a guess would pick wrong plans.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "parser/parse_func.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/typcache.h"

#include "access/role.h"
#include "base/catalog.h"

/* Beyond this many workspaces they are taken to be of average size. */
#define MAX_LOOKED_UP 100

/* A role that the plan knows: one of the row itself, or a null, is for has_role to judge. */
static Const *
KnownRole(List *args)
{
	Node *min_role = lsecond(args);

	return IsA(min_role, Const) && !((Const *) min_role)->constisnull ? (Const *) min_role : NULL;
}

/* account.workspace_ids(min_role) */
static Expr *
WorkspaceIds(Const *min_role)
{
	Oid argtypes[1] = {min_role->consttype};
	List *name = list_make2(makeString("account"), makeString("workspace_ids"));
	Oid function = LookupFuncName(name, 1, argtypes, false);

	return (Expr *) makeFuncExpr(function, UUIDARRAYOID, list_make1(copyObject(min_role)),
								 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

static List *
IndexCondition(SupportRequestIndexCondition *request)
{
	/* somebody may have made an operator of it */
	List *args = is_opclause(request->node) ? ((OpExpr *) request->node)->args
											: ((FuncExpr *) request->node)->args;
	Const *min_role = KnownRole(args);
	ScalarArrayOpExpr *condition;
	Oid equals;

	if (request->indexarg != 0 || min_role == NULL || !request->index->amsearcharray)
		return NIL;
	equals = get_opfamily_member(request->opfamily, UUIDOID, UUIDOID, BTEqualStrategyNumber);
	if (!OidIsValid(equals))
		return NIL;
	condition = makeNode(ScalarArrayOpExpr);
	condition->opno = equals;
	condition->opfuncid = get_opcode(equals);
	condition->useOr = true;
	condition->args = list_make2(copyObject(linitial(args)), WorkspaceIds(min_role));
	condition->location = -1;
	request->lossy = true;
	return list_make1(condition);
}

/* How much of the column is the acting person's. */
static Selectivity
ShareOf(VariableStatData *column, ArrayType *workspaces)
{
	int n = ArrayGetNItems(ARR_NDIM(workspaces), ARR_DIMS(workspaces));
	Selectivity share = 0;
	bool isdefault;
	Oid equals;
	Datum *ids;

	if (n > MAX_LOOKED_UP)
		return n / get_variable_numdistinct(column, &isdefault);
	equals = lookup_type_cache(UUIDOID, TYPECACHE_EQ_OPR)->eq_opr;
	deconstruct_array(workspaces, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &ids, NULL, &n);
	for (int i = 0; i < n; i++)
		share += var_eq_const(column, equals, InvalidOid, ids[i], false, true, false);
	return share;
}

static bool
Estimate(SupportRequestSelectivity *request)
{
	Const *min_role = KnownRole(request->args);
	VariableStatData column;

	if (request->is_join || min_role == NULL)
		return false;
	examine_variable(request->root, linitial(request->args), request->varRelid, &column);
	request->selectivity = ShareOf(
		&column,
		RoleWorkspaces(CatalogEnumMember(ENUM_ROLE, DatumGetObjectId(min_role->constvalue))));
	CLAMP_PROBABILITY(request->selectivity);
	ReleaseVariableStats(column);
	return true;
}

PG_FUNCTION_INFO_V1(account_has_role_support);
Datum
account_has_role_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestIndexCondition))
		PG_RETURN_POINTER(IndexCondition((SupportRequestIndexCondition *) request));
	if (IsA(request, SupportRequestSelectivity) && Estimate((SupportRequestSelectivity *) request))
		PG_RETURN_POINTER(request);
	PG_RETURN_POINTER(NULL);
}
