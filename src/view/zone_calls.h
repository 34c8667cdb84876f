/*
 * date_trunc() and AT TIME ZONE in a view's query, by functions of ours (src/type/zone.c) that give
 * the same. Only where rows are collected: verify() asks PostgreSQL's.
 */
#ifndef TELEMETRY_VIEW_ZONE_CALLS_H
#define TELEMETRY_VIEW_ZONE_CALLS_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/* The query, changed in place. */
extern void zone_calls(Query *query);

#endif
