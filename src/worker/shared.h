/*
 * What the workers share: who runs, what for, and the live figures that no table needs to keep.
 *
 * One LWLock guards all of it; it is held for a few assignments, never while waiting. Desired state
 * is not here: it stands in telemetry._pipeline and telemetry.activation.
 */
#ifndef TELEMETRY_WORKER_SHARED_H
#define TELEMETRY_WORKER_SHARED_H

#include "postgres.h"

#include "base/clock.h"
#include "base/compat.h"
#include "datatype/timestamp.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#define WORKER_ERROR_LENGTH 512
#define WORKER_DATABASES    256

typedef enum DatabaseState
{
	DATABASE_FREE,      /* the entry is unused */
	DATABASE_REQUESTED, /* the launcher shall start a supervisor */
	DATABASE_STARTING,  /* it has registered one */
	DATABASE_RUNNING    /* the supervisor has attached */
} DatabaseState;

typedef struct DatabaseSlot
{
	Oid database;
	DatabaseState state;
	bool again; /* asked for while it was starting or about to leave: look once more */
	int pid;
	int maintenance_pid; /* 0: none runs */
	Latch *latch;        /* the supervisor's, while running */
} DatabaseSlot;

typedef enum WorkerState
{
	WORKER_FREE,
	WORKER_STARTING, /* registered, not yet attached */
	WORKER_CONNECTING,
	WORKER_RUNNING,  /* reading, or waiting for messages */
	WORKER_RETRYING, /* waits after a database error, with its batch in memory */
	WORKER_FAILED    /* ended with an error; the supervisor starts it again after a while */
} WorkerState;

typedef struct WorkerSlot
{
	WorkerState state;
	Oid database;
	int pipeline_id;
	int slice; /* of slices */
	int slices;
	int pid; /* 0: not running */
	Latch *latch;
	uint32 changes; /* counted up when the pipeline may have changed: the worker looks */
	bool left;      /* it ended of its own accord */
	TimestampTz started_at;
	TimestampTz last_commit_at; /* 0: none yet */
	int64 batches;
	int64 messages;
	int64 batch_messages; /* of the last batch */
	int64 batch_us;       /* and how long it took */
	int64 memory_bytes;   /* of PostgreSQL's memory contexts, after a batch of the last second */
	int restarts;
	int failures; /* in a row */
	Moment next_start;
	TimestampTz error_at; /* 0: no error */
	char path[16];
	char path_reason[256];
	char dimensions[512];
	char error[WORKER_ERROR_LENGTH];
} WorkerSlot;

typedef struct PartitionSlot
{
	Oid database; /* InvalidOid: unused */
	int pipeline_id;
	int32 partition;
	int64 low;    /* offsets of the broker; -1: not known */
	int64 stable; /* last stable offset: what read_committed may read up to */
	int64 high;
	TimestampTz last_message_at; /* wall clock; 0: none since start */
	TimestampTz seen_at;         /* when the broker last told us something */
	bool at_end;
	bool idle;
} PartitionSlot;

typedef struct WorkerShared
{
	LWLock *lock;
	Latch *launcher_latch;
	bool scan_all; /* the launcher shall look into every database */
	bool prepared; /* some transaction that changed a pipeline was prepared, or one may have been */
	Oid held[16];  /* databases in which nothing may run now: DROP DATABASE and its like */
	DatabaseSlot databases[WORKER_DATABASES];
	int nworkers;
	int npartitions;
	/* WorkerSlot[nworkers] and PartitionSlot[npartitions] follow */
} WorkerShared;

extern WorkerShared *worker_shared; /* NULL: not preloaded */

/* From worker_init(): hooks the request and the start of shared memory. */
extern void shared_init(void);

extern WorkerSlot *shared_worker(int index);
extern PartitionSlot *shared_partition(int index);

/* The entry of one partition, made when absent; NULL when all are taken. Lock held exclusively. */
extern PartitionSlot *shared_partition_find(int pipeline_id, int32 partition, bool make);

/*
 * Frees what a database that is gone had. False: a worker that was just starting there has yet to
 * notice. Takes the lock.
 */
extern bool shared_forget_database(Oid database);

/* True if figures of that database's workers or partitions are kept. Takes the lock. */
extern bool shared_knows_database(Oid database);

/* Asks for a supervisor in a database, or wakes the one that runs. Takes the lock. */
extern void shared_request_database(Oid database);

/* The same for the launcher, who asks again later: false while all entries are taken. */
extern bool shared_try_request(Oid database);

/* Copies a text to a field of a slot: as much as fits, in whole characters. */
extern void shared_put_text(char *field, const char *text, size_t size);

/* True while nothing may run in that database. Takes the lock. */
extern bool shared_is_held(Oid database);

#endif
