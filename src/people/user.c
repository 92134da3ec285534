/*
 * user.c
 *		People: signing up.
 *
 * A sign-up is one transaction: the user, their primary address, their personal
 * workspace of the same name with them as its owner, what they sign in with, and
 * the message that verifies the address unless it was verified already.  What
 * others had sent to that address cannot keep its owner from signing up: past
 * the limit of codes an hour the sign-up sends none.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "access/event.h"
#include "access/password.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "credit/promotion.h"
#include "people/email.h"
#include "people/email_code.h"
#include "people/user.h"
#include "people/username.h"

#define MAX_PROVIDER 50
#define MAX_SUBJECT 255
#define MAX_CODE 40

/* account.identity_claim, as a trusted backend vouches for it. */
typedef struct IdentityClaim
{
	char *provider;
	char *subject;
	char *email; /* NULL: the provider gave none */
	bool is_email_verified;
} IdentityClaim;

static int account_region; /* an AccountRegion */

static const struct config_enum_entry regions[] = {
	{"us", REGION_US, false}, {"eu", REGION_EU, false}, {"ap", REGION_AP, false}, {NULL, 0, false}};

static Statement insert_user = {
	.types = "uuid, text, account.region, uuid, timestamptz, text, text, boolean",
	.sql =
		"WITH person AS ("
		"  INSERT INTO account_data.users (id, username, region, personal_workspace_id, created_at)"
		"  VALUES ($1, $2, $3, $4, $5)),"
		" workspace AS ("
		"  INSERT INTO account_data.workspaces (id, kind, slug, name, region, created_at)"
		"  VALUES ($4, 'personal', $2, $6, $3, $5)),"
		" member AS ("
		"  INSERT INTO account_data.members (workspace_id, user_id, role, joined_at)"
		"  VALUES ($4, $1, 'owner', $5))"
		" INSERT INTO account_data.emails (user_id, email, is_primary, added_at, verified_at)"
		"  VALUES ($1, $7, true, $5, CASE WHEN $8 THEN $5 END)"
		"  ON CONFLICT (email) WHERE verified_at IS NOT NULL DO NOTHING",
};

static Statement insert_password = {
	.types = "uuid, text, timestamptz",
	.sql = "INSERT INTO account_data.passwords (user_id, hash, set_at) VALUES ($1, $2, $3)",
};

static Statement insert_identity = {
	.types = "text, text, uuid, text, timestamptz",
	.sql = "INSERT INTO account_data.identities (provider, subject, user_id, email, linked_at)"
		   " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
};

void
UserInit(void)
{
	DefineCustomEnumVariable("account.region", "The region this database lives in.",
							 "People of another region sign up there.", &account_region, REGION_US,
							 regions, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
RefuseForeignRegion(AccountRegion region)
{
	if (region != (AccountRegion) account_region)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("region %s is not served by this database",
							   CatalogEnumLabel(ENUM_REGION, region)),
						errdetail("This database serves region %s; sign up in region %s.",
								  CatalogEnumLabel(ENUM_REGION, account_region),
								  CatalogEnumLabel(ENUM_REGION, region))));
}

static char *
ClaimText(HeapTupleHeader row, const char *field, size_t max_len, bool is_required)
{
	bool isnull;
	Datum value = GetAttributeByName(row, field, &isnull);
	char *result = isnull ? NULL : TextDatumGetCString(value);

	if (result == NULL ? is_required : (*result == '\0' || strlen(result) > max_len))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid identity: %s is missing or too long", field)));
	return result;
}

static IdentityClaim *
ArgIdentity(FunctionCallInfo fcinfo, int n)
{
	HeapTupleHeader row;
	IdentityClaim *claim;
	bool isnull;
	char *email;

	if (PG_ARGISNULL(n))
		return NULL;
	row = PG_GETARG_HEAPTUPLEHEADER(n);
	claim = palloc0(sizeof(IdentityClaim));
	claim->provider = ClaimText(row, "provider", MAX_PROVIDER, true);
	claim->subject = ClaimText(row, "subject", MAX_SUBJECT, true);
	email = ClaimText(row, "email", MAX_SUBJECT, false);
	claim->email = email == NULL ? NULL : EmailNormalise(cstring_to_text(email));
	claim->is_email_verified = DatumGetBool(GetAttributeByName(row, "email_verified", &isnull));
	claim->is_email_verified = claim->is_email_verified && !isnull && claim->email != NULL;
	return claim;
}

