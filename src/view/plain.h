/*
 * Views that run nobody's code but PostgreSQL's own and ours: what they give depends on no setting,
 * so that none need be pinned for them, and their executor may be kept from one statement to the
 * next. Most views are such.
 */
#ifndef TELEMETRY_VIEW_PLAIN_H
#define TELEMETRY_VIEW_PLAIN_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "utils/rel.h"
#include "view/known.h"

/* Of a query of that view over changed rows, which stand in it for those of a relation. */
extern bool plain_query(Oid view, Query *query);

/* Of target entries. */
extern bool plain_expressions(const List *entries);

/* Merging by these target entries, and what the indexes of the state do with its rows. */
extern bool plain_state(const List *merges, Relation state);

#endif
