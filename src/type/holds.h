/*
 * What types are made of.
 */
#ifndef TELEMETRY_TYPE_HOLDS_H
#define TELEMETRY_TYPE_HOLDS_H

#include "postgres.h"

#include "access/tupdesc.h"

/*
 * Do values of the type hold such of wanted, within whatever domain, array, range or row? They do
 * of their own type. InvalidOid: of any enum.
 */
extern bool type_holds(Oid type, Oid wanted);
extern bool row_holds(TupleDesc desc, Oid wanted);

#endif
