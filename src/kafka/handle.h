/*
 * What consumer and producer have in common: a librdkafka handle that is always destroyed, within a
 * bounded time, whatever throws; its log; and blocking calls that can be cancelled.
 */
#ifndef TELEMETRY_KAFKA_HANDLE_H
#define TELEMETRY_KAFKA_HANDLE_H

#include "postgres.h"

#include "lib/ilist.h"

#include <librdkafka/rdkafka.h>

#include "kafka/kafka.h"

/* What librdkafka's threads may touch, and what a slow destruction may leave behind: malloc'ed. */
typedef struct HandleShell HandleShell;

typedef struct KafkaHandle
{
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic; /* or NULL */
	rd_kafka_queue_t *queue; /* the consumer's, or NULL */
	rd_kafka_queue_t *logs;  /* librdkafka's log lines and answers to asynchronous requests */
	struct Nudge *nudge;     /* the consumer's, or NULL */
	int fd;                  /* readable when something came into queue, or -1 */
	char *servers;           /* for messages */
	char *topic_name;        /* for messages; or NULL */
	List *secrets;           /* of char *; values that must not appear in the log */
	char last_log[512];      /* librdkafka's newest complaint since the last call began; "" */
	HandleShell *shell;
	void (*released)(struct KafkaHandle *); /* called first when the handle goes; or NULL */
	void (*answer)(struct KafkaHandle *, rd_kafka_event_t *); /* what is no log line; or NULL */
	dlist_node node; /* in the list of this process's handles */
} KafkaHandle;

/*
 * Makes the handle. `handle` must live in `context`; when that is reset or deleted, the handle goes
 * with it. conf is taken over, also on failure.
 */
extern void handle_open(KafkaHandle *handle, MemoryContext context, const KafkaSettings *settings,
						rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *topic);

/* Writes what librdkafka has logged to the server's log; hands on asynchronous answers. */
extern void handle_drain_log(KafkaHandle *handle);

/* A copy of text in the current context in which no secret stands. */
extern char *handle_mask(const KafkaHandle *handle, const char *text);

/* True for errors that waiting does not mend. */
extern bool handle_error_is_fatal(rd_kafka_resp_err_t code);

/*
 * Takes the oldest error of the cluster as a whole that nobody has looked at: false when there is
 * none. The text is copied into the current context, masked.
 */
extern bool handle_take_error(KafkaHandle *handle, rd_kafka_resp_err_t *code, const char **text);

/*
 * librdkafka's statistics, a JSON document, if there are some that nobody has taken; else NULL. The
 * caller frees it with free().
 */
extern char *handle_take_statistics(KafkaHandle *handle);

/*
 * Runs a blocking librdkafka call on a thread of its own, while this one watches for cancel,
 * shutdown and the postmaster's death. arg is malloc'ed and belongs to the handle from now on,
 * which ends its life by free_arg. True: finished, and arg may be read until the next call. False:
 * it did not come back in time, or a shutdown was asked for; the thread ends by itself.
 */
typedef void (*HandleTask)(rd_kafka_t *rk, void *arg);
extern bool handle_call(KafkaHandle *handle, HandleTask task, void *arg, void (*free_arg)(void *),
						int timeout_ms);

/* Zeroed memory for an arg. Throws when there is none. */
extern void *handle_call_alloc(Size size);

/* Takes what is in an eventfd out: readable again with what comes from now on. */
extern void handle_clear_fd(int fd);

/* Waits until fd is readable, for at most 100 ms of timeout_ms, and handles interrupts. */
extern void handle_wait_fd(int fd, int timeout_ms);

#endif
