/*
 * grant.c
 *		Who may open which door: grant_usage, grant_service, grant_operator.
 *
 * The lists below are the whole of what each helper grants.  A function of
 * schema account that stands in none of them is nobody's but the owner's, and
 * the catalog test says so.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"

/* What takes everything from whom default privileges may have given something; null: nobody. */
static Statement list_revokes = {
	.types = "",
	.sql =
		"SELECT string_agg(format('REVOKE ALL ON SCHEMA %2$s FROM %1$s;"
		"   REVOKE ALL ON ALL TABLES IN SCHEMA %2$s FROM %1$s;"
		"   REVOKE ALL ON ALL SEQUENCES IN SCHEMA %2$s FROM %1$s;"
		"   REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %2$s FROM %1$s;"
		"   REVOKE ALL ON TYPE %3$s FROM %1$s', grantee, 'account, account_data', types), '; ')"
		" FROM (SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text"
		"   END AS grantee"
		"  FROM pg_default_acl d, aclexplode(d.defaclacl) a WHERE a.grantee <> d.defaclrole) g,"
		"  (SELECT string_agg(t.oid::regtype::text, ', ') AS types FROM pg_type t"
		"   LEFT JOIN pg_class c ON c.oid = t.typrelid WHERE t.typnamespace = 'account'::regnamespace"
		"    AND (t.typtype = 'e' OR c.relkind = 'c')) t",
};

/* clang-format off */
static const char *const usage_functions[] = {
	/* acting */
	"acting", "authenticate", "resume_session", "switch_workspace", "reset_principal",
	"current_principal", "current_user_id", "current_workspace_id",
	"has_role", "workspace_ids", "has_scope", "require_role", "require_principal",
	/* keys */
	"verify_api_key", "admit", "locate_api_key",
	"create_api_key", "rename_api_key", "rotate_api_key", "revoke_api_key", "revoke_api_keys",
	"disable_api_key", "enable_api_key", "reveal_api_key",
	"create_service_account", "delete_service_account", "set_service_account_role",
	/* people */
	"add_email", "resend_email_code", "verify_email", "set_primary_email", "remove_email",
	"update_profile",
	/* workspaces */
	"update_team_settings", "create_team", "delete_team", "joinable_teams", "join_team",
	"set_member_role", "remove_member", "leave_team", "transfer_ownership",
	"invite_member", "resend_invite", "cancel_invite", "create_invite_link", "invite_info",
	"accept_invite",
	/* plans */
	"require_limit", "within_limit", "upload_allowed", "has_feature",
	"cancel_subscription", "resume_subscription", "change_cycle", "set_seats",
	/* credit */
	"balance_at", "read_balance", "usage_report", "usage_total",
	"start_top_up", "set_auto_top_up", "redeem_promo_code", "referral_code",
	"add_payment_method", "set_default_payment_method", "remove_payment_method",
	"set_billing_address",
	/* resources */
	"restore", "restore_plan", "purge", "empty_trash", "largest_items",
	/* activity */
	"activity_page", "mark_seen", "archive_events", "unarchive_events", "unseen_count",
	"log_event", "undo",
	NULL
};

static const char *const usage_views[] = {
	"api_keys", "service_accounts", "emails", "workspaces", "team_settings", "members", "invites",
	"profile", "public_profiles", "use_cases",
	"plans", "limits", "subscription",
	"balance", "transactions", "holds", "grants", "payments", "payment_methods", "billing", "referrals",
	"resources", "trash", "storage", "activity",
	NULL
};

/* Values need no right; tables, functions and domains of an application that name a type do. */
static const char *const types[] = {
	"role", "proof", "region", "workspace_kind", "transaction_type",
	"principal", "verdict", "identity_claim", "message", "transaction", "charge_request", "hold",
	NULL
};

static const char *const service_functions[] = {
	"act_as", "open_session", "sign_up", "check_username",
	"take_messages", "mark_sent", "mark_failed",
	"start_subscription", "renew_subscription",
	"charge", "charge_many", "hold", "settle", "release", "grant_credits", "refund",
	"confirm_payment", "fail_payment",
	"register_resource", "unregister_resource",
	NULL
};

static const char *const operator_functions[] = {
	"rotate_master_key", "health", "read_stats", "dead_letters", "retry_dead_letter",
	"add_reserved_name", "remove_reserved_name", "add_consumer_domain", "remove_consumer_domain",
	"add_use_case", "remove_use_case",
	"set_plan", "set_plan_limit", "set_plan_feature", "override_limit", "end_limit_override",
	"provision_enterprise",
	"grant_credits", "adjust_credits", "refund", "expire_credits", "verify_ledger",
	"ledger_checkpoint", "erase_transaction_text", "create_promo_code",
	"register_resource", "unregister_resource", "purge_expired", "purge_activity",
	"verify_activity",
	NULL
};
/* clang-format on */

static List *
DoorName(const char *name)
{
	return list_make2(makeString("account"), makeString(pstrdup(name)));
}

/* Every function of that name in schema account, with its argument types. */
static List *
FunctionsNamed(List *objects, const char *name)
{
	CatCList *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);
		ObjectWithArgs *object = makeNode(ObjectWithArgs);

		if (proc->pronamespace != CatalogDoors())
			continue;
		object->objname = DoorName(name);
		for (int a = 0; a < proc->pronargs; a++)
			object->objargs = lappend(object->objargs,
									  makeTypeNameFromOid(proc->proargtypes.values[a], -1));
		objects = lappend(objects, object);
	}
	ReleaseCatCacheList(list);
	return objects;
}

