/*
 * Rows of telemetry._pipeline, telemetry.activation and telemetry.pipeline_watermark.
 */
#ifndef TELEMETRY_CATALOG_PIPELINE_H
#define TELEMETRY_CATALOG_PIPELINE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

typedef struct Pipeline
{
	int id;
	char *name;
	Oid owner;
	Oid source;
	Oid target;
	char *start_position;    /* earliest, latest, or a timestamp */
	char *event_time_column; /* NULL: none */
	int64 allowed_lateness;  /* intervals in microseconds */
	int64 idle_timeout;
	int64 max_ahead; /* -1: no bound */
	int batch_rows;
	int64 batch_interval;
	int workers;
	int npartitions; /* -1: all of the topic's */
	int32 *partitions;
	int dead_letter_limit; /* 0: none */
	bool ignore_conflicts;
	char *create_partitions;
	char *consumer_group;
	bool paused;
	char *pause_reason;
	bool activated; /* in this very database */
	int64 revision;
	TimestampTz watermark; /* DT_NOBEGIN: none yet */
} Pipeline;

/* NULL: no such pipeline (or, for the first two, no such extension any more). */
extern Pipeline *pipeline_by_id(int id, MemoryContext context);
extern Pipeline *pipeline_by_name(const char *name, MemoryContext context);

/* All pipelines of this database: List of Pipeline *. */
extern List *pipeline_all(MemoryContext context);

/* True if the pipeline reads that partition of its topic at all (option partitions). */
extern bool pipeline_reads(const Pipeline *pipeline, int32 partition);

/*
 * Locks a pipeline until the end of the transaction, without touching its row: a batch takes it
 * shared, whoever changes the pipeline takes it exclusively and so waits for running batches.
 */
extern void pipeline_lock(int id, bool exclusive);

/* Pauses (reason may be NULL: by hand) or resumes; counts the revision up. */
extern void pipeline_set_paused(int id, bool paused, const char *reason);
extern void pipeline_activate(int id);

/* Moves the stored watermark forward; true if it moved. */
extern bool pipeline_advance_watermark(int id, TimestampTz watermark);

/* With its offsets, watermark and dead letters. */
extern void pipeline_delete(int id);

/*
 * What a row that belongs to pipeline $1 is inserted from: none where the pipeline is gone, and it
 * does not go before the transaction's end. (A foreign key would say that, too; but the tables of
 * an extension have theirs while pg_restore -j loads them, in any order.)
 */
#define PIPELINE_STAYS "FROM telemetry._pipeline p WHERE p.pipeline_id = $1 FOR KEY SHARE "

#endif
