/*
 * A consumer on one topic, with partitions assigned by us.
 *
 * Messages are taken in batches from one queue and belong to the memory context that was current
 * then: its reset gives them back to librdkafka. A consumer that goes first takes them along.
 */
#include "postgres.h"

#include "kafka/kafka.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "kafka/consumer.h"
#include "kafka/nudge.h"
#include "kafka/settings.h"
#include "postmaster/interrupt.h"
#include "utils/memutils.h"

/* A batch of this many is taken from librdkafka at once; larger wishes take several. */
#define POLL_MAX 10000

/* What one partition may add to a fetch, at least; a larger message is fetched all the same. */
#define PARTITION_FETCH_BYTES (1024 * 1024)

/*
 * librdkafka's own memory for a message in its queue, about: as much as its bytes, or they count.
 */
#define MESSAGE_OVERHEAD 256

/* Part of the queue after whose taking librdkafka is made to look again. */
#define NUDGE_PARTS 4

/* Messages that one poll took; lives in the context that they are released with. */
typedef struct MessageBatch
{
	dlist_node node;
	MemoryContextCallback callback;
	bool open;
	int n;
	rd_kafka_message_t *messages[FLEXIBLE_ARRAY_MEMBER];
} MessageBatch;

/* ---- open and close ------------------------------------------------------------------------ */

static void
batch_release(void *arg)
{
	MessageBatch *batch = arg;

	if (!batch->open)
		return;
	batch->open = false;
	dlist_delete(&batch->node);
	for (int i = 0; i < batch->n; i++)
		rd_kafka_message_destroy(batch->messages[i]);
}

static void
consumer_released(KafkaHandle *handle)
{
	KafkaConsumer *consumer = (KafkaConsumer *) handle;

	while (!dlist_is_empty(&consumer->batches))
		batch_release(dlist_container(MessageBatch, node, dlist_head_node(&consumer->batches)));
}

/* The answer to kafka_consumer_publish(). */
static void
consumer_answer(KafkaHandle *handle, rd_kafka_event_t *event)
{
	KafkaConsumer *consumer = (KafkaConsumer *) handle;
	rd_kafka_resp_err_t error;
	MemoryContext old;

	if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_OFFSET_COMMIT)
		return;
	error = rd_kafka_event_error(event);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__NO_OFFSET)
		return;
	old = MemoryContextSwitchTo(consumer->context);
	if (consumer->publish_error != NULL)
		pfree(consumer->publish_error);
	consumer->publish_error = handle_mask(handle, rd_kafka_err2str(error));
	MemoryContextSwitchTo(old);
}

static void
conf_set_int(rd_kafka_conf_t *conf, const char *name, int64 value)
{
	char text[32];

	snprintf(text, sizeof(text), INT64_FORMAT, value);
	settings_force(conf, name, text);
}

