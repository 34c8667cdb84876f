/*
 * Continuous materialized views: what other floors call of them.
 */
#ifndef TELEMETRY_VIEW_VIEW_H
#define TELEMETRY_VIEW_VIEW_H

#include "postgres.h"

#include "base/compat.h"

/* Hooks and callbacks; called by _PG_init(). */
extern void view_init(void);

/* ereports unless the library is preloaded, without which views would miss changes. */
extern void view_check_preloaded(void);

/* ereports what was named in the place of a continuous view. */
extern void view_refuse_other(Oid relation) pg_attribute_noreturn();

/*
 * Folds what waits, now and not at the commit. careful: the last try failed by an error of data; a
 * view that does not take its changes is marked broken, and what else there is goes on.
 */
extern void view_fold(bool careful);

#endif
