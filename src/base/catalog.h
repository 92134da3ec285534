/*
 * catalog.h
 *		Object ids of what the script created: schemas, their owner, enums.
 *
 * Everything is looked up once a backend and again after the extension was
 * dropped, created again or given to another owner.  Who keeps something that
 * was derived from it compares CatalogGeneration().
 */
#ifndef ACCOUNT_CATALOG_H
#define ACCOUNT_CATALOG_H

#include "postgres.h"

typedef enum
{
	ENUM_ROLE,
	ENUM_PROOF,
	ENUM_REGION,
	ENUM_WORKSPACE_KIND,
	ENUM_TRANSACTION_TYPE,
} CatalogEnum;

#define CATALOG_ENUMS 5

typedef enum
{
	ROLE_VIEWER,
	ROLE_EDITOR,
	ROLE_ADMIN,
	ROLE_OWNER,
} AccountRole;

typedef enum
{
	PROOF_SESSION,
	PROOF_API_KEY,
	PROOF_TRUSTED,
} AccountProof;

typedef enum
{
	REGION_US,
	REGION_EU,
	REGION_AP,
} AccountRegion;

typedef enum
{
	WORKSPACE_PERSONAL,
	WORKSPACE_TEAM,
} WorkspaceKind;

typedef enum
{
	TRANSACTION_SIGNUP,
	TRANSACTION_PURCHASE,
	TRANSACTION_SUBSCRIPTION,
	TRANSACTION_MONTHLY_GRANT,
	TRANSACTION_USAGE,
	TRANSACTION_REFUND,
	TRANSACTION_ADJUSTMENT,
	TRANSACTION_PROMO,
	TRANSACTION_REFERRAL,
	TRANSACTION_AUTO_TOP_UP,
	TRANSACTION_AUTO_TOP_UP_FAILED,
	TRANSACTION_EXPIRY,
	TRANSACTION_HOLD,
	TRANSACTION_SETTLE,
	TRANSACTION_RELEASE,
} TransactionType;

extern void CatalogInit(void);
extern uint64 CatalogGeneration(void);
extern Oid CatalogOwner(void);
extern Oid CatalogTable(const char *name);
extern Oid CatalogDoors(void);
extern Oid CatalogEnumOid(CatalogEnum type, int member);
extern int CatalogEnumMember(CatalogEnum type, Oid oid);
extern const char *CatalogEnumLabel(CatalogEnum type, int member);
extern int CatalogEnumFromLabel(CatalogEnum type, const char *label);

#endif /* ACCOUNT_CATALOG_H */
