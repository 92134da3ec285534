/*
 * shmem.c
 *		Memory that all backends share, where the server preloads the library.
 *
 * The only file that asks PostgreSQL for any.  Each part is one fixed size from
 * the start of the server; a crash of it, like a restart, makes it anew.  What
 * guards a part's fields is its owner's to say.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "base/shmem.h"

#define MAX_PARTS 4

static const SharedPart *parts[MAX_PARTS];
static int nparts = 0;

static shmem_request_hook_type previous_request = NULL;
static shmem_startup_hook_type previous_startup = NULL;

/* Of use in _PG_init only; what it points to is kept. */
void
ShmemShare(const SharedPart *part)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	Assert(nparts < MAX_PARTS);
	parts[nparts++] = part;
}

static void
Request(void)
{
	if (previous_request != NULL)
		previous_request();
	for (int i = 0; i < nparts; i++)
		RequestAddinShmemSpace(parts[i]->size);
}

static void
Startup(void)
{
	if (previous_startup != NULL)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < nparts; i++)
	{
		bool found;

		*parts[i]->memory = ShmemInitStruct(parts[i]->name, parts[i]->size, &found);
		if (found)
			continue;
		memset(*parts[i]->memory, 0, parts[i]->size);
		parts[i]->make();
	}
	LWLockRelease(AddinShmemInitLock);
}

void
ShmemInit(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request = shmem_request_hook;
	shmem_request_hook = Request;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = Startup;
}
