-- Sketches of continuous views in two columns: what comes is kept aside of a large one, until that has grown.
SET client_min_messages = warning;
CREATE SCHEMA aside;
SET search_path = aside;
CREATE TABLE fact (g int, day date NOT NULL, p bigint, v float8) PARTITION BY RANGE (day);
CREATE TABLE fact_1 PARTITION OF fact FOR VALUES FROM ('2026-11-01') TO ('2026-11-02');
CREATE TABLE fact_2 PARTITION OF fact FOR VALUES FROM ('2026-11-02') TO ('2026-11-03');
CREATE MATERIALIZED VIEW hot WITH (telemetry.continuous) AS
	SELECT g, telemetry.approx_count_distinct(p) AS players, telemetry.hll_agg(p) AS sketch, telemetry.hll_agg(p, 11) AS coarse,
		telemetry.quantile_agg(v, 0.001) AS quantiles, count(*) AS events, telemetry.hll_agg(p % 5) AS few FROM fact GROUP BY g;
CREATE MATERIALIZED VIEW alone WITH (telemetry.continuous) AS SELECT telemetry.approx_count_distinct(p) AS players, count(*) AS events FROM fact;
CREATE MATERIALIZED VIEW above WITH (telemetry.continuous) AS SELECT players > 7000 AS many, count(*) AS groups, sum(players) AS players,
	telemetry.hll_union_agg(sketch) AS sketch, telemetry.quantile_union_agg(quantiles) AS quantiles FROM hot GROUP BY 1;
SELECT state AS hot FROM telemetry.continuous_view WHERE view = 'hot'::regclass \gset
SELECT state AS alone FROM telemetry.continuous_view WHERE view = 'alone'::regclass \gset
SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = :'hot'::regclass AND attnum > 0;
CREATE FUNCTION differences() RETURNS bigint LANGUAGE sql AS $$ SELECT (SELECT count(*) FROM telemetry.verify('aside.hot'))
	+ (SELECT count(*) FROM telemetry.verify('aside.alone')) + (SELECT count(*) FROM telemetry.verify('aside.above')) $$;
-- What lies out of line: the same values after a commit as before were not written by it.
CREATE FUNCTION out_of_line(state regclass) RETURNS oid[] LANGUAGE plpgsql AS $$ DECLARE ids oid[]; BEGIN
	EXECUTE format('SELECT array_agg(DISTINCT chunk_id) FROM %s', (SELECT reltoastrelid::regclass FROM pg_class WHERE oid = state)) INTO ids;
	RETURN ids; END $$;
INSERT INTO fact SELECT i % 2, '2026-11-01', i, abs(hashint4(i)) / 7.0 FROM generate_series(1, 12000) i;
CREATE VIEW kept AS SELECT g, _c1_aside IS NOT NULL AS players, _c3_aside IS NOT NULL AS coarse, _c5_aside IS NOT NULL AS quantiles, _c7_aside IS NOT NULL AS few FROM :hot;
TABLE kept ORDER BY g;

-- A few more: they are aside, and nothing else is written out of line.
SELECT out_of_line(:'hot') AS hot_before, out_of_line(:'alone') AS alone_before \gset
INSERT INTO fact SELECT i % 2, '2026-11-01', i, i FROM generate_series(50001, 50040) i;
TABLE kept ORDER BY g;
SELECT out_of_line(:'hot') = :'hot_before' AS hot_stays, out_of_line(:'alone') = :'alone_before' AS alone_stays, differences();
-- The same ones again are no news to what counts them once.
SELECT _c1_aside::text AS aside FROM :hot WHERE g = 0 \gset
INSERT INTO fact SELECT i % 2, '2026-11-01', i, i FROM generate_series(50001, 50040) i;
INSERT INTO fact SELECT i % 2, '2026-11-01', i, i FROM generate_series(1, 100) i;
SELECT _c1_aside::text = :'aside' AS same_aside FROM :hot WHERE g = 0;
SELECT out_of_line(:'hot') = :'hot_before' AS hot_stays, differences();
-- Not in the end: what was rolled back, whole or in part.
BEGIN;
INSERT INTO fact SELECT 0, '2026-11-01', i, i FROM generate_series(60001, 60040) i;
ROLLBACK;
SELECT _c1_aside::text = :'aside' AS same_aside FROM :hot WHERE g = 0;
BEGIN;
INSERT INTO fact VALUES (0, '2026-11-01', 70000, 1);
SAVEPOINT one;
INSERT INTO fact SELECT 0, '2026-11-01', i, i FROM generate_series(70001, 70040) i;
SELECT differences();
ROLLBACK TO one;
COMMIT;
SELECT differences();
-- By the statement, as above READ COMMITTED.
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO fact SELECT i % 2, '2026-11-02', i, i FROM generate_series(80001, 80010) i;
COMMIT;
SELECT out_of_line(:'hot') = :'hot_before' AS hot_stays, differences();

