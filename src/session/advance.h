/*
 * The sessions of one key's events, as they come by time.
 */
#ifndef TELEMETRY_SESSION_ADVANCE_H
#define TELEMETRY_SESSION_ADVANCE_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Zeroed before a key's first event. */
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

/* The gap of the events that follow: an interval, not NULL. */
extern void session_set_gap(SessionState *state, NullableDatum gap);

/* max_length: an interval, the same for all events; NULL: no bound. */
extern void session_set_length(SessionState *state, NullableDatum length);

/* The first time of the session that an event at ts is in. ends: it ends the session after ts. */
extern int64 session_advance(SessionState *state, int64 ts, bool ends);

#endif
