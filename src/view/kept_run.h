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

/* More rows than these are worth an executor of their own, which reads them where they are. */
#define ROWS_FOR_KEPT_RUN 32

/*
 * Runs view->plan, of a plain query, over rows of the target's layout; what it gives goes to the
 * receiver, which is started and shut down here. False if that plan is none that can be kept.
 */
extern bool kept_run(KnownView *view, Tuplestorestate *rows, DestReceiver *receiver);

#endif
