/*
 * The utility statements that concern continuous views: a continuous view is, to PostgreSQL, a
 * plain view, but what people write of it says MATERIALIZED VIEW.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "view/create.h"
#include "view/leaf.h"
#include "view/publication.h"
#include "view/utility.h"
#include "view/utility_internal.h"
#include "view/view.h"
#include "view/view_index.h"

static ProcessUtility_hook_type next_hook;

void
utility_run(Utility *utility)
{
	ProcessUtility_hook_type go = next_hook ? next_hook : standard_ProcessUtility;

	go(utility->statement, utility->text, true, utility->context, utility->params,
	   utility->environment, utility->receiver, utility->completion);
}

Node *
utility_writable(Utility *utility)
{
	utility->statement = copyObject(utility->statement);
	return utility->statement->utilityStmt;
}

ViewRow *
utility_view(RangeVar *name)
{
	Oid relation = RangeVarGetRelid(name, NoLock, true);

	if (!OidIsValid(relation) || get_rel_relkind(relation) != RELKIND_VIEW)
		return NULL;
	return view_by_oid(relation, CurrentMemoryContext);
}

static void
refresh(Utility *utility)
{
	RefreshMatViewStmt *statement = (RefreshMatViewStmt *) utility->statement->utilityStmt;
	ViewRow *row = utility_view(statement->relation);

	if (row == NULL)
		utility_run(utility);
	else
	{
		view_check_preloaded();
		if (statement->concurrent)
		{
			/* Its own transactions are what lets the writers go on. */
			PreventInTransactionBlock(
				utility->context == PROCESS_UTILITY_TOPLEVEL,
				"REFRESH MATERIALIZED VIEW CONCURRENTLY of a continuous view");
			view_refresh_concurrently(row->view);
		}
		else
			view_refresh(row->view, !statement->skipData);
	}
}

/*
 * CREATE INDEX ON view: on its state table. Making one asks for CREATE on the schema, which is the
 * extension's.
 */
static void
create_index(Utility *utility)
{
	IndexStmt *index = (IndexStmt *) utility->statement->utilityStmt;
	ViewRow *row = index->relation ? utility_view(index->relation) : NULL;
	IndexStmt *earlier = NULL;
	Oid user;
	int context;

	if (row == NULL)
	{
		utility_run(utility);
		return;
	}
	view_index_check(row, index);
	(void) utility_writable(utility);
	/* Sessions stand in two tables. */
	if (OidIsValid(row->earlier))
	{
		earlier = view_index_on(row, row->earlier, index, utility->text);
		if (index->idxname)
			earlier->idxname = view_index_of_earlier(index->idxname);
	}
	index = view_index_on(row, row->state, index, utility->text);
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, context | SECURITY_LOCAL_USERID_CHANGE);
	utility->statement->utilityStmt = (Node *) index;
	utility_run(utility);
	utility->statement->utilityStmt = (Node *) earlier;
	if (earlier)
		utility_run(utility);
	SetUserIdAndSecContext(user, context);
}

static void
replace_view(Utility *utility)
{
	ViewStmt *statement = (ViewStmt *) utility->statement->utilityStmt;

	if (statement->replace && utility_view(statement->view))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("\"%s\" is a continuous view", statement->view->relname),
						errhint("Drop it, and create it anew.")));
	utility_run(utility);
}

/* A view's query is a rule of PostgreSQL's. */
static void
create_rule(Utility *utility)
{
	RuleStmt *rule = (RuleStmt *) utility->statement->utilityStmt;

	if (rule->event == CMD_SELECT && utility_view(rule->relation))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("\"%s\" is a continuous view", rule->relation->relname),
						errhint("Drop it, and create it anew.")));
	utility_run(utility);
}

/* What is in them is looked for by their names: writers would go on, and no view would follow. */
static void
refuse_renamed_schema(const RenameStmt *rename)
{
	if (rename->renameType == OBJECT_SCHEMA && (strcmp(rename->subname, "telemetry") == 0 ||
												strcmp(rename->subname, "telemetry_state") == 0))
		ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
						errmsg("cannot rename schema \"%s\"", rename->subname),
						errdetail("Extension telemetry finds by that name what it needs.")));
}

