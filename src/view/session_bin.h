/*
 * Changed rows are collected for a view of sessions without sorting them.
 */
#ifndef TELEMETRY_VIEW_SESSION_BIN_H
#define TELEMETRY_VIEW_SESSION_BIN_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/*
 * The partial query of a view of sessions, to be run over changed rows: where the gap is a constant
 * and nothing else ends a session, it gives pieces of sessions from now on, which the fold joins as
 * it joins what several statements brought. Any other query is left as it is.
 */
extern void session_bin(Query *query);

#endif
