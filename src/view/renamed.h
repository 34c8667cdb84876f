/*
 * Values of an enum that get another name. What a view keeps by its text, such as the hash of a
 * row, is not found by the new one.
 */
#ifndef TELEMETRY_VIEW_RENAMED_H
#define TELEMETRY_VIEW_RENAMED_H

#include "postgres.h"

/* Does the view's partial query make text of values of the type, or of what holds some? */
extern bool renamed_matters(Oid partial, Oid type);

#endif
