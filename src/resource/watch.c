/*
 * watch.c
 *		Rows of resources as events, a bounded number at a time.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"
#include "utils/memutils.h"

#include "resource/watch.h"

static int account_activity_row_limit;

void
WatchInit(void)
{
	DefineCustomIntVariable(
		"account.activity_row_limit",
		"Rows of a resource that one statement may change with an event for each.",
		"A statement that changes more has one event for all of them.", &account_activity_row_limit,
		1000, 0, INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
}

/* expected is how many rows there will be, -1 when nobody knows. */
Watch *
WatchBegin(MemoryContext memory, const Shape *shape, const char *action, int64 expected)
{
	Watch *watch = MemoryContextAllocZero(memory, sizeof(Watch));

	watch->memory = AllocSetContextCreate(memory, "account events", ALLOCSET_DEFAULT_SIZES);
	watch->shape = shape;
	watch->action = action;
	watch->is_summed = expected > account_activity_row_limit;
	watch->room = expected < 0 || expected > EVENT_MANY ? EVENT_MANY : Max((int) expected, 1);
	watch->events = MemoryContextAlloc(memory, sizeof(Event) * watch->room);
	watch->workspaces = MemoryContextAlloc(memory, sizeof(pg_uuid_t) * watch->room);
	watch->rest.memory = memory;
	return watch;
}

static void
WriteWaiting(Watch *watch)
{
	MemoryContext old = MemoryContextSwitchTo(watch->memory);

	if (watch->waiting > 0)
		EventWriteMany(watch->events, watch->waiting);
	watch->waiting = 0;
	MemoryContextSwitchTo(old);
	MemoryContextReset(watch->memory);
}

/* Whether the next row will have an event of its own. */
bool
WatchWants(const Watch *watch)
{
	return !watch->is_summed && watch->seen < account_activity_row_limit;
}

void
WatchNote(Watch *watch, const pg_uuid_t *workspace_id, const char *resource_id, const char *name,
		  const char *metadata, bool has_image)
{
	Event *event;
	MemoryContext old;

	if (!WatchWants(watch))
	{
		UsageNote(&watch->rest, workspace_id, watch->shape->limit, watch->shape->category, 1, 0);
		return;
	}
	old = MemoryContextSwitchTo(watch->memory);
	watch->seen++;
	watch->workspaces[watch->waiting] = *workspace_id;
	event = &watch->events[watch->waiting];
	*event = (Event){.workspace_id = &watch->workspaces[watch->waiting],
					 .resource_type = watch->shape->kind,
					 .resource_key = pstrdup(resource_id),
					 .resource_name = name == NULL ? NULL : pstrdup(name),
					 .action = watch->action,
					 .metadata = metadata == NULL ? NULL : pstrdup(metadata),
					 .has_image = has_image};
	watch->waiting++;
	MemoryContextSwitchTo(old);
	if (watch->waiting == watch->room)
		WriteWaiting(watch);
}

/* Writes what waits; rows above the limit have one event for each workspace. */
void
WatchEnd(Watch *watch)
{
	WriteWaiting(watch);
	UsageSum(&watch->rest);
	for (int i = 0; i < watch->rest.count; i++)
	{
		Tally *tally = &watch->rest.list[i];

		EventWrite(
			&(Event){.workspace_id = &tally->workspace_id,
					 .resource_type = watch->shape->kind,
					 .action = watch->action,
					 .description = psprintf("%lld of one statement", (long long) tally->rows),
					 .metadata = psprintf("{\"rows\": %lld}", (long long) tally->rows)});
	}
	watch->rest.count = 0;
}