static rd_kafka_conf_t *
consumer_conf(const KafkaSettings *settings, const char *group_id, int queue_kb)
{
	rd_kafka_conf_t *conf = settings_to_conf(settings, RD_KAFKA_CONSUMER);
	int64 queue_bytes = (int64) queue_kb * 1024;

	PG_TRY();
	{
		settings_force(conf, "group.id", group_id);
		settings_force(conf, "enable.auto.commit", "false");
		settings_force(conf, "enable.auto.offset.store", "false");
		settings_force(conf, "auto.offset.reset", "error");
		settings_force(conf, "enable.partition.eof", "true");
		/* A slow transaction is no reason to be thrown out: there is no group membership. */
		settings_force(conf, "max.poll.interval.ms", "86400000");
		conf_set_int(conf, "queued.max.messages.kbytes", queue_kb);
		if (settings_get(settings, "queued.min.messages") == NULL)
			conf_set_int(conf, "queued.min.messages", queue_bytes / MESSAGE_OVERHEAD);
		/* Queue full: look again that soon. Older ones need a nudge. */
		if (!nudge_needed())
			settings_force(conf, "fetch.queue.backoff.ms", "5");
		if (settings_get(settings, "fetch.message.max.bytes") == NULL &&
			settings_get(settings, "max.partition.fetch.bytes") == NULL)
			conf_set_int(conf, "fetch.message.max.bytes", Min(PARTITION_FETCH_BYTES, queue_bytes));
		if (settings_get(settings, "fetch.max.bytes") == NULL)
			conf_set_int(conf, "fetch.max.bytes", Min(queue_bytes, 50 * 1024 * 1024));
		settings_force(conf, "statistics.interval.ms", "1000");
		/* Questions about offsets wait behind a fetch that waits for messages. */
		if (settings_get(settings, "fetch.wait.max.ms") == NULL)
		{
			settings_force(conf, "fetch.wait.max.ms", "100");
			/* A broker that hangs is given up after this, not after librdkafka's minute. */
			if (settings_get(settings, "socket.timeout.ms") == NULL)
				settings_force(conf, "socket.timeout.ms", "10000");
		}
		if (settings_get(settings, "check.crcs") == NULL)
			settings_force(conf, "check.crcs", "true");
	}
	PG_CATCH();
	{
		rd_kafka_conf_destroy(conf);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return conf;
}

KafkaConsumer *
kafka_consumer_open(const KafkaSettings *settings, const char *topic, const char *group_id,
					int queue_kb)
{
	rd_kafka_conf_t *conf = consumer_conf(settings, group_id, queue_kb);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "telemetry Kafka consumer",
												  ALLOCSET_SMALL_SIZES);
	KafkaConsumer *consumer = MemoryContextAllocZero(context, sizeof(KafkaConsumer));
	static const char wake[sizeof(uint64)] = {1}; /* any number but 0, to an eventfd */

	PG_TRY();
	{
		consumer->context = context;
		consumer->scratch =
			MemoryContextAlloc(context, sizeof(rd_kafka_message_t *) * (Size) POLL_MAX);
		dlist_init(&consumer->batches);
		consumer->handle.released = consumer_released;
		consumer->handle.answer = consumer_answer;
		handle_open(&consumer->handle, context, settings, RD_KAFKA_CONSUMER, conf, topic);

		consumer->handle.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (consumer->handle.fd < 0)
			ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
							errmsg("could not make an event descriptor for Kafka: %m")));
		/* Errors of the cluster come through the same queue as messages. */
		rd_kafka_poll_set_consumer(consumer->handle.rk);
		consumer->handle.queue = rd_kafka_queue_get_consumer(consumer->handle.rk);
		if (consumer->handle.queue == NULL)
			elog(ERROR, "the Kafka client has no queue for consumer group \"%s\"", group_id);
		rd_kafka_queue_io_event_enable(consumer->handle.queue, consumer->handle.fd, wake,
									   sizeof(wake));
		consumer->queue_bytes = (int64) queue_kb * 1024;
		consumer->queue_messages = consumer->queue_bytes / MESSAGE_OVERHEAD;
		if (nudge_needed())
			consumer->handle.nudge = nudge_new(consumer->handle.rk);
	}
	PG_CATCH();
	{
		MemoryContextDelete(context);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return consumer;
}

void
kafka_consumer_close(KafkaConsumer *consumer)
{
	MemoryContextDelete(consumer->context);
}

int
kafka_consumer_socket(KafkaConsumer *consumer)
{
	return consumer->handle.fd;
}

void
kafka_consumer_socket_clear(KafkaConsumer *consumer)
{
	handle_clear_fd(consumer->handle.fd);
}

/* ---- assignment ---------------------------------------------------------------------------- */

static rd_kafka_topic_partition_list_t *
positions_to_list(KafkaConsumer *consumer, int n, const KafkaPosition *positions)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n);

	for (int i = 0; i < n; i++)
	{
		rd_kafka_topic_partition_t *entry = rd_kafka_topic_partition_list_add(
			list, consumer->handle.topic_name, positions[i].partition);

		/* KAFKA_OFFSET_EARLIEST and LATEST have librdkafka's values. */
		entry->offset = positions[i].offset;
	}
	return list;
}

static void
assign_failed(KafkaConsumer *consumer, const char *text)
{
	ereport(ERROR, (errcode(ERRCODE_FDW_ERROR),
					errmsg("could not assign partitions of topic \"%s\" on \"%s\": %s",
						   consumer->handle.topic_name, consumer->handle.servers, text)));
}

static void
assign_check(KafkaConsumer *consumer, rd_kafka_error_t *error)
{
	char text[512];

	if (error == NULL)
		return;
	strlcpy(text, rd_kafka_error_string(error), sizeof(text));
	rd_kafka_error_destroy(error);
	assign_failed(consumer, text);
}

