/*
 * Values that are equal and do not look the same: numeric 1.0 and 1.00, texts of a collation that
 * takes them for equal, -0.0.
 */
#ifndef TELEMETRY_VIEW_ALIKE_H
#define TELEMETRY_VIEW_ALIKE_H

#include "postgres.h"

#include "view/known.h"

/*
 * The view tells such values apart: which of them stands for a group, or is its greatest or least,
 * depends on the order of rows, and so does what the view shows of it.
 */
extern bool alike_told_apart(const KnownView *view);

#endif
