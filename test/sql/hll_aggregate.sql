-- The aggregates of telemetry.hll in every kind of plan.
SET search_path = telemetry, public;

-- NULL is not counted; an empty set is 0.
SELECT approx_count_distinct(i) FROM generate_series(1, 0) i;
SELECT approx_count_distinct(NULL::int) FROM generate_series(1, 5) i;
SELECT approx_count_distinct(nullif(i % 4, 0)) FROM generate_series(1, 50) i;
SELECT hll_agg(i) = hll_empty() AS none, hll_agg(NULL::int, 11) = hll_empty(11) AS only_nulls
FROM generate_series(1, 0) i;
SELECT hll_agg(NULL::int, 11) = hll_empty(11) AS only_nulls FROM generate_series(1, 2);
SELECT hll_union_agg(NULL::hll) = hll_empty() AS no_sketch FROM generate_series(1, 2);
SELECT # hll_union_agg(s) AS zero FROM (VALUES (hll_empty()), (NULL), (hll_empty(7))) v(s);

-- Close for large numbers, exact for small ones, at any precision.
SELECT approx_count_distinct(i), approx_count_distinct(i % 1000) AS thousand,
	approx_count_distinct(i % 5, 8) AS five FROM generate_series(1, 100000) i;
SELECT p, abs(approx_count_distinct(i, p) / 100000.0 - 1) < 4 * 1.04 / sqrt(2 ^ p) AS within_four_sigma
FROM unnest('{4,8,11,14,18}'::int[]) p, generate_series(1, 100000) i GROUP BY p ORDER BY p;

CREATE TABLE hll_rows AS
SELECT i, i % 97 AS g, i % 10007 AS v, md5((i % 5003)::text) AS t FROM generate_series(1, 60000) i;
ANALYZE hll_rows;

-- The same sketches by hash, by sort, spilled, and in parallel.
CREATE TEMP TABLE expected AS
SELECT g, hll_agg(v) AS s, approx_count_distinct(t) AS n FROM hll_rows GROUP BY g;
SET enable_hashagg = off;
SELECT count(*) FROM (SELECT g, hll_agg(v), approx_count_distinct(t) FROM hll_rows GROUP BY g
	EXCEPT SELECT * FROM expected) x;
RESET enable_hashagg;
SET enable_sort = off; SET work_mem = '64kB'; SET hash_mem_multiplier = 1;
SELECT count(*) FROM (SELECT g, hll_agg(v), approx_count_distinct(t) FROM hll_rows GROUP BY g
	EXCEPT SELECT * FROM expected) x;
SELECT count(*), sum(n) FROM (SELECT v, approx_count_distinct(i) AS n FROM hll_rows GROUP BY v) x;
RESET work_mem; RESET hash_mem_multiplier; RESET enable_sort;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS off) SELECT approx_count_distinct(v) FROM hll_rows;
SELECT approx_count_distinct(v), approx_count_distinct(t, 11), hll_agg(v) = (SELECT hll_union_agg(s) FROM expected)
	AS same FROM hll_rows;
SELECT count(*) FROM (SELECT g, hll_agg(v), approx_count_distinct(t) FROM hll_rows GROUP BY g
	EXCEPT SELECT * FROM expected) x;
