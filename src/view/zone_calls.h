/*
 * Time zones in a view's query. date_trunc() and AT TIME ZONE are done by functions of ours
 * (src/type/zone.c) that give the same, but only where rows are collected: verify() asks
 * PostgreSQL's.
 */
#ifndef TELEMETRY_VIEW_ZONE_CALLS_H
#define TELEMETRY_VIEW_ZONE_CALLS_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/* The query, changed in place. */
extern void zone_calls(Query *query);

/* The argument that names a time zone; NULL: the function takes none, or its default. */
extern Node *zone_of_call(const FuncExpr *call);

/*
 * The name may be an abbreviation, such as EST, which PostgreSQL looks for before it looks for
 * zones: what that means is a setting, timezone_abbreviations.
 */
extern bool zone_may_be_abbreviated(const FuncExpr *call);

#endif
