/*
 * promotion.c
 *		Credit given away: sign-up, company address, monthly credit, promo codes.
 *
 * Each grant has a key of the extension's own, so that whatever brings it about
 * twice brings it once.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/int.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "access/attempt.h"
#include "access/principal.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "credit/credit.h"
#include "credit/promotion.h"

/* How long credit of sign-up and of a month lasts. */
#define GRANT_LIFETIME (30 * USECS_PER_DAY)

#define MAX_CODE 40
#define MAX_TRIES 30 /* an hour, by one person */

typedef struct PromoCode
{
	int64 amount;
	TimestampTz expires_at;
	int max_redemptions;
	int max_per_person;
	Interval *lasts; /* NULL: for good */
	int redemptions;
	int mine; /* redemptions by this workspace */
} PromoCode;

static Statement find_welcome = {
	.types = "",
	.sql = "SELECT signup_credit_micros, company_credit_micros FROM account_data.plans_in_force"
		   " WHERE plan = 'free'",
};

static Statement find_monthly = {
	.types = "uuid",
	.sql = "SELECT f.monthly_credit_micros FROM account_data.subscriptions s"
		   " JOIN account_data.plans_in_force f USING (plan) WHERE s.workspace_id = $1",
};

static Statement find_personal = {
	.types = "uuid",
	.sql = "SELECT kind = 'personal' FROM account_data.workspaces WHERE id = $1",
};

static Statement lock_code = {
	.types = "text, uuid",
	.sql =
		"SELECT amount_micros, coalesce(expires_at, 'infinity'), coalesce(max_redemptions, 2147483647),"
		"  max_per_person, lasts, redemptions,"
		"  (SELECT count(*) FROM account_data.promo_redemptions r"
		"    WHERE r.workspace_id = $2 AND r.code = $1)::integer"
		" FROM account_data.promo_codes WHERE code = $1 FOR NO KEY UPDATE",
};

static Statement insert_redemption = {
	.types = "uuid, text, integer, uuid, timestamptz",
	.sql =
		"WITH code AS ("
		"  UPDATE account_data.promo_codes SET redemptions = redemptions + 1 WHERE code = $2)"
		" INSERT INTO account_data.promo_redemptions (workspace_id, code, number, transaction_id,"
		"  redeemed_at) VALUES ($1, $2, $3, $4, $5)",
};

static Statement insert_code = {
	.types = "text, bigint, timestamptz, integer, integer, interval",
	.sql = "INSERT INTO account_data.promo_codes (code, amount_micros, expires_at, max_redemptions,"
		   "  max_per_person, lasts) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
};

/* Grants once under a key of our own; nothing when it was granted before or is nothing. */
void
PromotionGrant(const pg_uuid_t *workspace_id, TransactionType type, int64 amount, const char *key,
			   TimestampTz expires_at)
{
	Book *book;
	Entry *entry;

	if (amount <= 0)
		return;
	book = LedgerOpen(workspace_id);
	entry = GrantEntry(type, amount, CREDIT_DEFAULT_PRIORITY, expires_at,
					   cstring_to_text(psprintf(CREDIT_OWN_KEYS "%s", key)));
	if (LedgerFind(book, entry->idempotency_key) != NULL || expires_at <= book->now)
		return;
	GrantPost(book, entry, CREDIT_DEFAULT_PRIORITY, expires_at);
	LedgerClose(book);
	CreditEvent(book, entry, "granted");
}

static TimestampTz
LifetimeFromNow(void)
{
	return GetCurrentStatementStartTimestamp() + GRANT_LIFETIME;
}

/* The credit of sign-up; the transaction that signs up calls it. */
void
PromotionSignup(const pg_uuid_t *workspace_id)
{
	NullableDatum row[2];

	if (QueryRow(&find_welcome, NULL, row, 2))
		PromotionGrant(workspace_id, TRANSACTION_SIGNUP, DatumGetInt64(row[0].value), "signup",
					   LifetimeFromNow());
}

/* A person has verified their first company address: brings the welcome to its company amount. */
void
PromotionCompany(const pg_uuid_t *workspace_id)
{
	NullableDatum row[2];

	if (QueryRow(&find_welcome, NULL, row, 2))
		PromotionGrant(workspace_id, TRANSACTION_SIGNUP,
					   DatumGetInt64(row[1].value) - DatumGetInt64(row[0].value), "company",
					   LifetimeFromNow());
}

/* The credit of a month that began then, for each seat of the workspace's plan. */
void
PromotionMonthly(const pg_uuid_t *workspace_id, int seats, TimestampTz began_at)
{
	NullableDatum args[1] = {ArgUuid(workspace_id)};
	NullableDatum row[1];
	int64 amount;

	if (!QueryRow(&find_monthly, args, row, 1) || row[0].isnull)
		return;
	if (pg_mul_s64_overflow(DatumGetInt64(row[0].value), seats, &amount))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("amount of credit out of range")));
	PromotionGrant(workspace_id, TRANSACTION_MONTHLY_GRANT, amount,
				   psprintf("month:" INT64_FORMAT, began_at), began_at + GRANT_LIFETIME);
}

/* Codes are compared in upper case. */
static char *
NormaliseCode(const char *code)
{
	char *upper = pstrdup(code);

	for (char *c = upper; *c; c++)
		*c = pg_ascii_toupper((unsigned char) *c);
	return upper;
}

