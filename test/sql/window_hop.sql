-- hop(): against windows that are read off a clock, minute by minute.
SET search_path = telemetry, public;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';

-- [start, end), to the microsecond; the last argument but one is the size.
SELECT ts, w.* FROM (VALUES (timestamptz '2026-01-01 10:14:59.999999'), ('2026-01-01 10:15'), ('2026-01-01 10:15:00.000001')) v(ts),
	hop(ts, slide => '15 minutes', size => '30 minutes') w ORDER BY 1, 2;
-- Without a zone; before 1970; with an origin; a week begins on Thursday, as 1970 did, or where it is told to.
SELECT * FROM hop(timestamp '1969-12-31 23:59:59.999999', '1 hour', '2 hours');
SELECT * FROM hop(timestamp '0044-03-15 12:00 BC', '1 day', '1 day');
SELECT * FROM hop(timestamp '2026-01-01 10:14', '1 hour', '1 hour', timestamp '2030-05-05 00:20');
SELECT * FROM hop(timestamptz '2026-07-01 10:14', '1 hour', '1 hour', timestamptz '2026-01-01 00:20', 'Asia/Kathmandu');
SELECT * FROM hop(timestamptz '2026-01-01 10:14', '7 days', '7 days');
SELECT * FROM hop(timestamptz '2026-01-01 10:14', '7 days', '7 days', origin => timestamptz '2024-01-01');
-- An origin is an instant; its windows begin when the zone's clock shows the same again.
SELECT w.window_start AT TIME ZONE 'Europe/Berlin' AS starts FROM unnest('{2026-01-05,2026-07-05}'::timestamptz[]) ts,
	hop(ts, '1 day', '1 day', origin => timestamptz '2026-01-01 05:00', zone => 'Europe/Berlin') w;
-- A size that is no multiple of the slide: windows overlap unevenly.
SELECT ts, w.* FROM (VALUES (timestamp '2026-01-01 10:00'), ('2026-01-01 10:29:59.999999'), ('2026-01-01 10:30')) v(ts),
	hop(ts, '1 hour', '90 minutes') w ORDER BY 1, 2;
-- Windows with gaps are a condition.
SELECT ts, w.* FROM (VALUES (timestamp '2026-01-01 10:19:59.999999'), ('2026-01-01 10:20')) v(ts),
	hop(ts, '1 hour', '1 hour') w WHERE ts - window_start < '20 minutes' ORDER BY 1, 2;

-- In no window: NULL, infinite times. LEFT JOIN keeps them.
SELECT ts, w.* FROM (VALUES (NULL::timestamptz), ('infinity'), ('-infinity'), ('epoch')) v(ts)
	LEFT JOIN hop(ts, '1 day', '1 day') w ON true ORDER BY 1;
SELECT count(*) FROM hop(NULL::timestamp, '1 hour', '1 hour');

-- Months are those of the calendar; the origin's day is cut to the month's length.
SELECT w.* FROM hop(timestamp '2024-02-29 23:59', '1 month', '3 months') w;
SELECT w.* FROM hop(timestamp '2026-05-17', '1 year', '1 year') w;
SELECT w.* FROM hop(timestamp '2026-05-17', '3 months', '3 months') w;
SELECT w.* FROM hop(timestamp '2026-05-17', '2 months', '3 months') w;
SELECT w.* FROM hop(timestamp '0001-01-01 BC', '1 month', '1 month') w;
SELECT ts, w.* FROM (VALUES (timestamp '2026-01-30 23:59'), ('2026-02-28 05:59'), ('2026-02-28 06:00'), ('2026-03-31 06:00')) v(ts),
	hop(ts, '1 month', '1 month', timestamp '2023-12-31 06:00') w ORDER BY 1;

-- The clock of a zone: days of 23 and 25 hours, and an hour that comes twice.
SET timezone = 'Europe/Berlin';
SELECT w.*, w.window_end - w.window_start AS long FROM unnest('{2026-03-29,2026-10-25}'::date[]) d,
	hop(d + time '12:00' AT TIME ZONE 'Europe/Berlin', '1 day', '1 day', zone => 'Europe/Berlin') w ORDER BY 1;