/* Statements that name the kind of object: ours is called by its other name. */
static void
rename_kind(Utility *utility)
{
	Node *node = utility->statement->utilityStmt;

	if (IsA(node, RenameStmt))
	{
		RenameStmt *rename = (RenameStmt *) node;

		utility_refuse_renamed_trigger(rename);
		refuse_renamed_schema(rename);
		if ((rename->renameType == OBJECT_MATVIEW || rename->relationType == OBJECT_MATVIEW) &&
			rename->relation && utility_view(rename->relation))
		{
			rename = (RenameStmt *) utility_writable(utility);
			if (rename->renameType == OBJECT_MATVIEW)
				rename->renameType = OBJECT_VIEW;
			else
				rename->relationType = OBJECT_VIEW;
		}
	}
	else if (IsA(node, AlterObjectSchemaStmt))
	{
		AlterObjectSchemaStmt *move = (AlterObjectSchemaStmt *) node;

		if (move->objectType == OBJECT_MATVIEW && utility_view(move->relation))
			((AlterObjectSchemaStmt *) utility_writable(utility))->objectType = OBJECT_VIEW;
	}
	else if (IsA(node, CommentStmt))
	{
		CommentStmt *comment = (CommentStmt *) node;

		if (comment->objtype == OBJECT_MATVIEW &&
			utility_view(makeRangeVarFromNameList((List *) comment->object)))
			((CommentStmt *) utility_writable(utility))->objtype = OBJECT_VIEW;
	}
	utility_run(utility);
}

/* It would run the query as that of a table, which PostgreSQL knows no such option of. */
static void
refuse_explain(const ExplainStmt *explain)
{
	const Query *query = (const Query *) explain->query;
	bool analyze = false;
	ListCell *cell;

	foreach (cell, explain->options)
		if (strcmp(((DefElem *) lfirst(cell))->defname, "analyze") == 0)
			analyze = defGetBoolean(lfirst(cell));
	if (analyze && IsA(query, Query) && query->commandType == CMD_UTILITY &&
		IsA(query->utilityStmt, CreateTableAsStmt) &&
		is_create_continuous(copyObject((CreateTableAsStmt *) query->utilityStmt)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("EXPLAIN ANALYZE cannot create a continuous view"),
				 errhint("Create it without, or EXPLAIN ANALYZE its query alone; the statements "
						 "that keep a view are shown by telemetry.continuous_view.")));
}

static void
dispatch(Utility *utility)
{
	Node *node = utility->statement->utilityStmt;

	utility_refuse_parts(node);
	switch (nodeTag(node))
	{
		case T_ExplainStmt:
			refuse_explain((const ExplainStmt *) node);
			utility_run(utility);
			break;
		case T_CopyStmt:
			leaf_copy((const CopyStmt *) node);
			utility_run(utility);
			break;
		case T_TruncateStmt:
			leaf_truncate((const TruncateStmt *) node);
			utility_run(utility);
			break;
		case T_CreateTableAsStmt:
			if (((CreateTableAsStmt *) node)->into->options != NIL)
			{
				CreateTableAsStmt *create = (CreateTableAsStmt *) utility_writable(utility);

				if (is_create_continuous(create))
				{
					view_create(create, utility->text, utility->completion);
					publication_follow();
					return;
				}
			}
			utility_run(utility);
			break;
		case T_RefreshMatViewStmt:
			refresh(utility);
			break;
		case T_DropOwnedStmt:
			view_repair();
			utility_change_owned(utility, ((DropOwnedStmt *) node)->roles);
			break;
		case T_ReassignOwnedStmt:
			utility_change_owned(utility, ((ReassignOwnedStmt *) node)->roles);
			break;
		case T_DropStmt:
			utility_drop(utility);
			break;
		case T_AlterTableStmt:
			utility_alter_table(utility);
			break;
		case T_CreateStmt:
		case T_CreateForeignTableStmt:
			utility_create_table(utility);
			break;
		case T_AlterEnumStmt:
			utility_alter_enum(utility);
			break;
		case T_CreateFunctionStmt:
		case T_DefineStmt:
		case T_AlterFunctionStmt:
			utility_change_function(utility);
			break;
		case T_IndexStmt:
			create_index(utility);
			break;
		case T_CreateTrigStmt:
			utility_create_trigger(utility);
			break;
		case T_RuleStmt:
			create_rule(utility);
			break;
		case T_ViewStmt:
			refuse_continuous(((ViewStmt *) node)->options);
			replace_view(utility);
			break;
		case T_CreatePublicationStmt:
		case T_AlterPublicationStmt:
			utility_run(utility);
			CommandCounterIncrement();
			publication_follow();
			break;
		case T_RenameStmt:
		case T_AlterObjectSchemaStmt:
		case T_CommentStmt:
			rename_kind(utility);
			break;
		default:
			utility_run(utility);
	}
}

static void
process_utility(PlannedStmt *statement, const char *text, bool read_only,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
				DestReceiver *receiver, QueryCompletion *completion)
{
	Utility utility = {statement, text, context, params, environment, receiver, completion};

	/* Names can be looked up only where a transaction is in order: not for ROLLBACK. */
	if (IsTransactionState() && !IsA(statement->utilityStmt, TransactionStmt) &&
		view_catalog_exists())
		dispatch(&utility);
	else
	{
		ProcessUtility_hook_type go = next_hook ? next_hook : standard_ProcessUtility;

		go(statement, text, read_only, context, params, environment, receiver, completion);
	}
}

void
utility_init(void)
{
	next_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
