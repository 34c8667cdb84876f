-- first() and last() by time: against array_agg, in every kind of plan.
SET search_path = telemetry, public;
SET timezone = 'UTC';

-- No row, NULL values, NULL times.
SELECT first(i, i::bigint), last(i, i::bigint) FROM generate_series(1, 0) i;
SELECT first(NULL::int, i::bigint), last(i, NULL::date) FROM generate_series(1, 3) i;
SELECT first(v, t), last(v, t) FROM (VALUES
	('no time', NULL), (NULL, timestamptz '2026-01-01'), ('a', '2026-01-02'), ('b', '2026-01-03'), (NULL, '2026-01-04')) x(v, t);

-- Every type of time, with infinities at its ends.
SELECT first(v, t), last(v, t), first(v, t::timestamp), last(v, t::timestamp), first(v, t::date), last(v, t::date)
FROM (VALUES (1, timestamptz '2026-01-01'), (2, 'infinity'), (3, '-infinity'), (4, '1969-12-31')) x(v, t);
SELECT first(v, t), last(v, t) FROM (VALUES (1, 0::bigint), (2, 9223372036854775807), (3, '-9223372036854775808'::bigint)) x(v, t);

-- Equal times: the least, the greatest, by the type's order and the input's collation.
SELECT first(v, 1::bigint), last(v, 1::bigint) FROM unnest('{NaN,-Infinity,0,Infinity}'::float8[]) v;
SELECT first(v COLLATE "C", 1::bigint), last(v COLLATE "C", 1::bigint) FROM unnest('{a,B,b,A}'::text[]) v;
SELECT first(v, 1::bigint), last(v, 1::bigint) FROM (VALUES (ROW(1, 'b'::text)), (ROW(1, 'a'::text)), (ROW(0, 'z'::text))) x(v);
SELECT first(v, 1::bigint), last(v, 1::bigint) FROM (VALUES ('{1,2}'::int[]), ('{1}'), ('{1,NULL}')) x(v);
CREATE TYPE fl_mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN fl_level AS int CHECK (VALUE > 0);
SELECT first(v, 1::bigint), last(v, 1::bigint), last(l, 1::bigint)
FROM (VALUES ('ok'::fl_mood, 1::fl_level), ('happy', 3), ('sad', 2)) x(v, l);
-- What the type calls equal is told apart, too: the result is the same for every order of the rows.
SELECT first(v, 1::bigint ORDER BY o) = first(v, 1::bigint ORDER BY o DESC) AS equal,
	first(v, 1::bigint ORDER BY o)::text = first(v, 1::bigint ORDER BY o DESC)::text AS same,
	last(v, 1::bigint ORDER BY o)::text = last(v, 1::bigint ORDER BY o DESC)::text AS same
FROM (VALUES (1, 1.0), (2, 1.000), (3, 1.00)) x(o, v);
SELECT first(v, 1::bigint ORDER BY o)::text = first(v, 1::bigint ORDER BY o DESC)::text AS same
FROM (VALUES (1, 0::float8), (2, '-0'::float8)) x(o, v);
SELECT last(v, 1::bigint ORDER BY o)::text = last(v, 1::bigint ORDER BY o DESC)::text AS same
FROM (VALUES (1, interval '24 hours'), (2, '1 day')) x(o, v);

-- Refused at the first row, not at the first tie.
SELECT last(v, 1::bigint) FROM (VALUES ('{}'::json)) x(v);
SELECT last(v, 1::bigint) FROM (VALUES (NULL::point)) x(v);
SELECT last(CASE WHEN true THEN a ELSE b END, 1::bigint) FROM (VALUES ('a' COLLATE "C", 'b' COLLATE "POSIX")) x(a, b);
SELECT first(v, 1.5) FROM (VALUES (1)) x(v);

-- Random rows: many ties, NULLs, infinities, values of several lengths.
CREATE TABLE fl_rows (o int, g int, i int, t timestamptz, v text COLLATE "C", n numeric, f float8, big text COLLATE "C")
PARTITION BY HASH (o);
CREATE TABLE fl_rows_0 PARTITION OF fl_rows FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE fl_rows_1 PARTITION OF fl_rows FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE fl_rows_2 PARTITION OF fl_rows FOR VALUES WITH (MODULUS 3, REMAINDER 2);
SELECT setseed(0.5);
INSERT INTO fl_rows
SELECT o, CASE WHEN g < 190 THEN g END, i,
	CASE WHEN r < 0.05 THEN NULL WHEN r < 0.1 THEN 'infinity' WHEN r < 0.15 THEN '-infinity'
		ELSE timestamptz '1970-01-01' + floor(random() * 20 - 10) * interval '1 microsecond' END,
	CASE WHEN random() > 0.1 THEN repeat(md5((i % 7)::text), i % 4) || i END,
	CASE WHEN random() > 0.1 THEN CASE WHEN i % 11 = 0 THEN 'NaN' ELSE round((i % 13)::numeric, i % 3) END END,
	CASE WHEN random() > 0.1 THEN CASE WHEN i % 11 = 0 THEN 'NaN' WHEN i % 7 = 0 THEN '-Infinity' ELSE (i % 5)::float8 END END,
	CASE WHEN random() < 0.002 THEN (SELECT string_agg(md5((i + k)::text), '') FROM generate_series(1, 150) k) END
