/*
 * Differences between PostgreSQL's major versions, each with its reason. No other file may test
 * PG_VERSION_NUM. Supported: 15 to 18; tested from the first day on 15 and 17.
 */
#ifndef TELEMETRY_BASE_COMPAT_H
#define TELEMETRY_BASE_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "telemetry needs PostgreSQL 15 or later"
#endif

#endif
