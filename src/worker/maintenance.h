#ifndef TELEMETRY_WORKER_MAINTENANCE_H
#define TELEMETRY_WORKER_MAINTENANCE_H

#include "postgres.h"

/*
 * From the supervisor: starts the maintenance worker of its database (a position in shared memory),
 * unless it runs. False: it did not come to that; to be tried again.
 */
extern bool maintenance_start(int database);

#endif
