/*
 * What the parts of ingest know together. Private to the folder.
 */
#ifndef TELEMETRY_INGEST_INTERNAL_H
#define TELEMETRY_INGEST_INTERNAL_H

#include "postgres.h"

#include "base/guc.h"
#include "base/owner.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "ingest/dimension.h"
#include "ingest/ingest.h"
#include "utils/rel.h"

/* How one column of the target, in the root's layout, gets its value. */
typedef enum TargetValue
{
	TARGET_NULL,     /* dropped, or no default: NULL */
	TARGET_SOURCE,   /* the source column as it is */
	TARGET_EXPR,     /* expression over the source row: a cast, a length coercion */
	TARGET_DEFAULT,  /* expression of its own: default, identity, sequence */
	TARGET_MEMBER,   /* key of a dimension's member */
	TARGET_GENERATED /* computed by the executor when the rest is there */
} TargetValue;

typedef struct TargetColumn
{
	TargetValue kind;
	AttrNumber source; /* attribute number of the source; 0: not delivered */
	int dimension;     /* TARGET_MEMBER: which */
	int cast; /* TARGET_EXPR: its number of those that are computed first; -1: it is none */
	Expr *expression;
	ExprState *state;
} TargetColumn;

/* The batch's own column on the executor path, in a name that no source should have. */
#define BATCH_ROW "telemetry batch row"

/* A decoded row on its way into the target. */
typedef struct IngestRow
{
	int message; /* position in the caller's messages */
	Datum *values;
	bool *isnull;
	bool left_out;          /* executor path: it was written, and the target did not take it */
	TimestampTz event_time; /* DT_NOBEGIN: none */
	Datum *members;         /* keys, by number of the dimension */
	bool *member_isnull;
	Member **found; /* by number of the dimension; NULL: none, or nobody asks */
	bool *news;     /* by number of the dimension: it says what its version does not */
	Datum *casts;   /* by number of the cast (cast.c) */
	bool *cast_isnull;
} IngestRow;

/* Messages that were decoded, for every write of them or of a part of them. */
typedef struct Prepared
{
	MemoryContext context;
	IngestMessage *messages; /* with their verdicts; NULL: nothing is prepared */
	int n;
	int at; /* up to here they are written */
	IngestRow *rows;
	int nrows;
	/* Of those, what has its members, for the write that follows in the same transaction. */
	IngestMessage *resolved; /* NULL: nothing */
	int nresolved;
	IngestRow *resolved_rows;
	int nresolved_rows;
} Prepared;

typedef struct ForeignKeys ForeignKeys;
typedef struct KeyHints KeyHints;

/* INSERT ... SELECT from the batch, which stands there as an ephemeral relation (executor.c). */
typedef struct ExecutorPath
{
	char *sql;
	SPIPlanPtr plan;     /* NULL: not made yet */
	TupleDesc rows;      /* of that relation: the mapped source columns, and BATCH_ROW */
	AttrNumber *targets; /* of its columns: the target's */
	bool lags;           /* rows may be written later than they are scanned */
} ExecutorPath;

/* What bad rows of late say of how the next ones are best written (careful.c). */
typedef struct BadRows
{
	bool seen;         /* there were some: constraints are looked at beforehand */
	int64 gap;         /* rows from one bad one to the next; 0: none was seen */
	int64 since;       /* rows since the last bad one */
	int64 careful_gap; /* as gap, without the bad row; -1: none was seen */
	int chunk;         /* rows to write at once; 0: not known yet */
	int window;        /* messages that the next careful call looks at; 0: the first */
	int64 recent_rows; /* rows of late, and how many of them were left out */
	int64 recent_aside;
} BadRows;

struct Ingest
{
	MemoryContext context;
	IngestOptions options;
	bool valid;
	struct Ingest *next; /* list of the open ones, for invalidation */

	Source *source;
	TupleDesc source_desc;
	char *event_time_column;
	AttrNumber event_time; /* of the source; 0: none */
	Oid event_time_type;

	char *target_name; /* quoted, with schema */
	char *target_table;
	char *target_schema;
	char target_kind;
	bool storage_known; /* nothing was altered since it was looked at */
	bool row_security;
	TupleDesc desc; /* of the target's root */

	TargetColumn *columns; /* desc->natts */
	int ncasts;            /* of them that are computed before anything is written */
	bool domains;          /* they hold compiled constraints of a domain */
	ExprContext *econtext; /* for casts and defaults */
	TupleTableSlot *source_slot;

	Dimension *dimensions;
	Dimension **by_oid; /* in the order of locks */
	int ndimensions;
	ForeignKeys *foreign_keys; /* NULL: none that can be asked beforehand */

	bool fast;
	char *path_reason; /* why not fast */
	ExecutorPath executor;
	BadRows bad;

	/* The batch at hand. */
	Prepared prepared;
	bool alone;    /* it makes versions, and locks their dimensions exclusively */
	bool assigned; /* its rows have the keys of their versions */
	bool careful;  /* row triggers fire row by row, so that an error is some row's */

	/* The rows that are being written. */
	int current; /* the one being worked on, when an error would be its fault; else -1 */
	int *aside;  /* numbers of those that were left out */
	int naside;
	int aside_room; /* how many may be; 0: what would be left out is an error */
	bool doubtful;  /* an error may come behind a conflict that was none: it is not the row's */
};

/* ---- target.c ---- */
/*
 * Locks source and target for the rest of the transaction; true if they could have changed up to
 * now, because no such lock was held. Afterwards ingest->valid tells whether they did.
 */
extern bool target_lock(const IngestOptions *options);

/* The same of one relation. */
extern bool target_lock_one(Oid relation, LOCKMODE mode);

