#include "view/collect.h"

#include "access/detoast.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tupconvert.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/owner.h"
#include "executor/execdesc.h"
#include "executor/executor.h"
#include "executor/tstoreReceiver.h"
#include "miscadmin.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "view/build.h"
#include "view/generate.h"
#include "view/kept_run.h"
#include "view/pending.h"
#include "view/plain.h"
#include "view/session_bin.h"
#include "view/shape.h"
#include "view/together.h"
#include "view/zone_calls.h"

/* An index row ends at a third of a page; a key that would not fit is refused, row by row. */
#define MAX_KEY_BYTES 2600

/* For fewer changed rows each view is collected alone, whose errors then name the one at fault. */
#define ROWS_FOR_TOGETHER 100

/* What the view's query gives goes to the store, after a look at its keys. */
typedef struct KeyCheck
{
	DestReceiver receiver;
	DestReceiver *store;
	const KnownView *view;
} KeyCheck;

static bool
check_and_store(TupleTableSlot *slot, DestReceiver *self)
{
	KeyCheck *check = (KeyCheck *) self;
	Size bytes = 0;

	slot_getallattrs(slot);
	for (int i = 0; i < check->view->row.nkeys && !check->view->rows; i++)
		if (TupleDescAttr(check->view->desc, i)->attlen == -1 && !slot->tts_isnull[i])
			bytes += toast_raw_datum_size(slot->tts_values[i]) - VARHDRSZ;
	if (bytes > MAX_KEY_BYTES)
		ereport(ERROR, (errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
						errmsg("key of %zu bytes is longer than the %d that an index holds", bytes,
							   MAX_KEY_BYTES),
						errhint("Group by telemetry.short_key(column), which ends long texts by a "
								"digest, and show the text as min(column).")));
	return check->store->receiveSlot(slot, check->store);
}

static void
startup(DestReceiver *self, int operation, TupleDesc desc)
{
	DestReceiver *store = ((KeyCheck *) self)->store;

	store->rStartup(store, operation, desc);
}

static void
shutdown(DestReceiver *self)
{
	DestReceiver *store = ((KeyCheck *) self)->store;

	store->rShutdown(store);
}

static void
destroy(DestReceiver *self)
{
}

/*
 * columns: those that are read, counted from FirstLowInvalidHeapAttributeNumber; NULL: of none a
 * value.
 */
static bool
may_read(Oid table, Oid user, const Bitmapset *columns)
{
	int column = -1;

	if (pg_class_aclcheck(table, user, ACL_SELECT) == ACLCHECK_OK)
		return true;
	if (columns == NULL)
		return pg_attribute_aclcheck_all(table, user, ACL_SELECT, ACLMASK_ANY) == ACLCHECK_OK;
	while ((column = bms_next_member(columns, column)) >= 0)
		if (pg_attribute_aclcheck(table, column + FirstLowInvalidHeapAttributeNumber, user,
								  ACL_SELECT) != ACLCHECK_OK)
			return false;
	return true;
}

static char *
missing_right_on(Oid table, Oid user, const Bitmapset *columns)
{
	const char *owner = GetUserNameFromId(user, false);

	if (!may_read(table, user, columns))
		return psprintf("its owner %s may not read table %s any more", owner, get_rel_name(table));
	if (check_enable_rls(table, user, true) == RLS_ENABLED)
		return psprintf("row-level security of table %s applies to its owner %s",
						get_rel_name(table), owner);
	return NULL;
}

/* Why the owner may not read any more what the view tells of; NULL: he may. */
static char *
missing_right(const KnownView *view)
{
	Relation partial = table_open(view->row.partial, AccessShareLock);
	const Query *query = get_view_query(partial);
	char *reason = NULL;
	ListCell *cell;

	/* What is looked up has to be the same whoever writes, too. */
	foreach (cell, query->rtable)
	{
		const RangeTblEntry *rte = lfirst(cell);

		if (reason == NULL && rte->rtekind == RTE_RELATION && rte->inFromCl)
			reason = missing_right_on(rte->relid, view->owner, compat_columns_read(query, rte));
	}
	table_close(partial, AccessShareLock);
	return reason;
}

void
collect_stop(const KnownView *view, ViewStatus status, const char *reason)
{
	ListCell *cell;

	/* A view and its helpers stop together. */
	if (view->main)
		view = view->main;
	view_set_status(view->row.id, status, reason);
	foreach (cell, known_views(view->row.view))
		collect_stop(lfirst(cell), VIEW_STALE,
					 psprintf("view %s, which it follows, is not live", view->name));
}

