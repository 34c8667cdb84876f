/*
 * _session_start(ts, gap [, end_when, max_length]): the window function that session_window() is
 * planned as. Rows come by time; those without one come last.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "session/advance.h"
#include "windowapi.h"

PG_FUNCTION_INFO_V1(telemetry_session_start);

static NullableDatum
argument(WindowObject window, int n)
{
	NullableDatum value;

	value.value = WinGetFuncArgCurrent(window, n, &value.isnull);
	return value;
}

Datum
telemetry_session_start(PG_FUNCTION_ARGS)
{
	WindowObject window = PG_WINDOW_OBJECT();
	SessionState *state = WinGetPartitionLocalMemory(window, sizeof(SessionState));
	NullableDatum time = argument(window, 0);
	NullableDatum ends = {.isnull = true};

	if (time.isnull)
		PG_RETURN_NULL();
	session_set_gap(state, argument(window, 1));
	if (PG_NARGS() > 2)
	{
		if (state->length == 0)
			session_set_length(state, argument(window, 3));
		ends = argument(window, 2);
	}
	PG_RETURN_INT64(session_advance(state, DatumGetInt64(time.value),
									!ends.isnull && DatumGetBool(ends.value)));
}
