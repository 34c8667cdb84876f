/*
 * The triggers by which a table's writers feed its continuous views.
 */
#ifndef TELEMETRY_VIEW_TRIGGER_H
#define TELEMETRY_VIEW_TRIGGER_H

#include "postgres.h"

#include "utils/rel.h"

/* On a table and on all of its partitions; those that are there stay. */
extern void triggers_install(Oid relation);

/* From all of them. */
extern void triggers_remove(Oid relation);

/* Those that are enabled fire when they must: who enables them may not say so. */
extern void triggers_mend(Oid relation);

/* ereports if one was disabled, on the table or a partition. */
extern void triggers_check(Oid relation);

/* ereports if the table, or a partition, is unlogged: a crash empties it, and no view over it. */
extern void check_logged(Oid relation);

/* True if the name is that of one of ours. */
extern bool trigger_is_ours(const char *name);

/*
 * Those who write into the table, or straight into a partition: till they are through, and till the
 * end of this transaction there will be no others.
 */
extern void wait_for_writers(Oid relation);

/* The table that a partition belongs to at last; the table itself if it is none. */
extern Oid root_of(Oid relation);

/*
 * Puts all rows of a table without partitions, or of all partitions below it, where collect_rows()
 * would put them, whether the views follow the table now or not. The caller holds a lock that keeps
 * writers off.
 */
extern void collect_relation(List *views, Oid relation, bool minus);

#endif
