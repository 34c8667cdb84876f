/*
 * The pass over a message. See walk.h.
 */
#include "decode/walk.h"

#include "utils/memutils.h"

/* Room for fields that stays between messages. */
#define REST_KEPT 1024

static const char *walk_value(Walk *walk, const char *p, const PathNode *node, int depth);

static void
rest_add(Walk *walk, const JsonToken *key, const JsonToken *value)
{
	if (walk->nrest >= walk->rest_allocated)
	{
		uint32 n = Max(32, walk->rest_allocated * 2);
		Size size = (Size) n * sizeof(RestField);

		walk->rest = walk->rest == NULL ? MemoryContextAllocHuge(walk->context, size)
										: repalloc_huge(walk->rest, size);
		walk->rest_allocated = n;
	}
	walk->rest[walk->nrest].key = *key;
	walk->rest[walk->nrest].value = *value;
	walk->nrest++;
}

/*
 * The member that p's key (behind its opening quote) names, and what follows the key. Producers
 * write fields in one order, so the one after the last is tried before the key is even scanned.
 */
static inline const char *
walk_key(Walk *walk, const char *p, const PathNode *node, int *expected, const PathNode **member,
		 JsonToken *key)
{
	if (*expected < node->nmembers)
	{
		const PathNode *guess = node->members[*expected];

		if (walk->scan.end - p > guess->key_length &&
			memcmp(p, guess->key, guess->key_length + 1) == 0)
		{
			*member = guess;
			(*expected)++;
			return p + guess->key_length + 1;
		}
	}

	p = json_scan_string(&walk->scan, p, key);
	if (p == NULL)
		return NULL;
	*member = path_find_member(node, key->start, key->length, (key->flags & TOKEN_ESCAPED) != 0);
	if (*member != NULL)
		*expected = (*member)->position + 1;
	return p;
}

/* p stands behind the brace. */
static const char *
walk_object(Walk *walk, const char *p, const PathNode *node, int depth)
{
	const char *end = walk->scan.end;
	bool rest = walk->want_rest && node == walk->root;
	int expected = 0;

	p = json_skip_space(p, end);
	if (p < end && *p == '}')
		return p + 1;
	for (;;)
	{
		const PathNode *member;
		JsonToken key;
		JsonToken value;

		if (p >= end)
			return json_fault(&walk->scan, FAULT_END, p);
		if (*p != '"')
			return json_fault(&walk->scan, FAULT_CHARACTER, p);
		p = walk_key(walk, p + 1, node, &expected, &member, &key);
		if (p == NULL)
			return NULL;
		p = json_skip_space(p, end);
		if (p >= end)
			return json_fault(&walk->scan, FAULT_END, p);
		if (*p != ':')
			return json_fault(&walk->scan, FAULT_CHARACTER, p);
		p = json_skip_space(p + 1, end);

		if (member != NULL)
			p = walk_value(walk, p, member, depth);
		else
		{
			p = json_scan_value(&walk->scan, p, depth, &value);
			if (rest && p != NULL)
				rest_add(walk, &key, &value);
		}
		if (p == NULL)
			return NULL;

		p = json_skip_space(p, end);
		if (p >= end)
			return json_fault(&walk->scan, FAULT_END, p);
		if (*p == '}')
			return p + 1;
		if (*p != ',')
			return json_fault(&walk->scan, FAULT_CHARACTER, p);
		p = json_skip_space(p + 1, end);
	}
}

/* p stands behind the bracket. */
static const char *
walk_array(Walk *walk, const char *p, const PathNode *node, int depth)
{
	const char *end = walk->scan.end;
	int next = 0; /* of the elements that paths name */

	p = json_skip_space(p, end);
	if (p < end && *p == ']')
		return p + 1;
	for (int index = 0;; index++)
	{
		if (next < node->nelements && node->elements[next]->index == index)
			p = walk_value(walk, p, node->elements[next++], depth);
		else
		{
			JsonToken value;

			p = json_scan_value(&walk->scan, p, depth, &value);
		}
		if (p == NULL)
			return NULL;

		p = json_skip_space(p, end);
		if (p >= end)
			return json_fault(&walk->scan, FAULT_END, p);
		if (*p == ']')
			return p + 1;
		if (*p != ',')
			return json_fault(&walk->scan, FAULT_CHARACTER, p);
		p = json_skip_space(p + 1, end);
	}
}

/* p stands at a value that node is about; depth: containers around it. */
static const char *
walk_value(Walk *walk, const char *p, const PathNode *node, int depth)
{
	JsonToken *slot = &walk->slots[node->id];
	bool inside = p < walk->scan.end &&
				  ((*p == '{' && node->nmembers > 0) || (*p == '[' && node->nelements > 0));

	/* A key given twice: nothing of its first value remains. */
	if (unlikely(slot->kind != KIND_NONE))
		memset(slot, 0, sizeof(JsonToken) * (node->last - node->id));

	if (inside)
	{
		const char *start = p;
		bool object = *p == '{';

		if (depth >= JSON_MAX_DEPTH)
			return json_fault(&walk->scan, FAULT_DEPTH, p);
		p = object ? walk_object(walk, p + 1, node, depth + 1)
				   : walk_array(walk, p + 1, node, depth + 1);
		if (p == NULL)
			return NULL;
		slot->start = start;
		slot->length = (uint32) (p - start);
		slot->kind = object ? KIND_OBJECT : KIND_ARRAY;
		slot->flags = 0;
		return p;
	}
	return json_scan_value(&walk->scan, p, depth, slot);
}

bool
walk_document(Walk *walk, const char *bytes, size_t length)
{
	const char *p = bytes;
	const char *end = bytes + length;
	const char *start;

	memset(walk->slots, 0, sizeof(JsonToken) * walk->nslots);
	walk->nrest = 0;
	if (unlikely(walk->rest_allocated > REST_KEPT))
	{
		pfree(walk->rest);
		walk->rest = NULL;
		walk->rest_allocated = 0;
	}
	walk->not_object = false;
	walk->trailing = false;
	walk->scan.begin = bytes;
	walk->scan.end = end;
	walk->scan.fault = FAULT_NONE;

	/* RFC 8259 lets parsers ignore a byte order mark; some producers write one. */
	if (length >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0)
		p += 3;
	p = json_skip_space(p, end);
	start = p;
	if (p < end && *p == '{')
	{
		p = walk_object(walk, p + 1, walk->root, 1);
		walk->document.kind = KIND_OBJECT;
	}
	else
	{
		/* Something that is not JSON at all is said to be that, and where. */
		p = json_scan_value(&walk->scan, p, 0, &walk->document);
		walk->not_object = p != NULL;
	}
	if (p == NULL)
		return false;
	walk->document.start = start;
	walk->document.length = (uint32) (p - start);
	walk->document.flags = TOKEN_WIDE;

	p = json_skip_space(p, end);
	if (p < end)
	{
		walk->trailing = true;
		json_fault(&walk->scan, FAULT_CHARACTER, p);
		return false;
	}
	return !walk->not_object;
}
