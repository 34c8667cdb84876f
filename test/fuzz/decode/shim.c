/*
 * See shim.h. What the decoder must never call with the columns of the fuzzer aborts.
 */
#include "shim.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

typedef struct Block
{
	struct Block *next;
	struct Block *previous;
	size_t size;
	size_t kept; /* belongs to a decoder, not to a row */
} Block;

static Block live = {&live, &live, 0, 0};
static int encoding = PG_UTF8;

MemoryContext CurrentMemoryContext = NULL;
pg_tz *session_timezone = NULL;

static void *
block_new(MemoryContext context, size_t size)
{
	Block *block = malloc(sizeof(Block) + size);

	if (block == NULL)
		abort();
	memset(block + 1, 0x7F, size);
	block->size = size;
	block->kept = context != NULL;
	if (block->kept)
	{
		block->next = block->previous = block;
		return block + 1;
	}
	block->next = live.next;
	block->previous = &live;
	live.next->previous = block;
	live.next = block;
	return block + 1;
}

static Block *
block_unlink(void *pointer)
{
	Block *block = (Block *) pointer - 1;

	block->next->previous = block->previous;
	block->previous->next = block->next;
	return block;
}

void
shim_reset(void)
{
	while (live.next != &live)
		free(block_unlink(live.next + 1));
}

void
shim_set_encoding(int new_encoding)
{
	encoding = new_encoding;
}

void *
palloc(Size size)
{
	if (!AllocSizeIsValid(size))
		abort();
	return block_new(CurrentMemoryContext, size);
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
palloc_extended(Size size, int flags)
{
	return block_new(CurrentMemoryContext, size);
}

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	return block_new(context, size);
}

void *
MemoryContextAllocHuge(MemoryContext context, Size size)
{
	return block_new(context, size);
}

void
pfree(void *pointer)
{
	free(block_unlink(pointer));
}

void *
repalloc(void *pointer, Size size)
{
	Block *block = (Block *) pointer - 1;
	void *copy = block_new(block->kept ? SHIM_DECODER : NULL, size);

	memcpy(copy, pointer, Min(size, block->size));
	pfree(pointer);
	return copy;
}

void *
repalloc_huge(void *pointer, Size size)
{
	return repalloc(pointer, size);
}

char *
pnstrdup(const char *string, Size length)
{
	char *copy = palloc(length + 1);

	memcpy(copy, string, length);
	copy[length] = '\0';
	return copy;
}

char *
pstrdup(const char *string)
{
	return pnstrdup(string, strlen(string));
}

int
GetDatabaseEncoding(void)
{
	return encoding;
}

Oid
FindDefaultConversionProc(int32 from, int32 to)
{
	return 1;
}

/* UTF-8 to LATIN1. */
int
pg_do_encoding_conversion_buf(Oid proc, int from, int to, unsigned char *src, int srclen,
							  unsigned char *dest, int destlen, bool no_error)
{
	int i = 0;

	while (i < srclen && destlen > 1)
	{
		if (src[i] < 0x80)
			*dest++ = src[i++];
		else if (src[i] <= 0xC3 && i + 1 < srclen)
		{
			*dest++ = (unsigned char) (src[i] << 6 | (src[i + 1] & 0x3F));
			i += 2;
		}
		else
			break;
		destlen--;
	}
	*dest = '\0';
	return i;
}

int
pg_mbcharcliplen(const char *string, int length, int limit)
{
	const char *p = string;
	const char *end = string + length;

	while (p < end && limit-- > 0)
	{
		p++;
		while (encoding == PG_UTF8 && p < end && ((unsigned char) *p & 0xC0) == 0x80)
			p++;
	}
	return p - string;
}

int
pg_mbstrlen_with_len(const char *string, int length)
{
	int n = 0;

	for (int i = 0; i < length; i++)
		n += encoding != PG_UTF8 || ((unsigned char) string[i] & 0xC0) != 0x80;
	return n;
}

char *
pg_server_to_any(const char *string, int length, int to)
{
	return unconstify(char *, string);
}

char *
format_type_be(Oid type)
{
	return "a type";
}

char
get_typtype(Oid type)
{
	return TYPTYPE_BASE;
}

Oid
get_element_type(Oid type)
{
	switch (type)
	{
		case INT4ARRAYOID:
			return INT4OID;
		case TEXTARRAYOID:
			return TEXTOID;
		case JSONBARRAYOID:
			return JSONBOID;
	}
	return InvalidOid;
}

void
get_typlenbyvalalign(Oid type, int16 *length, bool *by_value, char *align)
{
	*length = type == INT4OID ? 4 : -1;
	*by_value = type == INT4OID;
	*align = TYPALIGN_INT;
}

void
getTypeInputInfo(Oid type, Oid *input, Oid *ioparam)
{
	*input = *ioparam = 1;
}

void
fmgr_info(Oid function, FmgrInfo *info)
{
}

/* An array in PostgreSQL's own syntax: array_in's business. */
Datum
InputFunctionCall(FmgrInfo *info, char *string, Oid ioparam, int32 typmod)
{
	return PointerGetDatum(pstrdup(string));
}

