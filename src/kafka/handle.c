/*
 * Life and death of a librdkafka handle.
 *
 * rd_kafka_destroy() waits for threads that may hang in a name lookup for many seconds, and a
 * blocking call cannot be interrupted. So both run on threads of their own, which touch only the
 * malloc'ed shell. The session waits for them for a bounded time; a thread that takes longer keeps
 * the shell and frees it at its end. A process that exits meanwhile leaves by _exit(), as the last
 * thing of all: exit handlers of libraries must not pull the ground from under running threads.
 */
#include "postgres.h"

#include "kafka/handle.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "kafka/nudge.h"
#include "kafka/settings.h"
#include "kafka/thread.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"

/* Longest that closing a handle holds up its process. */
#define CLOSE_WAIT_MS 400

/* The same while a call is under way: somebody cancelled it, and wants to go on. */
#define CLOSE_BUSY_WAIT_MS 20

/* A call gets this much longer than the timeout that librdkafka itself was given. */
#define CALL_GRACE_MS 300

/* Errors of the cluster kept until somebody takes them. */
#define SHELL_ERRORS 8

/* A shorter secret is not masked: replacing every "a" would tell more than it hides. */
#define SECRET_MIN_LENGTH 4

typedef struct ShellError
{
	rd_kafka_resp_err_t code;
	char text[512];
} ShellError;

enum
{
	SHELL_CLOSING,
	SHELL_CLOSED,   /* the thread is through: the session frees the shell */
	SHELL_ABANDONED /* the session went on: the thread frees it */
};

struct HandleShell
{
	rd_kafka_t *rk;
	rd_kafka_type_t type;
	rd_kafka_topic_t *topic;
	rd_kafka_queue_t *queue;
	rd_kafka_queue_t *logs;
	Nudge *nudge; /* or NULL */
	int fd;
	int done_fd; /* readable once a call, or the closing, is through */
	atomic_int state;

	/* The blocking call, at most one at a time. */
	bool call_started; /* the thread is not joined yet */
	atomic_bool call_finished;
	pthread_t call_thread;
	HandleTask call_task;
	void (*call_free)(void *);
	void *call_arg;

	pthread_mutex_t lock; /* guards what follows */
	int nerrors;
	ShellError errors[SHELL_ERRORS];
	char *statistics; /* librdkafka's newest, malloc'ed; or NULL */
};

static dlist_head open_handles = DLIST_STATIC_INIT(open_handles);
static atomic_int shells_abandoned = 0;
static int exit_code = 0;

/* ---- threads ------------------------------------------------------------------------------- */

static void
shell_signal(HandleShell *shell)
{
	uint64_t one = 1;
	ssize_t written pg_attribute_unused();

	/* Nonblocking; it can only fail when the counter is high, and then it is readable anyhow. */
	written = write(shell->done_fd, &one, sizeof(one));
}

