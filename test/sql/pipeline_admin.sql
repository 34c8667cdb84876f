-- Functions on pipelines: every option, error and right. No broker is needed, but for seek_pipeline()'s end.
\set VERBOSITY default
SET client_min_messages = warning;
SET telemetry.kafka_timeout = '200ms';
SET TimeZone = 'Europe/Berlin';
CREATE ROLE pipeline_owner;
CREATE ROLE pipeline_member IN ROLE pipeline_owner;
CREATE ROLE pipeline_other;
CREATE ROLE pipeline_monitor IN ROLE pg_monitor;
CREATE SCHEMA pipeline_admin;
GRANT ALL ON SCHEMA pipeline_admin TO pipeline_owner, pipeline_member, pipeline_other;
SET search_path = pipeline_admin;
CREATE SERVER pipeline_nowhere FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '127.0.0.1:1');
CREATE FOREIGN TABLE topic (event_time timestamptz, kind text, amount integer)
	SERVER pipeline_nowhere OPTIONS (topic 'pipeline_admin', format 'json');
CREATE TABLE fact (event_time timestamptz, kind text, amount integer);
GRANT USAGE ON FOREIGN SERVER pipeline_nowhere TO pipeline_owner;
GRANT SELECT ON topic TO pipeline_owner;
GRANT INSERT, SELECT ON fact TO pipeline_owner;

-- create: what is refused
SELECT telemetry.create_pipeline(NULL, 'topic', 'fact');
SELECT telemetry.create_pipeline('p', NULL, 'fact');
SELECT telemetry.create_pipeline('p', 'topic', NULL);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', start_position => NULL);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', workers => NULL);
SELECT telemetry.create_pipeline('', 'topic', 'fact', paused => true);
SELECT telemetry.create_pipeline(repeat('x', 64), 'topic', 'fact', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', start_position => 'yesterdayish', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', start_position => 'infinity', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', allowed_lateness => '-1 s', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', idle_timeout => '0', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', idle_timeout => '106751991 days', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', allowed_lateness => '2147483647 days', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', max_ahead => '-178000000 years', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', max_ahead => '-1 s', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', batch_rows => 0, paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', batch_rows => 1000001, paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', batch_interval => '61 min', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', workers => 0, paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', workers => 1025, paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', partitions => '{0,NULL}', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', partitions => '{}', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', partitions => '{-1}', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', dead_letter_limit => 0, paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', on_conflict => 'update', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', create_partitions => 'week', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', create_partitions => 'day', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', consumer_group => '', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', consumer_group => repeat('ä', 125), paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', event_time_column => 'nothing', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', event_time_column => 'kind', paused => true);
SELECT telemetry.create_pipeline('p', 'fact', 'fact', paused => true);
CREATE FOREIGN DATA WRAPPER pipeline_wrapper;
CREATE SERVER pipeline_elsewhere FOREIGN DATA WRAPPER pipeline_wrapper;
CREATE FOREIGN TABLE elsewhere (kind text) SERVER pipeline_elsewhere;
SELECT telemetry.create_pipeline('p', 'elsewhere', 'fact', paused => true);
DROP FOREIGN DATA WRAPPER pipeline_wrapper CASCADE;
SELECT telemetry.create_pipeline('p', 'topic', 'topic', paused => true);
-- all that does not fit, at once
CREATE TABLE misfit (event_time timestamptz, amount boolean, needed integer NOT NULL);
SELECT telemetry.create_pipeline('p', 'topic', 'misfit', paused => true);
SELECT count(*) FROM telemetry.pipeline WHERE name = 'p';

-- create: defaults, and every option
SELECT telemetry.create_pipeline('p', 'topic', 'fact', paused => true);
SELECT telemetry.create_pipeline('p', 'topic', 'fact', paused => true);
SELECT telemetry.create_pipeline('q', 'topic', 'fact', start_position => '2026-01-31 12:00:00', event_time_column => 'event_time',
	allowed_lateness => '1 min', idle_timeout => '2 min', max_ahead => NULL, batch_rows => 7, batch_interval => '1 s', workers => 3,
	partitions => '{0,2}', dead_letter_limit => NULL, on_conflict => 'ignore', consumer_group => 'mine', paused => true);
\x on
SELECT name, owner, source, target, start_position, event_time_column, allowed_lateness, idle_timeout, max_ahead, batch_rows,
	batch_interval, workers, partitions, dead_letter_limit, on_conflict, create_partitions, consumer_group, paused
FROM telemetry.pipeline WHERE name IN ('p', 'q') ORDER BY name;
\x off

