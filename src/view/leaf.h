/*
 * Writes straight into partitions.
 */
#ifndef TELEMETRY_VIEW_LEAF_H
#define TELEMETRY_VIEW_LEAF_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/* Before they lock what they write into. */
extern void leaf_copy(const CopyStmt *copy);
extern void leaf_truncate(const TruncateStmt *truncate);

extern void leaf_init(void);

#endif
