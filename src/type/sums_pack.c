/*
 * telemetry.sums: sets of entries, and their bytes.
 *
 * Two bytes for format and version, then the entries in order, each a byte that says what it has,
 * and numbers as sketch/varint.h writes them:
 *
 *     its day   the length of its key, and the key   rows   rows without an amount
 *     those of NaN, of infinity, of -infinity        the size of its total, and the total
 *
 * A total is the number of its digits to the base 10,000, doubled and with the sign; its weight;
 * and the digits, two bytes each, the high one first, without zeros before and behind. So it is the
 * same for equal numbers, whatever scales they were summed from. Totals stay packed until they are
 * needed: merging large sets touches few of them.
 */
#include "type/sums_type.h"

#include "common/int.h"
#include "lib/stringinfo.h"
#include "sketch/varint.h"
#include "type/packed.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#define FORMAT  0x41
#define VERSION 1

enum
{
	HAS_DAY = 1,
	HAS_KEY = 2,
	HAS_NULLS = 4,
	HAS_SPECIALS = 8,
	HAS_TOTAL = 16,
	HAS_ALL = 31
};

enum
{
	FIRST_ROOM = 4,
	NUMERIC_HEADER = 8, /* of what numeric_send() writes: digits, weight, sign, scale */
	NUMERIC_MINUS = 0x4000,
	NUMERIC_MOST_DIGITS = 0xFFFF,
	DIGIT = 4 /* decimals of one of the digits */
};

/* ---- numbers --------------------------------------------------------------------------------- */

static void
write_number(StringInfo out, uint64 number)
{
	uint8 bytes[VARINT_MOST];

	appendBinaryStringInfo(out, (char *) bytes, (int) (varint_write(bytes, number) - bytes));
}

static void
write_signed(StringInfo out, int64 number)
{
	write_number(out, varint_zigzag(number));
}

typedef struct Reader
{
	const uint8 *at;
	const uint8 *end;
} Reader;

static uint64
read_number(Reader *in)
{
	uint64 number;

	in->at = varint_read(in->at, in->end, &number);
	if (in->at == NULL)
		packed_damaged(SUMS_TYPE_NAME, "a number does not end, or is longer than need be");
	return number;
}

static int64
read_signed(Reader *in)
{
	return varint_unzigzag(read_number(in));
}

static const uint8 *
read_bytes(Reader *in, uint32 *size)
{
	uint64 length = read_number(in);
	const uint8 *bytes = in->at;

	if (length > (uint64) (in->end - in->at))
		packed_damaged(SUMS_TYPE_NAME, "it ends within an entry");
	in->at += length;
	*size = (uint32) length;
	return bytes;
}

/* ---- totals ---------------------------------------------------------------------------------- */

static uint16
two_bytes(const char *bytes)
{
	return (uint16) ((uint8) bytes[0] << 8 | (uint8) bytes[1]);
}

/* numeric_send() gives no zeros before and behind. */
static void
write_total(StringInfo out, Numeric total)
{
	bytea *sent = DatumGetByteaPP(DirectFunctionCall1(numeric_send, NumericGetDatum(total)));
	const char *bytes = VARDATA_ANY(sent);
	uint16 ndigits = two_bytes(bytes);
	StringInfoData packed;

	initStringInfo(&packed);
	write_number(&packed, (uint64) ndigits << 1 | (two_bytes(bytes + 4) == NUMERIC_MINUS));
	write_signed(&packed, (int16) two_bytes(bytes + 2));
	appendBinaryStringInfo(&packed, bytes + NUMERIC_HEADER, 2 * ndigits);
	write_number(out, packed.len);
	appendBinaryStringInfo(out, packed.data, packed.len);
	pfree(packed.data);
	pfree(sent);
}

/* Decimals behind the point that the digits have, the last of which is not zero. */
static int
decimals(int ndigits, int weight, int last)
{
	int scale = (ndigits - weight - 1) * DIGIT;

	for (; last > 0 && last % 10 == 0; last /= 10)
		scale--;
	return Max(scale, 0);
}

