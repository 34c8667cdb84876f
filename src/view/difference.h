/*
 * Partial rows of which some are taken away are merged into a state table row by row, without a
 * statement.
 */
#ifndef TELEMETRY_VIEW_DIFFERENCE_H
#define TELEMETRY_VIEW_DIFFERENCE_H

#include "postgres.h"

#include "utils/tuplestore.h"
#include "view/known.h"
#include "view/pending.h"

/*
 * old and new, if not NULL, get the groups as they were and as they are. False if it is not to be
 * done in this way, since a group has to be computed anew, say, and nothing has happened: then the
 * statements of generate_fold() and those behind it do the same.
 */
extern bool difference_upsert(KnownView *view, const PendingView *pending, Tuplestorestate *old,
							  Tuplestorestate *new);

#endif
