-- concurrent() and peak_concurrent(): how many intervals of time go on at once.
SET search_path = telemetry, public;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SET client_min_messages = warning;
CREATE SCHEMA c;
SET search_path = c, telemetry, public;

-- Both ends count: at 10:10 two go on. What has no end goes on.
CREATE TABLE i AS SELECT * FROM (VALUES (timestamptz '2026-01-01 10:00', timestamptz '2026-01-01 10:10'), ('2026-01-01 10:10', '2026-01-01 10:20'),
	('2026-01-01 10:15', '2026-01-01 10:15'), ('2026-01-01 11:00', NULL), (NULL, '2026-01-01 11:00')) v(a, b);
SELECT peak_concurrent(a, b) FROM i;
SELECT s.* FROM (SELECT concurrent(a, b) AS c FROM i) q, unnest(c) s;
SELECT s.* FROM (SELECT concurrent(a, b, '30 minutes') AS c FROM i) q, unnest(c) s;
SELECT concurrent(a, b, interval '1 day') FROM i;
-- One that begins the very microsecond after another one ended changes no number.
SELECT concurrent(a, b), peak_concurrent(a, b) FROM (VALUES (timestamptz '2026-01-01', timestamptz '2026-01-02'), ('2026-01-02 00:00:00.000001', '2026-01-03')) v(a, b);
-- Nothing, and infinity.
SELECT peak_concurrent(a, b), concurrent(a, b), concurrent(a, b, '1 day') FROM i WHERE false;
SELECT peak_concurrent(a, b), concurrent(a, b), concurrent(a, b, '1 day') FROM i WHERE a IS NULL;
SELECT peak_concurrent(a, b), concurrent(a, b), concurrent(a, b, '1 day') FROM (VALUES (timestamptz '-infinity', timestamptz '-infinity'), ('infinity', 'infinity')) v(a, b);
SELECT peak_concurrent(a, b), concurrent(a, b), concurrent(a, b, '1 day') FROM (VALUES (timestamptz '-infinity', timestamptz 'infinity')) v(a, b);
SELECT peak_concurrent(a, b), concurrent(a, b), concurrent(a, b, '1 day') FROM (VALUES (timestamptz '-infinity', timestamptz '2026-01-01 12:00'), ('2026-01-01 12:00', 'infinity')) v(a, b);
SELECT concurrent(a, b) FROM (VALUES (timestamptz '294276-12-31', timestamptz '294276-12-31 23:59:59.999999')) v(a, b);
-- Two aggregates of one state, and a window that grows.
SELECT a, peak_concurrent(a, b) OVER (ORDER BY a), cardinality(concurrent(a, b) OVER (ORDER BY a)) FROM i ORDER BY a;

-- What is refused.
SELECT peak_concurrent('2026-01-02', '2026-01-01');
SELECT concurrent(a, b, NULL) FROM i;
SELECT concurrent(a, b, '0') FROM i;
SELECT concurrent(a, b, '1 month') FROM i;
SELECT concurrent(a, a, b) FROM (VALUES (now(), interval '1 hour'), (now(), '2 hours')) v(a, b);
SELECT concurrent(a, b, '1 microsecond') FROM i;
SELECT concurrent('294276-12-31'::timestamptz, NULL, '365 days');
SELECT concurrent('4714-11-24 00:00+00 BC'::timestamptz, NULL, '365 days');
SELECT w.* FROM (SELECT concurrent('150000-01-01'::timestamptz, '150000-01-02', '57825000 days') AS c) q, unnest(c) w;

-- By hand, at each moment at which something starts or ends, one before and one after.
CREATE TABLE r AS SELECT timestamptz '2026-01-01' + (hashint4(i) & 1023) * interval '1 microsecond' AS a, (hashint4(i * 7) & 63) AS length, i
FROM generate_series(1, 600) i;
CREATE VIEW v AS SELECT a, a + length * interval '1 microsecond' AS b FROM r;
CREATE TABLE steps AS SELECT s.at, s.concurrent, lead(s.at, 1, 'infinity') OVER (ORDER BY s.at) AS until FROM (SELECT concurrent(a, b) AS c FROM v) q, unnest(c) s;
SELECT count(*), count(*) FILTER (WHERE (SELECT count(*) FROM v WHERE m BETWEEN a AND b) <> coalesce((SELECT concurrent FROM steps WHERE m >= at AND m < until), 0))
FROM (SELECT DISTINCT m + d * interval '1 microsecond' AS m FROM (SELECT a AS m FROM v UNION ALL SELECT b FROM v) e, (VALUES (-1), (0), (1)) d(d)) moment;
SELECT count(*) - count(DISTINCT at), count(*) FILTER (WHERE concurrent = before) FROM (SELECT at, concurrent, lag(concurrent) OVER (ORDER BY at) AS before FROM steps) s;
SELECT peak_concurrent(a, b) = (SELECT max(concurrent) FROM steps) AS same FROM v;
CREATE FUNCTION differences(step interval) RETURNS TABLE (windows bigint, differ bigint) LANGUAGE sql AS $$
WITH got AS MATERIALIZED (SELECT w.* FROM (SELECT concurrent(a, b, step) AS c FROM v) q, unnest(c) w),
bounds AS (SELECT s AS window_start, s + step AS window_end FROM (SELECT min(window_start), max(window_start) FROM got) x(first, last),
	generate_series(date_bin(step, (SELECT min(a) FROM v), '1970-01-01'), date_bin(step, (SELECT max(b) FROM v), '1970-01-01'), step) s),
moments AS (SELECT window_start, window_end, m, (SELECT count(*) FROM v WHERE m BETWEEN a AND b) AS n FROM bounds,
	LATERAL (SELECT window_start UNION SELECT a FROM v WHERE a >= window_start AND a < window_end) x(m)),
want AS (SELECT DISTINCT ON (window_start) window_start, window_end, n AS peak, m AS peak_at,
	(SELECT coalesce(sum(least(b, window_end) - greatest(a, window_start)), '0') FROM v WHERE a < window_end AND b >= window_start) AS total
	FROM moments ORDER BY window_start, n DESC, m)
SELECT (SELECT count(*) FROM want), count(*) FROM ((TABLE got EXCEPT ALL TABLE want) UNION ALL (TABLE want EXCEPT ALL TABLE got)) d
$$;
SELECT * FROM differences('7 microseconds');
SELECT * FROM differences('100 microseconds');
SELECT * FROM differences('1 day');

DROP SCHEMA c CASCADE;
