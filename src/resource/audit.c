/*
 * audit.c
 *		Following the hash chain of a workspace's events.
 *
 * It begins with the first link, or with the last that retention.c pruned.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "access/event_chain.h"
#include "base/args.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"

/* Every link with its events in their order; digests computed anew beside those stored. */
static Statement read_chain = {
	.types = "uuid",
	.mode = QUERY_READ,
	.sql =
		"SELECT l.seq, l.event_count, l.events_digest, l.digest, l.pruned_at IS NOT NULL, e.digest,"
		"  e.redacted_at IS NOT NULL OR e.digest = account_data.event_digest(e.workspace_id, e.id,"
		"   e.at, e.actor_kind, e.actor_id, e.database_role, e.via, e.credential_id,"
		"   e.resource_type, e.resource_id, e.resource_name, e.action, e.description, e.metadata,"
		"   e.client_addr), e.id,"
		"  l.digest = sha256(coalesce(before.digest, '') || l.events_digest)"
		" FROM account_data.event_links l"
		" LEFT JOIN account_data.event_links before"
		"  ON before.workspace_id = l.workspace_id AND before.seq = l.seq - 1"
		" LEFT JOIN account_data.events e ON e.workspace_id = l.workspace_id AND e.link_id = l.id"
		" WHERE l.workspace_id = $1 ORDER BY l.seq, e.id",
};

/* Events that no link knows. */
static Statement find_loose = {
	.types = "uuid",
	.mode = QUERY_READ,
	.sql = "SELECT e.link_id, e.id FROM account_data.events e WHERE e.workspace_id = $1"
		   " AND NOT EXISTS (SELECT FROM account_data.event_links l"
		   "  WHERE l.workspace_id = $1 AND l.id = e.link_id)",
};

/* Events outlive their workspace. */
static Statement find_workspace = {
	.types = "uuid",
	.mode = QUERY_READ,
	.by_index = true,
	.sql = "SELECT true WHERE EXISTS (SELECT FROM account_data.workspaces WHERE id = $1)"
		   " OR EXISTS (SELECT FROM account_data.events WHERE workspace_id = $1)",
};

typedef struct Chain
{
	int64 seq; /* of the link being read */
	int64 links;
	int64 events;
	int64 expected; /* events of that link */
	int64 found;
	uint8 hash[CRYPTO_SHA256_LEN];
	uint8 expected_hash[CRYPTO_SHA256_LEN];
	uint8 digest[CRYPTO_SHA256_LEN];
	bool is_pruned; /* the link's events are gone: retention was over */
	int64 pruned_through;
	char problem[200]; /* the first; empty: none */
} Chain;

static void pg_attribute_printf(2, 3) Problem(Chain *chain, const char *format, ...)
{
	va_list args;

	if (chain->problem[0] != '\0')
		return;
	va_start(args, format);
	vsnprintf(chain->problem, sizeof(chain->problem), format, args);
	va_end(args);
}

static void
CopyDigest(uint8 *to, Datum value)
{
	bytea *digest = DatumGetByteaPP(value);

	if (VARSIZE_ANY_EXHDR(digest) == CRYPTO_SHA256_LEN)
		memcpy(to, VARDATA_ANY(digest), CRYPTO_SHA256_LEN);
}

/* The link's events were read: they must be as many, and hash to the same. */
static void
EndLink(Chain *chain)
{
	if (chain->seq == 0)
		return;
	if (chain->is_pruned)
		chain->expected = 0;
	if (chain->found != chain->expected)
		Problem(chain, "link %lld has %lld events, not %lld", (long long) chain->seq,
				(long long) chain->found, (long long) chain->expected);
	else if (!chain->is_pruned && memcmp(chain->hash, chain->expected_hash, CRYPTO_SHA256_LEN) != 0)
		Problem(chain, "the events of link %lld are not those that were written",
				(long long) chain->seq);
}

static void
BeginLink(Chain *chain, const NullableDatum *row)
{
	int64 seq = DatumGetInt64(row[0].value);
	bool is_first = chain->seq == 0;

	EndLink(chain);
	chain->is_pruned = DatumGetBool(row[4].value);
	if (is_first && chain->is_pruned)
		chain->pruned_through = seq;
	else
	{
		if (seq != chain->seq + 1)
			Problem(chain, "link %lld is missing", (long long) chain->seq + 1);
		if (!DatumGetBool(row[8].value))
			Problem(chain, "link %lld does not follow the one before", (long long) seq);
		if (chain->is_pruned)
			Problem(chain, "link %lld was not pruned from the beginning", (long long) seq);
		chain->links++;
	}
	chain->seq = seq;
	chain->expected = DatumGetInt64(row[1].value);
	chain->found = 0;
	memset(chain->hash, 0, CRYPTO_SHA256_LEN);
	CopyDigest(chain->expected_hash, row[2].value);
	CopyDigest(chain->digest, row[3].value);
}

static void
ReadEvent(const NullableDatum *row, void *state)
{
	Chain *chain = state;
	uint8 both[2 * CRYPTO_SHA256_LEN] = {0};

	if (DatumGetInt64(row[0].value) != chain->seq)
		BeginLink(chain, row);
	if (row[5].isnull)
		return;
	if (!DatumGetBool(row[6].value))
		Problem(chain, "event %s is not what was written", UuidText(DatumGetUUIDP(row[7].value)));
	memcpy(both, chain->hash, CRYPTO_SHA256_LEN);
	CopyDigest(both + CRYPTO_SHA256_LEN, row[5].value);
	if (!CryptoSha256(both, sizeof(both), chain->hash))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute a digest")));
	chain->found++;
	chain->events++;
}

static void
ReadLoose(const NullableDatum *row, void *state)
{
	if (!EventChainIsOpen(DatumGetUUIDP(row[0].value)))
		Problem(state, "event %s is in no link", UuidText(DatumGetUUIDP(row[1].value)));
}

PG_FUNCTION_INFO_V1(account_verify_activity);
Datum
account_verify_activity(PG_FUNCTION_ARGS)
{
	Chain chain = {0};
	NullableDatum args[1];
	NullableDatum row[1];
	Datum values[6];
	bool nulls[6] = {false};

	ArgRequired(fcinfo, 0, "workspace_id");
	args[0] = ArgDatum(PG_GETARG_DATUM(0));
	QueryEach(&read_chain, args, 9, ReadEvent, &chain);
	EndLink(&chain);
	/* what was mistyped must not look proven */
	if (chain.seq == 0 && !QueryRow(&find_workspace, args, row, 1))
		ErrorNotFound("workspace", PG_GETARG_UUID_P(0));
	QueryEach(&find_loose, args, 2, ReadLoose, &chain);
	values[0] = BoolGetDatum(chain.problem[0] == '\0');
	values[1] = Int64GetDatum(chain.links);
	values[2] = Int64GetDatum(chain.events);
	values[3] = ArgBytes(chain.digest, CRYPTO_SHA256_LEN).value;
	nulls[3] = chain.seq == 0;
	values[4] = CStringGetTextDatum(chain.problem);
	nulls[4] = chain.problem[0] == '\0';
	values[5] = Int64GetDatum(chain.pruned_through);
	nulls[5] = chain.pruned_through == 0;
	PG_RETURN_DATUM(ResultRow(fcinfo, values, nulls));
}
