/*
 * What launcher, supervisors and ingest workers have in common as processes.
 */
#ifndef TELEMETRY_WORKER_PROCESS_H
#define TELEMETRY_WORKER_PROCESS_H

#include "postgres.h"

#include "base/clock.h"
#include "postmaster/bgworker.h"

/*
 * Starts a process of ours in the background: its names, function and argument are the caller's,
 * the rest is filled in here. The handle lies in TopMemoryContext; NULL: no slot is free.
 */
extern BackgroundWorkerHandle *process_start(BackgroundWorker *process);

/*
 * First of all in a process: SIGHUP, SIGTERM, and SIGINT, by which pg_cancel_backend() ends a
 * statement. Who only waits, or looks after others, has none: it is heard of where it is let.
 */
extern void process_handle_signals(void);
extern void process_let_cancel(bool let);

/*
 * Settings under which everything of a process runs, whatever the server's, the database's or the
 * role's are. lock_timeout: how long it waits for a lock, "0": for as long as it takes.
 */
extern void process_pin_settings(const char *lock_timeout);

/*
 * Ends the process quietly if SIGTERM came, or the postmaster is gone. Call where nothing is half
 * done.
 */
extern void process_leave_if_asked(void);

/* Reads the configuration anew if SIGHUP came; true if so. */
extern bool process_reload_if_asked(void);

/* A transaction of our own, with a snapshot; CurrentMemoryContext is the same before and after. */
extern void process_begin(void);
extern void process_commit(void);

/* The same, but nobody waits for the disk: what counts on it commits later and flushes both. */
extern void process_commit_unflushed(void);

/* When to try again after so many failures in a row: 0.2 s doubling to 30 s, half of it jitter. */
extern Moment process_backoff(int failures);

#endif
