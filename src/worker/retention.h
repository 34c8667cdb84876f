/*
 * What a retention asks for: partitions that go, partitions that come.
 */
#ifndef TELEMETRY_WORKER_RETENTION_H
#define TELEMETRY_WORKER_RETENTION_H

#include "postgres.h"

#include "catalog/retention.h"

/* Partitions that are older than keep, oldest first. In a transaction. */
extern List *retention_expired(const Retention *retention);

/* As the table's owner: drops one partition, in this transaction. False: it is gone. */
extern bool retention_drop(const Retention *retention, Oid partition);

/* As the table's owner: makes what is missing, in this transaction. Returns how many were made. */
extern int retention_make(const Retention *retention);

/* Partitions that are ready beyond the present one; -1: none are asked for. */
extern int retention_ahead(const Retention *retention);

#endif
