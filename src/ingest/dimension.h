/*
 * Dimension lookups: a column of the target that the source does not deliver gets the key of the
 * dimension's member that the source's natural key names; the member is made when it is new.
 * docs/dimensions.md says which columns those are. Private to the folder.
 *
 * What keeps the facts' foreign keys true, once a key was looked up or taken from the cache:
 * - a batch holds, from before it looks until its end, ROW EXCLUSIVE on the dimension and a
 *   heavyweight lock of ours in share mode;
 * - whoever deletes members, truncates the dimension or changes its keys takes that lock
 *   exclusively first, in a trigger of ours (the guard), and sends an invalidation of the
 *   dimension;
 * - the batch accepts invalidations after it has the lock, and an Ingest whose dimension was
 *   invalidated is opened anew, with an empty cache.
 * So no member that the cache has can go while the batch runs, and PostgreSQL's own check of that
 * foreign key, a query a row, is left out on the fast path.
 *
 * A batch that makes versions of members takes that lock exclusively itself
 * (dimension_version_write.c).
 *
 * Lock order: for each dimension by OID its table, then its guard lock; then source and target.
 */
#ifndef TELEMETRY_INGEST_DIMENSION_H
#define TELEMETRY_INGEST_DIMENSION_H

#include "postgres.h"

#include "fmgr.h"
#include "ingest/ingest.h"
#include "lib/stringinfo.h"
#include "utils/rel.h"

typedef enum MemberState
{
	MEMBER_SOUGHT, /* not in the table yet, as far as the round at hand knows */
	MEMBER_KNOWN,  /* committed, or of the transaction that the whole Ingest lives in */
	MEMBER_REFUSED /* the dimension refuses it: *error says why */
} MemberState;

typedef struct Member
{
	Datum *natural; /* the natural key, in the cache's memory */
	Datum key;      /* as the target's column takes it */
	bool isnull;
	MemberState state;
	uint64 round; /* when it was last sought */
	int newest;   /* its newest event's row in the batch, while it is sought */
	TimestampTz newest_at;
	uint64 followed; /* the round in which slot was given */
	int slot;
	DecodeError error;
} Member;

/* A column of the natural key, or one that is filled when a member is made. */
typedef struct DimensionColumn
{
	char *name;
	AttrNumber source;
	AttrNumber number; /* in the dimension */
	Oid type;          /* of the array that carries its values */
	Oid array;
	int16 length;
	bool byval;
	char align;
	Oid collation;
	FmgrInfo hash;
	FmgrInfo equal;
} DimensionColumn;

/* An attribute that follows the newest event, and the column that says of when that was. */
typedef struct FollowedColumn
{
	DimensionColumn value;
	FmgrInfo output; /* ties are broken by the values' text */
	char *at_name;
} FollowedColumn;

/* An attribute of which versions are kept. */
typedef struct TrackedColumn
{
	DimensionColumn value;
	char *operator; /* of equality; NULL: none */
	char *collate;  /* to compare by; "": the default */
} TrackedColumn;

typedef struct Versions
{
	bool kept; /* by this pipeline; else they are looked up alone */
	int ntracked;
	TrackedColumn *tracked;
	char *lookup_sql;
	char *write_sql;
	char *repoint_sql;
} Versions;

struct member_hash;

typedef struct Dimension
{
	Oid relation;
	Oid constraint; /* the foreign key, of the target's root */
	AttrNumber key; /* the column that it refers to */
	char *name;     /* quoted, with schema */
	char *target_column;
	char *key_name;
	char *key_operator; /* of the foreign key: the dimension's column to the target's */
	Oid key_type;       /* of the target's column */
	int16 key_length;
	bool key_byval;
	bool has_unknown; /* key -1 can be: its type is a number */
	bool may_insert;
	int nkeys;
	int ncolumns; /* the natural key, then what is filled */
	DimensionColumn *columns;
	char *select_sql;
	char *insert_sql;
	char *unknown_sql;
	int nfollowed;
	FollowedColumn *followed;
	char *natural_sql;  /* d is the dimension, u.cN the natural key */
	Versions *versions; /* NULL: a member is one row; else it is the one valid from the beginning */
	char *lock_sql;
	char *follow_sql;
	uint64 follow_round;
	MemoryContext cache_context;
	struct member_hash *cache;
	uint64 round;
} Dimension;

struct Ingest;
struct IngestRow;

/* ---- dimension.c ---- */
/*
 * The dimension by which column of the target is resolved; -1: none. What stands in the way of one
 * is added to misfits. Only looks: as the owner.
 */
extern int dimension_find(struct Ingest *ingest, Relation target, AttrNumber column,
						  StringInfo misfits);

