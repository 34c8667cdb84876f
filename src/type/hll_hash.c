/*
 * From an SQL value to the 64-bit hash that a sketch counts.
 *
 * Values that are equal in SQL must have equal hashes, on every platform and in every major
 * version. The common types hash exactly as postgresql-hll's hll_hash_* functions do (MurmurHash3
 * of their bytes), so that sketches of both can be merged; every other type goes through its own
 * extended hash function, which is what PostgreSQL itself relies on for hash partitioning. Its bits
 * are mixed once more, since some types combine hashes in ways that leave patterns.
 *
 * That of an enum hashes OIDs, which another database, and this one after a restore, has not: enums
 * are hashed by their labels, and so are those in arrays and rows.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "type/hll_type.h"
#include "type/holds.h"

typedef enum HashWay
{
	HASH_BYTES_1, /* by value, that many bytes, little-endian */
	HASH_BYTES_2,
	HASH_BYTES_4,
	HASH_BYTES_8,
	HASH_VARLENA, /* the bytes without header */
	HASH_PADDED,  /* character(n): trailing blanks do not count */
	HASH_NAME,
	HASH_UUID,
	HASH_ENUM,  /* its label */
	HASH_ARRAY, /* of what holds enums */
	HASH_ROW,   /* that holds enums, or may do so */
	HASH_EXTENDED
} HashWay;

/* Labels are few; each is looked up once per query. */
#define ENUM_CACHE 64

struct HllHasher
{
	HashWay way;
	Oid type;
	Oid collation;
	FmgrInfo function; /* HASH_EXTENDED, and of a row without enums */
	MemoryContext context;
	HllHasher *parts; /* of an array's elements, of a row's columns; NULL: of a row without enums */
	TupleDesc row;    /* what parts are for */
	MemoryContext of_row;
	Oid enum_oids[ENUM_CACHE];
	uint64 enum_hashes[ENUM_CACHE];
};

/* Text whose equality is equality of bytes? */
static bool
is_bytewise(Oid collation)
{
	if (!OidIsValid(collation))
		ereport(ERROR,
				(errcode(ERRCODE_INDETERMINATE_COLLATION),
				 errmsg("could not determine which collation to use for counting distinct values"),
				 errhint("Use the COLLATE clause to set the collation explicitly.")));
	return collation == DEFAULT_COLLATION_OID || collation == C_COLLATION_OID ||
		   get_collation_isdeterministic(collation);
}

static HashWay
way_of_enums(Oid type)
{
	if (get_typtype(type) == TYPTYPE_ENUM)
		return HASH_ENUM;
	if (OidIsValid(get_element_type(type)))
		return HASH_ARRAY;
	if (get_typtype(type) == TYPTYPE_COMPOSITE)
		return HASH_ROW;
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("values of type %s cannot be counted", format_type_be(type)),
					errdetail("They are hashed by the numbers of an enum's values, which are "
							  "others in another database, and after a restore."),
					errhint("Count an array or a row of what they are made of, such as "
							"ARRAY[lower(x), upper(x)].")));
}

static HashWay
way_of(Oid type, Oid collation)
{
	switch (type)
	{
		case BOOLOID:
		case CHAROID:
			return HASH_BYTES_1;
		case INT2OID:
			return HASH_BYTES_2;
		case INT4OID:
		case OIDOID:
		case DATEOID:
			return HASH_BYTES_4;
		case INT8OID:
		case CASHOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return HASH_BYTES_8;
		case BYTEAOID:
			return HASH_VARLENA;
		case TEXTOID:
		case VARCHAROID:
			return is_bytewise(collation) ? HASH_VARLENA : HASH_EXTENDED;
		case BPCHAROID:
			return is_bytewise(collation) ? HASH_PADDED : HASH_EXTENDED;
		case NAMEOID:
			return HASH_NAME;
		case UUIDOID:
			return HASH_UUID;
		case RECORDOID:
			return HASH_ROW;
		default:
			return type_holds(type, InvalidOid) ? way_of_enums(type) : HASH_EXTENDED;
	}
}

