/*
 * slow_flush.c
 *		Makes a fast disk slow: preloaded into a server, lets fsync and fdatasync take at least
 *		SLOW_FLUSH_US microseconds.
 *
 * The real flush comes first and counts, so a commit is as durable as before.  sync_file_range is
 * left alone: it asks the kernel to begin writing, and nobody waits for the disk in it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

typedef int Flush(int fd);

static Flush *real_fsync;
static Flush *real_fdatasync;
static long least_ns;

__attribute__((constructor)) static void
Start(void)
{
	const char *least_us = getenv("SLOW_FLUSH_US");

	real_fsync = (Flush *) dlsym(RTLD_NEXT, "fsync");
	real_fdatasync = (Flush *) dlsym(RTLD_NEXT, "fdatasync");
	least_ns = least_us == NULL ? 0 : atol(least_us) * 1000;
	/* Sleeps are late by 50 microseconds unless asked otherwise; children inherit this. */
	(void) prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

static int
FlushSlowly(Flush *flush, int fd)
{
	struct timespec end;
	int result;
	int saved_errno;

	(void) clock_gettime(CLOCK_MONOTONIC, &end);
	result = flush(fd);
	saved_errno = errno;
	end.tv_nsec += least_ns;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
		;
	errno = saved_errno;
	return result;
}

int
fsync(int fd)
{
	return FlushSlowly(real_fsync, fd);
}

int
fdatasync(int fd)
{
	return FlushSlowly(real_fdatasync, fd);
}
