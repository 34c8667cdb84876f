/*
 * The statements that keep a view of sessions.
 *
 * A session is an interval from its first event to its reach: the latest time up to which another
 * event of the key still belongs to it. Two sessions of a key are one if their intervals meet. That
 * is all that merging has to know: which events made an interval does not matter, nor their order.
 *
 * The newest session of each key stands in the state table, whose row is also the key's lock: every
 * writer of the key updates it, for a late event too, so that no two change sessions of a key at
 * the same time, and whoever has an older snapshot is told (40001). All others stand in the table
 * of earlier sessions, found by the key's number and their reach.
 */
#ifndef TELEMETRY_VIEW_SESSION_STATEMENT_H
#define TELEMETRY_VIEW_SESSION_STATEMENT_H

#include "view/known.h"

/* Rows of the state, locked: _row, _key, and all columns. */
#define HEAD_ROWS "telemetry_head"

/* Behind the keys and the count. */
#define SESSION_START "_start"
#define SESSION_REACH "_reach"

#define SESSION_LAST  "_last"
#define SESSION_LIMIT "_limit"

/*
 * Can events or a greatest length end its sessions? Then a session is still an interval: one that
 * an event ended reaches as far as that event, and none reaches behind its limit. But merging is
 * not all: an event that ends a session may come late, into its midst, one that comes late may lie
 * behind what ended the session, or before its beginning, whereby it becomes too long. Such a
 * merged session is torn, and computed anew from its events.
 */
extern bool session_ends(const KnownView *view);

/*
 * By a greatest length? Then where a session begins depends on those before it without a pause:
 * what is computed anew may meet the next session, which is torn then, and so on; for as long as
 * the sessions begin elsewhere than they did. What expired partitions contributed stands by itself.
 */
extern bool session_is_limited(const KnownView *view);

/* Columns of each session that the target's rows (live) and expired partitions give together. */
extern char *session_whole(const KnownView *view, bool live);

/* Fills the empty state from those. */
extern char *session_rebuild(const KnownView *view, bool live);

/*
 * Locks the keys of PLUS_ROWS and MINUS_ROWS in their order, making those that are not there, with
 * a count of 0; returns HEAD_ROWS.
 */
extern char *session_lock(const KnownView *view, bool plus, bool minus);

/* Rows of _key and all columns become earlier sessions. */
#define REPLACED_ROWS "telemetry_replaced"
extern char *session_put_earlier(const KnownView *view);

/*
 * Merges PLUS_ROWS into the sessions of HEAD_ROWS. If wanted, returns (is new, columns) of each
 * session that was there before or is now; wanted or not, those that are torn, with NULL.
 */
extern char *session_merge(const KnownView *view, bool wanted);

/*
 * Takes the sessions out that events of MINUS_ROWS were in; returns (_key or NULL, told, columns)
 * of each, with the _key where it was the newest. ahead: MINUS_ROWS are sessions that are torn,
 * which nobody was told of; so many that follow them are taken out as well. 0: they are events.
 */
extern char *session_take_out(const KnownView *view, int ahead);

/* Takes the newest earlier session of each key of $1 (bigint[]) out; returns their columns. */
extern char *session_promote(const KnownView *view);

/* What expired partitions contributed to sessions of DIRTY_ROWS. */
extern char *session_expired(const KnownView *view);

/* Removes those of HEAD_ROWS that have no session. */
extern char *session_clear(const KnownView *view);

#endif
