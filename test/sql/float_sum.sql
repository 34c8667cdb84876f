-- telemetry.float8_sum: exact sums, against exact arithmetic by numeric. Values here are integers
-- times 2^-16, 1 or 2^60, so that numeric holds them without rounding.
SET search_path = telemetry, public;
CREATE TABLE float_value AS
SELECT i, i % 5 AS g, m::float8 * s AS x, m::numeric * s::numeric AS n
FROM (SELECT i, (hashint8extended(i, 1) % 1000000000000) AS m,
		CASE WHEN i % 101 = 0 THEN 1152921504606846976 WHEN i % 103 = 0 THEN 1 ELSE 0.0000152587890625 END AS s
	FROM generate_series(1::bigint, 20000) i) v;

-- The text form is readable and round-trips.
SELECT float8_sum_agg(x) FROM (VALUES (0.5::float8), (-3), (10)) v (x);
SELECT float8_sum_agg(x) FROM (VALUES ('NaN'::float8), ('Infinity'), ('-Infinity'), ('Infinity'), (-0.1), (NULL)) v (x);
SELECT float8_sum_agg(x), float8_sum_agg(x) IS NULL AS is_null FROM (VALUES (NULL::float8)) v (x);
SELECT -float8_sum_agg(x) FROM (VALUES (0.5::float8), ('Infinity')) v (x);
SELECT 'float8_sum/1;finite=3;sum=0xfp-1'::float8_sum;
SELECT 'float8_sum/2;finite=3;sum=0x1p0'::float8_sum;
SELECT ''::float8_sum;
\getenv builddir PG_ABS_BUILDDIR
\set file :builddir '/results/float_sum.bin'
CREATE TABLE float_sums AS SELECT g, float8_sum_agg(x) AS s FROM float_value GROUP BY g
UNION ALL SELECT 5, float8_sum_agg(x) FROM (VALUES (1e308::float8), (1e308), (5e-324), ('NaN')) v (x)
UNION ALL SELECT 6, float8_sum_agg(NULL);
COPY float_sums TO :'file' (FORMAT binary);
CREATE TABLE float_sums_copied (LIKE float_sums);
COPY float_sums_copied FROM :'file' (FORMAT binary);
SELECT count(*) FROM float_sums JOIN float_sums_copied AS c USING (g) WHERE float_sums.s = c.s AND float_sums.s::text::float8_sum = c.s;
SELECT * FROM float_sums EXCEPT SELECT * FROM float_sums_copied;
SELECT count(*) FROM (SELECT s FROM float_sums UNION SELECT s FROM float_sums_copied) u;
SELECT g, octet_length(float8_sum_send(s)) AS bytes FROM float_sums ORDER BY g;
-- Bytes that were not sent by it: the last one damaged, then cut off.
COPY (SELECT set_byte(float8_sum_send(s), octet_length(float8_sum_send(s)) - 1, 0) FROM float_sums WHERE g = 0) TO :'file' (FORMAT binary);
CREATE TABLE float_sums_damaged (s float8_sum);
COPY float_sums_damaged FROM :'file' (FORMAT binary);
COPY (SELECT substr(float8_sum_send(s), 1, 10) FROM float_sums WHERE g = 0) TO :'file' (FORMAT binary);
COPY float_sums_damaged FROM :'file' (FORMAT binary);

-- Exactly the rounded sum and average: no row.
SELECT g FROM float_value GROUP BY g
HAVING exact_sum(x) <> sum(n)::float8
	OR exact_avg(x) <> (sum(n)::numeric(1000, 80) / count(*))::float8
	OR float8_sum_value(float8_sum_agg(x)) <> sum(n)::float8
	OR float8_sum_avg(float8_sum_agg(x)) <> (sum(n)::numeric(1000, 80) / count(*))::float8
	OR float8_sum_count(float8_sum_agg(x)) <> count(*);
-- What sum() cannot do.
SELECT exact_sum(x), exact_avg(x) FROM (VALUES (1e100::float8), (1), (-1e100)) v (x);
SELECT exact_sum(x) = 0.6::float8 AS third, exact_sum(x::real) AS of_real FROM (VALUES (0.1::float8), (0.2), (0.3)) v (x);

-- Any order, and any grouping.
SELECT count(DISTINCT s) FROM (
	SELECT float8_sum_agg(x ORDER BY x) AS s FROM float_value
	UNION ALL SELECT float8_sum_agg(x ORDER BY abs(x) DESC, i) FROM float_value
	UNION ALL SELECT float8_sum_agg(x ORDER BY hashint8(i)) FROM float_value
	UNION ALL SELECT float8_sum_union_agg(s ORDER BY k) FROM (SELECT i % 777 AS k, float8_sum_agg(x) AS s FROM float_value GROUP BY k) p) o;