void
handle_clear_fd(int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

static void
shell_free(HandleShell *shell)
{
	if (shell->fd >= 0)
		close(shell->fd);
	if (shell->done_fd >= 0)
		close(shell->done_fd);
	pthread_mutex_destroy(&shell->lock);
	free(shell->statistics);
	free(shell);
}

/* Destroys all that librdkafka holds. No thread of librdkafka lives when this returns. */
static void
shell_destroy(HandleShell *shell)
{
	if (shell->call_started)
		pthread_join(shell->call_thread, NULL);
	if (shell->call_arg != NULL)
		shell->call_free(shell->call_arg);
	if (shell->nudge != NULL)
		nudge_free(shell->nudge);
	if (shell->rk == NULL)
		return;
	if (shell->type == RD_KAFKA_PRODUCER)
		rd_kafka_purge(shell->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	if (shell->queue != NULL)
	{
		rd_kafka_queue_io_event_enable(shell->queue, -1, NULL, 0);
		rd_kafka_queue_destroy(shell->queue);
	}
	if (shell->logs != NULL)
		rd_kafka_queue_destroy(shell->logs);
	if (shell->topic != NULL)
		rd_kafka_topic_destroy(shell->topic);
	rd_kafka_destroy_flags(shell->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void *
shell_closer(void *arg)
{
	HandleShell *shell = arg;

	shell_destroy(shell);
	shell_signal(shell);
	if (atomic_exchange(&shell->state, SHELL_CLOSED) == SHELL_ABANDONED)
	{
		shell_free(shell);
		atomic_fetch_sub(&shells_abandoned, 1);
	}
	return NULL;
}

/* ---- closing ------------------------------------------------------------------------------- */

/* Runs in error recovery and at exit, too: must not throw, nor handle interrupts. */
static void
shell_close(HandleShell *shell)
{
	bool busy = shell->call_started && !atomic_load(&shell->call_finished);
	pthread_t thread;
	Moment end;

	if (shell->done_fd >= 0)
		handle_clear_fd(shell->done_fd);
	if (shell->done_fd < 0 || !thread_start(&thread, shell_closer, shell))
	{
		shell_destroy(shell);
		shell_free(shell);
		return;
	}

	end = clock_after(busy ? CLOSE_BUSY_WAIT_MS : CLOSE_WAIT_MS);
	while (atomic_load(&shell->state) != SHELL_CLOSED)
	{
		long rest = clock_ms_until(end);

		if (rest <= 0)
			break;
		pg_usleep(Min(rest, 2) * 1000L);
	}

	/* Counted before the thread can count it back. */
	atomic_fetch_add(&shells_abandoned, 1);
	if (atomic_exchange(&shell->state, SHELL_ABANDONED) == SHELL_CLOSED)
	{
		atomic_fetch_sub(&shells_abandoned, 1);
		pthread_join(thread, NULL);
		shell_free(shell);
	}
	else
		pthread_detach(thread);
}

/* The reset callback of the handle's context, and of process exit. */
static void
handle_release(void *arg)
{
	KafkaHandle *handle = arg;
	HandleShell *shell = handle->shell;

	if (shell == NULL)
		return;
	handle->shell = NULL;
	dlist_delete(&handle->node);
	if (handle->released != NULL)
		handle->released(handle);
	shell->rk = handle->rk;
	shell->topic = handle->topic;
	shell->queue = handle->queue;
	shell->logs = handle->logs;
	shell->nudge = handle->nudge;
	shell->fd = handle->fd;
	handle->rk = NULL;
	shell_close(shell);
	ReleaseExternalFD();
	ReleaseExternalFD();
}

static void
handles_at_proc_exit(int code, Datum arg)
{
	exit_code = code;
	while (!dlist_is_empty(&open_handles))
		handle_release(dlist_container(KafkaHandle, node, dlist_head_node(&open_handles)));
}

/* exit()'s handlers run last registered first, so the libraries' come after this one. */
static void
handles_at_exit(void)
{
	if (atomic_load(&shells_abandoned) > 0)
		_exit(exit_code);
}

static void
handles_watch_exit(void)
{
	static pid_t registered_by = 0;

	if (registered_by == MyProcPid)
		return;
	dlist_init(&open_handles); /* not what a forking parent might have had */
	on_proc_exit(handles_at_proc_exit, 0);
	atexit(handles_at_exit);
	registered_by = MyProcPid;
}

/* ---- opening ------------------------------------------------------------------------------- */

/* Called by librdkafka, in whatever thread serves its queue: touches the shell alone. */
static void
shell_error_callback(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	HandleShell *shell = opaque;
	ShellError *error;

	pthread_mutex_lock(&shell->lock);
	if (shell->nerrors == SHELL_ERRORS)
	{
		/* The newest say more about the present. */
		memmove(&shell->errors[0], &shell->errors[1], sizeof(ShellError) * (SHELL_ERRORS - 1));
		shell->nerrors--;
	}
	error = &shell->errors[shell->nerrors++];
	error->code = code;
	strlcpy(error->text, reason != NULL ? reason : rd_kafka_err2str(code), sizeof(error->text));
	pthread_mutex_unlock(&shell->lock);
}

/* As above. Returning 1 keeps the text, which librdkafka has malloc'ed. */
static int
shell_statistics_callback(rd_kafka_t *rk, char *json, size_t length, void *opaque)
{
	HandleShell *shell = opaque;
	char *old;

	pthread_mutex_lock(&shell->lock);
	old = shell->statistics;
	shell->statistics = json;
	pthread_mutex_unlock(&shell->lock);
	free(old);
	return 1;
}

/* Only reached when the settings above it were forgotten: a log line never goes to stderr. */
static void
log_nothing(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
}

static HandleShell *
shell_new(rd_kafka_type_t type)
{
	HandleShell *shell = calloc(1, sizeof(HandleShell));

	if (shell == NULL)
		return NULL;
	shell->type = type;
	shell->fd = -1;
	pthread_mutex_init(&shell->lock, NULL);
	shell->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return shell;
}

static void
settings_note_secrets(KafkaHandle *handle, const KafkaSettings *settings)
{
	ListCell *name;
	ListCell *value;

	forboth (name, settings->names, value, settings->values)
	{
		const char *canonical = kafka_setting_canonical(lfirst(name));

		/* A user's name stands in mappings for order's sake; brokers' messages need it. */
		if (kafka_setting_kind(lfirst(name)) == KAFKA_SETTING_SECRET &&
			strcmp(canonical, "sasl.username") != 0 && strlen(lfirst(value)) >= SECRET_MIN_LENGTH)
			handle->secrets = lappend(handle->secrets, pstrdup(lfirst(value)));
	}
}

void
handle_open(KafkaHandle *handle, MemoryContext context, const KafkaSettings *settings,
			rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *topic)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	const char *servers = settings_get(settings, "bootstrap.servers");
	char reason[512];

	if (IsPostmasterEnvironment && !IsUnderPostmaster)
		elog(ERROR, "the postmaster must not open a Kafka handle");

	handle->fd = -1;
	handle->servers = pstrdup(servers != NULL ? servers : "");
	handle->topic_name = topic != NULL ? pstrdup(topic) : NULL;
	settings_note_secrets(handle, settings);

	handles_watch_exit();
	handle->shell = shell_new(type);
	if (handle->shell == NULL || handle->shell->done_fd < 0)
	{
		rd_kafka_conf_destroy(conf);
		if (handle->shell != NULL)
			shell_free(handle->shell);
		handle->shell = NULL;
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("could not make a Kafka handle: %m")));
	}
	ReserveExternalFD();
	ReserveExternalFD();
	dlist_push_head(&open_handles, &handle->node);
	callback->func = handle_release;
	callback->arg = handle;
	MemoryContextRegisterResetCallback(context, callback);

	rd_kafka_conf_set_opaque(conf, handle->shell);
	rd_kafka_conf_set_error_cb(conf, shell_error_callback);
	rd_kafka_conf_set_stats_cb(conf, shell_statistics_callback);
	rd_kafka_conf_set_log_cb(conf, log_nothing);
	rd_kafka_conf_set(conf, "log.queue", "true", NULL, 0);

	handle->rk = rd_kafka_new(type, conf, reason, sizeof(reason));
	if (handle->rk == NULL)
	{
		rd_kafka_conf_destroy(conf);
		ereport(ERROR, (errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
						errmsg("could not set up the Kafka client for \"%s\"", handle->servers),
						errdetail("%s", handle_mask(handle, reason))));
	}
	handle->logs = rd_kafka_queue_new(handle->rk);
	rd_kafka_set_log_queue(handle->rk, handle->logs);
	if (topic != NULL)
	{
		handle->topic = rd_kafka_topic_new(handle->rk, topic, NULL);
		if (handle->topic == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_ERROR), errmsg("could not open topic \"%s\": %s", topic,
														rd_kafka_err2str(rd_kafka_last_error()))));
	}
	MemoryContextSwitchTo(old);
}