CREATE TABLE hll_sketches AS SELECT g, s FROM expected;
EXPLAIN (COSTS off) SELECT # hll_union_agg(s) FROM hll_sketches;
SELECT hll_union_agg(s) = (SELECT hll_agg(v) FROM hll_rows) AS same FROM hll_sketches;
RESET max_parallel_workers_per_gather; RESET parallel_setup_cost; RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- Aggregates that share a state, DISTINCT, FILTER, ORDER BY, GROUPING SETS, HAVING.
SELECT approx_count_distinct(v) = round(# hll_agg(v)) AS shared, hll_agg(DISTINCT v) = hll_agg(v) AS distinct_,
	hll_agg(v ORDER BY v DESC) = hll_agg(v) AS ordered, hll_agg(v) FILTER (WHERE v < 10) = hll_agg(least(v, 9)) AS filtered
FROM hll_rows WHERE v < 3000;
SELECT hll_agg(i) = hll_agg(5 - i) AS shared_but_pending FROM generate_series(1, 4) i;
SELECT g % 2 AS odd, g % 3 AS third, approx_count_distinct(g) FROM hll_rows
GROUP BY GROUPING SETS ((1), (2), ()) ORDER BY 1, 2;
SELECT count(*) FROM (SELECT v FROM hll_rows GROUP BY v HAVING approx_count_distinct(i) > 5) x;

-- Moving windows: each row's union is that of its frame.
CREATE TEMP TABLE day AS
SELECT d, CASE WHEN d % 11 <> 0 THEN (SELECT hll_agg(d * 40 + i, CASE WHEN d % 17 = 0 THEN 10 ELSE 12 END)
	FROM generate_series(1, CASE WHEN d % 5 = 0 THEN 3000 ELSE 60 END) i) END AS s
FROM generate_series(1, 60) d;
CREATE FUNCTION pg_temp.frame_union(lo int, hi int) RETURNS hll LANGUAGE sql AS
	'SELECT telemetry.hll_union_agg(s) FROM pg_temp.day WHERE d BETWEEN lo AND hi';
SELECT count(*) FILTER (WHERE a = pg_temp.frame_union(d - 6, d)) AS trailing,
	count(*) FILTER (WHERE b = pg_temp.frame_union(d - 3, d + 2)) AS both_sides,
	count(*) FILTER (WHERE c = pg_temp.frame_union(d, 60)) AS shrinking,
	count(*) FILTER (WHERE e = pg_temp.frame_union(1, d)) AS growing,
	count(*) FILTER (WHERE f = pg_temp.frame_union(d - 20, d - 10)) AS behind
FROM (SELECT d, hll_union_agg(s) OVER (ORDER BY d ROWS 6 PRECEDING) AS a,
	hll_union_agg(s) OVER (ORDER BY d ROWS BETWEEN 3 PRECEDING AND 2 FOLLOWING) AS b,
	hll_union_agg(s) OVER (ORDER BY d ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS c,
	hll_union_agg(s) OVER (ORDER BY d) AS e,
	hll_union_agg(s) OVER (ORDER BY d RANGE BETWEEN 20 PRECEDING AND 10 PRECEDING) AS f FROM day) w;
-- With too little memory for the rows of a frame, it is computed from scratch: the same.
SET work_mem = '64kB';
SELECT count(*) FILTER (WHERE a = pg_temp.frame_union(d - 30, d)) AS trailing,
	count(*) FILTER (WHERE b = pg_temp.frame_union(d - 30, d + 20)) AS both_sides
FROM (SELECT d, hll_union_agg(s) OVER (ORDER BY d ROWS 30 PRECEDING) AS a,
	hll_union_agg(s) OVER (ORDER BY d ROWS BETWEEN 30 PRECEDING AND 20 FOLLOWING) AS b FROM day) w;
RESET work_mem;
SELECT count(*) FILTER (WHERE a = (SELECT hll_agg(j, 11) FROM generate_series(greatest(i - 9, 1), i) j)) AS values_
FROM (SELECT i, hll_agg(i, 11) OVER (ORDER BY i ROWS 9 PRECEDING) AS a FROM generate_series(1, 100) i) w;
SELECT d, hll_union_agg(s) FILTER (WHERE d % 2 = 0) OVER (ORDER BY d ROWS 3 PRECEDING)
	= (SELECT hll_union_agg(s) FROM day x WHERE x.d BETWEEN day.d - 3 AND day.d AND x.d % 2 = 0) AS filtered
FROM day WHERE d <= 4;

DROP TABLE hll_rows, hll_sketches;
