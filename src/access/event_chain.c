/*
 * event_chain.c
 *		The hash chain of each workspace's events.
 *
 * A transaction hashes the digests of its events one after another and, just
 * before it commits, adds one link for each workspace.  Only then does it take
 * the lock of the workspace's chain, in the order of workspaces and after every
 * other lock, so that chains neither fork nor make anybody wait for a deadlock.
 * Where somebody waits for that lock it is not held while the commit is flushed:
 * see early_release.c.
 *
 * The running hash follows savepoints: what was rolled back is in no link.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "access/early_release.h"
#include "access/event_chain.h"
#include "base/args.h"
#include "base/catalog.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/lookup.h"
#include "base/mutex.h"
#include "base/query.h"
#include "base/uuid.h"
#include "base/write.h"

/* A workspace's link as of one nesting level of the transaction. */
typedef struct Running
{
	struct Running *outer; /* as it was before that level changed it */
	int level;
	int64 count;
	uint8 hash[CRYPTO_SHA256_LEN];
} Running;

typedef struct Link
{
	struct Link *next;
	pg_uuid_t workspace_id;
	pg_uuid_t id;
	Running *running;
} Link;

static Link *links = NULL; /* of this transaction, in TopTransactionContext */

/* The columns of account_data.event_links. */
enum
{
	LINK_WORKSPACE_ID,
	LINK_SEQ,
	LINK_ID,
	LINK_EVENT_COUNT,
	LINK_EVENTS_DIGEST,
	LINK_DIGEST,
	LINK_PRUNED_AT,
	LINK_COLUMNS
};

static Table event_links = {.name = "event_links", .ncolumns = LINK_COLUMNS};
static Lookup last_link = {
	.table = "event_links",
	.index = "event_links_pkey",
	.is_backward = true,
	.lock = RowExclusiveLock,
};

static Link *
LinkOf(const pg_uuid_t *workspace_id)
{
	Link *link;

	for (link = links; link != NULL; link = link->next)
		if (UuidEqual(&link->workspace_id, workspace_id))
			return link;
	link = MemoryContextAllocZero(TopTransactionContext, sizeof(Link));
	link->workspace_id = *workspace_id;
	UuidNew(&link->id);
	link->next = links;
	links = link;
	return link;
}

/* The link that events of this transaction will be in. */
const pg_uuid_t *
EventChainLink(const pg_uuid_t *workspace_id)
{
	return &LinkOf(workspace_id)->id;
}

/* Whether that is a link which this transaction has yet to write. */
bool
EventChainIsOpen(const pg_uuid_t *link_id)
{
	for (Link *link = links; link != NULL; link = link->next)
		if (UuidEqual(&link->id, link_id))
			return true;
	return false;
}

static void
RaiseNoDigest(void)
{
	ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute a digest")));
}

/* Replaces a hash by that of itself and what comes next. */
static void
HashOn(uint8 hash[CRYPTO_SHA256_LEN], const uint8 next[CRYPTO_SHA256_LEN])
{
	uint8 both[2 * CRYPTO_SHA256_LEN];

	memcpy(both, hash, CRYPTO_SHA256_LEN);
	memcpy(both + CRYPTO_SHA256_LEN, next, CRYPTO_SHA256_LEN);
	if (!CryptoSha256(both, sizeof(both), hash))
		RaiseNoDigest();
}

void
EventChainAdd(const pg_uuid_t *workspace_id, const uint8 digest[CRYPTO_SHA256_LEN])
{
	Link *link = LinkOf(workspace_id);
	int level = GetCurrentTransactionNestLevel();
	Running *running = link->running;

	if (running == NULL || running->level < level)
	{
		running = MemoryContextAllocZero(TopTransactionContext, sizeof(Running));
		if (link->running != NULL)
			*running = *link->running;
		running->outer = link->running;
		running->level = level;
		link->running = running;
	}
	HashOn(running->hash, digest);
	running->count++;
}

/* The last link from a number on: its number, or 0, and its digest. */
static int64
LastLinkFrom(const pg_uuid_t *workspace_id, int64 from, uint8 digest[CRYPTO_SHA256_LEN])
{
	ScanKeyData keys[2];
	LookupScan scan;
	TupleTableSlot *slot;
	int64 seq = 0;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(workspace_id));
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(from));
	slot = LookupBegin(&scan, &last_link, keys, 2, true);
	if (slot != NULL)
	{
		slot_getallattrs(slot);
		seq = DatumGetInt64(slot->tts_values[LINK_SEQ]);
		memcpy(digest, VARDATA_ANY(DatumGetByteaPP(slot->tts_values[LINK_DIGEST])),
			   CRYPTO_SHA256_LEN);
	}
	LookupEnd(&scan);
	return seq;
}

