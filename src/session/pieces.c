/*
 * _session_of_piece(start, reach, last): for sessions that events can end, kept as pieces: runs of
 * a key's events, of which only the last may be such an event. Pieces come by start; the window
 * function gives the start of the session that each belongs to.
 *
 * A piece whose reach is its last event has ended there. Pieces that do not overlap from first to
 * last event make the sessions that their events make. Of those that overlap, no one can tell from
 * the pieces alone; they become one session, which goes on as the piece with the greatest last
 * does.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "utils/timestamp.h"
#include "windowapi.h"

/* Of a partition; zeroed at its start. */
typedef struct SessionOfPieces
{
	bool begun;
	bool ended; /* by the last event */
	int64 first;
	int64 last;
	int64 reach; /* the greatest of its pieces */
} SessionOfPieces;

static void
begin(SessionOfPieces *session, int64 start, int64 reach, int64 last)
{
	session->begun = true;
	session->ended = reach == last;
	session->first = start;
	session->last = last;
	session->reach = reach;
}

static void
join(SessionOfPieces *session, int64 reach, int64 last)
{
	bool ended = reach == last;

	if (last > session->last)
		session->ended = ended;
	else if (last == session->last)
		session->ended |= ended;
	session->last = Max(session->last, last);
	session->reach = Max(session->reach, reach);
}

/* For timestamp as well: both are microseconds. */
PG_FUNCTION_INFO_V1(telemetry_session_of_piece);
Datum
telemetry_session_of_piece(PG_FUNCTION_ARGS)
{
	WindowObject window = PG_WINDOW_OBJECT();
	SessionOfPieces *session = WinGetPartitionLocalMemory(window, sizeof(SessionOfPieces));
	bool isnull[3];
	int64 start = DatumGetInt64(WinGetFuncArgCurrent(window, 0, &isnull[0]));
	int64 reach = DatumGetInt64(WinGetFuncArgCurrent(window, 1, &isnull[1]));
	int64 last = DatumGetInt64(WinGetFuncArgCurrent(window, 2, &isnull[2]));

	/* That of events without a time. */
	if (isnull[0] || isnull[1] || isnull[2])
		PG_RETURN_NULL();
	if (!session->begun || start > (session->ended ? session->last : session->reach))
		begin(session, start, reach, last);
	else
		join(session, reach, last);
	PG_RETURN_INT64(session->first);
}
