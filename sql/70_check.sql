-- The doctor: what is wrong, in words, each with the command that mends it.

CREATE FUNCTION telemetry._has_partition(target regclass, at timestamptz) RETURNS boolean
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'telemetry_has_partition';
COMMENT ON FUNCTION telemetry._has_partition(regclass, timestamptz) IS
'True if a partition takes rows of that time; NULL for a table that is not partitioned by time, or locked just now.';

CREATE FUNCTION telemetry.check(max_lag interval DEFAULT '1 minute')
RETURNS TABLE (severity text, subject text, what text, command text)
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
WITH RECURSIVE pipelines AS (
    SELECT s.*, p.event_time_column, p.create_partitions, p.paused_at, p.workers,
           -- A pipeline that pauses for that cannot be resumed.
           CASE WHEN NOT EXISTS (SELECT FROM pg_class WHERE oid = s.source) THEN 'source'
                WHEN NOT EXISTS (SELECT FROM pg_class WHERE oid = s.target) THEN 'target' END AS dropped
    FROM telemetry.stat_pipeline s JOIN telemetry.pipeline p ON p.name = s.pipeline
), dead_views AS (
    SELECT view, target, status, status_reason FROM telemetry.stat_view WHERE status NOT IN ('live', 'building')
), chain (view, lowest, target) AS (
    -- A view over a view comes back to life with the lowest one that is dead.
    SELECT view, view, target FROM dead_views
    UNION ALL
    SELECT c.view, d.view, d.target FROM chain c JOIN dead_views d ON d.view = c.target
), needed (workers, processes) AS (
    -- Beside ingest workers: the launcher, a supervisor, maintenance, and PostgreSQL's own launcher of logical replication.
    SELECT n, n + 3 + (current_setting('max_logical_replication_workers')::integer > 0)::integer
    FROM (SELECT coalesce(sum(workers), 0) AS n FROM pipelines WHERE state NOT IN ('paused', 'not activated')) w
), enough (command) AS (
    SELECT format('ALTER SYSTEM SET max_worker_processes = %s; -- then restart the server',
                  greatest(processes, current_setting('max_worker_processes')::integer) + current_setting('max_parallel_workers')::integer)
    FROM needed
), findings (rank, subject, what, command) AS (
    -- The server.
    SELECT 1, 'server', 'telemetry is not in shared_preload_libraries: no pipeline runs, and continuous views cannot be made',
           format('ALTER SYSTEM SET shared_preload_libraries = %s; -- then restart the server',
                  concat_ws(', ', nullif(current_setting('shared_preload_libraries'), ''), 'telemetry'))
    WHERE NOT telemetry._workers_available()
    UNION ALL
    SELECT 1, 'server', 'telemetry.enabled is off: no pipeline runs',
           'ALTER SYSTEM SET telemetry.enabled = on; SELECT pg_reload_conf();'
    WHERE NOT coalesce(current_setting('telemetry.enabled', true)::boolean, true)
    UNION ALL
    SELECT 2, 'server', format('max_worker_processes is %s; %s ingest workers, the launcher, a supervisor, maintenance, logical replication and parallel queries share them',
                               current_setting('max_worker_processes'), workers), command
    FROM needed, enough
    WHERE workers > 0 AND current_setting('max_worker_processes')::integer < processes
    UNION ALL
    SELECT 2, 'server', format('telemetry.max_workers is %s; pipelines ask for %s workers', current_setting('telemetry.max_workers', true), workers),
           format('ALTER SYSTEM SET telemetry.max_workers = %s; -- and max_worker_processes with it; then restart the server', workers)
    FROM needed
    WHERE current_setting('telemetry.max_workers', true)::integer < workers
    UNION ALL
    SELECT 2, 'server', format('telemetry.max_partitions is %s; pipelines read %s partitions: those past it have no lag, and a silent one of them holds the watermark',
                               current_setting('telemetry.max_partitions', true), n),
           format('ALTER SYSTEM SET telemetry.max_partitions = %s; -- then restart the server', 2 * n)
    FROM (SELECT count(*) AS n FROM pipelines JOIN telemetry.stat_partition USING (pipeline) WHERE state = 'running') r
    WHERE current_setting('telemetry.max_partitions', true)::integer < n
    UNION ALL
    SELECT 1, 'pipeline ' || quote_ident(pipeline), format('its %s was dropped', dropped),
           format('SELECT telemetry.drop_pipeline(%L); -- and create it anew, from telemetry.stat_partition.committed_offset on if its rows are still there', pipeline)
    FROM pipelines WHERE dropped IS NOT NULL
    UNION ALL
    -- Pipelines that do not do what they shall.
    SELECT CASE state WHEN 'paused' THEN 2 ELSE 1 END, 'pipeline ' || quote_ident(pipeline),
           CASE state
                WHEN 'paused' THEN coalesce('paused since ' || date_trunc('second', paused_at) || ': ' || coalesce(reason, 'no reason was given'),
                                            'was created paused, and not resumed yet')
                WHEN 'not activated' THEN 'does not run here: the database was restored or copied'
                WHEN 'waiting for a worker' THEN 'has no worker: all of telemetry.max_workers or max_worker_processes are taken'
                ELSE format('%s: %s', state, error) END,
           CASE state
                WHEN 'waiting for a worker' THEN format('ALTER SYSTEM SET telemetry.max_workers = %s; %s',
                                                        current_setting('telemetry.max_workers', true)::integer + workers, (SELECT command FROM enough))
                WHEN 'connecting' THEN format('ALTER SERVER %I OPTIONS (SET bootstrap_servers ''HOST:PORT''); -- or mend the broker: it goes on by itself',
                                              (SELECT f.srvname FROM pg_foreign_table t JOIN pg_foreign_server f ON f.oid = t.ftserver WHERE t.ftrelid = source))
                WHEN 'retrying' THEN format('SELECT * FROM telemetry.stat_worker WHERE pipeline = %L; -- remove the cause: the batch is kept, and tried again', pipeline)
                WHEN 'failed' THEN
                    CASE WHEN error LIKE 'no slot for a background worker %' THEN (SELECT command FROM enough)
                    ELSE format('SELECT * FROM telemetry.stat_worker WHERE pipeline = %L; -- remove the cause: it is started again', pipeline) END
                ELSE format('SELECT telemetry.resume_pipeline(%L);', pipeline) END
    FROM pipelines
    WHERE dropped IS NULL AND (state IN ('paused', 'not activated', 'waiting for a worker') OR (state IN ('connecting', 'retrying', 'failed') AND error IS NOT NULL))
    UNION ALL
    SELECT 1, format('pipeline %I, partition %s', pipeline, partition), format('not read: %s', pause_reason),
           format('SELECT telemetry.resume_pipeline(%L); -- after what the reason asks for', pipeline)
    FROM telemetry.stat_partition WHERE pause_reason IS NOT NULL
    UNION ALL
    SELECT 2, 'pipeline ' || quote_ident(p.pipeline),
           format('is to read partitions that its topic does not have: %s', string_agg(n::text, ', ' ORDER BY n)),
           format('SELECT partition FROM telemetry.stat_partition WHERE pipeline = %L; -- those are there: telemetry.alter_pipeline(%L, partitions => ...)', p.pipeline, p.pipeline)
    FROM pipelines p JOIN telemetry.pipeline q ON q.name = p.pipeline CROSS JOIN unnest(q.partitions) n
    WHERE p.state = 'running' AND NOT EXISTS (SELECT FROM telemetry.stat_partition s WHERE s.pipeline = p.pipeline AND s.partition = n)
    GROUP BY p.pipeline
    UNION ALL
    SELECT 2, 'pipeline ' || quote_ident(pipeline),
           format('lags %s messages and %s seconds behind', lag, round(lag_seconds)),
           CASE WHEN workers < partitions THEN format('SELECT telemetry.alter_pipeline(%L, workers => %s);', pipeline, workers + 1)
                ELSE format('SELECT path, path_reason, batch_messages, batch_ms FROM telemetry.stat_worker WHERE pipeline = %L;', pipeline) END
    FROM pipelines WHERE state = 'running' AND lag_seconds > extract(epoch FROM max_lag)
    UNION ALL
    SELECT 1, 'pipeline ' || quote_ident(p.pipeline),
           format('waits for process %s%s', b, coalesce(format(' of %s (%s, transaction open since %s)', a.usename, a.state, date_trunc('second', a.xact_start)), '')),
           format('SELECT pg_terminate_backend(%s);', b)
    FROM pipelines p CROSS JOIN unnest(p.blocked_by) b LEFT JOIN pg_stat_activity a ON a.pid = b
    UNION ALL
    SELECT 2, 'pipeline ' || quote_ident(pipeline),
           format('%s dead letters, the last at %s', dead_letters, date_trunc('second', last_dead_letter_at)),
           format('SELECT message, count(*) FROM telemetry.dead_letter WHERE pipeline = %L GROUP BY 1 ORDER BY 2 DESC; '
                  'SELECT * FROM telemetry.retry_dead_letters(%L); -- after a fix', pipeline, pipeline)
    FROM pipelines WHERE last_dead_letter_at > clock_timestamp() - interval '1 hour'
    UNION ALL
    -- Event times.
    SELECT 3, 'pipeline ' || quote_ident(pipeline),
           format('event time column %I is a %s: without a zone, it is taken as UTC', event_time_column, format_type(t.atttypid, NULL)),
           format('ALTER FOREIGN TABLE %s ALTER COLUMN %I TYPE timestamptz; -- if events carry a zone', source, event_time_column)
    FROM pipelines JOIN pg_attribute t ON t.attrelid = source AND t.attname = event_time_column
    WHERE t.atttypid = ANY ('{timestamp,date}'::regtype[])
    UNION ALL
    -- Partitions of targets.
    SELECT DISTINCT 2, 'table ' || target::text, 'has no partition for tomorrow, and nobody makes one',
           format('SELECT telemetry.set_retention(%L, keep => NULL, create_partitions => ''day'');', target::text)
    FROM pipelines p
    WHERE create_partitions = 'none' AND NOT telemetry._has_partition(target, clock_timestamp() + interval '1 day')
      AND NOT EXISTS (SELECT FROM telemetry.retention r WHERE r.target = p.target AND r.create_partitions <> 'none')
    UNION ALL
    SELECT CASE WHEN active THEN 1 ELSE 2 END, 'retention of ' || target::text,
           CASE WHEN NOT active THEN 'is not active: the database was restored or copied'
                WHEN error IS NOT NULL THEN error
                WHEN partitions_ahead < ahead THEN format('%s of %s partitions are ready ahead', partitions_ahead, ahead)
                ELSE format('was due at %s', date_trunc('second', next_run_at)) END,
           CASE WHEN NOT active THEN format('SELECT telemetry.set_retention(%L, keep => %L, create_partitions => %L, ahead => %s);', target::text, keep, create_partitions, ahead)
                ELSE format('SELECT * FROM telemetry.apply_retention(%L);', target::text) END
    FROM telemetry.retention
    WHERE NOT active OR error IS NOT NULL OR partitions_ahead < ahead OR next_run_at < clock_timestamp() - interval '5 minutes'
    UNION ALL
    -- Continuous views.
    SELECT CASE WHEN v.status IN ('unbuilt', 'suspended') THEN 2 ELSE 1 END, 'view ' || v.view::text, concat_ws(': ', v.status, v.status_reason),
           CASE l.status WHEN 'unbuilt' THEN format('CALL telemetry.build(%L);', l.view)
                         WHEN 'suspended' THEN format('SELECT telemetry.resume(%L); -- resume() if suspend() named no table', l.target)
                         ELSE format('REFRESH MATERIALIZED VIEW %s;', l.view) END
    FROM dead_views v JOIN chain c USING (view) JOIN dead_views l ON l.view = c.lowest
    WHERE l.target NOT IN (SELECT view FROM dead_views)
    UNION ALL
    SELECT 1, 'table ' || t.tgrelid::regclass::text, format('trigger %I, which feeds continuous views, is disabled', t.tgname),
           format('ALTER TABLE %s ENABLE TRIGGER %I; -- then REFRESH MATERIALIZED VIEW of its views', t.tgrelid::regclass, t.tgname)
    FROM pg_trigger t
    WHERE t.tgfoid = 'telemetry._collect_changes'::regproc AND t.tgenabled = 'D'
)
SELECT CASE rank WHEN 1 THEN 'error' WHEN 2 THEN 'warning' ELSE 'notice' END, subject, what, command
FROM findings ORDER BY rank, subject, what
$$;
COMMENT ON FUNCTION telemetry.check(interval) IS
'Says what is misconfigured or in trouble, worst first, each with the command that mends it: server settings, pipelines that do not run or lag behind '
'by more than max_lag, who blocks them, dead letters of the last hour, event times, missing partitions, retentions, continuous views and their '
'triggers. No row: all is well, as far as you may see (pg_monitor sees all). '
'Example: SELECT * FROM telemetry.check()';
