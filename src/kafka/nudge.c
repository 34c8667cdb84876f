#include "postgres.h"

#include "kafka/nudge.h"

#include <pthread.h>
#include <stdlib.h>

#include "kafka/thread.h"

#define NUDGE_TIMEOUT_MS 1000

struct Nudge
{
	rd_kafka_t *rk;
	bool started;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	bool wanted;
	bool stop;
	rd_kafka_topic_partition_list_t *list; /* or NULL */
};

bool
nudge_needed(void)
{
	/* 2.2 brought fetch.queue.backoff.ms. */
	return rd_kafka_version() < 0x020200ff;
}

/* Called with the lock held; gives it up while it waits for the broker. */
static void
nudge_ask(Nudge *nudge)
{
	rd_kafka_topic_partition_list_t *list;

	nudge->wanted = false;
	if (nudge->list == NULL)
		return;
	list = rd_kafka_topic_partition_list_copy(nudge->list);
	pthread_mutex_unlock(&nudge->lock);
	/* The request is all that matters: neither its answer nor its failure says anything. */
	rd_kafka_offsets_for_times(nudge->rk, list, NUDGE_TIMEOUT_MS);
	rd_kafka_topic_partition_list_destroy(list);
	pthread_mutex_lock(&nudge->lock);
}

static void *
nudge_thread(void *arg)
{
	Nudge *nudge = arg;

	pthread_mutex_lock(&nudge->lock);
	while (!nudge->stop)
	{
		if (nudge->wanted)
			nudge_ask(nudge);
		else
			pthread_cond_wait(&nudge->wake, &nudge->lock);
	}
	pthread_mutex_unlock(&nudge->lock);
	return NULL;
}

Nudge *
nudge_new(rd_kafka_t *rk)
{
	Nudge *nudge = calloc(1, sizeof(Nudge));

	if (nudge == NULL)
		return NULL;
	nudge->rk = rk;
	pthread_mutex_init(&nudge->lock, NULL);
	pthread_cond_init(&nudge->wake, NULL);
	return nudge;
}

void
nudge_set_partitions(Nudge *nudge, rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_topic_partition_list_t *old;

	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = RD_KAFKA_OFFSET_END;
	pthread_mutex_lock(&nudge->lock);
	old = nudge->list;
	nudge->list = list;
	pthread_mutex_unlock(&nudge->lock);
	if (old != NULL)
		rd_kafka_topic_partition_list_destroy(old);
}

void
nudge_now(Nudge *nudge)
{
	/* Without a thread messages only come more slowly. */
	if (!nudge->started && !thread_start(&nudge->thread, nudge_thread, nudge))
		return;
	nudge->started = true;
	pthread_mutex_lock(&nudge->lock);
	nudge->wanted = true;
	pthread_cond_signal(&nudge->wake);
	pthread_mutex_unlock(&nudge->lock);
}

void
nudge_free(Nudge *nudge)
{
	if (nudge->started)
	{
		pthread_mutex_lock(&nudge->lock);
		nudge->stop = true;
		pthread_cond_signal(&nudge->wake);
		pthread_mutex_unlock(&nudge->lock);
		pthread_join(nudge->thread, NULL);
	}
	if (nudge->list != NULL)
		rd_kafka_topic_partition_list_destroy(nudge->list);
	pthread_cond_destroy(&nudge->wake);
	pthread_mutex_destroy(&nudge->lock);
	free(nudge);
}