/* Looked at before a plan is made: what changes a right makes plans old. */
bool
collect_allowed(const KnownView *view)
{
	char *reason = view->plan ? NULL : missing_right(view);

	if (reason == NULL)
		return true;
	collect_stop(view, VIEW_BROKEN, reason);
	/* The view itself comes behind its helpers, and says so. */
	if (view->main)
		return false;
	ereport(WARNING, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					  errmsg("continuous view %s is broken: %s", view->name, reason),
					  errhint("Grant the right, and then REFRESH MATERIALIZED VIEW %s; or drop it.",
							  view->name)));
	return false;
}

void
collect_require_buildable(const KnownView *view)
{
	char *reason = missing_right(view);
	Relation definition = table_open(view->row.definition, AccessShareLock);

	shape_require_stable(get_view_query(definition), view->row.target);
	table_close(definition, AccessShareLock);
	if (reason)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("continuous view %s cannot be built: %s", view->name, reason),
						errhint("Grant the right, or give the view to a role that has it.")));
}

/* The query of a view, over rows that stand for those of one of its relations. */
static Query *
query_over(Oid view, Oid source)
{
	Relation relation = table_open(view, AccessShareLock);
	Query *query = generate_delta(get_view_query(relation), source);

	table_close(relation, AccessShareLock);
	return query;
}

/*
 * Without compilation: what a set-returning function is guessed to give makes a query over a few
 * rows look as if it had millions, and it would be compiled anew in each batch.
 */
static PlannedStmt *
plan_query(Query *query)
{
	static const char *const off[] = {"jit"};
	int level = NewGUCNestLevel();
	List *rewritten;
	PlannedStmt *plan;

	guc_switch_off(off, lengthof(off));
	zone_calls(query);
	AcquireRewriteLocks(query, true, false);
	rewritten = QueryRewrite(query);
	plan = pg_plan_query(linitial_node(Query, rewritten), "", 0, NULL);
	AtEOXact_GUC(false, level);
	return plan;
}

/* But for what the rewriter puts there for the view whose query it is. */
static bool
reads_relations(const Query *query, Oid view)
{
	ListCell *cell;

	foreach (cell, query->rtable)
	{
		const RangeTblEntry *rte = lfirst(cell);

		if (rte->rtekind == RTE_RELATION && rte->relid != view)
			return true;
	}
	return query->hasSubLinks;
}

static PlannedStmt *
make_plan(KnownView *view)
{
	Query *query = query_over(view->row.partial, view->row.target);

	if (view->earlier)
		session_bin(query);
	view->looks_up = reads_relations(query, view->row.partial);
	view->plain = plain_query(view->row.partial, query);
	return plan_query(query);
}

/* A plan that reads nothing but the delta stays good until something it uses changes. */
static PlannedStmt *
plan_of(KnownView *view)
{
	PlannedStmt *plan;
	MemoryContext old;

	if (view->plan)
		return view->plan;
	plan = make_plan(view);
	if (view->looks_up)
		return plan;
	old = MemoryContextSwitchTo(view->context);
	view->plan = copyObject(plan);
	MemoryContextSwitchTo(old);
	return view->plan;
}

/* The columns that show the keys as they are, if each of them is shown. */
static Bitmapset *
public_keys(const KnownView *view, const Query *query)
{
	Bitmapset *columns = NULL;
	Bitmapset *keys = NULL;
	ListCell *cell;

	foreach (cell, query->targetList)
	{
		const TargetEntry *entry = lfirst(cell);
		const Var *var = (const Var *) entry->expr;

		if (!IsA(var, Var) || var->varattno < 1 || var->varattno > view->row.nkeys ||
			rt_fetch(var->varno, query->rtable)->rtekind != RTE_NAMEDTUPLESTORE)
			continue;
		columns = bms_add_member(columns, entry->resno);
		keys = bms_add_member(keys, var->varattno);
	}
	return bms_num_members(keys) == view->row.nkeys ? columns : NULL;
}

