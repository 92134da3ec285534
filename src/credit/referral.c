/*
 * referral.c
 *		Friends who invite friends.
 *
 * The friend gets credit at sign-up; who invited them gets theirs once the
 * friend has topped up enough in their personal workspace, and loses it, once,
 * when refunds take that below again.  A friend's wallet is locked before the
 * one of who invited them, who was there first: no two wait for each other.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"

#include "access/principal.h"
#include "base/args.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "credit/credit.h"
#include "credit/promotion.h"

#define REFERRAL_MICROS INT64CONST(10000000) /* $10, for each of the two */
#define REFERRAL_TOP_UP INT64CONST(10000000) /* what the friend tops up */
#define CODE_LEN 10

static Statement count_signup = {
	.types = "text",
	.sql = "UPDATE account_data.referral_codes SET signups = signups + 1"
		   " WHERE code = $1 AND signups < 100 RETURNING workspace_id",
};

static Statement find_code = {
	.types = "text",
	.sql = "SELECT true FROM account_data.referral_codes WHERE code = $1",
};

static Statement insert_referral = {
	.types = "uuid, uuid, timestamptz",
	.sql = "INSERT INTO account_data.referrals (workspace_id, referrer_id, signed_up_at)"
		   " VALUES ($1, $2, $3)",
};

static Statement find_own = {
	.types = "uuid",
	.sql = "SELECT c.code, w.kind = 'personal' FROM account_data.workspaces w"
		   " LEFT JOIN account_data.referral_codes c ON c.workspace_id = w.id WHERE w.id = $1",
};

static Statement insert_code = {
	.types = "text, uuid",
	.sql = "INSERT INTO account_data.referral_codes (code, workspace_id) VALUES ($1, $2)"
		   " ON CONFLICT DO NOTHING",
};

/* Under the friend's wallet: who invited them, unless gone, where it stands, what was topped up. */
static Statement find_referral = {
	.types = "uuid",
	.sql = "SELECT r.referrer_id, r.qualified_at IS NOT NULL, r.taken_back_at IS NOT NULL,"
		   "  (SELECT coalesce(sum(amount_micros), 0)::bigint FROM account_data.transactions t"
		   "    WHERE t.workspace_id = $1 AND (type IN ('purchase', 'auto_top_up')"
		   "      OR type = 'refund' AND amount_micros < 0))"
		   " FROM account_data.referrals r JOIN account_data.workspaces w ON w.id = r.referrer_id"
		   " WHERE r.workspace_id = $1",
};

static Statement set_qualified = {
	.types = "uuid, timestamptz",
	.sql = "UPDATE account_data.referrals SET qualified_at = $2 WHERE workspace_id = $1",
};

static Statement set_taken_back = {
	.types = "uuid, timestamptz",
	.sql = "UPDATE account_data.referrals SET taken_back_at = $2 WHERE workspace_id = $1",
};

/* Somebody signs up with the code of a friend. */
void
ReferralFollow(const pg_uuid_t *workspace_id, const char *code)
{
	NullableDatum args[3] = {ArgText(code)};
	NullableDatum row[1];

	if (!QueryRow(&count_signup, args, row, 1))
	{
		if (QueryRow(&find_code, args, row, 1))
			ereport(ERROR,
					(errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("referral code is used up"),
					 errdetail("A person can bring 100 friends.")));
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_NOT_FOUND), errmsg("referral code does not exist")));
	}
	args[0] = ArgUuid(workspace_id);
	args[1] = row[0];
	args[2] = ArgTime(GetCurrentStatementStartTimestamp());
	QueryRun(&insert_referral, args);
	PromotionGrant(workspace_id, TRANSACTION_REFERRAL, REFERRAL_MICROS, "referred", DT_NOEND);
}

/* What was earned by a friend goes again, also when it is spent. */
static void
TakeBack(const pg_uuid_t *referrer_id, const pg_uuid_t *friend_id)
{
	Book *book = LedgerOpen(referrer_id);
	Entry *entry = LedgerEntry(TRANSACTION_REFERRAL, -REFERRAL_MICROS);

	entry->idempotency_key = cstring_to_text(
		psprintf(CREDIT_OWN_KEYS "unreferral:%s", UuidText(friend_id)));
	Burn(book, entry, REFERRAL_MICROS);
	LedgerPost(book, entry);
	LedgerClose(book);
	CreditEvent(book, entry, "taken_back");
}

/* What a workspace has topped up has changed: a referral may qualify, or no longer. */
void
PromotionCashIn(const Book *book)
{
	NullableDatum args[2] = {ArgUuid(&book->workspace_id),
							 ArgTime(GetCurrentStatementStartTimestamp())};
	NullableDatum row[4];
	bool is_enough;

	if (!QueryRow(&find_referral, args, row, 4))
		return;
	is_enough = DatumGetInt64(row[3].value) >= REFERRAL_TOP_UP;
	if (is_enough && !DatumGetBool(row[1].value))
	{
		QueryRun(&set_qualified, args);
		PromotionGrant(DatumGetUUIDP(row[0].value), TRANSACTION_REFERRAL, REFERRAL_MICROS,
					   psprintf("referral:%s", UuidText(&book->workspace_id)), DT_NOEND);
	}
	else if (!is_enough && DatumGetBool(row[1].value) && !DatumGetBool(row[2].value))
	{
		QueryRun(&set_taken_back, args);
		TakeBack(DatumGetUUIDP(row[0].value), &book->workspace_id);
	}
}

/* Letters and digits that nobody confuses. */
static char *
MakeCode(void)
{
	static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
	uint8 random[CODE_LEN];
	char *code = palloc(CODE_LEN + 1);

	if (!CryptoRandom(random, sizeof(random)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not make random bytes")));
	for (int i = 0; i < CODE_LEN; i++)
		code[i] = alphabet[random[i] % 32];
	code[CODE_LEN] = '\0';
	return code;
}

PG_FUNCTION_INFO_V1(account_referral_code);
Datum
account_referral_code(PG_FUNCTION_ARGS)
{
	NullableDatum args[2];
	NullableDatum row[2];
	const Principal *p;

	PrincipalRequirePerson();
	p = PrincipalRequireRole(ROLE_OWNER);
	args[0] = ArgUuid(&p->workspace_id);
	if (!QueryRow(&find_own, args, row, 2))
		ErrorNotFound("workspace", &p->workspace_id);
	if (!DatumGetBool(row[1].value))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("a referral code belongs to a personal workspace")));
	if (row[0].isnull)
	{
		args[0] = ArgText(MakeCode());
		args[1] = ArgUuid(&p->workspace_id);
		QueryRun(&insert_code, args);
		(void) QueryRow(&find_own, &args[1], row, 2);
	}
	PG_RETURN_DATUM(row[0].value);
}
