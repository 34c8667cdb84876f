/*
 * Rows of telemetry.partition_offset: how far each partition of a pipeline is read.
 */
#ifndef TELEMETRY_CATALOG_OFFSET_H
#define TELEMETRY_CATALOG_OFFSET_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

typedef struct PartitionOffset
{
	int32 partition;
	int64 next_offset;
	char *cluster_id;     /* NULL: not known yet */
	int64 last_offset;    /* -1: no message read yet, or forgotten by a seek */
	int64 last_timestamp; /* Unix ms; -1: none */
	int64 last_checksum;
	TimestampTz max_event_time; /* DT_NOBEGIN: none */
	TimestampTz watermark;      /* DT_NOBEGIN: none; never goes back */
	char *pause_reason;         /* NULL: not paused */
} PartitionOffset;

/* What one batch adds to a partition's counters. */
typedef struct OffsetCounts
{
	int64 stored;
	int64 duplicates;
	int64 suppressed;
	int64 skipped;
	int64 dead;
	int64 late;
} OffsetCounts;

/* List of PartitionOffset *, by partition. */
extern List *offset_all(int pipeline_id, MemoryContext context);

/* Adds a partition; one that is known already stays as it is. */
extern void offset_insert(int pipeline_id, int32 partition, int64 next_offset);

/*
 * Writes what *new says and adds the counts, if the stored next_offset still is expected_next;
 * false if somebody else moved it: the caller gives up its transaction and reads the offsets anew.
 */
extern bool offset_update(int pipeline_id, const PartitionOffset *new, int64 expected_next,
						  const OffsetCounts *counts);

/* Adds the counts, which may be negative, and moves nothing. */
extern void offset_count(int pipeline_id, int32 partition, const OffsetCounts *counts);

/*
 * Counts as left out what a target did not take. Which rows those were is not known, only how many:
 * they are taken from what counts->stored has, and the rest stays for the next partition.
 */
extern void offset_leave_out(OffsetCounts *counts, int64 *duplicates, int64 *suppressed);

/* reason NULL: goes on. */
extern void offset_set_paused(int pipeline_id, int32 partition, const char *reason);

/*
 * Forgets partitions [count, ...), which the topic has no more; what they counted stays with the
 * first that it has.
 */
extern void offset_forget_from(int pipeline_id, int32 count);

/* Moves a partition, and forgets what is known of its last message and cluster. */
extern void offset_seek(int pipeline_id, int32 partition, int64 next_offset);

#endif
