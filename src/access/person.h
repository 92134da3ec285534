/*
 * person.h
 *		Letting a person act.
 */
#ifndef ACCOUNT_PERSON_H
#define ACCOUNT_PERSON_H

#include "postgres.h"

#include "utils/uuid.h"

#include "access/principal.h"

extern bool PersonEnter(Principal *principal, const pg_uuid_t *user_id,
						const pg_uuid_t *workspace_id, TimestampTz *until);

#endif /* ACCOUNT_PERSON_H */
