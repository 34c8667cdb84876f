/*
 * What the admin functions have in common. Private to the folder.
 */
#ifndef TELEMETRY_API_PIPELINE_H
#define TELEMETRY_API_PIPELINE_H

#include "postgres.h"

#include "catalog/pipeline.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "ingest/ingest.h"

/* The pipeline named by argument 0, which the caller must own; locked against batches. */
extern Pipeline *admin_pipeline(FunctionCallInfo fcinfo);

/* True if the caller may know of a pipeline: by its owner's privileges, or as pg_monitor. */
extern bool admin_may_see(const Pipeline *pipeline);

/* The text argument n, palloc'd; NULL for NULL. */
extern char *admin_text(FunctionCallInfo fcinfo, int n);

/* A time that stands where earliest or latest may stand, too; ereports what it can be. */
extern TimestampTz admin_time(const char *text);

/* Counts the revision up, so that running workers start anew with what the row says now. */
extern void admin_touch(int pipeline_id);

#endif