FROM (SELECT o, floor(random() * 200)::int AS g, floor(random() * 40)::int AS i, random() AS r
	FROM generate_series(1, 20000) o OFFSET 0) x;
ANALYZE fl_rows;
CREATE TEMP TABLE expected AS
SELECT g,
	(array_agg(i ORDER BY t, i) FILTER (WHERE t IS NOT NULL AND i IS NOT NULL))[1] AS fi,
	(array_agg(i ORDER BY t DESC, i DESC) FILTER (WHERE t IS NOT NULL AND i IS NOT NULL))[1] AS li,
	(array_agg(v ORDER BY t, v) FILTER (WHERE t IS NOT NULL AND v IS NOT NULL))[1] AS fv,
	(array_agg(v ORDER BY t DESC, v DESC) FILTER (WHERE t IS NOT NULL AND v IS NOT NULL))[1] AS lv,
	(array_agg(n ORDER BY t, n) FILTER (WHERE t IS NOT NULL AND n IS NOT NULL))[1] AS fn,
	(array_agg(n ORDER BY t DESC, n DESC) FILTER (WHERE t IS NOT NULL AND n IS NOT NULL))[1] AS ln,
	(array_agg(f ORDER BY t, f) FILTER (WHERE t IS NOT NULL AND f IS NOT NULL))[1] AS ff,
	(array_agg(f ORDER BY t DESC, f DESC) FILTER (WHERE t IS NOT NULL AND f IS NOT NULL))[1] AS lf,
	(array_agg(big ORDER BY t, big) FILTER (WHERE t IS NOT NULL AND big IS NOT NULL))[1] AS fb,
	(array_agg(big ORDER BY t DESC, big DESC) FILTER (WHERE t IS NOT NULL AND big IS NOT NULL))[1] AS lb
FROM fl_rows GROUP BY g;
SELECT count(*), count(fi) > 180 AS some, count(fb) > 20 AS some_toasted FROM expected;
CREATE VIEW fl_found AS
SELECT g, first(i, t) AS fi, last(i, t) AS li, first(v, t) AS fv, last(v, t) AS lv, first(n, t) AS fn, last(n, t) AS ln,
	first(f, t) AS ff, last(f, t) AS lf, first(big, t) AS fb, last(big, t) AS lb
FROM fl_rows GROUP BY g;
CREATE FUNCTION differences() RETURNS bigint LANGUAGE sql AS
	'SELECT count(*) FROM ((TABLE fl_found EXCEPT ALL TABLE expected) UNION ALL (TABLE expected EXCEPT ALL TABLE fl_found)) x';
