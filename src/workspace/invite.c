/*
 * invite.c
 *		Inviting people to a team: by email, which reserves a seat, or by a link.
 *
 * A token is in clear only in the message that carries it, or in the result of
 * create_invite_link; invite_tokens holds its digest.  When a token is replaced or
 * cancelled, a message that still waits with it is withdrawn.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "access/event.h"
#include "access/outbox.h"
#include "access/token.h"
#include "base/args.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "people/email.h"
#include "workspace/invite.h"

#define INVITE_LASTS (14 * USECS_PER_DAY)
#define MAX_USES 10000

static Statement find_member = {
	.types = "uuid, text",
	.mode = QUERY_FRESH,
	.sql = "SELECT true FROM account_data.emails e JOIN account_data.members m"
		   "  ON m.workspace_id = $1 AND m.user_id = e.user_id"
		   " WHERE e.email = $2 AND e.verified_at IS NOT NULL",
};

/* An expired invite makes room for a new one; one that still holds does not. */
static Statement cancel_expired = {
	.types = "uuid, text, timestamptz",
	.mode = QUERY_FRESH,
	.sql = "UPDATE account_data.invites SET cancelled_at = $3"
		   " WHERE workspace_id = $1 AND email = $2 AND accepted_at IS NULL"
		   "  AND cancelled_at IS NULL AND expires_at <= $3 RETURNING id",
};

static Statement insert_invite = {
	.types = "uuid, uuid, text, account.role, uuid, timestamptz, timestamptz",
	.mode = QUERY_FRESH,
	.sql =
		"INSERT INTO account_data.invites (workspace_id, id, email, role, invited_by, created_at,"
		"  expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
		" ON CONFLICT (workspace_id, email) WHERE accepted_at IS NULL AND cancelled_at IS NULL"
		" DO NOTHING",
};

static Statement insert_link = {
	.types = "uuid, uuid, account.role, integer, text, uuid, timestamptz, timestamptz",
	.sql =
		"INSERT INTO account_data.invite_links (workspace_id, id, role, max_uses, allowed_domain,"
		"  created_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
};

static Statement insert_token = {
	.types = "bytea, uuid, uuid, boolean, uuid",
	.sql = "INSERT INTO account_data.invite_tokens (digest, workspace_id, invite_id, is_link,"
		   "  message_id) VALUES ($1, $2, $3, $4, $5)",
};

static Statement delete_token = {
	.types = "uuid, uuid",
	.mode = QUERY_FRESH,
	.sql = "DELETE FROM account_data.invite_tokens WHERE workspace_id = $1 AND invite_id = $2"
		   " RETURNING message_id",
};

static Statement lock_invite = {
	.types = "uuid, uuid",
	.mode = QUERY_FRESH,
	.sql = "SELECT email, role, accepted_at IS NOT NULL, cancelled_at IS NOT NULL, expires_at"
		   " FROM account_data.invites WHERE workspace_id = $1 AND id = $2 FOR UPDATE",
};

/* Whoever sends it again is who invites. */
static Statement renew_invite = {
	.types = "uuid, uuid, timestamptz, uuid",
	.mode = QUERY_FRESH,
	.sql = "UPDATE account_data.invites SET expires_at = $3, invited_by = $4"
		   " WHERE workspace_id = $1 AND id = $2",
};

static Statement cancel_invite = {
	.types = "uuid, uuid, timestamptz",
	.mode = QUERY_FRESH,
	.sql = "UPDATE account_data.invites SET cancelled_at = $3 WHERE workspace_id = $1 AND id = $2",
};

static Statement cancel_link = {
	.types = "uuid, uuid, timestamptz",
	.mode = QUERY_FRESH,
	.sql = "UPDATE account_data.invite_links l SET cancelled_at = coalesce(l.cancelled_at, $3)"
		   " FROM account_data.invite_links old"
		   " WHERE l.workspace_id = $1 AND l.id = $2 AND old.workspace_id = $1 AND old.id = $2"
		   " RETURNING old.cancelled_at IS NULL",
};

