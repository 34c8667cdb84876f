/*
 * The executor of a view's query is kept from one statement to the next, for statements of few
 * rows: to set it up costs several times as much as to run it over one row.
 */
#ifndef TELEMETRY_VIEW_KEPT_RUN_H
#define TELEMETRY_VIEW_KEPT_RUN_H

#include "postgres.h"

#include "tcop/dest.h"
#include "utils/tuplestore.h"
#include "view/known.h"

/* More rows than these are worth an executor of their own, whose tables have the size for them. */
#define ROWS_FOR_KEPT_RUN 2000

/*
 * Runs the plan, which is the view's and of a plain query, over rows of that relation's layout;
 * what it gives goes to the receiver, which is started and shut down here. *kept: the executor,
 * kept for as long as what is known of the view. False if the plan is none that can be kept.
 */
extern bool kept_run(struct KeptRun **kept, const KnownView *view, const PlannedStmt *plan,
					 Oid relation, Tuplestorestate *rows, DestReceiver *receiver);

#endif