/* The credit of sign-up, and what the codes bring; a code that does not hold stops it all. */
static void
GrantWelcome(FunctionCallInfo fcinfo, const pg_uuid_t *workspace_id)
{
	PromotionSignup(workspace_id);
	if (!PG_ARGISNULL(6))
		ReferralFollow(workspace_id, ArgName(fcinfo, 6, "referral_code", MAX_CODE));
	if (!PG_ARGISNULL(7))
		PromotionRedeem(workspace_id, ArgName(fcinfo, 7, "promo_code", MAX_CODE));
}

/* Of two with one verified address at once, the second waits here and is told. */
static void
InsertUser(const pg_uuid_t *user_id, const pg_uuid_t *workspace_id, const char *username,
		   AccountRegion region, const char *display_name, const char *email, bool is_verified)
{
	NullableDatum args[8] = {
		ArgUuid(user_id),
		ArgText(username),
		ArgRegion(region),
		ArgUuid(workspace_id),
		ArgTime(GetCurrentStatementStartTimestamp()),
		ArgText(display_name),
		ArgText(email),
		ArgBool(is_verified),
	};

	if (QueryRun(&insert_user, args) == 0)
		EmailTaken(email);
}

static void
InsertPassword(const pg_uuid_t *user_id, const char *hash)
{
	NullableDatum args[3] = {ArgUuid(user_id), ArgText(hash),
							 ArgTime(GetCurrentStatementStartTimestamp())};

	QueryRun(&insert_password, args);
}

static void
InsertIdentity(const pg_uuid_t *user_id, const IdentityClaim *claim)
{
	NullableDatum args[5] = {ArgText(claim->provider), ArgText(claim->subject), ArgUuid(user_id),
							 ArgText(claim->email), ArgTime(GetCurrentStatementStartTimestamp())};

	if (QueryRun(&insert_identity, args) == 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_TAKEN),
						errmsg("identity of provider \"%s\" already exists", claim->provider)));
}

static pg_uuid_t *
SignUp(FunctionCallInfo fcinfo)
{
	char *username = ArgName(fcinfo, 0, "username", USER_MAX_DISPLAY_NAME);
	char *display_name = PG_ARGISNULL(3)
							 ? username
							 : ArgName(fcinfo, 3, "display_name", USER_MAX_DISPLAY_NAME);
	IdentityClaim *identity = ArgIdentity(fcinfo, 5);
	char *password_hash;
	char *email;
	AccountRegion region;
	bool is_verified;
	pg_uuid_t *user_id = palloc(sizeof(pg_uuid_t));
	pg_uuid_t workspace_id;

	ArgRequired(fcinfo, 1, "email");
	ArgRequired(fcinfo, 2, "region");
	email = EmailNormalise(PG_GETARG_TEXT_PP(1));
	region = CatalogEnumMember(ENUM_REGION, PG_GETARG_OID(2));
	UsernameCheck(username, "username");
	RefuseForeignRegion(region);
	password_hash = PG_ARGISNULL(4) ? NULL : PasswordHash(PG_GETARG_TEXT_PP(4));
	is_verified = identity != NULL && identity->is_email_verified &&
				  strcmp(identity->email, email) == 0;
	UuidNew(user_id);
	UuidNew(&workspace_id);
	UsernameTake(username, "username", region);
	if (is_verified)
		EmailLock(email);
	EmailRefuseTaken(email);
	InsertUser(user_id, &workspace_id, username, region, display_name, email, is_verified);
	if (password_hash != NULL)
		InsertPassword(user_id, password_hash);
	if (identity != NULL)
		InsertIdentity(user_id, identity);
	if (!is_verified)
		(void) EmailCodeTrySend(
			&(Person){.user_id = *user_id, .workspace_id = workspace_id, .username = username},
			email);
	EventWrite(&(Event){.workspace_id = &workspace_id,
						.resource_type = "onboarding",
						.resource_id = user_id,
						.resource_name = username,
						.action = "started",
						.user_id = user_id});
	GrantWelcome(fcinfo, &workspace_id);
	if (is_verified && EmailIsCompany(email))
		PromotionCompany(&workspace_id);
	return user_id;
}

/* Every error hides the statement: the password may stand in it. */
PG_FUNCTION_INFO_V1(account_sign_up);
Datum
account_sign_up(PG_FUNCTION_ARGS)
{
	ErrorContextCallback hide;
	pg_uuid_t *user_id;

	ErrorHideStatement(&hide);
	user_id = SignUp(fcinfo);
	ErrorShowStatement(&hide);
	PG_RETURN_UUID_P(user_id);
}

/*
 * BEFORE UPDATE on users: a username and a region never change, whoever asks.
 */
PG_FUNCTION_INFO_V1(account_user_guard);
Datum
account_user_guard(PG_FUNCTION_ARGS)
{
	(void) ArgTrigger(fcinfo);
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
					errmsg("username and region of a user cannot be changed")));
}
