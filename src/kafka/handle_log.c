/*
 * What librdkafka says, as the server's log and error messages may have it: without secrets, and in
 * no greater number than a log bears.
 */
#include "postgres.h"

#include "kafka/handle.h"

#include "base/clock.h"
#include "lib/stringinfo.h"

/* Log lines of librdkafka that one process passes on in a span of time. */
#define LOG_LINES   10
#define LOG_SPAN_MS 10000

/* As syslog has it. */
#define LOG_LEVEL_ERROR 3

char *
handle_mask(const KafkaHandle *handle, const char *text)
{
	StringInfoData masked;
	ListCell *cell;

	initStringInfo(&masked);
	while (*text != '\0')
	{
		size_t skip = 0;

		foreach (cell, handle->secrets)
		{
			const char *secret = lfirst(cell);

			if (strncmp(text, secret, strlen(secret)) == 0)
				skip = Max(skip, strlen(secret));
		}
		if (skip > 0)
			appendStringInfoString(&masked, "***");
		else
			appendStringInfoChar(&masked, *text);
		text += Max(skip, 1);
	}
	return masked.data;
}

bool
handle_error_is_fatal(rd_kafka_resp_err_t code)
{
	switch (code)
	{
		case RD_KAFKA_RESP_ERR__AUTHENTICATION:
		case RD_KAFKA_RESP_ERR__SSL:
		case RD_KAFKA_RESP_ERR__FATAL:
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
		case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
		case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
		case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
		case RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE:
			return true;
		default:
			return false;
	}
}

/* True while this process may still write a line of librdkafka's into the log. */
static bool
log_allowed(int *suppressed)
{
	static Moment span_start = 0;
	static int lines = 0;
	Moment now = clock_now();

	*suppressed = 0;
	if (span_start == 0 || clock_ms_between(span_start, now) >= LOG_SPAN_MS)
	{
		*suppressed = Max(lines - LOG_LINES, 0);
		span_start = now;
		lines = 0;
	}
	return lines++ < LOG_LINES;
}

static void
log_line(int level, const char *facility, const char *text)
{
	int suppressed;

	if (level >= 7) /* "debug" is on, by a superuser's choice */
		ereport(DEBUG1,
				(errmsg_internal("Kafka client: %s: %s", facility, text), errhidestmt(true)));
	else if (log_allowed(&suppressed))
		ereport(LOG_SERVER_ONLY,
				(errmsg("Kafka client: %s: %s", facility, text),
				 suppressed > 0
					 ? errdetail("%d earlier lines of the Kafka client were left out.", suppressed)
					 : 0,
				 errhidestmt(true)));
}

void
handle_drain_log(KafkaHandle *handle)
{
	rd_kafka_event_t *event;

	while ((event = rd_kafka_queue_poll(handle->logs, 0)) != NULL)
	{
		const char *facility;
		const char *text;
		char *line = NULL;
		char source[64];
		int level;

		if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_LOG)
		{
			if (rd_kafka_event_log(event, &facility, &text, &level) == 0)
			{
				line = handle_mask(handle, text);
				strlcpy(source, facility, sizeof(source));
			}
		}
		else if (handle->answer != NULL)
			handle->answer(handle, event);
		rd_kafka_event_destroy(event);
		if (line != NULL)
		{
			if (level <= LOG_LEVEL_ERROR)
				strlcpy(handle->last_log, line, sizeof(handle->last_log));
			log_line(level, source, line);
			pfree(line);
		}
	}
}
