/*
 * outbox.h
 *		Messages that the application delivers: email, Slack, webhook.
 */
#ifndef ACCOUNT_OUTBOX_H
#define ACCOUNT_OUTBOX_H

#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/query.h"

typedef struct Message
{
	const char *kind;			   /* email_code, invite, notice, top_up_request, … */
	const char *channel;		   /* email, slack or webhook */
	const char *recipient;		   /* an address, or what the channel knows */
	const pg_uuid_t *workspace_id; /* whose message; its data key seals the secret */
	const char *payload;		   /* a JSON object without any secret; NULL: {} */
	const char *secret_name;	   /* "code" or "token"; NULL: no secret */
	const char *secret;			   /* joins the payload under that name when taken */
	const pg_uuid_t *id;		   /* to withdraw it by; NULL: any */
	TimestampTz valid_until;	   /* not delivered after; 0: no end */
} Message;

extern void OutboxInit(void);
extern void OutboxSend(const Message *message);
extern void OutboxNotices(Statement *recipients, const pg_uuid_t *workspace_id);
extern void OutboxWithdraw(const pg_uuid_t *id);

#endif /* ACCOUNT_OUTBOX_H */
