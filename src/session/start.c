/*
 * _session_start(ts, gap [, end_when, max_length]): the window function that session_window() is
 * planned as. Rows come by time; those without one come last.
 *
 * A session goes on at the next time if an event of it reaches so far (its time and its gap), if no
 * event at an earlier time of it ended it, and if it does not become longer than max_length. Events
 * of one time are always together. All of it depends on the set of events alone: on the greatest
 * reach, on whether any event ended it, on the first time.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "session/session.h"
#include "utils/timestamp.h"
#include "windowapi.h"

PG_FUNCTION_INFO_V1(telemetry_session_start);

/* Of a partition; zeroed at its start. */
typedef struct SessionState
{
	bool begun;
	bool ended;   /* by an event at the last time */
	int64 first;  /* time of the session */
	int64 last;   /* time that came */
	int64 reach;  /* the session goes on up to here */
	int64 length; /* the greatest one; 0: any */
	Interval gap; /* the last event's, and in microseconds */
	int64 micros;
} SessionState;

static int64
length_argument(WindowObject window, int n, const char *name, SessionState *state)
{
	bool isnull;
	Interval *value = DatumGetIntervalP(WinGetFuncArgCurrent(window, n, &isnull));

	if (isnull)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s of a session must not be null", name),
						errhint("Give an interval such as 30 minutes.")));
	if (state->micros == 0 || memcmp(&state->gap, value, sizeof(Interval)) != 0)
	{
		state->micros = session_length(value, name);
		state->gap = *value;
	}
	return state->micros;
}

static bool
flag_argument(WindowObject window, int n)
{
	bool isnull;
	Datum value = WinGetFuncArgCurrent(window, n, &isnull);

	return !isnull && DatumGetBool(value);
}

/* A constant or a parameter, which may be null: no bound. */
static int64
greatest_length(WindowObject window, int n)
{
	bool isnull;
	Datum value = WinGetFuncArgCurrent(window, n, &isnull);

	return isnull ? PG_INT64_MAX : session_length(DatumGetIntervalP(value), "max_length");
}

/* Both times are finite, or nothing is: infinite ones are never reached. */
static bool
too_long(const SessionState *state, int64 ts)
{
	return (uint64) ts - (uint64) state->first > (uint64) state->length;
}

Datum
telemetry_session_start(PG_FUNCTION_ARGS)
{
	WindowObject window = PG_WINDOW_OBJECT();
	SessionState *state = WinGetPartitionLocalMemory(window, sizeof(SessionState));
	bool options = PG_NARGS() > 2;
	bool isnull;
	int64 ts = DatumGetInt64(WinGetFuncArgCurrent(window, 0, &isnull));
	int64 gap, reach;

	if (isnull)
		PG_RETURN_NULL();
	gap = length_argument(window, 1, "gap", state);
	reach = session_reach(ts, gap);
	if (options && state->length == 0)
		state->length = greatest_length(window, 3);
	if (!state->begun || (ts != state->last &&
						  (state->ended || ts > state->reach || (options && too_long(state, ts)))))
	{
		state->begun = true;
		state->ended = false;
		state->first = ts;
		state->reach = reach;
	}
	else if (reach > state->reach)
		state->reach = reach;
	state->last = ts;
	if (options && flag_argument(window, 2))
		state->ended = true;
	PG_RETURN_INT64(state->first);
}
