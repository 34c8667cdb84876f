/*
 * What pipelines' watermarks say of a view.
 */
#ifndef TELEMETRY_VIEW_FINALIZED_H
#define TELEMETRY_VIEW_FINALIZED_H

#include "catalog/view.h"

/* The row of a view that the caller may read, or (to_monitor) watch; ereports. */
extern ViewRow *finalized_view(Oid view, bool to_monitor);

#endif
