/*
 * principal.h
 *		Who is acting in this session, and what they may do.
 */
#ifndef ACCOUNT_PRINCIPAL_H
#define ACCOUNT_PRINCIPAL_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/array.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/catalog.h"

/*
 * One chunk of memory without pointers, so that it can travel as a setting.
 * A scopes array, when has_scopes, follows it; see PrincipalScopes().
 */
typedef struct Principal
{
	uint32 size;	  /* of the whole chunk */
	AccountRole role; /* in workspace_id, as of the last check */
	AccountProof proof;
	AccountRegion region;
	bool is_service_account; /* else a user */
	bool is_local;			 /* ends with the transaction */
	bool has_scopes;		 /* else every scope */
	pg_uuid_t actor_id;		 /* user or service account */
	pg_uuid_t workspace_id;	 /* the active workspace */
	pg_uuid_t credential_id; /* API key or session; unset when trusted */
	pg_uuid_t secret_id;	 /* the very secret of that API key */
} Principal;

#define PRINCIPAL_COLUMNS 8

extern void PrincipalInit(void);

extern Principal *PrincipalMake(const ArrayType *scopes);
extern void PrincipalSet(const Principal *principal, bool is_local, uint64 generation,
						 TimestampTz until);
extern const Principal *PrincipalCurrent(void);
extern const Principal *PrincipalRequire(void);
extern const Principal *PrincipalRequireRole(AccountRole min_role);
extern const Principal *PrincipalRequirePerson(void);

extern const ArrayType *PrincipalScopes(const Principal *principal);
extern bool PrincipalHasScope(const Principal *principal, const char *scope, size_t len);
extern void PrincipalColumns(const Principal *principal, Datum *values, bool *nulls);
extern Datum PrincipalResult(FunctionCallInfo fcinfo, const Principal *principal);

#endif /* ACCOUNT_PRINCIPAL_H */
