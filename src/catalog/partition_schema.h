/*
 * telemetry._partition_schema: where partitions of a table stand that telemetry makes.
 */
#ifndef TELEMETRY_CATALOG_PARTITION_SCHEMA_H
#define TELEMETRY_CATALOG_PARTITION_SCHEMA_H

#include "postgres.h"

/* Its name; NULL: the table's own. It may have been dropped or renamed since. */
extern char *partition_schema_of(Oid target);

/* InvalidOid as schema: the table's own again. */
extern void partition_schema_store(Oid target, Oid schema);

#endif
