/*
 * uuid.c
 *		UUID version 7 (RFC 9562): 48 bits of milliseconds, 12 bits of their
 *		fraction (method 3), 62 random bits.
 *
 * Ids made by one backend ascend strictly: a clock that stands still or steps
 * back is replaced by the last time plus one tick of 1/4096 ms.
 */
#include "postgres.h"

#include <sys/time.h>
#include <time.h>

#include "fmgr.h"

#include "base/crypto.h"
#include "base/uuid.h"

/* Milliseconds since 1970 in 1/4096 ms, later than the last that was handed out. */
static uint64
NextTick(void)
{
	static uint64 last = 0;
	struct timespec now;
	uint64 tick;

	clock_gettime(CLOCK_REALTIME, &now);
	tick = ((uint64) now.tv_sec * 1000 + now.tv_nsec / 1000000) << 12;
	tick |= ((uint64) (now.tv_nsec % 1000000) << 12) / 1000000;
	last = tick > last ? tick : last + 1;
	return last;
}

void
UuidNew(pg_uuid_t *uuid)
{
	uint64 tick = NextTick();

	if (!CryptoRandom(uuid->data + 8, 8))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	for (int i = 0; i < 6; i++)
		uuid->data[i] = (uint8) (tick >> (52 - 8 * i));
	uuid->data[6] = 0x70 | ((tick >> 8) & 0x0f);
	uuid->data[7] = (uint8) tick;
	uuid->data[8] = 0x80 | (uuid->data[8] & 0x3f);
}

/* No id made at that time or later is smaller. */
void
UuidFloor(pg_uuid_t *uuid, TimestampTz time)
{
	int64 unix_ms = time / 1000 +
					(int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000;

	memset(uuid, 0, sizeof(*uuid));
	for (int i = 0; i < 6; i++)
		uuid->data[i] = (uint8) (unix_ms >> (40 - 8 * i));
}

/* The canonical text form, palloc'd; every event's digest asks for several. */
char *
UuidText(const pg_uuid_t *uuid)
{
	static const char digits[] = "0123456789abcdef";
	char *text = palloc(2 * UUID_LEN + 5);
	char *to = text;

	for (int i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		*to++ = digits[uuid->data[i] >> 4];
		*to++ = digits[uuid->data[i] & 15];
	}
	*to = '\0';
	return text;
}
