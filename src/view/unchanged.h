/*
 * Rows of a view that changed in nothing that a view over it reads.
 */
#ifndef TELEMETRY_VIEW_UNCHANGED_H
#define TELEMETRY_VIEW_UNCHANGED_H

#include "postgres.h"

#include "utils/tuplestore.h"
#include "view/known.h"

/*
 * Of the rows of the view that child follows, as they were and as they are: those that differ in
 * what the child reads, in stores of the caller's memory.
 */
extern void unchanged_leave_out(KnownView *child, Tuplestorestate *old, Tuplestorestate *new,
								Tuplestorestate **changed_old, Tuplestorestate **changed_new);

#endif
