/*
 * Partial rows that only add are merged into a state table row by row, without a statement.
 */
#ifndef TELEMETRY_VIEW_UPSERT_H
#define TELEMETRY_VIEW_UPSERT_H

#include "postgres.h"

#include "utils/tuplestore.h"
#include "view/known.h"

/*
 * gathered: each group has one row in there. inserted, if not NULL, gets the rows of groups that
 * were not in the state before. False if it is not to be done in this way, and nothing
 * has happened: then the statement of generate_fold() says the same.
 */
extern bool upsert_groups(KnownView *view, Tuplestorestate *rows, bool gathered,
						  Tuplestorestate *inserted);

/* The same, where the views over it want to know the groups as they were and as they are. */
extern bool upsert_changing_groups(KnownView *view, Tuplestorestate *rows, bool gathered,
								   Tuplestorestate *old, Tuplestorestate *new);

#endif
