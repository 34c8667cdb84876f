#include "catalog/view.h"

#include "base/spi.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static const char *const status_names[] = {"live",   "unbuilt",  "stale",
										   "broken", "building", "suspended"};

/*
 * Views with many keys come first: their groups are many, so that two writers rarely meet on one.
 * Those with few groups, which every writer updates, are locked last and so for the shortest time.
 * The order must be the same for all, or they would wait for each other in a circle.
 */
static const char select_view[] =
	"SELECT view_id, view::oid, target::oid, state::oid, definition::oid, partial::oid, "
	"expired::oid, keys, components, CASE WHEN status = 'live' AND EXISTS (SELECT FROM "
	"telemetry._suspension s WHERE s.target IS NULL OR s.target = _view.target) THEN 'suspended' "
	"ELSE status END, coalesce(feeds, 0), feeds_columns[1], feeds_columns[2], "
	"coalesce(earlier, 0)::oid, source::oid FROM telemetry._view "
	"WHERE ($1 = 0::oid OR view = $1) AND ($2 = 0::oid OR target = $2) "
	"ORDER BY keys DESC, view_id";

bool
view_catalog_exists(void)
{
	Oid schema = get_namespace_oid("telemetry", true);

	return OidIsValid(schema) && OidIsValid(get_relname_relid("_view", schema));
}

int
view_next_id(void)
{
	static SPIPlanPtr plan;
	OwnSpi scope;
	int id;

	own_spi_begin(&scope);
	own_spi_run(&plan, "SELECT nextval('telemetry._view_view_id_seq')::int", 0, NULL, NULL, NULL);
	id = own_spi_int32(0, 1, 0);
	own_spi_end(&scope);
	return id;
}

static Datum
text_array(const List *strings)
{
	Datum *elements = palloc(sizeof(Datum) * (list_length(strings) + 1));
	int n = 0;
	ListCell *cell;

	foreach (cell, strings)
		elements[n++] = CStringGetTextDatum(lfirst(cell));
	return PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Every backend's knowledge of the views over the target is old from now on. */
static void
invalidate(Oid target)
{
	/* It may be dropped already, with its views. */
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(target)))
		CacheInvalidateRelcacheByRelid(target);
}

static bool inserting;

bool
view_insert_is_ours(void)
{
	return inserting;
}

void
view_insert(const ViewRow *row)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID,      OIDOID,  OIDOID,  OIDOID,  OIDOID,  OIDOID, OIDOID, INT4OID,
				   TEXTARRAYOID, TEXTOID, INT4OID, TEXTOID, TEXTOID, OIDOID, OIDOID};
	Datum values[] = {
		Int32GetDatum(row->id),
		ObjectIdGetDatum(row->view),
		ObjectIdGetDatum(row->target),
		ObjectIdGetDatum(row->state),
		ObjectIdGetDatum(row->definition),
		ObjectIdGetDatum(row->partial),
		ObjectIdGetDatum(row->expired),
		Int32GetDatum(row->nkeys),
		text_array(row->components),
		CStringGetTextDatum(status_names[row->status]),
		Int32GetDatum(row->feeds),
		row->feeds_count ? CStringGetTextDatum(row->feeds_count) : (Datum) 0,
		row->feeds_sum ? CStringGetTextDatum(row->feeds_sum) : (Datum) 0,
		ObjectIdGetDatum(row->earlier),
		ObjectIdGetDatum(row->source),
	};
	char nulls[lengthof(values)];
	OwnSpi scope;

	memset(nulls, ' ', sizeof(nulls));
	nulls[11] = row->feeds_count ? ' ' : 'n';
	nulls[12] = row->feeds_sum ? ' ' : 'n';

	own_spi_begin(&scope);
	inserting = true;
	PG_TRY();
	{
		own_spi_run(
			&plan,
			"INSERT INTO telemetry._view (view_id, view, target, state, definition, partial, "
			"expired, keys, components, status, feeds, feeds_columns, earlier, source) "
			"OVERRIDING SYSTEM VALUE "
			"VALUES ($1, $2::oid::regclass, $3::oid::regclass, $4::oid::regclass, "
			"$5::oid::regclass, $6::oid::regclass, $7::oid::regclass, $8, $9, $10, "
			"nullif($11, 0), CASE WHEN $11 <> 0 THEN ARRAY[$12, $13] END, "
			"nullif($14, 0::oid)::regclass, $15::oid::regclass)",
			lengthof(types), types, values, nulls);
	}
	PG_FINALLY();
	{
		inserting = false;
	}
	PG_END_TRY();
	own_spi_end(&scope);
	invalidate(row->target);
}