static Statement find_display_name = {
	.types = "uuid",
	.sql = "SELECT w.name FROM account_data.users u"
		   " JOIN account_data.workspaces w ON w.id = u.personal_workspace_id WHERE u.id = $1",
};

/* An invite by email, locked. */
typedef struct Invite
{
	pg_uuid_t id;
	char *email;
	AccountRole role;
	bool is_accepted;
	bool is_cancelled;
	TimestampTz expires_at;
} Invite;

/*
 * Whether somebody of that role may invite to that role: admins to viewer and
 * editor, the owner to admin too, others only if the team lets them, and to no
 * more than they are.
 */
bool
InviteAllowed(AccountRole inviter, bool members_can_invite, AccountRole invited)
{
	if (invited >= ROLE_ADMIN)
		return inviter == ROLE_OWNER && invited == ROLE_ADMIN;
	if (inviter >= ROLE_ADMIN)
		return true;
	return members_can_invite && inviter >= ROLE_EDITOR && invited <= inviter;
}

static void
WriteEvent(const Workspace *team, const pg_uuid_t *id, const char *email, const char *action)
{
	EventWrite(&(Event){.workspace_id = &team->id,
						.resource_type = "invite",
						.resource_id = id,
						.resource_name = email,
						.action = action});
}

/* Stores the token of an invite, and the id of the message that carries it; NULL for a link. */
static void
StoreToken(const Workspace *team, const pg_uuid_t *invite_id, bytea *digest,
		   const pg_uuid_t *message_id)
{
	NullableDatum args[5] = {ArgPointer(digest), ArgUuid(&team->id), ArgUuid(invite_id),
							 ArgBool(message_id == NULL), ArgUuid(message_id)};

	QueryRun(&insert_token, args);
}

/* The token of an invite or link holds no more, and its message need not be delivered. */
void
InviteForgetToken(const pg_uuid_t *workspace_id, const pg_uuid_t *invite_id)
{
	NullableDatum args[2] = {ArgUuid(workspace_id), ArgUuid(invite_id)};
	NullableDatum row[1];

	if (QueryRow(&delete_token, args, row, 1) && !row[0].isnull)
		OutboxWithdraw(DatumGetUUIDP(row[0].value));
}

static char *
DisplayName(const pg_uuid_t *user_id)
{
	NullableDatum args[1] = {ArgUuid(user_id)};
	NullableDatum row[1];

	return QueryRow(&find_display_name, args, row, 1) ? TextDatumGetCString(row[0].value) : NULL;
}

static void
AppendField(StringInfo json, const char *name, const char *value)
{
	appendStringInfoString(json, json->len == 0 ? "{" : ", ");
	escape_json(json, name);
	appendStringInfoString(json, ": ");
	escape_json(json, value == NULL ? "" : value);
}

/* Makes a token for an invite and queues the message that carries it. */
static void
Send(const Workspace *team, const Principal *p, const Invite *invite)
{
	char token[TOKEN_LEN + 1];
	bytea *digest;
	pg_uuid_t message_id;
	StringInfoData payload;

	TokenMake(INVITE_PREFIX, token, &digest);
	UuidNew(&message_id);
	StoreToken(team, &invite->id, digest, &message_id);
	initStringInfo(&payload);
	AppendField(&payload, "team", team->name);
	AppendField(&payload, "role", CatalogEnumLabel(ENUM_ROLE, invite->role));
	AppendField(&payload, "inviter", DisplayName(&p->actor_id));
	AppendField(&payload, "expires_at", timestamptz_to_str(invite->expires_at));
	appendStringInfoChar(&payload, '}');
	OutboxSend(&(Message){.id = &message_id,
						  .kind = "invite",
						  .channel = "email",
						  .recipient = invite->email,
						  .workspace_id = &team->id,
						  .payload = payload.data,
						  .secret_name = "token",
						  .secret = token,
						  .valid_until = invite->expires_at});
	CryptoWipe(token, sizeof(token));
}