static void
append_two_bytes(StringInfo out, int number)
{
	appendStringInfoChar(out, (char) (number >> 8));
	appendStringInfoChar(out, (char) number);
}

static Numeric
read_total(const uint8 *packed, uint32 size)
{
	Reader in = {packed, packed + size};
	uint64 sign = read_number(&in);
	uint64 ndigits = sign >> 1;
	int64 weight = read_signed(&in);
	StringInfoData sent;
	Datum total;

	if (ndigits == 0 || ndigits > NUMERIC_MOST_DIGITS || weight != (int16) weight ||
		(uint64) (in.end - in.at) != 2 * ndigits)
		packed_damaged(SUMS_TYPE_NAME, "a total is not what its digits say");
	initStringInfo(&sent);
	append_two_bytes(&sent, (int) ndigits);
	append_two_bytes(&sent, (int) weight);
	append_two_bytes(&sent, sign & 1 ? NUMERIC_MINUS : 0);
	append_two_bytes(&sent,
					 decimals((int) ndigits, (int) weight, two_bytes((const char *) in.end - 2)));
	appendBinaryStringInfo(&sent, (const char *) in.at, 2 * (int) ndigits);
	total = DirectFunctionCall3(numeric_recv, PointerGetDatum(&sent), ObjectIdGetDatum(InvalidOid),
								Int32GetDatum(-1));
	pfree(sent.data);
	return DatumGetNumeric(total);
}

static Numeric
zero(void)
{
	return int64_to_numeric(0);
}

/* Its sign, 0 of zero. */
static int
sign_of(Numeric number)
{
	Numeric nothing = zero();
	int sign = DatumGetInt32(
		DirectFunctionCall2(numeric_cmp, NumericGetDatum(number), NumericGetDatum(nothing)));

	pfree(nothing);
	return sign;
}

static bool
is_zero(Numeric number)
{
	return number == NULL || sign_of(number) == 0;
}

static void
unpack_total(SumsEntry *entry)
{
	if (entry->packed == NULL)
		return;
	entry->total = read_total(entry->packed, entry->packed_size);
	entry->packed = NULL;
}

Numeric
sums_finite(SumsEntry *entry)
{
	unpack_total(entry);
	return entry->total;
}

Numeric
sums_total(SumsEntry *entry)
{
	const int64 *special = entry->special;
	const char *text = NULL;

	if (special[SUMS_NAN] || (special[SUMS_INFINITY] && special[SUMS_MINUS_INFINITY]))
		text = "NaN";
	else if (special[SUMS_INFINITY])
		text = "Infinity";
	else if (special[SUMS_MINUS_INFINITY])
		text = "-Infinity";
	if (text)
		return DatumGetNumeric(DirectFunctionCall3(
			numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	if (!is_zero(sums_finite(entry)))
		return entry->total;
	return entry->rows == entry->nulls ? NULL : zero();
}

/* ---- entries --------------------------------------------------------------------------------- */

/* By day, then key by its bytes; what has none comes last. */
static int
compare_entries(const void *one, const void *other)
{
	const SumsEntry *a = one;
	const SumsEntry *b = other;
	int order;

	if (a->has_day != b->has_day)
		return a->has_day ? -1 : 1;
	if (a->has_day && a->day != b->day)
		return a->day < b->day ? -1 : 1;
	if (a->has_key != b->has_key)
		return a->has_key ? -1 : 1;
	if (!a->has_key)
		return 0;
	order = memcmp(a->key, b->key, Min(a->length, b->length));
	return order ? order : a->length < b->length ? -1 : a->length > b->length;
}

static int64
add_counts(int64 a, int64 b)
{
	int64 sum;

	if (pg_add_s64_overflow(a, b, &sum))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("sums have more rows than a bigint can count")));
	return sum;
}

