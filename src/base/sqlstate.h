/*
 * Whose fault is an error: the row's or the database's?
 */
#ifndef TELEMETRY_BASE_SQLSTATE_H
#define TELEMETRY_BASE_SQLSTATE_H

#include "postgres.h"

/*
 * True for errors that the row being processed brings about (data exceptions, integrity and CHECK
 * violations, a trigger's RAISE, ...); false for the database's state (locks, serialization,
 * memory, disk, cancel, shutdown, missing rights, internal errors), where trying again may help and
 * a dead letter would lose good data. An allow-list: what it does not know is the database's.
 */
extern bool sqlstate_is_data_error(int sqlstate);

#endif
