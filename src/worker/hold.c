#include "postgres.h"

#include <signal.h>

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "base/compat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"
#include "view/statistics.h"
#include "worker/hold.h"
#include "worker/shared.h"
#include "worker/worker.h"

/* How long a statement waits for our workers to leave; then PostgreSQL says who is still there. */
#define HOLD_WAIT_MS 10000

static ProcessUtility_hook_type previous_utility_hook = NULL;

/* A role with CREATEDB may copy a database that is not its own if that is marked as a template. */
static bool
may_copy(Oid database)
{
	HeapTuple role = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool may = HeapTupleIsValid(role) && HeapTupleIsValid(tuple) &&
			   ((Form_pg_authid) GETSTRUCT(role))->rolcreatedb &&
			   ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;

	if (HeapTupleIsValid(role))
		ReleaseSysCache(role);
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return may;
}

/*
 * The database that a statement wants for itself, if the user may have it so: somebody who may not
 * drop a database must not be able to stop its pipelines by trying.
 */
static Oid
wanted_database(Node *statement)
{
	const char *name = NULL;
	bool copies = false;
	Oid database;

	if (IsA(statement, DropdbStmt))
		name = ((DropdbStmt *) statement)->dbname;
	else if (IsA(statement, RenameStmt) &&
			 ((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
		name = ((RenameStmt *) statement)->subname;
	else if (IsA(statement, AlterDatabaseStmt))
	{
		ListCell *cell;

		foreach (cell, ((AlterDatabaseStmt *) statement)->options)
			if (strcmp(((DefElem *) lfirst(cell))->defname, "tablespace") == 0)
				name = ((AlterDatabaseStmt *) statement)->dbname;
	}
	else if (IsA(statement, CreatedbStmt))
	{
		ListCell *cell;

		copies = true;
		name = "template1";
		foreach (cell, ((CreatedbStmt *) statement)->options)
		{
			DefElem *option = lfirst(cell);

			if (strcmp(option->defname, "template") == 0 && option->arg && IsA(option->arg, String))
				name = strVal(option->arg);
		}
	}
	if (name == NULL)
		return InvalidOid;
	database = get_database_oid(name, true);
	if (!OidIsValid(database) || database == MyDatabaseId)
		return InvalidOid;
	if (compat_database_owner(database, GetUserId()) || (copies && may_copy(database)))
		return database;
	return InvalidOid;
}

static void
hold_set(Oid from, Oid to)
{
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < (int) lengthof(worker_shared->held); i++)
		if (worker_shared->held[i] == from)
		{
			worker_shared->held[i] = to;
			break;
		}
	LWLockRelease(worker_shared->lock);
}

/* Asks every worker of the database to end; returns how many are there still. */
static int
hold_signal(Oid database, bool send)
{
	int n = 0;

	LWLockAcquire(worker_shared->lock, LW_SHARED);
	for (int i = 0; i < WORKER_DATABASES; i++)
	{
		DatabaseSlot *slot = &worker_shared->databases[i];

		if (slot->database != database)
			continue;
		if (slot->maintenance_pid > 0)
		{
			n++;
			if (send)
				kill(slot->maintenance_pid, SIGTERM);
		}
		if (slot->state < DATABASE_STARTING)
			continue;
		n++;
		if (send && slot->pid > 0)
			kill(slot->pid, SIGTERM);
	}
	for (int i = 0; i < worker_shared->nworkers; i++)
	{
		WorkerSlot *slot = shared_worker(i);

		if (slot->database != database || slot->pid == 0)
			continue;
		n++;
		if (send)
			kill(slot->pid, SIGTERM);
	}
	LWLockRelease(worker_shared->lock);
	return n;
}

static void
hold_wait(Oid database)
{
	for (int waited = 0; waited < HOLD_WAIT_MS; waited += 50)
	{
		/* Signalled again now and then: one that was just starting may have missed it. */
		if (hold_signal(database, waited % 1000 == 0) == 0)
			return;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 50,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

typedef struct Hold
{
	Oid database;
	bool wake; /* there is something that runs again, or goes with it */
} Hold;

/* Also when the session is ended in the midst of it, which PG_FINALLY() does not see. */
static void
hold_end(int code, Datum argument)
{
	const Hold *hold = (const Hold *) DatumGetPointer(argument);

	hold_set(hold->database, InvalidOid);
	/* If it was dropped the launcher finds nothing, and forgets it. */
	if (hold->wake)
		shared_request_database(hold->database);
}

/* Runs a statement while the database's workers are away. */
static void
run_held(Oid database, ProcessUtility_hook_type next, PlannedStmt *pstmt, const char *queryString,
		 bool readOnlyTree, ProcessUtilityContext context, ParamListInfo params,
		 QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	/* In template1, at each CREATE DATABASE, is nothing. */
	Hold hold = {
		.database = database,
		.wake = hold_signal(database, false) > 0 || shared_knows_database(database),
	};

	hold_set(InvalidOid, database);
	PG_ENSURE_ERROR_CLEANUP(hold_end, PointerGetDatum(&hold));
	{
		hold_wait(database);
		next(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	}
	PG_END_ENSURE_ERROR_CLEANUP(hold_end, PointerGetDatum(&hold));
	hold_end(0, PointerGetDatum(&hold));
	if (IsA(pstmt->utilityStmt, DropdbStmt))
		statistics_forget_database(database);
}

/*
 * What may let a database's workers run again that could not: a change of a pipeline that was
 * prepared and is committed now, or the database is open to connections again, of which the
 * launcher, who forgot it meanwhile, hears from nobody else.
 */
static bool
may_reopen(Node *statement)
{
	return worker_shared && (IsA(statement, AlterDatabaseStmt) ||
							 (IsA(statement, TransactionStmt) &&
							  ((TransactionStmt *) statement)->kind == TRANS_STMT_COMMIT_PREPARED));
}

static void
look_again(Node *statement)
{
	Oid database;

	if (IsA(statement, TransactionStmt))
	{
		/* Others' prepared transactions, of which there may be many, need no look into it. */
		if (worker_shared->prepared && OidIsValid(get_extension_oid("telemetry", true)))
			shared_request_database(MyDatabaseId);
		return;
	}
	database = get_database_oid(((AlterDatabaseStmt *) statement)->dbname, true);
	if (OidIsValid(database))
		worker_wake_database_at_commit(database);
}

static void
hold_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
			 ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,
			 DestReceiver *dest, QueryCompletion *qc)
{
	ProcessUtility_hook_type next =
		previous_utility_hook ? previous_utility_hook : standard_ProcessUtility;
	Oid database = worker_shared ? wanted_database(pstmt->utilityStmt) : InvalidOid;
	bool drops_extension = IsA(pstmt->utilityStmt, DropStmt) &&
						   ((DropStmt *) pstmt->utilityStmt)->removeType == OBJECT_EXTENSION;
	bool reopens = may_reopen(pstmt->utilityStmt);

	if (!OidIsValid(database))
	{
		next(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
		/* It may have been ours: then the workers have to go. */
		if (drops_extension)
			worker_wake_at_commit();
		if (reopens)
			look_again(pstmt->utilityStmt);
		return;
	}
	run_held(database, next, pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
}

void
hold_init(void)
{
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = hold_utility;
}
