-- Continuous materialized views: what each is made of.

-- The tables and views that continuous views are made of; nobody looks in here to read them.
CREATE SCHEMA telemetry_state;
COMMENT ON SCHEMA telemetry_state IS
'State tables and definitions of continuous views. Read the views themselves; do not write here.';
GRANT USAGE ON SCHEMA telemetry_state TO PUBLIC;

CREATE TABLE telemetry._view (
    view_id       integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    view          regclass    NOT NULL CONSTRAINT view_view_key UNIQUE,
    target        regclass    NOT NULL,
    state         regclass    NOT NULL,
    definition    regclass    NOT NULL,
    partial       regclass    NOT NULL,
    expired       regclass    NOT NULL,
    keys          integer     NOT NULL,
    components    text[]      NOT NULL,
    status        text        NOT NULL CONSTRAINT view_status_choice CHECK (status IN ('live', 'unbuilt', 'stale', 'broken')),
    status_reason text,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE telemetry._view IS
'One row per continuous view; telemetry.continuous_view shows it.';
COMMENT ON COLUMN telemetry._view.components IS 'kind of each column of the state table behind its keys and its count of rows';
SELECT pg_catalog.pg_extension_config_dump('telemetry._view', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry._view_view_id_seq', '');
REVOKE ALL ON telemetry._view FROM PUBLIC;

CREATE FUNCTION telemetry._collect_changes() RETURNS trigger
AS 'MODULE_PATHNAME', 'telemetry_collect_changes' LANGUAGE C;
COMMENT ON FUNCTION telemetry._collect_changes() IS
'Hands the rows that a statement changed to the continuous views over the table. Made and dropped with the views.';

CREATE FUNCTION telemetry._maintenance_sql(view regclass) RETURNS text
AS 'MODULE_PATHNAME', 'telemetry_maintenance_sql' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION telemetry._maintenance_sql(regclass) IS
'The statements by which a continuous view is kept up to date, for reading: rows named delta stand for the changed rows.';

CREATE VIEW telemetry.continuous_view AS
SELECT v.view, v.target, pg_catalog.pg_get_userbyid(c.relowner) AS owner, v.status, v.status_reason,
       pg_catalog.pg_get_viewdef(v.definition) AS definition, v.state, v.created_at,
       telemetry._maintenance_sql(v.view) AS maintenance_sql
FROM telemetry._view v JOIN pg_catalog.pg_class c ON c.oid = v.view
WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE') OR pg_catalog.has_table_privilege(v.view, 'SELECT');
COMMENT ON VIEW telemetry.continuous_view IS
'Continuous views that the user may read: definition, state table, and the SQL that maintains them.';
COMMENT ON COLUMN telemetry.continuous_view.view IS 'the view as users read it';
COMMENT ON COLUMN telemetry.continuous_view.target IS 'table whose rows it aggregates';
COMMENT ON COLUMN telemetry.continuous_view.owner IS 'role as which it is maintained';
COMMENT ON COLUMN telemetry.continuous_view.status IS
'live: equals its query after every commit; unbuilt: made WITH NO DATA; stale: a change was missed; broken: its maintenance failed. All but live are mended by REFRESH MATERIALIZED VIEW';
COMMENT ON COLUMN telemetry.continuous_view.status_reason IS 'why it is not live';
COMMENT ON COLUMN telemetry.continuous_view.definition IS 'the query that the view equals';
COMMENT ON COLUMN telemetry.continuous_view.state IS 'table with one row per group';
COMMENT ON COLUMN telemetry.continuous_view.maintenance_sql IS 'how the rows that a statement changed are folded into the state';
GRANT SELECT ON telemetry.continuous_view TO PUBLIC;

CREATE FUNCTION telemetry.verify(view regclass, OUT side text, OUT "row" jsonb) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'telemetry_verify' LANGUAGE C STRICT;
COMMENT ON FUNCTION telemetry.verify(regclass) IS
'Compares a continuous view with its query in one snapshot. No row: they are equal. Else each row that only one of them holds: side is view or query. Needs SELECT on the view; reads the whole target. Example: SELECT * FROM telemetry.verify(''game.daily_active_users'')';

CREATE FUNCTION telemetry._after_drop() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'telemetry_after_drop' LANGUAGE C;
COMMENT ON FUNCTION telemetry._after_drop() IS
'Clears up after a continuous view that was dropped in whatever way.';

CREATE EVENT TRIGGER telemetry_after_drop ON sql_drop EXECUTE FUNCTION telemetry._after_drop();
COMMENT ON EVENT TRIGGER telemetry_after_drop IS
'Clears up after a continuous view that was dropped in whatever way.';
