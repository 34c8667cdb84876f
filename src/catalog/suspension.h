/*
 * Rows of telemetry._suspension: tables whose writers do not feed the continuous views over them.
 */
#ifndef TELEMETRY_CATALOG_SUSPENSION_H
#define TELEMETRY_CATALOG_SUSPENSION_H

#include "postgres.h"

/* Alone, or with all of the database. InvalidOid: all of the database. */
extern bool suspension_covers(Oid target);

/* By a row of its own; InvalidOid: that of the database. */
extern bool suspension_exists(Oid target);

extern void suspension_insert(Oid target);
extern void suspension_delete(Oid target);

/* Those of tables that were dropped. */
extern void suspension_forget_dropped(void);

#endif
