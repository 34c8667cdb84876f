#include "view/statistics.h"

#include "base/compat.h"
#include "base/spi.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"
#include "view/finalized.h"

/* Views of all databases that have room; one that has none is not counted. */
#define MAX_VIEWS 1024

typedef struct ViewKey
{
	Oid database;
	Oid view;
} ViewKey;

typedef struct ViewCounts
{
	ViewKey key;
	int64 folds;
	int64 rows;
	int64 microseconds;
	TimestampTz last_fold_at;
} ViewCounts;

/* Its lock guards the table and what stands in it. */
static HTAB *counts;
static LWLock *lock;
static shmem_request_hook_type previous_request_hook;
static shmem_startup_hook_type previous_startup_hook;

static void
request(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(hash_estimate_size(MAX_VIEWS, sizeof(ViewCounts)));
	RequestNamedLWLockTranche("telemetry_view", 1);
}

static void
startup(void)
{
	HASHCTL control = {.keysize = sizeof(ViewKey), .entrysize = sizeof(ViewCounts)};

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	counts = ShmemInitHash("telemetry views", MAX_VIEWS, MAX_VIEWS, &control,
						   HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	lock = &GetNamedLWLockTranche("telemetry_view")->lock;
	LWLockRelease(AddinShmemInitLock);
}

void
statistics_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
}

void
statistics_add(Oid view, int64 folds, int64 rows, int64 microseconds)
{
	ViewKey key = {MyDatabaseId, view};
	ViewCounts *entry;
	bool found;

	if (counts == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	entry = hash_search(counts, &key, HASH_ENTER_NULL, &found);
	if (entry)
	{
		if (!found)
		{
			entry->folds = 0;
			entry->rows = 0;
			entry->microseconds = 0;
		}
		entry->folds += folds;
		entry->rows += rows;
		entry->microseconds += microseconds;
		entry->last_fold_at = GetCurrentTimestamp();
	}
	LWLockRelease(lock);
}

void
statistics_forget(Oid view)
{
	ViewKey key = {MyDatabaseId, view};

	if (counts == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	(void) hash_search(counts, &key, HASH_REMOVE, NULL);
	LWLockRelease(lock);
}

void
statistics_forget_database(Oid database)
{
	HASH_SEQ_STATUS scan;
	ViewCounts *entry;

	if (counts == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, counts);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (entry->key.database == database)
			(void) hash_search(counts, &entry->key, HASH_REMOVE, NULL);
	LWLockRelease(lock);
}

PG_FUNCTION_INFO_V1(telemetry_view_counts);
Datum
telemetry_view_counts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result;
	HASH_SEQ_STATUS scan;
	ViewCounts *entry;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	if (counts == NULL)
		return (Datum) 0;
	LWLockAcquire(lock, LW_SHARED);
	hash_seq_init(&scan, counts);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		Datum values[] = {
			ObjectIdGetDatum(entry->key.view),
			Int64GetDatum(entry->folds),
			Int64GetDatum(entry->rows),
			Float8GetDatum(entry->microseconds / 1000.0),
			TimestampTzGetDatum(entry->last_fold_at),
		};
		bool nulls[lengthof(values)] = {0};

		if (entry->key.database == MyDatabaseId)
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	LWLockRelease(lock);
	return (Datum) 0;
}

/* Of all pipelines into the table that the view is computed from. */
PG_FUNCTION_INFO_V1(telemetry_view_late);
Datum
telemetry_view_late(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan;
	bool isnull;

	PG_RETURN_DATUM(own_spi_ask(&plan,
								"SELECT coalesce(sum(o.late), 0)::bigint FROM telemetry.pipeline p "
								"JOIN telemetry.partition_offset o USING (pipeline_id) "
								"WHERE p.target = $1",
								view_table(finalized_view(PG_GETARG_OID(0), true)->target, NULL),
								&isnull));
}
