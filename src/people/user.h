/*
 * user.h
 *		People.
 */
#ifndef ACCOUNT_USER_H
#define ACCOUNT_USER_H

#include "postgres.h"

extern void UserInit(void);

#endif /* ACCOUNT_USER_H */
