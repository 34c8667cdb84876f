/*
 * jsonb, in its on-disk form (utils/jsonb.h describes it), from a flat list of nodes.
 *
 * pushJsonbValue() and JsonbValueToJsonb() would do the same by a tree of JsonbValues, one
 * allocation each; here a list is filled while scanning, and written in a second pass into one
 * allocation whose size is known before.
 */
#include "decode/document.h"

#include "utils/errcodes.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "decode/number.h"
#include "decode/text.h"

/* Scratch that is kept between values. */
#define NODES_KEPT 1024
#define NODES_MAX  (MaxAllocSize / Max(sizeof(DocumentNode), sizeof(DocumentPair)))

void
document_init(Document *document, MemoryContext context)
{
	memset(document, 0, sizeof(*document));
	document->context = context;
}

void
document_reset(Document *document)
{
	if (unlikely(document->nodes_allocated > NODES_KEPT))
	{
		pfree(document->nodes);
		document->nodes = NULL;
		document->nodes_allocated = 0;
	}
	if (unlikely(document->pairs_allocated > NODES_KEPT))
	{
		pfree(document->pairs);
		document->pairs = NULL;
		document->pairs_allocated = 0;
	}
	document->nnodes = 0;
	document->npairs = 0;
	document->bound = VARHDRSZ + sizeof(uint32) + 2 * sizeof(JEntry);
}

static bool
too_large(DecodeError *error)
{
	return decode_fail(error, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "JSON value is too large for jsonb");
}

static void *
grow(Document *document, void *array, uint32 *allocated, size_t size)
{
	uint32 n = Max(64, Min(*allocated * 2, NODES_MAX));

	array =
		array == NULL ? MemoryContextAlloc(document->context, n * size) : repalloc(array, n * size);
	*allocated = n;
	return array;
}

/* size: bytes of its data in the result, at most. */
static inline DocumentNode *
add_node(Document *document, JsonKind kind, size_t size, DecodeError *error)
{
	DocumentNode *node;

	if (document->nnodes >= document->nodes_allocated)
	{
		if (document->nnodes >= NODES_MAX)
		{
			too_large(error);
			return NULL;
		}
		document->nodes =
			grow(document, document->nodes, &document->nodes_allocated, sizeof(DocumentNode));
	}
	document->bound += sizeof(JEntry) + size;
	node = &document->nodes[document->nnodes++];
	node->kind = kind;
	node->next = document->nnodes;
	return node;
}

bool
document_open(Document *document, JsonKind kind, uint32 *node, DecodeError *error)
{
	/* padding and header */
	DocumentNode *container = add_node(document, kind, 3 + sizeof(uint32), error);

	if (container == NULL)
		return false;
	*node = document->nnodes - 1;
	return true;
}

void
document_close(Document *document, uint32 node, uint32 count)
{
	document->nodes[node].count = count;
	document->nodes[node].next = document->nnodes;
}

bool
document_add_text(Document *document, const char *bytes, size_t length, DecodeError *error)
{
	DocumentNode *node;

	if (length > JENTRY_OFFLENMASK)
		return decode_fail(error, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
						   "string of %zu bytes is too long for jsonb", length);
	node = add_node(document, KIND_STRING, length, error);
	if (node == NULL)
		return false;
	node->start = bytes;
	node->length = (uint32) length;
	return true;
}

bool
document_add_null(Document *document, DecodeError *error)
{
	return add_node(document, KIND_NULL, 0, error) != NULL;
}

static bool
add_string(Document *document, const JsonToken *token, DecodeError *error)
{
	const char *bytes;
	size_t length;

	return text_of_token(token, &bytes, &length, error) &&
		   document_add_text(document, bytes, length, error);
}

static bool
add_number(Document *document, const JsonToken *token, DecodeError *error)
{
	/* padding and numeric */
	DocumentNode *node =
		add_node(document, KIND_NUMBER, 3 + NUMERIC_SIZE_BOUND(token->length), error);

	if (node == NULL)
		return false;
	node->start = token->start;
	node->length = token->length;
	return true;
}