/*
 * A scan reads all of a leaf page that matches, so it starts from the link that
 * this backend saw last in the workspace it wrote to last.
 */
static int64
LastLink(const pg_uuid_t *workspace_id, uint8 digest[CRYPTO_SHA256_LEN])
{
	static pg_uuid_t seen_in;
	static int64 seen = 0;
	int64 seq = 0;

	if (seen > 0 && UuidEqual(&seen_in, workspace_id))
		seq = LastLinkFrom(workspace_id, seen, digest);
	if (seq == 0)
		seq = LastLinkFrom(workspace_id, 1, digest);
	seen_in = *workspace_id;
	seen = seq;
	return seq;
}

static void
WriteLink(const Link *link)
{
	const uint8 *events = link->running->hash;
	uint8 digest[CRYPTO_SHA256_LEN];
	NullableDatum row[LINK_COLUMNS];
	int64 seq;

	if (MutexLock(MUTEX_CHAIN, &link->workspace_id))
		EarlyReleaseContended();
	seq = LastLink(&link->workspace_id, digest);
	if (seq > 0)
		HashOn(digest, events);
	else if (!CryptoSha256(events, CRYPTO_SHA256_LEN, digest))
		RaiseNoDigest();
	row[LINK_WORKSPACE_ID] = ArgUuid(&link->workspace_id);
	row[LINK_SEQ] = ArgDatum(Int64GetDatum(seq + 1));
	row[LINK_ID] = ArgUuid(&link->id);
	row[LINK_EVENT_COUNT] = ArgDatum(Int64GetDatum(link->running->count));
	row[LINK_EVENTS_DIGEST] = ArgBytes(events, CRYPTO_SHA256_LEN);
	row[LINK_DIGEST] = ArgBytes(digest, CRYPTO_SHA256_LEN);
	row[LINK_PRUNED_AT] = ArgNull();
	InsertRow(&event_links, row);
}

/* The link of the smallest workspace after one, of those that have events. */
static const Link *
NextLink(const Link *after)
{
	const Link *next = NULL;

	for (const Link *link = links; link != NULL; link = link->next)
		if (link->running != NULL &&
			(after == NULL || memcmp(&link->workspace_id, &after->workspace_id, UUID_LEN) > 0) &&
			(next == NULL || memcmp(&link->workspace_id, &next->workspace_id, UUID_LEN) < 0))
			next = link;
	return next;
}

static void
WriteLinks(void)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	for (const Link *link = NextLink(NULL); link != NULL; link = NextLink(link))
		WriteLink(link);
	PopActiveSnapshot();
}

static void
AtTransactionEnd(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (NextLink(NULL) != NULL)
			{
				WriteLinks();
				EarlyRelease();
			}
			links = NULL;
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (NextLink(NULL) != NULL)
				WriteLinks();
			links = NULL;
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
			links = NULL;
			break;
		default:
			break;
	}
}

/* What a savepoint did is as if its parent had done it, or as if it were not. */
static void
AtSavepointEnd(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	int level = GetCurrentTransactionNestLevel();

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	for (Link *link = links; link != NULL; link = link->next)
	{
		Running *running = link->running;

		if (running == NULL || running->level < level)
			continue;
		if (event == SUBXACT_EVENT_ABORT_SUB)
			link->running = running->outer;
		else
		{
			running->level = level - 1;
			if (running->outer != NULL && running->outer->level == level - 1)
				running->outer = running->outer->outer;
		}
	}
}

/* Nothing but a statement of the extension's own changes or deletes an event or a link. */
PG_FUNCTION_INFO_V1(account_event_guard);
Datum
account_event_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = ArgTrigger(fcinfo);

	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event) || !InLocalUserIdChange() ||
		GetUserId() != CatalogOwner())
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("events cannot be changed or deleted"),
						errhint("account.activity_retention says how long they are kept.")));
	return PointerGetDatum(NULL);
}

void
EventChainInit(void)
{
	RegisterXactCallback(AtTransactionEnd, NULL);
	RegisterSubXactCallback(AtSavepointEnd, NULL);
}
