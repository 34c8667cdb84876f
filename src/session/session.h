/*
 * Sessions of events, as queries write them: GROUP BY ..., telemetry.session_window(ts, gap).
 */
#ifndef TELEMETRY_SESSION_SESSION_H
#define TELEMETRY_SESSION_SESSION_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "sketch/sessions.h"
#include "type/interval.h"

/* The one session_window() that a query groups by. */
typedef struct SessionWindow
{
	FuncExpr *call;          /* as it stands in the query, to be found again by equal() */
	TargetEntry *entry;      /* the key that is the call itself; NULL: only keys that contain it */
	SortGroupClause *clause; /* and its entry in groupClause */
	List *keys;              /* of SortGroupClause *: the keys that do not contain it */
	Expr *event_time;        /* timestamptz or timestamp */
	Expr *gap;               /* interval */
	Expr *end_when;          /* boolean; NULL: not given */
	Expr *max_length;        /* interval; NULL: not given */
} SessionWindow;

/* The planner's hook; called by _PG_init(). */
extern void session_init(void);

/*
 * The session_window() that this level of a query groups by, or NULL; the query is not changed.
 * ereports what has no meaning: two of them, GROUPING SETS. text: what locations count in, or NULL.
 */
extern SessionWindow *session_window_of(Query *query, const char *text);

/*
 * The last moment at which an event still is within gap of one at ts. Infinite times are sessions
 * of their own: no finite time reaches them, and they reach nothing else.
 */
static inline int64
session_reach(int64 ts, int64 gap)
{
	return sessions_reach(ts, gap);
}

#endif
