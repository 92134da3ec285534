/*
 * username.h
 *		The one namespace of usernames and workspace slugs.
 */
#ifndef ACCOUNT_USERNAME_H
#define ACCOUNT_USERNAME_H

#include "postgres.h"

#include "base/catalog.h"

extern void UsernameCheck(const char *name, const char *what);
extern void UsernameTake(const char *name, const char *what, AccountRegion region);

#endif /* ACCOUNT_USERNAME_H */