/* Adds b, of the same key, to a, which takes its total. Allocates in the current context. */
static void
merge_entry(SumsEntry *a, SumsEntry *b)
{
	a->rows = add_counts(a->rows, b->rows);
	a->nulls = add_counts(a->nulls, b->nulls);
	for (int i = 0; i < SUMS_SPECIALS; i++)
		a->special[i] = add_counts(a->special[i], b->special[i]);
	unpack_total(a);
	unpack_total(b);
	if (a->total == NULL)
	{
		a->total = b->total;
		b->total = NULL;
	}
	else if (b->total != NULL)
	{
		Numeric before = a->total;

		a->total = DatumGetNumeric(
			DirectFunctionCall2(numeric_add, NumericGetDatum(before), NumericGetDatum(b->total)));
		pfree(before);
		pfree(b->total);
	}
}

static bool
says_nothing(SumsEntry *entry)
{
	if (entry->rows != 0 || entry->nulls != 0 || entry->packed != NULL)
		return false;
	for (int i = 0; i < SUMS_SPECIALS; i++)
		if (entry->special[i] != 0)
			return false;
	return is_zero(entry->total);
}

void
sums_amount(SumsEntry *entry, Numeric amount)
{
	entry->rows = 1;
	if (amount == NULL)
		entry->nulls = 1;
	else if (numeric_is_nan(amount))
		entry->special[SUMS_NAN] = 1;
	else if (numeric_is_inf(amount))
		entry->special[sign_of(amount) > 0 ? SUMS_INFINITY : SUMS_MINUS_INFINITY] = 1;
	else
		entry->total = amount;
}

/* ---- sets ------------------------------------------------------------------------------------ */

void
sums_init(Sums *sums, MemoryContext context)
{
	*sums = (Sums){.context = context, .room = FIRST_ROOM};
	sums->entries = MemoryContextAlloc(context, sizeof(SumsEntry) * FIRST_ROOM);
}

void
sums_settle(Sums *sums)
{
	MemoryContext old = MemoryContextSwitchTo(sums->context);
	int kept = 0;

	if (sums->sorted < sums->count)
		qsort(sums->entries, sums->count, sizeof(SumsEntry), compare_entries);
	for (int i = 0; i < sums->count; i++)
	{
		SumsEntry *entry = &sums->entries[i];

		if (kept > 0 && compare_entries(&sums->entries[kept - 1], entry) == 0)
		{
			merge_entry(&sums->entries[kept - 1], entry);
			if (entry->has_key && sums->owns_keys)
				pfree((void *) entry->key);
			continue;
		}
		if (kept > 0 && says_nothing(&sums->entries[kept - 1]))
			kept--;
		sums->entries[kept++] = *entry;
	}
	if (kept > 0 && says_nothing(&sums->entries[kept - 1]))
		kept--;
	sums->count = sums->sorted = kept;
	MemoryContextSwitchTo(old);
}

static SumsEntry *
new_entry(Sums *sums)
{
	if (sums->count == sums->room)
	{
		if (sums->room > INT_MAX / 2)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("too many keys in one group: %d", sums->count)));
		sums->room *= 2;
		sums->entries = repalloc_huge(sums->entries, sizeof(SumsEntry) * sums->room);
	}
	return &sums->entries[sums->count++];
}

/*
 * Keys that come again and again need no more room than once, and rows in time often have that of
 * the one before.
 */
void
sums_add(Sums *sums, const SumsEntry *entry)
{
	MemoryContext old = MemoryContextSwitchTo(sums->context);
	SumsEntry copy = *entry;

	unpack_total(&copy);
	if (entry->total)
		copy.total = DatumGetNumeric(datumCopy(NumericGetDatum(entry->total), false, -1));
	if (sums->count > 0 && compare_entries(&sums->entries[sums->count - 1], entry) == 0)
		merge_entry(&sums->entries[sums->count - 1], &copy);
	else
	{
		if (entry->has_key)
			copy.key = memcpy(palloc(entry->length + 1), entry->key, entry->length);
		sums->owns_keys = true;
		if (sums->count == sums->room && sums->count >= 2 * sums->sorted)
			sums_settle(sums);
		*new_entry(sums) = copy;
	}
	sums->sorted = Min(sums->sorted, sums->count - 1);
	MemoryContextSwitchTo(old);
}

