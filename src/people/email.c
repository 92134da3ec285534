/*
 * email.c
 *		Addresses of people.
 *
 * Stored in lower case, so that plain equality compares without regard to case.
 * The shape is the dot-atom form of RFC 5321 with at least one dot in the
 * domain, in ASCII: an internationalised domain is given in its xn-- form, so
 * that no two addresses look alike.
 */
#include "postgres.h"

#include "base/errors.h"
#include "people/email.h"

#define MAX_EMAIL 254 /* RFC 5321 4.5.3.1.3, less the angle brackets */
#define MAX_LOCAL 64
#define MAX_LABEL 63

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

static bool
IsLabel(const char *s, size_t len)
{
	if (len < 1 || len > MAX_LABEL || s[0] == '-' || s[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!IsAlnum(s[i]) && s[i] != '-')
			return false;
	return true;
}

/* Two labels or more; a number at the end would make it an IPv4 address (RFC 3696 2). */
static bool
IsDomain(const char *s)
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

/* The address in lower case; 22023 when it is none. */
char *
EmailNormalise(const text *email)
{
	size_t len = VARSIZE_ANY_EXHDR(email);
	char address[MAX_EMAIL + 1];
	char *at;

	if (len <= MAX_EMAIL)
	{
		for (size_t i = 0; i < len; i++)
			address[i] = pg_ascii_tolower(VARDATA_ANY(email)[i]);
		address[len] = '\0';
		at = strrchr(address, '@');
		if (at != NULL && IsLocal(address, at - address) && IsDomain(at + 1))
			return pstrdup(address);
	}
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid email address"),
					errhint("Write a domain with other than ASCII letters in its xn-- form.")));
}
