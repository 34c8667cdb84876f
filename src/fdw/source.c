/*
 * A foreign table as something to read from: its definition compiled once, then applied to every
 * message.
 */
#include "postgres.h"

#include "fdw/source.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "base/attempt.h"
#include "base/compat.h"
#include "base/sqlstate.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "fdw/options.h"
#include "fdw/topic.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

typedef struct SourceCheck
{
	char *name;
	ExprState *state;
} SourceCheck;

/* Compiled CHECK constraints, and what they need to run outside of any plan. */
struct SourceChecks
{
	EState *estate;
	ExprContext *econtext;
	TupleTableSlot *slot;
	const char *current; /* the constraint being evaluated, or NULL */
	int n;
	SourceCheck check[FLEXIBLE_ARRAY_MEMBER];
};

/* ---- opening ------------------------------------------------------------------------------- */

/* True for a foreign table of this wrapper, however that was named. */
static bool
relation_is_topic(Relation relation)
{
	return relation->rd_rel->relkind == RELKIND_FOREIGN_TABLE &&
		   GetFdwRoutineForRelation(relation, false)->IterateForeignScan == topic_iterate_scan;
}

static void
source_read_columns(Source *source)
{
	DecoderColumn *columns = palloc0_array(DecoderColumn, source->desc->natts);
	DecoderSpec spec = {.format = source->format, .natts = source->desc->natts, .columns = columns};

	for (int i = 0; i < source->desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(source->desc, i);
		DecoderColumn *column = &columns[spec.ncolumns];
		ColumnOptions options;

		if (attribute->attisdropped)
			continue;
		options_read_column(GetForeignColumnOptions(source->relid, attribute->attnum), &options);
		column->name = NameStr(attribute->attname);
		column->index = i;
		column->type = attribute->atttypid;
		column->typmod = attribute->atttypmod;
		column->origin = options.origin;
		column->path = options.path;
		column->timestamp_format = options.timestamp_format;
		column->has_timestamp_format = options.has_timestamp_format;
		column->time_zone = options.time_zone;
		spec.ncolumns++;
	}
	source->decoder = decoder_create(&spec, source->context);
}

static void
source_compile_checks(Source *source, Oid userid)
{
	TupleConstr *constr = source->desc->constr;
	int n = constr != NULL ? constr->num_check : 0;
	struct SourceChecks *checks;
	Oid user;
	int security;

	if (n == 0)
		return;
	checks = palloc0(offsetof(struct SourceChecks, check) + sizeof(SourceCheck) * n);
	checks->estate = CreateExecutorState();
	checks->econtext = GetPerTupleExprContext(checks->estate);
	checks->slot = MakeSingleTupleTableSlot(source->desc, &TTSOpsVirtual);
	checks->slot->tts_tableOid = source->relid;
	checks->econtext->ecxt_scantuple = checks->slot;
	checks->n = n;

	/* Planning runs functions that call themselves IMMUTABLE: not as a worker's superuser. */
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(userid, security | SECURITY_RESTRICTED_OPERATION);
	for (int i = 0; i < n; i++)
	{
		Node *node = stringToNode(constr->check[i].ccbin);

		checks->check[i].name = constr->check[i].ccname;
		checks->check[i].state =
			ExecPrepareExpr((Expr *) make_ands_explicit(list_make1(node)), checks->estate);
	}
	SetUserIdAndSecContext(user, security);
	source->checks = checks;
}

/* Runs in source->context. */
static void
source_read(Source *source, Relation relation, Oid userid)
{
	ForeignTable *table = GetForeignTable(source->relid);
	TableOptions options;

	source->relation = quote_qualified_identifier(
		get_namespace_name(RelationGetNamespace(relation)), RelationGetRelationName(relation));
	source->server = table->serverid;
	source->desc = CreateTupleDescCopyConstr(RelationGetDescr(relation));
	options_read_table(table->options, &options);
	source->topic = options.topic;
	source->format = options.format;
	source->skip_errors = options.skip_errors;
	source->compacted = options.compacted;
	options_connect(source->server, userid, &source->settings);
	options_read_settings(table->options, &source->settings);
	source_read_columns(source);
	source_compile_checks(source, userid);
}

Source *
source_open(Oid relid, Oid userid, MemoryContext parent)
{
	MemoryContext context =
		AllocSetContextCreate(parent, "telemetry source", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Relation relation = relation_open(relid, AccessShareLock);
	Source *source = palloc0(sizeof(Source));

	PG_TRY();
	{
		if (!relation_is_topic(relation))
			ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
							errmsg("\"%s\" is not a foreign table on a Kafka topic",
								   RelationGetRelationName(relation)),
							errhint("Create it with CREATE FOREIGN TABLE on a server of the "
									"foreign data wrapper telemetry_kafka.")));
		source->relid = relid;
		source->context = context;
		source_read(source, relation, userid);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
		PG_RE_THROW();
	}
	PG_END_TRY();
	relation_close(relation, NoLock);
	MemoryContextSwitchTo(old);
	return source;
}

