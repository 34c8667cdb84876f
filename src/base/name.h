/*
 * Names of relations, as messages and statements of ours need them.
 */
#ifndef TELEMETRY_BASE_NAME_H
#define TELEMETRY_BASE_NAME_H

#include "postgres.h"

/* schema.relation, quoted where need be; of a relation that exists. */
extern char *qualified_name(Oid relation);

#endif
