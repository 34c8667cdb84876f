/*
 * What the files of this folder share.
 */
#ifndef TELEMETRY_SESSION_INTERNAL_H
#define TELEMETRY_SESSION_INTERNAL_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/* By the type of the events' time: timestamptz, timestamp. */
typedef struct SessionFunctions
{
	Oid window[2];        /* session_window() */
	Oid start[2];         /* the window function of a time and a gap */
	Oid start_options[2]; /* and of the options, too */
} SessionFunctions;

/* NULL where the extension is not. Valid until the next invalidation message is taken. */
extern const SessionFunctions *session_functions(void);

/* For ereport: where in the statement a node stands. text may be NULL. */
extern int session_position(const char *text, const Node *node);

/* Lets this level of a query do what session_window() says, if it groups by it. */
extern void session_rewrite(Query *query, const char *text);

/* Tells the planner in which order sessions come. */
extern void session_order_init(void);

#endif