/* The partitions assigned have changed. */
static void
consumer_nudge_partitions(KafkaConsumer *consumer)
{
	rd_kafka_topic_partition_list_t *list;

	if (consumer->handle.nudge != NULL &&
		rd_kafka_assignment(consumer->handle.rk, &list) == RD_KAFKA_RESP_ERR_NO_ERROR)
		nudge_set_partitions(consumer->handle.nudge, list);
}

void
kafka_consumer_assign(KafkaConsumer *consumer, int n, const KafkaPosition *positions)
{
	rd_kafka_topic_partition_list_t *list = positions_to_list(consumer, n, positions);
	rd_kafka_resp_err_t code = rd_kafka_assign(consumer->handle.rk, list);

	rd_kafka_topic_partition_list_destroy(list);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		assign_failed(consumer, rd_kafka_err2str(code));
	consumer_nudge_partitions(consumer);
}

void
kafka_consumer_add(KafkaConsumer *consumer, int n, const KafkaPosition *positions)
{
	rd_kafka_topic_partition_list_t *list = positions_to_list(consumer, n, positions);
	rd_kafka_error_t *error = rd_kafka_incremental_assign(consumer->handle.rk, list);

	rd_kafka_topic_partition_list_destroy(list);
	assign_check(consumer, error);
	consumer_nudge_partitions(consumer);
}

void
kafka_consumer_remove(KafkaConsumer *consumer, int n, const int32 *partitions)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n);
	rd_kafka_error_t *error;

	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(list, consumer->handle.topic_name, partitions[i]);
	error = rd_kafka_incremental_unassign(consumer->handle.rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	assign_check(consumer, error);
	consumer_nudge_partitions(consumer);
}

/* ---- polling ------------------------------------------------------------------------------- */

static void
event_fill_headers(KafkaEvent *event)
{
	rd_kafka_headers_t *headers;
	MessageHeader *array;
	size_t n;

	event->message.nheaders = 0;
	event->message.headers = NULL;
	if (rd_kafka_message_headers(event->handle, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	n = rd_kafka_header_cnt(headers);
	array = palloc_array(MessageHeader, n);
	for (size_t i = 0; i < n; i++)
	{
		const void *value;
		size_t length;

		if (rd_kafka_header_get_all(headers, i, &array[i].name, &value, &length) !=
			RD_KAFKA_RESP_ERR_NO_ERROR)
			break;
		array[i].value = value;
		array[i].value_length = value != NULL ? length : 0;
		event->message.nheaders++;
	}
	event->message.headers = array;
}

static KafkaEventKind
event_kind(const rd_kafka_message_t *message)
{
	switch (message->err)
	{
		case RD_KAFKA_RESP_ERR_NO_ERROR:
			return KAFKA_EVENT_MESSAGE;
		case RD_KAFKA_RESP_ERR__PARTITION_EOF:
			return KAFKA_EVENT_END;
		case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
		case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
		case RD_KAFKA_RESP_ERR__NO_OFFSET:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: /* the topic has fewer now */
			return KAFKA_EVENT_OFFSET_LOST;
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
		case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
			return KAFKA_EVENT_ERROR;
		default:
			return message->rkt != NULL && message->partition >= 0 ? KAFKA_EVENT_PARTITION_ERROR
																   : KAFKA_EVENT_ERROR;
	}
}

static void
event_fill(KafkaConsumer *consumer, KafkaEvent *event, rd_kafka_message_t *message,
		   bool want_headers)
{
	MessageView *view = &event->message;
	rd_kafka_timestamp_type_t timestamp_type;

	event->kind = event_kind(message);
	event->handle = message;
	event->code = message->err;
	event->fatal = false;
	event->error = NULL;
	view->partition = message->rkt != NULL ? message->partition : -1;
	view->offset = message->offset >= 0 ? message->offset : -1;
	view->nheaders = 0;
	view->headers = NULL;
	if (event->kind == KAFKA_EVENT_MESSAGE)
	{
		view->value = message->payload;
		view->value_length = message->len;
		view->key = message->key;
		view->key_length = message->key_len;
		view->timestamp_ms = rd_kafka_message_timestamp(message, &timestamp_type);
		view->append_time = timestamp_type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
		if (want_headers)
			event_fill_headers(event);
		return;
	}
	view->value = view->key = NULL;
	view->value_length = view->key_length = 0;
	view->timestamp_ms = -1;
	view->append_time = false;
	if (event->kind != KAFKA_EVENT_END)
	{
		event->fatal = handle_error_is_fatal(message->err);
		event->error = handle_mask(&consumer->handle, rd_kafka_message_errstr(message));
	}
}

/* Lets librdkafka know that there is room in its queue again. */
static void
consumer_nudge(KafkaConsumer *consumer)
{
	if (consumer->handle.nudge == NULL ||
		(consumer->taken_bytes < consumer->queue_bytes / NUDGE_PARTS &&
		 consumer->taken_messages < consumer->queue_messages / NUDGE_PARTS))
		return;
	consumer->taken_bytes = consumer->taken_messages = 0;
	nudge_now(consumer->handle.nudge);
}

/* Takes what is there, without waiting. */
static int
consumer_take(KafkaConsumer *consumer, KafkaEvent *events, int max, bool want_headers)
{
	ssize_t n = rd_kafka_consume_batch_queue(consumer->handle.queue, 0, consumer->scratch,
											 Min(max, POLL_MAX));
	MessageBatch *batch;

	if (n <= 0)
		return 0;
	batch = MemoryContextAllocExtended(
		CurrentMemoryContext, offsetof(MessageBatch, messages) + sizeof(rd_kafka_message_t *) * n,
		MCXT_ALLOC_NO_OOM);
	if (batch == NULL)
	{
		for (int i = 0; i < n; i++)
			rd_kafka_message_destroy(consumer->scratch[i]);
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("Failed on a batch of %zd Kafka messages.", n)));
	}
	batch->open = true;
	batch->n = (int) n;
	memcpy(batch->messages, consumer->scratch, sizeof(rd_kafka_message_t *) * n);
	dlist_push_head(&consumer->batches, &batch->node);
	batch->callback.func = batch_release;
	batch->callback.arg = batch;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &batch->callback);

	for (int i = 0; i < n; i++)
	{
		event_fill(consumer, &events[i], batch->messages[i], want_headers);
		consumer->taken_bytes += events[i].message.value_length + events[i].message.key_length;
	}
	consumer->taken_messages += n;
	consumer_nudge(consumer);
	return (int) n;
}

