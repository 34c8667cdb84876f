/*
 * While a view is built its writers do not fold: at their commit they put their partial rows down
 * in a journal, a table beside the state. The rows of a transaction's journal are visible to a
 * snapshot exactly if its changes of the table are.
 */
#ifndef TELEMETRY_VIEW_JOURNAL_H
#define TELEMETRY_VIEW_JOURNAL_H

#include "postgres.h"

#include "view/known.h"
#include "view/pending.h"

/* Makes the journals of a view and its helpers, anew where they were left behind. */
extern void journal_make(const ViewRow *row, Oid owner);

/* Drops them, unless somebody reads them: then the next build finds them. */
extern void journal_drop(const ViewRow *row);

/* At the commit of a writer. */
extern void journal_add(const KnownView *view, PendingView *pending);

/* Everything that the current snapshot sees, taken out of the journal; may be without rows. */
extern PendingView *journal_take(const KnownView *view);

/* Takes it out without looking at it; within SPI, as the view's owner. */
extern void journal_forget(const KnownView *view);

#endif
