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
    earlier       regclass,
    source        regclass    NOT NULL,
    keys          integer     NOT NULL,
    components    text[]      NOT NULL,
    feeds         integer,
    feeds_columns text[],
    status        text        NOT NULL CONSTRAINT view_status_choice CHECK (status IN ('live', 'unbuilt', 'building', 'stale', 'broken')),
    status_reason text,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE telemetry._view IS
'One row per continuous view; telemetry.continuous_view shows it.';
COMMENT ON COLUMN telemetry._view.components IS 'kind of each column of the state table behind its keys and its count of rows';
COMMENT ON COLUMN telemetry._view.feeds IS 'of a helper that keeps the distinct values of each group: view_id of the view that counts them';
COMMENT ON COLUMN telemetry._view.feeds_columns IS 'columns of that view''s state: for the number of distinct values, and for their sum; either may be NULL';
COMMENT ON COLUMN telemetry._view.earlier IS 'of a view of sessions: table of all sessions but the newest of each key, which stands in the state table';
COMMENT ON COLUMN telemetry._view.source IS 'what the view reads: its state table, or a view of all sessions';
SELECT pg_catalog.pg_extension_config_dump('telemetry._view', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry._view_view_id_seq', '');
REVOKE ALL ON telemetry._view FROM PUBLIC;

CREATE TABLE telemetry._suspension (target regclass);
COMMENT ON TABLE telemetry._suspension IS
'What telemetry.suspend() covers: tables, and the views over them; NULL stands for the whole database.';
SELECT pg_catalog.pg_extension_config_dump('telemetry._suspension', '');
REVOKE ALL ON telemetry._suspension FROM PUBLIC;

CREATE FUNCTION telemetry._views_restored() RETURNS trigger
AS 'MODULE_PATHNAME', 'telemetry_views_restored' LANGUAGE C;
COMMENT ON FUNCTION telemetry._views_restored() IS
'Refuses rows of telemetry._view from a dump of data alone, unless telemetry.suspend() was called before.';

CREATE TRIGGER views_restored AFTER INSERT ON telemetry._view
FOR EACH STATEMENT EXECUTE FUNCTION telemetry._views_restored();

CREATE FUNCTION telemetry.suspend(target regclass DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'telemetry_suspend' LANGUAGE C;
COMMENT ON FUNCTION telemetry.suspend(regclass) IS
'From now on, what is written into a table is not for the continuous views over it, until telemetry.resume(): for a restore of data alone, and for '
'bulk loads. NULL: of all tables, for the owner of the extension; else for the owner of the table. Waits for writers of the table and builds of its '
'views. Errors: wrong_object_type, object_not_in_prerequisite_state (the transaction has written). '
'Example: SELECT telemetry.suspend(''game.fact_player_events'')';

CREATE FUNCTION telemetry.resume(target regclass DEFAULT NULL, states text DEFAULT 'rebuild') RETURNS void
AS 'MODULE_PATHNAME', 'telemetry_resume' LANGUAGE C;
COMMENT ON FUNCTION telemetry.resume(regclass, text) IS
'Ends telemetry.suspend() with the same argument. states says what becomes of the views that are live but for it: rebuild computes them anew, now; '
'restored declares that what they hold came along with the tables'' rows (telemetry.verify() checks it); stale leaves them stale, to be built by '
'telemetry.build() while writers go on. Errors: object_not_in_prerequisite_state (not suspended, a trigger of ours is disabled), '
'invalid_parameter_value. '
'Example: SELECT telemetry.resume(''game.fact_player_events'', states => ''stale'')';

CREATE FUNCTION telemetry._collect_changes() RETURNS trigger
AS 'MODULE_PATHNAME', 'telemetry_collect_changes' LANGUAGE C;
COMMENT ON FUNCTION telemetry._collect_changes() IS
'Hands the rows that a statement changed to the continuous views over the table. Made and dropped with the views.';

CREATE FUNCTION telemetry._maintenance_sql(view regclass) RETURNS text
AS 'MODULE_PATHNAME', 'telemetry_maintenance_sql' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION telemetry._maintenance_sql(regclass) IS
'The statements by which a continuous view is kept up to date, for reading: rows named delta stand for the changed rows.';

CREATE FUNCTION telemetry._is_building(view_id integer) RETURNS boolean
AS 'MODULE_PATHNAME', 'telemetry_is_building' LANGUAGE C STRICT;
COMMENT ON FUNCTION telemetry._is_building(integer) IS
'True while a session builds the continuous view of that number.';

CREATE VIEW telemetry._view_status AS
WITH RECURSIVE own AS (
    SELECT v.view_id, v.view, v.target,
           CASE WHEN b.interrupted THEN 'unbuilt' WHEN b.suspended THEN 'suspended' ELSE v.status END AS status,
           CASE WHEN b.interrupted THEN 'its build was interrupted' ELSE v.status_reason END AS status_reason
    FROM telemetry._view v, LATERAL (
        SELECT v.status = 'building' AND NOT telemetry._is_building(v.view_id) AS interrupted,
               v.status = 'live' AND EXISTS (SELECT FROM telemetry._suspension s
                                             WHERE s.target IS NULL OR s.target = v.target) AS suspended) AS b
    WHERE v.feeds IS NULL
), below AS (
    SELECT o.view_id, b.view, b.target, b.status FROM own o JOIN own b ON b.view = o.target WHERE o.status = 'live'
    UNION ALL
    SELECT o.view_id, b.view, b.target, b.status FROM below o JOIN own b ON b.view = o.target
), dead AS (
    SELECT DISTINCT ON (view_id) view_id, view, CASE status WHEN 'building' THEN status ELSE 'stale' END AS status
    FROM below WHERE status NOT IN ('live', 'suspended') ORDER BY view_id, status = 'building', view
)
SELECT o.view_id, coalesce(d.status, o.status) AS status,
       CASE WHEN d.status = 'building' THEN pg_catalog.format('view %s, which it follows, is being built', d.view::pg_catalog.regclass)
            WHEN d.status = 'stale' THEN pg_catalog.format('view %s, which it follows, is not live', d.view::pg_catalog.regclass)
            ELSE o.status_reason END AS status_reason
FROM own o LEFT JOIN dead d USING (view_id);
COMMENT ON VIEW telemetry._view_status IS 'What telemetry.continuous_view and stat_view say of views: what _view has, with what is known of builds, suspensions and the views below.';

CREATE VIEW telemetry.continuous_view AS
SELECT v.view, v.target, pg_catalog.pg_get_userbyid(c.relowner) AS owner, b.status, b.status_reason,
       pg_catalog.pg_get_viewdef(v.definition) AS definition, v.state, v.created_at,
       telemetry._maintenance_sql(v.view) AS maintenance_sql
FROM telemetry._view v JOIN pg_catalog.pg_class c ON c.oid = v.view JOIN telemetry._view_status b USING (view_id)
WHERE (pg_catalog.pg_has_role(c.relowner, 'USAGE') OR pg_catalog.has_table_privilege(v.view, 'SELECT'));
COMMENT ON VIEW telemetry.continuous_view IS
'Continuous views that the user may read: definition, state table, and the SQL that maintains them.';
COMMENT ON COLUMN telemetry.continuous_view.view IS 'the view as users read it';
COMMENT ON COLUMN telemetry.continuous_view.target IS 'table whose rows it aggregates';
COMMENT ON COLUMN telemetry.continuous_view.owner IS 'role as which it is maintained';
COMMENT ON COLUMN telemetry.continuous_view.status IS
'live: equals its query after every commit; unbuilt: made WITH NO DATA, or its build was interrupted; building: telemetry.progress_build shows how '
'far; suspended: telemetry.suspend() is in force; stale: a change was missed; broken: its maintenance failed. telemetry.build() and REFRESH '
'MATERIALIZED VIEW make it live';
COMMENT ON COLUMN telemetry.continuous_view.status_reason IS 'why it is not live';
COMMENT ON COLUMN telemetry.continuous_view.definition IS 'the query that the view equals';
COMMENT ON COLUMN telemetry.continuous_view.state IS 'table with one row per group';
COMMENT ON COLUMN telemetry.continuous_view.created_at IS 'when it was created';
COMMENT ON COLUMN telemetry.continuous_view.maintenance_sql IS 'how the rows that a statement changed are folded into the state';
GRANT SELECT ON telemetry.continuous_view TO PUBLIC;

CREATE PROCEDURE telemetry.build(view regclass)
AS 'MODULE_PATHNAME', 'telemetry_build' LANGUAGE C;
COMMENT ON PROCEDURE telemetry.build(regclass) IS
'Builds a continuous view that is not live, and those over it, while its table is written; writers wait for two moments. Runs in transactions of its '
'own, so not inside a transaction block. telemetry.progress_build shows how far it is. May be cancelled at any time: the view is unbuilt then, and '
'can be built again. For the owner of the view. '
'Example: CALL telemetry.build(''game.daily_active_users'')';

CREATE FUNCTION telemetry._build_progress(
    OUT pid integer, OUT view oid, OUT phase text, OUT rows_done bigint, OUT rows_total bigint,
    OUT started_at timestamptz)
RETURNS SETOF record LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'telemetry_build_progress';
COMMENT ON FUNCTION telemetry._build_progress() IS 'Shared memory behind telemetry.progress_build.';

CREATE VIEW telemetry.progress_build WITH (security_barrier) AS
SELECT p.pid, p.view::pg_catalog.regclass AS view, p.phase, p.rows_done, p.rows_total, p.started_at
FROM telemetry._build_progress() p JOIN pg_catalog.pg_class c ON c.oid = p.view
WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE') OR pg_catalog.pg_has_role(c.relowner, 'USAGE');
COMMENT ON VIEW telemetry.progress_build IS
'Continuous views that are being built by telemetry.build() or REFRESH MATERIALIZED VIEW CONCURRENTLY now, one row each; for the owners of views and '
'for pg_monitor. '
'Example: SELECT view, phase, round(100.0 * rows_done / nullif(rows_total, 0)) AS percent FROM telemetry.progress_build';
COMMENT ON COLUMN telemetry.progress_build.pid IS 'process that builds; pg_cancel_backend() ends it';
COMMENT ON COLUMN telemetry.progress_build.view IS 'the view that is being built';
COMMENT ON COLUMN telemetry.progress_build.phase IS 'waiting for writers, reading the table, merging what was written meanwhile, or finishing (writers wait)';
COMMENT ON COLUMN telemetry.progress_build.rows_done IS 'rows of the table that were read';
COMMENT ON COLUMN telemetry.progress_build.rows_total IS 'estimate of how many are to be read; once for the view, and once for each value that it counts by DISTINCT';
COMMENT ON COLUMN telemetry.progress_build.started_at IS 'when the build of this view began';
GRANT SELECT ON telemetry.progress_build TO PUBLIC;

CREATE FUNCTION telemetry.verify(view regclass, OUT side text, OUT "row" jsonb) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'telemetry_verify' LANGUAGE C STRICT;
COMMENT ON FUNCTION telemetry.verify(regclass) IS
'Compares a continuous view with its query in one snapshot. No row: they are equal. Else each row that only one of them holds: side is view or query. '
'Needs SELECT on the view; reads the whole target. '
'Example: SELECT * FROM telemetry.verify(''game.daily_active_users'')';

CREATE FUNCTION telemetry.verify(view regclass, "from" timestamptz, "to" timestamptz, OUT side text, OUT "row" jsonb)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'telemetry_verify_range' LANGUAGE C;
COMMENT ON FUNCTION telemetry.verify(regclass, timestamptz, timestamptz) IS
'The same for groups whose key is from a time on and before another; NULL leaves that side open. The key is the first of type date, timestamp or '
'timestamptz (which are compared in the session''s time zone); a group without it is in no range. Compares the rows of the state, also those that '
'HAVING hides. Of the target it reads partitions, or by an index, what the key''s expression leads to. Errors: feature_not_supported (no such key; a '
'view of sessions). '
'Example: SELECT * FROM telemetry.verify(''game.daily_active_users'', now() - interval ''3 days'', NULL)';

CREATE FUNCTION telemetry._after_drop() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'telemetry_after_drop' LANGUAGE C;
COMMENT ON FUNCTION telemetry._after_drop() IS
'Clears up after a continuous view that was dropped in whatever way.';

CREATE EVENT TRIGGER telemetry_after_drop ON sql_drop EXECUTE FUNCTION telemetry._after_drop();
-- In the replica role, too: a view that is gone would make every INSERT into its table fail.
ALTER EVENT TRIGGER telemetry_after_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER telemetry_after_drop IS
'Clears up after a continuous view that was dropped in whatever way.';

CREATE FUNCTION telemetry.finalized_until(view regclass) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'telemetry_finalized_until' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION telemetry.finalized_until(regclass) IS
'Event time up to which a continuous view is final: the least watermark of all pipelines into its target (of a view over views: into the table below '
'them; of a table: into it). A later event may still come and will be counted, but none is expected. NULL: no pipeline, or one that has no watermark '
'yet. Needs SELECT on the view. '
'Example: SELECT *, day + interval ''1 day'' <= telemetry.finalized_until(''game.daily_active_users'') AS is_final FROM game.daily_active_users';

CREATE FUNCTION telemetry.is_final(view regclass, window_end timestamptz) RETURNS boolean
AS 'MODULE_PATHNAME', 'telemetry_is_final' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION telemetry.is_final(regclass, timestamptz) IS
'Whether no event is expected any more before window_end, the end of a window that is not in it: telemetry.finalized_until(view) has come there. '
'Later ones are counted as well, and make no difference to this. False while there is no watermark, and where window_end is NULL. view: a continuous '
'view, or a table that pipelines write to; SELECT on it is needed. The watermark is looked up once a statement. Errors: wrong_object_type (neither a '
'continuous view nor a table). '
'Example: SELECT * FROM game.hourly WHERE telemetry.is_final(''game.hourly'', hour + interval ''1 hour'')';
CREATE FUNCTION telemetry.is_final(view regclass, window_end timestamp) RETURNS boolean
AS 'MODULE_PATHNAME', 'telemetry_is_final' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION telemetry.is_final(regclass, timestamp) IS
'As is_final(regclass, timestamptz), for times without a zone, which are of UTC as the watermark is. '
'Example: SELECT telemetry.is_final(''readings_by_hour'', hour + interval ''1 hour'') FROM readings_by_hour';
CREATE FUNCTION telemetry.is_final(view regclass, day date, time_zone text DEFAULT 'UTC') RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN telemetry.is_final(view, (day + 1)::timestamp AT TIME ZONE time_zone);
COMMENT ON FUNCTION telemetry.is_final(regclass, date, text) IS
'As is_final(regclass, timestamptz), of the end of a day as the clocks of a time zone show it. Errors: invalid_parameter_value (no such time zone). '
'Example: SELECT *, telemetry.is_final(''game.fact_player_events'', event_date, ''Europe/Berlin'') FROM game.kpi_daily_active_users';

CREATE FUNCTION telemetry.session_is_closed(view regclass, ended_at timestamptz, gap interval DEFAULT NULL) RETURNS boolean
AS 'MODULE_PATHNAME', 'telemetry_session_is_closed' LANGUAGE C STABLE;
COMMENT ON FUNCTION telemetry.session_is_closed(regclass, timestamptz, interval) IS
'Whether no event is expected any more that belongs to a session whose last event was at ended_at: telemetry.finalized_until(view) is past ended_at + '
'gap. False while there is no watermark, and for events without a time. gap: that of the view''s session_window() if it is NULL; needed for views '
'over a view of sessions (42809: the view has no sessions; 0A000: their gaps differ by row). Needs SELECT on the view; the watermark is looked up '
'once a statement. '
'Example: SELECT *, telemetry.session_is_closed(''game.fact_player_sessions'', ended_at) AS is_closed FROM game.fact_player_sessions';
CREATE FUNCTION telemetry.session_is_closed(view regclass, ended_at timestamp, gap interval DEFAULT NULL) RETURNS boolean
AS 'MODULE_PATHNAME', 'telemetry_session_is_closed' LANGUAGE C STABLE;
COMMENT ON FUNCTION telemetry.session_is_closed(regclass, timestamp, interval) IS
'As session_is_closed(regclass, timestamptz, interval), for times without a zone, which are of UTC as the watermark is. '
'Example: SELECT *, telemetry.session_is_closed(''reading_sessions'', ended_at) AS is_closed FROM reading_sessions';

CREATE FUNCTION telemetry._view_counts(
    OUT view oid, OUT folds bigint, OUT rows bigint, OUT milliseconds double precision,
    OUT last_fold_at timestamptz)
RETURNS SETOF record LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'telemetry_view_counts';
COMMENT ON FUNCTION telemetry._view_counts() IS 'Shared memory behind telemetry.stat_view.';

CREATE FUNCTION telemetry._late(view regclass) RETURNS bigint
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'telemetry_view_late';
COMMENT ON FUNCTION telemetry._late(regclass) IS
'Rows that pipelines stored in a view''s target with an event time before their watermark. Needs SELECT on the view, or pg_monitor.';

CREATE VIEW telemetry.stat_view WITH (security_barrier) AS
SELECT v.view, v.target, b.status, b.status_reason,
       coalesce(s.folds, 0) AS folds, coalesce(s.rows, 0) AS rows_folded,
       coalesce(s.milliseconds, 0) AS milliseconds, s.last_fold_at,
       telemetry._late(v.view) AS late
FROM telemetry._view v
JOIN pg_catalog.pg_class c ON c.oid = v.view
JOIN telemetry._view_status b USING (view_id)
LEFT JOIN telemetry._view_counts() s ON s.view = v.view
WHERE (pg_catalog.pg_has_role('pg_monitor', 'USAGE') OR pg_catalog.pg_has_role(c.relowner, 'USAGE'));
COMMENT ON VIEW telemetry.stat_view IS
'What the maintenance of each continuous view costs, since the server started; for the owners of views and for pg_monitor. '
'Example: SELECT view, milliseconds / nullif(folds, 0) AS ms_a_fold FROM telemetry.stat_view';
COMMENT ON COLUMN telemetry.stat_view.view IS 'the view as users read it';
COMMENT ON COLUMN telemetry.stat_view.target IS 'table whose rows it aggregates';
COMMENT ON COLUMN telemetry.stat_view.status IS 'as in telemetry.continuous_view';
COMMENT ON COLUMN telemetry.stat_view.status_reason IS 'why it is not live';
COMMENT ON COLUMN telemetry.stat_view.folds IS 'transactions (of workers: batches) whose changes were merged into its state';
COMMENT ON COLUMN telemetry.stat_view.rows_folded IS 'partial rows merged: one for each group that a statement or a batch touched';
COMMENT ON COLUMN telemetry.stat_view.milliseconds IS 'time that the merging took, at the end of transactions; collecting in the statements is not in it';
COMMENT ON COLUMN telemetry.stat_view.last_fold_at IS 'when a change was merged last; NULL: not since the server started';
COMMENT ON COLUMN telemetry.stat_view.late IS 'rows that pipelines stored in the target with an event time before their watermark; they are counted in the view';
GRANT SELECT ON telemetry.stat_view TO PUBLIC;
