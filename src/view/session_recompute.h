/*
 * Sessions computed anew from their events.
 */
#ifndef TELEMETRY_VIEW_SESSION_RECOMPUTE_H
#define TELEMETRY_VIEW_SESSION_RECOMPUTE_H

#include "postgres.h"

#include "utils/tuplestore.h"
#include "view/known.h"

/*
 * Of the target's rows within the sessions of dirty (rows of the state's columns): the sessions
 * that they make, into store. As the view's owner.
 */
extern void session_recompute(KnownView *view, Tuplestorestate *dirty, Tuplestorestate *store);

#endif
