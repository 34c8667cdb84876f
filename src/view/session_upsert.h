/*
 * What extends or follows the newest session of its key is written row by row.
 */
#ifndef TELEMETRY_VIEW_SESSION_UPSERT_H
#define TELEMETRY_VIEW_SESSION_UPSERT_H

#include "postgres.h"

#include "utils/tuplestore.h"
#include "view/known.h"

typedef struct SessionUpsert
{
	Tuplestorestate *replaced;  /* rows of replaced_desc: are earlier sessions from now on */
	TupleDesc replaced_desc;    /* _key, and the columns of the state */
	Tuplestorestate *otherwise; /* of what came: rows that are left to do; their keys are locked */
	Tuplestorestate *old;       /* sessions as they were and as they are; or NULL */
	Tuplestorestate *new;
} SessionUpsert;

/* All keys of plus are locked by it, in their order. False if it is not to be done in this way. */
extern bool session_upsert(KnownView *view, Tuplestorestate *plus, SessionUpsert *result);

#endif
