/*
 * What a view is computed by becomes something else behind its back: a function that it calls, a
 * row type whose values it keeps.
 */
#ifndef TELEMETRY_VIEW_REPLACED_H
#define TELEMETRY_VIEW_REPLACED_H

#include "postgres.h"

#include "catalog/view.h"
#include "nodes/pg_list.h"

/*
 * The functions that views call, and those that these call, each with what it is now: for
 * replaced_function() later.
 */
extern List *replaced_remember(void);

/* The name of the first of the view's that is another by now, or gone; NULL: none is. */
extern const char *replaced_function(const ViewRow *view, const List *remembered);

/* Do values of the type mean something else to the view, once it has a column more, or one less? */
extern bool replaced_matters(const ViewRow *view, Oid type, bool dropped);

#endif