-- alter: each option, a NULL, a reset
SELECT telemetry.alter_pipeline(NULL);
SELECT telemetry.alter_pipeline('nobody', workers => 2);
SELECT telemetry.alter_pipeline('p', workers => 0);
SELECT telemetry.alter_pipeline('p', on_conflict => 'x');
SELECT telemetry.alter_pipeline('p', consumer_group => '');
SELECT telemetry.alter_pipeline('p', event_time_column => 'nothing');
SELECT telemetry.alter_pipeline('p', reset => '{workers}');
SELECT telemetry.alter_pipeline('p', reset => '{NULL}');
SELECT telemetry.alter_pipeline('p', rename_to => 'q');
SELECT telemetry.alter_pipeline('p', rename_to => '');
SELECT revision AS before FROM telemetry.pipeline WHERE name = 'p' \gset
SELECT telemetry.alter_pipeline('p', event_time_column => 'event_time', allowed_lateness => '3 min', idle_timeout => '4 min',
	max_ahead => '5 min', batch_rows => 6, batch_interval => '7 ms', workers => 8, partitions => '{9}', dead_letter_limit => 10,
	on_conflict => 'ignore', create_partitions => 'none', consumer_group => 'group');
SELECT telemetry.alter_pipeline('q', reset => '{event_time_column,max_ahead,partitions,dead_letter_limit}', rename_to => 'r');
\x on
SELECT name, event_time_column, allowed_lateness, idle_timeout, max_ahead, batch_rows, batch_interval, workers, partitions,
	dead_letter_limit, on_conflict, create_partitions, consumer_group FROM telemetry.pipeline WHERE name IN ('p', 'r') ORDER BY name;
\x off
SELECT revision > :before AS counted FROM telemetry.pipeline WHERE name = 'p';

-- pause and resume
SELECT telemetry.pause_pipeline(NULL);
SELECT telemetry.pause_pipeline('nobody');
SELECT telemetry.pause_pipeline('p', 'schema change');
SELECT state, reason, workers_wanted, workers_running, lag, dead_letters FROM telemetry.stat_pipeline WHERE pipeline = 'p';
BEGIN;
SELECT telemetry.resume_pipeline('p');
SELECT paused, pause_reason, paused_at FROM telemetry.pipeline WHERE name = 'p';
ROLLBACK;
SELECT telemetry.resume_pipeline('nobody');

-- a copy of the database: not activated, until it is resumed
BEGIN;
UPDATE telemetry.pipeline SET paused = false WHERE name = 'p';
UPDATE telemetry.activation SET database_oid = 1 WHERE pipeline_id = (SELECT pipeline_id FROM telemetry.pipeline WHERE name = 'p');
SELECT state, reason FROM telemetry.stat_pipeline WHERE pipeline = 'p';
SELECT telemetry.resume_pipeline('p');
SELECT state FROM telemetry.stat_pipeline WHERE pipeline = 'p';
ROLLBACK;

-- rights
SET ROLE pipeline_other;
SELECT telemetry.create_pipeline('mine', 'topic', 'fact', paused => true);
SELECT telemetry.alter_pipeline('p', workers => 2);
SELECT telemetry.pause_pipeline('p');
SELECT telemetry.resume_pipeline('p');
SELECT telemetry.drop_pipeline('p');
SELECT telemetry.seek_pipeline('p', 'latest');
SELECT telemetry.skip_offset('p', 0, 0);
SELECT telemetry.retry_dead_letters('p');
SELECT telemetry.purge_dead_letters('p');
UPDATE telemetry.pipeline SET paused = false;
DELETE FROM telemetry.partition_offset;
SELECT count(*) FROM telemetry._dead_letter;
SELECT count(*) FROM telemetry.stat_pipeline;
SET ROLE pipeline_monitor;
SELECT pipeline, owner = current_user::regrole AS mine FROM telemetry.stat_pipeline WHERE pipeline IN ('p', 'r') ORDER BY 1;
SELECT telemetry.pause_pipeline('p');
RESET ROLE;
-- each right that the owner needs
REVOKE INSERT ON fact FROM pipeline_owner;
SET ROLE pipeline_owner;
SELECT telemetry.create_pipeline('mine', 'topic', 'fact', paused => true);
RESET ROLE;
GRANT INSERT ON fact TO pipeline_owner;
REVOKE SELECT ON topic FROM pipeline_owner;
SET ROLE pipeline_owner;
SELECT telemetry.create_pipeline('mine', 'topic', 'fact', paused => true);
RESET ROLE;
GRANT SELECT ON topic TO pipeline_owner;
REVOKE USAGE ON FOREIGN SERVER pipeline_nowhere FROM pipeline_owner;
SET ROLE pipeline_owner;
SELECT telemetry.create_pipeline('mine', 'topic', 'fact', paused => true);
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER pipeline_nowhere TO pipeline_owner;
SET ROLE pipeline_owner;
SELECT telemetry.create_pipeline('mine', 'topic', 'fact', paused => true);
-- to a role that the caller may not become
SELECT telemetry.alter_pipeline('mine', owner => 'pipeline_other');
SET ROLE pipeline_member;
SELECT telemetry.pause_pipeline('mine', 'by a member');
SELECT pipeline, owner, reason FROM telemetry.stat_pipeline;
RESET ROLE;
-- the new owner needs the rights as well
SELECT telemetry.alter_pipeline('mine', owner => 'pipeline_other');
SELECT telemetry.alter_pipeline('p', owner => 'pipeline_owner');
SELECT name, owner FROM telemetry.pipeline WHERE name IN ('mine', 'p') ORDER BY 1;