/* Of what users read of the view, over rows of its state. It is kept as plan_of()'s. */
static PlannedStmt *
public_plan_of(KnownView *view)
{
	PlannedStmt *plan;
	MemoryContext old;
	Query *query;

	if (view->public_plan)
		return view->public_plan;
	query = query_over(view->row.view, view->row.source);
	if (reads_relations(query, view->row.view))
		return plan_query(query);
	view->public_plain = plain_query(view->row.view, query);
	plan = plan_query(query);
	old = MemoryContextSwitchTo(view->context);
	view->public_keys = public_keys(view, query);
	view->public_plan = copyObject(plan);
	MemoryContextSwitchTo(old);
	return view->public_plan;
}

static void
run(PlannedStmt *plan, EphemeralNamedRelation rows, DestReceiver *receiver)
{
	QueryEnvironment *environment = create_queryEnv();
	QueryDesc *query;

	/* The executor opens it for its columns, and takes it for locked. */
	if (OidIsValid(rows->md.reliddesc))
		LockRelationOid(rows->md.reliddesc, AccessShareLock);
	register_ENR(environment, rows);
	query = CreateQueryDesc(plan, "", GetActiveSnapshot(), InvalidSnapshot, receiver, NULL,
							environment, 0);
	ExecutorStart(query, 0);
	compat_executor_run(query);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
}

/* Rows under a name: of the layout of a relation, or of a descriptor. */
static EphemeralNamedRelationData
named_rows(const char *name, Tuplestorestate *rows, Oid relation, TupleDesc desc)
{
	EphemeralNamedRelationData named = {0};

	named.md.name = pstrdup(name);
	named.md.reliddesc = relation;
	named.md.tupdesc = desc;
	named.md.enrtype = ENR_NAMED_TUPLESTORE;
	named.md.enrtuples = tuplestore_tuple_count(rows);
	named.reldata = rows;
	return named;
}

/* What is collected: the query of a view, or that of several at once. */
typedef struct Collection
{
	KnownView *view;    /* the first of them: its owner runs the query, and its keys are checked */
	const ViewSet *set; /* NULL: that view alone */
	Query *query;       /* NULL: over changed rows of the target */
	EphemeralNamedRelation rows;
	Tuplestorestate **stores; /* of each view */
} Collection;

/* Values are taken out of the table's TOAST: its rows may be gone when they are read. */
static DestReceiver *
receiver_of(const Collection *what, MemoryContext context)
{
	DestReceiver *receiver;

	if (what->set)
		return together_receiver(what->set, what->stores, context);
	receiver = CreateTuplestoreDestReceiver();
	SetTuplestoreDestReceiverParams(receiver, what->stores[0], context, true, NULL, NULL);
	return receiver;
}

static char *
names_of(const Collection *what)
{
	StringInfoData names;
	ListCell *cell;

	if (what->set == NULL)
		return psprintf("view %s", what->view->name);
	initStringInfo(&names);
	foreach (cell, what->set->views)
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "views ",
						 ((KnownView *) lfirst(cell))->name);
	return names.data;
}

/*
 * The error of a view's expression, named in the message itself: whoever writes into the table may
 * never have heard of the view, and of a dead letter no more than the message is kept.
 */
static void
rethrow_with_name(const Collection *what, MemoryContext context)
{
	ErrorData *error;

	/* What is allocated where the error stands goes with it. */
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	error->message = psprintf("continuous %s: %s", names_of(what), error->message);
	ReThrowError(error);
}

/* In a scope of the view's owner. */
static void
run_collection(const Collection *what, DestReceiver *receiver)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	run(what->set     ? what->set->plan
		: what->query ? plan_query(what->query)
					  : plan_of(what->view),
		what->rows, receiver);
	PopActiveSnapshot();
}

/* A plain query reads nothing that would need a new snapshot. */
static bool
may_be_kept(bool plain, const PlannedStmt *plan, Tuplestorestate *rows)
{
	return plan && plain && tuplestore_tuple_count(rows) <= ROWS_FOR_KEPT_RUN &&
		   ActiveSnapshotSet();
}

/* False if it is not to be done so. */
static bool
run_kept(const Collection *what, DestReceiver *receiver)
{
	KnownView *view = what->view;
	Tuplestorestate *rows = what->rows->reldata;
	OwnerScope scope;
	bool done;

	if (what->set || what->query || !may_be_kept(view->plain, view->plan, rows))
		return false;
	owner_begin_unpinned(&scope, view->owner);
	done = kept_run(&view->run, view, view->plan, view->row.target, rows, receiver);
	owner_end(&scope);
	return done;
}

