/*
 * Building a continuous view while its table is written: telemetry.build(), and REFRESH
 * MATERIALIZED VIEW CONCURRENTLY.
 */
#ifndef TELEMETRY_VIEW_BUILD_H
#define TELEMETRY_VIEW_BUILD_H

#include "postgres.h"

#include "view/known.h"

/* True if changes are for this view: it is live, or somebody builds it. */
extern bool build_follows(const KnownView *view);

/*
 * Builds a view, and anew those over it, in transactions of its own: commits the one that it is
 * called in. The caller is at top level, and the view is his.
 */
extern void build_online(Oid view);

/* Keeps builds of the view, and of those over it, from running at the same time as the caller. */
extern void build_exclude(Oid view);

#endif
