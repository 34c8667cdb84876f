/*
 * What stands beside the fields that columns name: headers, and the rest of the fields.
 */
#ifndef TELEMETRY_DECODE_METADATA_H
#define TELEMETRY_DECODE_METADATA_H

#include "postgres.h"

#include "decode/decoder.h"
#include "decode/document.h"
#include "decode/walk.h"

/*
 * [{"name": ..., "value": ...}, ...], in the message's order. A value that is not text of the
 * server's encoding is {"name": ..., "value": null, "base64": ...}; so is a name.
 */
extern bool metadata_headers(Document *document, bool json, const MessageView *message,
							 Datum *value, DecodeError *error);

/* {...} of the fields that the walk has put aside; json keeps their bytes and duplicates. */
extern bool metadata_rest(Document *document, bool json, const Walk *walk, Datum *value,
						  DecodeError *error);

#endif
