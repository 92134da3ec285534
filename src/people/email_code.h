/*
 * email_code.h
 *		Codes that prove an address.
 */
#ifndef ACCOUNT_EMAIL_CODE_H
#define ACCOUNT_EMAIL_CODE_H

#include "postgres.h"

#include "utils/uuid.h"

/* Whose address; their personal workspace seals the code. */
typedef struct Person
{
	pg_uuid_t user_id;
	pg_uuid_t workspace_id;
	const char *username;
} Person;

extern bool EmailCodeTrySend(const Person *person, const char *email);
extern void EmailCodeSend(const Person *person, const char *email);
extern void EmailCodeForget(const pg_uuid_t *user_id, const char *email);
extern void EmailCodeCount(const pg_uuid_t *user_id, const char *email, pg_uuid_t *id);
extern void EmailCodeCheck(const Person *person, const char *email, const pg_uuid_t *id,
						   const text *code);

#endif /* ACCOUNT_EMAIL_CODE_H */
