/*
 * The index that a view of sessions is quicker with.
 */
#ifndef TELEMETRY_VIEW_SESSION_INDEX_H
#define TELEMETRY_VIEW_SESSION_INDEX_H

#include "view/shape.h"

/*
 * When an event goes, those of its session are read again, by keys and time. A NOTICE proposes an
 * index on them where the target has none.
 */
extern void session_propose_index(const ViewShape *shape);

#endif
