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
 * A syntax error (42601) of SQL names the place, and is a trigger's, say; one that names none is
 * about a value: of ltree, hstore, tsquery or jsonpath.
 */
extern bool error_is_of_data(const ErrorData *error);

/*
 * The same of an error that a type's own input function threw: whatever it does not like is the
 * text, also where it says so as of a syntax, an unknown name or (PostGIS) without a SQLSTATE.
 */
extern bool error_is_of_input(const ErrorData *error);

#endif
