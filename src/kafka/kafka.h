/*
 * Kafka as the rest of the module sees it: settings, a consumer with assigned partitions, a
 * producer, and the few questions one asks a cluster. rdkafka.h is included by this folder only.
 *
 * librdkafka runs threads of its own. They never touch PostgreSQL: logs and errors are queued and
 * picked up in the calling thread. No handle may exist in the postmaster, or before a fork.
 * Functions that wait take a timeout in ms, watch for query cancel and postmaster death, and
 * ereport with ERRCODE_FDW_ERROR-class codes, topic and server address in the message.
 */
#ifndef TELEMETRY_KAFKA_KAFKA_H
#define TELEMETRY_KAFKA_KAFKA_H

#include "postgres.h"

#include "base/epoch.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "decode/decoder.h"

/* What to do about it, as every such error says. */
#define KAFKA_HINT_NO_ANSWER                                                                       \
	"Is the broker up, and bootstrap_servers right? Time waited is set by "                        \
	"telemetry.kafka_timeout."
#define KAFKA_HINT_NO_TOPIC                                                                        \
	"Topics are created by Kafka's own tools; option \"topic\" of the foreign table says "         \
	"which is meant."

/* ---- settings ------------------------------------------------------------------------------ */

typedef enum KafkaSettingKind
{
	KAFKA_SETTING_UNKNOWN, /* not in the allow-list */
	KAFKA_SETTING_PLAIN,
	KAFKA_SETTING_SECRET,   /* user mapping only, never shown */
	KAFKA_SETTING_SUPERUSER /* reads files, loads or runs something: superusers only */
} KafkaSettingKind;

/* name is librdkafka's, or ours with underscores (bootstrap_servers, sasl_username, ...). */
extern KafkaSettingKind kafka_setting_kind(const char *name);

/* Which objects' options may hold a setting: an OR of these. */
#define KAFKA_ON_SERVER 1
#define KAFKA_ON_USER   2
#define KAFKA_ON_TABLE  4
extern int kafka_setting_places(const char *name);

/*
 * librdkafka's own name of a setting in the allow-list, so that two spellings of one are noticed;
 * or NULL.
 */
extern const char *kafka_setting_canonical(const char *name);

/* For a setting that we set ourselves: a sentence saying what to do instead. NULL for others. */
extern const char *kafka_setting_owned(const char *name);

/*
 * ereports when librdkafka does not take the value for that setting, or the current user may not
 * choose it.
 */
extern void kafka_setting_check(const char *name, const char *value);

/* Names of all settings in the allow-list, for "did you mean" hints: a NULL-terminated array. */
extern const char *const *kafka_setting_names(void);

/* A set of settings: what a server, its user mapping and a foreign table say together. */
typedef struct KafkaSettings
{
	List *names;  /* of char * */
	List *values; /* of char *, same order */
} KafkaSettings;

/* ---- consumer ------------------------------------------------------------------------------ */

typedef struct KafkaConsumer KafkaConsumer;

typedef struct KafkaPosition
{
	int32 partition;
	int64 offset; /* next to read; or KAFKA_OFFSET_EARLIEST / LATEST */
} KafkaPosition;

#define KAFKA_OFFSET_LATEST   (-1)
#define KAFKA_OFFSET_EARLIEST (-2)

typedef enum KafkaEventKind
{
	KAFKA_EVENT_MESSAGE,
	KAFKA_EVENT_END,             /* partition read to its end; offset = next offset to come */
	KAFKA_EVENT_OFFSET_LOST,     /* the assigned offset is not (or no longer) in the log */
	KAFKA_EVENT_PARTITION_ERROR, /* anything else that concerns one partition (undecompressable
									batch, ...) */
	KAFKA_EVENT_ERROR, /* concerns the topic or cluster: brokers down, authentication, unknown topic
						*/
} KafkaEventKind;

/* One thing that came out of a consumer. Message bytes stay valid until the batch is released. */
typedef struct KafkaEvent
{
	KafkaEventKind kind;
	MessageView message; /* partition and offset are filled for every kind that has them, else -1 */
	void *handle;        /* the rd_kafka_message_t behind it */
	int code;            /* librdkafka's error code */
	bool fatal;          /* will not mend itself: authentication, unknown topic, authorization */
	const char *error;   /* its text; in the batch's memory */
} KafkaEvent;

/*
 * Opens a consumer on one topic. group_id is always needed (assign fails without), nothing is ever
 * committed unless kafka_consumer_publish() is called. queue_kb bounds fetched, untaken messages.
 * Closed by kafka_consumer_close() or when its memory context is reset.
 */
extern KafkaConsumer *kafka_consumer_open(const KafkaSettings *settings, const char *topic,
										  const char *group_id, int queue_kb);
