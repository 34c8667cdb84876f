/*
 * A producer on one topic. Every message is acknowledged by all in-sync replicas, or the flush
 * fails; librdkafka's retries duplicate nothing (idempotence).
 */
#include "postgres.h"

#include "kafka/kafka.h"

#include <sys/eventfd.h>

#include "base/guc.h"
#include "kafka/handle.h"
#include "kafka/settings.h"
#include "utils/memutils.h"

/* Messages that wait in this process for being sent, at most. */
#define PRODUCER_QUEUE_KB "65536"

struct KafkaProducer
{
	KafkaHandle handle; /* first: the handle's functions get this */
	MemoryContext context;
	int64 outstanding;           /* sent, and neither acknowledged nor failed */
	rd_kafka_resp_err_t failure; /* the first one; the producer is of no use then */
	int32 failed_partition;
	char *cluster_error; /* what the brokers said last, or NULL */
};

static rd_kafka_conf_t *
producer_conf(const KafkaSettings *settings)
{
	rd_kafka_conf_t *conf = settings_to_conf(settings, RD_KAFKA_PRODUCER);
	char timeout[32];

	PG_TRY();
	{
		settings_force(conf, "acks", "all");
		settings_force(conf, "enable.idempotence", "true");
		settings_force(conf, "queue.buffering.max.kbytes", PRODUCER_QUEUE_KB);
		/* How long a topic may be unknown to brokers before messages to it fail. */
		settings_force(conf, "topic.metadata.propagation.max.ms", "1000");
		if (settings_get(settings, "message.timeout.ms") == NULL)
		{
			snprintf(timeout, sizeof(timeout), "%d", telemetry_kafka_timeout);
			settings_force(conf, "message.timeout.ms", timeout);
		}
		/* Delivery reports come as events, to be read in our own thread. */
		rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
	}
	PG_CATCH();
	{
		rd_kafka_conf_destroy(conf);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return conf;
}

KafkaProducer *
kafka_producer_open(const KafkaSettings *settings, const char *topic)
{
	rd_kafka_conf_t *conf = producer_conf(settings);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "telemetry Kafka producer",
												  ALLOCSET_SMALL_SIZES);
	KafkaProducer *producer = MemoryContextAllocZero(context, sizeof(KafkaProducer));
	static const uint64 wake = 1;

	PG_TRY();
	{
		producer->context = context;
		handle_open(&producer->handle, context, settings, RD_KAFKA_PRODUCER, conf, topic);
		producer->handle.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (producer->handle.fd < 0)
			ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
							errmsg("could not make an event descriptor for Kafka: %m")));
		producer->handle.queue = rd_kafka_queue_get_main(producer->handle.rk);
		rd_kafka_queue_io_event_enable(producer->handle.queue, producer->handle.fd, &wake,
									   sizeof(wake));
	}
	PG_CATCH();
	{
		MemoryContextDelete(context);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return producer;
}

/* ---- what comes back ----------------------------------------------------------------------- */

static void
producer_report(KafkaProducer *producer, const rd_kafka_message_t *message)
{
	producer->outstanding--;
	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR ||
		producer->failure != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	producer->failure = message->err;
	producer->failed_partition = message->partition;
}

static void
producer_cluster_error(KafkaProducer *producer, rd_kafka_event_t *event)
{
	MemoryContext old = MemoryContextSwitchTo(producer->context);

	if (producer->cluster_error != NULL)
		pfree(producer->cluster_error);
	producer->cluster_error = handle_mask(&producer->handle, rd_kafka_event_error_string(event));
	MemoryContextSwitchTo(old);
	/* Waiting mends nothing: no need to wait for the messages' own timeout. */
	if (handle_error_is_fatal(rd_kafka_event_error(event)) &&
		producer->failure == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		producer->failure = rd_kafka_event_error(event);
		producer->failed_partition = -1;
	}
}

static void
producer_drain(KafkaProducer *producer)
{
	rd_kafka_event_t *event;

	while ((event = rd_kafka_queue_poll(producer->handle.queue, 0)) != NULL)
	{
		const rd_kafka_message_t *message;

		switch (rd_kafka_event_type(event))
		{
			case RD_KAFKA_EVENT_DR:
				while ((message = rd_kafka_event_message_next(event)) != NULL)
					producer_report(producer, message);
				break;
			case RD_KAFKA_EVENT_ERROR:
				producer_cluster_error(producer, event);
				break;
		}
		rd_kafka_event_destroy(event);
	}
	handle_drain_log(&producer->handle);
}

static void
producer_check(KafkaProducer *producer)
{
	if (producer->failure == RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_ERROR),
			 errmsg("could not produce to topic \"%s\": %s", producer->handle.topic_name,
					rd_kafka_err2str(producer->failure)),
			 producer->cluster_error != NULL
				 ? errdetail("The Kafka client reported: %s", producer->cluster_error)
				 : 0,
			 producer->failure == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT
				 ? errhint("Is the broker up, and bootstrap_servers right? Time waited is set by "
						   "telemetry.kafka_timeout, or option \"message.timeout.ms\".")
				 : 0));
}

static void
producer_wait(KafkaProducer *producer)
{
	handle_wait_fd(producer->handle.fd, 100);
	handle_clear_fd(producer->handle.fd);
}

/* ---- sending ------------------------------------------------------------------------------- */

static rd_kafka_headers_t *
headers_make(int n, const MessageHeader *headers)
{
	rd_kafka_headers_t *made;

	if (n == 0)
		return NULL;
	made = rd_kafka_headers_new(n);
	for (int i = 0; i < n; i++)
		rd_kafka_header_add(made, headers[i].name, -1, headers[i].value,
							(ssize_t) headers[i].value_length);
	return made;
}

void
kafka_producer_send(KafkaProducer *producer, int32 partition, const char *key, size_t key_length,
					const char *value, size_t value_length, int nheaders,
					const MessageHeader *headers, int64 timestamp_ms)
{
	for (;;)
	{
		rd_kafka_headers_t *made = headers_make(nheaders, headers);
		rd_kafka_resp_err_t error = rd_kafka_producev(
			producer->handle.rk, RD_KAFKA_V_RKT(producer->handle.topic),
			RD_KAFKA_V_PARTITION(partition < 0 ? RD_KAFKA_PARTITION_UA : partition),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
			RD_KAFKA_V_KEY(unconstify(char *, key), key_length),
			RD_KAFKA_V_VALUE(unconstify(char *, value), value_length),
			RD_KAFKA_V_TIMESTAMP(Max(timestamp_ms, 0)), RD_KAFKA_V_HEADERS(made), RD_KAFKA_V_END);

		if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
			break;
		if (made != NULL)
			rd_kafka_headers_destroy(made);
		if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			ereport(
				ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("could not produce to topic \"%s\": %s", producer->handle.topic_name,
						rd_kafka_err2str(error)),
				 partition >= 0 ? errdetail("The message was for partition %d.", partition) : 0));
		producer_wait(producer);
		producer_drain(producer);
		producer_check(producer);
	}
	/* Reports are read now and then, so that they do not pile up. */
	if (++producer->outstanding % 1024 == 0)
	{
		producer_drain(producer);
		producer_check(producer);
	}
}

void
kafka_producer_flush(KafkaProducer *producer)
{
	producer_drain(producer);
	while (producer->outstanding > 0 && producer->failure == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		producer_wait(producer);
		producer_drain(producer);
	}
	producer_check(producer);
}
