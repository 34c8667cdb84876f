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

/* Runs a view's query over rows of the target's layout; partial rows go to store. */
extern void collect_run(KnownView *view, Tuplestorestate *rows, Tuplestorestate *store);

#endif