static Oid
extended_function(Oid type)
{
	Oid function;

	/* An anonymous record looks up what its columns have, which the type cache cannot know. */
	if (type == RECORDOID)
		return F_HASH_RECORD_EXTENDED;
	function = lookup_type_cache(type, TYPECACHE_HASH_EXTENDED_PROC)->hash_extended_proc;
	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("could not identify an extended hash function for type %s",
						format_type_be(type)),
				 errhint("Count the values of a cast to a type that has one, such as text.")));
	return function;
}

/* All types that it will meet have hashes: a row's, only where its columns are known. */
static void
hasher_init(HllHasher *hasher, Oid type, Oid collation, MemoryContext context)
{
	hasher->type = getBaseType(type);
	hasher->collation = collation;
	hasher->context = context;
	hasher->way = way_of(hasher->type, collation);
	if (hasher->way == HASH_EXTENDED || hasher->way == HASH_ROW)
		fmgr_info_cxt(extended_function(hasher->type), &hasher->function, context);
	if (hasher->way == HASH_ARRAY)
	{
		hasher->parts = MemoryContextAllocZero(context, sizeof(HllHasher));
		hasher_init(hasher->parts, get_element_type(hasher->type), collation, context);
	}
}

void
hll_hasher_check(Oid type, Oid collation)
{
	HllHasher hasher;

	hasher_init(&hasher, type, collation, CurrentMemoryContext);
}

HllHasher *
hll_hasher_get(FunctionCallInfo fcinfo, int argno)
{
	HllHasher *hasher = fcinfo->flinfo->fn_extra;

	if (likely(hasher != NULL))
		return hasher;
	{
		Oid type = get_fn_expr_argtype(fcinfo->flinfo, argno);

		if (!OidIsValid(type))
			ereport(ERROR, (errcode(ERRCODE_INDETERMINATE_DATATYPE),
							errmsg("could not determine the type of the values to count")));
		hasher = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(HllHasher));
		hasher_init(hasher, type, PG_GET_COLLATION(), fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra = hasher;
	}
	return hasher;
}

static uint64
hash_enum(HllHasher *hasher, Oid value)
{
	int slot = (int) (value % ENUM_CACHE);

	if (hasher->enum_oids[slot] != value)
	{
		HeapTuple tuple = SearchSysCache1(ENUMOID, ObjectIdGetDatum(value));
		const char *label;

		if (!HeapTupleIsValid(tuple))
			ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
							errmsg("invalid internal value for enum: %u", value)));
		label = NameStr(((Form_pg_enum) GETSTRUCT(tuple))->enumlabel);
		hasher->enum_hashes[slot] = hll_hash_bytes(label, strlen(label));
		hasher->enum_oids[slot] = value;
		ReleaseSysCache(tuple);
	}
	return hasher->enum_hashes[slot];
}

static uint64
hash_varlena(Datum value, bool padded)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);
	const char *data = VARDATA_ANY(bytes);
	size_t length = VARSIZE_ANY_EXHDR(bytes);
	uint64 hash;

	if (padded)
		while (length > 0 && data[length - 1] == ' ')
			length--;
	hash = hll_hash_bytes(data, length);
	if ((Pointer) bytes != DatumGetPointer(value))
		pfree(bytes);
	return hash;
}

static uint64
hash_extended(HllHasher *hasher, Datum value)
{
	return hll_hash_mix(DatumGetUInt64(
		FunctionCall2Coll(&hasher->function, hasher->collation, value, Int64GetDatum(0))));
}

/* Parts are put together as arrays and records do it. */
static uint64
and_part(uint64 hash, HllHasher *hasher, Datum value, bool isnull)
{
	return hash * 31 + (isnull ? 0 : hll_hasher_hash(hasher, value));
}

