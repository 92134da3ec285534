/*
 * email.c
 *		Addresses of people.
 *
 * Stored in lower case, so that plain equality compares without regard to case.
 * The shape is the dot-atom form of RFC 5321 with at least one dot in the
 * domain, in ASCII: an internationalised domain is given in its xn-- form, so
 * that no two addresses look alike.
 *
 * A person may have any address that nobody has verified; the code proves it,
 * and then it is theirs alone.  Every door here holds the person's row, so that
 * two of one person take turns.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"

#include "access/event.h"
#include "access/principal.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "credit/promotion.h"
#include "people/email.h"
#include "people/email_code.h"

#define MAX_EMAIL 254 /* RFC 5321 4.5.3.1.3, less the angle brackets */
#define MAX_LOCAL 64

/* An address of a person as it stands. */
typedef struct Email
{
	char *address;
	bool is_primary;
	bool is_verified;
} Email;

static Statement lock_person = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "SELECT personal_workspace_id, username FROM account_data.users WHERE id = $1"
		   " FOR NO KEY UPDATE",
};

static Statement find_email = {
	.types = "uuid, text",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "SELECT is_primary, verified_at IS NOT NULL FROM account_data.emails"
		   " WHERE user_id = $1 AND email = $2",
};

static Statement lock_address = {
	.types = "text",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "SELECT FROM account_data.email_code_sends WHERE email = $1 FOR UPDATE",
};

static Statement find_verified = {
	.types = "text",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "SELECT true FROM account_data.emails WHERE email = $1 AND verified_at IS NOT NULL",
};

static Statement insert_email = {
	.types = "uuid, text, timestamptz",
	.sql = "INSERT INTO account_data.emails (user_id, email, added_at) VALUES ($1, $2, $3)",
};

static Statement set_verified = {
	.types = "uuid, text, timestamptz",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "UPDATE account_data.emails SET verified_at = $3 WHERE user_id = $1 AND email = $2",
};

static Statement unset_primary = {
	.types = "uuid",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "UPDATE account_data.emails SET is_primary = false WHERE user_id = $1 AND is_primary",
};

static Statement set_primary = {
	.types = "uuid, text",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "UPDATE account_data.emails SET is_primary = true WHERE user_id = $1 AND email = $2",
};

static Statement delete_email = {
	.types = "uuid, text",
	.mode = QUERY_FRESH,
	.by_index = true,
	.sql = "DELETE FROM account_data.emails WHERE user_id = $1 AND email = $2",
};

static bool
IsAlnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Words of the given characters between single dots. */
static bool
IsLocal(const char *s, size_t len)
{
	if (len < 1 || len > MAX_LOCAL || s[0] == '.' || s[len - 1] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (s[i] == '.' ? s[i - 1] == '.' : !IsAlnum(s[i]) && !strchr("!#$%&'*+-/=?^_`{|}~", s[i]))
			return false;
	}
	return true;
}

/* The address in lower case; 22023 when it is none. */
char *
EmailNormalise(const text *email)
{
	size_t len = VARSIZE_ANY_EXHDR(email);
	char address[MAX_EMAIL + 1];
	char *at;

	if (len <= MAX_EMAIL)
	{
		EmailLower(email, address);
		at = strrchr(address, '@');
		if (at != NULL && IsLocal(address, at - address) && EmailIsDomain(at + 1))
			return pstrdup(address);
	}
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid email address"),
					errhint("Write a domain with other than ASCII letters in its xn-- form.")));
}

static bool
Exists(Statement *statement, const char *text)
{
	NullableDatum args[1] = {ArgText(text)};
	NullableDatum row[1];

	return QueryRow(statement, args, row, 1);
}

/* Whoever makes an address somebody's holds it, if codes went to it, before the last look. */
void
EmailLock(const char *email)
{
	NullableDatum args[1] = {ArgText(email)};

	(void) QueryRun(&lock_address, args);
}

void
EmailTaken(const char *email)
{
	ereport(ERROR,
			(errcode(ERRCODE_ACCOUNT_TAKEN), errmsg("email address \"%s\" already exists", email)));
}

/* An unverified address blocks nobody; a verified one is somebody's. */
void
EmailRefuseTaken(const char *email)
{
	if (Exists(&find_verified, email))
		EmailTaken(email);
}

static char *
ArgEmail(FunctionCallInfo fcinfo, int n)
{
	ArgRequired(fcinfo, n, "email");
	return EmailNormalise(PG_GETARG_TEXT_PP(n));
}

/* The acting person, whose row is locked to the end of the transaction. */
static Person
LockPerson(const Principal *p)
{
	NullableDatum args[1] = {ArgUuid(&p->actor_id)};
	NullableDatum row[2];

	if (!QueryRow(&lock_person, args, row, 2))
		ErrorNotSignedIn();
	return (Person){.user_id = p->actor_id,
					.workspace_id = *DatumGetUUIDP(row[0].value),
					.username = TextDatumGetCString(row[1].value)};
}

