/*
 * Background workers: one launcher, a supervisor per database, ingest workers.
 */
#ifndef TELEMETRY_WORKER_WORKER_H
#define TELEMETRY_WORKER_WORKER_H

/* From _PG_init: asks for shared memory and registers the launcher, when preloaded. */
extern void worker_init(void);

#endif
