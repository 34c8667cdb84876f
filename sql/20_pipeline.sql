-- Pipelines: what is read from where into where, and how far each has come.

CREATE TABLE telemetry._pipeline (
    pipeline_id       integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name              text        NOT NULL CONSTRAINT pipeline_name_key UNIQUE
                                  CONSTRAINT pipeline_name_length CHECK (length(name) BETWEEN 1 AND 63),
    owner             regrole     NOT NULL,
    source            regclass    NOT NULL,
    target            regclass    NOT NULL,
    start_position    text        NOT NULL,
    event_time_column name,
    allowed_lateness  interval    NOT NULL CONSTRAINT pipeline_allowed_lateness_range CHECK (allowed_lateness >= '0'),
    idle_timeout      interval    NOT NULL CONSTRAINT pipeline_idle_timeout_range CHECK (idle_timeout > '0'),
    max_ahead         interval    CONSTRAINT pipeline_max_ahead_range CHECK (max_ahead >= '0'),
    batch_rows        integer     NOT NULL CONSTRAINT pipeline_batch_rows_range CHECK (batch_rows BETWEEN 1 AND 1000000),
    batch_interval    interval    NOT NULL CONSTRAINT pipeline_batch_interval_range CHECK (batch_interval BETWEEN '0' AND '1 hour'),
    workers           integer     NOT NULL CONSTRAINT pipeline_workers_range CHECK (workers BETWEEN 1 AND 1024),
    partitions        integer[],
    dead_letter_limit integer     CONSTRAINT pipeline_dead_letter_limit_range CHECK (dead_letter_limit > 0),
    on_conflict       text        NOT NULL CONSTRAINT pipeline_on_conflict_choice CHECK (on_conflict IN ('error', 'ignore')),
    create_partitions text        NOT NULL CONSTRAINT pipeline_create_partitions_choice CHECK (create_partitions IN ('none', 'hour', 'day', 'month')),
    consumer_group    text        NOT NULL CONSTRAINT pipeline_consumer_group_length CHECK (octet_length(consumer_group) BETWEEN 1 AND 249),
    paused            boolean     NOT NULL DEFAULT false,
    pause_reason      text,
    paused_at         timestamptz,
    revision          bigint      NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE telemetry._pipeline IS 'Storage of telemetry.pipeline.';

-- Row-level security would serve as well, but for pg_dump, which then needs a role that is exempt.
CREATE VIEW telemetry.pipeline WITH (security_barrier) AS
SELECT p.pipeline_id, p.name, p.owner, p.source, p.target, p.start_position, p.event_time_column,
       p.allowed_lateness, p.idle_timeout, p.max_ahead, p.batch_rows, p.batch_interval, p.workers,
       p.partitions, p.dead_letter_limit, p.on_conflict, p.create_partitions, p.consumer_group,
       p.paused, p.pause_reason, p.paused_at, p.revision, p.created_at
FROM telemetry._pipeline p
WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE') OR pg_catalog.pg_has_role(p.owner, 'USAGE');
GRANT SELECT ON telemetry.pipeline TO PUBLIC;
COMMENT ON VIEW telemetry.pipeline IS
'One row per pipeline whose owner''s privileges you have, or of all for pg_monitor: its options as create_pipeline() and alter_pipeline() set them. Change it with these functions only. '
'Example: SELECT name, source, target, workers FROM telemetry.pipeline';
COMMENT ON COLUMN telemetry.pipeline.pipeline_id IS 'number of the pipeline';
COMMENT ON COLUMN telemetry.pipeline.name IS 'its name';
COMMENT ON COLUMN telemetry.pipeline.owner IS 'role as which everything of the pipeline runs';
COMMENT ON COLUMN telemetry.pipeline.source IS 'foreign table that it reads';
COMMENT ON COLUMN telemetry.pipeline.target IS 'table that it writes';
COMMENT ON COLUMN telemetry.pipeline.start_position IS 'where it began: earliest, latest or a timestamp';
COMMENT ON COLUMN telemetry.pipeline.event_time_column IS 'column of the source that holds an event''s time; NULL: there is no watermark';
COMMENT ON COLUMN telemetry.pipeline.allowed_lateness IS 'how far the watermark stays behind the greatest event time';
COMMENT ON COLUMN telemetry.pipeline.idle_timeout IS 'silence after which a partition does not hold the watermark back';
COMMENT ON COLUMN telemetry.pipeline.max_ahead IS 'an event that lies further ahead of the server''s clock is a dead letter; NULL: none is';
COMMENT ON COLUMN telemetry.pipeline.batch_rows IS 'messages after which a batch is closed';
COMMENT ON COLUMN telemetry.pipeline.batch_interval IS
'time after which a batch is closed, from when its first message may have come, be it while the batch before was written; one that a backlog '
'fills may take a quarter of the time longer that the last one took to write';
COMMENT ON COLUMN telemetry.pipeline.workers IS 'worker processes that share the partitions';
COMMENT ON COLUMN telemetry.pipeline.partitions IS 'the only partitions that it reads; NULL: all';
COMMENT ON COLUMN telemetry.pipeline.dead_letter_limit IS 'pauses after so many bad messages without a good one; NULL: never';
COMMENT ON COLUMN telemetry.pipeline.on_conflict IS 'what becomes of a row that a unique constraint refuses: error (a dead letter) or ignore (left out, counted)';
COMMENT ON COLUMN telemetry.pipeline.create_partitions IS 'width of range partitions that are made where one is missing: none, hour, day or month';
COMMENT ON COLUMN telemetry.pipeline.consumer_group IS 'group in Kafka to which offsets are published after each commit';
COMMENT ON COLUMN telemetry.pipeline.paused IS 'true: no worker runs for it';
COMMENT ON COLUMN telemetry.pipeline.pause_reason IS 'why, as pause_pipeline() or the worker that paused it said';
COMMENT ON COLUMN telemetry.pipeline.paused_at IS 'since when';
COMMENT ON COLUMN telemetry.pipeline.revision IS 'counts changes, so that running workers notice them';
COMMENT ON COLUMN telemetry.pipeline.created_at IS 'when it was created';

-- A restored or cloned database must not ingest a second time: what runs is kept apart from what is
-- dumped, and says in which database it was switched on.
CREATE TABLE telemetry.activation (
    pipeline_id  integer PRIMARY KEY REFERENCES telemetry._pipeline ON DELETE CASCADE,
    database_oid oid     NOT NULL
);
COMMENT ON TABLE telemetry.activation IS
'Pipelines that were activated, and in which database. Neither dumped nor replicated: a restored pipeline starts paused.';
COMMENT ON COLUMN telemetry.activation.pipeline_id IS 'number of the pipeline';
COMMENT ON COLUMN telemetry.activation.database_oid IS 'OID of the database in which it may run';

CREATE FUNCTION telemetry._stays_here() RETURNS trigger
AS 'MODULE_PATHNAME', 'telemetry_stays_here' LANGUAGE C;
COMMENT ON FUNCTION telemetry._stays_here() IS
'Leaves out what a subscription brings into a table that says what runs in this database: a publication FOR ALL TABLES has it, too.';

CREATE TRIGGER stays_here BEFORE INSERT OR UPDATE OR DELETE ON telemetry.activation
FOR EACH ROW EXECUTE FUNCTION telemetry._stays_here();
ALTER TABLE telemetry.activation ENABLE REPLICA TRIGGER stays_here;

-- What is dumped has no foreign keys: pg_restore -j loads the data of tables that an extension has made in any order.
-- Who writes here locks the pipeline's row instead (src/catalog), so that nothing of one that is dropped stays.
CREATE TABLE telemetry.partition_offset (
    pipeline_id    integer     NOT NULL,
    partition      integer     NOT NULL,
    next_offset    bigint      NOT NULL,
    cluster_id     text,
    last_offset    bigint,
    last_timestamp bigint,
    last_checksum  bigint,
    max_event_time timestamptz,
    watermark      timestamptz,
    stored         bigint      NOT NULL DEFAULT 0,
    duplicates     bigint      NOT NULL DEFAULT 0,
    suppressed     bigint      NOT NULL DEFAULT 0,
    skipped        bigint      NOT NULL DEFAULT 0,
    dead           bigint      NOT NULL DEFAULT 0,
    late           bigint      NOT NULL DEFAULT 0,
    pause_reason   text,
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pipeline_id, partition)
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
COMMENT ON TABLE telemetry.partition_offset IS
'How far each partition is read. Written in the transaction that stores the rows: this, not Kafka''s group, is the truth.';
COMMENT ON COLUMN telemetry.partition_offset.next_offset IS 'offset of the next message to read';
COMMENT ON COLUMN telemetry.partition_offset.last_offset IS 'last message read; read again at start to see whether the topic was made anew';
COMMENT ON COLUMN telemetry.partition_offset.last_timestamp IS 'its Kafka timestamp, Unix ms';
COMMENT ON COLUMN telemetry.partition_offset.last_checksum IS 'CRC-32C of its key and value';
COMMENT ON COLUMN telemetry.partition_offset.late IS 'rows stored with an event time before the pipeline''s watermark';
COMMENT ON COLUMN telemetry.partition_offset.pipeline_id IS 'number of the pipeline';
COMMENT ON COLUMN telemetry.partition_offset.partition IS 'number of the partition in its topic';
COMMENT ON COLUMN telemetry.partition_offset.cluster_id IS 'Kafka cluster that the offsets are of';
COMMENT ON COLUMN telemetry.partition_offset.max_event_time IS 'greatest event time stored';
COMMENT ON COLUMN telemetry.partition_offset.watermark IS 'of the partition';
COMMENT ON COLUMN telemetry.partition_offset.stored IS 'messages that became a row';
COMMENT ON COLUMN telemetry.partition_offset.duplicates IS 'messages left out by on_conflict ignore';
COMMENT ON COLUMN telemetry.partition_offset.suppressed IS 'messages that a BEFORE trigger or rule left out';
COMMENT ON COLUMN telemetry.partition_offset.skipped IS 'tombstones: messages without a value';
COMMENT ON COLUMN telemetry.partition_offset.dead IS 'messages that are dead letters, or were when they were purged';
COMMENT ON COLUMN telemetry.partition_offset.pause_reason IS 'why this partition alone is paused; NULL: it is read';
COMMENT ON COLUMN telemetry.partition_offset.updated_at IS 'when the row was last written';

-- Kept apart from the configuration: it is written about once a second.
CREATE TABLE telemetry.pipeline_watermark (
    pipeline_id integer     PRIMARY KEY,
    watermark   timestamptz NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
COMMENT ON TABLE telemetry.pipeline_watermark IS
'Event time before which a pipeline expects no more events. It never goes back.';
COMMENT ON COLUMN telemetry.pipeline_watermark.pipeline_id IS 'number of the pipeline';
COMMENT ON COLUMN telemetry.pipeline_watermark.watermark IS 'the least of its partitions'' that are not idle';

SELECT pg_catalog.pg_extension_config_dump('telemetry._pipeline', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry._pipeline_pipeline_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.partition_offset', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.pipeline_watermark', '');

-- None of these tables is granted to anybody: telemetry.pipeline and the stat_ views show each his own.

CREATE FUNCTION telemetry.create_pipeline(
    name              text,
    source            regclass,
    target            regclass,
    start_position    text     DEFAULT 'earliest',
    event_time_column name     DEFAULT NULL,
    allowed_lateness  interval DEFAULT '0',
    idle_timeout      interval DEFAULT '1 minute',
    max_ahead         interval DEFAULT '1 hour',
    batch_rows        integer  DEFAULT 50000,
    batch_interval    interval DEFAULT '20 milliseconds',
    workers           integer  DEFAULT 1,
    partitions        integer[] DEFAULT NULL,
    dead_letter_limit integer  DEFAULT 10000,
    on_conflict       text     DEFAULT 'error',
    create_partitions text     DEFAULT 'none',
    consumer_group    text     DEFAULT NULL,
    paused            boolean  DEFAULT false)
RETURNS void LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'telemetry_create_pipeline';
COMMENT ON FUNCTION telemetry.create_pipeline(text, regclass, regclass, text, name, interval, interval, interval, integer, interval, integer, integer[], integer, text, text, text, boolean) IS
'Creates a pipeline from a foreign table on a telemetry_kafka server into a table; it starts when the transaction commits and runs as the caller. '
'start_position: earliest, latest or a timestamp. dead_letter_limit: pauses after so many bad messages without a good one between (NULL: never). '
'Example: SELECT telemetry.create_pipeline(''player_events'', source => ''game.player_events_topic'', target => ''game.fact_player_events'', event_time_column => ''event_time'')';

CREATE FUNCTION telemetry.alter_pipeline(
    name              text,
    event_time_column name     DEFAULT NULL,
    allowed_lateness  interval DEFAULT NULL,
    idle_timeout      interval DEFAULT NULL,
    max_ahead         interval DEFAULT NULL,
    batch_rows        integer  DEFAULT NULL,
    batch_interval    interval DEFAULT NULL,
    workers           integer  DEFAULT NULL,
    partitions        integer[] DEFAULT NULL,
    dead_letter_limit integer  DEFAULT NULL,
    on_conflict       text     DEFAULT NULL,
    create_partitions text     DEFAULT NULL,
    consumer_group    text     DEFAULT NULL,
    owner             regrole  DEFAULT NULL,
    rename_to         text     DEFAULT NULL,
    reset             text[]   DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'telemetry_alter_pipeline';
COMMENT ON FUNCTION telemetry.alter_pipeline(text, name, interval, interval, interval, integer, interval, integer, integer[], integer, text, text, text, regrole, text, text[]) IS
'Changes the given options of a pipeline; NULL leaves one as it is. reset names options to set to NULL: event_time_column, max_ahead, partitions, dead_letter_limit. '
'Example: SELECT telemetry.alter_pipeline(''player_events'', workers => 2, reset => ''{max_ahead}'')';

CREATE FUNCTION telemetry.drop_pipeline(name text, if_exists boolean DEFAULT false)
RETURNS void LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'telemetry_drop_pipeline';
COMMENT ON FUNCTION telemetry.drop_pipeline(text, boolean) IS
'Drops a pipeline with its offsets and dead letters. The target keeps its rows. Example: SELECT telemetry.drop_pipeline(''player_events'')';

CREATE FUNCTION telemetry.pause_pipeline(name text, reason text DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'telemetry_pause_pipeline';
COMMENT ON FUNCTION telemetry.pause_pipeline(text, text) IS
'Stops a pipeline: once the call commits, no further batch is written. Example: SELECT telemetry.pause_pipeline(''player_events'', ''schema change'')';

CREATE FUNCTION telemetry.resume_pipeline(name text)
RETURNS void LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'telemetry_resume_pipeline';
COMMENT ON FUNCTION telemetry.resume_pipeline(text) IS
'Starts a paused pipeline where it stopped, paused partitions included, and activates it for this database (a restored pipeline starts paused). '
'Example: SELECT telemetry.resume_pipeline(''player_events'')';

CREATE FUNCTION telemetry.seek_pipeline(
    name             text,
    "position"       text    DEFAULT NULL,
    offsets          jsonb   DEFAULT NULL,
    allow_duplicates boolean DEFAULT false)
RETURNS TABLE (partition integer, from_offset bigint, to_offset bigint)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'telemetry_seek_pipeline';
COMMENT ON FUNCTION telemetry.seek_pipeline(text, text, jsonb, boolean) IS
'Moves where a pipeline reads on: position earliest, latest or a timestamp, or offsets by partition. Going back repeats facts, so it needs '
'allow_duplicates unless on_conflict is ''ignore''; the watermark stays. '
'Example: SELECT * FROM telemetry.seek_pipeline(''player_events'', offsets => ''{"0": 1200}'')';

CREATE FUNCTION telemetry.skip_offset(name text, partition integer, "offset" bigint)
RETURNS void LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'telemetry_skip_offset';
COMMENT ON FUNCTION telemetry.skip_offset(text, integer, bigint) IS
'Steps over one offset that cannot be read (a corrupt batch): it becomes a dead letter without payload, and the partition goes on behind it. One '
'behind the last message is refused, so that none that is to come is lost. '
'Example: SELECT telemetry.skip_offset(''player_events'', 0, 4711)';
