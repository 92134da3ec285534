/*
 * principal.c
 *		Who is acting in this session, and what they may do.
 *
 * The principal lives in a setting, account.principal, so that PostgreSQL's own
 * rules for settings apply to it: a transaction-local value ends with the
 * transaction, a savepoint restores it, DISCARD ALL forgets it, parallel
 * workers inherit it.  Nobody can write the setting: its check hook accepts a
 * value only while PrincipalSet() is at work, or while a parallel worker copies
 * its leader.  The empty value, nobody, is always accepted.
 *
 * A proof holds no longer than what was proven.  Before each use the principal
 * is compared with the tables again if anything about members, keys or sessions
 * has changed since (see role.c for the generation that tells), always by what
 * is committed now, whatever the snapshot of the transaction.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "access/api_key_proof.h"
#include "access/principal.h"
#include "access/role.h"
#include "access/session.h"
#include "base/args.h"
#include "base/compat.h"
#include "base/crypto.h"
#include "base/errors.h"

static char *account_principal = NULL; /* the setting: hexadecimal of a Principal */
static Principal *acting = NULL;	   /* the same, parsed; NULL when nobody acts */

/* What PrincipalSet() is at work with; at any other time NULL. */
static const Principal *being_set = NULL;

/* What the last comparison with the tables gave. */
static struct
{
	const Principal *of;
	uint64 generation;
	TimestampTz until; /* DT_NOBEGIN when it does not hold */
} checked;

static size_t
HeaderSize(void)
{
	return MAXALIGN(sizeof(Principal));
}

/* The bytes of a setting that PrincipalSet() of the leader wrote. */
static Principal *
Decode(const char *hex)
{
	size_t size = strlen(hex) / 2;
	Principal *principal;

	if (size < HeaderSize() || (principal = AccountGucAlloc(size)) == NULL)
		return NULL;
	hex_decode(hex, size * 2, (char *) principal);
	Assert(principal->size == size);
	return principal;
}

static Principal *
CopyBeingSet(void)
{
	Principal *principal = AccountGucAlloc(being_set->size);

	return principal == NULL ? NULL : memcpy(principal, being_set, being_set->size);
}

static bool
CheckPrincipal(char **newval, void **extra, GucSource source)
{
	if ((*newval)[0] == '\0')
		return true;
	if (being_set == NULL && !InitializingParallelWorker)
	{
		GUC_check_errcode(ERRCODE_ACCOUNT_DENIED);
		GUC_check_errmsg("who is acting cannot be set directly");
		GUC_check_errhint("Use account.authenticate, account.resume_session or account.act_as.");
		return false;
	}
	*extra = being_set != NULL ? CopyBeingSet() : Decode(*newval);
	return *extra != NULL;
}

static void
AssignPrincipal(const char *newval, void *extra)
{
	acting = extra;
	checked.of = NULL;
}

void
PrincipalInit(void)
{
	DefineCustomStringVariable(
		"account.principal", "Who is acting; written by account's functions only.", NULL,
		&account_principal, "", PGC_SUSET,
		GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE | GUC_SUPERUSER_ONLY,
		CheckPrincipal, AssignPrincipal, NULL);
}

/* A principal to be filled in, with a copy of scopes; NULL means every scope. */
Principal *
PrincipalMake(const ArrayType *scopes)
{
	size_t size = HeaderSize() + (scopes == NULL ? 0 : VARSIZE(scopes));
	Principal *principal = palloc0(size);

	principal->size = (uint32) size;
	principal->has_scopes = scopes != NULL;
	if (scopes != NULL)
		memcpy((char *) principal + HeaderSize(), scopes, VARSIZE(scopes));
	return principal;
}

/* The scopes, or NULL when there is no restriction. */
const ArrayType *
PrincipalScopes(const Principal *principal)
{
	return principal->has_scopes ? (const ArrayType *) ((const char *) principal + HeaderSize())
								 : NULL;
}

