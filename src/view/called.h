/*
 * What a function of users calls in turn, as far as that can be told from its definition.
 */
#ifndef TELEMETRY_VIEW_CALLED_H
#define TELEMETRY_VIEW_CALLED_H

#include "postgres.h"

#include "nodes/pg_list.h"

/*
 * The functions that it calls, themselves alone. Of a body that PostgreSQL has parsed (BEGIN
 * ATOMIC) those are all. A body that is text is searched for what looks like a call: any function
 * of such a name, which may be too many; operators, casts, and texts that are put together are not
 * seen.
 */
extern List *called_by(Oid function);

#endif
