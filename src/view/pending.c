#include "view/pending.h"

#include "access/xact.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

typedef struct PendingLevel
{
	SubTransactionId subtransaction;
	List *views;
	struct PendingLevel *outer;
} PendingLevel;

/*
 * All in TopTransactionContext; its files belong to the transaction, whichever part of it is over.
 */
static PendingLevel *top;
static void (*fold)(void);

static PendingLevel *
current_level(void)
{
	SubTransactionId current = GetCurrentSubTransactionId();
	PendingLevel *level;

	if (top && top->subtransaction == current)
		return top;
	level = MemoryContextAllocZero(TopTransactionContext, sizeof(PendingLevel));
	level->subtransaction = current;
	level->outer = top;
	return top = level;
}

static PendingView *
find(const List *views, Oid view)
{
	ListCell *cell;

	foreach (cell, views)
		if (((PendingView *) lfirst(cell))->view == view)
			return lfirst(cell);
	return NULL;
}

PendingView *
pending_view(Oid view, Oid target, TupleDesc desc)
{
	PendingLevel *level = current_level();
	PendingView *pending = find(level->views, view);
	MemoryContext old;

	if (pending)
		return pending;
	old = MemoryContextSwitchTo(TopTransactionContext);
	pending = palloc0(sizeof(PendingView));
	pending->view = view;
	pending->target = target;
	pending->desc = CreateTupleDescCopy(desc);
	level->views = lappend(level->views, pending);
	MemoryContextSwitchTo(old);
	return pending;
}

Tuplestorestate *
pending_store(PendingView *pending, bool minus)
{
	Tuplestorestate **store = minus ? &pending->minus : &pending->plus;

	if (*store == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
		ResourceOwner owner = CurrentResourceOwner;

		CurrentResourceOwner = TopTransactionResourceOwner;
		/* Rows that are in memory are put in order there, see sorted.c. */
		*store = tuplestore_begin_heap(false, false, Max(work_mem, maintenance_work_mem / 4));
		CurrentResourceOwner = owner;
		MemoryContextSwitchTo(old);
	}
	return *store;
}

static void
drop(Tuplestorestate **store)
{
	if (*store)
		tuplestore_end(*store);
	*store = NULL;
}

void
pending_supersede(PendingView *pending, bool emptied)
{
	drop(&pending->plus);
	drop(&pending->minus);
	pending->superseded = true;
	pending->emptied = emptied;
	pending->collected = 0;
}

void
pending_copy_rows(Tuplestorestate *from, Tuplestorestate *to, TupleDesc desc)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);

	tuplestore_rescan(from);
	while (tuplestore_gettupleslot(from, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		tuplestore_puttupleslot(to, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
}

static void
append(PendingView *to, PendingView *from, bool minus)
{
	Tuplestorestate **source = minus ? &from->minus : &from->plus;
	Tuplestorestate **target = minus ? &to->minus : &to->plus;

	if (*source == NULL)
		return;
	if (*target == NULL)
	{
		*target = *source;
		*source = NULL;
		return;
	}
	pending_copy_rows(*source, *target, from->desc);
	drop(source);
}

/* The inner level's changes came after those of the outer one so far. */
static void
merge_level(PendingLevel *outer, PendingLevel *inner)
{
	ListCell *cell;

	foreach (cell, inner->views)
	{
		PendingView *from = lfirst(cell);
		PendingView *to = find(outer->views, from->view);

		if (to == NULL)
		{
			MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

			outer->views = lappend(outer->views, from);
			MemoryContextSwitchTo(old);
			continue;
		}
		if (from->superseded)
			pending_supersede(to, from->emptied);
		append(to, from, false);
		append(to, from, true);
		to->collected += from->collected;
		pfree(from);
	}
	list_free(inner->views);
	pfree(inner);
}

static void
free_view(PendingView *pending)
{
	drop(&pending->plus);
	drop(&pending->minus);
}

static void
at_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent,
				  void *argument)
{
	PendingLevel *level = top;
	ListCell *cell;

	if (level == NULL || level->subtransaction != mine)
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		if (level->outer && level->outer->subtransaction == parent)
		{
			top = level->outer;
			merge_level(top, level);
		}
		else
			level->subtransaction = parent;
	}
	else if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		top = level->outer;
		foreach (cell, level->views)
			free_view(lfirst(cell));
	}
}

static void
at_transaction(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (top)
				fold();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
			/* The memory goes with the transaction's context, the files with its owner. */
			top = NULL;
			break;
		default:
			break;
	}
}

bool
pending_any(void)
{
	return top != NULL;
}

/* What one level has for a view, behind what those outside it had; the level keeps it. */
static List *
with_level(List *all, const PendingView *from)
{
	PendingView *to = find(all, from->view);

	if (to == NULL)
	{
		to = palloc0(sizeof(PendingView));
		to->view = from->view;
		to->target = from->target;
		to->desc = CreateTupleDescCopy(from->desc);
		all = lappend(all, to);
	}
	if (from->superseded)
		pending_supersede(to, from->emptied);
	if (from->plus)
		pending_copy_rows(from->plus, pending_store(to, false), from->desc);
	if (from->minus)
		pending_copy_rows(from->minus, pending_store(to, true), from->desc);
	to->collected += from->collected;
	return all;
}

List *
pending_all(void)
{
	List *levels = NIL;
	List *all = NIL;
	ListCell *level;
	ListCell *cell;

	if (top == NULL || top->outer == NULL)
		return top ? top->views : NIL;
	for (PendingLevel *each = top; each; each = each->outer)
		levels = lcons(each, levels);
	foreach (level, levels)
		foreach (cell, ((PendingLevel *) lfirst(level))->views)
			all = with_level(all, lfirst(cell));
	return all;
}

void
pending_forget(void)
{
	ListCell *cell;

	for (; top; top = top->outer)
		foreach (cell, top->views)
			free_view(lfirst(cell));
}

void
pending_init(void (*at_commit)(void))
{
	fold = at_commit;
	RegisterXactCallback(at_transaction, NULL);
	RegisterSubXactCallback(at_subtransaction, NULL);
}