-- dead letters
INSERT INTO telemetry._dead_letter (pipeline_id, topic, partition, "offset", value, value_length, sqlstate, message, failed_at)
SELECT pipeline_id, 'pipeline_admin', 0, n, convert_to(value, 'UTF8'), length(value) + (n = 4)::integer * 100, '22P02', 'bad', now() - n * interval '1 day'
FROM telemetry.pipeline, (VALUES (1, '{"kind": "good", "amount": 1}'), (2, '{"kind": "bad", "amount": "x"}'),
	(3, '{"kind": "good", "amount": 3}'), (4, '{"kind": "cu'), (5, '{"kind": "good", "amount": 5}')) v (n, value)
WHERE name = 'p' ORDER BY n;
SET ROLE pipeline_other;
SELECT count(*) FROM telemetry.dead_letter;
SET ROLE pipeline_monitor;
SELECT count(*) FROM telemetry.dead_letter;
SET ROLE pipeline_owner;
SELECT count(*) FROM telemetry.dead_letter;
SELECT telemetry.retry_dead_letters(NULL);
SELECT telemetry.retry_dead_letters('nobody');
SELECT stored, dead FROM telemetry.retry_dead_letters('p', up_to => 0);
SELECT stored, dead FROM telemetry.retry_dead_letters('p', up_to => -1);
SELECT stored, dead FROM telemetry.retry_dead_letters('p', ids => (SELECT array_agg(dead_letter_id) FROM telemetry.dead_letter WHERE "offset" IN (1, 2)));
SELECT stored, dead FROM telemetry.retry_dead_letters('p', up_to => (SELECT dead_letter_id FROM telemetry.dead_letter WHERE "offset" = 4));
SELECT "offset", sqlstate, message, column_name, retries FROM telemetry.dead_letter ORDER BY "offset";
SELECT kind, amount FROM fact ORDER BY amount;
SELECT telemetry.purge_dead_letters(NULL);
SELECT telemetry.purge_dead_letters('p', before => now() - interval '1 year');
SELECT telemetry.purge_dead_letters('p', ids => (SELECT array_agg(dead_letter_id) FROM telemetry.dead_letter WHERE "offset" = 2));
SELECT dead_letters FROM telemetry.stat_pipeline WHERE pipeline = 'p';
SELECT telemetry.purge_dead_letters('p');
RESET ROLE;

-- seek and skip: what is refused without asking the broker
SELECT telemetry.seek_pipeline(NULL);
SELECT telemetry.seek_pipeline('p');
SELECT telemetry.seek_pipeline('p', 'latest', '{}');
SELECT telemetry.skip_offset('p', 0, 0);
INSERT INTO telemetry.partition_offset (pipeline_id, partition, next_offset, pause_reason)
SELECT pipeline_id, 0, 2, 'corrupt' FROM telemetry.pipeline WHERE name = 'p';
SELECT telemetry.skip_offset('p', 0, 1);
DO $$ BEGIN PERFORM telemetry.skip_offset('p', 0, 2); EXCEPTION WHEN fdw_unable_to_establish_connection THEN RAISE WARNING 'nobody to ask'; END $$;

-- seek, with a broker
\getenv broker TELEMETRY_BROKER
SET telemetry.kafka_timeout = '10s';
CREATE SERVER pipeline_here FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers :'broker');
CREATE FOREIGN TABLE produced (event_time timestamptz, kind text, amount integer, p integer OPTIONS (metadata 'partition'))
	SERVER pipeline_here OPTIONS (topic 'pipeline_seek', format 'json');
