/*
 * invite_accept.c
 *		What a token invites to, and accepting it.
 *
 * A token that is unknown, replaced or cancelled has no row in invite_tokens:
 * P0002.  One that expired or was used up is 55000.  Everything is decided
 * under the workspace's lock, so an invite is accepted once.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "access/counter.h"
#include "access/event.h"
#include "access/role.h"
#include "access/token.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "workspace/invite.h"
#include "workspace/member.h"

/* What a token stands for: an invite by email or a link. */
typedef struct Offer
{
	pg_uuid_t workspace_id;
	pg_uuid_t id;
	bool is_link;
	char *email;  /* of an invite by email */
	char *domain; /* of a link that is for one */
	AccountRole role;
	pg_uuid_t inviter;
	TimestampTz expires_at;
	bool is_used;
} Offer;

#define FIND_OFFER                                                                                 \
	"SELECT t.workspace_id, t.invite_id, t.is_link, i.email, l.allowed_domain,"                    \
	"  coalesce(i.role, l.role), coalesce(i.invited_by, l.created_by),"                            \
	"  coalesce(i.expires_at, l.expires_at), i.accepted_at IS NOT NULL OR l.uses = l.max_uses"     \
	" FROM account_data.invite_tokens t"                                                           \
	" LEFT JOIN account_data.invites i ON NOT t.is_link"                                           \
	"  AND i.workspace_id = t.workspace_id AND i.id = t.invite_id"                                 \
	" LEFT JOIN account_data.invite_links l ON t.is_link"                                          \
	"  AND l.workspace_id = t.workspace_id AND l.id = t.invite_id"                                 \
	" WHERE t.digest = $1"

static Statement show_offer = {.types = "bytea", .mode = QUERY_READ, .sql = FIND_OFFER};
static Statement find_offer = {.types = "bytea", .mode = QUERY_FRESH, .sql = FIND_OFFER};

static Statement describe_offer = {
	.types = "uuid, uuid",
	.mode = QUERY_READ,
	.sql = "SELECT w.name, p.name FROM account_data.workspaces w"
		   " LEFT JOIN account_data.users u ON u.id = $2"
		   " LEFT JOIN account_data.workspaces p ON p.id = u.personal_workspace_id"
		   " WHERE w.id = $1",
};

static Statement has_address = {
	.types = "uuid, text",
	.mode = QUERY_FRESH,
	.sql = "SELECT true FROM account_data.emails"
		   " WHERE user_id = $1 AND email = $2 AND verified_at IS NOT NULL",
};

static Statement has_domain = {
	.types = "uuid, text",
	.mode = QUERY_FRESH,
	.sql = "SELECT true FROM account_data.emails"
		   " WHERE user_id = $1 AND split_part(email, '@', 2) = $2 AND verified_at IS NOT NULL"
		   " LIMIT 1",
};

static Statement accept_invite = {
	.types = "uuid, uuid, uuid, timestamptz",
	.mode = QUERY_FRESH,
	.sql = "UPDATE account_data.invites SET accepted_at = $4, accepted_by = $3"
		   " WHERE workspace_id = $1 AND id = $2",
};

static Statement use_link = {
	.types = "uuid, uuid",
	.mode = QUERY_FRESH,
	.sql = "UPDATE account_data.invite_links SET uses = uses + 1"
		   " WHERE workspace_id = $1 AND id = $2",
};

static void
RefuseUnknown(void)
{
	CounterAdd(COUNTER_INVITE_NOT_FOUND);
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_NOT_FOUND), errmsg("invite does not exist")));
}

static Offer
FindOffer(Statement *find, bytea *digest)
{
	NullableDatum args[1] = {ArgPointer(digest)};
	NullableDatum row[9];

	if (digest == NULL || !QueryRow(find, args, row, 9) || row[5].isnull)
		RefuseUnknown();
	return (Offer){
		.workspace_id = *DatumGetUUIDP(row[0].value),
		.id = *DatumGetUUIDP(row[1].value),
		.is_link = DatumGetBool(row[2].value),
		.email = row[3].isnull ? NULL : TextDatumGetCString(row[3].value),
		.domain = row[4].isnull ? NULL : TextDatumGetCString(row[4].value),
		.role = CatalogEnumMember(ENUM_ROLE, DatumGetObjectId(row[5].value)),
		.inviter = *DatumGetUUIDP(row[6].value),
		.expires_at = DatumGetTimestampTz(row[7].value),
		.is_used = !row[8].isnull && DatumGetBool(row[8].value),
	};
}

static void
RefuseEnded(const Offer *offer)
{
	if (offer->is_used)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("invite has been used already")));
	if (offer->expires_at <= GetCurrentStatementStartTimestamp())
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("invite is expired"),
						errhint("Ask an admin of the team to send it again.")));
}