-- It grows, goes into the sketch, and begins anew; rows stay where they are (HOT).
CREATE TABLE seen (n int, players int, quantiles int, base text);
CREATE PROCEDURE grow(batches int, state regclass) LANGUAGE plpgsql AS $$ BEGIN
	FOR n IN 1 .. batches LOOP
		INSERT INTO aside.fact SELECT i % 2, '2026-11-02', 1000000 + n * 100 + i, abs(hashint4(n * 100 + i)) / 7.0 FROM generate_series(1, 40) i;
		COMMIT;
		EXECUTE format('INSERT INTO aside.seen SELECT %s, pg_column_size(_c1_aside), pg_column_size(_c5_aside), md5(_c1::text) FROM %s WHERE g = 0', n, state);
		IF n % 80 = 0 AND aside.differences() > 0 THEN RAISE 'after batch % the views do not equal their queries', n; END IF;
		COMMIT;
	END LOOP; END $$;
CALL grow(80, :'hot');
SELECT max(players) BETWEEN 250 AND 450 AS players, max(quantiles) BETWEEN 250 AND 450 AS quantiles, count(DISTINCT base) BETWEEN 3 AND 16 AS bases,
	count(*) FILTER (WHERE players IS NULL) BETWEEN 2 AND 16 AS into_it FROM seen;
SELECT differences();
SELECT pg_stat_force_next_flush();
SELECT n_tup_upd > 120 AS updated, n_tup_hot_upd > n_tup_upd * 0.9 AS hot FROM pg_stat_all_tables WHERE relid = :'hot'::regclass;
-- Many at once go into it straight away.
INSERT INTO fact SELECT 0, '2026-11-02', i, i FROM generate_series(2000000, 2001500) i;
SELECT players FROM kept WHERE g = 0;

-- Values that are the same are aside once; what is there stays as it is, behind what came: an update logs no more than that.
INSERT INTO fact SELECT 0, '2026-11-02', i, i FROM generate_series(2000000, 2001500) i;
CREATE PROCEDURE repeat(batches int) LANGUAGE plpgsql AS $$ BEGIN
	FOR n IN 1 .. batches LOOP
		INSERT INTO aside.fact SELECT 0, '2026-11-02', 2000000, i FROM generate_series(n % 5, n % 5 + 1) i;
		COMMIT;
	END LOOP; END $$;
CALL repeat(200);
SELECT telemetry.hll_cardinality(_c1_aside) IS NULL AS players, pg_column_size(_c5_aside) < 150 AS quantiles, _c5_aside::text FROM :hot WHERE g = 0;
SELECT pg_column_size(_c5_aside) AS before FROM :hot WHERE g = 0 \gset
CALL repeat(1);
SELECT pg_column_size(_c5_aside) - :before BETWEEN 1 AND 16 AS longer, differences() FROM :hot WHERE g = 0;