-- Parallel.
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
ALTER TABLE float_value SET (parallel_workers = 2);
EXPLAIN (COSTS off) SELECT exact_sum(x), float8_sum_agg(x) FROM float_value;
SELECT exact_sum(x) = sum(n)::float8 AS sum, exact_avg(x) = (sum(n)::numeric(1000, 80) / count(*))::float8 AS avg,
	float8_sum_agg(x) = (SELECT float8_sum_agg(x ORDER BY x) FROM float_value) AS same
FROM float_value;
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- What is taken away leaves exactly the rest; NaN and infinity, too.
CREATE TABLE float_any AS
SELECT i, CASE i % 17 WHEN 3 THEN 'NaN' WHEN 5 THEN 'Infinity' WHEN 7 THEN '-Infinity' WHEN 9 THEN NULL
	ELSE CASE WHEN i % 2 = 0 THEN 1.1 ELSE -1 END * power(10::float8, (i * 7919) % 600 - 300) END AS x
FROM generate_series(1, 300) i;
SELECT p FROM generate_series(2, 40) p, float_any GROUP BY p
HAVING float8_sum_agg(x) - float8_sum_agg(x) FILTER (WHERE i % p = 0) <> float8_sum_agg(x) FILTER (WHERE i % p > 0)
	OR float8_sum_agg(x) FILTER (WHERE i % p = 0) + float8_sum_agg(x) FILTER (WHERE i % p > 0) <> float8_sum_agg(x)
	OR float8_sum_agg(x) + -float8_sum_agg(x) FILTER (WHERE i % p > 0) <> float8_sum_agg(x) FILTER (WHERE i % p = 0)
	OR float8_sum_agg(x) - float8_sum_agg(x) <> float8_sum_agg(NULL);

-- Moving windows, against each frame on its own: no row.
SELECT w.i, w.s, f.s FROM (
	SELECT i, exact_sum(x) OVER o AS s, exact_avg(x) OVER o AS a, float8_sum_agg(x) OVER o AS t,
		float8_sum_union_agg(one) OVER o AS u
	FROM (SELECT i, x, (SELECT float8_sum_agg(x)) AS one FROM float_any WHERE i <= 120 GROUP BY i, x) v
	WINDOW o AS (ORDER BY i ROWS 3 PRECEDING)) AS w
CROSS JOIN LATERAL (SELECT exact_sum(x) AS s, exact_avg(x) AS a, float8_sum_agg(x) AS t
	FROM float_any WHERE i BETWEEN w.i - 3 AND w.i) AS f
WHERE w.s IS DISTINCT FROM f.s OR w.a IS DISTINCT FROM f.a OR w.t <> f.t OR w.u <> f.t;
-- Frames that begin with, and hold nothing but, NULL.
SELECT i, exact_sum(x) OVER o, exact_avg(x) OVER o, float8_sum_count(float8_sum_agg(x) OVER o) AS n
FROM (VALUES (1, NULL::float8), (2, 1), (3, NULL), (4, NULL), (5, 5)) v (i, x) WINDOW o AS (ORDER BY i ROWS 1 PRECEDING);

-- NaN and infinities are what sum() makes of them; no value is NULL.
SELECT v, exact_sum(x), exact_sum(x) IS NOT DISTINCT FROM sum(x) AS as_sum, exact_avg(x) IS NOT DISTINCT FROM avg(x) AS as_avg
FROM (VALUES ('{}'::float8[]), ('{NULL}'), ('{NULL,1}'), ('{NaN,1}'), ('{inf,1}'), ('{-inf,1}'), ('{inf,-inf}'), ('{NaN,inf}')) a (v)
LEFT JOIN LATERAL unnest(v) x ON true GROUP BY v ORDER BY v;

-- Too large for a double: an error, as of sum(); but not on the way, and not for an average.
SELECT exact_sum(x) FROM (VALUES (1.7e308::float8), (1.7e308)) v (x);
SELECT exact_sum(x), exact_avg(abs(x)) FROM (VALUES (1.7e308::float8), (1.7e308), (-1.7e308)) v (x);
SELECT s + s FROM (SELECT 'float8_sum/1;finite=1;sum=0x8p2172'::float8_sum AS s) t;
SELECT s + s FROM (SELECT 'float8_sum/1;finite=4611686018427387904;sum=0'::float8_sum AS s) t;

DROP TABLE float_value, float_any, float_sums, float_sums_copied, float_sums_damaged;
