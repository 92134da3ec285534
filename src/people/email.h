/*
 * email.h
 *		Addresses of people.
 */
#ifndef ACCOUNT_EMAIL_H
#define ACCOUNT_EMAIL_H

#include "postgres.h"

#include "fmgr.h"

#include "base/compat.h"

#define EMAIL_MAX_DOMAIN 253 /* RFC 1035 2.3.4, less the root's */

extern char *EmailNormalise(const text *email);
extern void EmailLock(const char *email);
pg_noreturn extern void EmailTaken(const char *email);
extern void EmailRefuseTaken(const char *email);
extern void EmailLower(const text *value, char *lower);
extern bool EmailIsDomain(const char *s);
extern char *EmailArgDomain(FunctionCallInfo fcinfo, int n, const char *what);
extern bool EmailIsCompany(const char *email);

#endif /* ACCOUNT_EMAIL_H */