void
source_close(Source *source)
{
	if (source->checks != NULL)
	{
		ExecDropSingleTupleTableSlot(source->checks->slot);
		FreeExecutorState(source->checks->estate);
	}
	MemoryContextDelete(source->context);
}

void
source_check_rights(Oid relid, Oid userid)
{
	Oid server = GetForeignTable(relid)->serverid;

	if (pg_class_aclcheck(relid, userid, ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_TABLE, get_rel_name(relid));
	if (compat_server_aclcheck(server, userid, ACL_USAGE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_SERVER,
					   GetForeignServer(server)->servername);
}

/* ---- one message --------------------------------------------------------------------------- */

static bool
source_not_null(Source *source, const bool *isnull, DecodeError *error)
{
	for (int i = 0; i < source->desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(source->desc, i);

		if (!isnull[i] || !attribute->attnotnull || attribute->attisdropped)
			continue;
		error->sqlstate = ERRCODE_NOT_NULL_VIOLATION;
		error->message = psprintf("null value in column \"%s\" violates not-null constraint",
								  NameStr(attribute->attname));
		error->column = NameStr(attribute->attname);
		error->constraint = NULL;
		return false;
	}
	return true;
}

static bool
source_check(Source *source, Datum *values, bool *isnull, DecodeError *error)
{
	struct SourceChecks *checks = source->checks;
	TupleTableSlot *slot = checks->slot;

	ResetExprContext(checks->econtext);
	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, sizeof(Datum) * source->desc->natts);
	memcpy(slot->tts_isnull, isnull, sizeof(bool) * source->desc->natts);
	ExecStoreVirtualTuple(slot);
	for (int i = 0; i < checks->n; i++)
	{
		checks->current = checks->check[i].name;
		if (ExecCheck(checks->check[i].state, checks->econtext))
			continue;
		error->sqlstate = ERRCODE_CHECK_VIOLATION;
		error->message = psprintf("row violates check constraint \"%s\" of %s", checks->current,
								  source->relation);
		error->column = NULL;
		error->constraint = checks->current;
		checks->current = NULL;
		return false;
	}
	checks->current = NULL;
	return true;
}

SourceRow
source_row(Source *source, const MessageView *message, Datum *values, bool *isnull,
		   DecodeError *error)
{
	if (message->value == NULL && !source->compacted)
		return SOURCE_NO_ROW;
	if (!decoder_row(source->decoder, message, values, isnull, error))
		return SOURCE_BAD;
	if (!source_not_null(source, isnull, error))
		return SOURCE_BAD;
	if (source->checks != NULL && !source_check(source, values, isnull, error))
		return SOURCE_BAD;
	return SOURCE_ROW;
}

bool
source_may_throw(const Source *source)
{
	return source->checks != NULL || decoder_may_throw(source->decoder);
}

void
source_error_place(const Source *source, const char **column, const char **constraint)
{
	*constraint = source->checks != NULL ? source->checks->current : NULL;
	*column = *constraint == NULL ? decoder_current_column(source->decoder) : NULL;
}

/* ---- many messages ------------------------------------------------------------------------- */

static void
source_result(Source *source, const MessageView *message, SourceResult *result)
{
	result->verdict = source_row(source, message, result->values, result->isnull, &result->error);
}

typedef struct Decoding
{
	Source *source;
	int n;
	const MessageView *const *messages;
	SourceResult *results;
	int at; /* the message at hand */
} Decoding;

static void
decode_on(void *argument)
{
	Decoding *decoding = argument;

	for (; decoding->at < decoding->n; decoding->at++)
		source_result(decoding->source, decoding->messages[decoding->at],
					  &decoding->results[decoding->at]);
}

/* An error becomes a verdict. */
static void
refuse(Source *source, const ErrorData *error, SourceResult *result)
{
	result->verdict = SOURCE_BAD;
	result->error.sqlstate = error->sqlerrcode;
	result->error.message = error->message != NULL ? error->message : pstrdup("unknown error");
	source_error_place(source, &result->error.column, &result->error.constraint);
	if (source->checks != NULL)
		source->checks->current = NULL;
}

void
source_rows(Source *source, int n, const MessageView *const *messages, SourceResult *results)
{
	Decoding decoding = {.source = source, .n = n, .messages = messages, .results = results};
	int natts = source->desc->natts;
	/* A batch of a million small messages, say, for a table of two hundred columns. */
	Datum *values = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * natts * n);
	bool *isnull = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(bool) * natts * n);

	for (int row = 0; row < n; row++)
	{
		results[row].values = values + (Size) row * natts;
		results[row].isnull = isnull + (Size) row * natts;
	}
	if (!source_may_throw(source))
	{
		decode_on(&decoding);
		return;
	}
	for (; decoding.at < n; decoding.at++)
	{
		ErrorData *error = attempt(decode_on, &decoding);

		if (error == NULL)
			break;
		/* Asked in any case, since it is forgotten by that. */
		if (!(decoder_input_threw(source->decoder) ? error_is_of_input(error)
												   : error_is_of_data(error)))
			ReThrowError(error);
		refuse(source, error, &results[decoding.at]);
	}
}
