/*
 * A utility statement on its way through the hook of utility.c, for those who look at one kind
 * each.
 */
#ifndef TELEMETRY_VIEW_UTILITY_INTERNAL_H
#define TELEMETRY_VIEW_UTILITY_INTERNAL_H

#include "postgres.h"

#include "catalog/view.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "tcop/utility.h"

typedef struct Utility
{
	PlannedStmt *statement;
	const char *text;
	ProcessUtilityContext context;
	ParamListInfo params;
	QueryEnvironment *environment;
	DestReceiver *receiver;
	QueryCompletion *completion;
} Utility;

/* On to the next hook, or to PostgreSQL. */
extern void utility_run(Utility *utility);

/* The statement, to be changed: nobody else may see the change. */
extern Node *utility_writable(Utility *utility);

/* The continuous view of that name; NULL: it is none, or nothing. */
extern ViewRow *utility_view(RangeVar *name);

/* ---- what statements there are: each function runs its own ----------------------------------- */

extern void utility_drop(Utility *utility);
extern void utility_change_owned(Utility *utility, List *role_names);
extern void utility_alter_table(Utility *utility);
extern void utility_create_table(Utility *utility);
extern void utility_create_trigger(Utility *utility);
extern void utility_drop_trigger(Utility *utility);
extern void utility_alter_enum(Utility *utility);
extern void utility_change_function(Utility *utility);

/* ---- what they have in common ---------------------------------------------------------------- */

/* Statements on parts of views by their names, which would make the views something else. */
extern void utility_refuse_parts(const Node *statement);

/* By our triggers' names we know them again. */
extern void utility_refuse_renamed_trigger(const RenameStmt *rename);

/*
 * To tell the views over one of a change a writer opens it, with the table in use. So who drops
 * such views or gives them away waits for the writers first; of others he waits when he has the
 * view. Rows may be NULL.
 */
extern void utility_writers_first(const List *rows);

/*
 * The views that follow a table; only: that one of them, or whose helper it is. suspended: those
 * that telemetry.suspend() holds, too.
 */
extern void utility_mark_stale(Oid relation, const ViewRow *only, const char *reason,
							   bool suspended);

/* After an ALTER: values of a row type have a column more, or one less. */
extern void utility_note_row_type(const AlterTableStmt *alter, Oid relation);

#endif
