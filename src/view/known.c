#include "view/known.h"

#include "access/table.h"
#include "access/xact.h"
#include "base/name.h"
#include "base/owner.h"
#include "catalog/pg_class.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "view/located.h"

/* One table's views. An entry without views spares the next statement the look into the catalog. */
typedef struct KnownTarget
{
	Oid target; /* key */
	bool valid;
	MemoryContext context;
	List *views;
} KnownTarget;

static HTAB *targets;
static bool all_stale;
/* How often a relation changed: readers compare, since what is being read is in no list yet. */
static uint64 changes;
/*
 * Superseded while somebody up the stack may still read them: freed at the end of the transaction.
 */
static List *discarded;

static void
forget(KnownTarget *entry)
{
	MemoryContext old;

	entry->valid = false;
	if (entry->context == NULL)
		return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	discarded = lappend(discarded, entry->context);
	MemoryContextSwitchTo(old);
	entry->context = NULL;
	entry->views = NIL;
}

static void
relation_changed(Datum argument, Oid relation)
{
	HASH_SEQ_STATUS scan;
	KnownTarget *entry;
	ListCell *cell;

	changes++;
	hash_seq_init(&scan, targets);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (!OidIsValid(relation) || entry->target == relation)
			entry->valid = false;
		foreach (cell, entry->views)
		{
			const ViewRow *row = &((KnownView *) lfirst(cell))->row;

			if (row->view == relation || row->state == relation || row->definition == relation ||
				row->partial == relation || row->expired == relation || row->earlier == relation ||
				row->source == relation)
				entry->valid = false;
		}
	}
}

/* A function, operator or type that an expression uses may have changed. */
static void
object_changed(Datum argument, int cache, uint32 hash)
{
	all_stale = true;
}

static void
free_discarded(void *context)
{
	ListCell *cell;

	foreach (cell, discarded)
		MemoryContextDelete(lfirst(cell));
	list_free(discarded);
	discarded = NIL;
}

static void
end_of_transaction(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		free_discarded(NULL);
}

void
known_init(void)
{
	HASHCTL control = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(KnownTarget),
		.hcxt = TopMemoryContext,
	};

	targets = hash_create("telemetry continuous views", 32, &control,
						  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, object_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(OPEROID, object_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, object_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, object_changed, (Datum) 0);
	/* Of what is in it, nothing is told when a schema is renamed. */
	CacheRegisterSyscacheCallback(NAMESPACEOID, object_changed, (Datum) 0);
	RegisterXactCallback(end_of_transaction, NULL);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A plan that SPI keeps lives outside of the view's context, so it is freed with it by this. */
static void
free_folds(void *argument)
{
	KnownView *view = argument;

	located_forget(view);
	for (size_t i = 0; i < lengthof(view->folds); i++)
		if (view->folds[i])
			SPI_freeplan(view->folds[i]);
}

/* The aggregates by which the partial view fills the state table's columns. */
static void
read_columns(KnownView *view)
{
	Relation partial = table_open(view->row.partial, AccessShareLock);
	List *targets_of_query = get_view_query(partial)->targetList;
	ListCell *cell;
	int n = 0;

	view->desc = CreateTupleDescCopy(RelationGetDescr(partial));
	view->ncolumns = view->desc->natts;
	view->columns = palloc0(sizeof(KnownColumn) * view->ncolumns);
	view->invertible = true;
	if (list_length(targets_of_query) < view->ncolumns ||
		list_length(view->row.components) != view->ncolumns - view->row.nkeys)
		elog(ERROR, "parts of continuous view %s do not fit", view->name);
	foreach (cell, targets_of_query)
	{
		TargetEntry *entry = lfirst(cell);
		KnownColumn *column = &view->columns[n];

		if (n >= view->ncolumns)
			break;
		column->name = pstrdup(quote_identifier(NameStr(TupleDescAttr(view->desc, n)->attname)));
		if (n >= view->row.nkeys)
		{
			if (strcmp(column->name, "_count") == 0)
				view->count = n;
			column->kind = component_kind(list_nth(view->row.components, n - view->row.nkeys));
			if (strcmp(column->kind->name, "row_hash") == 0)
			{
				view->rows = true;
				n++;
				continue;
			}
			if (IsA(entry->expr, Aggref))
				column->aggregate = ((Aggref *) entry->expr)->aggfnoid;
			else if (column->kind->merge == NULL)
				elog(ERROR, "parts of continuous view %s do not fit", view->name);
			if (column->kind->negate == NULL)
				view->invertible = false;
		}
		n++;
	}
	table_close(partial, AccessShareLock);
}

static int
depth_of(Oid target)
{
	ViewRow *row = NULL;

	if (get_rel_relkind(target) == RELKIND_VIEW)
		row = view_by_oid(target, CurrentMemoryContext);
	return row ? 1 + depth_of(row->target) : 0;
}

static KnownView *
read_view(const ViewRow *row, MemoryContext context)
{
	KnownView *view = palloc0(sizeof(KnownView));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	view->row = *row;
	view->context = context;
	view->owner = owner_of(row->view);
	view->name = qualified_name(row->view);
	view->state = qualified_name(row->state);
	view->partial = qualified_name(row->partial);
	view->expired = qualified_name(row->expired);
	view->earlier = OidIsValid(row->earlier) ? qualified_name(row->earlier) : NULL;
	view->source = qualified_name(row->source);
	view->depth = depth_of(row->target);
	read_columns(view);
	callback->func = free_folds;
	callback->arg = view;
	MemoryContextRegisterResetCallback(context, callback);
	return view;
}

/* To others a helper is a part of the view that it feeds. */
static void
join_helper(KnownView *helper, List *views)
{
	ListCell *cell;

	foreach (cell, views)
	{
		KnownView *view = lfirst(cell);

		if (helper->row.feeds == 0 || view->row.id != helper->row.feeds)
			continue;
		helper->main = view;
		helper->name = view->name;
	}
	if (helper->row.feeds != 0 && helper->main == NULL)
		elog(ERROR, "helper %s of a continuous view feeds none", helper->name);
}

/* Not if it was dropped where our event trigger was switched off: the next drop clears it up. */
static bool
is_there(const ViewRow *row, const List *rows)
{
	ListCell *cell;

	if (get_rel_name(row->view) == NULL)
		return false;
	if (row->feeds == 0)
		return true;
	foreach (cell, rows)
		if (((const ViewRow *) lfirst(cell))->id == row->feeds)
			return is_there(lfirst(cell), rows);
	return false;
}

/*
 * Who has no lock on the table may come beside a DROP of its views, which takes their parts with
 * them: this one is locked meanwhile. Who writes has the table, for which DROP waits before.
 */
static void
lock_parts(const List *rows, bool lock)
{
	ListCell *cell;

	foreach (cell, rows)
	{
		Oid part = ((const ViewRow *) lfirst(cell))->partial;

		if (lock)
			LockRelationOid(part, AccessShareLock);
		else
			UnlockRelationOid(part, AccessShareLock);
	}
}

List *
known_hold_all(void)
{
	List *rows = view_all(InvalidOid, CurrentMemoryContext);
	List *held = NIL;
	ListCell *cell;

	lock_parts(rows, true);
	foreach (cell, rows)
	{
		List *row = list_make1(lfirst(cell));

		if (is_there(lfirst(cell), rows))
			held = list_concat(held, row);
		else
			lock_parts(row, false);
	}
	return held;
}

void
known_let_go(const List *rows)
{
	lock_parts(rows, false);
}

/* An error leaves nothing known, to be read again, and the memory to whoever cleans up after it. */
static void
read_target(KnownTarget *entry)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "telemetry views of a table", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	uint64 before = changes;
	List *rows = view_all(entry->target, context);
	List *views = NIL;
	ListCell *cell;

	lock_parts(rows, true);
	foreach (cell, rows)
		if (is_there(lfirst(cell), rows))
			views = lappend(views, read_view(lfirst(cell), context));
	foreach (cell, views)
		join_helper(lfirst(cell), views);
	lock_parts(rows, false);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, TopMemoryContext);
	entry->context = context;
	entry->views = views;
	entry->valid = changes == before;
}

