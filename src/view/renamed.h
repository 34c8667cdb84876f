/*
 * Values of an enum, and objects, that get another name. What a view keeps by its text, such as the
 * hash of a row, is not found by the new one.
 */
#ifndef TELEMETRY_VIEW_RENAMED_H
#define TELEMETRY_VIEW_RENAMED_H

#include "postgres.h"

#include "nodes/primnodes.h"

/*
 * Does the view's partial query make text of values of the type, or of what holds some, or count
 * them in sketches, by their names?
 */
extern bool renamed_matters(Oid partial, Oid type);

/*
 * What names an object, such as a regclass, is shown by a name that may change: the number instead.
 * NULL where that stands within a value; others are left as they are.
 */
extern Expr *renamed_by_number(Expr *value);

/* Does the view's partial query read that column of the table? */
extern bool renamed_reads(Oid partial, Oid table, const char *column);

#endif
