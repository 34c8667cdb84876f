/*
 * count(DISTINCT x) of sessions: the values of each session are kept with it.
 */
#ifndef TELEMETRY_VIEW_VALUE_SET_H
#define TELEMETRY_VIEW_VALUE_SET_H

#include "postgres.h"

#include "view/shape.h"

/*
 * Value of an aggregate of PostgreSQL's over distinct values, over the state as s; adds the column
 * that it needs. NULL: it cannot be kept.
 */
extern char *value_set_final(ViewShape *shape, Aggref *aggref, const char *name);

#endif
