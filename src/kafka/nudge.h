/*
 * Keeps librdkafka fetching.
 *
 * Before 2.2, a broker's thread that finds the queue of fetched messages full sleeps to the end of
 * a second, however soon the queue is drained: with a queue of 16 MB no more than some 34 MB/s
 * arrive (measured). Any request to that broker wakes the thread. So a thread of ours asks for the
 * partitions' end offsets whenever a part of the queue has been taken.
 */
#ifndef TELEMETRY_KAFKA_NUDGE_H
#define TELEMETRY_KAFKA_NUDGE_H

#include "postgres.h"

#include <librdkafka/rdkafka.h>

typedef struct Nudge Nudge; /* malloc'ed: a slow end of its thread may outlive the session's care */

/* True where librdkafka needs it. */
extern bool nudge_needed(void);

/* NULL when there is no memory. Its thread starts with the first nudge. */
extern Nudge *nudge_new(rd_kafka_t *rk);

/* What to ask for: the partitions whose leaders shall be woken. Takes the list over. */
extern void nudge_set_partitions(Nudge *nudge, rd_kafka_topic_partition_list_t *list);

extern void nudge_now(Nudge *nudge);

/* Waits for the thread, for up to a second. */
extern void nudge_free(Nudge *nudge);

#endif
