/*
 * Values that are packed bytes behind the varlena header, which mean the same on every machine and
 * are sent as they are: what the files of such types share.
 */
#ifndef TELEMETRY_TYPE_PACKED_H
#define TELEMETRY_TYPE_PACKED_H

#include "postgres.h"

#include "fmgr.h"

#include "base/compat.h"

/* Packed bytes as a datum. */
extern Datum packed_datum(const void *bytes, size_t size);

/* What is left of the message that a receive function got; nothing of it is checked. */
extern struct varlena *packed_receive(FunctionCallInfo fcinfo);

/* What a send function returns. */
extern Datum packed_send(struct varlena *value);

/* Format and version alone. Such a value is never toasted: others are not opened. */
extern bool packed_is_empty(Datum value);

/*
 * What a value of this type is refused or found damaged with; detail is what the sketch says. hint:
 * how it is written; NULL: nobody writes it by hand.
 */
extern void packed_bad_text(const char *type, const char *text, const char *detail,
							const char *hint) pg_attribute_noreturn();
extern void packed_bad_bytes(const char *type, const char *detail) pg_attribute_noreturn();
extern void packed_damaged(const char *type, const char *detail) pg_attribute_noreturn();

#endif
