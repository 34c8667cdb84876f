/*
 * The callbacks of the foreign data wrapper, by what they serve. Private to this folder.
 */
#ifndef TELEMETRY_FDW_TOPIC_H
#define TELEMETRY_FDW_TOPIC_H

#include "postgres.h"

#include "foreign/fdwapi.h"

/* plan.c: SELECT, planned and explained */
extern void topic_plan_callbacks(FdwRoutine *routine);

/* scan.c: SELECT, executed */
extern void topic_scan_callbacks(FdwRoutine *routine);
extern TupleTableSlot *topic_iterate_scan(ForeignScanState *node);

/* modify.c: INSERT and COPY */
extern void topic_modify_callbacks(FdwRoutine *routine);

/* import.c: IMPORT FOREIGN SCHEMA */
extern List *topic_import(ImportForeignSchemaStmt *statement, Oid server);

#endif