static void
Grant(RoleSpec *grantee, GrantTargetType target, ObjectType type, List *objects,
	  const char *privilege, const char *column)
{
	GrantStmt *statement = makeNode(GrantStmt);
	AccessPriv *access = makeNode(AccessPriv);

	access->priv_name = pstrdup(privilege);
	access->cols = column == NULL ? NIL : list_make1(makeString(pstrdup(column)));
	statement->is_grant = true;
	statement->targtype = target;
	statement->objtype = type;
	statement->objects = objects;
	statement->privileges = list_make1(access);
	statement->grantees = list_make1(grantee);
	statement->behavior = DROP_RESTRICT;
	ExecuteGrantStmt(statement);
}

static void
GrantSchema(RoleSpec *grantee, const char *schema)
{
	Grant(grantee, ACL_TARGET_OBJECT, OBJECT_SCHEMA, list_make1(makeString(pstrdup(schema))),
		  "usage", NULL);
}

static void
GrantFunctions(RoleSpec *grantee, const char *const *names)
{
	List *objects = NIL;

	for (; *names != NULL; names++)
		objects = FunctionsNamed(objects, *names);
	Grant(grantee, ACL_TARGET_OBJECT, OBJECT_FUNCTION, objects, "execute", NULL);
}

static void
GrantTypes(RoleSpec *grantee)
{
	List *names = NIL;

	for (const char *const *name = types; *name != NULL; name++)
		names = lappend(names, DoorName(*name));
	Grant(grantee, ACL_TARGET_OBJECT, OBJECT_TYPE, names, "usage", NULL);
}

static void
GrantUsage(RoleSpec *grantee)
{
	List *views = NIL;

	for (const char *const *name = usage_views; *name != NULL; name++)
		views = lappend(views, makeRangeVar(pstrdup("account"), pstrdup(*name), -1));
	GrantSchema(grantee, "account");
	GrantFunctions(grantee, usage_functions);
	Grant(grantee, ACL_TARGET_OBJECT, OBJECT_TABLE, views, "select", NULL);
	GrantTypes(grantee);
}

static void
GrantService(RoleSpec *grantee)
{
	GrantUsage(grantee);
	GrantFunctions(grantee, service_functions);
	GrantSchema(grantee, "account_data");
	Grant(grantee, ACL_TARGET_OBJECT, OBJECT_TABLE,
		  list_make2(makeRangeVar(pstrdup("account_data"), pstrdup("users"), -1),
					 makeRangeVar(pstrdup("account_data"), pstrdup("workspaces"), -1)),
		  "references", "id");
}

static void
GrantOperator(RoleSpec *grantee)
{
	GrantSchema(grantee, "account");
	GrantFunctions(grantee, operator_functions);
	GrantTypes(grantee);
	GrantSchema(grantee, "account_data");
	Grant(grantee, ACL_TARGET_OBJECT, OBJECT_TABLE,
		  list_make2(makeRangeVar(pstrdup("account"), pstrdup("audit_log"), -1),
					 makeRangeVar(pstrdup("account"), pstrdup("stats"), -1)),
		  "select", NULL);
	Grant(grantee, ACL_TARGET_ALL_IN_SCHEMA, OBJECT_TABLE,
		  list_make1(makeString(pstrdup("account_data"))), "select", NULL);
}

/* Grants as the owner of the extension, to a role that exists. */
static void
GrantAs(FunctionCallInfo fcinfo, void (*grant)(RoleSpec *grantee))
{
	RoleSpec *grantee = makeNode(RoleSpec);
	Oid userid;
	int sec_context;

	if (PG_ARGISNULL(0) || !OidIsValid(PG_GETARG_OID(0)))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid grantee: not a role")));
	grantee->roletype = ROLESPEC_CSTRING;
	grantee->rolename = GetUserNameFromId(PG_GETARG_OID(0), false);
	GetUserIdAndSecContext(&userid, &sec_context);
	SetUserIdAndSecContext(CatalogOwner(), sec_context | SECURITY_LOCAL_USERID_CHANGE);
	grant(grantee);
	SetUserIdAndSecContext(userid, sec_context);
}

PG_FUNCTION_INFO_V1(account_grant_usage);
Datum
account_grant_usage(PG_FUNCTION_ARGS)
{
	GrantAs(fcinfo, GrantUsage);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_grant_service);
Datum
account_grant_service(PG_FUNCTION_ARGS)
{
	GrantAs(fcinfo, GrantService);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_grant_operator);
Datum
account_grant_operator(PG_FUNCTION_ARGS)
{
	GrantAs(fcinfo, GrantOperator);
	PG_RETURN_VOID();
}

/* The script's last step: what default privileges gave anybody of the extension is taken back. */
PG_FUNCTION_INFO_V1(account_revoke_defaults);
Datum
account_revoke_defaults(PG_FUNCTION_ARGS)
{
	NullableDatum row[1];

	if (QueryRow(&list_revokes, NULL, row, 1) && !row[0].isnull)
		QueryCommand(CatalogOwner(), TextDatumGetCString(row[0].value));
	PG_RETURN_VOID();
}