static void
collect(const Collection *what)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "telemetry view collects",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	KeyCheck check = {
		.receiver = {.receiveSlot = check_and_store,
					 .rStartup = startup,
					 .rShutdown = shutdown,
					 .rDestroy = destroy,
					 .mydest = DestNone},
		.store = receiver_of(what, context),
		.view = what->view,
	};
	OwnerScope scope;

	PG_TRY();
	{
		if (!run_kept(what, &check.receiver))
		{
			owner_begin(&scope, what->view->owner);
			run_collection(what, &check.receiver);
			owner_end(&scope);
		}
	}
	PG_CATCH();
	{
		rethrow_with_name(what, old);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
collect_run(KnownView *view, Tuplestorestate *rows, Tuplestorestate *store)
{
	EphemeralNamedRelationData delta = named_rows(DELTA_ROWS, rows, view->row.target, NULL);
	Collection what = {.view = view, .rows = &delta, .stores = &store};

	collect(&what);
}

void
collect_query(KnownView *view, Query *query, const char *name, Tuplestorestate *rows,
			  Tuplestorestate *store)
{
	EphemeralNamedRelationData named = named_rows(name, rows, InvalidOid, view->desc);
	Collection what = {.view = view, .query = query, .rows = &named, .stores = &store};

	tuplestore_rescan(rows);
	collect(&what);
}

static bool
run_public_kept(KnownView *view, Tuplestorestate *rows, DestReceiver *receiver)
{
	OwnerScope scope;
	bool done;

	if (!may_be_kept(view->public_plain, view->public_plan, rows))
		return false;
	owner_begin_unpinned(&scope, view->owner);
	done = kept_run(&view->public_run, view, view->public_plan, view->row.source, rows, receiver);
	owner_end(&scope);
	return done;
}

static void
run_public(KnownView *view, Tuplestorestate *rows, DestReceiver *receiver)
{
	EphemeralNamedRelationData delta;
	OwnerScope scope;

	owner_begin(&scope, view->owner);
	PushActiveSnapshot(GetTransactionSnapshot());
	delta = named_rows(DELTA_ROWS, rows, view->row.source, NULL);
	run(public_plan_of(view), &delta, receiver);
	PopActiveSnapshot();
	owner_end(&scope);
}

void
collect_public(KnownView *view, Tuplestorestate *state_rows, Tuplestorestate *store)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "telemetry view's rows",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	DestReceiver *receiver = CreateTuplestoreDestReceiver();

	SetTuplestoreDestReceiverParams(receiver, store, context, true, NULL, NULL);
	if (!run_public_kept(view, state_rows, receiver))
		run_public(view, state_rows, receiver);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* A partition may order its columns differently. */
static Tuplestorestate *
in_layout_of(Oid target, Relation relation, Tuplestorestate *rows)
{
	Relation root = table_open(target, AccessShareLock);
	TupleConversionMap *map =
		convert_tuples_by_name(RelationGetDescr(relation), RelationGetDescr(root));
	Tuplestorestate *converted = rows;

	if (map)
	{
		TupleTableSlot *from =
			MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsMinimalTuple);
		TupleTableSlot *to = MakeSingleTupleTableSlot(RelationGetDescr(root), &TTSOpsVirtual);

		converted = tuplestore_begin_heap(false, false, work_mem);
		tuplestore_rescan(rows);
		while (tuplestore_gettupleslot(rows, true, false, from))
		{
			CHECK_FOR_INTERRUPTS();
			tuplestore_puttupleslot(converted, execute_attr_map_slot(map->attrMap, from, to));
		}
		ExecDropSingleTupleTableSlot(from);
		ExecDropSingleTupleTableSlot(to);
		free_conversion_map(map);
	}
	table_close(root, AccessShareLock);
	return converted;
}

/* ---- several views in one pass ------------------------------------------------------------- */

/* Those whose plan was made and kept, so that making theirs cannot fail. */
static bool
may_be_together(const KnownView *view)
{
	return view->plan && !view->rows && !view->earlier;
}

static ViewSet *
make_set(KnownView *first, const List *views)
{
	Query *query = query_over(first->row.partial, first->row.target);
	Query *joined = copyObject(query);
	ViewSet *set = palloc0(sizeof(ViewSet));
	ListCell *cell;

	set->columns = palloc(sizeof(int *) * list_length(views));
	foreach (cell, views)
	{
		KnownView *view = lfirst(cell);
		Query *other;

		if (view->set_known || !may_be_together(view))
			continue;
		other = view == first ? query : query_over(view->row.partial, view->row.target);
		if (!together_fit(first, query, view, other))
			continue;
		set->columns[list_length(set->views)] = together_join(joined, other, first->row.nkeys);
		set->views = lappend(set->views, view);
	}
	if (list_length(set->views) > 1)
		set->plan = plan_query(joined);
	return set;
}

