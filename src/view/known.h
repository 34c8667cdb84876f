/*
 * What a session knows of the continuous views over a table; read once, and again after changes.
 */
#ifndef TELEMETRY_VIEW_KNOWN_H
#define TELEMETRY_VIEW_KNOWN_H

#include "postgres.h"

#include "catalog/view.h"
#include "executor/spi.h"
#include "nodes/plannodes.h"
#include "view/shape.h"

typedef struct KnownColumn
{
	char *name;                /* quoted */
	const ComponentKind *kind; /* NULL: a key */
	Oid aggregate;             /* whose values a component is */
} KnownColumn;

/*
 * Where the plans of folds are kept. One that merges has the sum of what it takes and gives, of
 * which KEPT_PLUS or KEPT_MINUS is a part; behind those are the ones that come after it. Views of
 * sessions have places of their own (session_fold.c).
 */
enum
{
	KEPT_PLUS = 1,
	KEPT_MINUS = 2,
	KEPT_WANTED = 4,   /* it gives the rows it wrote */
	KEPT_GATHERED = 8, /* each group comes in one row */
	KEPT_DIRTY = 16,
	KEPT_DIRTY_APART,
	KEPT_INSERTED,
	KEPT_PLANS
};

typedef struct KnownView
{
	ViewRow row;
	Oid owner;
	char *name;             /* as messages say it */
	char *state;            /* qualified and quoted */
	char *partial;          /* likewise */
	char *expired;          /* likewise */
	char *earlier;          /* likewise; NULL: its groups are no sessions */
	char *source;           /* likewise: what the view reads */
	struct KnownView *main; /* which this one is a helper of; NULL: it is none */
	int ncolumns;           /* of the state table */
	KnownColumn *columns;   /* keys, components */
	int count;              /* which of them is _count; of views that keep rows: none */
	bool rows;              /* keeps rows as they are, without groups */
	int depth;              /* 0: over a table; 1: over such a view; ... */
	bool invertible;        /* every component can be taken away */
	TupleDesc desc;         /* of a row of the state table */
	MemoryContext context;
	PlannedStmt *plan;        /* of the delta query; NULL: not made, or to be made each time */
	PlannedStmt *public_plan; /* of what users read, over rows of the state; NULL: as above */
	Bitmapset *public_keys; /* known with it: where users read the keys, from 1 on; NULL: not all */
	bool looks_up;          /* reads other tables beside the delta, so its plan is not kept */
	bool plain;             /* known with the plan: its query is plain, see plain.h */
	struct KeptRun *run;    /* of the plan, see kept_run.h; NULL: none */
	bool public_plain;      /* the same of public_plan */
	struct KeptRun *public_run;
	Bitmapset *reads;    /* columns of what it follows, from 1 on; NULL: not known yet, or none */
	struct ViewSet *set; /* those that are collected together with it; NULL: none */
	bool set_known;
	List *merges;     /* target entries that upsert.c merges by; NIL: not made yet */
	bool plain_state; /* known with the merges, and with the negation: it is plain, too */
	List *negation;   /* target entries that difference.c takes rows away by; NIL: none */
	bool negation_known;
	struct Located *located; /* where rows of the state lie; NULL: of none is known */
	int new_in_a_row;        /* groups of the last folds, see upsert.c */
	SPIPlanPtr folds[KEPT_PLANS];
} KnownView;

/* List of KnownView *, in the order of folding; valid until the next call or change. */
extern List *known_views(Oid target);

/* Those that keep the distinct values which a view counts. */
extern List *known_helpers(const KnownView *view);

/* A column that is never NULL, and 0 in a group without rows. */
extern bool known_is_count(const ComponentKind *kind);

/* NULL: no continuous view. */
extern KnownView *known_view(Oid view);

/* The same for a view over that target, without a look into the catalog. */
extern KnownView *known_view_over(Oid target, Oid view);

extern void known_init(void);

/*
 * Rows of all views, for those who open their queries without a lock on what they follow: no DROP
 * takes one away before known_let_go().
 */
extern List *known_hold_all(void);
extern void known_let_go(const List *rows);

#endif
