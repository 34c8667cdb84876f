/*
 * count(DISTINCT x): helpers that keep the distinct values of each group.
 */
#ifndef TELEMETRY_VIEW_DISTINCT_H
#define TELEMETRY_VIEW_DISTINCT_H

#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/tuplestore.h"
#include "view/known.h"
#include "view/shape.h"

/* The aggregate without its DISTINCT. */
extern Aggref *distinct_undone(Aggref *aggref);

/*
 * Value of an aggregate of PostgreSQL's over distinct values, over the state as s; adds the helper
 * that it needs. NULL: it cannot be kept.
 */
extern char *distinct_final(ViewShape *shape, Aggref *aggref, const char *name);

/* Of a value that nobody reads, what tells it from others: of a long text a digest. */
extern Expr *distinct_shortened(Expr *value);

/* What a helper is made of. */
extern ViewShape *distinct_shape(const DistinctHelper *helper);

/* True for columns of a view's state that its helpers feed, and nothing else does. */
extern bool distinct_is_fed(const ComponentKind *kind);

/* The fold of a helper: gives a row for each group in which values came or went. */
extern char *distinct_fold(const KnownView *helper, bool plus, bool minus, bool gathered);

/* The same of INSERTED_ROWS, rows of the helper that were not there before. */
extern char *distinct_inserted(const KnownView *helper);

#define INSERTED_ROWS "telemetry_inserted"

/*
 * What that gave becomes rows of the shape of the view's state, in the store; places of rows of the
 * helper that stand for nothing any more are returned, as an array.
 */
extern Datum distinct_gave(const KnownView *helper, SPITupleTable *rows, uint64 n,
						   Tuplestorestate *store);

/*
 * Appends " UNION ALL SELECT ..." for each helper of a view: all that it has to give, from its
 * state, or computed anew.
 */
extern void distinct_append_all(StringInfo sql, const KnownView *view, bool anew);

/* Queries of a helper's keys and counts: as its state has them, and computed anew. */
extern char *distinct_kept(const KnownView *helper);
extern char *distinct_whole(const KnownView *helper);

#endif