/* Is that column of the source the natural key of a dimension, or a part of its members? */
extern bool dimensions_read(const struct Ingest *ingest, AttrNumber column);

/* What stat_pipeline shows: target column = dimension (natural key), ... */
extern void dimensions_describe(const struct Ingest *ingest, StringInfo text);

/*
 * For statements: unnest() of n parameters from the first one on; and c0, c1, ..., names of n
 * columns of what comes out of it, each behind what stands before it.
 */
extern char *dimension_unnest(int first, int n);
extern char *dimension_parameters(int n, const char *before);

/* And the values of such a parameter. nulls may be NULL: there are none. */
extern Datum dimension_array(Datum *values, bool *nulls, int n, Oid type, int16 length, bool byval,
							 char align);

/* ---- dimension_guard.c ---- */
/* Puts the guards in place that are missing; true if there were any. */
extern bool dimensions_guard(struct Ingest *ingest);

/*
 * Locks the dimensions till the end of the transaction, those that keep versions exclusively if
 * ingest->alone; true if they could have changed before.
 */
extern bool dimensions_lock(const struct Ingest *ingest);

/* Whether the rows of a foreign key, the target root's, are true by themselves. */
extern bool dimensions_resolve_key(const struct Ingest *ingest, Oid constraint);

/* Switches the checks off that resolved keys do not need. triggers is the executor's own copy. */
extern void dimensions_skip_checks(const struct Ingest *ingest, TriggerDesc *triggers);

/* ---- dimension_cache.c ---- */
/* Empties it when it has grown too large: members found before are not to be used any more. */
extern void dimension_cache_trim(Dimension *dimension);

/* The member of a natural key; a new one is MEMBER_SOUGHT of round 0. */
extern Member *dimension_cache_member(Dimension *dimension, Datum *natural);

/* ---- dimension_resolve.c ---- */
/*
 * Gives rows[i].members their keys. Rows whose member the dimension refuses become dead letters and
 * leave the array. In the owner's scope.
 *
 * own_transaction: the transaction is for this alone. Then true means that members were made, which
 * are to be committed before the call is repeated; rows are not resolved yet.
 */
extern bool dimensions_resolve(struct Ingest *ingest, IngestMessage *messages,
							   struct IngestRow *rows, int *n, bool own_transaction);

/* ---- dimension_version.c ---- */
/* Whether this unique index ends with the time from which a version is valid. */
extern bool dimension_index_has_versions(const struct Ingest *ingest, Relation dimension,
										 Relation index);

/*
 * A dimension that keeps versions is described: begin(), then its attributes by track(), then its
 * statements by compose(). False: something is added to misfits.
 */
extern bool dimension_versions_begin(struct Ingest *ingest, Dimension *dimension, Relation relation,
									 Relation target, AttrNumber column, StringInfo misfits);
extern bool dimension_versions_track(struct Ingest *ingest, Dimension *dimension,
									 DimensionColumn *value, Form_pg_attribute attribute,
									 Relation target, StringInfo misfits);

/* ---- dimension_version_sql.c ---- */
extern bool dimension_versions_compose(struct Ingest *ingest, Dimension *dimension,
									   Relation relation, StringInfo misfits);

/* ---- dimension_version_write.c ---- */
/* True if some dimension keeps versions. */
extern bool dimensions_keep_versions(const struct Ingest *ingest);

/*
 * Gives resolved rows the keys of the versions that are valid at their event times, and notes which
 * of them say anything else: these have news.
 */
extern void dimensions_assign_versions(const struct Ingest *ingest, struct IngestRow *rows, int n);

/* Whether versions have to be made for these rows, by a batch that is alone. */
extern bool dimensions_have_news(const struct Ingest *ingest, const struct IngestRow *rows, int n);

/*
 * Makes the versions that follow from these rows, which are to be stored, brings stored facts to
 * them, and gives the rows their keys.
 */
extern void dimensions_write_versions(struct Ingest *ingest, struct IngestRow *rows, int n);

/* ---- dimension_follow.c ---- */
/* Composes the statements of a dimension that has followed columns. */
extern void dimension_follow_compose(Dimension *dimension);

/* True if some dimension has attributes that follow. */
extern bool dimensions_follow(const struct Ingest *ingest);

/*
 * Locks the members that these events may change, in the order of their keys, before they are
 * changed by more than one dimensions_update().
 */
extern void dimensions_lock_members(const struct Ingest *ingest, const struct IngestRow *rows,
									int n);

/*
 * Brings attributes to their newest value among these events, which are stored; not those in
 * ingest->aside.
 */
extern void dimensions_update(const struct Ingest *ingest, const struct IngestRow *rows, int n);

#endif
