#include "worker/shared.h"

#include "base/guc.h"
#include "base/compat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

WorkerShared *worker_shared = NULL;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static Size
shared_size(void)
{
	Size size = MAXALIGN(sizeof(WorkerShared));

	size = add_size(size, mul_size(telemetry_max_workers, MAXALIGN(sizeof(WorkerSlot))));
	return add_size(size, mul_size(telemetry_max_partitions, MAXALIGN(sizeof(PartitionSlot))));
}

static void
shared_request(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(shared_size());
	RequestNamedLWLockTranche("telemetry", 1);
}

static void
shared_startup(void)
{
	bool found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	worker_shared = ShmemInitStruct("telemetry", shared_size(), &found);
	if (!found)
	{
		memset(worker_shared, 0, shared_size());
		worker_shared->lock = &GetNamedLWLockTranche("telemetry")->lock;
		worker_shared->nworkers = telemetry_max_workers;
		worker_shared->npartitions = telemetry_max_partitions;
	}
	LWLockRelease(AddinShmemInitLock);
}

void
shared_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = shared_request;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shared_startup;
}

void
shared_put_text(char *field, const char *text, size_t size)
{
	strlcpy(field, text, pg_mbcliplen(text, strlen(text), size - 1) + 1);
}

WorkerSlot *
shared_worker(int index)
{
	char *first = (char *) worker_shared + MAXALIGN(sizeof(WorkerShared));

	return (WorkerSlot *) (first + index * MAXALIGN(sizeof(WorkerSlot)));
}

PartitionSlot *
shared_partition(int index)
{
	char *first = (char *) shared_worker(worker_shared->nworkers);

	return (PartitionSlot *) (first + index * MAXALIGN(sizeof(PartitionSlot)));
}

PartitionSlot *
shared_partition_find(int pipeline_id, int32 partition, bool make)
{
	/* Who asks for all of a pipeline's, one after the other, finds each behind the one before. */
	static int start = 0;
	PartitionSlot *unused = NULL;

	for (int i = 0; i < worker_shared->npartitions; i++)
	{
		int index = (start + i) % worker_shared->npartitions;
		PartitionSlot *slot = shared_partition(index);

		if (slot->database == MyDatabaseId && slot->pipeline_id == pipeline_id &&
			slot->partition == partition)
		{
			start = index;
			return slot;
		}
		if (unused == NULL && !OidIsValid(slot->database))
			unused = slot;
	}
	if (!make || unused == NULL)
		return NULL;
	memset(unused, 0, sizeof(PartitionSlot));
	unused->database = MyDatabaseId;
	unused->pipeline_id = pipeline_id;
	unused->partition = partition;
	unused->low = unused->stable = unused->high = -1;
	return unused;
}

bool
shared_forget_database(Oid database)
{
	bool all = true;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < worker_shared->nworkers; i++)
	{
		WorkerSlot *slot = shared_worker(i);

		if (slot->state == WORKER_FREE || slot->database != database)
			continue;
		/* It writes into its slot when it ends. */
		if (slot->pid != 0)
			all = false;
		else
			memset(slot, 0, sizeof(WorkerSlot));
	}
	for (int i = 0; i < worker_shared->npartitions; i++)
		if (shared_partition(i)->database == database)
			shared_partition(i)->database = InvalidOid;
	LWLockRelease(worker_shared->lock);
	return all;
}

bool
shared_knows_database(Oid database)
{
	bool known = false;

	LWLockAcquire(worker_shared->lock, LW_SHARED);
	for (int i = 0; i < worker_shared->nworkers && !known; i++)
		known = shared_worker(i)->state != WORKER_FREE && shared_worker(i)->database == database;
	for (int i = 0; i < worker_shared->npartitions && !known; i++)
		known = shared_partition(i)->database == database;
	LWLockRelease(worker_shared->lock);
	return known;
}

/* Lock held exclusively. False: all entries are taken. */
static bool
request(Oid database)
{
	DatabaseSlot *slot = NULL;

	for (int i = 0; i < WORKER_DATABASES; i++)
	{
		DatabaseSlot *candidate = &worker_shared->databases[i];

		if (candidate->state != DATABASE_FREE && candidate->database == database)
		{
			slot = candidate;
			break;
		}
		if (slot == NULL && candidate->state == DATABASE_FREE)
			slot = candidate;
	}
	if (slot == NULL)
		return false;
	if (slot->state == DATABASE_FREE)
	{
		slot->database = database;
		slot->state = DATABASE_REQUESTED;
		slot->again = false;
	}
	else
	{
		slot->again = true;
		if (slot->latch)
			SetLatch(slot->latch);
	}
	return true;
}

void
shared_request_database(Oid database)
{
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	if (!request(database))
		worker_shared->scan_all = true;
	if (worker_shared->launcher_latch)
		SetLatch(worker_shared->launcher_latch);
	LWLockRelease(worker_shared->lock);
}

bool
shared_try_request(Oid database)
{
	bool requested;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	requested = request(database);
	LWLockRelease(worker_shared->lock);
	return requested;
}

bool
shared_is_held(Oid database)
{
	bool held = false;

	LWLockAcquire(worker_shared->lock, LW_SHARED);
	for (int i = 0; i < (int) lengthof(worker_shared->held); i++)
		held |= worker_shared->held[i] == database;
	LWLockRelease(worker_shared->lock);
	return held;
}
