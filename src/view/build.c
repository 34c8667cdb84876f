/*
 * A view is built while its table is written, by one session in several transactions:
 *
 *   prepare    lock against writers: triggers, journal, status 'building'. Whoever writes from here
 *              on puts his partial rows into the journal, and whoever wrote before has committed.
 *
 *   fill       one snapshot: the state is computed from the table, and what the snapshot sees of
 *              the journal is forgotten, since the table has it. The live views over it are filled
 *              from that, in the same transaction.
 *
 *   merge      again and again, one snapshot each: what the journal has is folded into the state;
 *              groups that cannot be taken from are computed anew under that same snapshot.
 *
 *   finish     lock against writers, the same once more, and status 'live'.
 *
 * Invariant: after each transaction the state is what the query gave at its snapshot, and the
 * journal has what was committed since. The journal's rows and the changes of the table that they
 * stand for commit together, so a snapshot sees both or neither: nothing is lost or repeated,
 * however old the writers' own snapshots are.
 *
 * A view over it that is 'live' equals its own query, over the rows that this one shows: writers
 * give nothing to it, and what the builder merges is passed on to it as by any fold. So it is live
 * again, or still, when this one is; and telemetry.continuous_view does not call it so before.
 *
 * A build that ends early leaves the status 'building' and no entry in shared memory: nobody
 * follows such a view, and it is shown as unbuilt. But the state of a view that was live before is
 * good from the beginning, so an error or a cancellation then only ends it sooner: what the journal
 * has is merged, and the view is live again.
 */
#include "view/build.h"

#include "access/table.h"
#include "base/attempt.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/crash.h"
#include "base/owner.h"
#include "base/spi.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "parser/analyze.h"
#include "pgstat.h"
#include "rewrite/rewriteHandler.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "view/collect.h"
#include "view/fold.h"
#include "view/generate.h"
#include "view/handover.h"
#include "view/journal.h"
#include "view/progress.h"
#include "view/suspend.h"
#include "view/trigger.h"
#include "view/view.h"

/* So many rows of the journal are few enough to be merged while writers wait. */
#define FEW_ROWS 1000

/* If writers are faster than that many rounds, they have to wait for the last one. */
#define MAX_ROUNDS 20

/* The view that is being built, for whoever has to clear up. */
static struct
{
	Oid view;
	Oid table;
	bool was_live;
} current;

bool
build_follows(const KnownView *view)
{
	if (view->row.status == VIEW_LIVE)
		return true;
	return view->row.status == VIEW_BUILDING &&
		   progress_running(view->main ? view->main->row.id : view->row.id);
}

/* ---- transactions and locks ------------------------------------------------------------------ */

/* Its snapshot is taken when it is first asked for, and stays. */
static void
next_transaction(void)
{
	SPI_commit();
	XactIsoLevel = XACT_REPEATABLE_READ;
}

static void
refuse_dropped(void)
{
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
					errmsg("the continuous view that is being built was dropped")));
}

/* The table that is followed in the end; all views in between must be live. */
static Oid
live_down_to(Oid target)
{
	Oid not_live;
	Oid table = view_table(target, &not_live);

	if (OidIsValid(not_live))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("continuous view \"%s\" is not live", get_rel_name(not_live)),
						errhint("Build that one first.")));
	return table;
}

/* The same, for a build, which waits for telemetry.resume(). */
static Oid
base_of(Oid target)
{
	target = live_down_to(target);
	suspend_refuse_building(target);
	return target;
}

static void
lock_writers_out(void *argument)
{
	Oid table = *(const Oid *) argument;
	int level = NewGUCNestLevel();

	(void) set_config_option("lock_timeout", psprintf("%d", DeadlockTimeout + 500), PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	LockRelationOid(table, ShareRowExclusiveLock);
	list_free(find_all_inheritors(table, ShareRowExclusiveLock, NULL));
	AtEOXact_GUC(true, level);
}

/*
 * All writers have ended and no new one begins, or false. Those that come later wait behind us, so
 * we do not stand in the queue for long. A little longer than deadlock_timeout, for which an
 * autovacuum worker in the way gives up; and a circle with a writer, who locked a partition and now
 * wants the table, ends with our giving up.
 */
static bool
try_to_hold_writers_off(Oid table)
{
	ErrorData *error = attempt(lock_writers_out, &table);

	if (error == NULL)
		return true;
	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
		error->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED)
		ReThrowError(error);
	FreeErrorData(error);
	return false;
}

/* Without a transaction's snapshot or lock in anybody's way. */
static void
wait_before(int tries)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Min(500L * (tries + 1), 10000L), PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* ---- one view's steps ------------------------------------------------------------------------ */