/*
 * ereports if the target or a dimension has another name than statements had for it. Locks keep
 * theirs, not their schemas': another table may have been written into. At a batch's end.
 */
extern void target_check_names(const Ingest *ingest);

/* The same of one relation, which statements had under this name. */
extern void target_check_name(Oid relation, const char *name);

/* ereports unless what target and partitions hold outlives a crash, and is not the source. */
extern void target_check_storage(Ingest *ingest);

/* The operator as a statement names it, whatever the search_path. */
extern char *target_operator(Oid operator);
/* A type in a statement, of any length: the mere name of char or bit means one character. */
extern char *target_type(Oid type);

/* ---- target_columns.c ---- */
extern AttrNumber target_find_column(TupleDesc desc, const char *name);

/* Adds to the list of what does not fit. */
extern void target_misfit(StringInfo list, const char *format, ...) pg_attribute_printf(2, 3);

/* Where each column of the target comes from; ereports, with all that does not fit. */
extern void target_map_columns(Ingest *ingest, Relation target);

/* ---- path.c ---- */
extern void path_choose(Ingest *ingest, Relation target);

/* ---- cast.c ---- */
/* Whether it is to be computed before anything is written. */
extern bool cast_may_fail(const Expr *expression);

/*
 * Casts the rows; messages whose row cannot be cast become dead. Returns the *n others, which may
 * be another array.
 */
extern IngestRow *cast_rows(Ingest *ingest, IngestMessage *messages, IngestRow *rows, int *n);

/* ---- project.c ---- */
/* Into row->casts, if the column's value is a cast that cast.c computes. */
extern void project_cast(Ingest *ingest, IngestRow *row, AttrNumber column);

/*
 * Computes the target's row from the source's into slot (root layout), all but generated columns.
 */
extern void project_row(Ingest *ingest, const IngestRow *row, TupleTableSlot *slot);

/* Value of one column of the target. */
extern Datum project_column(Ingest *ingest, const IngestRow *row, AttrNumber column, bool *isnull);

/*
 * ---- fast.c, executor.c: write rows; return how many the target took ----
 *
 * executor_insert() marks those that it did not (left_out).
 *
 * fast_insert() leaves up to ingest->aside_room rows out that PostgreSQL is going to refuse, for a
 * key that is there already or by a constraint of the row, and puts their numbers into
 * ingest->aside: the caller tries each alone.
 */
extern int64 fast_insert(Ingest *ingest, const IngestRow *rows, int n);
extern int64 executor_insert(Ingest *ingest, IngestRow *rows, int n);

/* ---- partitions.c ---- */
/* ereports unless the target's partitions can be made by options.create_partitions. */
extern void partitions_check(Ingest *ingest, Relation target);

/* Makes the partitions that the rows lack. */
extern void partitions_ensure(Ingest *ingest, const IngestRow *rows, int n);

/* ---- screen.c ---- */
/* What a table's rows have to fulfil, to be asked without an error. */
typedef struct Screen Screen;

/*
 * Of a table with constraints; asks for NOT NULL and, if wanted, CHECK. Lives in the EState's
 * memory.
 */
extern Screen *screen_make(ResultRelInfo *rri, EState *estate, bool checks);

/* Whether they refuse the row, which has its tableoid. */
extern bool screen_refuses(Screen *screen, TupleTableSlot *slot, EState *estate);

/* ---- route.c ---- */
/* A partitioned target's levels, as one statement sees them. */
typedef struct Routes Routes;

/* In the EState's memory; routing has been set up there. */
extern Routes *routes_begin(EState *estate, Relation root);

/* Whether no partition takes the row, in the root's layout. */
extern bool routes_lack(Routes *routes, TupleTableSlot *slot);
extern void routes_end(Routes *routes);

/* ---- foreign_key.c ---- */
/*
 * The target's foreign keys that can be asked beforehand, into ingest->foreign_keys. As the owner.
 */
extern void foreign_keys_find(Ingest *ingest, Relation target);
extern void foreign_keys_forget(ForeignKeys *keys);

/* Whether they look into the relation: as it is called, and as far as the owner may. */
extern bool foreign_keys_ask(const ForeignKeys *keys, Oid relation);

/* What a batch learns of keys. */
extern KeyHints *foreign_keys_begin(MemoryContext context);

/* Whether the row, in the root's layout, refers to what is not there, as far as a hint can say. */
extern bool foreign_keys_refuse(ForeignKeys *keys, KeyHints *hints, const TupleTableSlot *slot);

/* ---- careful.c ---- */
/*
 * Writes rows in one go, without a subtransaction for those that are good. Rows that are known to
 * be refused are tried alone afterwards, and their messages become dead; any other error is thrown.
 * Adds how many rows the target was given to *handed, and how many it took to *written.
 */
extern void hopeful_insert(Ingest *ingest, IngestMessage *messages, IngestRow *rows, int n,
						   MemoryContext result_context, int64 *written, int64 *handed);

/* The message is dead by this error, which goes; what is kept of it lives in the context. */
extern void condemn(IngestMessage *message, ErrorData *error, MemoryContext context);

/* True if so many rows were left out of late that they should be few at a time. */
extern bool aside_too_often(const Ingest *ingest);

/*
 * Writes rows by chunks in subtransactions, and finds the bad ones: their messages become dead.
 * Returns how many rows are dealt with; adds how many the target was given to *handed, and how many
 * it took to *written.
 */
extern int careful_insert(Ingest *ingest, IngestMessage *messages, IngestRow *rows, int n,
						  MemoryContext result_context, int64 *written, int64 *handed);

/* ---- ingest.c ---- */
/* Partitions, rows, deferred work: everything that one set of rows means. */
extern int64 insert_rows(Ingest *ingest, IngestRow *rows, int n);

#endif
