/*
 * profile_link.c
 *		Where a profile points: pages elsewhere, a website, an image.
 *
 * A page elsewhere is given by the name somebody has there or by its address,
 * with or without https:// and www., and kept as the name, with no %XX: whoever
 * shows it makes one address of it, and nothing that a person wrote decides its
 * host.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "mb/pg_wchar.h"
#include "regex/regex.h"
#include "utils/builtins.h"

#include "base/errors.h"
#include "people/email.h"
#include "people/profile.h"

#define MAX_ADDRESS 1024 /* bytes */

/* Host and rest (RFC 3986 3.2.2, 3.3 to 3.5): no user, no port, nothing that ends an attribute. */
#define ADDRESS "^https://([-.a-z0-9]+)((?:[/?#][-._~:/?#@!$&()*+,;=%a-z0-9\\[\\]]*)?)$"

/* A name in the application's store: no scheme, no host. */
#define STORED "^[a-z0-9][-._/a-z0-9]*$"

/* Letters of other alphabets than ours: no controls, marks of direction, blanks or points. */
#define OTHER_LETTER "[^\\u0001-\\u00bf\\u2000-\\u206f\\u3000\\ufeff\\ufff9-\\uffff]"

/* page ends where the name begins; both are regular expressions without capturing parentheses. */
static const struct LinkShape
{
	const char *field;
	const char *page; /* NULL: names have none */
	const char *name;
	const char *rule;
} link_shapes[] = {
	{"links_github", "github\\.com/", "[a-z0-9](?:-?[a-z0-9]){0,38}",
	 "It must be a username at GitHub or the address of its page."},
	{"links_linkedin", "(?:[a-z]{2}\\.)?linkedin\\.com/in/",
	 "(?:[-_a-z0-9]|" OTHER_LETTER "){3,100}",
	 "It must be the name of a profile at LinkedIn, what follows linkedin.com/in/, or its address."},
	{"links_x", "(?:mobile\\.)?(?:x|twitter)\\.com/", "[_a-z0-9]{1,15}",
	 "It must be a username at X or the address of its page."},
	{"links_youtube", "(?:m\\.)?youtube\\.com/@", "(?:[-_.a-z0-9]|" OTHER_LETTER "){3,30}",
	 "It must be the handle of a channel at YouTube or the address of its page."},
	{"links_scholar",
	 "scholar\\.google\\.[.a-z]{2,6}/citations\\?(?:[a-z_]+=[^&#]*&)*user=", "[-_a-z0-9]{12}",
	 "It must be a user at Google Scholar, what follows user=, or the address of its page."},
	{"links_discord", NULL, "(?=.{2,32}$)\\.?[_a-z0-9]+(?:\\.[_a-z0-9]+)*\\.?",
	 "It must be a username at Discord."},
};

pg_noreturn static void
Refuse(const PatchField *field, const char *rule)
{
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid %s", PatchPath(field)),
					errdetail("%s", rule)));
}

/* Case of ASCII letters aside; parts[1] and on are what the parentheses caught. */
static bool
Matches(const char *s, const char *pattern, regmatch_t *parts, int nparts)
{
	return RE_compile_and_execute(cstring_to_text(pattern), unconstify(char *, s), strlen(s),
								  REG_ADVANCED | REG_ICASE, C_COLLATION_OID, nparts, parts);
}

/* The engine counts in characters. */
static char *
Part(const char *s, const regmatch_t *part)
{
	const char *from = s + pg_mbcharcliplen(s, strlen(s), part->rm_so);

	return pnstrdup(from, pg_mbcharcliplen(from, strlen(from), part->rm_eo - part->rm_so));
}

/* An https address with its host in lower case; NULL when it is none. */
static char *
ReadAddress(const char *s)
{
	regmatch_t parts[3];
	char *host;
	char *rest;

	if (strlen(s) > MAX_ADDRESS || !Matches(s, ADDRESS, parts, lengthof(parts)))
		return NULL;
	host = Part(s, &parts[1]);
	rest = Part(s, &parts[2]);
	for (char *c = host; *c; c++)
		*c = pg_ascii_tolower(*c);
	if (strlen(host) > EMAIL_MAX_DOMAIN || !EmailIsDomain(host))
		return NULL;
	return psprintf("https://%s%s", host, strcmp(rest, "/") == 0 ? "" : rest);
}

/* With each %XX as the byte of UTF-8 it stands for; as it was when that is no text here. */
static char *
Decode(const char *s)
{
	char *decoded = palloc(strlen(s) + 1);
	char *to = decoded;

	for (const char *from = s; *from; to++)
	{
		unsigned int byte;

		if (*from == '%' && isxdigit((unsigned char) from[1]) && isxdigit((unsigned char) from[2]))
		{
			(void) sscanf(from + 1, "%2x", &byte);
			*to = (char) byte;
			from += 3;
		}
		else
			*to = *from++;
	}
	*to = '\0';
	if (GetDatabaseEncoding() != PG_UTF8 || !pg_verifymbstr(decoded, to - decoded, true))
		return pstrdup(s);
	return decoded;
}

/* The name in "name", "@name" or the address of its page; NULL when it is none of these. */
static char *
ReadName(const struct LinkShape *shape, const char *given)
{
	regmatch_t parts[3];
	char *pattern = psprintf("^@?(%s)$", shape->name);
	char *s;

	if (shape->page != NULL)
		pattern = psprintf("^(?:@?(%s)|(?:https?://)?(?:www\\.)?%s(%s)/?(?:[?#&].*)?)$",
						   shape->name, shape->page, shape->name);
	if (strlen(given) > MAX_ADDRESS)
		return NULL;
	s = Decode(given);
	if (!Matches(s, pattern, parts, shape->page == NULL ? 2 : 3))
		return NULL;
	return Part(s, parts[1].rm_so >= 0 ? &parts[1] : &parts[2]);
}

static void
Keep(JsonbValue *value, char *string)
{
	value->val.string.val = string;
	value->val.string.len = strlen(string);
}

void
ProfileCheckLink(const PatchField *field, JsonbValue *value)
{
	for (size_t i = 0; i < lengthof(link_shapes); i++)
	{
		const struct LinkShape *shape = &link_shapes[i];
		char *name;

		if (strcmp(shape->field, field->name) != 0)
			continue;
		name = ReadName(shape, PatchString(value));
		if (name == NULL)
			Refuse(field, shape->rule);
		Keep(value, name);
		return;
	}
	elog(ERROR, "no shape for field \"%s\"", field->name);
}

void
ProfileCheckWebsite(const PatchField *field, JsonbValue *value)
{
	char *address = ReadAddress(PatchString(value));

	if (address == NULL)
		Refuse(field,
			   "It must be an https address with a domain and no port, of at most 1024 ASCII "
			   "characters.");
	Keep(value, address);
}

void
ProfileCheckImage(const PatchField *field, JsonbValue *value)
{
	char *image = PatchString(value);
	char *address = ReadAddress(image);

	if (address != NULL)
		Keep(value, address);
	else if (strlen(image) > MAX_ADDRESS || strstr(image, "..") != NULL ||
			 !Matches(image, STORED, NULL, 0))
		Refuse(field, "It must be an https address or a name in the application's store: letters, "
					  "digits and . _ / -, at most 1024 bytes.");
}
