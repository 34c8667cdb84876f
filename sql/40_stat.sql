-- What runs, how far it is, and what is in its way.

CREATE FUNCTION telemetry._workers(
    OUT pipeline_id integer, OUT slice integer, OUT slices integer, OUT pid integer, OUT state text,
    OUT started_at timestamptz, OUT last_commit_at timestamptz, OUT batches bigint,
    OUT messages bigint, OUT batch_messages bigint, OUT batch_ms double precision,
    OUT memory_bytes bigint, OUT restarts integer, OUT path text, OUT path_reason text,
    OUT dimensions text,
    OUT error text, OUT error_at timestamptz)
RETURNS SETOF record LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'telemetry_workers';
COMMENT ON FUNCTION telemetry._workers() IS 'Shared memory behind telemetry.stat_worker; shows what the caller may see.';

CREATE FUNCTION telemetry._partitions(
    OUT pipeline_id integer, OUT partition integer, OUT low bigint, OUT stable bigint,
    OUT high bigint, OUT last_message_at timestamptz, OUT seen_at timestamptz, OUT at_end boolean,
    OUT idle boolean)
RETURNS SETOF record LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'telemetry_partitions';
COMMENT ON FUNCTION telemetry._partitions() IS 'Shared memory behind telemetry.stat_partition; shows what the caller may see.';

CREATE FUNCTION telemetry._workers_available() RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'telemetry_workers_available';
COMMENT ON FUNCTION telemetry._workers_available() IS 'True when telemetry is in shared_preload_libraries.';

CREATE VIEW telemetry.stat_worker WITH (security_barrier) AS
SELECT p.name AS pipeline, w.slice + 1 AS slice, w.slices, w.pid, w.state, w.started_at,
       w.last_commit_at, w.batches, w.messages, w.batch_messages, w.batch_ms, w.memory_bytes,
       w.restarts, w.path, w.path_reason, w.dimensions, w.error, w.error_at,
       nullif(pg_catalog.pg_blocking_pids(w.pid), '{}') AS blocked_by
FROM telemetry._workers() w JOIN telemetry._pipeline p USING (pipeline_id);
COMMENT ON VIEW telemetry.stat_worker IS
'One row per ingest worker of this database: what it does, its last batch (messages, milliseconds), the bytes it holds in PostgreSQL''s memory contexts, and its last error until a batch succeeds. '
'Example: SELECT pipeline, state, error FROM telemetry.stat_worker';

CREATE VIEW telemetry.stat_partition WITH (security_barrier) AS
SELECT p.name AS pipeline, o.partition, o.next_offset AS committed_offset,
       s.low AS begin_offset, s.stable AS stable_offset, s.high AS end_offset,
       CASE WHEN s.stable IS NOT NULL THEN greatest(s.stable - o.next_offset, 0) END AS lag,
       CASE WHEN s.stable <= o.next_offset THEN 0
            WHEN s.stable IS NOT NULL THEN greatest(extract(epoch FROM clock_timestamp()) - o.last_timestamp / 1000.0, 0)
       END::double precision AS lag_seconds,
       CASE WHEN s.stable IS NOT NULL THEN greatest(s.high - s.stable, 0) END AS open_transactions,
       o.watermark, o.max_event_time, coalesce(s.idle, false) AS idle,
       o.stored, o.duplicates, o.suppressed, o.skipped, o.dead, o.late,
       o.pause_reason, s.last_message_at, o.updated_at
FROM telemetry.partition_offset o
JOIN telemetry._pipeline p USING (pipeline_id)
LEFT JOIN telemetry._partitions() s USING (pipeline_id, partition)
WHERE (p.partitions IS NULL OR o.partition OPERATOR(pg_catalog.=) ANY (p.partitions))
AND (pg_catalog.pg_has_role('pg_monitor', 'USAGE') OR pg_catalog.pg_has_role(p.owner, 'USAGE'));
COMMENT ON VIEW telemetry.stat_partition IS
'One row per partition that a pipeline reads. lag: messages to the last stable offset, NULL while the broker has not told; lag_seconds: age of the '
'last stored message while there is lag; open_transactions: offsets past the last stable one. Counters count each message once since the pipeline was '
'created, as what it is now (telemetry.retry_dead_letters() moves it from dead); late: stored with an event time before the pipeline''s watermark. '
'Example: SELECT partition, lag, watermark FROM telemetry.stat_partition WHERE pipeline = ''player_events''';

