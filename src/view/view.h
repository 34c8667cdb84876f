/*
 * Continuous materialized views: what other floors call of them.
 */
#ifndef TELEMETRY_VIEW_VIEW_H
#define TELEMETRY_VIEW_VIEW_H

#include "postgres.h"

/* Hooks and callbacks; called by _PG_init(). */
extern void view_init(void);

/* ereports unless the library is preloaded, without which views would miss changes. */
extern void view_check_preloaded(void);

/* Folds what waits, now, and not at the commit. */
extern void view_fold(void);

#endif
