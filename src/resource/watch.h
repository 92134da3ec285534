/*
 * watch.h
 *		Rows of resources as events, a bounded number at a time.
 */
#ifndef ACCOUNT_WATCH_H
#define ACCOUNT_WATCH_H

#include "postgres.h"

#include "access/event.h"
#include "resource/shape.h"
#include "resource/usage.h"

/*
 * Events of one action on one table by one statement.  They wait until it is
 * known that they are few enough; then they are written one by one.
 */
typedef struct Watch
{
	MemoryContext memory; /* of what waits */
	const Shape *shape;
	const char *action;
	int64 seen;
	Event *events;
	pg_uuid_t *workspaces;
	int waiting;
	int room;		/* how many events fit, EVENT_MANY at most */
	bool is_summed; /* too many are coming */
	Tallies rest;	/* rows without an event of their own */
} Watch;

extern void WatchInit(void);
extern Watch *WatchBegin(MemoryContext memory, const Shape *shape, const char *action,
						 int64 expected);
extern void WatchNote(Watch *watch, const pg_uuid_t *workspace_id, const char *resource_id,
					  const char *name, const char *metadata, bool has_image);
extern void WatchEnd(Watch *watch);

extern bool WatchWants(const Watch *watch);

#endif /* ACCOUNT_WATCH_H */
