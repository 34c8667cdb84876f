/*
 * telemetry.sessions inside the server: what its files share.
 */
#ifndef TELEMETRY_TYPE_SESSIONS_TYPE_H
#define TELEMETRY_TYPE_SESSIONS_TYPE_H

#include "postgres.h"

#include "fmgr.h"

#include "base/compat.h"
#include "sketch/sessions.h"

/* As a value; sessions must be settled. */
extern Datum sessions_datum(const Sessions *sessions);

/* sessions is made here, in the current context; damaged bytes are an error. */
extern void sessions_from_datum(Datum datum, Sessions *sessions);

/* Microseconds as PostgreSQL's difference of two timestamps shows them. */
extern Datum sessions_interval(uint64 length);

#endif
