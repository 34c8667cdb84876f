/*
 * What waits for one view is merged into its state.
 */
#ifndef TELEMETRY_VIEW_MERGE_H
#define TELEMETRY_VIEW_MERGE_H

#include "postgres.h"

#include "utils/tuplestore.h"
#include "view/known.h"
#include "view/pending.h"

/* Groups of the state as they were and as they are, for the views over it. */
typedef struct Change
{
	Tuplestorestate *old;
	Tuplestorestate *new;
	Tuplestorestate *given; /* of a helper: rows for the view that it feeds */
} Change;

/* change: gets what the views over it want to know; NULL if there are none. */
extern void merge_pending(KnownView *view, PendingView *pending, Change *change);

/*
 * The state holds what expired partitions contributed, and nothing else; within SPI, as the owner.
 */
extern void merge_empty(const KnownView *view);

#endif