extern void kafka_consumer_close(KafkaConsumer *consumer);

/*
 * A descriptor that becomes readable when something may be waiting. Edge-triggered: drain with
 * kafka_consumer_poll(.., 0) until it gives 0 before waiting again. Valid from open on.
 */
extern int kafka_consumer_socket(KafkaConsumer *consumer);

/* Empties the descriptor; call before draining. */
extern void kafka_consumer_socket_clear(KafkaConsumer *consumer);

/* Replaces / extends / shrinks what is read. Offsets as in KafkaPosition. */
extern void kafka_consumer_assign(KafkaConsumer *consumer, int n, const KafkaPosition *positions);
extern void kafka_consumer_add(KafkaConsumer *consumer, int n, const KafkaPosition *positions);
extern void kafka_consumer_remove(KafkaConsumer *consumer, int n, const int32 *partitions);

/*
 * Takes up to max events into events[], waiting at most timeout_ms for the first (0: not at all).
 * Registers their release with the current memory context: they live until that is reset.
 * With want_headers each message's headers are filled, too.
 */
extern int kafka_consumer_poll(KafkaConsumer *consumer, KafkaEvent *events, int max, int timeout_ms,
							   bool want_headers);

/* Fills headers of a message on demand (for a dead letter), in the current memory context. */
extern void kafka_event_headers(KafkaEvent *event);

/*
 * Where a partition begins and ends as last heard from the broker, about once a second; -1 where
 * not known. stable: the last stable offset, up to which read_committed reads; high: behind the
 * last message, of open transactions too.
 */
typedef struct KafkaEnds
{
	int64 low;
	int64 stable;
	int64 high;
} KafkaEnds;

extern KafkaEnds kafka_consumer_ends(KafkaConsumer *consumer, int32 partition);

/*
 * Asks the broker. False: no answer in time (text in *error). A partition's earliest and end
 * offset.
 */
extern bool kafka_consumer_query_offsets(KafkaConsumer *consumer, int32 partition, int64 *low,
										 int64 *high, int timeout_ms, const char **error);

/* The same for many partitions in one question; low[] and high[] have n entries. */
extern bool kafka_consumer_query_many(KafkaConsumer *consumer, int n, const int32 *partitions,
									  int64 *low, int64 *high, int timeout_ms, const char **error);

/*
 * A finite time in Unix ms, as Kafka counts. Before 1970 lies every message's beginning; negative
 * times mean something else to Kafka (-1 is the end).
 */
static inline int64
kafka_time_ms(TimestampTz time)
{
	int64 ms = time / 1000 - UNIX_EPOCH / 1000;

	return ms > 0 ? ms : KAFKA_OFFSET_EARLIEST;
}

/*
 * First offset of each position's partition at or after a Unix time in ms; end where there is none.
 * KAFKA_OFFSET_EARLIEST and LATEST are taken as times, too.
 */
extern bool kafka_consumer_offsets_at(KafkaConsumer *consumer, int64 timestamp_ms, int n,
									  KafkaPosition *positions, int timeout_ms, const char **error);

/* Number of partitions of the topic; 0: it does not exist; -1: no answer in time. */
extern int kafka_consumer_partition_count(KafkaConsumer *consumer, int timeout_ms,
										  const char **error);

/* The cluster's id, palloc'd; NULL when no broker answered in time. */
extern char *kafka_consumer_cluster_id(KafkaConsumer *consumer, int timeout_ms);

/* Publishes positions to the consumer group, asynchronously, for Kafka's lag tools. */
extern void kafka_consumer_publish(KafkaConsumer *consumer, int n, const KafkaPosition *positions);

/* Error of a publication that failed since last asked, or NULL. */
extern const char *kafka_consumer_publish_error(KafkaConsumer *consumer);

/* ---- producer ------------------------------------------------------------------------------ */

typedef struct KafkaProducer KafkaProducer;

extern KafkaProducer *kafka_producer_open(const KafkaSettings *settings, const char *topic);

/*
 * Copies the bytes. Waits while the local queue is full. value NULL: a tombstone; partition -1: by
 * key.
 */
extern void kafka_producer_send(KafkaProducer *producer, int32 partition, const char *key,
								size_t key_length, const char *value, size_t value_length,
								int nheaders, const MessageHeader *headers, int64 timestamp_ms);

/* Waits until every message is acknowledged by all in-sync replicas; ereports if one failed. */
extern void kafka_producer_flush(KafkaProducer *producer);

/* ---- questions ----------------------------------------------------------------------------- */

/* Topics of the cluster, without internal ones: List of char *. */
extern List *kafka_topic_names(const KafkaSettings *settings, int timeout_ms);

#endif