/*
 * The walks below go over bytes that json_scan_value() has found to be right, so that only their
 * structure is looked at. They stay within the token's bounds all the same.
 */
static const char *add_walk(Document *document, JsonScan *scan, const char *p, DecodeError *error);

/* Where the next one begins, or what ends them all. */
static inline const char *
behind_member(const JsonScan *scan, const char *p)
{
	p = json_skip_space(p, scan->end);
	return p < scan->end && *p == ',' ? json_skip_space(p + 1, scan->end) : p;
}

static const char *
add_array(Document *document, JsonScan *scan, const char *p, DecodeError *error)
{
	uint32 node;
	uint32 count = 0;

	if (!document_open(document, KIND_ARRAY, &node, error))
		return NULL;
	p = json_skip_space(p + 1, scan->end);
	while (p < scan->end && *p != ']')
	{
		p = add_walk(document, scan, p, error);
		if (p == NULL)
			return NULL;
		count++;
		p = behind_member(scan, p);
	}
	document_close(document, node, count);
	return p + 1;
}

static const char *
add_object(Document *document, JsonScan *scan, const char *p, DecodeError *error)
{
	uint32 node;
	uint32 count = 0;

	if (!document_open(document, KIND_OBJECT, &node, error))
		return NULL;
	p = json_skip_space(p + 1, scan->end);
	while (p < scan->end && *p == '"')
	{
		JsonToken key;

		p = json_scan_string(scan, p + 1, &key);
		if (p == NULL || !add_string(document, &key, error))
			return NULL;
		p = json_skip_space(p, scan->end);
		p = json_skip_space(p + 1, scan->end);
		p = add_walk(document, scan, p, error);
		if (p == NULL)
			return NULL;
		count++;
		p = behind_member(scan, p);
	}
	document_close(document, node, count);
	return p + 1;
}

static bool
add_scalar(Document *document, const JsonToken *token, DecodeError *error)
{
	switch (token->kind)
	{
		case KIND_STRING:
			return add_string(document, token, error);
		case KIND_NUMBER:
			return add_number(document, token, error);
		default:
			return add_node(document, token->kind, 0, error) != NULL;
	}
}

static const char *
add_walk(Document *document, JsonScan *scan, const char *p, DecodeError *error)
{
	JsonToken token;

	if (p < scan->end && *p == '{')
		return add_object(document, scan, p, error);
	if (p < scan->end && *p == '[')
		return add_array(document, scan, p, error);
	p = json_scan_value(scan, p, 0, &token);
	if (p == NULL)
	{
		decode_fail_json(error, scan);
		return NULL;
	}
	return add_scalar(document, &token, error) ? p : NULL;
}

bool
document_add_value(Document *document, const JsonToken *token, DecodeError *error)
{
	JsonScan scan = {0};

	if (token->kind != KIND_OBJECT && token->kind != KIND_ARRAY)
		return add_scalar(document, token, error);
	scan.begin = token->start;
	scan.end = token->start + token->length;
	return add_walk(document, &scan, token->start, error) != NULL;
}

bool
document_add_member(Document *document, const JsonToken *key, const JsonToken *value,
					DecodeError *error)
{
	return add_string(document, key, error) && document_add_value(document, value, error);
}

/* Where the result is written, and why it could not be. */
typedef struct Writer
{
	Document *document;
	char *start; /* of the root container: padding is counted from here */
	char *p;
	DecodeError *error;
} Writer;

static inline void
write_padding(Writer *writer)
{
	while ((writer->p - writer->start) % sizeof(uint32) != 0)
		*writer->p++ = '\0';
}

/* One order for keys, as jsonb has it: the shorter first. Of equal keys the last goes first. */
static int
compare_pairs(const void *left, const void *right)
{
	const DocumentPair *a = left;
	const DocumentPair *b = right;
	int order;

	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	order = memcmp(a->key, b->key, a->length);
	if (order != 0)
		return order;
	return a->order > b->order ? -1 : 1;
}

