/*
 * As much of a PostgreSQL backend as the decoder needs, for a fuzzer: memory that is checked by
 * AddressSanitizer block by block, and the few catalog facts of the types that are parsed by hand.
 */
#ifndef SHIM_H
#define SHIM_H

#include "postgres.h"

/* The context of decoders, which nothing frees. */
#define SHIM_DECODER ((MemoryContext) 16)

/* Frees all that was allocated outside SHIM_DECODER. */
extern void shim_reset(void);

/* UTF-8 (the default) or LATIN1. */
extern void shim_set_encoding(int encoding);

/* The time zone "Fuzz" changes every so many seconds since 1970 between these offsets. */
#define SHIM_STRETCH INT64CONST(10000000)
extern long shim_zone_offset(int64 time);

#endif
