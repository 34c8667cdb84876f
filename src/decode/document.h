/*
 * json and jsonb values out of slices of a message.
 */
#ifndef TELEMETRY_DECODE_DOCUMENT_H
#define TELEMETRY_DECODE_DOCUMENT_H

#include "postgres.h"

#include "decode/failure.h"
#include "decode/json_scan.h"

/*
 * A document being put together: a flat list of values in the order in which they are written,
 * each container followed by its contents (an object's: key, value, key, value, ...).
 */
typedef struct DocumentNode
{
	const char *start; /* strings: final bytes; numbers: as written */
	uint32 length;
	uint32 count; /* containers: elements, or pairs of key and value */
	uint32 next;  /* the node behind this one and its contents */
	uint8 kind;   /* JsonKind */
} DocumentNode;

typedef struct DocumentPair
{
	const char *key;
	uint32 length;
	uint32 order; /* in the object; of equal keys the last wins */
	uint32 value; /* its node */
} DocumentPair;

/* Scratch memory, used again for every value. */
typedef struct Document
{
	MemoryContext context;
	DocumentNode *nodes;
	uint32 nnodes;
	uint32 nodes_allocated;
	DocumentPair *pairs; /* a stack: one object's pairs on those of the objects around it */
	uint32 npairs;
	uint32 pairs_allocated;
	size_t bound; /* the jsonb will not be larger */
} Document;

extern void document_init(Document *document, MemoryContext context);

/* Empties it; gives back memory that an unusually large document took. */
extern void document_reset(Document *document);

/* Nodes one by one. False: too large, *error is set. */
extern bool document_open(Document *document, JsonKind kind, uint32 *node, DecodeError *error);
extern void document_close(Document *document, uint32 node, uint32 count);
extern bool document_add_text(Document *document, const char *bytes, size_t length,
							  DecodeError *error);
extern bool document_add_null(Document *document, DecodeError *error);

/* A value of a message, which has been scanned before, and a key with its value. */
extern bool document_add_value(Document *document, const JsonToken *token, DecodeError *error);
extern bool document_add_member(Document *document, const JsonToken *key, const JsonToken *value,
								DecodeError *error);

/* Exactly the bytes that jsonb_in() would make of it. */
extern bool document_to_jsonb(Document *document, Datum *result, DecodeError *error);

extern bool document_jsonb_of_token(Document *document, const JsonToken *token, Datum *result,
									DecodeError *error);

/* The same bytes, in the server's encoding. */
extern bool document_json_of_token(const JsonToken *token, Datum *result, DecodeError *error);

#endif
