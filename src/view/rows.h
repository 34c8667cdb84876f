/*
 * Views without aggregates: what comes and goes is rows, of which some may be equal.
 */
#ifndef TELEMETRY_VIEW_ROWS_H
#define TELEMETRY_VIEW_ROWS_H

#include "postgres.h"

#include "view/known.h"
#include "view/pending.h"

/* PLUS_ROWS and MINUS_ROWS, which are at hand where pending has them, are put to the state. */
extern void rows_fold(const KnownView *view, const PendingView *pending);

#endif
