-- What an abbreviation of a time zone means is a setting; in a view it is what PostgreSQL's own set says, whoever writes and reads.
CREATE SCHEMA abbreviations;
SET search_path = abbreviations;
CREATE TABLE event (at timestamptz, zone text);
CREATE MATERIALIZED VIEW local WITH (telemetry.continuous) AS SELECT at AT TIME ZONE zone AS at, count(*) FROM event GROUP BY 1;
-- EST is the name of a zone, too, but newer systems have left it out.
SELECT coalesce(min(name), 'GMT') AS zone FROM pg_timezone_names WHERE name = 'EST' \gset
CREATE MATERIALIZED VIEW named WITH (telemetry.continuous) AS SELECT date_trunc('day', at, :'zone') AS day, count(*) FROM event GROUP BY 1;
CREATE MATERIALIZED VIEW kept WITH (telemetry.continuous) AS SELECT at AT TIME ZONE zone AS at FROM event WHERE zone <> 'UTC';
INSERT INTO event VALUES ('2026-11-22 15:00Z', 'EST'), ('2026-11-22 15:00Z', 'Europe/Berlin');
SET timezone_abbreviations = 'Australia';
INSERT INTO event VALUES ('2026-11-22 15:00Z', 'EST'), ('2026-11-22 15:00Z', 'EST');
DELETE FROM event WHERE ctid = '(0,1)';
SELECT timestamptz '2026-11-22 15:00Z' AT TIME ZONE 'EST' AS in_this_session;
TABLE local ORDER BY at;
SELECT extract(hour FROM day AT TIME ZONE 'UTC') = CASE :'zone' WHEN 'EST' THEN 5 ELSE 0 END AS is_postgresqls, count FROM named;
TABLE kept ORDER BY at;
SELECT v, verified.* FROM unnest(ARRAY['local', 'named', 'kept']::regclass[]) AS v, telemetry.verify(v) AS verified;
REFRESH MATERIALIZED VIEW local;
RESET timezone_abbreviations;
TABLE local ORDER BY at;
SELECT v, verified.* FROM unnest(ARRAY['local', 'named', 'kept']::regclass[]) AS v, telemetry.verify(v) AS verified;
SET client_min_messages = warning;
DROP SCHEMA abbreviations CASCADE;
