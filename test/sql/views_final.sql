-- is_final() and finalized_until(): what is still open, by a watermark that is put down by hand. (Pipelines make it in t/044.)
SET client_min_messages = warning;
CREATE SCHEMA finals;
SET search_path = finals;
SET timezone = 'America/New_York';
CREATE TABLE fact (at timestamptz NOT NULL, n int);
CREATE MATERIALIZED VIEW by_day WITH (telemetry.continuous) AS
	SELECT date_trunc('day', at, 'Europe/Berlin') AS day, (at AT TIME ZONE 'Europe/Berlin')::date AS local, count(*) FROM fact GROUP BY 1, 2;
CREATE MATERIALIZED VIEW by_count WITH (telemetry.continuous) AS SELECT count, count(*) AS days FROM by_day GROUP BY 1;
INSERT INTO fact SELECT timestamptz '2026-03-27 00:00+01' + i * interval '12 hours' FROM generate_series(0, 8) i;
CREATE VIEW ordinary AS SELECT * FROM fact;

-- No pipeline, and one that has no watermark yet.
SELECT telemetry.finalized_until('by_day'), telemetry.finalized_until('fact'), telemetry.is_final('by_day', now() - interval '1 year');
CREATE SERVER nowhere FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'localhost:1');
CREATE FOREIGN TABLE topic (at timestamptz) SERVER nowhere OPTIONS (topic 'events');
SELECT telemetry.create_pipeline('finals', 'topic', 'fact', event_time_column => 'at', paused => true);
SELECT telemetry.is_final('by_day', day + interval '1 day') AS is_final FROM by_day GROUP BY 1;

-- In Berlin the 29th of March has 23 hours. An event at the end of a window is not in it.
CREATE FUNCTION watermark(at timestamptz) RETURNS void LANGUAGE sql AS $$
	INSERT INTO telemetry.pipeline_watermark SELECT pipeline_id, at FROM telemetry.pipeline WHERE name = 'finals'
	ON CONFLICT (pipeline_id) DO UPDATE SET watermark = excluded.watermark $$;
CREATE VIEW days AS SELECT local, count, telemetry.is_final('by_day', day + interval '1 day') AS late,
	telemetry.is_final('by_day', local, 'Europe/Berlin') AS is_final, telemetry.is_final('by_day', (local + 1)::timestamp) AS by_utc,
	telemetry.is_final('by_day', local) = telemetry.is_final('by_day', (local + 1)::timestamp) AS utc_by_default FROM by_day;
SELECT watermark('2026-03-28 23:00+00'); SELECT * FROM days ORDER BY 1;
SELECT watermark('2026-03-29 21:59:59.999999+00'); SELECT * FROM days ORDER BY 1;
SELECT watermark('2026-03-29 22:00+00'); SELECT * FROM days ORDER BY 1;
-- Of the table and of a view over the view the same; where no end is given nothing is final.
SELECT r, telemetry.is_final(r, timestamptz '2026-03-29 22:00+00'), telemetry.is_final(r, timestamptz '2026-03-29 22:00:00.000001+00'),
	telemetry.is_final(r, NULL::timestamptz), telemetry.is_final(r, '2026-03-29', NULL), telemetry.is_final(r, date 'infinity')
FROM unnest('{fact,by_day,by_count}'::regclass[]) r;
SELECT telemetry.is_final(NULL, now());
-- Looked up once a statement, and anew in the next.
CREATE FUNCTION steps() RETURNS text LANGUAGE plpgsql AS $$
DECLARE said text = ''; BEGIN
	FOR hour IN 20 .. 22 LOOP
		PERFORM finals.watermark('2026-04-01 00:00+00'::timestamptz + hour * interval '1 hour');
		said := said || telemetry.is_final('finals.fact', timestamptz '2026-04-01 21:00+00') || ' ';
	END LOOP;
	RETURN said;
END $$;
SELECT steps();
SELECT bool_and(telemetry.is_final('by_day', timestamptz '2026-04-01 21:00+00')) FROM generate_series(1, 100000);
-- What is neither, and who may not read.
SELECT telemetry.is_final('ordinary', now());
SELECT telemetry.finalized_until('ordinary');
SELECT telemetry.is_final('fact', '2026-01-01', 'Middle/Earth');
CREATE ROLE regress_reader;
GRANT USAGE ON SCHEMA finals TO regress_reader;
GRANT SELECT ON by_day TO regress_reader;
SET ROLE regress_reader;
SELECT telemetry.is_final('by_day', '-infinity'::timestamptz);
SELECT telemetry.is_final('fact', now());
SELECT telemetry.is_final('by_count', now());
RESET ROLE;
SELECT telemetry.drop_pipeline('finals');
DROP SCHEMA finals CASCADE;
DROP ROLE regress_reader;
