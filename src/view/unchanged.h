/*
 * Rows of a view that changed in nothing that a view over it reads.
 */
#ifndef TELEMETRY_VIEW_UNCHANGED_H
#define TELEMETRY_VIEW_UNCHANGED_H

#include "postgres.h"

#include "utils/tuplestore.h"
#include "view/known.h"

/* Rows of a view as they were and as they are. */
typedef struct ChangedRows
{
	Tuplestorestate *old;
	Tuplestorestate *new;
} ChangedRows;

/*
 * Of all rows of a view that changed, for each of the views over it: those that differ in what it
 * reads. apart: none of them came and went in the fold that gave
 * them.
 */
extern ChangedRows *unchanged_leave_out(const KnownView *view, List *children,
										const ChangedRows *all, bool apart);

/* All that it gave, for n views. */
extern void unchanged_end(ChangedRows *changed, int n, const ChangedRows *all);

#endif
