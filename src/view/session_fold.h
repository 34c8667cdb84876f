/*
 * Changes are merged into a view of sessions.
 */
#ifndef TELEMETRY_VIEW_SESSION_FOLD_H
#define TELEMETRY_VIEW_SESSION_FOLD_H

#include "postgres.h"

#include "utils/tuplestore.h"
#include "view/known.h"

/*
 * plus: sessions of the rows that came, minus: of those that went; either may be NULL. old and new
 * get the sessions as they were and as they are, of those that may have changed (one that has not
 * is in both); NULL: nobody wants them. As the view's owner, with SPI connected.
 */
extern void session_fold(KnownView *view, Tuplestorestate *plus, Tuplestorestate *minus,
						 Tuplestorestate *old, Tuplestorestate *new);

#endif
