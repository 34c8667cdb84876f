/*
 * The foreign data wrapper's handler.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fdw/topic.h"
#include "fmgr.h"

PG_FUNCTION_INFO_V1(telemetry_kafka_handler);
Datum
telemetry_kafka_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	topic_plan_callbacks(routine);
	topic_scan_callbacks(routine);
	topic_modify_callbacks(routine);
	routine->ImportForeignSchema = topic_import;
	PG_RETURN_POINTER(routine);
}