CREATE VIEW telemetry.stat_pipeline WITH (security_barrier) AS
SELECT p.name AS pipeline, p.owner, p.source, p.target,
       CASE WHEN p.paused THEN 'paused'
            WHEN a.database_oid IS DISTINCT FROM d.oid THEN 'not activated'
            WHEN NOT telemetry._workers_available() THEN 'workers not loaded'
            WHEN NOT pg_catalog.current_setting('telemetry.enabled')::boolean THEN 'disabled'
            WHEN w.workers IS NULL THEN 'waiting for a worker'
            ELSE w.state END AS state,
       CASE WHEN p.paused THEN p.pause_reason
            WHEN a.database_oid IS DISTINCT FROM d.oid THEN 'restored or copied: telemetry.resume_pipeline() starts it here'
            WHEN NOT telemetry._workers_available() THEN 'add telemetry to shared_preload_libraries and restart the server'
            WHEN NOT pg_catalog.current_setting('telemetry.enabled')::boolean THEN 'telemetry.enabled is off'
            WHEN w.workers IS NULL THEN 'see telemetry.max_workers and max_worker_processes'
            END AS reason,
       p.workers AS workers_wanted, coalesce(w.running, 0) AS workers_running,
       w.path, w.path_reason, w.dimensions, o.lag, o.lag_seconds,
       c.stored, c.duplicates, c.suppressed, c.skipped, c.dead, c.late,
       (SELECT count(*) FROM telemetry._dead_letter l WHERE l.pipeline_id = p.pipeline_id) AS dead_letters,
       (SELECT l.failed_at FROM telemetry._dead_letter l WHERE l.pipeline_id = p.pipeline_id ORDER BY l.dead_letter_id DESC LIMIT 1) AS last_dead_letter_at,
       m.watermark, o.partitions, o.paused_partitions, w.last_commit_at, w.blocked_by, w.error, w.error_at
FROM telemetry._pipeline p
CROSS JOIN (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) d
LEFT JOIN telemetry.activation a USING (pipeline_id)
LEFT JOIN telemetry.pipeline_watermark m USING (pipeline_id)
LEFT JOIN LATERAL (
    SELECT CASE WHEN count(*) = count(s.lag) THEN sum(s.lag)::bigint END AS lag, max(s.lag_seconds) AS lag_seconds,
           count(*)::integer AS partitions, count(s.pause_reason)::integer AS paused_partitions
    FROM telemetry.stat_partition s WHERE s.pipeline = p.name) o ON true
-- Those that it does not read any more count, too.
LEFT JOIN LATERAL (
    SELECT sum(r.stored)::bigint AS stored, sum(r.duplicates)::bigint AS duplicates, sum(r.suppressed)::bigint AS suppressed,
           sum(r.skipped)::bigint AS skipped, sum(r.dead)::bigint AS dead, sum(r.late)::bigint AS late
    FROM telemetry.partition_offset r WHERE r.pipeline_id = p.pipeline_id) c ON true
LEFT JOIN LATERAL (
    SELECT count(*)::integer AS workers, count(v.pid)::integer AS running,
           max(v.path) AS path, max(v.path_reason) AS path_reason, max(v.dimensions) AS dimensions, max(v.last_commit_at) AS last_commit_at,
           (array_agg(v.state ORDER BY array_position('{failed,retrying,connecting,starting,running}', v.state)))[1] AS state,
           (SELECT array_agg(DISTINCT b) FROM telemetry._workers() x, pg_catalog.unnest(pg_catalog.pg_blocking_pids(x.pid)) b WHERE x.pipeline_id = p.pipeline_id) AS blocked_by,
           (array_agg(v.error ORDER BY v.error_at DESC NULLS LAST))[1] AS error, max(v.error_at) AS error_at
    FROM telemetry._workers() v WHERE v.pipeline_id = p.pipeline_id HAVING count(*) > 0) w ON true
WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE') OR pg_catalog.pg_has_role(p.owner, 'USAGE');
COMMENT ON VIEW telemetry.stat_pipeline IS
'One row per pipeline: its state (running, starting, connecting, retrying, failed, paused, not activated, waiting for a worker, disabled, workers not '
'loaded) with the reason, its lag in messages and seconds, what it stored, and its last error. path says how rows are written, path_reason why not '
'the fast way. '
'Example: SELECT pipeline, state, reason, lag FROM telemetry.stat_pipeline';