void
view_delete(int id)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(id)};
	OwnSpi scope;
	Oid target = InvalidOid;

	own_spi_begin(&scope);
	if (own_spi_run(&plan, "DELETE FROM telemetry._view WHERE view_id = $1 RETURNING target::oid",
					1, types, values, NULL) > 0)
		target = own_spi_oid(0, 1);
	own_spi_end(&scope);
	if (OidIsValid(target))
		invalidate(target);
}

void
view_set_status(int id, ViewStatus status, const char *reason)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID, TEXTOID, TEXTOID};
	Datum values[] = {Int32GetDatum(id), CStringGetTextDatum(status_names[status]),
					  reason ? CStringGetTextDatum(reason) : (Datum) 0};
	OwnSpi scope;
	Oid target = InvalidOid;

	own_spi_begin(&scope);
	if (own_spi_run(&plan,
					"UPDATE telemetry._view SET status = $2, status_reason = $3 "
					"WHERE view_id = $1 OR feeds = $1 RETURNING target::oid",
					3, types, values, reason ? NULL : "  n") > 0)
		target = own_spi_oid(0, 1);
	own_spi_end(&scope);
	if (OidIsValid(target))
		invalidate(target);
}

static List *
strings_of(Datum array, MemoryContext context)
{
	MemoryContext old;
	List *strings = NIL;
	Datum *elements;
	int n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL,
					  &n);
	old = MemoryContextSwitchTo(context);
	for (int i = 0; i < n; i++)
		strings = lappend(strings, TextDatumGetCString(elements[i]));
	MemoryContextSwitchTo(old);
	return strings;
}

static ViewStatus
status_of(const char *name)
{
	for (size_t i = 0; i < lengthof(status_names); i++)
		if (strcmp(status_names[i], name) == 0)
			return (ViewStatus) i;
	elog(ERROR, "unknown status of a continuous view: %s", name);
}

static ViewRow *
row_at(uint64 at, MemoryContext context)
{
	ViewRow *row = MemoryContextAllocZero(context, sizeof(ViewRow));
	bool isnull;

	row->id = own_spi_int32(at, 1, 0);
	row->view = own_spi_oid(at, 2);
	row->target = own_spi_oid(at, 3);
	row->state = own_spi_oid(at, 4);
	row->definition = own_spi_oid(at, 5);
	row->partial = own_spi_oid(at, 6);
	row->expired = own_spi_oid(at, 7);
	row->nkeys = own_spi_int32(at, 8, 0);
	row->components = strings_of(own_spi_datum(at, 9, &isnull), context);
	row->status = status_of(own_spi_text(at, 10, CurrentMemoryContext));
	row->feeds = own_spi_int32(at, 11, 0);
	row->feeds_count = own_spi_text(at, 12, context);
	row->feeds_sum = own_spi_text(at, 13, context);
	row->earlier = own_spi_oid(at, 14);
	row->source = own_spi_oid(at, 15);
	return row;
}

static List *
select_views(Oid view, Oid target, MemoryContext context)
{
	static SPIPlanPtr plan;
	Oid types[] = {OIDOID, OIDOID};
	Datum values[] = {ObjectIdGetDatum(view), ObjectIdGetDatum(target)};
	List *rows = NIL;
	OwnSpi scope;
	uint64 n;

	own_spi_begin(&scope);
	/* A writer with an older snapshot follows the views that were made since, too. */
	n = own_spi_run_latest(&plan, select_view, 2, types, values, NULL);
	for (uint64 i = 0; i < n; i++)
	{
		ViewRow *row = row_at(i, context);
		MemoryContext old = MemoryContextSwitchTo(context);

		rows = lappend(rows, row);
		MemoryContextSwitchTo(old);
	}
	own_spi_end(&scope);
	return rows;
}

ViewRow *
view_by_oid(Oid view, MemoryContext context)
{
	List *rows;

	if (!OidIsValid(view) || !view_catalog_exists())
		return NULL;
	rows = select_views(view, InvalidOid, context);
	return rows == NIL ? NULL : linitial(rows);
}

Oid
view_table(Oid relation, Oid *not_live)
{
	Oid first = InvalidOid;
	const ViewRow *row;

	while ((row = view_by_oid(relation, CurrentMemoryContext)) != NULL)
	{
		if (!OidIsValid(first) && row->status != VIEW_LIVE)
			first = relation;
		relation = row->target;
	}
	if (not_live)
		*not_live = first;
	return relation;
}

List *
view_all(Oid target, MemoryContext context)
{
	return view_catalog_exists() ? select_views(InvalidOid, target, context) : NIL;
}

List *
view_helpers(const ViewRow *row, MemoryContext context)
{
	List *helpers = NIL;
	ListCell *cell;

	foreach (cell, view_all(row->target, context))
		if (((ViewRow *) lfirst(cell))->feeds == row->id)
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			helpers = lappend(helpers, lfirst(cell));
			MemoryContextSwitchTo(old);
		}
	return helpers;
}