SELECT DISTINCT w.* FROM generate_series(timestamptz '2026-10-25 01:30+02', '2026-10-25 03:30+01', '30 minutes') ts,
	hop(ts, '1 hour', '1 hour', zone => 'Europe/Berlin') w ORDER BY 1;
SELECT DISTINCT w.*, w.window_end - w.window_start AS long FROM generate_series(timestamptz '2026-10-25 00:00', '2026-10-25 12:00', '30 minutes') ts,
	hop(ts, '6 hours', '6 hours', zone => 'Europe/Berlin') w ORDER BY 1;
-- The zone's rules, not the session's.
SET timezone = 'Asia/Tokyo';
SELECT count(*) FROM (SELECT ts, w.* FROM generate_series(timestamptz '2026-10-24', '2026-10-27', '20 minutes') ts,
	hop(ts, '1 day', '2 days', zone => 'Europe/Berlin') w) x
	WHERE (window_start AT TIME ZONE 'Europe/Berlin')::time <> '00:00' OR ts < window_start OR ts >= window_end
		OR (window_end AT TIME ZONE 'Europe/Berlin')::date - (window_start AT TIME ZONE 'Europe/Berlin')::date <> 2;
SET timezone = 'UTC';

-- ---- The differential test. Clocks are read each minute, around changes of every kind: put forward and back, by an
-- hour, half an hour and a day, at midnight and a minute after, from one day to another.
CREATE TEMP TABLE change AS
SELECT * FROM (VALUES ('Europe/Berlin', timestamptz '2026-03-29 01:00'), ('Europe/Berlin', '2026-10-25 01:00'),
	('Europe/Berlin', '1947-05-11 01:00'), ('America/St_Johns', '2010-03-14 03:31'), ('America/St_Johns', '2010-11-07 02:31'),
	('Australia/Lord_Howe', '2026-04-04 15:00'), ('Australia/Lord_Howe', '2026-10-03 15:30'),
	('America/Sao_Paulo', '2018-11-04 03:00'), ('America/Sao_Paulo', '2018-02-18 02:00'), ('America/Havana', '2025-11-02 05:00'),
	('Pacific/Apia', '2011-12-30 10:00'), ('Pacific/Kwajalein', '1969-09-30 13:00'), ('Asia/Pyongyang', '2018-05-04 15:00'),
	('UTC', '1969-12-31 23:00')) v(zone, at);
CREATE TEMP TABLE clock AS
SELECT zone, at, t, l, m, m = lag(m) OVER w AS again, count(*) OVER (PARTITION BY zone, at, m) - 1 AS again_minutes,
	lag(m) OVER w AS before
FROM (SELECT zone, at, t, t AT TIME ZONE zone AS l, max(t AT TIME ZONE zone) OVER (PARTITION BY zone, at ORDER BY t) AS m
	FROM change, generate_series(at - interval '5 days', at + interval '6 days', '1 minute') t) x
WINDOW w AS (PARTITION BY zone, at ORDER BY t);
CREATE INDEX ON clock (zone, at, t);
ANALYZE clock;
SELECT zone, at, bool_or(again) AS put_back, max(m - before) > interval '1 minute' AS put_forward FROM clock GROUP BY 1, 2 ORDER BY 1, 2;
CREATE TEMP TABLE slide AS SELECT DISTINCT slide FROM (VALUES (interval '15 minutes'), ('45 minutes'), ('1 hour'), ('2 hours'),
	('6 hours'), ('1 day'), ('36 hours')) v(slide);
-- A bound is where the clock comes to an aligned reading that it had not reached before; or where it shows one again, if
-- what it repeats is no shorter than the slide.
CREATE TEMP TABLE bound AS
SELECT zone, at, slide, t, l - make_interval(secs => mod(extract(epoch FROM l), s) + CASE WHEN mod(extract(epoch FROM l), s) < 0 THEN s ELSE 0 END) AS nominal,
	row_number() OVER (PARTITION BY zone, at, slide ORDER BY t) AS n