/* Kept with what is known of the table's views. */
static void
keep_set(KnownView *first, const ViewSet *set)
{
	MemoryContext old = MemoryContextSwitchTo(first->context);
	ViewSet *kept = NULL;
	ListCell *cell;
	int n = list_length(set->views);

	if (n > 1)
	{
		kept = palloc0(sizeof(ViewSet));
		kept->views = list_copy(set->views);
		kept->plan = copyObject(set->plan);
		kept->columns = palloc(sizeof(int *) * n);
		for (int i = 0; i < n; i++)
		{
			Size bytes = sizeof(int) * ((KnownView *) list_nth(set->views, i))->ncolumns;

			kept->columns[i] = memcpy(palloc(bytes), set->columns[i], bytes);
		}
	}
	/* A query that does not fit any is not in a set of its own either. */
	first->set_known = true;
	foreach (cell, set->views)
	{
		((KnownView *) lfirst(cell))->set = kept;
		((KnownView *) lfirst(cell))->set_known = true;
	}
	MemoryContextSwitchTo(old);
}

/* The views that this one is collected with, if all of them are to be. */
static const ViewSet *
set_of(KnownView *view, const List *views)
{
	ListCell *cell;

	if (!view->set_known && may_be_together(view))
	{
		OwnerScope scope;

		owner_begin(&scope, view->owner);
		PushActiveSnapshot(GetTransactionSnapshot());
		keep_set(view, make_set(view, views));
		PopActiveSnapshot();
		owner_end(&scope);
	}
	if (view->set)
		foreach (cell, view->set->views)
			if (!list_member_ptr(views, lfirst(cell)))
				return NULL;
	return view->set;
}

static Tuplestorestate *
store_of(const KnownView *view, bool minus)
{
	PendingView *pending = pending_view(view->row.view, view->row.target, view->desc);

	pending->collected++;
	return pending_store(pending, minus);
}

static void
collect_together(const ViewSet *set, Tuplestorestate *rows, bool minus)
{
	KnownView *first = linitial(set->views);
	EphemeralNamedRelationData delta = named_rows(DELTA_ROWS, rows, first->row.target, NULL);
	Collection what = {.view = first, .set = set, .rows = &delta};

	what.stores = palloc(sizeof(Tuplestorestate *) * list_length(set->views));
	for (int i = 0; i < list_length(set->views); i++)
		what.stores[i] = store_of(list_nth(set->views, i), minus);
	collect(&what);
	pfree(what.stores);
}

static void
collect_views(const List *views, Tuplestorestate *rows, bool minus)
{
	bool many = tuplestore_tuple_count(rows) >= ROWS_FOR_TOGETHER && list_length(views) > 1;
	ListCell *cell;

	foreach (cell, views)
	{
		KnownView *view = lfirst(cell);
		const ViewSet *set = many ? set_of(view, views) : NULL;

		if (set == NULL)
			collect_run(view, rows, store_of(view, minus));
		else if (view == linitial(set->views))
			collect_together(set, rows, minus);
	}
}

static void
collect_for(List *views, Relation relation, Tuplestorestate *rows, bool minus, bool all)
{
	Oid target;
	Tuplestorestate *ready;
	List *live = NIL;
	ListCell *cell;

	if (views == NIL || tuplestore_tuple_count(rows) == 0)
		return;
	target = ((KnownView *) linitial(views))->row.target;
	ready = target == RelationGetRelid(relation) ? rows : in_layout_of(target, relation, rows);
	foreach (cell, views)
		if ((all || build_follows(lfirst(cell))) && collect_allowed(lfirst(cell)))
			live = lappend(live, lfirst(cell));
	collect_views(live, ready, minus);
	list_free(live);
	if (ready != rows)
		tuplestore_end(ready);
}

void
collect_rows(List *views, Relation relation, Tuplestorestate *rows, bool minus)
{
	collect_for(views, relation, rows, minus, false);
}

void
collect_rows_for(List *views, Relation relation, Tuplestorestate *rows, bool minus)
{
	collect_for(views, relation, rows, minus, true);
}
