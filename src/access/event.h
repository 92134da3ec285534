/*
 * event.h
 *		Writes what happened, in the transaction in which it happens.
 */
#ifndef ACCOUNT_EVENT_H
#define ACCOUNT_EVENT_H

#include "postgres.h"

#include "utils/uuid.h"

/* NULL where there is nothing to say; metadata is a JSON object. */
typedef struct Event
{
	const pg_uuid_t *workspace_id;
	const char *resource_type;
	const pg_uuid_t *resource_id;
	const char *resource_key; /* instead of resource_id, when that is no UUID */
	const char *resource_name;
	const char *action;
	const char *description;
	const char *metadata;
	const pg_uuid_t *user_id; /* the actor, when nobody is acting yet */
	bool has_image;			  /* metadata has old and new values that can be put back */
} Event;

/*
 * How many events EventWriteMany() takes at most: a page or two, in memory that
 * malloc() does not hand back to the system after each call.
 */
#define EVENT_MANY 32

extern void EventWrite(const Event *event);
extern void EventWriteMany(const Event *events, int n);
extern int64 EventResourceNumber(const char *key);
extern char *EventChange(const char *column, const char *old, const char *new);

#endif /* ACCOUNT_EVENT_H */