-- What goes: computed anew, with nothing aside; or, for quantiles, taken away.
INSERT INTO fact SELECT i % 2, '2026-11-02', i, i FROM generate_series(2900001, 2900040) i;
INSERT INTO fact SELECT i % 2, '2026-11-02', i, i FROM generate_series(3000001, 3000040) i;
TABLE kept ORDER BY g;
DELETE FROM fact WHERE p BETWEEN 3000001 AND 3000010;
TABLE kept ORDER BY g;
SELECT differences();
INSERT INTO fact SELECT i % 2, '2026-11-02', i, i FROM generate_series(3000041, 3000080) i;
UPDATE fact SET p = p + 1, v = -v WHERE p % 1000 = 7;
SELECT differences();
-- Partitions that go, and come.
INSERT INTO fact SELECT i % 2, date '2026-11-01' + i / 2 % 2, i, i FROM generate_series(4000001, 4000040) i;
ALTER TABLE fact DETACH PARTITION fact_1;
SELECT differences();
INSERT INTO fact SELECT i % 2, '2026-11-02', i, i FROM generate_series(4000041, 4000080) i;
SELECT differences();
ALTER TABLE fact ATTACH PARTITION fact_1 FOR VALUES FROM ('2026-11-01') TO ('2026-11-02');
SELECT differences();
INSERT INTO fact SELECT i % 2, '2026-11-02', i, i FROM generate_series(4000081, 4000120) i;
DROP TABLE fact_1;
SELECT differences();
INSERT INTO fact SELECT i % 2, '2026-11-02', i, i FROM generate_series(4000121, 4000160) i;
CALL telemetry.build('hot');
REFRESH MATERIALIZED VIEW alone;
SELECT differences();
TRUNCATE fact;
INSERT INTO fact SELECT i % 2, '2026-11-02', i, i FROM generate_series(4000161, 4000200) i;
SELECT differences();

-- The two functions of each type: whatever is in which place, all of it is in both columns together; nothing, where nothing is.
CREATE TABLE sketch (n int, h telemetry.hll, q telemetry.quantile_sketch);
ALTER TABLE sketch ALTER q SET STORAGE EXTERNAL;
INSERT INTO sketch SELECT n, telemetry.hll_agg(n * step + i, precision), telemetry.quantile_agg(hashint4(n * step + i), 0.001)
	FROM (VALUES (1, 9000, 5, 14), (2, 20000, 50000, 14), (3, 1, 1000, 14), (4, 20, 100, 14), (5, 700, 900, 14), (6, 3000, 4000, 11), (7, 15, 5000, 12)) AS s (n, count, step, precision),
	LATERAL generate_series(1, count) i GROUP BY n, precision;
INSERT INTO sketch SELECT 8, telemetry.hll_empty(12), telemetry.quantile_agg(NULL);
INSERT INTO sketch VALUES (9);
WITH four AS MATERIALIZED (
	SELECT a.n AS base, b.n AS aside, c.n AS added, d.n AS added_aside,
		telemetry._hll_base(a.h, b.h, c.h, d.h, 1600) AS h_base, telemetry._hll_aside(b.h, a.h, d.h, c.h, 1600) AS h_aside,
		(SELECT telemetry.hll_union_agg(h) FROM (VALUES (a.h), (b.h), (c.h), (d.h)) AS v (h) HAVING count(h) > 0) AS h,
		telemetry._quantile_base(a.q, b.q, c.q, d.q, 1600) AS q_base, telemetry._quantile_aside(b.q, a.q, d.q, c.q, 1600) AS q_aside,
		(SELECT telemetry.quantile_union_agg(q) FROM (VALUES (a.q), (b.q), (c.q), (d.q)) AS v (q) HAVING count(q) > 0) AS q
	FROM sketch a, sketch b, sketch c, sketch d WHERE b.n IN (3, 4, 7, 8, 9) AND d.n IN (3, 4, 8, 9))
SELECT count(*) AS cases, count(h_aside) > 300 AS asides, count(q_aside) > 300 AS q_asides,
	count(*) FILTER (WHERE h::text IS DISTINCT FROM coalesce(telemetry.hll_union(h_base, h_aside), h_base)::text) AS wrong,
	count(*) FILTER (WHERE q::text IS DISTINCT FROM coalesce(q_base OPERATOR(telemetry.+) q_aside, q_base)::text) AS q_wrong FROM four;
DROP SCHEMA aside CASCADE;