/* principal is what value encodes; NULL when that is empty. */
static void
Assign(const char *value, const Principal *principal, bool is_local)
{
	being_set = principal;
	PG_TRY();
	{
		(void) set_config_option("account.principal", value, PGC_SUSET, PGC_S_SESSION,
								 is_local ? GUC_ACTION_LOCAL : GUC_ACTION_SET, true, 0, false);
	}
	PG_FINALLY();
	{
		being_set = NULL;
	}
	PG_END_TRY();
}

/*
 * Makes this principal act, to the end of the transaction or of the session.
 * The proof holds until then unless the generation changes; generation is the
 * one from before it was read.
 */
void
PrincipalSet(const Principal *principal, bool is_local, uint64 generation, TimestampTz until)
{
	char *hex = palloc(principal->size * 2 + 1);

	CryptoHex((const uint8 *) principal, principal->size, hex);
	Assign(hex, principal, is_local);
	pfree(hex);
	acting->is_local = is_local;
	checked.of = acting;
	checked.generation = generation;
	checked.until = until;
}

/* Until when what was proven holds, as things are now; brings the role up to date. */
static TimestampTz
HoldsUntil(Principal *p)
{
	TimestampTz until = DT_NOEND;
	Membership membership;

	if (p->proof == PROOF_API_KEY)
		return ApiKeyHoldsUntil(&p->workspace_id, &p->credential_id, &p->secret_id, &p->role);
	if (p->proof == PROOF_SESSION)
		until = SessionHoldsUntil(&p->credential_id);
	membership = MembershipOf(&p->workspace_id, &p->actor_id);
	p->role = membership.role;
	return Min(until, membership.until);
}

/* Not inline, so that what runs for every row stays short. */
static pg_noinline void
CheckAgain(uint64 generation)
{
	checked.until = HoldsUntil(acting);
	checked.of = acting;
	checked.generation = generation;
}

/* Who is acting, with the role they have now; NULL when nobody is. */
const Principal *
PrincipalCurrent(void)
{
	uint64 generation;

	if (acting == NULL)
		return NULL;
	generation = RoleGeneration();
	if (checked.of != acting || checked.generation != generation)
		CheckAgain(generation);
	return RoleLasts(checked.until) ? acting : NULL;
}

const Principal *
PrincipalRequire(void)
{
	const Principal *p = PrincipalCurrent();

	if (p == NULL)
		ErrorNotSignedIn();
	return p;
}

const Principal *
PrincipalRequireRole(AccountRole min_role)
{
	const Principal *p = PrincipalRequire();

	if (p->role < min_role)
		ErrorDenied(
			psprintf("This needs the role %s in the active workspace; the acting role is %s.",
					 CatalogEnumLabel(ENUM_ROLE, min_role), CatalogEnumLabel(ENUM_ROLE, p->role)));
	return p;
}

/* For what a key may never do: manage keys, members, billing, sign-in, activity. */
const Principal *
PrincipalRequirePerson(void)
{
	const Principal *p = PrincipalRequire();

	if (p->proof == PROOF_API_KEY)
		ErrorDenied("An API key cannot do this; it needs a session or a trusted backend.");
	return p;
}

/* A trailing * in a granted scope stands for any suffix. */
static bool
ScopeCovers(const char *granted, size_t granted_len, const char *scope, size_t len)
{
	if (granted_len > 0 && granted[granted_len - 1] == '*')
		return len >= granted_len - 1 && memcmp(granted, scope, granted_len - 1) == 0;
	return len == granted_len && memcmp(granted, scope, len) == 0;
}

bool
PrincipalHasScope(const Principal *principal, const char *scope, size_t len)
{
	const ArrayType *scopes = PrincipalScopes(principal);
	ArrayIterator iterator;
	Datum element;
	bool isnull;
	bool found = false;

	if (scopes == NULL)
		return true;
	iterator = array_create_iterator(unconstify(ArrayType *, scopes), 0, NULL);
	while (!found && array_iterate(iterator, &element, &isnull))
	{
		text *granted = DatumGetTextPP(element);

		found = ScopeCovers(VARDATA_ANY(granted), VARSIZE_ANY_EXHDR(granted), scope, len);
	}
	array_free_iterator(iterator);
	return found;
}

