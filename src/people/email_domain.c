/*
 * email_domain.c
 *		Domains of addresses, and which of them everybody can have an address of.
 *
 * A domain is a company's unless it is in consumer_domains_in_force: those
 * shipped, less and more the operator's.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/operator_list.h"
#include "people/email.h"

#define MAX_LABEL 63

static OperatorList consumer_domains = OPERATOR_LIST("consumer domain", "consumer_domains",
													 "domain", "is_consumer");

/* Copies a text in lower case to where there is room for it and an end. */
void
EmailLower(const text *value, char *lower)
{
	size_t len = VARSIZE_ANY_EXHDR(value);

	for (size_t i = 0; i < len; i++)
		lower[i] = pg_ascii_tolower(VARDATA_ANY(value)[i]);
	lower[len] = '\0';
}

static bool
IsLabel(const char *s, size_t len)
{
	return len >= 1 && len <= MAX_LABEL && s[0] != '-' && s[len - 1] != '-' &&
		   strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") >= len;
}

/* Two labels or more; a number at the end would make it an IPv4 address (RFC 3696 2). */
bool
EmailIsDomain(const char *s)
{
	int labels = 0;

	for (;;)
	{
		size_t len = strcspn(s, ".");

		if (!IsLabel(s, len))
			return false;
		labels++;
		if (s[len] == '\0')
			return labels >= 2 && strspn(s, "0123456789") < len;
		s += len + 1;
	}
}

/* An argument that is a domain, in lower case. */
char *
EmailArgDomain(FunctionCallInfo fcinfo, int n, const char *what)
{
	text *value;
	char domain[EMAIL_MAX_DOMAIN + 1];

	ArgRequired(fcinfo, n, what);
	value = PG_GETARG_TEXT_PP(n);
	if (VARSIZE_ANY_EXHDR(value) <= EMAIL_MAX_DOMAIN)
	{
		EmailLower(value, domain);
		if (EmailIsDomain(domain))
			return pstrdup(domain);
	}
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid %s", what),
					errdetail("It must be a domain that addresses can have."),
					errhint("Write one with other than ASCII letters in its xn-- form.")));
}

/* Whether the domain of an address is not one where everybody can have one. */
bool
EmailIsCompany(const char *email)
{
	return !OperatorListHas(&consumer_domains, strrchr(email, '@') + 1);
}

PG_FUNCTION_INFO_V1(account_add_consumer_domain);
Datum
account_add_consumer_domain(PG_FUNCTION_ARGS)
{
	OperatorListAdd(&consumer_domains, EmailArgDomain(fcinfo, 0, "domain"));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(account_remove_consumer_domain);
Datum
account_remove_consumer_domain(PG_FUNCTION_ARGS)
{
	OperatorListRemove(&consumer_domains, EmailArgDomain(fcinfo, 0, "domain"));
	PG_RETURN_VOID();
}
