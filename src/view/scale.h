/*
 * Whether a view shows how many digits a sum of numerics has behind the point.
 */
#ifndef TELEMETRY_VIEW_SCALE_H
#define TELEMETRY_VIEW_SCALE_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/* Does the query compute anything of the aggregate in which 1.50 gives another value than 1.5? */
extern bool scale_matters(const Query *query, const Aggref *aggref);

#endif
