/*
 * auto_top_up.c
 *		Topping up by itself when less than a threshold is available.
 *
 * A wallet is armed while its top_up_below is the threshold, and disarmed while
 * that is TOP_UP_NEVER.  At every commit an armed wallet has its threshold
 * available: LedgerClose compares the two, and the first write that ends below
 * makes a pending payment, tells the processor and disarms the wallet.
 *
 * It is armed again when the payment is confirmed, and asks again at once should
 * that not have been enough.  After a failure it waits an hour, then two; the
 * end of the wait is due like an expiry is, so whatever opens the wallet next,
 * or account.expire_credits, arms it.  The third failure in a row turns the
 * whole off and tells the owner and admins; setting it begins anew.
 *
 * Everything here runs under the lock of the wallet.  A request that is open
 * runs its course, also when it is turned off meanwhile: the processor may have
 * the money by then.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"

#include "access/event.h"
#include "access/outbox.h"
#include "access/principal.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/query.h"
#include "base/uuid.h"
#include "credit/auto_top_up.h"
#include "credit/credit.h"
#include "workspace/workspace.h"

#define FIRST_WAIT USECS_PER_HOUR /* doubles */
#define MAX_FAILURES 3			  /* in a row */

#define NAME "automatic top-up"

typedef struct AutoTopUp
{
	bool is_enabled;
	int64 threshold;
	int64 amount;
	int failures;		  /* in a row */
	TimestampTz retry_at; /* DT_NOBEGIN: no wait */
	bool is_pending;	  /* a payment of this kind is */
} AutoTopUp;

static Statement find_auto_top_up = {
	.types = "uuid",
	.sql = "SELECT is_enabled, threshold_micros, amount_micros, failures, retry_at,"
		   "  EXISTS (SELECT FROM account_data.payments"
		   "   WHERE workspace_id = $1 AND type = 'auto_top_up' AND status = 'pending')"
		   " FROM account_data.auto_top_ups WHERE workspace_id = $1",
};

static Statement write_auto_top_up = {
	.types = "uuid, boolean, bigint, bigint, integer, timestamptz",
	.sql = "INSERT INTO account_data.auto_top_ups (workspace_id, is_enabled, threshold_micros,"
		   "  amount_micros, failures, retry_at) VALUES ($1, $2, $3, $4, $5, $6)"
		   " ON CONFLICT (workspace_id) DO UPDATE SET is_enabled = excluded.is_enabled,"
		   "  threshold_micros = excluded.threshold_micros,"
		   "  amount_micros = excluded.amount_micros, failures = excluded.failures,"
		   "  retry_at = excluded.retry_at",
};

/* Whom to tell that it is off, and what. */
static Statement admins_of = {
	.types = "uuid",
	.sql = "SELECT e.email, jsonb_build_object('notice', 'auto_top_up_turned_off',"
		   "  'failures', a.failures, 'amount_micros', a.amount_micros,"
		   "  'workspace', w.slug, 'workspace_name', w.name)::text"
		   " FROM account_data.auto_top_ups a"
		   " JOIN account_data.workspaces w ON w.id = a.workspace_id"
		   " JOIN account_data.members m ON m.workspace_id = a.workspace_id AND m.role >= 'admin'"
		   " JOIN account_data.emails e ON e.user_id = m.user_id AND e.is_primary"
		   "  AND e.verified_at IS NOT NULL"
		   " WHERE a.workspace_id = $1",
};

/* What the processor needs to know; by which method to pay, if one is known here. */
static Statement request_payload = {
	.types = "uuid, uuid, bigint",
	.sql = "SELECT jsonb_strip_nulls(jsonb_build_object('payment_id', $2, 'workspace_id', $1,"
		   "  'amount_micros', $3, 'provider', m.provider, 'provider_ref', m.provider_ref))::text"
		   " FROM (SELECT) one"
		   " LEFT JOIN account_data.payment_methods m ON m.workspace_id = $1 AND m.is_default",
};

static Statement find_pending = {
	.types = "uuid",
	.sql = "SELECT id FROM account_data.payments"
		   " WHERE workspace_id = $1 AND type = 'auto_top_up' AND status = 'pending'",
};

static bool
Read(const Book *book, AutoTopUp *a)
{
	NullableDatum args[1] = {ArgUuid(&book->workspace_id)};
	NullableDatum row[6];

	if (!QueryRow(&find_auto_top_up, args, row, 6))
		return false;
	*a = (AutoTopUp){
		.is_enabled = DatumGetBool(row[0].value),
		.threshold = DatumGetInt64(row[1].value),
		.amount = DatumGetInt64(row[2].value),
		.failures = DatumGetInt32(row[3].value),
		.retry_at = row[4].isnull ? DT_NOBEGIN : DatumGetTimestampTz(row[4].value),
		.is_pending = DatumGetBool(row[5].value),
	};
	return true;
}

/* Writes it and arms the wallet or not; what closes the book writes that. */
static void
Write(Book *book, const AutoTopUp *a)
{
	bool is_waiting = a->retry_at != DT_NOBEGIN;

	QueryRun(&write_auto_top_up, (NullableDatum[]){
									 ArgUuid(&book->workspace_id),
									 ArgBool(a->is_enabled),
									 ArgDatum(Int64GetDatum(a->threshold)),
									 ArgDatum(Int64GetDatum(a->amount)),
									 ArgDatum(Int32GetDatum(a->failures)),
									 is_waiting ? ArgTime(a->retry_at) : ArgNull(),
								 });
	book->wallet.top_up_below = a->is_enabled && !a->is_pending && !is_waiting ? a->threshold
																			   : TOP_UP_NEVER;
}

