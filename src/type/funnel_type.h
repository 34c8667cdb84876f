/*
 * telemetry.funnel inside the server: what its files share.
 */
#ifndef TELEMETRY_TYPE_FUNNEL_TYPE_H
#define TELEMETRY_TYPE_FUNNEL_TYPE_H

#include "postgres.h"

#include "fmgr.h"

#include "base/compat.h"
#include "sketch/funnel.h"

#define FUNNEL_TYPE_NAME "telemetry.funnel"

/* As a value; funnel must be settled. */
extern Datum funnel_datum(const Funnel *funnel);

/* funnel is made here, in the current context; damaged bytes are an error. */
extern void funnel_from_datum(Datum datum, Funnel *funnel);

/* ereports what adding, merging or settling says, if it says anything. */
extern void funnel_must(const char *error);

#endif
