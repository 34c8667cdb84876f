/*
 * INSERT and COPY into a topic.
 *
 * A statement ends when all its messages are acknowledged, so COMMIT has nothing left to fail for;
 * it waits once more all the same, for what a statement that failed inside a savepoint has left.
 * What was acknowledged stays in the topic, also when the transaction aborts.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "executor/executor.h"
#include "fdw/encode.h"
#include "fdw/options.h"
#include "fdw/topic.h"
#include "foreign/foreign.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Producers of this transaction: many small INSERTs make one connection. */
typedef struct CachedProducer
{
	KafkaSettings settings;
	char *topic;
	KafkaProducer *producer;
} CachedProducer;

static List *producers = NIL; /* in TopTransactionContext */

typedef struct TopicModify
{
	KafkaProducer *producer;
	Encoder *encoder;
	MemoryContext row_context;
} TopicModify;

/* ---- producers ----------------------------------------------------------------------------- */

static bool
strings_equal(const List *a, const List *b)
{
	ListCell *cell_a;
	ListCell *cell_b;

	if (list_length(a) != list_length(b))
		return false;
	forboth (cell_a, a, cell_b, b)
	{
		if (strcmp(lfirst(cell_a), lfirst(cell_b)) != 0)
			return false;
	}
	return true;
}

static void
producers_at_xact(XactEvent event, void *arg)
{
	ListCell *cell;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			foreach (cell, producers)
				kafka_producer_flush(((CachedProducer *) lfirst(cell))->producer);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			producers = NIL; /* they go with TopTransactionContext */
			break;
		default:
			break;
	}
}

static KafkaProducer *
producer_get(const KafkaSettings *settings, const char *topic)
{
	static bool registered = false;
	MemoryContext old;
	CachedProducer *cached;
	ListCell *cell;

	if (!registered)
	{
		RegisterXactCallback(producers_at_xact, NULL);
		registered = true;
	}
	foreach (cell, producers)
	{
		cached = lfirst(cell);
		if (strcmp(cached->topic, topic) == 0 &&
			strings_equal(cached->settings.names, settings->names) &&
			strings_equal(cached->settings.values, settings->values))
			return cached->producer;
	}

	old = MemoryContextSwitchTo(TopTransactionContext);
	cached = palloc0(sizeof(CachedProducer));
	cached->topic = pstrdup(topic);
	foreach (cell, settings->names)
		cached->settings.names = lappend(cached->settings.names, pstrdup(lfirst(cell)));
	foreach (cell, settings->values)
		cached->settings.values = lappend(cached->settings.values, pstrdup(lfirst(cell)));
	cached->producer = kafka_producer_open(&cached->settings, topic);
	producers = lappend(producers, cached);
	MemoryContextSwitchTo(old);
	return cached->producer;
}

/* ---- the callbacks ------------------------------------------------------------------------- */

static void
modify_begin(ModifyTableState *state, ResultRelInfo *result)
{
	Relation relation = result->ri_RelationDesc;
	Oid relid = RelationGetRelid(relation);
	ForeignTable *foreign = GetForeignTable(relid);
	MemoryContext context = state->ps.state->es_query_cxt;
	MemoryContext old = MemoryContextSwitchTo(context);
	TopicModify *modify = palloc0(sizeof(TopicModify));
	KafkaSettings settings = {NIL, NIL};
	TableOptions table;

	options_read_table(foreign->options, &table);
	options_connect(foreign->serverid, compat_result_user(result, state->ps.state), &settings);
	options_read_settings(foreign->options, &settings);
	modify->encoder = encoder_create(relid, RelationGetDescr(relation), &table);
	modify->producer = producer_get(&settings, table.topic);
	modify->row_context =
		AllocSetContextCreate(context, "telemetry topic insert", ALLOCSET_DEFAULT_SIZES);
	result->ri_FdwState = modify;
	MemoryContextSwitchTo(old);
}

static void
topic_begin_modify(ModifyTableState *state, ResultRelInfo *result, List *private, int subplan,
				   int eflags)
{
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
		modify_begin(state, result);
}

/* COPY, and rows routed to a partition that is a topic. */
static void
topic_begin_insert(ModifyTableState *state, ResultRelInfo *result)
{
	modify_begin(state, result);
}

static TupleTableSlot *
topic_insert(EState *estate, ResultRelInfo *result, TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	TopicModify *modify = result->ri_FdwState;
	EncodedMessage message;
	MemoryContext old;

	/* The executor leaves a foreign table's constraints to the wrapper. */
	if (result->ri_RelationDesc->rd_att->constr != NULL)
		ExecConstraints(result, slot, estate);
	/* So it does with a partition's bounds, except where it found the partition by them. */
	if (result->ri_RelationDesc->rd_rel->relispartition && result->ri_RootResultRelInfo == NULL)
		ExecPartitionCheck(result, slot, estate, true);
	MemoryContextReset(modify->row_context);
	old = MemoryContextSwitchTo(modify->row_context);
	encoder_row(modify->encoder, slot, &message);
	kafka_producer_send(modify->producer, message.partition, message.key, message.key_length,
						message.value, message.value_length, message.nheaders, message.headers,
						message.timestamp_ms);
	MemoryContextSwitchTo(old);
	return slot;
}

static void
topic_end_modify(EState *estate, ResultRelInfo *result)
{
	TopicModify *modify = result->ri_FdwState;

	if (modify == NULL)
		return;
	kafka_producer_flush(modify->producer);
	MemoryContextDelete(modify->row_context);
	result->ri_FdwState = NULL;
}

static int
topic_updatable(Relation relation)
{
	return 1 << CMD_INSERT;
}

/* The planner asks this first of an UPDATE or DELETE. */
static void
topic_refuse_update(PlannerInfo *root, Index index, RangeTblEntry *target, Relation relation)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("rows of foreign table \"%s\" cannot be updated or deleted",
						   RelationGetRelationName(relation)),
					errdetail("A topic is a log: messages are added at its end, and leave it by "
							  "retention or compaction."),
					errhint("INSERT a newer message with the same key.")));
}

static void
topic_truncate(List *relations, DropBehavior behavior, bool restart)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("foreign table \"%s\", a Kafka topic, cannot be truncated",
						   RelationGetRelationName((Relation) linitial(relations))),
					errhint("Use Kafka's own tools to delete messages.")));
}

void
topic_modify_callbacks(FdwRoutine *routine)
{
	routine->BeginForeignModify = topic_begin_modify;
	routine->BeginForeignInsert = topic_begin_insert;
	routine->ExecForeignInsert = topic_insert;
	routine->EndForeignModify = topic_end_modify;
	routine->EndForeignInsert = topic_end_modify;
	routine->IsForeignRelUpdatable = topic_updatable;
	routine->AddForeignUpdateTargets = topic_refuse_update;
	routine->ExecForeignTruncate = topic_truncate;
}