COMMENT ON COLUMN telemetry.stat_worker.pipeline IS 'name of the pipeline';
COMMENT ON COLUMN telemetry.stat_worker.slice IS 'which share of the partitions, from 1';
COMMENT ON COLUMN telemetry.stat_worker.slices IS 'of how many';
COMMENT ON COLUMN telemetry.stat_worker.pid IS 'process, as in pg_stat_activity; NULL: not running';
COMMENT ON COLUMN telemetry.stat_worker.state IS 'starting, connecting, running, retrying or failed';
COMMENT ON COLUMN telemetry.stat_worker.started_at IS 'start of the process';
COMMENT ON COLUMN telemetry.stat_worker.last_commit_at IS 'end of its last batch; NULL: none yet';
COMMENT ON COLUMN telemetry.stat_worker.batches IS 'batches committed since the slot was taken';
COMMENT ON COLUMN telemetry.stat_worker.messages IS 'messages in them';
COMMENT ON COLUMN telemetry.stat_worker.batch_messages IS 'messages of the last batch';
COMMENT ON COLUMN telemetry.stat_worker.batch_ms IS 'milliseconds that the last batch took';
COMMENT ON COLUMN telemetry.stat_worker.memory_bytes IS 'bytes of PostgreSQL''s memory contexts after a batch, counted once a second; librdkafka''s are not in it';
COMMENT ON COLUMN telemetry.stat_worker.restarts IS 'how often it was started again';
COMMENT ON COLUMN telemetry.stat_worker.path IS 'how rows are written: fast or executor';
COMMENT ON COLUMN telemetry.stat_worker.path_reason IS 'why not the fast way';
COMMENT ON COLUMN telemetry.stat_worker.dimensions IS 'which columns of the target it looks up, where and by which natural key (docs/dimensions.md); NULL: none';
COMMENT ON COLUMN telemetry.stat_worker.error IS 'last error, until a batch succeeds';
COMMENT ON COLUMN telemetry.stat_worker.error_at IS 'when it happened';
COMMENT ON COLUMN telemetry.stat_worker.blocked_by IS 'processes for whose locks it waits, as pg_blocking_pids(); NULL: none';
COMMENT ON COLUMN telemetry.stat_partition.pipeline IS 'name of the pipeline';
COMMENT ON COLUMN telemetry.stat_partition.partition IS 'number of the partition in its topic';
COMMENT ON COLUMN telemetry.stat_partition.committed_offset IS 'offset of the next message to read; all before it are stored, dead or skipped';
COMMENT ON COLUMN telemetry.stat_partition.begin_offset IS 'first offset that the broker still has';
COMMENT ON COLUMN telemetry.stat_partition.stable_offset IS 'last stable offset: what committed transactions allow to be read, exclusive';
COMMENT ON COLUMN telemetry.stat_partition.end_offset IS 'high watermark of the broker, exclusive';
COMMENT ON COLUMN telemetry.stat_partition.lag IS 'stable_offset - committed_offset: at most so many messages; NULL while the broker has not told';
COMMENT ON COLUMN telemetry.stat_partition.lag_seconds IS 'age of the last message stored, by its Kafka timestamp, while there is lag, else 0';
COMMENT ON COLUMN telemetry.stat_partition.open_transactions IS 'offsets behind the last stable one, held up by a producer''s open transaction';
COMMENT ON COLUMN telemetry.stat_partition.watermark IS 'greatest event time, at most the present moment, less allowed_lateness';
COMMENT ON COLUMN telemetry.stat_partition.max_event_time IS 'greatest event time stored';
COMMENT ON COLUMN telemetry.stat_partition.idle IS 'read to its end and silent for idle_timeout: it does not hold the pipeline''s watermark back';
COMMENT ON COLUMN telemetry.stat_partition.stored IS 'messages that became a row';
COMMENT ON COLUMN telemetry.stat_partition.duplicates IS 'messages left out by on_conflict ignore';
COMMENT ON COLUMN telemetry.stat_partition.suppressed IS 'messages that a BEFORE trigger or rule left out';
COMMENT ON COLUMN telemetry.stat_partition.skipped IS 'tombstones: messages without a value';
COMMENT ON COLUMN telemetry.stat_partition.dead IS 'messages that are dead letters, or were when they were purged; a retry that makes a row of one moves it to stored';
COMMENT ON COLUMN telemetry.stat_partition.late IS 'rows stored with an event time before the pipeline''s watermark';
COMMENT ON COLUMN telemetry.stat_partition.pause_reason IS 'why this partition alone is paused, and what to call; NULL: it is read';
COMMENT ON COLUMN telemetry.stat_partition.last_message_at IS 'when the last message came, by the server''s clock; NULL: none since the worker started';
COMMENT ON COLUMN telemetry.stat_partition.updated_at IS 'when the row was last written';
COMMENT ON COLUMN telemetry.stat_pipeline.pipeline IS 'its name';
COMMENT ON COLUMN telemetry.stat_pipeline.owner IS 'role as which everything of it runs';
COMMENT ON COLUMN telemetry.stat_pipeline.source IS 'foreign table that it reads';
COMMENT ON COLUMN telemetry.stat_pipeline.target IS 'table that it writes';
COMMENT ON COLUMN telemetry.stat_pipeline.state IS 'what it does, or why it does nothing: see States in docs/operations.md';
COMMENT ON COLUMN telemetry.stat_pipeline.reason IS 'why it does not run, in words; NULL while it runs';
COMMENT ON COLUMN telemetry.stat_pipeline.workers_wanted IS 'option workers';
COMMENT ON COLUMN telemetry.stat_pipeline.workers_running IS 'worker processes that run now';
COMMENT ON COLUMN telemetry.stat_pipeline.path IS 'how rows are written: fast or executor; NULL before the first worker has opened the target';
COMMENT ON COLUMN telemetry.stat_pipeline.path_reason IS 'why not the fast way';
COMMENT ON COLUMN telemetry.stat_pipeline.dimensions IS
'which columns of the target its workers look up, where and by which natural key (docs/dimensions.md); NULL: none, or no worker has opened the target '
'yet';
COMMENT ON COLUMN telemetry.stat_pipeline.lag IS 'messages up to the last stable offset that are not stored yet; NULL while the broker has not told of each partition';
COMMENT ON COLUMN telemetry.stat_pipeline.lag_seconds IS 'age of the last message stored, by its Kafka timestamp, in the partition where it is oldest; 0 without lag';
COMMENT ON COLUMN telemetry.stat_pipeline.stored IS 'messages that became a row, since the pipeline was created';
COMMENT ON COLUMN telemetry.stat_pipeline.duplicates IS 'messages left out by on_conflict ignore';
COMMENT ON COLUMN telemetry.stat_pipeline.suppressed IS 'messages that a BEFORE trigger or rule left out';
COMMENT ON COLUMN telemetry.stat_pipeline.skipped IS 'tombstones: messages without a value';
COMMENT ON COLUMN telemetry.stat_pipeline.dead IS 'messages that are dead letters, or were when they were purged; a retry that makes a row of one moves it to stored';
COMMENT ON COLUMN telemetry.stat_pipeline.late IS 'rows stored with an event time before the watermark';
COMMENT ON COLUMN telemetry.stat_pipeline.dead_letters IS 'dead letters that are kept now';
COMMENT ON COLUMN telemetry.stat_pipeline.last_dead_letter_at IS 'when the newest of them failed';
COMMENT ON COLUMN telemetry.stat_pipeline.watermark IS 'event time before which no more events are expected; NULL without event_time_column';
COMMENT ON COLUMN telemetry.stat_pipeline.partitions IS 'partitions that it reads';
COMMENT ON COLUMN telemetry.stat_pipeline.paused_partitions IS 'of these, how many are paused by themselves';
COMMENT ON COLUMN telemetry.stat_pipeline.last_commit_at IS 'last batch of the workers that run';
COMMENT ON COLUMN telemetry.stat_pipeline.blocked_by IS 'processes for whose locks its workers wait, as pg_blocking_pids(); NULL: none';
COMMENT ON COLUMN telemetry.stat_pipeline.error IS 'newest error of its workers, until a batch succeeds';
COMMENT ON COLUMN telemetry.stat_pipeline.error_at IS 'when it happened';

GRANT SELECT ON telemetry.stat_worker, telemetry.stat_partition, telemetry.stat_pipeline TO PUBLIC;
