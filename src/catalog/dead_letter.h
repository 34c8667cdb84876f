/*
 * Rows of telemetry._dead_letter: messages that could not become a row, and why.
 */
#ifndef TELEMETRY_CATALOG_DEAD_LETTER_H
#define TELEMETRY_CATALOG_DEAD_LETTER_H

#include "postgres.h"

#include "decode/decoder.h"
#include "nodes/pg_list.h"
#include "utils/array.h"

typedef struct DeadLetter
{
	int64 id; /* set by dead_letter_fetch() only */
	MessageView message;
	int64 value_length; /* full length, where message.value was cut */
	DecodeError error;
} DeadLetter;

extern void dead_letter_insert(int pipeline_id, const char *topic, const DeadLetter *letter);

/*
 * Up to limit dead letters with after < id <= up_to, locked, in order of id: List of DeadLetter *.
 * only: an int8[] of ids, or NULL. up_to -1: no bound. Of large values fewer: the first that reach
 * that many bytes are the last.
 */
extern List *dead_letter_fetch(int pipeline_id, int64 after, int64 up_to, ArrayType *only,
							   int limit, int64 bytes, MemoryContext context);

extern void dead_letter_delete(int64 id);
extern void dead_letter_failed_again(int64 id, const DecodeError *error);

/* Deletes; before DT_NOEND: of any age. Returns how many. */
extern int64 dead_letter_purge(int pipeline_id, int64 before, ArrayType *only);

#endif
