/*
 * A session goes on at the next time if an event of it reaches so far (its time and its gap), if no
 * event at an earlier time of it ended it, and if it does not become longer than max_length. Events
 * of one time are always together. All of it depends on the set of events alone: on the greatest
 * reach, on whether any event ended it, on the first time.
 */
#include "postgres.h"

#include "session/advance.h"
#include "session/session.h"
#include "utils/timestamp.h"

void
session_set_gap(SessionState *state, NullableDatum gap)
{
	Interval *value = DatumGetIntervalP(gap.value);

	if (gap.isnull)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("gap of a session must not be NULL"),
						errhint("Give an interval such as 30 minutes.")));
	if (state->micros == 0 || memcmp(&state->gap, value, sizeof(Interval)) != 0)
	{
		state->micros = session_length(value, "gap");
		state->gap = *value;
	}
}

void
session_set_length(SessionState *state, NullableDatum length)
{
	state->length = length.isnull ? PG_INT64_MAX
								  : session_length(DatumGetIntervalP(length.value), "max_length");
}

/* Both times are finite, or nothing is: infinite ones are never reached. */
static bool
too_long(const SessionState *state, int64 ts)
{
	return state->length != 0 && (uint64) ts - (uint64) state->first > (uint64) state->length;
}

int64
session_advance(SessionState *state, int64 ts, bool ends)
{
	int64 reach = session_reach(ts, state->micros);

	if (!state->begun ||
		(ts != state->last && (state->ended || ts > state->reach || too_long(state, ts))))
	{
		state->begun = true;
		state->ended = false;
		state->first = ts;
		state->reach = reach;
	}
	else if (reach > state->reach)
		state->reach = reach;
	state->last = ts;
	if (ends)
		state->ended = true;
	return state->first;
}
