/*
 * Threads beside PostgreSQL's own: they get no signals, and touch nothing of PostgreSQL.
 */
#ifndef TELEMETRY_KAFKA_THREAD_H
#define TELEMETRY_KAFKA_THREAD_H

#include "postgres.h"

#include <pthread.h>
#include <signal.h>

static inline bool
thread_start(pthread_t *thread, void *(*body)(void *), void *arg)
{
	sigset_t all;
	sigset_t old;
	int failure;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	failure = pthread_create(thread, NULL, body, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return failure == 0;
}

#endif
