-- telemetry.funnel: who got how far in an order of steps.
SET timezone = 'America/New_York';
SET datestyle = 'SQL, DMY';
SET client_min_messages = warning;
CREATE SCHEMA fu;
SET search_path = fu, telemetry, public;

-- The text depends on no setting; events are taken in any order, and the same one is counted.
CREATE TABLE t (f funnel);
INSERT INTO t VALUES ('{}'), ('{1, 2026-01-01 10:00+00}'), (' { 2,2026-01-01 10:05+00 ; 1 , 2026-01-01 10:00+00,2;2, 2026-01-01 10:05+00 } '),
	('{1, -infinity; 64, infinity, 9; 2, 4714-11-24 00:00:00+00 BC; 2, 294276-12-31 23:59:59.999999+00, -3}'),
	('{1, 2026-01-01 10:00+00, 4611686018427387904; 2, 2026-01-01 10:00+00, -4611686018427387904; 3, 2026-01-01 10:00+00}');
SELECT f FROM t;
SELECT f::text::funnel = f AS same, pg_column_size(f), f - f = '{}' AS nothing, f + (- f) = '{}' AS nothing_too, (f + f - f) = f AS again FROM t OFFSET 0 LIMIT 4;
SET datestyle = 'ISO'; SET timezone = 'UTC';

-- The bytes are what is stored for good; they go out and come back.
SELECT funnel_send('{}'), funnel_send('{1, 2026-01-01 10:00+00; 2, 2026-01-01 10:05+00, 3; 1, 2026-01-01 10:05+00, -1}');
\getenv builddir PG_ABS_BUILDDIR
\set file :builddir '/results/funnels.bin'
COPY t TO :'file' (FORMAT binary);
CREATE TABLE copied (LIKE t);
COPY copied FROM :'file' (FORMAT binary);
TABLE copied EXCEPT ALL TABLE t;
SELECT count(DISTINCT f), count(*) FROM (SELECT f FROM t UNION ALL SELECT f FROM copied) u;

-- How far: each step later than the one before, all within the time from the first, which belongs to it.
CREATE FUNCTION far(text, within interval DEFAULT '1 hour') RETURNS integer LANGUAGE sql AS $$ SELECT funnel_steps($1::funnel, within) $$;
SELECT far('{}') AS nothing, far('{2, 2026-01-01 10:00}') AS no_first, far('{1, 2026-01-01 10:00}', '0') AS first,
	far('{1, 2026-01-01 10:00; 2, 2026-01-01 11:00}') AS just_in, far('{1, 2026-01-01 10:00; 2, 2026-01-01 11:00:00.000001}') AS just_out,
	far('{1, 2026-01-01 10:00; 2, 2026-01-01 10:00}') AS at_once, far('{2, 2026-01-01 10:00; 1, 2026-01-01 11:00}') AS before;
SELECT far('{1, 2026-01-01 10:00; 2, 2026-01-01 10:30; 3, 2026-01-01 11:00:01}') AS from_the_first, far('{1, 2026-01-01 10:00; 1, 2026-01-01 10:10; 2, 2026-01-01 10:30; 3, 2026-01-01 11:00:01}') AS later_first,
	far('{1, 2026-01-01 10:00; 2, 2026-01-01 10:30; 1, 2026-01-01 10:40; 3, 2026-01-01 11:00}') AS earlier_first, far('{1, 2026-01-01 10:00; 3, 2026-01-01 10:10; 2, 2026-01-01 10:20}') AS out_of_order,
	far('{1, 2026-01-01 10:00; 2, 2026-01-01 10:10; 2, 2026-01-01 12:00; 3, 2026-01-01 12:10}') AS late_second;
SELECT far('{1, 2026-01-01 10:00; 2, 2026-01-02 10:00}', '1 day') AS a_day_is_24_hours, far('{1, 2026-03-08 00:00 America/New_York; 2, 2026-03-09 00:30 America/New_York}', '1 day') AS of_23_hours,
	far('{1, -infinity; 2, 2026-01-01; 3, infinity}', '100000 days') AS infinite, far('{1, 2026-01-01; 2, infinity}', '106751991 days') AS never,
	far('{1, 4714-11-24 00:00:00+00 BC; 2, 294276-12-31 23:59:59.999999+00}', '106751991 days') AS all_time;
