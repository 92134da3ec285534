/*
 * email.h
 *		Addresses of people.
 */
#ifndef ACCOUNT_EMAIL_H
#define ACCOUNT_EMAIL_H

#include "postgres.h"

#include "fmgr.h"

extern char *EmailNormalise(const text *email);

#endif /* ACCOUNT_EMAIL_H */