/* Errors of the cluster as a whole, which librdkafka reported to its callback. */
static int
consumer_take_errors(KafkaConsumer *consumer, KafkaEvent *events, int max)
{
	rd_kafka_resp_err_t code;
	const char *text;
	int n = 0;

	while (n < max && handle_take_error(&consumer->handle, &code, &text))
	{
		KafkaEvent *event = &events[n++];

		memset(event, 0, sizeof(*event));
		event->kind = KAFKA_EVENT_ERROR;
		event->code = code;
		event->fatal = handle_error_is_fatal(code);
		event->error = text;
		event->message.partition = -1;
		event->message.offset = -1;
		event->message.timestamp_ms = -1;
	}
	return n;
}

int
kafka_consumer_poll(KafkaConsumer *consumer, KafkaEvent *events, int max, int timeout_ms,
					bool want_headers)
{
	Moment end = 0;

	for (;;)
	{
		long rest;
		int n = consumer_take(consumer, events, max, want_headers);

		n += consumer_take_errors(consumer, events + n, max - n);
		handle_drain_log(&consumer->handle);
		if (n > 0 || timeout_ms <= 0 || ShutdownRequestPending)
			return n;

		if (end == 0)
			end = clock_after(timeout_ms);
		rest = clock_ms_until(end);
		if (rest <= 0)
			return 0;
		handle_wait_fd(consumer->handle.fd, (int) Min(rest, 100));
		/* Cleared before the queue is looked at again: what comes later makes it readable. */
		kafka_consumer_socket_clear(consumer);
	}
}

void
kafka_event_headers(KafkaEvent *event)
{
	if (event->kind == KAFKA_EVENT_MESSAGE)
		event_fill_headers(event);
}

/* ---- publication of positions to the group -------------------------------------------------- */

void
kafka_consumer_publish(KafkaConsumer *consumer, int n, const KafkaPosition *positions)
{
	rd_kafka_topic_partition_list_t *list = positions_to_list(consumer, n, positions);

	rd_kafka_commit_queue(consumer->handle.rk, list, consumer->handle.logs, NULL, NULL);
	rd_kafka_topic_partition_list_destroy(list);
}

const char *
kafka_consumer_publish_error(KafkaConsumer *consumer)
{
	char *error;

	handle_drain_log(&consumer->handle);
	if (consumer->publish_error == NULL)
		return NULL;
	error = pstrdup(consumer->publish_error);
	pfree(consumer->publish_error);
	consumer->publish_error = NULL;
	return error;
}