static bytea *
ArgToken(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : TokenDigest(INVITE_PREFIX, PG_GETARG_DATUM(n));
}

static Datum
InviteInfo(FunctionCallInfo fcinfo)
{
	Offer offer = FindOffer(&show_offer, ArgToken(fcinfo, 0));
	NullableDatum args[2] = {ArgUuid(&offer.workspace_id), ArgUuid(&offer.inviter)};
	NullableDatum row[2];
	Datum values[4];
	bool nulls[4] = {false, false, false, false};

	RefuseEnded(&offer);
	if (!QueryRow(&describe_offer, args, row, 2))
		RefuseUnknown();
	values[0] = row[0].value;
	values[1] = ObjectIdGetDatum(CatalogEnumOid(ENUM_ROLE, offer.role));
	values[2] = row[1].value;
	nulls[2] = row[1].isnull;
	values[3] = TimestampTzGetDatum(offer.expires_at);
	return ResultRow(fcinfo, values, nulls);
}

/*
 * (team, role, inviter, expires_at) for whoever holds the token.  Every error here
 * and in the next hides the statement: the token in it may be good for another try.
 */
PG_FUNCTION_INFO_V1(account_invite_info);
Datum
account_invite_info(PG_FUNCTION_ARGS)
{
	ErrorContextCallback hide;
	Datum info;

	ErrorHideStatement(&hide);
	info = InviteInfo(fcinfo);
	ErrorShowStatement(&hide);
	PG_RETURN_DATUM(info);
}

/* Who invited must still be allowed to. */
static void
RequireInviter(const Workspace *team, const Offer *offer)
{
	Membership inviter = MembershipOf(&team->id, &offer->inviter);

	if (!inviter.is_member ||
		!InviteAllowed(inviter.role, team->members_can_invite && !offer->is_link, offer->role))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("invite is no longer valid"),
						errdetail("Who made it may not invite to this team any more.")));
}

/* The invited address, or one of the link's domain, must be the person's own. */
static void
RequireAddress(const Principal *p, const Offer *offer)
{
	const char *wanted = offer->is_link ? offer->domain : offer->email;
	NullableDatum args[2] = {ArgUuid(&p->actor_id), ArgText(wanted)};
	NullableDatum row[1];

	if (wanted != NULL && !QueryRow(offer->is_link ? &has_domain : &has_address, args, row, 1))
		ErrorDenied(offer->is_link
						? "This link is for people with a verified address of its domain."
						: "This invite is for a verified address that is not yours.");
}

static void
UseOffer(const Principal *p, const Offer *offer)
{
	NullableDatum args[4] = {ArgUuid(&offer->workspace_id), ArgUuid(&offer->id),
							 ArgUuid(&p->actor_id), ArgTime(GetCurrentStatementStartTimestamp())};

	QueryRun(offer->is_link ? &use_link : &accept_invite, args);
}

static pg_uuid_t *
AcceptInvite(FunctionCallInfo fcinfo)
{
	const Principal *p = PrincipalRequirePerson();
	bytea *digest = ArgToken(fcinfo, 0);
	Offer offer = FindOffer(&find_offer, digest);
	Workspace team = WorkspaceLock(&offer.workspace_id);
	pg_uuid_t *result = palloc(sizeof(pg_uuid_t));

	offer = FindOffer(&find_offer, digest);
	RefuseEnded(&offer);
	RequireInviter(&team, &offer);
	RequireAddress(p, &offer);
	UseOffer(p, &offer);
	MemberJoin(&team, &p->actor_id, offer.role);
	*result = team.id;
	return result;
}

PG_FUNCTION_INFO_V1(account_accept_invite);
Datum
account_accept_invite(PG_FUNCTION_ARGS)
{
	ErrorContextCallback hide;
	pg_uuid_t *team_id;

	ErrorHideStatement(&hide);
	team_id = AcceptInvite(fcinfo);
	ErrorShowStatement(&hide);
	PG_RETURN_UUID_P(team_id);
}

/* AFTER DELETE on invites and invite_links */
PG_FUNCTION_INFO_V1(account_invite_deleted);
Datum
account_invite_deleted(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = ArgTrigger(fcinfo);
	TupleDesc desc = RelationGetDescr(trigger->tg_relation);
	bool isnull;
	Datum workspace_id = heap_getattr(trigger->tg_trigtuple, 1, desc, &isnull);
	Datum id = heap_getattr(trigger->tg_trigtuple, 2, desc, &isnull);

	InviteForgetToken(DatumGetUUIDP(workspace_id), DatumGetUUIDP(id));
	PG_RETURN_POINTER(NULL);
}
