-- Every setting of the extension, its default, and what it refuses.
SELECT name, setting, unit, context, short_desc <> '' AS described
FROM pg_settings WHERE name LIKE 'telemetry.%' ORDER BY name;

\set VERBOSITY sqlstate
SET telemetry.kafka_timeout = '20ms';
\set VERBOSITY default
SET telemetry.kafka_timeout = '30s';
SHOW telemetry.kafka_timeout;
SET telemetry.insert_path = 'slow';
SET telemetry.insert_path = 'executor';
SET telemetry.max_workers = 2;
SET telemetry.enabled = off;

-- The prefix is ours: a misspelt setting is not taken as a placeholder.
SET telemetry.kafka_timeoout = 1;