static void
sort_pairs(DocumentPair *pairs, uint32 n)
{
	if (n > 16)
	{
		qsort(pairs, n, sizeof(DocumentPair), compare_pairs);
		return;
	}
	for (uint32 i = 1; i < n; i++)
	{
		DocumentPair pair = pairs[i];
		uint32 at = i;

		while (at > 0 && compare_pairs(&pairs[at - 1], &pair) > 0)
		{
			pairs[at] = pairs[at - 1];
			at--;
		}
		pairs[at] = pair;
	}
}

/* Pushes the object's pairs, sorted and without duplicates; returns how many. */
static bool
collect_pairs(Document *document, uint32 node, uint32 *npairs, DecodeError *error)
{
	uint32 count = document->nodes[node].count;
	uint32 key = node + 1;
	uint32 kept = 0;
	DocumentPair *pairs;

	*npairs = 0;
	if (count == 0)
		return true;
	while (document->pairs_allocated - document->npairs < count)
	{
		if (document->pairs_allocated >= NODES_MAX)
			return too_large(error);
		document->pairs =
			grow(document, document->pairs, &document->pairs_allocated, sizeof(DocumentPair));
	}
	pairs = document->pairs + document->npairs;
	for (uint32 i = 0; i < count; i++)
	{
		pairs[i].key = document->nodes[key].start;
		pairs[i].length = document->nodes[key].length;
		pairs[i].order = i;
		pairs[i].value = key + 1;
		key = document->nodes[key + 1].next;
	}
	sort_pairs(pairs, count);
	for (uint32 i = 0; i < count; i++)
	{
		if (kept > 0 && pairs[kept - 1].length == pairs[i].length &&
			memcmp(pairs[kept - 1].key, pairs[i].key, pairs[i].length) == 0)
			continue;
		pairs[kept++] = pairs[i];
	}
	document->npairs += kept;
	*npairs = kept;
	return true;
}

/*
 * The entry of child i: its length, or at every 32nd its end, so that access need not add up all.
 */
static inline bool
write_entry(Writer *writer, char *entries, uint32 i, JEntry entry, size_t *total)
{
	*total += entry & JENTRY_OFFLENMASK;
	if (unlikely(*total > JENTRY_OFFLENMASK))
		return too_large(writer->error);
	if (i % JB_OFFSET_STRIDE == 0)
		entry = (entry & JENTRY_TYPEMASK) | (JEntry) *total | JENTRY_HAS_OFF;
	memcpy(entries + i * sizeof(JEntry), &entry, sizeof(JEntry));
	return true;
}

static bool write_container(Writer *writer, uint32 node);

static bool
write_number(Writer *writer, const DocumentNode *node)
{
	Decimal decimal;

	if (!decimal_parse(node->start, node->length, &decimal) ||
		decimal_to_numeric(&decimal, -1, writer->p) != NUMBER_OK)
		return decode_fail(writer->error, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
						   "value overflows numeric format: %s",
						   decode_excerpt(node->start, node->length));
	writer->p += VARSIZE(writer->p);
	return true;
}

/* Writes a value's data; *entry gets its type and length, padding included. */
static bool
write_value(Writer *writer, uint32 index, JEntry *entry)
{
	const DocumentNode *node = &writer->document->nodes[index];
	char *before = writer->p;
	size_t length;

	switch (node->kind)
	{
		case KIND_NULL:
			*entry = JENTRY_ISNULL;
			return true;
		case KIND_FALSE:
			*entry = JENTRY_ISBOOL_FALSE;
			return true;
		case KIND_TRUE:
			*entry = JENTRY_ISBOOL_TRUE;
			return true;
		case KIND_STRING:
			memcpy(writer->p, node->start, node->length);
			writer->p += node->length;
			*entry = JENTRY_ISSTRING;
			break;
		case KIND_NUMBER:
			write_padding(writer);
			if (!write_number(writer, node))
				return false;
			*entry = JENTRY_ISNUMERIC;
			break;
		default:
			write_padding(writer);
			if (!write_container(writer, index))
				return false;
			*entry = JENTRY_ISCONTAINER;
			break;
	}
	length = writer->p - before;
	if (length > JENTRY_OFFLENMASK)
		return too_large(writer->error);
	*entry |= (JEntry) length;
	return true;
}

