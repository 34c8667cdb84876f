-- date_trunc() and AT TIME ZONE of maintenance give what PostgreSQL's give. src/type/zone.c
SET client_min_messages = warning;

-- Anywhere from 1850 to 2054, in no order; changes of Berlin's clock and, by half an hour, of Lord Howe's, step by step; the ends.
CREATE TABLE instant AS
	SELECT timestamptz '1850-01-01 UTC' + (hashint8extended(n, 7) & 2147483647) * 3 * interval '1 second' + n * interval '1 ms' AS ts
	FROM generate_series(1, 1000) AS n
	UNION ALL SELECT timestamptz '2010-10-29 UTC' + n * interval '13 minutes 1.1 seconds' FROM generate_series(0, 400) AS n
	UNION ALL SELECT timestamptz '2010-04-03 12:00 UTC' + n * interval '2 minutes' FROM generate_series(0, 200) AS n
	UNION ALL SELECT timestamptz '1999-12-20 UTC' + n * interval '10 hours' FROM generate_series(0, 1500) AS n
	UNION ALL SELECT NULL
	UNION ALL SELECT unnest('{-infinity, infinity, 3000-01-01 BC, 0001-02-01 BC, 0001-01-01, 294276-12-30}'::timestamptz[]);
CREATE TABLE zone (name) AS SELECT unnest('{UTC, utc, Europe/Berlin, America/St_Johns, Asia/Kathmandu, Pacific/Apia, Africa/Monrovia,
	Australia/Lord_Howe, Asia/Manila, Etc/GMT+5, EST, CET, MSK}'::text[]);
CREATE TABLE unit (name) AS SELECT unnest('{second, minute, hour, day, week, month, quarter, year, decade, Day}'::text[]);

-- In the order of time, back, and in none; a query has its zone and unit as constants.
CREATE FUNCTION differences(query text, VARIADIC arguments text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint; total bigint := 0; BEGIN
	FOR sorting IN 0 .. 2 LOOP
		EXECUTE format('SELECT count(*) FROM (SELECT ts FROM instant ORDER BY %s OFFSET 0) AS i WHERE ', (ARRAY['ts', 'ts DESC', 'hashtext(ts::text)'])[1 + sorting])
			|| format(query, VARIADIC arguments) INTO n;
		total := total + n;
	END LOOP;
	RETURN total; END $$;
SELECT name, n FROM zone, differences('telemetry._at_time_zone(%1$L, ts) IS DISTINCT FROM ts AT TIME ZONE %1$L', name) AS n WHERE n > 0;
SELECT zone.name, unit.name, n FROM zone, unit,
	differences('telemetry._date_trunc(%1$L, ts, %2$L) IS DISTINCT FROM date_trunc(%1$L, ts, %2$L)', unit.name, zone.name) AS n WHERE n > 0;
-- Zone and unit of the row.
SELECT count(*) FROM zone, unit, (SELECT ts FROM instant ORDER BY hashtext(ts::text) LIMIT 100) AS i
WHERE telemetry._date_trunc(unit.name, ts, zone.name) IS DISTINCT FROM date_trunc(unit.name, ts, zone.name)
	OR telemetry._at_time_zone(zone.name, ts) IS DISTINCT FROM ts AT TIME ZONE zone.name;

-- Errors are PostgreSQL's.
SELECT telemetry._date_trunc('day', now(), 'Europe/Nowhere');
SELECT telemetry._date_trunc('fortnight', now(), 'UTC');
SELECT telemetry._at_time_zone('Nowhere', now());
SELECT telemetry._at_time_zone('Etc/GMT+5', '4714-11-24 00:00:00+00 BC');
SELECT telemetry._date_trunc('year', '4714-11-24 00:00:00+00 BC', 'UTC');

-- A view by both, over a change of the clock.
CREATE TABLE event (ts timestamptz);
CREATE MATERIALIZED VIEW by_zone WITH (telemetry.continuous) AS
	SELECT date_trunc('hour', ts, 'Europe/Berlin') AS hour, (ts AT TIME ZONE 'America/St_Johns')::date AS day, count(*) AS events
	FROM event WHERE ts AT TIME ZONE 'Asia/Manila' > '1900-01-01' GROUP BY 1, 2;
INSERT INTO event SELECT ts FROM instant WHERE isfinite(ts);
SELECT count(*) > 500 AS many FROM by_zone;
SELECT * FROM telemetry.verify('by_zone');
DELETE FROM event WHERE ts > '2010-01-01';
SELECT * FROM telemetry.verify('by_zone');
DROP TABLE event CASCADE;
DROP FUNCTION differences;
DROP TABLE instant, zone, unit;
