/*
 * One ingest worker: what its parts (loop, positions, batch) know together. Private to the folder.
 *
 *   load -> connect -> positions -> [ collect -> commit -> publish -> chores ]*
 *
 * No transaction is open while the worker waits for Kafka.
 */
#ifndef TELEMETRY_WORKER_INGEST_WORKER_H
#define TELEMETRY_WORKER_INGEST_WORKER_H

#include "postgres.h"

#include "base/clock.h"
#include "base/compat.h"
#include "catalog/offset.h"
#include "catalog/pipeline.h"
#include "ingest/ingest.h"
#include "kafka/kafka.h"
#include "worker/shared.h"

/* A partition of this worker's slice. */
typedef struct Partition
{
	PartitionOffset stored; /* as last committed; its next_offset is what the table must hold */
	int64 next;             /* next offset to take, counting what the batch at hand has */
	bool assigned;
	bool verify;       /* the next message should be the last one again: is it the same topic? */
	bool wants_assign; /* (re)assign at next when the broker answers; see positions.c */
	bool at_end;       /* read to the end, as far as heard */
	bool idle;
	Moment ahead_since;          /* since when brokers say that the log ends before next; 0: no */
	Moment missing_since;        /* since when the topic has fewer partitions; 0: no */
	Moment heard_at;             /* when the last message came, or the worker started */
	TimestampTz last_message_at; /* by the wall clock, to be shown; 0: none came since the start */
	int64 error_offset;          /* where a partition error was seen last */
	int errors;                  /* how often there */
	char *error;                 /* and what was said first */
} Partition;

typedef struct Batch
{
	MemoryContext context; /* events, messages, rows: reset when the batch is over */
	KafkaEvent *events;
	int nevents;
	int capacity;
	int64 bytes;
	Moment begun;    /* when its first message was taken; 0: it is empty */
	Moment deadline; /* when it is committed, full or not */
} Batch;

typedef struct IngestWorker
{
	WorkerSlot *slot;
	MemoryContext context; /* lives as long as the worker */
	Pipeline *pipeline;
	Ingest *ingest;
	KafkaConsumer *consumer;
	char *fingerprint; /* topic and settings that the consumer was opened with */
	char *cluster_id;
	Partition *partitions;
	int npartitions;
	int topic_partitions; /* of the whole topic, as last heard; 0: not yet */
	Batch batch;
	uint32 changes_seen;
	int dead_in_a_row;
	Moment polled; /* when events were taken last */
	Moment looked; /* before that moment nothing waited to be taken */
	TimestampTz polled_at;
	Moment next_chores;
	Moment next_discovery;
	Moment next_memory; /* when memory is counted again, after a batch */
	int64 memory;       /* as counted last */
	bool publish_warned;
	bool broker_lost; /* an error of the whole cluster since the last good news */
} IngestWorker;

/* ---- discovery.c: which partitions ---- */

/* Finds partitions of the topic that are new, gives them their start, takes this slice's. */
extern void positions_discover(IngestWorker *worker);

/* ---- positions.c: from where ---- */

/*
 * How long one question to the broker may hold the worker up. An answer takes a millisecond; but
 * librdkafka learns of a new partition's leader only with its next look at the metadata, a second
 * or two later.
 */
#define POSITIONS_ASK_MS 3000

/*
 * How long brokers must say that the log ends before our position until it is believed. A leader
 * that hung or was cut off answers as if it still led, with the end that it had, until it learns of
 * its successor; the client takes its word for who leads, too.
 */
#define POSITIONS_AHEAD_MS 15000

/* Stops reading one partition, for a reason that is kept. */
extern void positions_pause(IngestWorker *worker, Partition *partition, const char *reason);

/* Assigns what wants to be assigned, as far as the broker answers. */
extern void positions_assign(IngestWorker *worker);

extern Partition *positions_find(IngestWorker *worker, int32 partition);

/* Takes note of one event; true if it is a message that belongs into the batch. */
extern bool positions_accept(IngestWorker *worker, KafkaEvent *event);

/* True if some partition's position is ahead of what is stored. */
extern bool positions_moved(const IngestWorker *worker);

/* Messages that are there behind those taken, as far as it was heard a second ago. */
extern int64 positions_behind(const IngestWorker *worker);

/* Live figures for stat_partition, idleness: about once a second. */
extern void positions_report(IngestWorker *worker);

/* Silence is idleness only while somebody listens: none is idle without its worker. */
extern void positions_leave(IngestWorker *worker);

/* CRC-32C over key and value, by which a message is known again. */
extern uint32 positions_checksum(const MessageView *message);

/* ---- batch.c: one transaction ---- */

/* Writes the batch; repeats and waits as long as the database's state is in the way. */
extern void batch_commit(IngestWorker *worker);

/* ---- ingest_worker.c ---- */

/*
 * Ends the worker quietly if it shall stop or its pipeline has changed. Not inside a transaction.
 */
extern void ingest_worker_check(IngestWorker *worker);

/* Opens source and target, anew if they were open. In a transaction. */
extern void ingest_worker_open(IngestWorker *worker);

/* Ends it because the pipeline changed under it. */
extern void ingest_worker_leave(IngestWorker *worker) pg_attribute_noreturn();

extern void ingest_worker_note_error(IngestWorker *worker, const char *error, WorkerState state);
extern void ingest_worker_clear_error(IngestWorker *worker);

/* Pauses the pipeline in a transaction of its own, and ends the worker. */
extern void ingest_worker_pause_pipeline(IngestWorker *worker, const char *reason)
	pg_attribute_noreturn();

/* True for errors that only a change of the schema, rights or options mends. */
extern bool sqlstate_needs_a_person(int sqlstate);

/* What a consumer depends on, as one string. */
extern char *ingest_worker_fingerprint(const Source *source, MemoryContext context);

#endif