static void
negate(SumsEntry *entry)
{
	int64 *counts[] = {&entry->rows, &entry->nulls, &entry->special[0], &entry->special[1],
					   &entry->special[2]};

	for (size_t i = 0; i < lengthof(counts); i++)
	{
		/* Its opposite is none. */
		if (*counts[i] == PG_INT64_MIN)
			(void) add_counts(*counts[i], -1);
		*counts[i] = -*counts[i];
	}
	unpack_total(entry);
	if (entry->total)
		entry->total =
			DatumGetNumeric(DirectFunctionCall1(numeric_uminus, NumericGetDatum(entry->total)));
}

void
sums_take(Sums *sums, const Sums *other, bool negative)
{
	MemoryContext old = MemoryContextSwitchTo(sums->context);

	for (int i = 0; i < other->count; i++)
	{
		SumsEntry entry = other->entries[i];

		if (negative)
			negate(&entry);
		*new_entry(sums) = entry;
	}
	sums_settle(sums);
	MemoryContextSwitchTo(old);
}

/* ---- values ---------------------------------------------------------------------------------- */

static void
write_entry(StringInfo out, SumsEntry *entry)
{
	bool has_specials = entry->special[0] || entry->special[1] || entry->special[2];
	bool has_total = entry->packed || !is_zero(entry->total);

	appendStringInfoChar(out, (entry->has_day ? HAS_DAY : 0) | (entry->has_key ? HAS_KEY : 0) |
								  (entry->nulls ? HAS_NULLS : 0) |
								  (has_specials ? HAS_SPECIALS : 0) | (has_total ? HAS_TOTAL : 0));
	if (entry->has_day)
		write_signed(out, entry->day);
	if (entry->has_key)
	{
		write_number(out, entry->length);
		appendBinaryStringInfo(out, entry->key, entry->length);
	}
	write_signed(out, entry->rows);
	if (entry->nulls)
		write_signed(out, entry->nulls);
	for (int i = 0; i < SUMS_SPECIALS && has_specials; i++)
		write_signed(out, entry->special[i]);
	if (entry->packed)
	{
		write_number(out, entry->packed_size);
		appendBinaryStringInfo(out, (const char *) entry->packed, entry->packed_size);
	}
	else if (has_total)
		write_total(out, entry->total);
}

/* A value as large as PostgreSQL can have is refused by StringInfo, which cannot be larger. */
Datum
sums_datum(const Sums *sums)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoSpaces(&out, VARHDRSZ);
	appendStringInfoChar(&out, FORMAT);
	appendStringInfoChar(&out, VERSION);
	for (int i = 0; i < sums->count; i++)
		write_entry(&out, &sums->entries[i]);
	SET_VARSIZE(out.data, out.len);
	return PointerGetDatum(out.data);
}

static void
read_entry(Reader *in, SumsEntry *entry)
{
	uint8 has = *in->at++;

	*entry = (SumsEntry){.has_day = (has & HAS_DAY) != 0, .has_key = (has & HAS_KEY) != 0};
	if (has & ~HAS_ALL)
		packed_damaged(SUMS_TYPE_NAME, "an entry has what no entry has");
	if (has & HAS_DAY)
		entry->day = (int32) read_signed(in);
	if (has & HAS_KEY)
		entry->key = (const char *) read_bytes(in, &entry->length);
	entry->rows = read_signed(in);
	if (has & HAS_NULLS)
		entry->nulls = read_signed(in);
	for (int i = 0; i < SUMS_SPECIALS && (has & HAS_SPECIALS); i++)
		entry->special[i] = read_signed(in);
	if (has & HAS_TOTAL)
		entry->packed = read_bytes(in, &entry->packed_size);
}

void
sums_from_datum(Datum datum, Sums *sums)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(value);
	Reader in = {bytes + 2, bytes + VARSIZE_ANY_EXHDR(value)};

	if (VARSIZE_ANY_EXHDR(value) < 2 || bytes[0] != FORMAT || bytes[1] != VERSION)
		packed_damaged(SUMS_TYPE_NAME, "format or version is not known");
	sums_init(sums, CurrentMemoryContext);
	while (in.at < in.end)
		read_entry(&in, new_entry(sums));
	sums->sorted = sums->count;
}
