/*
 * telemetry.hll inside the server: what the hll_*.c files of this folder share.
 */
#ifndef TELEMETRY_TYPE_HLL_TYPE_H
#define TELEMETRY_TYPE_HLL_TYPE_H

#include "postgres.h"

#include "fmgr.h"

#include "base/compat.h"
#include "sketch/hll.h"

/* ereports unless 4 <= precision <= 18. */
extern void hll_check_precision(int32 precision);

/* Reads the header of a stored (trusted, but maybe damaged) value; ereports when it is damaged. */
extern HllView hll_view_datum(const struct varlena *value);
extern void hll_damaged(const char *detail) pg_attribute_noreturn();

/* A state of a stored value, in the current memory context. */
extern HllState *hll_from_datum(const struct varlena *value);

/* The value itself, or, of what a continuous view keeps aside, packed anew. */
extern struct varlena *hll_canonical(struct varlena *value);

/* The canonical bytes as a datum in the current memory context. */
extern struct varlena *hll_to_datum(const HllState *state);

/*
 * Hashes SQL values of one type: equal values have equal hashes. Kept in fn_extra of the calling
 * function, so that the type is looked up once per query.
 */
typedef struct HllHasher HllHasher;

/* ereports if values of that type cannot be counted. */
extern void hll_hasher_check(Oid type, Oid collation);

extern HllHasher *hll_hasher_get(FunctionCallInfo fcinfo, int argno);
extern uint64 hll_hasher_hash(HllHasher *hasher, Datum value);

#endif
