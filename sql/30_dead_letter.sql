-- Bad messages, kept with everything that is needed to understand and to retry them.

CREATE TYPE telemetry.kafka_header AS (name text, value bytea);
COMMENT ON TYPE telemetry.kafka_header IS 'One header of a Kafka message; its value is any bytes, or NULL.';

CREATE TABLE telemetry._dead_letter (
    dead_letter_id  bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline_id     integer     NOT NULL,
    topic           text        NOT NULL,
    partition       integer     NOT NULL,
    "offset"        bigint      NOT NULL,
    kafka_timestamp timestamptz,
    append_time     boolean     NOT NULL DEFAULT false,
    key             bytea,
    value           bytea,
    value_length    bigint,
    headers         telemetry.kafka_header[],
    sqlstate        text        NOT NULL,
    message         text        NOT NULL,
    column_name     text,
    constraint_name text,
    failed_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    retries         integer     NOT NULL DEFAULT 0
);
CREATE INDEX _dead_letter_pipeline_idx ON telemetry._dead_letter (pipeline_id, dead_letter_id);
SELECT pg_catalog.pg_extension_config_dump('telemetry._dead_letter', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry._dead_letter_dead_letter_id_seq', '');
COMMENT ON TABLE telemetry._dead_letter IS 'Storage of telemetry.dead_letter.';

CREATE FUNCTION telemetry._readable(bytea) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_readable';
COMMENT ON FUNCTION telemetry._readable(bytea) IS 'Bytes as text, whatever they are.';

CREATE VIEW telemetry.dead_letter WITH (security_barrier) AS
SELECT d.dead_letter_id, p.name AS pipeline, d.topic, d.partition, d."offset", d.kafka_timestamp,
       d.key, d.value, telemetry._readable(d.value) AS value_text, d.value_length, d.headers, d.sqlstate, d.message, d.column_name,
       d.constraint_name, d.failed_at, d.retries
FROM telemetry._dead_letter d JOIN telemetry._pipeline p USING (pipeline_id)
WHERE pg_catalog.pg_has_role(p.owner, 'USAGE');
GRANT SELECT ON telemetry.dead_letter TO PUBLIC;
COMMENT ON VIEW telemetry.dead_letter IS
'Messages that could not become a row, of the pipelines whose owner''s privileges you have: raw bytes, where they came from, and why. '
'value is cut to telemetry.max_message_bytes; value_length is the whole length in bytes. '
'Example: SELECT message, column_name, value_text FROM telemetry.dead_letter WHERE pipeline = ''player_events''';
COMMENT ON COLUMN telemetry.dead_letter.dead_letter_id IS 'its number, in the order of failures';
COMMENT ON COLUMN telemetry.dead_letter.pipeline IS 'pipeline that read it';
COMMENT ON COLUMN telemetry.dead_letter.topic IS 'where it came from';
COMMENT ON COLUMN telemetry.dead_letter.partition IS 'of the topic';
COMMENT ON COLUMN telemetry.dead_letter."offset" IS 'in the partition';
COMMENT ON COLUMN telemetry.dead_letter.kafka_timestamp IS 'of the message; NULL where it has none, or one that no timestamp holds';
COMMENT ON COLUMN telemetry.dead_letter.key IS 'its key, raw';
COMMENT ON COLUMN telemetry.dead_letter.value IS 'its value, raw, cut to telemetry.max_message_bytes';
COMMENT ON COLUMN telemetry.dead_letter.value_text IS 'the value to be read by people: what is no text in it as \xHH; the first megabyte';
COMMENT ON COLUMN telemetry.dead_letter.value_length IS 'bytes of the whole value';
COMMENT ON COLUMN telemetry.dead_letter.headers IS 'its headers, in their order';
COMMENT ON COLUMN telemetry.dead_letter.sqlstate IS 'error code of what refused it';
COMMENT ON COLUMN telemetry.dead_letter.message IS 'what refused it';
COMMENT ON COLUMN telemetry.dead_letter.column_name IS 'column that it did not fit; NULL: none by itself';
COMMENT ON COLUMN telemetry.dead_letter.constraint_name IS 'constraint that it violated; NULL: none';
COMMENT ON COLUMN telemetry.dead_letter.failed_at IS 'when it failed last';
COMMENT ON COLUMN telemetry.dead_letter.retries IS 'how often it was tried again';

CREATE FUNCTION telemetry.retry_dead_letters(
    pipeline text,
    up_to    bigint  DEFAULT NULL,
    ids      bigint[] DEFAULT NULL,
    OUT stored bigint, OUT dead bigint)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'telemetry_retry_dead_letters';
COMMENT ON FUNCTION telemetry.retry_dead_letters(text, bigint, bigint[]) IS
'Takes a pipeline''s dead letters again, after a fix: those that become rows now are removed, the others stay with their new reason. '
'up_to: greatest dead_letter_id to take; ids: just these. Runs as the pipeline''s owner. A message counts once in telemetry.stat_partition: one that becomes a row moves from dead to stored. '
'Refused (55006) while deferred constraints of the transaction are unchecked. Example: SELECT * FROM telemetry.retry_dead_letters(''player_events'')';

CREATE FUNCTION telemetry.purge_dead_letters(
    pipeline text, before timestamptz DEFAULT NULL, ids bigint[] DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'telemetry_purge_dead_letters';
COMMENT ON FUNCTION telemetry.purge_dead_letters(text, timestamptz, bigint[]) IS
'Deletes a pipeline''s dead letters for good, those that failed before a time, or just those named; returns how many. '
'Example: SELECT telemetry.purge_dead_letters(''player_events'', before => now() - interval ''30 days'')';