SELECT far('{1, 2026-01-01, -1}');
SELECT far('{}', '-1 s');
SELECT far('{}', '1 month');
SELECT far('{}', '2147483647 days');
SELECT far(NULL) IS NULL, far('{}', NULL) IS NULL;

-- What is refused.
SELECT ''::funnel;
SELECT '{'::funnel;
SELECT '{} x'::funnel;
SELECT '{;}'::funnel;
SELECT '{1}'::funnel;
SELECT '{1, 2026-01-01'::funnel;
SELECT '{1, 2026-01-01, 1, 1}'::funnel;
SELECT '{1, 2026-01-01, 0}'::funnel;
SELECT '{0, 2026-01-01}'::funnel;
SELECT '{65, 2026-01-01}'::funnel;
SELECT '{1, 2026-01-01, 4611686018427387905}'::funnel;
SELECT '{1, 2026-01-01, 4611686018427387904; 1, 2026-01-01}'::funnel;
SELECT '{1, tomorrowish}'::funnel;
SELECT '{1, 2026-01-01, 4611686018427387904}'::funnel + '{1, 2026-01-01}';
SELECT funnel_agg(0, now());
SELECT funnel_agg(65, now());
SELECT funnel_agg(now(), VARIADIC array_fill(false, '{64}') || true);
-- Bytes that are cut short or changed are an error, or another value that comes back byte for byte.
CREATE TABLE raw (b bytea);
CREATE FUNCTION hostile(path text) RETURNS TABLE (outcome text, n bigint) LANGUAGE plpgsql AS $$
DECLARE good bytea; bad bytea; i int; bit int; refused int := 0; other int := 0;
BEGIN
	FOR good IN SELECT funnel_send(f) FROM t LOOP
		FOR i IN 0 .. length(good) - 1 LOOP
			FOR bit IN -1 .. 7 LOOP
				bad := CASE WHEN bit < 0 THEN substr(good, 1, i) ELSE set_bit(good, i * 8 + bit, 1 - get_bit(good, i * 8 + bit)) END;
				TRUNCATE raw, copied;
				INSERT INTO raw VALUES (bad);
				EXECUTE format('COPY raw TO %L (FORMAT binary)', path);
				BEGIN
					EXECUTE format('COPY copied FROM %L (FORMAT binary)', path);
					IF (SELECT funnel_send(f) <> bad OR f::text::funnel <> f FROM copied) THEN
						RAISE EXCEPTION '% became %', bad, (SELECT f FROM copied);
					END IF;
					other := other + 1;
				EXCEPTION WHEN invalid_binary_representation THEN
					refused := refused + 1;
				END;
			END LOOP;
		END LOOP;
	END LOOP;
	RETURN QUERY VALUES ('refused', refused::bigint), ('another value', other);
END $$;
SELECT * FROM hostile(:'file');
TRUNCATE raw; INSERT INTO raw SELECT funnel_send('{}') || '\x00';
COPY raw TO :'file' (FORMAT binary);
COPY copied FROM :'file' (FORMAT binary);

-- ---- against all chains of events, whatever order and whoever aggregates -----------------------------
CREATE TABLE e AS SELECT i, hashint4(i) & 31 AS k, 1 + (hashint4(i * 7) & 3) AS step,
	timestamptz '2026-01-01' + (hashint4(i * 3) & 1023) * interval '1 minute' AS at FROM generate_series(1, 600) i;
