/*
 * outbox.h
 *		Messages that the application delivers: email, Slack, webhook.
 */
#ifndef ACCOUNT_OUTBOX_H
#define ACCOUNT_OUTBOX_H

#include "postgres.h"

#include "utils/uuid.h"

typedef struct Message
{
	const char *kind;			   /* email_code, invite, notice, top_up_request, … */
	const char *channel;		   /* email, slack or webhook */
	const char *recipient;		   /* an address, or what the channel knows */
	const pg_uuid_t *workspace_id; /* whose message; its data key seals the secret */
	const char *payload;		   /* a JSON object without any secret; NULL: {} */
	const char *secret_name;	   /* "code" or "token"; NULL: no secret */
	const char *secret;			   /* joins the payload under that name when taken */
} Message;

extern void OutboxSend(const Message *message);

#endif /* ACCOUNT_OUTBOX_H */
