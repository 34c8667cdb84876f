/*
 * telemetry.float8_sum and telemetry.float8_moments inside the server: what their files share.
 */
#ifndef TELEMETRY_TYPE_FLOAT_TYPE_H
#define TELEMETRY_TYPE_FLOAT_TYPE_H

#include "postgres.h"

#include "fmgr.h"

#include "base/compat.h"
#include "sketch/float_sum.h"

/* The result of a function, or error 22003 where it is beyond the greatest double. */
extern double float_result(double result, bool overflow);

/* Packed bytes as a datum. */
extern Datum float_datum(const void *bytes, size_t size);

/* Bytes of a message, up to its end. */
extern struct varlena *float_receive(FunctionCallInfo fcinfo);
extern Datum float_send(FunctionCallInfo fcinfo);

/* What a value of this type is refused or found damaged with; detail is what the sketch says. */
extern void float_bad_text(const char *type, const char *text, const char *detail)
	pg_attribute_noreturn();
extern void float_bad_bytes(const char *type, const char *detail) pg_attribute_noreturn();
extern void float_damaged(const char *type, const char *detail) pg_attribute_noreturn();
extern void float_out_of_range(const char *type) pg_attribute_noreturn();

#endif