INSERT INTO e VALUES (0, 1, NULL, '2026-01-01'), (0, 1, 1, NULL);
CREATE FUNCTION chains(within interval) RETURNS TABLE (k int, n int) LANGUAGE sql AS $$
	WITH RECURSIVE r AS (SELECT k, step, at AS first, at FROM fu.e WHERE step = 1 UNION
		SELECT r.k, e.step, r.first, e.at FROM r JOIN fu.e ON e.k = r.k AND e.step = r.step + 1 AND e.at > r.at AND e.at <= r.first + within)
	SELECT x.k, coalesce(max(r.step), 0) FROM (SELECT DISTINCT k FROM fu.e) x LEFT JOIN r USING (k) GROUP BY 1 $$;
CREATE FUNCTION differences(source text) RETURNS TABLE ("time" interval, reached text, differ bigint) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('WITH got AS MATERIALIZED (SELECT w, k, telemetry.funnel_steps(f, w) AS n FROM (%s) g(k, f), unnest(''{0,20 minutes,1 hour,3 hours,1 day}''::interval[]) w),
		expected AS MATERIALIZED (SELECT w, c.* FROM unnest(''{0,20 minutes,1 hour,3 hours,1 day}''::interval[]) w, fu.chains(w) c)
		SELECT w, string_agg(format(''%%s: %%s'', n, c), '', '' ORDER BY n), sum(d)::bigint
		FROM (SELECT w, e.n, count(*) AS c, count(*) FILTER (WHERE got.n IS DISTINCT FROM e.n) AS d FROM expected e FULL JOIN got USING (w, k) GROUP BY 1, 2) x GROUP BY w ORDER BY w', source);
END $$;
SELECT * FROM differences('SELECT k, funnel_agg(step, at) FROM e GROUP BY k');
SELECT sum(differ) FROM differences('SELECT k, funnel_agg(step, at ORDER BY at DESC) FROM e GROUP BY k');
SELECT sum(differ) FROM differences('SELECT k, funnel_agg(DISTINCT step, at) FROM e GROUP BY k');
SELECT sum(differ) FROM differences('SELECT k, funnel_agg(at, step = 1, step = 2, step = 3, step = 4) FROM e GROUP BY k');
SELECT sum(differ) FROM differences('SELECT k, funnel_union_agg(f) FROM (SELECT k, funnel_agg(step, at) FROM e GROUP BY k, i % 17) d(k, f) GROUP BY k');
-- Equal events are equal bytes; an event may be several steps.
SELECT count(DISTINCT f) FROM (SELECT funnel_agg(step, at) FROM e UNION ALL SELECT funnel_agg(step, at ORDER BY i DESC) FROM e
	UNION ALL SELECT funnel_union_agg(f) FROM (SELECT funnel_agg(step, at) FROM e GROUP BY i % 91) d(f)
	UNION ALL SELECT funnel_agg(at, step = 1, step = 2, step = 3, step = 4) FROM e
	UNION ALL SELECT funnel_agg(step, at) + funnel_agg(step, at) - funnel_agg(step, at) FROM e) v(f);
SELECT funnel_agg(at, i IN (1, 2), i = 2) AS both_steps, funnel_agg(at, VARIADIC ARRAY[i = 1, NULL, i = 2]) AS an_array, funnel_agg(1, at) FILTER (WHERE false) AS none
FROM (VALUES (1, timestamptz '2026-01-01'), (2, '2026-01-02'), (3, '2026-01-03')) v(i, at);
-- Many events that come again and again are few; more different ones than fit are an error.
SELECT pg_column_size(funnel_agg(1 + i % 2, timestamptz '2026-01-01' + i % 100 * interval '1 s')) FROM generate_series(1, 100000) i;
SELECT funnel_agg(1, timestamptz '2026-01-01' + i * interval '1 us') FROM generate_series(0, 4194304) i;
-- In parallel.
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
ALTER TABLE e SET (parallel_workers = 2);
CREATE FUNCTION parts(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP IF line LIKE '%Partial%' THEN RETURN true; END IF; END LOOP;
	RETURN false;
END $$;
SELECT parts('SELECT funnel_agg(step, at) FROM e') AS parallel;
SELECT (SELECT funnel_agg(step, at) FROM e) = funnel_agg(step, at ORDER BY at) AS same FROM e;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size;
-- In a moving window each row's value is that of its frame alone.
SELECT count(*), count(*) FILTER (WHERE f IS DISTINCT FROM (SELECT funnel_agg(step, at) FROM e x WHERE x.i BETWEEN w.i - 90 AND w.i)), count(*) FILTER (WHERE g <> f), count(*) FILTER (WHERE u <> f)
FROM (SELECT i, funnel_agg(step, at) OVER w AS f, funnel_agg(at, step = 1, step = 2, step = 3, step = 4) OVER w AS g, funnel_union_agg(s) OVER w AS u
	FROM (SELECT e.*, (SELECT funnel_agg(v.step, v.at) FROM (VALUES (e.step, e.at)) v(step, at)) AS s FROM e) e WINDOW w AS (ORDER BY i RANGE BETWEEN 90 PRECEDING AND CURRENT ROW)) w;

-- ---- kept by continuous views ------------------------------------------------------------------------
CREATE TABLE fact (i int, k int, step int, at timestamptz);
CREATE MATERIALIZED VIEW daily WITH (telemetry.continuous) AS
SELECT k, date_trunc('day', at, 'UTC') AS day, funnel_agg(step, at) AS f, funnel_steps(funnel_agg(at, step = 2, step = 3) FILTER (WHERE k < 20), '3 hours') AS n, count(*)
FROM fact GROUP BY 1, 2;
CREATE MATERIALIZED VIEW total WITH (telemetry.continuous) AS SELECT k, funnel_union_agg(f) AS f FROM daily GROUP BY k;
CREATE MATERIALIZED VIEW far WITH (telemetry.continuous) AS SELECT funnel_steps(f, '3 hours') AS reached, count(*) FROM total GROUP BY 1;
CREATE MATERIALIZED VIEW alone WITH (telemetry.continuous) AS SELECT funnel_agg(step, at) AS f FROM fact;
CREATE FUNCTION wrong() RETURNS text LANGUAGE sql AS $$
	SELECT format('%s of %s views', count(*) FILTER (WHERE status <> 'live' OR EXISTS (SELECT FROM telemetry.verify(view))), count(*))
	FROM telemetry.continuous_view WHERE view IN ('fu.daily', 'fu.total', 'fu.far', 'fu.alone') $$;
INSERT INTO fact SELECT i, k, step, at FROM e WHERE i % 3 = 1;
INSERT INTO fact SELECT i, k, step, at FROM e WHERE i % 3 = 0; -- late ones
SELECT wrong();
UPDATE fact SET at = at + '25 hours' WHERE i % 20 = 0;
UPDATE fact SET step = 5 - step, k = k / 2 WHERE i % 30 = 1;
SELECT wrong();
DELETE FROM fact WHERE at < '2026-01-01 05:00';
BEGIN; DELETE FROM fact WHERE k = 4; SAVEPOINT one; INSERT INTO fact VALUES (1000, 4, 1, '2026-01-01 23:59'), (1001, 4, 2, '2026-01-02 00:01'); RELEASE one; COMMIT;
SELECT wrong(), (SELECT n FROM daily WHERE k = 4 AND day = '2026-01-02'), (SELECT funnel_steps(f, '2 minutes') FROM total WHERE k = 4);
INSERT INTO fact SELECT i, k, step, at FROM e WHERE i % 3 = 2 OR i < 100;
SELECT wrong(), (SELECT pg_column_size(f) > 512 FROM alone) AS large;
TABLE far ORDER BY 1;
INSERT INTO fact VALUES (1002, 1, 3, '2026-01-05'); -- of a large one, what comes stands beside it
SELECT wrong();
DELETE FROM fact;
SELECT wrong(), (SELECT count(*) FROM total), f FROM alone;
CREATE MATERIALIZED VIEW refused WITH (telemetry.continuous) AS SELECT k, funnel_agg(DISTINCT step, at) FROM fact GROUP BY k;

DROP SCHEMA fu CASCADE;
