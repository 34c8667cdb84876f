/*
 * The hook that sees utility statements.
 */
#ifndef TELEMETRY_VIEW_UTILITY_H
#define TELEMETRY_VIEW_UTILITY_H

#include "catalog/view.h"

extern void utility_init(void);

/* Makes somebody the owner of all parts of a view. */
extern void view_give_parts(const ViewRow *row, Oid owner);

#endif
