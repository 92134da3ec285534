/*
 * errors.h
 *		The SQLSTATEs that a client of the extension may branch on.
 *
 * 00-overview lists them; the PTnnn ones also become that HTTP status in
 * PostgREST.
 */
#ifndef ACCOUNT_ERRORS_H
#define ACCOUNT_ERRORS_H

#include "postgres.h"

#include "utils/errcodes.h"
#include "utils/uuid.h"

#include "base/compat.h"

#define ERRCODE_ACCOUNT_NOT_SIGNED_IN ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION /* 28000 */
#define ERRCODE_ACCOUNT_DENIED ERRCODE_INSUFFICIENT_PRIVILEGE					  /* 42501 */
#define ERRCODE_ACCOUNT_NOT_FOUND MAKE_SQLSTATE('P', '0', '0', '0', '2')
#define ERRCODE_ACCOUNT_TAKEN ERRCODE_UNIQUE_VIOLATION						 /* 23505 */
#define ERRCODE_ACCOUNT_INVALID ERRCODE_INVALID_PARAMETER_VALUE				 /* 22023 */
#define ERRCODE_ACCOUNT_WRONG_STATE ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE /* 55000 */
#define ERRCODE_ACCOUNT_PAYMENT MAKE_SQLSTATE('P', 'T', '4', '0', '2')
#define ERRCODE_ACCOUNT_TOO_MANY MAKE_SQLSTATE('P', 'T', '4', '2', '9')

/*
 * Between the two no error, whoever raises it, writes the statement to the log:
 * it may hold a secret as a literal.  An error ends it as well.
 */
extern void ErrorHideStatement(ErrorContextCallback *hide);
extern void ErrorShowStatement(const ErrorContextCallback *hide);

pg_noreturn extern void ErrorNotSignedIn(void);
pg_noreturn extern void ErrorDenied(const char *detail);
pg_noreturn extern void ErrorNotFound(const char *kind, const pg_uuid_t *id);

#endif /* ACCOUNT_ERRORS_H */
