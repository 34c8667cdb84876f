-- Who sees what: everybody the pipelines of roles whose privileges he has, pg_monitor and superusers all.
-- Two pipelines run beside a broker, so that shared memory has something to tell as well.
SET client_min_messages = warning;
\getenv broker TELEMETRY_BROKER
CREATE ROLE visible_owner;
CREATE ROLE visible_member IN ROLE visible_owner;
CREATE ROLE visible_guest NOINHERIT IN ROLE visible_owner;
CREATE ROLE visible_other;
CREATE ROLE visible_nobody;
CREATE ROLE visible_monitor IN ROLE pg_monitor;
CREATE SCHEMA visibility;
CREATE SERVER visible_server FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers :'broker');
GRANT USAGE ON SCHEMA visibility TO PUBLIC;
GRANT USAGE ON FOREIGN SERVER visible_server TO visible_owner, visible_other;
SET search_path = visibility;
CREATE FOREIGN TABLE topic (kind text, amount integer, p integer OPTIONS (metadata 'partition'))
	SERVER visible_server OPTIONS (topic 'visibility', format 'json');
CREATE FOREIGN TABLE raw (value text OPTIONS (metadata 'value')) SERVER visible_server OPTIONS (topic 'visibility', format 'text');
CREATE FOREIGN TABLE unmapped (value text) SERVER visible_server OPTIONS (topic 'visibility', format 'text');
INSERT INTO unmapped VALUES ('would be an empty message');
CREATE TABLE fact (kind text, amount integer);
GRANT SELECT ON topic TO visible_owner, visible_other;
GRANT INSERT ON fact TO visible_owner, visible_other;
INSERT INTO topic SELECT 'k', n, 0 FROM generate_series(1, 10) n;
INSERT INTO raw VALUES ('no json');
SET ROLE visible_owner;
SELECT telemetry.create_pipeline('visible_one', 'topic', 'fact', event_time_column => NULL);
SET ROLE visible_other;
SELECT telemetry.create_pipeline('visible_two', 'topic', 'fact', event_time_column => NULL);
RESET ROLE;
-- Both have read everything, and have told of all four partitions.
DO $$
BEGIN
	FOR i IN 1 .. 1200 LOOP
		EXIT WHEN (SELECT sum(stored) = 20 AND sum(dead) = 2 AND sum(lag) = 0 FROM telemetry.stat_pipeline WHERE pipeline LIKE 'visible%')
			AND (SELECT count(*) = 8 FROM telemetry._partitions()) AND (SELECT count(*) = 2 FROM telemetry._workers());
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$;

-- What a role sees, by every way there is.
CREATE FUNCTION visible(OUT place text, OUT pipelines text, OUT rows bigint) RETURNS SETOF record
LANGUAGE sql AS $$
	SELECT 'pipeline', string_agg(name, ' ' ORDER BY name), count(*) FROM telemetry.pipeline
	UNION ALL SELECT 'stat_pipeline', string_agg(pipeline, ' ' ORDER BY pipeline), count(*) FROM telemetry.stat_pipeline
	UNION ALL SELECT 'stat_partition', string_agg(DISTINCT pipeline, ' ' ORDER BY pipeline), count(*) FROM telemetry.stat_partition
	UNION ALL SELECT 'stat_worker', string_agg(pipeline, ' ' ORDER BY pipeline), count(*) FROM telemetry.stat_worker
	UNION ALL SELECT 'dead_letter', string_agg(pipeline, ' ' ORDER BY pipeline), count(*) FROM telemetry.dead_letter
	UNION ALL SELECT '_partitions()', NULL, count(*) FROM telemetry._partitions()
	UNION ALL SELECT '_workers()', NULL, count(*) FROM telemetry._workers()
$$;
SET ROLE visible_owner;
SELECT * FROM visible();
SET ROLE visible_other;
SELECT * FROM visible();
SET ROLE visible_nobody;
SELECT * FROM visible();
-- Payloads are no figures: a monitor sees none.
SET ROLE visible_monitor;
SELECT * FROM visible();
-- A member has the owner's privileges unless it does not inherit them; then it must SET ROLE first.
SET ROLE visible_member;
SELECT * FROM visible();
SET ROLE visible_guest;
SELECT * FROM visible();
RESET ROLE;
SELECT * FROM visible();

-- Nobody reads past the views, not even a monitor; and an error tells no name of others.
SET ROLE visible_monitor;
SELECT 1 FROM telemetry._pipeline;
SELECT 1 FROM telemetry.activation;
SELECT 1 FROM telemetry.partition_offset;
SELECT 1 FROM telemetry.pipeline_watermark;
SELECT 1 FROM telemetry._dead_letter;
SELECT last_value FROM telemetry._pipeline_pipeline_id_seq;
SELECT telemetry.pause_pipeline('nothing');
SET ROLE visible_owner;
SELECT telemetry.pause_pipeline('nothing');
UPDATE telemetry.pipeline SET owner = 'visible_other';
DELETE FROM telemetry.pipeline;
SET ROLE visible_nobody;
SELECT telemetry.pause_pipeline('nothing');
-- A function that leaks its arguments comes after the views' condition, however cheap it says it is.
RESET ROLE;
CREATE FUNCTION leak(anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
$$ BEGIN RAISE WARNING 'leaked %', $1; RETURN true; END $$;
SET ROLE visible_nobody;
SELECT name FROM telemetry.pipeline WHERE leak(name);
SELECT pipeline FROM telemetry.stat_pipeline WHERE leak(pipeline);
SELECT pipeline FROM telemetry.stat_partition WHERE leak(pipeline);
SELECT pipeline FROM telemetry.stat_worker WHERE leak(pipeline);
SELECT pipeline FROM telemetry.dead_letter WHERE leak(message);
RESET ROLE;

-- Given away, it is seen by the new owner alone, the figures in shared memory as well.
SELECT telemetry.alter_pipeline('visible_one', owner => 'visible_other');
SET ROLE visible_owner;
SELECT * FROM visible() WHERE rows > 0;
SET ROLE visible_other;
SELECT * FROM visible() WHERE place IN ('pipeline', 'stat_pipeline', 'dead_letter');
RESET ROLE;

SELECT telemetry.drop_pipeline(name) FROM telemetry.pipeline WHERE name LIKE 'visible%' ORDER BY name;
SELECT count(*) FROM telemetry._partitions();
DROP SCHEMA visibility CASCADE;
DROP SERVER visible_server;
DROP ROLE visible_member, visible_guest, visible_owner, visible_other, visible_nobody, visible_monitor;