INSERT INTO produced SELECT '2026-01-01 00:00Z', 'k', n, 0 FROM generate_series(1, 20) n;
SELECT telemetry.create_pipeline('s', 'produced', 'fact', paused => true, partitions => '{0}');
SELECT "partition", from_offset, to_offset FROM telemetry.seek_pipeline('s', 'latest');
SELECT telemetry.seek_pipeline('s', offsets => '{"0": 1000000}') IS NULL;
SELECT telemetry.seek_pipeline('s', offsets => '[1]');
SELECT telemetry.seek_pipeline('s', offsets => '{"x": 1}');
SELECT telemetry.seek_pipeline('s', offsets => '{"0": "1"}');
SELECT telemetry.seek_pipeline('s', offsets => '{"99": 1}');
SELECT telemetry.seek_pipeline('s', offsets => '{"0": 1, "00": 1}');
SELECT telemetry.seek_pipeline('s', offsets => '{"4294967296": 1}');
SELECT telemetry.seek_pipeline('s', offsets => '{"+0": 1}');
SELECT telemetry.seek_pipeline('s', offsets => '{"0": 1.5}');
SELECT telemetry.seek_pipeline('s', 'sometime');
SELECT telemetry.seek_pipeline('s', 'infinity');
-- a millisecond before 1970 is Kafka's word for the end, and the last times that there are leave its range
SELECT to_offset FROM telemetry.seek_pipeline('s', '1969-12-31 23:59:59.999Z', allow_duplicates => true);
SELECT to_offset FROM telemetry.seek_pipeline('s', '294276-12-31 23:59:59Z', allow_duplicates => true);
SELECT telemetry.seek_pipeline('s', 'earliest');
SELECT "partition", from_offset, to_offset FROM telemetry.seek_pipeline('s', 'earliest', allow_duplicates => true);
SELECT "partition", from_offset, to_offset FROM telemetry.seek_pipeline('s', '2100-01-01');
SELECT telemetry.alter_pipeline('s', on_conflict => 'ignore');
SELECT "partition", to_offset FROM telemetry.seek_pipeline('s', offsets => '{"0": 0}');
SELECT committed_offset FROM telemetry.stat_partition WHERE pipeline = 's';

-- skip, with a broker: the last message, and none that is still to come
SELECT telemetry.seek_pipeline('s', offsets => '{"0": 19}') IS NULL;
UPDATE telemetry.partition_offset SET pause_reason = 'corrupt' WHERE next_offset = 19;
SELECT telemetry.skip_offset('s', 0, 19);
SELECT committed_offset, lag, dead, pause_reason FROM telemetry.stat_partition WHERE pipeline = 's';
SELECT "offset", value, value_length, sqlstate, message FROM telemetry.dead_letter WHERE pipeline = 's';
SELECT telemetry.skip_offset('s', 0, 20);
SELECT stored, dead FROM telemetry.retry_dead_letters('s');
SELECT message FROM telemetry.dead_letter WHERE pipeline = 's';

-- NULL is nobody's name
SELECT telemetry.skip_offset(NULL, 0, 0);
SELECT telemetry.skip_offset('s', NULL, 0);
SELECT telemetry.skip_offset('s', 0, NULL);
SELECT telemetry.resume_pipeline(NULL);
SELECT telemetry.drop_pipeline(NULL);
SELECT telemetry.drop_pipeline(NULL, if_exists => true);

-- What a dimension takes, the fact need not have: neither what follows the newest event nor what is filled once.
CREATE TABLE dim (key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL UNIQUE, region text, region_at timestamptz, device text);
CREATE TABLE fact_of_dim (event_time timestamptz, dim_key bigint NOT NULL REFERENCES dim);
CREATE FOREIGN TABLE topic_of_dim (event_time timestamptz, kind text, region text, device text)
	SERVER pipeline_nowhere OPTIONS (topic 'pipeline_admin', format 'json');
SELECT telemetry.create_pipeline('with_dim', 'topic_of_dim', 'fact_of_dim', event_time_column => 'event_time', paused => true);
SELECT telemetry.drop_pipeline('with_dim');
-- drop
SELECT telemetry.drop_pipeline('nobody');
SET client_min_messages = notice;
SELECT telemetry.drop_pipeline('nobody', if_exists => true);
SET client_min_messages = warning;
SELECT telemetry.drop_pipeline(name) FROM telemetry.pipeline WHERE name IN ('mine', 'p', 'r', 's') ORDER BY name;
SELECT count(*) FROM telemetry.pipeline WHERE name IN ('mine', 'p', 'r', 's');
SELECT count(*) FROM telemetry._dead_letter WHERE topic = 'pipeline_admin';
SELECT count(*) FROM fact;
DROP SCHEMA pipeline_admin CASCADE;
DROP SERVER pipeline_nowhere, pipeline_here;
DROP ROLE pipeline_member, pipeline_owner, pipeline_other, pipeline_monitor;
