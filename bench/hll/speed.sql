-- What bench/hll/run runs. Variable: rows.
\pset footer off
CREATE EXTENSION IF NOT EXISTS telemetry;
CREATE EXTENSION hll;
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;

CREATE TABLE result (n serial, work text, theirs numeric, ours numeric, target text);

-- Milliseconds of a query: the least of some runs.
CREATE FUNCTION elapsed(query text, runs int DEFAULT 1) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
	best numeric;
	took numeric;
BEGIN
	FOR i IN 1 .. runs LOOP
		began := clock_timestamp();
		EXECUTE query;
		took := extract(epoch FROM clock_timestamp() - began) * 1000;
		best := least(best, took);
	END LOOP;
	RETURN best;
END $$;

-- Both in turn, so that what else the machine does hits both.
CREATE FUNCTION compare(work text, theirs text, ours text, target text, runs int DEFAULT 5) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	a numeric;
	b numeric;
BEGIN
	FOR i IN 1 .. runs LOOP
		a := least(a, elapsed(theirs));
		b := least(b, elapsed(ours));
	END LOOP;
	INSERT INTO result (work, theirs, ours, target) VALUES (work, a, b, target);
END $$;

\echo 'building sets'
-- Full sketches: ten thousand, of three times as many values as registers.
CREATE TABLE theirs11 AS SELECT g, hll_add_agg(hll_hash_bigint(g * 10000 + i), 11) AS s
FROM generate_series(1::bigint, 10000) g, generate_series(1::bigint, 6000) i GROUP BY g;
CREATE TABLE ours11 AS SELECT g, telemetry.hll_agg(g * 10000 + i, 11) AS s
FROM generate_series(1::bigint, 10000) g, generate_series(1::bigint, 6000) i GROUP BY g;
CREATE TABLE theirs14 AS SELECT g, hll_add_agg(hll_hash_bigint(g * 100000 + i), 14) AS s
FROM generate_series(1::bigint, 1000) g, generate_series(1::bigint, 48000) i GROUP BY g;
INSERT INTO theirs14 SELECT g + 1000 * k, s FROM theirs14, generate_series(1, 9) k;
CREATE TABLE ours14 AS SELECT g, telemetry.hll_agg(g * 100000 + i) AS s
FROM generate_series(1::bigint, 1000) g, generate_series(1::bigint, 48000) i GROUP BY g;
INSERT INTO ours14 SELECT g + 1000 * k, s FROM ours14, generate_series(1, 9) k;
-- Small ones: a hundred values each.
CREATE TABLE theirs_small AS SELECT g, hll_add_agg(hll_hash_bigint(g * 50 + i), 14) AS s
FROM generate_series(1::bigint, 10000) g, generate_series(1::bigint, 100) i GROUP BY g;
CREATE TABLE ours_small AS SELECT g, telemetry.hll_agg(g * 50 + i) AS s
FROM generate_series(1::bigint, 10000) g, generate_series(1::bigint, 100) i GROUP BY g;
VACUUM ANALYZE;

\o /dev/null
SELECT compare('union of 10k full sketches, log2m 11', 'SELECT # hll_union_agg(s) FROM theirs11',
	'SELECT telemetry.hll_cardinality(telemetry.hll_union_agg(s)) FROM ours11', '3.8x', 9);
SELECT compare('union of 10k full sketches, log2m 14', 'SELECT # hll_union_agg(s) FROM theirs14',
	'SELECT telemetry.hll_cardinality(telemetry.hll_union_agg(s)) FROM ours14', '4.1x', 9);
SELECT compare('union of 10k sketches of 100 values, log2m 14', 'SELECT # hll_union_agg(s) FROM theirs_small',
	'SELECT telemetry.hll_cardinality(telemetry.hll_union_agg(s)) FROM ours_small', '', 9);
SELECT compare('cardinality of 10k, log2m 11', 'SELECT sum(hll_cardinality(s)) FROM theirs11',
	'SELECT sum(telemetry.hll_cardinality(s)) FROM ours11', '3x', 9);
SELECT compare('cardinality of 10k, log2m 14', 'SELECT sum(hll_cardinality(s)) FROM theirs14',
	'SELECT sum(telemetry.hll_cardinality(s)) FROM ours14', '', 9);
SELECT compare('7-day rolling union over 10k days, log2m 11',
	'SELECT sum(c) FROM (SELECT hll_cardinality(hll_union_agg(s) OVER (ORDER BY g ROWS 6 PRECEDING)) AS c FROM theirs11) w',
	'SELECT sum(c) FROM (SELECT telemetry.hll_cardinality(telemetry.hll_union_agg(s) OVER (ORDER BY g ROWS 6 PRECEDING)) AS c FROM ours11) w', '9x', 7);
SELECT compare('30-day rolling union over 10k days, log2m 11',
	'SELECT sum(c) FROM (SELECT hll_cardinality(hll_union_agg(s) OVER (ORDER BY g ROWS 29 PRECEDING)) AS c FROM theirs11) w',
	'SELECT sum(c) FROM (SELECT telemetry.hll_cardinality(telemetry.hll_union_agg(s) OVER (ORDER BY g ROWS 29 PRECEDING)) AS c FROM ours11) w', '', 3);
\o

\echo 'building rows'
CREATE TABLE fact AS SELECT (i * 2654435761 % 10000)::int AS g, i * 7919 % 100000007 AS v,
	md5((i % 3000017)::text)::text AS t
FROM generate_series(1::bigint, :rows) i;
CREATE TABLE fact_in_order AS SELECT g, v FROM fact ORDER BY g;
VACUUM ANALYZE;

