#include "view/collect.h"

#include "access/table.h"
#include "access/tupconvert.h"
#include "base/compat.h"
#include "base/owner.h"
#include "executor/execdesc.h"
#include "executor/executor.h"
#include "executor/tstoreReceiver.h"
#include "miscadmin.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "view/generate.h"
#include "view/pending.h"

static void
name_the_view(void *argument)
{
	errcontext("continuous view %s", ((KnownView *) argument)->name);
}

/* The owner must still be allowed to read what the view tells of. */
static void
check_rights(const KnownView *view)
{
	Oid target = view->row.target;

	if (pg_class_aclcheck(target, view->owner, ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(target, view->owner, ACL_SELECT, ACLMASK_ALL) != ACLCHECK_OK)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("owner of continuous view %s may not read %s any more", view->name,
							   get_rel_name(target)),
						errhint("Grant SELECT to %s, or drop the view.",
								GetUserNameFromId(view->owner, false))));
	if (check_enable_rls(target, view->owner, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("row-level security of %s applies to the owner of continuous view %s",
						get_rel_name(target), view->name),
				 errhint("Exempt the owner, or drop the view.")));
}

static PlannedStmt *
make_plan(KnownView *view)
{
	Relation partial = table_open(view->row.partial, AccessShareLock);
	Query *query = generate_delta(get_view_query(partial), view->row.target);
	ListCell *cell;
	List *rewritten;

	view->looks_up = false;
	foreach (cell, query->rtable)
	{
		RangeTblEntry *rte = lfirst(cell);

		if (rte->rtekind == RTE_RELATION && rte->relid != view->row.partial)
			view->looks_up = true;
	}
	table_close(partial, AccessShareLock);
	AcquireRewriteLocks(query, true, false);
	rewritten = QueryRewrite(query);
	return pg_plan_query(linitial_node(Query, rewritten), "", 0, NULL);
}

/* A plan that reads nothing but the delta stays good until something it uses changes. */
static PlannedStmt *
plan_of(KnownView *view)
{
	PlannedStmt *plan;
	MemoryContext old;

	if (view->plan)
		return view->plan;
	check_rights(view);
	plan = make_plan(view);
	if (view->looks_up)
		return plan;
	old = MemoryContextSwitchTo(view->context);
	view->plan = copyObject(plan);
	MemoryContextSwitchTo(old);
	return view->plan;
}

static void
run(KnownView *view, Tuplestorestate *rows, DestReceiver *receiver)
{
	EphemeralNamedRelationData delta = {0};
	QueryEnvironment *environment = create_queryEnv();
	QueryDesc *query;

	delta.md.name = DELTA_ROWS;
	delta.md.reliddesc = view->row.target;
	delta.md.enrtype = ENR_NAMED_TUPLESTORE;
	delta.md.enrtuples = tuplestore_tuple_count(rows);
	delta.reldata = rows;
	register_ENR(environment, &delta);
	query = CreateQueryDesc(plan_of(view), "", GetActiveSnapshot(), InvalidSnapshot, receiver, NULL,
							environment, 0);
	ExecutorStart(query, 0);
	ExecutorRun(query, ForwardScanDirection, 0, true);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
}

void
collect_run(KnownView *view, Tuplestorestate *rows, Tuplestorestate *store)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "telemetry view collects",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ErrorContextCallback callback = {
		.previous = error_context_stack, .callback = name_the_view, .arg = view};
	DestReceiver *receiver = CreateTuplestoreDestReceiver();
	OwnerScope scope;

	error_context_stack = &callback;
	owner_begin(&scope, view->owner);
	/* Values are taken out of the table's TOAST: its rows may be gone when they are read. */
	SetTuplestoreDestReceiverParams(receiver, store, context, true, NULL, NULL);
	PushActiveSnapshot(GetTransactionSnapshot());
	run(view, rows, receiver);
	PopActiveSnapshot();
	owner_end(&scope);
	error_context_stack = callback.previous;
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
			tuplestore_puttupleslot(converted, execute_attr_map_slot(map->attrMap, from, to));
		ExecDropSingleTupleTableSlot(from);
		ExecDropSingleTupleTableSlot(to);
		free_conversion_map(map);
	}
	table_close(root, AccessShareLock);
	return converted;
}

void
collect_rows(List *views, Relation relation, Tuplestorestate *rows, bool minus)
{
	Oid target;
	Tuplestorestate *ready;
	ListCell *cell;

	if (views == NIL || tuplestore_tuple_count(rows) == 0)
		return;
	target = ((KnownView *) linitial(views))->row.target;
	ready = target == RelationGetRelid(relation) ? rows : in_layout_of(target, relation, rows);
	foreach (cell, views)
	{
		KnownView *view = lfirst(cell);

		if (view->row.status == VIEW_LIVE)
			collect_run(view, ready,
						pending_store(pending_view(view->row.view, target, view->desc), minus));
	}
	if (ready != rows)
		tuplestore_end(ready);
}
