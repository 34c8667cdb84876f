-- What the statements of fuzz_arguments.c are about. Nothing listens at the server's address.
\set ON_ERROR_STOP on
\set QUIET on
CREATE EXTENSION telemetry;
CREATE ROLE fuzz_nobody;
CREATE SERVER nowhere FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '127.0.0.1:1');
CREATE FOREIGN TABLE topic (id bigint, kind text, event_time timestamptz) SERVER nowhere OPTIONS (topic 'fuzz');
CREATE TABLE fact (id bigint, kind text, event_time timestamptz);
CREATE TABLE parts (LIKE fact) PARTITION BY RANGE (event_time);
SELECT telemetry.create_pipeline('paused', 'topic', 'fact', paused => true) \g /dev/null
CREATE FUNCTION made_view(name text, value text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE MATERIALIZED VIEW made WITH (telemetry.%I = %L) AS SELECT kind, count(*) FROM fact GROUP BY kind WITH NO DATA',
		name, value);
END $$;
CREATE FUNCTION fuzz(target text, log text, arguments text[]) RETURNS void LANGUAGE c AS :'module';
