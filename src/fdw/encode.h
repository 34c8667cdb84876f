/*
 * From a row to a message: the reverse of decoding.
 */
#ifndef TELEMETRY_FDW_ENCODE_H
#define TELEMETRY_FDW_ENCODE_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "decode/decoder.h"
#include "executor/tuptable.h"
#include "fdw/options.h"

typedef struct Encoder Encoder;

typedef struct EncodedMessage
{
	int32 partition; /* -1: by key */
	const char *key; /* NULL: none */
	size_t key_length;
	const char *value; /* NULL: a tombstone */
	size_t value_length;
	int64 timestamp_ms; /* 0: now */
	int nheaders;
	MessageHeader *headers;
} EncodedMessage;

/* Throws when rows of that table cannot be written. Lives in the current context. */
extern Encoder *encoder_create(Oid relid, TupleDesc desc, const TableOptions *table);

/* Allocates in the current context. */
extern void encoder_row(Encoder *encoder, TupleTableSlot *slot, EncodedMessage *message);

#endif
