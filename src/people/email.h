/*
 * email.h
 *		Addresses of people.
 */
#ifndef ACCOUNT_EMAIL_H
#define ACCOUNT_EMAIL_H

#include "postgres.h"

#include "fmgr.h"

extern char *EmailNormalise(const text *email);
extern void EmailLock(const char *email);
extern void EmailTaken(const char *email) pg_attribute_noreturn();
extern void EmailRefuseTaken(const char *email);
extern void EmailLower(const text *value, char *lower);
extern bool EmailIsDomain(const char *s);
extern char *EmailArgDomain(FunctionCallInfo fcinfo, int n, const char *what);
extern bool EmailIsCompany(const char *email);

#endif /* ACCOUNT_EMAIL_H */
