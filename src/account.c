/*
 * account.c
 *		The account side of a SaaS product, in the database.
 *
 * Start with access/principal.c (who is acting), then access/api_key_proof.c
 * (proving it) and any door of a domain.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"

#include "access/api_key.h"
#include "access/counter.h"
#include "access/early_release.h"
#include "access/event_chain.h"
#include "access/outbox.h"
#include "access/password.h"
#include "access/principal.h"
#include "access/role.h"
#include "access/session.h"
#include "base/catalog.h"
#include "base/keyring.h"
#include "base/lookup.h"
#include "base/shmem.h"
#include "base/write.h"
#include "people/user.h"
#include "resource/retention.h"
#include "resource/shape.h"
#include "resource/trash.h"
#include "resource/watch.h"

PG_MODULE_MAGIC;

void _PG_init(void);

void
_PG_init(void)
{
	ShmemInit();
	CatalogInit();
	LookupInit();
	WriteInit();
	KeyringInit();
	CounterInit();
	PrincipalInit();
	RoleInit();
	SessionInit();
	ApiKeyInit();
	OutboxInit();
	PasswordInit();
	UserInit();
	EarlyReleaseInit();
	EventChainInit();
	ShapeInit();
	TrashInit();
	WatchInit();
	RetentionInit();
	MarkGUCPrefixReserved("account");
}