static void
RefuseMember(const Workspace *team, const char *email)
{
	NullableDatum args[2] = {ArgUuid(&team->id), ArgText(email)};
	NullableDatum row[1];

	if (QueryRow(&find_member, args, row, 1))
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_TAKEN),
						errmsg("member with email \"%s\" already exists", email)));
}

static void
InsertInvite(const Workspace *team, const Principal *p, const Invite *invite)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();
	NullableDatum expired[3] = {ArgUuid(&team->id), ArgText(invite->email), ArgTime(now)};
	NullableDatum args[7] = {ArgUuid(&team->id),		 ArgUuid(&invite->id),
							 ArgText(invite->email),	 ArgRole(invite->role),
							 ArgUuid(&p->actor_id),		 ArgTime(now),
							 ArgTime(invite->expires_at)};
	NullableDatum row[1];

	if (QueryRow(&cancel_expired, expired, row, 1))
		InviteForgetToken(&team->id, DatumGetUUIDP(row[0].value));
	if (QueryRun(&insert_invite, args) == 0)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_TAKEN),
						errmsg("invite for \"%s\" already exists", invite->email),
						errhint("Use account.resend_invite to send it again.")));
}

PG_FUNCTION_INFO_V1(account_invite_member);
Datum
account_invite_member(PG_FUNCTION_ARGS)
{
	Invite invite = {.expires_at = GetCurrentStatementStartTimestamp() + INVITE_LASTS};
	const Principal *p;
	Workspace team;
	Datum values[2];
	bool nulls[2] = {false, false};

	ArgRequired(fcinfo, 0, "email");
	invite.email = EmailNormalise(PG_GETARG_TEXT_PP(0));
	invite.role = ArgGetRole(fcinfo, 1, "role");
	if (invite.role == ROLE_OWNER)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid role: nobody can be invited as owner")));
	p = TeamLock(ROLE_VIEWER, &team);
	if (!InviteAllowed(p->role, team.members_can_invite, invite.role))
		ErrorDenied(psprintf("The acting role %s may not invite as %s.",
							 CatalogEnumLabel(ENUM_ROLE, p->role),
							 CatalogEnumLabel(ENUM_ROLE, invite.role)));
	RefuseMember(&team, invite.email);
	UuidNew(&invite.id);
	InsertInvite(&team, p, &invite);
	SeatRequire(&team);
	Send(&team, p, &invite);
	WriteEvent(&team, &invite.id, invite.email, "created");
	values[0] = UUIDPGetDatum(&invite.id);
	values[1] = TimestampTzGetDatum(invite.expires_at);
	PG_RETURN_DATUM(ResultRow(fcinfo, values, nulls));
}

/* False when there is no such invite by email in the team. */
static bool
LockInvite(const Workspace *team, const pg_uuid_t *id, Invite *invite)
{
	NullableDatum args[2] = {ArgUuid(&team->id), ArgUuid(id)};
	NullableDatum row[5];

	if (!QueryRow(&lock_invite, args, row, 5))
		return false;
	invite->id = *id;
	invite->email = TextDatumGetCString(row[0].value);
	invite->role = CatalogEnumMember(ENUM_ROLE, DatumGetObjectId(row[1].value));
	invite->is_accepted = DatumGetBool(row[2].value);
	invite->is_cancelled = DatumGetBool(row[3].value);
	invite->expires_at = DatumGetTimestampTz(row[4].value);
	if (invite->is_accepted)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_WRONG_STATE), errmsg("invite has been accepted already")));
	return true;
}

/* An expired invite takes its seat again, if there still is one. */
PG_FUNCTION_INFO_V1(account_resend_invite);
Datum
account_resend_invite(PG_FUNCTION_ARGS)
{
	const Principal *p;
	Workspace team;
	Invite invite;
	NullableDatum args[4];

	ArgRequired(fcinfo, 0, "id");
	p = TeamLock(ROLE_ADMIN, &team);
	if (!LockInvite(&team, PG_GETARG_UUID_P(0), &invite) || invite.is_cancelled)
		ErrorNotFound("invite", PG_GETARG_UUID_P(0));
	if (!InviteAllowed(p->role, team.members_can_invite, invite.role))
		ErrorDenied("Only the owner may invite an admin.");
	invite.expires_at = GetCurrentStatementStartTimestamp() + INVITE_LASTS;
	args[0] = ArgUuid(&team.id);
	args[1] = ArgUuid(&invite.id);
	args[2] = ArgTime(invite.expires_at);
	args[3] = ArgUuid(&p->actor_id);
	QueryRun(&renew_invite, args);
	SeatRequire(&team);
	InviteForgetToken(&team.id, &invite.id);
	Send(&team, p, &invite);
	WriteEvent(&team, &invite.id, invite.email, "resent");
	PG_RETURN_VOID();
}