static uint64
hash_of_array(HllHasher *hasher, Datum value)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	Datum *values;
	bool *isnull;
	int16 length;
	bool by_value;
	char align;
	uint64 hash = 1;
	int n;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, align, &values, &isnull, &n);
	for (int i = 0; i < n; i++)
		hash = and_part(hash, hasher->parts, values[i], isnull[i]);
	pfree(values);
	pfree(isnull);
	if ((Pointer) array != DatumGetPointer(value))
		pfree(array);
	return hll_hash_mix(hash);
}

/*
 * Records of one expression nearly always are of one type. That is known when all of it is: of a
 * column that cannot be hashed an error is thrown, also by the next value.
 */
static void
know_row(HllHasher *hasher, Oid type, int32 typmod)
{
	MemoryContext before;
	TupleDesc row;
	HllHasher *parts = NULL;

	if (hasher->row && hasher->row->tdtypeid == type && hasher->row->tdtypmod == typmod)
		return;
	if (hasher->of_row)
		MemoryContextDelete(hasher->of_row);
	hasher->row = NULL;
	hasher->parts = NULL;
	hasher->of_row =
		AllocSetContextCreate(hasher->context, "telemetry columns to hash", ALLOCSET_SMALL_SIZES);
	before = MemoryContextSwitchTo(hasher->of_row);
	row = lookup_rowtype_tupdesc_copy(type, typmod);
	if (row_holds(row, InvalidOid))
	{
		parts = palloc0(sizeof(HllHasher) * row->natts);
		for (int i = 0; i < row->natts; i++)
		{
			Form_pg_attribute column = TupleDescAttr(row, i);

			if (!column->attisdropped)
				hasher_init(&parts[i], column->atttypid, get_typcollation(column->atttypid),
							hasher->of_row);
		}
	}
	MemoryContextSwitchTo(before);
	hasher->parts = parts;
	hasher->row = row;
}

static uint64
hash_of_row(HllHasher *hasher, Datum value)
{
	HeapTupleHeader row = DatumGetHeapTupleHeader(value);
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(row), .t_data = row};
	Datum *values;
	bool *isnull;
	uint64 hash = 0;

	know_row(hasher, HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));
	if (hasher->parts == NULL)
		return hash_extended(hasher, PointerGetDatum(row));
	values = palloc(sizeof(Datum) * hasher->row->natts);
	isnull = palloc(sizeof(bool) * hasher->row->natts);
	heap_deform_tuple(&tuple, hasher->row, values, isnull);
	/* Dropped columns are none: after a restore they are not there. */
	for (int i = 0; i < hasher->row->natts; i++)
		if (!TupleDescAttr(hasher->row, i)->attisdropped)
			hash = and_part(hash, &hasher->parts[i], values[i], isnull[i]);
	pfree(values);
	pfree(isnull);
	if ((Pointer) row != DatumGetPointer(value))
		pfree(row);
	return hll_hash_mix(hash);
}

uint64
hll_hasher_hash(HllHasher *hasher, Datum value)
{
	switch (hasher->way)
	{
		case HASH_BYTES_1:
			return hll_hash_word((uint8) DatumGetChar(value), 1);
		case HASH_BYTES_2:
			return hll_hash_word((uint16) DatumGetInt16(value), 2);
		case HASH_BYTES_4:
			return hll_hash_word((uint32) DatumGetInt32(value), 4);
		case HASH_BYTES_8:
			return hll_hash_word((uint64) DatumGetInt64(value), 8);
		case HASH_VARLENA:
			return hash_varlena(value, false);
		case HASH_PADDED:
			return hash_varlena(value, true);
		case HASH_NAME:
			return hll_hash_bytes(NameStr(*DatumGetName(value)),
								  strlen(NameStr(*DatumGetName(value))));
		case HASH_UUID:
			return hll_hash_bytes(DatumGetUUIDP(value)->data, UUID_LEN);
		case HASH_ENUM:
			return hash_enum(hasher, DatumGetObjectId(value));
		case HASH_ARRAY:
			return hash_of_array(hasher, value);
		case HASH_ROW:
			return hash_of_row(hasher, value);
		case HASH_EXTENDED:
			break;
	}
	return hash_extended(hasher, value);
}
