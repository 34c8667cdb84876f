/*
 * A JSON object to a value of a composite type: what is written as an object can be read as one.
 *
 * Members go to the attributes of their names; of equal names the last counts. Others are left out,
 * as fields of a message without a column are, and attributes without a member are NULL.
 */
#include "decode/convert.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/errcodes.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "decode/path.h"

/* What is known of the type. It can be altered while a table has columns of it. */
struct Composite
{
	uint64 version;        /* of the type's definition: tupDesc_identifier */
	MemoryContext context; /* of what follows */
	TupleDesc attributes;
	PathNode *names;
	int *numbers; /* of the attributes, by position among names */
	Converter **converters;
	int n;
};

static void
make_converters(Converter *converter, Composite *composite)
{
	composite->names = path_tree_create();
	composite->numbers = palloc(sizeof(int) * composite->attributes->natts);
	composite->converters = palloc(sizeof(Converter *) * composite->attributes->natts);
	for (int i = 0; i < composite->attributes->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(composite->attributes, i);
		const char *name = NameStr(attribute->attname);

		if (attribute->attisdropped)
			continue;
		(void) path_tree_add(composite->names,
							 path_of_key(pg_server_to_any(name, strlen(name), PG_UTF8)));
		composite->numbers[composite->n] = i;
		composite->converters[composite->n] =
			converter_create(attribute->atttypid, attribute->atttypmod, converter->timestamp_format,
							 converter->document);
		/* Once it is there: what makes it may throw. */
		composite->n++;
	}
	(void) path_tree_finish(composite->names);
}

static Composite *
composite_of(Converter *converter)
{
	TypeCacheEntry *type = lookup_type_cache(converter->type, TYPECACHE_TUPDESC);
	Composite *composite = converter->composite;
	MemoryContext old;
	uint64 version;

	if (composite != NULL && composite->version == type->tupDesc_identifier)
		return composite;
	if (composite == NULL)
	{
		composite = MemoryContextAllocZero(converter->context, sizeof(Composite));
		converter->composite = composite;
	}
	else
		MemoryContextDelete(composite->context);
	/* Valid again at the end only: an error may be thrown on the way. */
	composite->version = 0;
	composite->n = 0;
	composite->context =
		AllocSetContextCreate(converter->context, "composite type", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(composite->context);
	version = type->tupDesc_identifier;
	composite->attributes = CreateTupleDescCopy(type->tupDesc);
	make_converters(converter, composite);
	composite->version = version;
	MemoryContextSwitchTo(old);
	return composite;
}

bool
composite_input_threw(Composite *composite)
{
	bool threw = false;

	for (int i = 0; i < composite->n; i++)
		threw |= converter_input_threw(composite->converters[i]);
	return threw;
}

/* The object was scanned before, with its message; so only its members are looked for. */
static bool
find_members(const Composite *composite, const JsonToken *object, JsonToken *members,
			 DecodeError *error)
{
	JsonScan scan = {.begin = object->start, .end = object->start + object->length};
	const char *p = json_skip_space(object->start + 1, scan.end);

	while (p != NULL && p < scan.end && *p == '"')
	{
		const PathNode *member;
		JsonToken key;
		JsonToken value;

		p = json_scan_string(&scan, p + 1, &key);
		if (p == NULL)
			break;
		p = json_skip_space(json_skip_space(p, scan.end) + 1, scan.end);
		p = json_scan_value(&scan, p, 0, &value);
		if (p == NULL)
			break;
		member = path_find_member(composite->names, key.start, key.length,
								  (key.flags & TOKEN_ESCAPED) != 0);
		if (member != NULL)
			members[member->position] = value;
		p = json_skip_space(p, scan.end);
		if (p < scan.end && *p == ',')
			p = json_skip_space(p + 1, scan.end);
	}
	return p != NULL || decode_fail_json(error, &scan);
}

bool
convert_composite(Converter *converter, const JsonToken *token, Datum *value, DecodeError *error)
{
	Composite *composite;
	JsonToken *members;
	Datum *values;
	bool *nulls;

	if (token->kind != KIND_OBJECT) /* PostgreSQL's own syntax, as '(1,2)' */
		return convert_by_input(converter, token, value, error);

	composite = composite_of(converter);
	members = palloc0(sizeof(JsonToken) * Max(composite->n, 1));
	values = palloc0(sizeof(Datum) * Max(composite->attributes->natts, 1));
	nulls = palloc(sizeof(bool) * Max(composite->attributes->natts, 1));
	memset(nulls, true, sizeof(bool) * composite->attributes->natts);
	if (!find_members(composite, token, members, error))
		return false;
	for (int i = 0; i < composite->n; i++)
	{
		int number = composite->numbers[i];

		if (!convert_token(composite->converters[i], &members[i], &values[number], &nulls[number],
						   error))
			return false;
	}
	*value = HeapTupleGetDatum(heap_form_tuple(composite->attributes, values, nulls));
	return true;
}