/* Reads all there is, as the real one does. */
ArrayType *
construct_md_array(Datum *elements, bool *nulls, int ndims, int *dims, int *lower, Oid type,
				   int length, bool by_value, char align)
{
	int n = 1;

	for (int i = 0; i < ndims; i++)
		n *= dims[i];
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i] && !by_value)
			pnstrdup(VARDATA(DatumGetPointer(elements[i])),
					 VARSIZE(DatumGetPointer(elements[i])) - VARHDRSZ);
	}
	return palloc0(sizeof(ArrayType));
}

ArrayType *
construct_empty_array(Oid type)
{
	return palloc0(sizeof(ArrayType));
}

Oid
getBaseTypeAndTypmod(Oid type, int32 *typmod)
{
	abort();
}

void
domain_check(Datum value, bool isnull, Oid type, void **extra, MemoryContext context)
{
	abort();
}

/* No type is composite here, and none a range. */
TypeCacheEntry *
lookup_type_cache(Oid type, int flags)
{
	abort();
}

TupleDesc
CreateTupleDescCopy(TupleDesc description)
{
	abort();
}

TupleDesc
lookup_rowtype_tupdesc_copy(Oid type, int32 typmod)
{
	abort();
}

void
FreeTupleDesc(TupleDesc description)
{
	abort();
}

Oid
get_range_subtype(Oid range)
{
	abort();
}

Oid
get_multirange_range(Oid multirange)
{
	abort();
}

HeapTuple
heap_form_tuple(TupleDesc description, Datum *values, bool *isnull)
{
	abort();
}

Datum
HeapTupleHeaderGetDatum(HeapTupleHeader tuple)
{
	abort();
}

MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name, Size min, Size init, Size max)
{
	abort();
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	abort();
}

void
MemoryContextDelete(MemoryContext context)
{
	abort();
}

int
DetermineTimeZoneOffset(struct pg_tm *tm, pg_tz *zone)
{
	return 0;
}

pg_tz *
pg_tzset(const char *name)
{
	return strcmp(name, "Fuzz") == 0 ? (pg_tz *) &encoding : NULL;
}

bool
pg_tz_acceptable(pg_tz *zone)
{
	return true;
}

static int64
shim_zone_stretch(int64 time)
{
	return time / SHIM_STRETCH - (time % SHIM_STRETCH < 0);
}

long
shim_zone_offset(int64 time)
{
	return shim_zone_stretch(time) % 2 != 0 ? SECS_PER_HOUR : 0;
}

struct pg_tm *
pg_localtime(const pg_time_t *time, const pg_tz *zone)
{
	static struct pg_tm local;

	local.tm_gmtoff = shim_zone_offset(*time);
	return &local;
}

int
pg_next_dst_boundary(const pg_time_t *time, long *before_offset, int *before_summer,
					 pg_time_t *boundary, long *after_offset, int *after_summer, const pg_tz *zone)
{
	*boundary = (shim_zone_stretch(*time) + 1) * SHIM_STRETCH;
	return 1;
}

bool
parse_bool_with_len(const char *value, size_t length, bool *result)
{
	*result = length == 4 && memcmp(value, "true", 4) == 0;
	return *result || (length == 5 && memcmp(value, "false", 5) == 0);
}

void
initStringInfo(StringInfo string)
{
	string->data = palloc0(1);
	string->len = 0;
	string->maxlen = 1;
	string->cursor = 0;
}

static void
shim_append(StringInfo string, const void *data, int length)
{
	/*
	 * As the server's does: room for as much again, or a message is copied for each of its bytes.
	 */
	if (string->len + length >= string->maxlen)
	{
		string->maxlen = 2 * (string->len + length + 1);
		string->data = repalloc(string->data, string->maxlen);
	}
	memcpy(string->data + string->len, data, length);
	string->len += length;
	string->data[string->len] = '\0';
}

void
appendStringInfoString(StringInfo string, const char *data)
{
	shim_append(string, data, strlen(data));
}

#undef appendStringInfoChar
void
appendStringInfoChar(StringInfo string, char c)
{
	shim_append(string, &c, 1);
}

void
appendStringInfo(StringInfo string, const char *format, ...)
{
	char buffer[256];
	va_list args;

	va_start(args, format);
	vsnprintf(buffer, sizeof(buffer), format, args);
	va_end(args);
	appendStringInfoString(string, buffer);
}

bool
errstart(int level, const char *domain)
{
	abort();
}

bool
errstart_cold(int level, const char *domain)
{
	abort();
}

void
errfinish(const char *file, int line, const char *function)
{
	abort();
}

int
errcode(int code)
{
	abort();
}

int
errmsg(const char *format, ...)
{
	abort();
}

int
errdetail(const char *format, ...)
{
	abort();
}

int
errhint(const char *format, ...)
{
	abort();
}

#ifdef USE_ASSERT_CHECKING
#error "build against a PostgreSQL without assertions"
#endif