static bool
write_array(Writer *writer, uint32 node)
{
	uint32 count = writer->document->nodes[node].count;
	uint32 header = count | JB_FARRAY;
	uint32 child = node + 1;
	size_t total = 0;
	char *entries;

	memcpy(writer->p, &header, sizeof(header));
	entries = writer->p + sizeof(header);
	writer->p = entries + count * sizeof(JEntry);
	for (uint32 i = 0; i < count; i++)
	{
		JEntry entry;

		if (!write_value(writer, child, &entry) || !write_entry(writer, entries, i, entry, &total))
			return false;
		child = writer->document->nodes[child].next;
	}
	return true;
}

static bool
write_object(Writer *writer, uint32 node)
{
	Document *document = writer->document;
	uint32 base = document->npairs;
	uint32 count;
	uint32 header;
	size_t total = 0;
	char *entries;

	if (!collect_pairs(document, node, &count, writer->error))
		return false;
	header = count | JB_FOBJECT;
	memcpy(writer->p, &header, sizeof(header));
	entries = writer->p + sizeof(header);
	writer->p = entries + 2 * count * sizeof(JEntry);

	for (uint32 i = 0; i < count; i++)
	{
		const DocumentPair *pair = &document->pairs[base + i];

		memcpy(writer->p, pair->key, pair->length);
		writer->p += pair->length;
		if (!write_entry(writer, entries, i, JENTRY_ISSTRING | pair->length, &total))
			return false;
	}
	for (uint32 i = 0; i < count; i++)
	{
		JEntry entry;

		/* The stack may move while a value is written. */
		if (!write_value(writer, document->pairs[base + i].value, &entry) ||
			!write_entry(writer, entries, count + i, entry, &total))
			return false;
	}
	document->npairs = base;
	return true;
}

static bool
write_container(Writer *writer, uint32 node)
{
	if (writer->document->nodes[node].count > JB_CMASK)
		return too_large(writer->error);
	return writer->document->nodes[node].kind == KIND_OBJECT ? write_object(writer, node)
															 : write_array(writer, node);
}

bool
document_to_jsonb(Document *document, Datum *result, DecodeError *error)
{
	Writer writer;
	char *jsonb;

	if (!AllocSizeIsValid(document->bound))
		return too_large(error);
	jsonb = palloc(document->bound);
	writer.document = document;
	writer.start = jsonb + VARHDRSZ;
	writer.p = writer.start;
	writer.error = error;

	if (document->nodes[0].kind == KIND_OBJECT || document->nodes[0].kind == KIND_ARRAY)
	{
		if (!write_container(&writer, 0))
			return false;
	}
	else
	{
		/* A scalar is an array of one, marked so. */
		uint32 header = 1 | JB_FARRAY | JB_FSCALAR;
		char *entries = writer.p + sizeof(header);
		JEntry entry;
		size_t total = 0;

		memcpy(writer.p, &header, sizeof(header));
		writer.p = entries + sizeof(JEntry);
		if (!write_value(&writer, 0, &entry) || !write_entry(&writer, entries, 0, entry, &total))
			return false;
	}
	Assert((size_t) (writer.p - jsonb) <= document->bound);
	SET_VARSIZE(jsonb, writer.p - jsonb);
	*result = PointerGetDatum(jsonb);
	return true;
}

bool
document_jsonb_of_token(Document *document, const JsonToken *token, Datum *result,
						DecodeError *error)
{
	document_reset(document);
	return document_add_value(document, token, error) && document_to_jsonb(document, result, error);
}

bool
document_json_of_token(const JsonToken *token, Datum *result, DecodeError *error)
{
	const char *bytes;
	size_t length;

	if (!text_of_raw(token, &bytes, &length, error))
		return false;
	*result = text_datum(bytes, length);
	return true;
}