\o /dev/null
SELECT compare('rows into 10k groups, hash plan, log2m 11',
	'SELECT count(s) FROM (SELECT g, hll_add_agg(hll_hash_bigint(v), 11) AS s FROM fact GROUP BY g) x',
	'SELECT count(s) FROM (SELECT g, telemetry.hll_agg(v, 11) AS s FROM fact GROUP BY g) x', '3x', 3);
SELECT compare('rows into 10k groups, hash plan, log2m 14',
	'SELECT count(s) FROM (SELECT g, hll_add_agg(hll_hash_bigint(v), 14) AS s FROM fact GROUP BY g) x',
	'SELECT count(s) FROM (SELECT g, telemetry.hll_agg(v) AS s FROM fact GROUP BY g) x', '', 3);
SET enable_hashagg = off;
SELECT compare('rows into 10k groups, sort plan, rows in any order',
	'SELECT count(s) FROM (SELECT g, hll_add_agg(hll_hash_bigint(v), 11) AS s FROM fact GROUP BY g) x',
	'SELECT count(s) FROM (SELECT g, telemetry.hll_agg(v, 11) AS s FROM fact GROUP BY g) x', '1.7x', 3);
SELECT compare('rows into 10k groups, sort plan, rows stored in order',
	'SELECT count(s) FROM (SELECT g, hll_add_agg(hll_hash_bigint(v), 11) AS s FROM fact_in_order GROUP BY g) x',
	'SELECT count(s) FROM (SELECT g, telemetry.hll_agg(v, 11) AS s FROM fact_in_order GROUP BY g) x', '1.7x', 3);
SELECT compare('  of these, the plan with count() in place of the sketch',
	'SELECT count(s) FROM (SELECT g, count(v) AS s FROM fact GROUP BY g) x',
	'SELECT count(s) FROM (SELECT g, count(v) AS s FROM fact_in_order GROUP BY g) x', '(any order, in order)', 3);
RESET enable_hashagg;
SELECT compare('one group, bigint', 'SELECT # hll_add_agg(hll_hash_bigint(v), 14) FROM fact',
	'SELECT telemetry.approx_count_distinct(v) FROM fact', '2x', 5);
SELECT compare('one group, text of 32 characters', 'SELECT # hll_add_agg(hll_hash_text(t), 14) FROM fact',
	'SELECT telemetry.approx_count_distinct(t) FROM fact', '2x', 5);
SELECT compare('  of these, the scan: count(v), count(t)', 'SELECT count(v) FROM fact', 'SELECT count(t) FROM fact',
	'', 5);
SELECT compare('one group, bigint, against count(DISTINCT)', 'SELECT count(DISTINCT v) FROM fact',
	'SELECT telemetry.approx_count_distinct(v) FROM fact', '10x', 3);
SELECT compare('one group, text, against count(DISTINCT)', 'SELECT count(DISTINCT t) FROM fact',
	'SELECT telemetry.approx_count_distinct(t) FROM fact', '10x', 1);
CREATE FUNCTION serial_and_parallel(work text, query text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('parallel_setup_cost', '0', false);
	PERFORM set_config('parallel_tuple_cost', '0', false);
	PERFORM compare(work, 'SET max_parallel_workers_per_gather = 0; ' || query,
		'SET max_parallel_workers_per_gather = 2; ' || query, '1.7x', 5);
	PERFORM set_config('max_parallel_workers_per_gather', '0', false);
END $$;
SELECT serial_and_parallel('parallel: serial and with 2 workers, one group',
	'SELECT telemetry.approx_count_distinct(t) FROM fact');
SELECT serial_and_parallel('parallel: serial and with 2 workers, 10k groups',
	'SELECT count(s) FROM (SELECT g, telemetry.hll_agg(v, 11) AS s FROM fact GROUP BY g) x');
\o

\echo
\echo 'Times in ms: postgresql-hll (or what the line names first), telemetry.hll (or second), ratio, to reach'
SELECT work, round(theirs, 1) AS theirs, round(ours, 1) AS ours, round(theirs / ours, 2) || 'x' AS ratio, target
FROM result ORDER BY n;

\echo 'Memory of a hash plan over 10k groups (EXPLAIN ANALYZE), kB'
CREATE FUNCTION memory(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT json, TIMING off) ' || query INTO plan;
	RETURN plan -> 0 -> 'Plan' ->> 'Peak Memory Usage';
END $$;
SELECT memory('SELECT g, hll_add_agg(hll_hash_bigint(v), 11) FROM fact GROUP BY g') AS "theirs, 11",
	memory('SELECT g, telemetry.hll_agg(v, 11) FROM fact GROUP BY g') AS "ours, 11",
	memory('SELECT g, telemetry.hll_agg(v) FROM fact GROUP BY g') AS "ours, 14";

\echo 'Bytes of a set of n values'
SELECT n, octet_length(hll_send(hll_add_agg(hll_hash_bigint(i), 11))) AS "theirs, 11",
	octet_length(telemetry.hll_send(telemetry.hll_agg(i, 11))) AS "ours, 11",
	octet_length(hll_send(hll_add_agg(hll_hash_bigint(i), 14))) AS "theirs, 14",
	octet_length(telemetry.hll_send(telemetry.hll_agg(i))) AS "ours, 14"
FROM unnest('{0,1,10,100,1000,2500,10000,100000,1000000}'::int[]) n
LEFT JOIN LATERAL generate_series(1::bigint, n) i ON true GROUP BY n ORDER BY n;