/* ---- errors and statistics
 * ------------------------------------------------------------------------ */

bool
handle_take_error(KafkaHandle *handle, rd_kafka_resp_err_t *code, const char **text)
{
	HandleShell *shell = handle->shell;
	ShellError error;
	bool found;

	pthread_mutex_lock(&shell->lock);
	found = shell->nerrors > 0;
	if (found)
	{
		error = shell->errors[0];
		shell->nerrors--;
		memmove(&shell->errors[0], &shell->errors[1], sizeof(ShellError) * shell->nerrors);
	}
	pthread_mutex_unlock(&shell->lock);
	if (found)
	{
		*code = error.code;
		*text = handle_mask(handle, error.text);
	}
	return found;
}

char *
handle_take_statistics(KafkaHandle *handle)
{
	HandleShell *shell = handle->shell;
	char *json;

	pthread_mutex_lock(&shell->lock);
	json = shell->statistics;
	shell->statistics = NULL;
	pthread_mutex_unlock(&shell->lock);
	return json;
}

/* ---- blocking calls ------------------------------------------------------------------------ */

void
handle_wait_fd(int fd, int timeout_ms)
{
	int events = WaitLatchOrSocket(
		MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, fd,
		Max(Min(timeout_ms, 100), 0), PG_WAIT_EXTENSION);

	if (events & WL_LATCH_SET)
		ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static void *
call_thread(void *arg)
{
	HandleShell *shell = arg;

	shell->call_task(shell->rk, shell->call_arg);
	atomic_store(&shell->call_finished, true);
	shell_signal(shell);
	return NULL;
}

/* Waits until no call is running. False: time is up, or the process shall end. */
static bool
call_wait(HandleShell *shell, Moment end)
{
	while (shell->call_started)
	{
		long rest;

		if (atomic_load(&shell->call_finished))
		{
			pthread_join(shell->call_thread, NULL);
			shell->call_started = false;
			handle_clear_fd(shell->done_fd);
			break;
		}
		rest = clock_ms_until(end);
		if (rest <= 0 || ShutdownRequestPending)
			return false;
		handle_wait_fd(shell->done_fd, (int) Min(rest, 100));
	}
	return true;
}

void *
handle_call_alloc(Size size)
{
	void *arg = calloc(1, size);

	if (arg == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("Failed on request of size %zu for a Kafka call.", size)));
	return arg;
}

bool
handle_call(KafkaHandle *handle, HandleTask task, void *arg, void (*free_arg)(void *),
			int timeout_ms)
{
	HandleShell *shell = handle->shell;
	Moment end = clock_after(timeout_ms + CALL_GRACE_MS);
	bool free_for_us = false;

	/* An earlier call that was given up may still be under way. */
	PG_TRY();
	{
		free_for_us = call_wait(shell, end);
	}
	PG_FINALLY();
	{
		if (!free_for_us)
			free_arg(arg);
	}
	PG_END_TRY();
	if (!free_for_us)
		return false;

	if (shell->call_arg != NULL)
		shell->call_free(shell->call_arg);
	shell->call_arg = arg;
	shell->call_free = free_arg;
	handle->last_log[0] = '\0';
	shell->call_task = task;
	shell->rk = handle->rk;
	atomic_store(&shell->call_finished, false);
	handle_clear_fd(shell->done_fd);
	if (!thread_start(&shell->call_thread, call_thread, shell))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						errmsg("could not start a thread for a Kafka call")));
	shell->call_started = true;
	return call_wait(shell, end);
}