FROM (SELECT *, extract(epoch FROM slide) AS s FROM clock, slide) x
WHERE NOT again AND floor(extract(epoch FROM m) / s) > floor(extract(epoch FROM before) / s)
	OR again AND again_minutes * 60 >= s AND mod(extract(epoch FROM l), s) = 0;
CREATE INDEX ON bound (zone, at, slide, n);
ANALYZE bound;
CREATE TEMP TABLE expected AS
SELECT b.zone, b.at, b.slide, size, b.t AS window_start,
	CASE WHEN rest = 0 THEN e.t ELSE least(f.t, (SELECT min(c.t) FROM clock c
		WHERE c.zone = b.zone AND c.at = b.at AND c.t BETWEEN e.t AND f.t AND c.l >= e.nominal + make_interval(secs => rest))) END AS window_end
FROM (SELECT slide, size, floor(extract(epoch FROM size) / extract(epoch FROM slide))::int AS k, mod(extract(epoch FROM size), extract(epoch FROM slide)) AS rest
	FROM (VALUES (interval '15 minutes', interval '1 hour'), ('45 minutes', '45 minutes'), ('45 minutes', '100 minutes'),
		('1 hour', '1 hour'), ('1 hour', '5 hours'), ('1 hour', '90 minutes'), ('2 hours', '150 minutes'), ('2 hours', '5 hours'),
		('6 hours', '6 hours'), ('6 hours', '24 hours'), ('1 day', '1 day'), ('1 day', '3 days'), ('1 day', '36 hours'),
		('1 day', '26 hours 30 minutes'), ('36 hours', '36 hours')) v(slide, size)) s
JOIN bound b USING (slide)
JOIN bound e ON (e.zone, e.at, e.slide, e.n) = (b.zone, b.at, b.slide, b.n + k)
JOIN bound f ON (f.zone, f.at, f.slide, f.n) = (b.zone, b.at, b.slide, b.n + k + 1)
WHERE b.t BETWEEN b.at - s.size - b.slide - interval '53 hours' AND b.at + interval '28 hours';
CREATE INDEX ON expected (zone, at, slide, size, window_start);
ANALYZE expected;
-- Events: before and at every bound, to the microsecond, and some in between.
CREATE TEMP TABLE event AS
SELECT DISTINCT zone, at, ts FROM (
	SELECT zone, at, window_start AS ts FROM expected UNION SELECT zone, at, window_end FROM expected UNION
	SELECT zone, at, t + interval '17.123456 seconds' FROM clock WHERE extract(minute FROM t) IN (3, 31, 50)) x
WHERE ts BETWEEN at - interval '27 hours' AND at + interval '27 hours';
INSERT INTO event SELECT zone, at, ts - interval '1 microsecond' FROM event;
ANALYZE event;
CREATE TEMP TABLE found AS
SELECT e.zone, at, slide, size, ts, w.* FROM event e, (SELECT DISTINCT slide, size FROM expected) s,
	hop(ts, slide, size, zone => e.zone) w;
CREATE TEMP TABLE wanted AS
SELECT e.zone, e.at, slide, size, ts, window_start, window_end
FROM event e CROSS JOIN (SELECT DISTINCT slide, size FROM expected) s JOIN expected x USING (zone, at, slide, size)
WHERE window_start <= ts AND ts < window_end AND window_start > ts - size - slide - interval '26 hours';
SELECT count(*) > 100000 AS many FROM wanted;
SELECT * FROM (TABLE found EXCEPT ALL TABLE wanted) x ORDER BY 1, 2, 3, 4, 5 LIMIT 10;
SELECT * FROM (TABLE wanted EXCEPT ALL TABLE found) x ORDER BY 1, 2, 3, 4, 5 LIMIT 10;
-- Tumbling: every event is in one window.
SELECT count(*) FROM (SELECT FROM found WHERE slide = size GROUP BY zone, at, slide, ts HAVING count(*) <> 1) x;

