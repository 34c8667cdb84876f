#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "session/session.h"
#include "utils/timestamp.h"

/* For timestamp as well: both are microseconds. */
PG_FUNCTION_INFO_V1(telemetry_session_reach);
Datum
telemetry_session_reach(PG_FUNCTION_ARGS)
{
	TimestampTz time = PG_GETARG_TIMESTAMPTZ(0);
	int64 gap = session_length(PG_GETARG_INTERVAL_P(1), "gap");

	PG_RETURN_TIMESTAMPTZ(session_reach(time, gap));
}

PG_FUNCTION_INFO_V1(telemetry_session_bin);
Datum
telemetry_session_bin(PG_FUNCTION_ARGS)
{
	TimestampTz time = PG_GETARG_TIMESTAMPTZ(0);
	int64 gap = session_length(PG_GETARG_INTERVAL_P(1), "gap");
	int64 within;

	/* An infinite time is a session of its own. */
	if (TIMESTAMP_NOT_FINITE(time))
		PG_RETURN_TIMESTAMPTZ(time);
	within = time % gap;
	PG_RETURN_TIMESTAMPTZ(time - (within < 0 ? within + gap : within));
}
