/*
 * Background workers: one launcher, a supervisor per database with pipelines, ingest workers.
 * What floors above may ask of them.
 */
#ifndef TELEMETRY_WORKER_WORKER_H
#define TELEMETRY_WORKER_WORKER_H

#include "postgres.h"

/* From _PG_init: asks for shared memory, registers the launcher, hooks DROP DATABASE. */
extern void worker_init(void);

/* True when the library was preloaded, so that there are workers at all. */
extern bool worker_available(void);

/* ereports, with the line to add to postgresql.conf, unless worker_available(). */
extern void worker_require(void);

/* When the current transaction commits, this database's pipelines are looked at anew. */
extern void worker_wake_at_commit(void);

/* The same of another's, which may be open to workers now. */
extern void worker_wake_database_at_commit(Oid database);

#endif