static PromoCode
LockCode(const pg_uuid_t *workspace_id, const char *code)
{
	NullableDatum args[2] = {ArgText(code), ArgUuid(workspace_id)};
	NullableDatum row[7];

	if (!QueryRow(&lock_code, args, row, 7))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_NOT_FOUND), errmsg("promo code does not exist")));
	return (PromoCode){
		.amount = DatumGetInt64(row[0].value),
		.expires_at = DatumGetTimestampTz(row[1].value),
		.max_redemptions = DatumGetInt32(row[2].value),
		.max_per_person = DatumGetInt32(row[3].value),
		.lasts = row[4].isnull ? NULL : DatumGetIntervalP(row[4].value),
		.redemptions = DatumGetInt32(row[5].value),
		.mine = DatumGetInt32(row[6].value),
	};
}

static void
DecideRedemption(const PromoCode *promo)
{
	const char *trouble = NULL;

	if (promo->expires_at <= GetCurrentStatementStartTimestamp())
		trouble = "promo code is expired";
	else if (promo->mine >= promo->max_per_person)
		trouble = "promo code was already redeemed";
	else if (promo->redemptions >= promo->max_redemptions)
		trouble = "promo code is used up";
	if (trouble != NULL)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("%s", trouble)));
}

static TimestampTz
CreditEnd(const Book *book, Interval *lasts)
{
	if (lasts == NULL)
		return DT_NOEND;
	return DatumGetTimestampTz(DirectFunctionCall2(
		timestamptz_pl_interval, TimestampTzGetDatum(book->now), IntervalPGetDatum(lasts)));
}

/* The wallet is locked first, then the code: its maxima hold under any race. */
static Entry *
Redeem(const pg_uuid_t *workspace_id, const char *asked)
{
	char *code = NormaliseCode(asked);
	Book *book = LedgerOpen(workspace_id);
	PromoCode promo = LockCode(workspace_id, code);
	TimestampTz expires_at = CreditEnd(book, promo.lasts);
	Entry *entry;

	DecideRedemption(&promo);
	entry = GrantEntry(TRANSACTION_PROMO, promo.amount, CREDIT_DEFAULT_PRIORITY, expires_at,
					   cstring_to_text(psprintf(CREDIT_OWN_KEYS "promo:%s:%d", code, promo.mine)));
	entry->description = cstring_to_text(code);
	LedgerActor(entry);
	GrantPost(book, entry, CREDIT_DEFAULT_PRIORITY, expires_at);
	LedgerClose(book);
	QueryRun(&insert_redemption,
			 (NullableDatum[]){ArgUuid(workspace_id), ArgText(code),
							   ArgDatum(Int32GetDatum(promo.mine + 1)), ArgUuid(&entry->id),
							   ArgTime(GetCurrentStatementStartTimestamp())});
	CreditEvent(book, entry, "redeemed");
	return entry;
}

/* Redeems a code in the transaction that signs up. */
void
PromotionRedeem(const pg_uuid_t *workspace_id, const char *code)
{
	(void) Redeem(workspace_id, code);
}

PG_FUNCTION_INFO_V1(account_redeem_promo_code);
Datum
account_redeem_promo_code(PG_FUNCTION_ARGS)
{
	char *code = ArgName(fcinfo, 0, "code", MAX_CODE);
	const Principal *p;
	NullableDatum row[1];

	PrincipalRequirePerson();
	p = PrincipalRequireRole(ROLE_OWNER);
	if (!QueryRow(&find_personal, (NullableDatum[]){ArgUuid(&p->workspace_id)}, row, 1) ||
		!DatumGetBool(row[0].value))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("promo codes are redeemed in a personal workspace")));
	if (AttemptCount("promo_code", UuidText(&p->actor_id), MAX_TRIES,
					 GetCurrentStatementStartTimestamp() + USECS_PER_HOUR) > MAX_TRIES)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_TOO_MANY), errmsg("rate limit exceeded"),
						errdetail("At most %d codes an hour can be tried.", MAX_TRIES)));
	PG_RETURN_DATUM(CreditResult(fcinfo, Redeem(&p->workspace_id, code)));
}

/* How long credit lasts, if not for good: longer than no time. */
static void
CheckLasts(FunctionCallInfo fcinfo, int n)
{
	Interval none = {0};
	Datum lasts;

	if (PG_ARGISNULL(n))
		return;
	lasts = IntervalPGetDatum(ArgInterval(fcinfo, n, "lasts"));
	if (DatumGetBool(DirectFunctionCall2(interval_le, lasts, IntervalPGetDatum(&none))))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid lasts: it must be longer than zero")));
}

PG_FUNCTION_INFO_V1(account_create_promo_code);
Datum
account_create_promo_code(PG_FUNCTION_ARGS)
{
	char *code = NormaliseCode(ArgName(fcinfo, 0, "code", MAX_CODE));
	int64 amount = ArgMicros(fcinfo, 1, "amount_micros");
	NullableDatum args[6] = {ArgText(code), ArgDatum(Int64GetDatum(amount))};

	ArgRequired(fcinfo, 4, "max_per_person");
	if (strlen(code) < 3 || strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != strlen(code))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid code: it must have 3 to 40 letters, digits and hyphens")));
	CheckLasts(fcinfo, 5);
	if (amount > CREDIT_MAX_MICROS / 1000 || PG_GETARG_INT32(4) < 1 ||
		(!PG_ARGISNULL(3) && PG_GETARG_INT32(3) < 1))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid promo code: an amount or maximum is out of range")));
	for (int i = 2; i < 6; i++)
		args[i] = PG_ARGISNULL(i) ? ArgNull() : ArgDatum(PG_GETARG_DATUM(i));
	if (QueryRun(&insert_code, args) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_TAKEN), errmsg("promo code \"%s\" already exists", code)));
	PG_RETURN_VOID();
}
