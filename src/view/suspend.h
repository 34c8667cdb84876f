/*
 * telemetry.suspend() and resume(): writers of a table do not feed its continuous views.
 */
#ifndef TELEMETRY_VIEW_SUSPEND_H
#define TELEMETRY_VIEW_SUSPEND_H

#include "postgres.h"

/* ereports if views over that table cannot be built now. */
extern void suspend_refuse_building(Oid target);

/* ereports if the triggers of telemetry._view are to be disabled that guard a restore. */
extern void suspend_guard(Oid relation);

#endif
