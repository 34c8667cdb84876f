/*
 * Views that group the same rows by the same keys: one pass over changed rows serves them all.
 */
#ifndef TELEMETRY_VIEW_TOGETHER_H
#define TELEMETRY_VIEW_TOGETHER_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "tcop/dest.h"
#include "utils/tuplestore.h"
#include "view/known.h"

typedef struct ViewSet
{
	List *views;       /* of KnownView * */
	int **columns;     /* for each of them: which column of the query is which of its own */
	PlannedStmt *plan; /* of the query for all of them */
} ViewSet;

/* Do the delta queries of two views differ in their aggregates alone? */
extern bool together_fit(const KnownView *view, Query *query, const KnownView *other,
						 Query *other_query);

/*
 * The query takes up the other's aggregates, as far as it has them not. Gives the columns of the
 * query that are the other's.
 */
extern int *together_join(Query *query, Query *other, int nkeys);

/*
 * Rows of the query go to the stores of the views, as those that each alone would have collected;
 * context is for what they need meanwhile.
 */
extern DestReceiver *together_receiver(const ViewSet *set, Tuplestorestate **stores,
									   MemoryContext context);

#endif