static bool
ReadEmail(const pg_uuid_t *user_id, Email *email)
{
	NullableDatum args[2] = {ArgUuid(user_id), ArgText(email->address)};
	NullableDatum row[2];

	if (!QueryRow(&find_email, args, row, 2))
		return false;
	email->is_primary = DatumGetBool(row[0].value);
	email->is_verified = DatumGetBool(row[1].value);
	return true;
}

/* An address of that person, or P0002. */
static Email
FindEmail(const pg_uuid_t *user_id, char *address)
{
	Email email = {.address = address};

	if (!ReadEmail(user_id, &email))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_NOT_FOUND),
						errmsg("email address \"%s\" does not exist", address)));
	return email;
}

static void
RefuseVerified(const Email *email)
{
	if (email->is_verified)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("email address \"%s\" is verified already", email->address)));
}

static void
Write(Statement *statement, const Person *person, const char *email)
{
	NullableDatum args[3] = {ArgUuid(&person->user_id), ArgText(email),
							 ArgTime(GetCurrentStatementStartTimestamp())};

	QueryRun(statement, args);
}

static void
WriteEvent(const Person *person, const char *email, const char *action, const char *metadata)
{
	EventWrite(&(Event){.workspace_id = &person->workspace_id,
						.resource_type = "email",
						.resource_name = email,
						.action = action,
						.metadata = metadata});
}

PG_FUNCTION_INFO_V1(account_add_email);
Datum
account_add_email(PG_FUNCTION_ARGS)
{
	Email email = {.address = ArgEmail(fcinfo, 0)};
	Person person = LockPerson(PrincipalRequirePerson());

	if (ReadEmail(&person.user_id, &email))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_TAKEN),
						errmsg("email address \"%s\" already exists", email.address),
						errdetail("It is one of your addresses.")));
	EmailRefuseTaken(email.address);
	Write(&insert_email, &person, email.address);
	EmailCodeSend(&person, email.address);
	WriteEvent(&person, email.address, "created", NULL);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_resend_email_code);
Datum
account_resend_email_code(PG_FUNCTION_ARGS)
{
	char *address = ArgEmail(fcinfo, 0);
	Person person = LockPerson(PrincipalRequirePerson());
	Email email = FindEmail(&person.user_id, address);

	RefuseVerified(&email);
	EmailCodeSend(&person, address);
	WriteEvent(&person, address, "code_sent", NULL);
	PG_RETURN_VOID();
}

/* The address has proven to be the person's. */
static void
Verified(const Person *person, const char *email)
{
	bool is_company = EmailIsCompany(email);

	WriteEvent(person, email, "verified", is_company ? "{\"is_company\": true}" : NULL);
	if (is_company)
		PromotionCompany(&person->workspace_id);
}

/*
 * The try is counted before anything is locked, and only then compared.  The
 * address is locked before the last look at who has verified it: of two people
 * with good codes for one address, the second finds it taken.
 */
static void
VerifyEmail(char *address, const text *code)
{
	const Principal *p = PrincipalRequirePerson();
	Email email = FindEmail(&p->actor_id, address);
	Person person;
	pg_uuid_t code_id;

	RefuseVerified(&email);
	EmailCodeCount(&p->actor_id, address, &code_id);
	person = LockPerson(p);
	EmailLock(address);
	EmailCodeCheck(&person, address, &code_id, code);
	EmailRefuseTaken(address);
	Write(&set_verified, &person, address);
	EmailCodeForget(&person.user_id, address);
	Verified(&person, address);
}

PG_FUNCTION_INFO_V1(account_verify_email);
Datum
account_verify_email(PG_FUNCTION_ARGS)
{
	ErrorContextCallback hiding;

	ErrorHideStatement(&hiding);
	ArgRequired(fcinfo, 1, "code");
	VerifyEmail(ArgEmail(fcinfo, 0), PG_GETARG_TEXT_PP(1));
	ErrorShowStatement(&hiding);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_set_primary_email);
Datum
account_set_primary_email(PG_FUNCTION_ARGS)
{
	char *address = ArgEmail(fcinfo, 0);
	Person person = LockPerson(PrincipalRequirePerson());
	Email email = FindEmail(&person.user_id, address);

	if (!email.is_verified)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("email address \"%s\" is not verified", address),
						errhint("Verify it with account.verify_email first.")));
	if (email.is_primary)
		PG_RETURN_VOID();
	Write(&unset_primary, &person, address);
	Write(&set_primary, &person, address);
	WriteEvent(&person, address, "updated", "{\"is_primary\": [false, true]}");
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_remove_email);
Datum
account_remove_email(PG_FUNCTION_ARGS)
{
	char *address = ArgEmail(fcinfo, 0);
	Person person = LockPerson(PrincipalRequirePerson());
	Email email = FindEmail(&person.user_id, address);

	if (email.is_primary)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("the primary email address cannot be removed"),
						errhint("Make another address the primary one first.")));
	EmailCodeForget(&person.user_id, address);
	Write(&delete_email, &person, address);
	WriteEvent(&person, address, "deleted", NULL);
	PG_RETURN_VOID();
}
