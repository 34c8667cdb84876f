/*
 * Rows of a target become partial rows of its views, which wait for the transaction's commit.
 */
#ifndef TELEMETRY_VIEW_COLLECT_H
#define TELEMETRY_VIEW_COLLECT_H

#include "postgres.h"

#include "utils/rel.h"
#include "utils/tuplestore.h"
#include "view/known.h"

/*
 * Rows of the table or of one of its partitions, in that relation's own layout, that came or
 * (minus) went. ereports, with the view's name, what its expressions ereport.
 */
extern void collect_rows(List *views, Relation relation, Tuplestorestate *rows, bool minus);

/* The same for views that do not follow the table now, too. */
extern void collect_rows_for(List *views, Relation relation, Tuplestorestate *rows, bool minus);

/* Runs a view's query over rows of the target's layout; partial rows go to store. */
extern void collect_run(KnownView *view, Tuplestorestate *rows, Tuplestorestate *store);

/* The same with any query that gives rows of the state table's shape, over rows of that shape. */
extern void collect_query(KnownView *view, Query *query, const char *name, Tuplestorestate *rows,
						  Tuplestorestate *store);

/* Rows of the state table become rows of the view as users read it. */
extern void collect_public(KnownView *view, Tuplestorestate *state_rows, Tuplestorestate *store);

/*
 * False if the owner may not read any more what the view tells of: then it is marked broken, and
 * whoever writes into the table goes on without it.
 */
extern bool collect_allowed(const KnownView *view);

/* The view stops: it is marked, and those over it as well. */
extern void collect_stop(const KnownView *view, ViewStatus status, const char *reason);

/*
 * ereports if its owner may not read, or not all of, what the view tells of; or if its query calls
 * what may give something else the next time.
 */
extern void collect_require_buildable(const KnownView *view);

#endif
