/*
 * A consumer's insides, for the files that share them.
 */
#ifndef TELEMETRY_KAFKA_CONSUMER_H
#define TELEMETRY_KAFKA_CONSUMER_H

#include "postgres.h"

#include "kafka/handle.h"
#include "kafka/kafka.h"
#include "lib/ilist.h"

struct KafkaConsumer
{
	KafkaHandle handle; /* first: the handle's callbacks get this */
	MemoryContext context;
	dlist_head batches;           /* of MessageBatch: messages that are out */
	rd_kafka_message_t **scratch; /* POLL_MAX of them */
	int64 queue_bytes;            /* bounds of what is fetched and not taken */
	int64 queue_messages;
	int64 taken_bytes; /* since the last nudge */
	int64 taken_messages;
	char *publish_error; /* of the last failed publication; or NULL */
	KafkaEnds *ends;     /* by partition number; see statistics.c */
	int nends;
};

#endif
