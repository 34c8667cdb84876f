/*
 * telemetry.sums inside the server: what its files share.
 */
#ifndef TELEMETRY_TYPE_SUMS_TYPE_H
#define TELEMETRY_TYPE_SUMS_TYPE_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/numeric.h"

#include "base/compat.h"

#define SUMS_TYPE_NAME "telemetry.sums"

/* Amounts that are no numbers are counted, so that they can be taken away again. */
enum
{
	SUMS_NAN,
	SUMS_INFINITY,
	SUMS_MINUS_INFINITY,
	SUMS_SPECIALS
};

/* A key, either part of which may be missing, and what its rows come to. */
typedef struct SumsEntry
{
	bool has_day;
	bool has_key;
	int32 day;
	const char *key;
	uint32 length;
	int64 rows;
	int64 nulls; /* of them, those without an amount */
	int64 special[SUMS_SPECIALS];
	Numeric total;       /* of the others; NULL: zero, or as it is packed */
	const uint8 *packed; /* NULL: in total */
	uint32 packed_size;
} SumsEntry;

/* Entries, of which the first so many are in order, each key once and none of nothing. */
typedef struct Sums
{
	MemoryContext context;
	SumsEntry *entries;
	int count;
	int sorted;
	int room;
	bool owns_keys; /* they were copied into the context */
} Sums;

extern void sums_init(Sums *sums, MemoryContext context);

/* Adds what the entry says to its key; all that it points to is copied. */
extern void sums_add(Sums *sums, const SumsEntry *entry);

/*
 * Adds another set, which is spent by that, or takes it away, and settles. What its keys point to
 * has to stay.
 */
extern void sums_take(Sums *sums, const Sums *other, bool negative);

extern void sums_settle(Sums *sums);

/* An amount comes to an entry; NULL is none. Allocates in the current context. */
extern void sums_amount(SumsEntry *entry, Numeric amount);

/*
 * What the amounts come to; NULL: no row has one. Of a difference, the difference of the amounts,
 * though as many rows went as came.
 */
extern Numeric sums_total(SumsEntry *entry);

/* What those come to that are numbers; NULL: zero. */
extern Numeric sums_finite(SumsEntry *entry);

/* As a value; sums must be settled. */
extern Datum sums_datum(const Sums *sums);

/* sums is made here, in the current context, and points into the value, detoasted. */
extern void sums_from_datum(Datum datum, Sums *sums);

#endif