/* Vacuum makes what is known of a view old, but not what is known of its rows' places. */
static void
pass_on_places(const List *old, const List *new)
{
	ListCell *one;
	ListCell *other;

	foreach (one, old)
		foreach (other, new)
		{
			KnownView *from = lfirst(one);
			KnownView *to = lfirst(other);

			if (from->row.state != to->row.state || to->located)
				continue;
			to->located = from->located;
			from->located = NULL;
		}
}

List *
known_views(Oid target)
{
	KnownTarget *entry;
	HASH_SEQ_STATUS scan;
	bool found;

	if (all_stale)
	{
		all_stale = false;
		hash_seq_init(&scan, targets);
		while ((entry = hash_seq_search(&scan)) != NULL)
			entry->valid = false;
	}
	entry = hash_search(targets, &target, HASH_ENTER, &found);
	if (!found)
	{
		entry->valid = false;
		entry->context = NULL;
		entry->views = NIL;
	}
	if (!entry->valid)
	{
		const List *old = entry->views;

		forget(entry);
		read_target(entry);
		pass_on_places(old, entry->views);
	}
	return entry->views;
}

KnownView *
known_view_over(Oid target, Oid view)
{
	ListCell *cell;

	foreach (cell, known_views(target))
		if (((KnownView *) lfirst(cell))->row.view == view)
			return lfirst(cell);
	return NULL;
}

KnownView *
known_view(Oid view)
{
	ViewRow *row = view_by_oid(view, CurrentMemoryContext);

	return row ? known_view_over(row->target, view) : NULL;
}

List *
known_helpers(const KnownView *view)
{
	List *helpers = NIL;
	ListCell *cell;

	foreach (cell, known_views(view->row.target))
		if (((KnownView *) lfirst(cell))->row.feeds == view->row.id)
			helpers = lappend(helpers, lfirst(cell));
	return helpers;
}

bool
known_is_count(const ComponentKind *kind)
{
	return kind && (strcmp(kind->name, "count") == 0 || strcmp(kind->name, "distinct") == 0);
}