/* Takes back an invite or link; false when it was before: cancelling again changes nothing. */
static bool
Cancel(const Workspace *team, const pg_uuid_t *id, Invite *invite)
{
	NullableDatum args[3] = {ArgUuid(&team->id), ArgUuid(id),
							 ArgTime(GetCurrentStatementStartTimestamp())};
	NullableDatum row[1];

	if (LockInvite(team, id, invite))
		return !invite->is_cancelled && QueryRun(&cancel_invite, args) > 0;
	if (!QueryRow(&cancel_link, args, row, 1))
		ErrorNotFound("invite", id);
	return DatumGetBool(row[0].value);
}

PG_FUNCTION_INFO_V1(account_cancel_invite);
Datum
account_cancel_invite(PG_FUNCTION_ARGS)
{
	Workspace team;
	Invite invite = {0};

	ArgRequired(fcinfo, 0, "id");
	(void) TeamLock(ROLE_ADMIN, &team);
	if (!Cancel(&team, PG_GETARG_UUID_P(0), &invite))
		PG_RETURN_VOID();
	InviteForgetToken(&team.id, PG_GETARG_UUID_P(0));
	WriteEvent(&team, PG_GETARG_UUID_P(0), invite.email, "cancelled");
	PG_RETURN_VOID();
}

static int
ArgUses(FunctionCallInfo fcinfo, int n)
{
	ArgRequired(fcinfo, n, "max_uses");
	if (PG_GETARG_INT32(n) < 1 || PG_GETARG_INT32(n) > MAX_USES)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid max_uses: it must be from 1 to %d", MAX_USES)));
	return PG_GETARG_INT32(n);
}

static TimestampTz
ArgExpiry(FunctionCallInfo fcinfo, int n)
{
	TimestampTz end = ArgTimeFromNow(fcinfo, n, "expires_in");

	if (end <= GetCurrentStatementStartTimestamp())
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid expires_in: it must be longer than zero")));
	return end;
}

PG_FUNCTION_INFO_V1(account_create_invite_link);
Datum
account_create_invite_link(PG_FUNCTION_ARGS)
{
	AccountRole role = ArgGetRole(fcinfo, 0, "role");
	int max_uses = ArgUses(fcinfo, 1);
	char *domain = PG_ARGISNULL(2) ? NULL : EmailArgDomain(fcinfo, 2, "allowed_domain");
	TimestampTz expires_at = ArgExpiry(fcinfo, 3);
	char token[TOKEN_LEN + 1];
	const Principal *p;
	Workspace team;
	bytea *digest;
	pg_uuid_t id;
	text *result;

	if (role >= ROLE_ADMIN)
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
						errmsg("invalid role: a link invites as viewer or editor")));
	p = TeamLock(ROLE_ADMIN, &team);
	UuidNew(&id);
	TokenMake(INVITE_PREFIX, token, &digest);
	QueryRun(&insert_link,
			 (NullableDatum[]){ArgUuid(&team.id), ArgUuid(&id), ArgRole(role),
							   ArgDatum(Int32GetDatum(max_uses)), ArgText(domain),
							   ArgUuid(&p->actor_id), ArgTime(GetCurrentStatementStartTimestamp()),
							   ArgTime(expires_at)});
	StoreToken(&team, &id, digest, NULL);
	WriteEvent(&team, &id, NULL, "created");
	result = cstring_to_text(token);
	CryptoWipe(token, sizeof(token));
	PG_RETURN_TEXT_P(result);
}