static void
TellProcessor(const Book *book, const pg_uuid_t *id, int64 amount)
{
	NullableDatum args[3] = {ArgUuid(&book->workspace_id), ArgUuid(id),
							 ArgDatum(Int64GetDatum(amount))};
	NullableDatum row[1];

	(void) QueryRow(&request_payload, args, row, 1);
	OutboxSend(&(Message){.id = id,
						  .kind = "top_up_request",
						  .channel = "webhook",
						  .recipient = "processor",
						  .workspace_id = &book->workspace_id,
						  .payload = TextDatumGetCString(row[0].value)});
}

/* Less than the threshold is available: asks for a top-up, once. */
void
AutoTopUpRequest(Book *book)
{
	pg_uuid_t id;
	AutoTopUp a;

	if (!Read(book, &a) || a.is_pending)
		elog(ERROR, "a wallet is armed that must not be");
	UuidNew(&id);
	PaymentInsert(book, &id, TRANSACTION_AUTO_TOP_UP, a.amount, NULL, NULL);
	a.is_pending = true;
	Write(book, &a);
	TellProcessor(book, &id, a.amount);
	EventWrite(&(Event){.workspace_id = &book->workspace_id,
						.resource_type = "billing",
						.resource_id = &id,
						.resource_name = NAME,
						.action = "requested"});
}

/* Opening a wallet posts what is due: a wait may be over. */
void
AutoTopUpDue(Book *book)
{
	AutoTopUp a;

	if (!Read(book, &a) || a.retry_at == DT_NOBEGIN || a.retry_at > book->now)
		return;
	a.retry_at = DT_NOBEGIN;
	Write(book, &a);
}

/* A payment of this kind was confirmed, maybe after its failure was reported. */
void
AutoTopUpConfirmed(Book *book, const pg_uuid_t *id)
{
	AutoTopUp a;

	OutboxWithdraw(id);
	if (!Read(book, &a))
		return;
	a.failures = 0;
	a.retry_at = DT_NOBEGIN;
	Write(book, &a);
}

static void
TurnOff(Book *book, AutoTopUp *a)
{
	a->is_enabled = false;
	Write(book, a);
	OutboxNotices(&admins_of, &book->workspace_id);
	EventWrite(&(Event){.workspace_id = &book->workspace_id,
						.resource_type = "billing",
						.resource_id = &book->workspace_id,
						.resource_name = NAME,
						.action = "turned_off",
						.metadata = psprintf("{\"failures\": %d}", a->failures)});
}

/* A payment of this kind that was pending has failed; a report comes here once. */
void
AutoTopUpFailed(Book *book, const pg_uuid_t *id, const text *reason)
{
	Entry *entry = LedgerEntry(TRANSACTION_AUTO_TOP_UP_FAILED, 0);
	AutoTopUp a;

	entry->actor_kind = cstring_to_text("operator");
	entry->reference_id = id;
	entry->description = reason;
	LedgerPost(book, entry);
	OutboxWithdraw(id);
	if (!Read(book, &a) || !a.is_enabled)
		return;
	if (++a.failures >= MAX_FAILURES)
	{
		TurnOff(book, &a);
		return;
	}
	a.retry_at = book->now + (FIRST_WAIT << (a.failures - 1));
	LedgerDueAt(book, a.retry_at);
	Write(book, &a);
}

/* Who deletes a workspace calls this first: nobody is to pay for it any more. */
void
AutoTopUpStop(const pg_uuid_t *workspace_id)
{
	NullableDatum args[1] = {ArgUuid(workspace_id)};
	NullableDatum row[1];

	(void) LedgerOpen(workspace_id);
	if (QueryRow(&find_pending, args, row, 1))
		OutboxWithdraw(DatumGetUUIDP(row[0].value));
}

/* Zero is a threshold, too: a top-up once there is debt. */
static int64
ArgThreshold(FunctionCallInfo fcinfo, int n)
{
	ArgRequired(fcinfo, n, "threshold_micros");
	return PG_GETARG_INT64(n) == 0 ? 0 : ArgMicros(fcinfo, n, "threshold_micros");
}

PG_FUNCTION_INFO_V1(account_set_auto_top_up);
Datum
account_set_auto_top_up(PG_FUNCTION_ARGS)
{
	AutoTopUp a = {.retry_at = DT_NOBEGIN};
	AutoTopUp old;
	Workspace workspace;
	Book *book;

	ArgRequired(fcinfo, 0, "enabled");
	a.is_enabled = PG_GETARG_BOOL(0);
	a.threshold = ArgThreshold(fcinfo, 1);
	a.amount = ArgTopUp(fcinfo, 2);
	(void) WorkspaceLockActive(ROLE_ADMIN, &workspace);
	book = LedgerOpen(&workspace.id);
	a.is_pending = Read(book, &old) && old.is_pending;
	Write(book, &a);
	book->is_due_stale = true;
	EventWrite(&(Event){.workspace_id = &workspace.id,
						.resource_type = "billing",
						.resource_id = &workspace.id,
						.resource_name = NAME,
						.action = a.is_enabled ? "turned_on" : "turned_off",
						.metadata = psprintf("{\"threshold_micros\": " INT64_FORMAT
											 ", \"amount_micros\": " INT64_FORMAT "}",
											 a.threshold, a.amount)});
	LedgerClose(book);
	PG_RETURN_VOID();
}
