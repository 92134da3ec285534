/*
 * user.h
 *		People.
 */
#ifndef ACCOUNT_USER_H
#define ACCOUNT_USER_H

#include "postgres.h"

#define USER_MAX_DISPLAY_NAME 100 /* characters */

extern void UserInit(void);

#endif /* ACCOUNT_USER_H */
