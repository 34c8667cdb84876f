/*
 * The hook that sees utility statements.
 */
#ifndef TELEMETRY_VIEW_UTILITY_H
#define TELEMETRY_VIEW_UTILITY_H

#include "catalog/view.h"

extern void utility_init(void);

/* Makes somebody the owner of all parts of a view. */
extern void view_give_parts(const ViewRow *row, Oid owner);

/* DROP of the target concerns the view. */
extern void view_depend(Oid view, Oid target);

/* Makes those dependencies again that a dump has not kept. */
extern void view_repair(void);

#endif