CREATE FUNCTION plan_has(node text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXPLAIN (COSTS off) TABLE fl_found LOOP
		IF line LIKE '%' || node || '%' THEN RETURN true; END IF;
	END LOOP;
	RETURN false;
END $$;
SET enable_hashagg = off;
SELECT differences(), plan_has('GroupAggregate');
RESET enable_hashagg;
SET enable_sort = off;
SELECT differences(), plan_has('HashAggregate');
SET work_mem = '64kB'; SET hash_mem_multiplier = 1;
SELECT differences();
RESET work_mem; RESET hash_mem_multiplier; RESET enable_sort;
-- Partial results, packed and merged: by partition, where every part is sure to have rows, and in parallel.
SET enable_partitionwise_aggregate = on;
SELECT differences(), plan_has('Partial HashAggregate');
SET enable_hashagg = off;
SELECT differences(), plan_has('Partial GroupAggregate');
RESET enable_hashagg;
RESET enable_partitionwise_aggregate;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SELECT differences(), plan_has('Partial HashAggregate');
SET enable_hashagg = off;
SELECT differences(), plan_has('Partial GroupAggregate');
RESET enable_hashagg;
SELECT first(v, t) = (SELECT (array_agg(v ORDER BY t, v) FILTER (WHERE t IS NOT NULL AND v IS NOT NULL))[1] FROM fl_rows) AS f,
	last(n, t) = (SELECT (array_agg(n ORDER BY t DESC, n DESC) FILTER (WHERE t IS NOT NULL AND n IS NOT NULL))[1] FROM fl_rows) AS l
FROM fl_rows;
-- Workers that see no row, or NULLs alone.
SELECT first(v, t), last(v, t) FROM fl_rows WHERE o < 0 OR v IS NULL;
RESET max_parallel_workers_per_gather; RESET parallel_setup_cost; RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- Two plain columns are a state: merged by the aggregate itself, in any split, they give the same.
-- (The time is that of rows which have a value.)
CREATE TEMP TABLE partial AS
SELECT g, o % 7 AS part, first(v, t) AS fv, min(t) FILTER (WHERE v IS NOT NULL) AS ft,
	last(v, t) AS lv, max(t) FILTER (WHERE v IS NOT NULL) AS lt FROM fl_rows GROUP BY g, o % 7;
SELECT count(*) FROM (SELECT g, first(fv, ft), last(lv, lt) FROM partial GROUP BY g
	EXCEPT SELECT g, fv, lv FROM expected) x;

-- FILTER, DISTINCT, ORDER BY, HAVING, GROUPING SETS, PL/pgSQL arrays (expanded objects).
SELECT first(i, t) FILTER (WHERE i > 20) > 20 AS filtered, last(DISTINCT i, t) = last(i, t) AS distinct_,
	last(v, t ORDER BY random()) = last(v, t) AS ordered FROM fl_rows;
SELECT count(*) > 0 AS some FROM (SELECT g FROM fl_rows GROUP BY g HAVING last(i, t) > 20) x;
SELECT count(*) FROM (SELECT g, last(n, t) AS l FROM fl_rows GROUP BY ROLLUP (g)) x
	LEFT JOIN expected e ON e.g IS NOT DISTINCT FROM x.g AND e.ln IS NOT DISTINCT FROM x.l WHERE e.li IS NULL;
CREATE FUNCTION expanded(n int) RETURNS int[] LANGUAGE plpgsql AS
	'DECLARE a int[]; BEGIN FOR i IN 1..n LOOP a[i] := i; END LOOP; RETURN a; END';
SELECT first(expanded(i), i::bigint), last(expanded(5 - i), i::bigint), last(expanded(i), i::bigint) = expanded(4) AS same
FROM generate_series(1, 4) i;

-- Moving windows: each result is that of its frame.
CREATE TEMP TABLE step AS
SELECT row_number() OVER (ORDER BY o) AS o, t, v, n, big FROM fl_rows WHERE o <= 400;
CREATE FUNCTION pg_temp.frame_last(lo bigint, hi bigint) RETURNS text LANGUAGE sql AS
	'SELECT (array_agg(v ORDER BY t DESC, v DESC))[1] FROM pg_temp.step WHERE o BETWEEN lo AND hi AND t IS NOT NULL AND v IS NOT NULL';
CREATE FUNCTION pg_temp.frame_first(lo bigint, hi bigint) RETURNS text LANGUAGE sql AS
	'SELECT (array_agg(v ORDER BY t, v))[1] FROM pg_temp.step WHERE o BETWEEN lo AND hi AND t IS NOT NULL AND v IS NOT NULL';
CREATE TEMP VIEW fl_frames AS
SELECT count(*), count(*) FILTER (WHERE a IS NOT DISTINCT FROM pg_temp.frame_last(o - 6, o)) AS trailing,
	count(*) FILTER (WHERE b IS NOT DISTINCT FROM pg_temp.frame_first(o - 3, o + 20)) AS both_sides,
	count(*) FILTER (WHERE c IS NOT DISTINCT FROM pg_temp.frame_last(o, 400)) AS shrinking,
	count(*) FILTER (WHERE d IS NOT DISTINCT FROM pg_temp.frame_first(1, o)) AS growing,
	count(*) FILTER (WHERE e IS NOT DISTINCT FROM pg_temp.frame_last(o - 40, o - 10)) AS behind,
	count(*) FILTER (WHERE f IS NOT DISTINCT FROM pg_temp.frame_first(o, o)) AS single
FROM (SELECT o, last(v, t) OVER (ORDER BY o ROWS 6 PRECEDING) AS a,
	first(v, t) OVER (ORDER BY o ROWS BETWEEN 3 PRECEDING AND 20 FOLLOWING) AS b,
	last(v, t) OVER (ORDER BY o ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS c,
	first(v, t) OVER (ORDER BY o) AS d,
	last(v, t) OVER (ORDER BY o RANGE BETWEEN 40 PRECEDING AND 10 PRECEDING) AS e,
	first(v, t) OVER (ORDER BY o ROWS BETWEEN CURRENT ROW AND CURRENT ROW) AS f FROM pg_temp.step) w;
TABLE fl_frames;
-- With too little memory for the rows of a frame, it is computed from scratch: the same.
SET work_mem = '64kB';
SELECT count(*) FILTER (WHERE a IS NOT DISTINCT FROM (SELECT repeat(md5(x::text), 100) FROM generate_series(greatest(i - 60, 1), i) x
	ORDER BY x % 37, repeat(md5(x::text), 100) LIMIT 1)) AS by_frame,
	count(*) FILTER (WHERE b = greatest(i - 60, 1)) AS by_row
FROM (SELECT i, first(repeat(md5(i::text), 100), (i % 37)::bigint) OVER (ORDER BY i ROWS 60 PRECEDING) AS a,
	first(i, i::bigint) OVER (ORDER BY i ROWS 60 PRECEDING) AS b FROM generate_series(1, 300) i) w;
SELECT count(*) FILTER (WHERE a = greatest(i - 3000, 1)) FROM
	(SELECT i, first(i, i::bigint) OVER (ORDER BY i ROWS 3000 PRECEDING) AS a FROM generate_series(1, 4000) i) w;
RESET work_mem;

DROP VIEW fl_frames, fl_found;
DROP FUNCTION differences, plan_has, expanded;
DROP TABLE fl_rows;
DROP TYPE fl_mood;
DROP DOMAIN fl_level;
