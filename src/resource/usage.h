/*
 * usage.h
 *		How much each workspace has: what limits count, and bytes.
 */
#ifndef ACCOUNT_USAGE_H
#define ACCOUNT_USAGE_H

#include "postgres.h"

#include "utils/uuid.h"

#include "resource/shape.h"

/* What one statement changed for one workspace and kind of resource; the names outlive it. */
typedef struct Tally
{
	pg_uuid_t workspace_id;
	const char *limit; /* NULL: its rows do not count */
	const char *category;
	int64 rows;
	int64 bytes;
} Tally;

typedef struct Tallies
{
	MemoryContext memory;
	Tally *list;
	int count;
	int max;
} Tallies;

extern void UsageNote(Tallies *tallies, const pg_uuid_t *workspace_id, const char *limit,
					  const char *category, int64 rows, int64 bytes);
extern void UsageSum(Tallies *tallies);
extern void UsageWrite(Tallies *tallies);
extern void UsageAddBytes(const pg_uuid_t *workspace_id, const char *category, int64 bytes);
extern void UsageCountAll(const Shape *shape);
extern void UsageForget(NullableDatum limit, NullableDatum category);

#endif /* ACCOUNT_USAGE_H */
