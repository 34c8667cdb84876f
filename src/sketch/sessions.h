/*
 * A set of sessions: runs of events without a pause longer than a gap, each with its first and last
 * time and the number of its events.
 *
 * Times are microseconds since 2000-01-01 00:00 UTC. Two events whose distance is at most the gap
 * are in one session; the two infinite times are sessions of their own.
 */
#ifndef TELEMETRY_SKETCH_SESSIONS_H
#define TELEMETRY_SKETCH_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sketch/memory.h"

/* What PostgreSQL's timestamps can be: [4714-11-24 BC, 294277-01-01), and the infinite ones. */
#define SESSIONS_FIRST_TIME INT64_C(-211813488000000000)
#define SESSIONS_END_TIME   INT64_C(9223371331200000000)

typedef struct Session
{
	int64_t first;
	int64_t last;
	int64_t count; /* of events: at least 1 */
} Session;

/* Does not move. */
typedef struct Sessions
{
	int64_t gap;    /* greater than 0 */
	Session *list;  /* by time; their distances are greater than the gap */
	Session *early; /* what came before the newest session, in any order, not yet in the list */
	size_t count;
	size_t room;
	size_t early_count;
	size_t early_room;
} Sessions;

/* The last moment at which an event is in the session of one at that time. */
static inline int64_t
sessions_reach(int64_t time, int64_t gap)
{
	if (time == INT64_MIN || time == INT64_MAX)
		return time;
	return time > INT64_MAX - 1 - gap ? INT64_MAX - 1 : time + gap;
}

extern void sessions_init(Sessions *sessions, int64_t gap);
extern void sessions_reset(Sessions *sessions, const SketchMemory *memory);

/* Adds an event, or a session of events. False: more events than can be counted. */
extern bool sessions_add(Sessions *sessions, const Session *session, const SketchMemory *memory);

/* Adds those of another set of the same gap, which is settled. */
extern bool sessions_merge(Sessions *into, const Sessions *from, const SketchMemory *memory);

/* Puts everything into the list; to be called before anything below. False: as above. */
extern bool sessions_settle(Sessions *sessions, const SketchMemory *memory);

/* The session that is going on at a time, its first and last moment included; or NULL. */
extern const Session *sessions_find(const Sessions *sessions, int64_t time);

/* Sums: false where they are too large. */
extern bool sessions_events(const Sessions *sessions, int64_t *events);
extern uint64_t sessions_total(const Sessions *sessions);
extern uint64_t sessions_longest(const Sessions *sessions);

/* Packed bytes, which follow from the gap and the set alone. */
extern size_t sessions_size(const Sessions *sessions);
extern void sessions_pack(const Sessions *sessions, uint8_t *bytes);

/* What is wrong with the bytes, or NULL. sessions is made here, also where something is wrong. */
extern const char *sessions_unpack(const uint8_t *bytes, size_t size, Sessions *sessions,
								   const SketchMemory *memory);

/* Appends a session to the list: what is wrong with it, or NULL. For reading from text. */
extern const char *sessions_append(Sessions *sessions, const Session *session,
								   const SketchMemory *memory);

#endif
