/*
 * password.h
 *		Hashes of passwords.
 */
#ifndef ACCOUNT_PASSWORD_H
#define ACCOUNT_PASSWORD_H

#include "postgres.h"

extern void PasswordInit(void);
extern char *PasswordHash(const text *password);

#endif /* ACCOUNT_PASSWORD_H */
