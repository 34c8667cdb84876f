/*
 * What came to a sketch since it was written, kept aside: in the column before it.
 *
 * A continuous view's sketch of thousands of bytes lies out of line, and each change of it would
 * write all of it, to the table and to the log. So the state of the view has two columns: the
 * sketch (base), and a small one (aside); what users read is both joined. A base that stays keeps
 * its pointer, and nothing of it is written. One that is in line stands at the end of its row,
 * where an update does not log it. What comes goes in front of what is aside, which stays, byte for
 * byte, and is not logged either.
 */
#ifndef TELEMETRY_TYPE_ASIDE_H
#define TELEMETRY_TYPE_ASIDE_H

#include "postgres.h"

#include "fmgr.h"

/*
 * Of a function of (base, aside, added base, added aside, room), or with the first two exchanged,
 * and the second two: whether the base stays, so that what is added goes aside; else it becomes all
 * of them, and nothing is aside. The two functions that compute the two columns ask the same, and
 * so they agree.
 */
extern bool aside_base_stays(FunctionCallInfo fcinfo, int base, int aside);

/* All of these arguments together, by sum; NULL if all are. An only one comes back as it is. */
extern Datum aside_together(FunctionCallInfo fcinfo, const int *arguments, int n,
							Datum (*sum)(Datum one, Datum other));

#endif