static List *
with_helpers(KnownView *view)
{
	return lappend(list_copy(known_helpers(view)), view);
}

/* What is built, after helpers the view that they feed. In a transaction that holds a lock. */
static List *
parts_of(Oid view)
{
	KnownView *whole = known_view(view);

	if (whole == NULL)
		refuse_dropped();
	if (whole->row.status != VIEW_BUILDING)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("building of continuous view %s was stopped", whole->name),
						errdetail("Something else changed its status meanwhile."),
						errhint("See status_reason in telemetry.continuous_view.")));
	return with_helpers(whole);
}

static void
prepare(const ViewRow *row, Oid table)
{
	KnownView *view;

	for (int tries = 0;; tries++)
	{
		SPI_commit();
		XactIsoLevel = XACT_READ_COMMITTED;
		if (try_to_hold_writers_off(table))
			break;
		SPI_commit();
		wait_before(tries);
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	view = known_view(row->view);
	if (view == NULL)
		refuse_dropped();
	if (table == row->target)
	{
		check_logged(table);
		triggers_install(table);
		CommandCounterIncrement();
		triggers_check(table);
	}
	journal_make(row, view->owner);
	view_set_status(row->id, VIEW_BUILDING, NULL);
	PopActiveSnapshot();
}

/* A statement of ours, over names that are all qualified. */
static PlannedStmt *
plan_sql(const char *sql)
{
	RawStmt *raw = linitial_node(RawStmt, pg_parse_query(sql));
	Query *query = parse_analyze_fixedparams(raw, sql, NULL, 0, NULL);

	return pg_plan_query(linitial_node(Query, QueryRewrite(query)), sql, 0, NULL);
}

static void
run_plan(PlannedStmt *plan, const char *sql, const List *tables)
{
	QueryDesc *query;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	query = CreateQueryDesc(plan, sql, GetActiveSnapshot(), InvalidSnapshot, None_Receiver, NULL,
							NULL, INSTRUMENT_ROWS);
	ExecutorStart(query, 0);
	progress_watch(query, tables);
	compat_executor_run(query);
	progress_unwatch();
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
	PopActiveSnapshot();
}

/* The tables whose rows are read, and an estimate of how many these are. */
static List *
tables_of(const KnownView *view, double *rows)
{
	ViewRow *below = view_by_oid(view->row.target, CurrentMemoryContext);
	List *tables =
		below ? list_make1_oid(below->state) : find_all_inheritors(view->row.target, NoLock, NULL);
	ListCell *cell;

	*rows = 0;
	foreach (cell, tables)
	{
		Relation table = table_open(lfirst_oid(cell), AccessShareLock);
		BlockNumber pages;
		double tuples;
		double visible;

		if (table->rd_rel->relkind == RELKIND_RELATION)
		{
			estimate_rel_size(table, NULL, &pages, &tuples, &visible);
			*rows += tuples;
		}
		table_close(table, NoLock);
	}
	return tables;
}

static PlannedStmt *
plan_part(const KnownView *view)
{
	PlannedStmt *plan;
	OwnerScope scope;

	owner_begin(&scope, view->owner);
	plan = plan_sql(generate_rebuild(view));
	owner_end(&scope);
	return plan;
}

static void
fill_part(const KnownView *view, PlannedStmt *plan, const List *tables, bool journal)
{
	OwnerScope scope;

	owner_begin(&scope, view->owner);
	spi_connect();
	spi_run(psprintf("DELETE FROM %s", view->state));
	if (view->earlier)
		spi_run(psprintf("DELETE FROM %s", view->earlier));
	if (journal)
		journal_forget(view);
	run_plan(plan, "telemetry.build", tables);
	SPI_finish();
	owner_end(&scope);
}

/* The views over a view, without helpers. */
static List *
followers_of(Oid view)
{
	List *followers = NIL;
	ListCell *cell;

	foreach (cell, view_all(view, CurrentMemoryContext))
	{
		const ViewRow *row = lfirst(cell);

		if (row->feeds == 0)
			followers = lappend_oid(followers, row->view);
	}
	return followers;
}

/* Those that are live, each before what is over it. */
static List *
live_followers(Oid view)
{
	List *live = NIL;
	ListCell *cell;

	foreach (cell, followers_of(view))
		if (view_by_oid(lfirst_oid(cell), CurrentMemoryContext)->status == VIEW_LIVE)
			live =
				list_concat(lappend_oid(live, lfirst_oid(cell)), live_followers(lfirst_oid(cell)));
	return live;
}

/* What the view below holds by now is this transaction's own. */
static void
fill_follower(Oid follower)
{
	ListCell *cell;
	double rows;

	foreach (cell, with_helpers(known_view(follower)))
	{
		const KnownView *view = lfirst(cell);

		CommandCounterIncrement();
		fill_part(view, plan_part(view), tables_of(view, &rows), false);
	}
}

static double
rows_for_followers(const List *followers)
{
	double total = 0;
	double rows;
	ListCell *cell;

	foreach (cell, followers)
	{
		KnownView *view = known_view(lfirst_oid(cell));

		(void) tables_of(view, &rows);
		total += rows * (list_length(known_helpers(view)) + 1);
	}
	return total;
}

/*
 * Partitions must not come between the snapshot and the plan: the plan would read rows that the
 * journal has as well. From then on they may; none can go, for which we would have to let go of
 * the table.
 */
static void
fill(const ViewRow *row, Oid table)
{
	List *parts;
	List *plans = NIL;
	List *followers;
	List *tables;
	ListCell *cell;
	ListCell *plan;
	double total;

	next_transaction();
	LockRelationOid(table, AccessShareLock);
	LockRelationOid(table, ShareUpdateExclusiveLock);
	PushActiveSnapshot(GetTransactionSnapshot());
	progress_phase(BUILD_READS);
	crash_point("build_reads");
	followers = live_followers(row->view);
	parts = parts_of(row->view);
	foreach (cell, parts)
		plans = lappend(plans, plan_part(lfirst(cell)));
	tables = tables_of(llast(parts), &total);
	progress_total(total * list_length(parts) + rows_for_followers(followers));
	UnlockRelationOid(table, ShareUpdateExclusiveLock);
	forboth (cell, parts, plan, plans)
		fill_part(lfirst(cell), lfirst(plan), tables, true);
	foreach (cell, followers)
		fill_follower(lfirst_oid(cell));
	PopActiveSnapshot();
}

/* One snapshot's worth of the journal; how many rows that was. In a new transaction, locked. */
static int64
merge_journal(const ViewRow *row)
{
	List *pendings = NIL;
	int64 rows = 0;
	ListCell *cell;

	if (FirstSnapshotSet)
		elog(ERROR, "snapshot of a round was taken before its lock");
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach (cell, parts_of(row->view))
	{
		PendingView *pending = journal_take(lfirst(cell));

		rows += pending->plus ? tuplestore_tuple_count(pending->plus) : 0;
		rows += pending->minus ? tuplestore_tuple_count(pending->minus) : 0;
		pendings = lappend(pendings, pending);
	}
	CommandCounterIncrement();
	crash_point("journal_taken");
	fold_journal(pendings);
	crash_point("journal_folded");
	PopActiveSnapshot();
	return rows;
}

/* Partitions neither come nor go meanwhile; writers write. */
static int64
merge_round(const ViewRow *row, Oid table)
{
	next_transaction();
	progress_phase(BUILD_MERGES);
	LockRelationOid(table, ShareUpdateExclusiveLock);
	return merge_journal(row);
}

static void
finish(const ViewRow *row, Oid table)
{
	for (int tries = 0;; tries++)
	{
		next_transaction();
		progress_phase(BUILD_WAITS);
		if (try_to_hold_writers_off(table))
			break;
		SPI_commit();
		wait_before(tries);
		(void) merge_round(row, table);
	}
	progress_phase(BUILD_FINISHES);
	crash_point("build_finishes");
	(void) merge_journal(row);
	PushActiveSnapshot(GetTransactionSnapshot());
	view_set_status(row->id, VIEW_LIVE, NULL);
	PopActiveSnapshot();
	SPI_commit();
	crash_point("build_live");
	PushActiveSnapshot(GetTransactionSnapshot());
	journal_drop(row);
	PopActiveSnapshot();
	SPI_commit();
}

/* ---- a view, and those over it --------------------------------------------------------------- */

static void build_view(Oid view);

/* Those over it that were not live; the others have been filled with it. */
static void
build_followers(Oid view)
{
	List *followers;
	ListCell *cell;

	PushActiveSnapshot(GetTransactionSnapshot());
	followers = followers_of(view);
	PopActiveSnapshot();
	foreach (cell, followers)
	{
		const ViewRow *row;

		PushActiveSnapshot(GetTransactionSnapshot());
		row = view_by_oid(lfirst_oid(cell), CurrentMemoryContext);
		PopActiveSnapshot();
		if (row && row->status == VIEW_LIVE)
			build_followers(row->view);
		else
			build_view(lfirst_oid(cell));
	}
}

static void
build_view(Oid view)
{
	ViewRow *row;
	Oid table;

	PushActiveSnapshot(GetTransactionSnapshot());
	row = view_by_oid(view, CurrentMemoryContext);
	if (row == NULL)
		refuse_dropped();
	table = base_of(row->target);
	PopActiveSnapshot();

	current.view = view;
	current.table = table;
	current.was_live = row->status == VIEW_LIVE;
	progress_begin(row);
	prepare(row, table);
	fill(row, table);
	for (int i = 0; i < MAX_ROUNDS && merge_round(row, table) > FEW_ROWS; i++)
		CHECK_FOR_INTERRUPTS();
	finish(row, table);
	progress_end();
	build_followers(view);
}

static List *
with_followers(Oid view)
{
	List *views = list_make1_oid(view);
	ListCell *cell;

	foreach (cell, followers_of(view))
		views = list_concat(views, with_followers(lfirst_oid(cell)));
	return views;
}

void
build_exclude(Oid view)
{
	ListCell *cell;

	foreach (cell, with_followers(view))
		LockRelationOid(lfirst_oid(cell), ShareUpdateExclusiveLock);
}

/* For all transactions to come. An abort releases them. */
static void
lock_for_session(const List *views, bool lock)
{
	ListCell *cell;

	foreach (cell, views)
	{
		LockRelId id = {.relId = lfirst_oid(cell), .dbId = MyDatabaseId};

		if (lock)
			LockRelationIdForSession(&id, ShareUpdateExclusiveLock);
		else
			UnlockRelationIdForSession(&id, ShareUpdateExclusiveLock);
	}
}

/*
 * In a new transaction, after an error in whatever step. Somebody else may have had the view
 * meanwhile; then its status says so.
 */
static void
make_live_again(void)
{
	List *views;
	ViewRow *row;

	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	views = list_make1_oid(current.view);
	lock_for_session(views, true);
	PushActiveSnapshot(GetTransactionSnapshot());
	row = view_by_oid(current.view, CurrentMemoryContext);
	PopActiveSnapshot();
	if (row && row->status == VIEW_BUILDING)
		finish(row, current.table);
	lock_for_session(views, false);
	SPI_finish();
}

/* The error is thrown on afterwards; one of the attempt itself leaves the view unbuilt. */
static void
clear_up(MemoryContext context)
{
	AbortOutOfAnyTransaction();
	StartTransactionCommand();
	PG_TRY();
	{
		make_live_again();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
}

void
build_online(Oid view)
{
	MemoryContext context = CurrentMemoryContext;
	List *views;
	ListCell *cell;

	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	current.was_live = false;
	views = with_followers(view);
	lock_for_session(views, true);
	/* What was dropped while we waited shows to nobody's snapshot there. */
	AcceptInvalidationMessages();
	foreach (cell, views)
		if (get_rel_name(lfirst_oid(cell)))
			collect_require_buildable(known_view(lfirst_oid(cell)));
		else if (lfirst_oid(cell) == view)
			refuse_dropped();
	PG_TRY();
	{
		build_view(view);
	}
	PG_CATCH();
	{
		ErrorData *error;

		/* What it looks at goes with the transaction. */
		progress_forget();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		if (current.was_live)
			clear_up(context);
		progress_end();
		MemoryContextSwitchTo(context);
		ReThrowError(error);
	}
	PG_END_TRY();
	lock_for_session(views, false);
	SPI_finish();
}

PG_FUNCTION_INFO_V1(telemetry_build);
Datum
telemetry_build(PG_FUNCTION_ARGS)
{
	Oid view = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	ViewRow *row;
	bool atomic = fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
				  castNode(CallContext, fcinfo->context)->atomic;

	view_check_preloaded();
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("the view of telemetry.build() must not be NULL")));
	row = view_by_oid(view, CurrentMemoryContext);
	if (row == NULL || row->feeds != 0)
		view_refuse_other(view);
	if (!compat_table_owner(view, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_MATVIEW, get_rel_name(view));
	if (atomic)
		ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
						errmsg("telemetry.build() cannot run inside a transaction block"),
						errdetail("It builds in several transactions, so that writers go on."),
						errhint("CALL it alone; or, inside of a transaction, use REFRESH "
								"MATERIALIZED VIEW, which holds writers off.")));
	if (row->status == VIEW_LIVE)
	{
		(void) live_down_to(row->target);
		ereport(NOTICE,
				(errmsg("continuous view \"%s\" is live already", get_rel_name(view)),
				 errhint("REFRESH MATERIALIZED VIEW CONCURRENTLY computes all of it anew.")));
	}
	else
		build_online(view);
	PG_RETURN_VOID();
}
