/*
 * Paths into a JSON document, and the tree that all paths of a source make together.
 *
 *   name            one top-level key
 *   a.b.c           keys inside objects
 *   items[0].price  an element of an array, counted from 0
 *   "a.b".c         a key with any characters; \" and \\ inside the quotes
 */
#ifndef TELEMETRY_DECODE_PATH_H
#define TELEMETRY_DECODE_PATH_H

#include "postgres.h"

typedef struct PathStep
{
	const char *key; /* NULL: an index */
	int length;
	int index;
} PathStep;

typedef struct FieldPath
{
	int nsteps;
	PathStep *steps;
} FieldPath;

/* NULL: not a path; *problem says why. Allocates in the current context. */
extern FieldPath *path_parse(const char *text, const char **problem);

/* One key, taken verbatim. */
extern FieldPath *path_of_key(const char *key);

/*
 * A place in the document that some path goes through or ends at. Nodes are numbered depth first,
 * so that a subtree is the range [id, last).
 */
typedef struct PathNode PathNode;
struct PathNode
{
	int id;
	int last;
	bool leaf; /* a column takes the value itself */

	/* How the parent finds it: by key, or by index */
	const char *key; /* with its closing quote behind it */
	int key_length;
	int index;
	PathNode *same_bucket;

	/* Members, in the order in which columns name them; elements, by index */
	int nmembers;
	PathNode **members;
	int nelements;
	PathNode **elements;
	int position; /* in the parent's members */

	/* Members by a hash of their keys: unknown keys are turned away quickly */
	uint32 bucket_mask;
	PathNode **buckets;
};

extern PathNode *path_tree_create(void);

/* The node that the path ends at; made if needed. */
extern PathNode *path_tree_add(PathNode *root, const FieldPath *path);

/* Numbers the nodes and makes the hash tables; returns how many nodes there are. */
extern int path_tree_finish(PathNode *root);

/* The member with this key as it stands in the document (escaped: with backslashes), or NULL. */
extern PathNode *path_find_member(const PathNode *node, const char *key, uint32 length,
								  bool escaped);

#endif
