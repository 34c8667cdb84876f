/*
 * Paths. See path.h.
 */
#include "decode/path.h"

#include "decode/json_scan.h"
#include "decode/text.h"

static PathStep *
path_append(FieldPath *path)
{
	if (path->steps == NULL)
		path->steps = palloc(sizeof(PathStep));
	else
		path->steps = repalloc(path->steps, sizeof(PathStep) * (path->nsteps + 1));
	return &path->steps[path->nsteps++];
}

/* p stands behind the opening quote. */
static const char *
parse_quoted(const char *p, PathStep *step, const char **problem)
{
	char *key = palloc(strlen(p) + 1);
	int length = 0;

	while (*p != '"')
	{
		if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
			p++;
		else if (*p == '\\')
		{
			*problem = "a backslash in a quoted key stands before a quote or a backslash only";
			return NULL;
		}
		if (*p == '\0')
		{
			*problem = "a quoted key has no closing quote";
			return NULL;
		}
		key[length++] = *p++;
	}
	key[length] = '\0';
	step->key = key;
	step->length = length;
	return p + 1;
}

static const char *
parse_plain(const char *p, PathStep *step, const char **problem)
{
	const char *start = p;

	while (*p != '\0' && *p != '.' && *p != '[')
	{
		if (*p == '"' || *p == ']')
		{
			*problem = "a key with a quote or a bracket has to be quoted";
			return NULL;
		}
		p++;
	}
	if (p == start)
	{
		*problem = "a key is missing";
		return NULL;
	}
	if (p == start + 1 && *start == '$' && *p != '\0')
	{
		/* JSONPath's word for the document; as a key it would find nothing, silently. */
		*problem = "paths begin at the message without \"$.\"; a key of that name has to be quoted";
		return NULL;
	}
	step->key = pnstrdup(start, p - start);
	step->length = p - start;
	return p;
}

/* p stands behind the opening bracket. */
static const char *
parse_index(const char *p, PathStep *step, const char **problem)
{
	const char *start = p;
	int64 index = 0;

	while (*p >= '0' && *p <= '9' && index <= PG_INT32_MAX)
		index = index * 10 + (*p++ - '0');
	if (p == start || *p != ']' || index >= PG_INT32_MAX)
	{
		*problem = "an array index is a number from 0 in brackets";
		return NULL;
	}
	step->key = NULL;
	step->length = 0;
	step->index = (int) index;
	return p + 1;
}

FieldPath *
path_parse(const char *text, const char **problem)
{
	FieldPath *path = palloc0(sizeof(FieldPath));
	const char *p = text;

	for (;;)
	{
		PathStep *step = path_append(path);

		p = *p == '"' ? parse_quoted(p + 1, step, problem) : parse_plain(p, step, problem);
		while (p != NULL && *p == '[')
			p = parse_index(p + 1, path_append(path), problem);
		if (p == NULL)
			return NULL;
		if (path->nsteps >= JSON_MAX_DEPTH)
		{
			*problem = "it is deeper than documents may be";
			return NULL;
		}
		if (*p == '\0')
			return path;
		if (*p != '.')
		{
			*problem = "parts are separated by a dot";
			return NULL;
		}
		p++;
	}
}

FieldPath *
path_of_key(const char *key)
{
	FieldPath *path = palloc0(sizeof(FieldPath));
	PathStep *step = path_append(path);

	step->key = pstrdup(key);
	step->length = strlen(key);
	return path;
}

PathNode *
path_tree_create(void)
{
	return palloc0(sizeof(PathNode));
}

static PathNode **
append_node(PathNode **nodes, int n, PathNode *node)
{
	nodes =
		nodes == NULL ? palloc(sizeof(PathNode *)) : repalloc(nodes, sizeof(PathNode *) * (n + 1));
	nodes[n] = node;
	return nodes;
}

static PathNode *
add_member(PathNode *parent, const PathStep *step)
{
	PathNode *node;
	char *key;

	for (int i = 0; i < parent->nmembers; i++)
	{
		node = parent->members[i];
		if (node->key_length == step->length && memcmp(node->key, step->key, step->length) == 0)
			return node;
	}

	key = palloc(step->length + 1);
	memcpy(key, step->key, step->length);
	key[step->length] = '"';
	node = palloc0(sizeof(PathNode));
	node->key = key;
	node->key_length = step->length;
	node->position = parent->nmembers;
	parent->members = append_node(parent->members, parent->nmembers, node);
	parent->nmembers++;
	return node;
}

static PathNode *
add_element(PathNode *parent, int index)
{
	int at = 0;
	PathNode *node;

	while (at < parent->nelements && parent->elements[at]->index < index)
		at++;
	if (at < parent->nelements && parent->elements[at]->index == index)
		return parent->elements[at];

	node = palloc0(sizeof(PathNode));
	node->index = index;
	parent->elements = append_node(parent->elements, parent->nelements, node);
	memmove(parent->elements + at + 1, parent->elements + at,
			sizeof(PathNode *) * (parent->nelements - at));
	parent->elements[at] = node;
	parent->nelements++;
	return node;
}

PathNode *
path_tree_add(PathNode *root, const FieldPath *path)
{
	PathNode *node = root;

	for (int i = 0; i < path->nsteps; i++)
	{
		const PathStep *step = &path->steps[i];

		node = step->key != NULL ? add_member(node, step) : add_element(node, step->index);
	}
	node->leaf = true;
	return node;
}

/* Length and both ends: field names of one schema seldom share all three. */
static inline uint32
key_hash(const char *key, uint32 length)
{
	uint32 hash = length;

	if (length > 0)
		hash += (unsigned char) key[0] * 31 + (unsigned char) key[length - 1] * 127 +
				(unsigned char) key[length / 2] * 7;
	return hash;
}

static int
number_nodes(PathNode *node, int next)
{
	uint32 nbuckets = 8;

	node->id = next++;
	while (nbuckets < (uint32) node->nmembers * 4)
		nbuckets *= 2;
	node->bucket_mask = nbuckets - 1;
	node->buckets = palloc0(sizeof(PathNode *) * nbuckets);
	for (int i = 0; i < node->nmembers; i++)
	{
		PathNode *member = node->members[i];
		PathNode **bucket =
			&node->buckets[key_hash(member->key, member->key_length) & node->bucket_mask];

		member->same_bucket = *bucket;
		*bucket = member;
		next = number_nodes(member, next);
	}
	for (int i = 0; i < node->nelements; i++)
		next = number_nodes(node->elements[i], next);
	node->last = next;
	return next;
}

int
path_tree_finish(PathNode *root)
{
	return number_nodes(root, 0);
}

PathNode *
path_find_member(const PathNode *node, const char *key, uint32 length, bool escaped)
{
	if (unlikely(escaped))
	{
		for (int i = 0; i < node->nmembers; i++)
		{
			if (text_equals_escaped(node->members[i]->key, node->members[i]->key_length, key,
									length))
				return node->members[i];
		}
		return NULL;
	}

	for (PathNode *member = node->buckets[key_hash(key, length) & node->bucket_mask];
		 member != NULL; member = member->same_bucket)
	{
		if (member->key_length == (int) length && memcmp(member->key, key, length) == 0)
			return member;
	}
	return NULL;
}
