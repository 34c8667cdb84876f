/*
 * Where in a statement something stands that is refused: byte offsets, -1 where it is not known.
 */
#ifndef TELEMETRY_VIEW_PLACE_H
#define TELEMETRY_VIEW_PLACE_H

#include "postgres.h"

#include "nodes/parsenodes.h"

extern int place_of_window_function(const Query *query);
extern int place_of_set_returning(const Query *query);
extern int place_of_sublink(const Query *query);

/* The first of the expressions that a list of SortGroupClause names. */
extern int place_of_clause(const Query *query, const List *clauses);

/* The second part of a UNION and its like. */
extern int place_of_set_operation(const Query *query);

/* The first of FROM, or the select list where there is none. */
extern int place_of_first_source(const Query *query, const char *source_text);

/* An entry of FROM; the analysed query has forgotten where relations stand. */
extern int place_of_source(const Query *query, int rti, const char *source_text);

#endif