-- Without a zone's changes, against date_bin, generate_series and plain arithmetic; long before 1970 and long after.
SELECT count(*), count(*) FILTER (WHERE w.starts IS DISTINCT FROM x.starts) AS differ
FROM (SELECT timestamp '1970-01-01 00:00' + make_interval(secs => (i * 7919.123457 - 5e6)::float8 * (1 + i % 1000)) AS ts FROM generate_series(1, 3000) i) e,
	(VALUES (interval '15 minutes', interval '1 hour'), ('7 minutes', '20 minutes'), ('1 day', '7 days'), ('10 minutes', '1 hour'), ('11 days', '100 days')) s(slide, size),
	LATERAL (SELECT array_agg(window_start ORDER BY window_start) FILTER (WHERE window_end = window_start + size) AS starts FROM hop(ts, slide, size)) w,
	LATERAL (SELECT array_agg(g ORDER BY g) AS starts FROM generate_series(date_bin(slide, ts, 'epoch') - 15 * slide, ts, slide) g
		WHERE g <= ts AND ts < g + size) x;
-- Months in a zone, against the calendar. Where the clock shows a month's beginning twice, the first time counts.
CREATE FUNCTION first_time(reading timestamp, zone text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
	SELECT min(t) FROM (SELECT reading AT TIME ZONE zone - i * interval '30 minutes' FROM generate_series(0, 2) i) x(t)
	WHERE t AT TIME ZONE zone = reading OR t = reading AT TIME ZONE zone $$;
SELECT count(*), count(*) FILTER (WHERE w.starts IS DISTINCT FROM x.starts) AS differ
FROM (SELECT timestamptz '1901-01-05 10:00+00' + i * interval '5 days 01:02:03.000004' AS ts FROM generate_series(1, 10000, 31) i) e,
	unnest('{Europe/Berlin,America/St_Johns,Australia/Lord_Howe,America/Sao_Paulo,UTC}'::text[]) z,
	(VALUES (1, 1), (1, 3), (3, 12), (2, 5)) s(slide, size),
	LATERAL (SELECT array_agg(ARRAY[window_start, window_end] ORDER BY window_start) AS starts
		FROM hop(ts, make_interval(months => slide), make_interval(months => size), zone => z)) w,
	LATERAL (SELECT array_agg(ARRAY[first_time(g, z), first_time(g + make_interval(months => size), z)] ORDER BY g) AS starts
		FROM generate_series(date_trunc('month', ts AT TIME ZONE z) - interval '20 months', ts AT TIME ZONE z, '1 month') g
		WHERE (extract(year FROM g) * 12 + extract(month FROM g) - 1 - 1970 * 12)::int % slide = 0
			AND first_time(g, z) <= ts AND ts < first_time(g + make_interval(months => size), z)) x;
-- Days are those of date_trunc, but for the hours that a zone puts its clock back over midnight.
SELECT count(*) > 50000 AS many, count(*) FILTER (WHERE w.window_start <> date_trunc('day', ts, z)) AS differ
FROM generate_series(timestamptz '1975-01-01', '2040-01-01', '1 day 01:13:00') ts,
	unnest('{Europe/Berlin,Australia/Lord_Howe,America/New_York}'::text[]) z, hop(ts, '1 day', '1 day', zone => z) w;

-- Arguments that change from row to row; several time lines in one query.
SELECT z, slide, w.* FROM (VALUES ('UTC', interval '1 day'), ('Asia/Tokyo', '1 day'), ('UTC', '1 hour'), ('UTC', '1 day'), ('Etc/GMT-5', '1 day')) v(z, slide),
	hop(timestamptz '2026-01-01 16:30', slide, slide, zone => z) w;
SELECT count(*), min(w.window_start), max(w.window_end) FROM unnest('{4000-01-01 BC,294000-01-01,2026-01-01,200000-07-07,1800-01-01}'::timestamptz[]) ts,
	hop(ts, '1 day', '2 days', zone => 'America/New_York') w;
-- In the target list, WITH ORDINALITY, ROWS FROM.
SELECT (hop(timestamp '2026-01-01 00:40', '30 minutes', '1 hour')).*;
SELECT hop(timestamp '2026-01-01 00:40', '1 hour', '1 hour'), hop(NULL::timestamp, '1 hour', '1 hour');
SELECT * FROM hop(timestamp '2026-01-01 00:40', '30 minutes', '1 hour') WITH ORDINALITY;

-- The planner knows how many.
CREATE FUNCTION estimate(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		IF line LIKE '%Function Scan%' THEN RETURN substring(line FROM 'rows=(\d+)'); END IF;
	END LOOP;
END $$;
SELECT estimate($$SELECT FROM hop(now(), slide => '15 minutes', size => '1 hour')$$) AS four,
	estimate($$SELECT FROM hop(now(), size => '1 year', slide => '1 month', zone => 'Asia/Tokyo')$$) AS twelve,
	estimate($$SELECT FROM hop(localtimestamp, '1 hour', '61 minutes')$$) AS one,
	estimate($$SELECT FROM hop(localtimestamp, '0', '1 minute')$$) AS unknown;
SELECT provolatile, count(*) FROM pg_proc WHERE proname = 'hop' AND pronamespace = 'telemetry'::regnamespace GROUP BY 1 ORDER BY 1;

-- Errors.
SELECT * FROM hop(now(), '0', '1 hour');
SELECT * FROM hop(now(), '1 hour', '-1 hour');
SELECT * FROM hop(now(), '1 hour', '1 day -24 hours');
-- The two mixed up, which would leave most events out: also when they differ by a microsecond.
SELECT * FROM hop(now(), '1 hour', '15 minutes');
SELECT * FROM hop(now(), slide => '1 day', size => '23:59:59.999999');
SELECT * FROM hop(localtimestamp, '3 months', '1 month');
-- Zones by name: texts of offsets mean the other direction. Names that hold digits are names.
SELECT * FROM hop(now(), '1 day', '1 day', zone => 'UTC+2');
SELECT * FROM hop(now(), '1 day', '1 day', zone => '<+03>-3');
SELECT count(*) AS names FROM pg_timezone_names z, hop('epoch', '1 day', '1 day', zone => z.name) WHERE z.name ~ '[0-9]' HAVING count(*) < 20;
SELECT * FROM hop(now(), '1 month 1 day', '1 year');
SELECT * FROM hop(now(), '1 day', '1 month');
SELECT * FROM hop(now(), '1 month', '40 days');
SELECT * FROM hop(now(), '1 day', '178956970 years -1 day');
SELECT * FROM hop(now(), '1 microsecond', '0.010001');
SELECT count(*) FROM hop(now(), '1 microsecond', '0.01');
SELECT * FROM hop(now(), NULL, '1 hour');
SELECT * FROM hop(NULL::timestamptz, '1 hour', NULL);
SELECT * FROM hop(now(), '1 hour', '1 hour', zone => NULL);
SELECT * FROM hop(now(), '1 hour', '1 hour', zone => 'Berlin');
SELECT * FROM hop(now(), '1 hour', '1 hour', zone => 'PST');
SELECT * FROM hop(now(), '1 hour', '1 hour', zone => repeat('x', 300)) w;
SELECT * FROM hop(now(), '1 hour', '1 hour', origin => 'infinity');
SELECT * FROM hop(timestamp '294276-12-31 23:59:59.999999', '1 hour', '1 hour');
SELECT * FROM hop(timestamp '4714-11-24 00:00:00 BC', '1 day', '7 days');
SELECT * FROM hop(timestamp '294276-12-31', '100000 years', '100000 years', timestamp '2000-01-01');
SELECT * FROM hop(timestamp '2026-01-01', '90000000 days', '90000000 days', timestamp '2000-01-01');
SELECT * FROM hop(timestamp '2026-01-01', '170000000 years', '170000000 years', timestamp '2030-01-01');
SELECT * FROM hop(timestamptz '294276-12-31 12:00', '1 hour', '1 hour', zone => 'Europe/Berlin');
DROP FUNCTION estimate, first_time;
