/*
 * The plan node that sorts rows and says which session each is in.
 */
#ifndef TELEMETRY_SESSION_SCAN_H
#define TELEMETRY_SESSION_SCAN_H

#include "postgres.h"

#include "nodes/execnodes.h"
#include "nodes/extensible.h"
#include "nodes/pathnodes.h"

/*
 * What the plan tells the execution: custom_private is these lists, of as many entries as there are
 * keys and the time, and then the expected bytes as a Float. custom_exprs: the arguments of
 * _session_start(). custom_scan_tlist: the columns below, and the session's start behind them.
 */
enum
{
	SESSION_SCAN_COLUMNS, /* from 0 */
	SESSION_SCAN_OPERATORS,
	SESSION_SCAN_COLLATIONS,
	SESSION_SCAN_NULLS_FIRST,
	SESSION_SCAN_BYTES
};

extern const CustomScanMethods session_scan_methods;

/*
 * Adds the node to the ways in which a query of rewrite.c is windowed. start: its _session_start().
 */
extern void session_scan_add_path(PlannerInfo *root, RelOptInfo *input, RelOptInfo *windowed,
								  WindowFunc *start, List *pathkeys);

#endif