/* The fields of account.principal, in its order; they point into principal. */
void
PrincipalColumns(const Principal *p, Datum *values, bool *nulls)
{
	values[0] = values[1] = UUIDPGetDatum(&p->actor_id);
	nulls[0] = p->is_service_account;
	nulls[1] = !p->is_service_account;
	values[2] = UUIDPGetDatum(&p->workspace_id);
	nulls[2] = false;
	values[3] = ObjectIdGetDatum(CatalogEnumOid(ENUM_ROLE, p->role));
	nulls[3] = false;
	values[4] = ObjectIdGetDatum(CatalogEnumOid(ENUM_PROOF, p->proof));
	nulls[4] = false;
	values[5] = UUIDPGetDatum(&p->credential_id);
	nulls[5] = p->proof == PROOF_TRUSTED;
	values[6] = PointerGetDatum(PrincipalScopes(p));
	nulls[6] = !p->has_scopes;
	values[7] = ObjectIdGetDatum(CatalogEnumOid(ENUM_REGION, p->region));
	nulls[7] = false;
}

Datum
PrincipalResult(FunctionCallInfo fcinfo, const Principal *principal)
{
	Datum values[PRINCIPAL_COLUMNS];
	bool nulls[PRINCIPAL_COLUMNS];

	PrincipalColumns(principal, values, nulls);
	return ResultRow(fcinfo, values, nulls);
}

PG_FUNCTION_INFO_V1(account_reset_principal);
Datum
account_reset_principal(PG_FUNCTION_ARGS)
{
	Assign("", NULL, false);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_current_principal);
Datum
account_current_principal(PG_FUNCTION_ARGS)
{
	const Principal *p = PrincipalCurrent();

	if (p == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PrincipalResult(fcinfo, p));
}

/* The same for the views: raises when nobody acts. */
PG_FUNCTION_INFO_V1(account_acting);
Datum
account_acting(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(PrincipalResult(fcinfo, PrincipalRequire()));
}

/* And without a row, for a condition that holds or raises. */
PG_FUNCTION_INFO_V1(account_require_principal);
Datum
account_require_principal(PG_FUNCTION_ARGS)
{
	(void) PrincipalRequire();
	PG_RETURN_BOOL(true);
}

PG_FUNCTION_INFO_V1(account_current_user_id);
Datum
account_current_user_id(PG_FUNCTION_ARGS)
{
	const Principal *p = PrincipalCurrent();

	if (p == NULL || p->is_service_account)
		PG_RETURN_NULL();
	PG_RETURN_UUID_P(memcpy(palloc(UUID_LEN), &p->actor_id, UUID_LEN));
}

PG_FUNCTION_INFO_V1(account_current_workspace_id);
Datum
account_current_workspace_id(PG_FUNCTION_ARGS)
{
	const Principal *p = PrincipalCurrent();

	if (p == NULL)
		PG_RETURN_NULL();
	PG_RETURN_UUID_P(memcpy(palloc(UUID_LEN), &p->workspace_id, UUID_LEN));
}

PG_FUNCTION_INFO_V1(account_has_scope);
Datum
account_has_scope(PG_FUNCTION_ARGS)
{
	const Principal *p = PrincipalCurrent();
	text *scope = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(p != NULL && PrincipalHasScope(p, VARDATA_ANY(scope), VARSIZE_ANY_EXHDR(scope)));
}

PG_FUNCTION_INFO_V1(account_require_role);
Datum
account_require_role(PG_FUNCTION_ARGS)
{
	PrincipalRequireRole(ArgGetRole(fcinfo, 0, "role"));
	PG_RETURN_VOID();
}
