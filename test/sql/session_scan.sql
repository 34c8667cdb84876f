-- The plan node that sorts and finds sessions against PostgreSQL's Sort and WindowAgg, which enable_sort = off leaves.
CREATE SCHEMA scan;
SET search_path = scan, telemetry;
SET timezone = 'UTC';
SET max_parallel_workers_per_gather = 0;
SET jit = off;

-- 20,000 events of few players, that is of several runs in memory; times that are equal, none, infinite.
CREATE TYPE pair AS (a int, b text);
CREATE TABLE event AS
SELECT i AS id, CASE WHEN h % 31 = 0 THEN NULL ELSE (h % 97)::int END AS i4, CASE WHEN h % 31 = 0 THEN NULL WHEN h % 37 = 0
		THEN 9223372036854775807 WHEN h % 41 = 0 THEN -9223372036854775808 ELSE (h % 97 - 50) * 10000000000 END AS i8,
	(h % 7 - 3)::smallint AS i2, (h % 97)::text COLLATE "C" AS c, 'player ' || h % 97 AS t, md5((h % 97)::text)::uuid AS u,
	(h % 97) / 7.0 AS n, CASE h % 5 WHEN 0 THEN float8 'NaN' WHEN 1 THEN '-0' WHEN 2 THEN '0' ELSE (h % 50)::float8 END AS f,
	date '2026-01-01' + (h % 50)::int - 25 AS d, h % 3 = 0 AS b, ARRAY[h % 17, NULL, h % 3] AS a, ROW(h % 5, 'x')::pair AS r,
	('0.0.0.' || h % 99)::inet AS net, repeat('long ', (h % 300)::int) AS long, i % 100 AS amount,
	CASE WHEN h2 % 53 = 0 THEN NULL WHEN h2 % 59 = 0 THEN 'infinity' WHEN h2 % 61 = 0 THEN '-infinity'
		ELSE timestamptz '2026-01-01' + h2 % 1200 * interval '7 minutes' END AS at
FROM (SELECT i, hashint4(i)::bigint & 2147483647 AS h, hashint4extended(i, 1) & 2147483647 AS h2 FROM generate_series(1, 20000) i) e;
ANALYZE event;

CREATE FUNCTION plans(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; found text := 'PostgreSQL''s';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ 'TelemetrySessions' THEN found := 'TelemetrySessions'; END IF;
	END LOOP;
	RETURN found;
END $$;
-- Rows of the query by PostgreSQL's plan, and how many are not among those of ours, in memory and by files, or are there alone.
CREATE FUNCTION differences(query text, OUT rows bigint, OUT memory bigint, OUT files bigint, OUT plan text) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL enable_sort = off;
	SET LOCAL work_mem = '64MB';
	IF plans(query) = 'TelemetrySessions' THEN RAISE 'not the plan to compare with'; END IF;
	EXECUTE 'CREATE TEMP TABLE expected AS ' || query;
	SET LOCAL enable_sort = on;
	SET LOCAL enable_indexscan = off;
	plan := plans(query);
	EXECUTE 'CREATE TEMP TABLE in_memory AS ' || query;
	SET LOCAL work_mem = '64kB';
	EXECUTE 'CREATE TEMP TABLE by_files AS ' || query;
	SET LOCAL work_mem = '64MB';
	SELECT count(*) INTO rows FROM expected;
	SELECT count(*) INTO memory FROM ((TABLE expected EXCEPT ALL TABLE in_memory) UNION ALL (TABLE in_memory EXCEPT ALL TABLE expected)) x;
	SELECT count(*) INTO files FROM ((TABLE expected EXCEPT ALL TABLE by_files) UNION ALL (TABLE by_files EXCEPT ALL TABLE expected)) x;
	DROP TABLE expected, in_memory, by_files;
END $$;

-- ---- keys of every kind ----------------------------------------------------------------------------
SELECT keys, d.* FROM unnest(ARRAY['i4', 'i8', 'i2', 'c', 't', 'u', 'n', 'f', 'd', 'b', 'a', 'r', 'net', 'i4, c', 'c, i4', 't, b, n',
	'f, at', 'i4 % 10, i8 > 0', 't COLLATE "C"', 'long']) AS keys,
	differences(format('SELECT min(at), max(at), count(*), sum(id), sum(id * amount) AS product FROM event GROUP BY %1$s, session_window(at, ''30 minutes'')', keys)) AS d;
-- No key but the time; a key of one value.
SELECT * FROM differences($$SELECT min(at), max(at), count(*), sum(id) FROM event GROUP BY session_window(at, '7 minutes')$$);
SELECT * FROM differences($$SELECT min(at), max(at), count(*), sum(id) FROM event WHERE i4 = 5 GROUP BY i4, session_window(at, '7 minutes')$$);
SELECT * FROM differences($$SELECT min(at), count(*) FROM event GROUP BY 1 + 1, i4, session_window(at, '7 minutes')$$);
SELECT * FROM differences($$SELECT count(*) FROM event WHERE id < 0 GROUP BY i4, session_window(at, '7 minutes')$$);
-- timestamp; options; a gap of each event; columns that are wide, that are computed; the session's begin in the select list.
SELECT * FROM differences($$SELECT i4, session_window(at AT TIME ZONE 'UTC', '1 hour'), count(*) FROM event GROUP BY 1, 2$$);
SELECT * FROM differences($$SELECT i4, session_window(at, '1 day', amount < 20, '2 days') AS began, count(*), sum(id) FROM event GROUP BY 1, 2$$);
SELECT * FROM differences($$SELECT min(at), count(*), sum(id) FROM event GROUP BY session_window(at, '7 minutes', max_length => '3 hours')$$);
SELECT * FROM differences($$SELECT i4, min(at), count(*), sum(id) FROM event GROUP BY i4, session_window(at, amount * interval '1 hour' + interval '1 minute')$$);
SELECT * FROM differences($$SELECT c, max(long), min(a), max(r::text) AS r, sum(length(md5(t))), max(at - session_window(at, '1 hour')) AS length FROM event WHERE isfinite(at) GROUP BY c, session_window(at, '1 hour')$$);
SELECT * FROM differences($$SELECT keys, count(*) FROM (SELECT array_append(a, id % 2::bigint) AS keys, at FROM event OFFSET 0) e GROUP BY keys, session_window(at, '1 hour')$$);
-- A row longer than any run.
SELECT * FROM differences($$SELECT length(max(wide)), count(*), min(at) FROM (SELECT i2, at, repeat(t, CASE WHEN id % 9000 = 7 THEN 200000 ELSE 1 END) AS wide FROM event OFFSET 0) e GROUP BY i2, session_window(at, '1 hour')$$);

-- ---- order -----------------------------------------------------------------------------------------
-- Rows come in the order that the plan promises: nothing sorts them above.
CREATE FUNCTION in_order(query text) RETURNS TABLE (n bigint, sorted boolean, sorts bigint) LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	sorts := 0;
	SET LOCAL enable_hashagg = off;
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ '(->|^)\s*(Incremental )?Sort' THEN sorts := sorts + 1; END IF;
	END LOOP;
	EXECUTE format('CREATE TEMP TABLE came AS SELECT row_number() OVER () AS at, s.* FROM (%s) AS s(k, began, m)', query);
	SELECT count(*) INTO n FROM came;
	EXECUTE 'SELECT coalesce(bool_and(s.at = s.place), true) FROM (SELECT at, row_number() OVER (ORDER BY '
		|| substring(query FROM 'ORDER BY (.*)') || ') AS place FROM came) s' INTO sorted;
	DROP TABLE came;
	RETURN NEXT;
END $$;
SELECT o.* FROM unnest(ARRAY['i4', 'i8', 'c', 'u', 'f']) AS key, unnest(ARRAY[' DESC', ' NULLS FIRST']) AS direction,
	in_order(format($$SELECT %s AS k, session_window(at, '1 hour') AS began, min(at) FROM event GROUP BY k, began ORDER BY k%s, began$$, key, direction)) AS o;
SET work_mem = '64kB';
SELECT * FROM in_order($$SELECT c AS k, session_window(at, '1 hour') AS began, min(at) FROM event GROUP BY k, began ORDER BY k DESC, began$$);
RESET work_mem;

-- ---- how it is run ---------------------------------------------------------------------------------
CREATE FUNCTION explained(query text, options text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE format('EXPLAIN (COSTS OFF, %s) %s', options, query) LOOP
		IF line ~ 'Sessions|Session Key|Sort Space' THEN
			RETURN NEXT regexp_replace(regexp_replace(line, '(Used: )\d+', '\1n'), ' \(actual .*', '');
		END IF;
	END LOOP;
END $$;
SELECT explained($$SELECT c, count(*) FROM event GROUP BY c, session_window(at, '1 hour')$$, 'VERBOSE off');
SELECT explained($$SELECT e.i4, e.i2 + 1, count(*) FROM event e GROUP BY e.i4, e.i2 + 1, session_window(at, '1 hour')$$, 'VERBOSE');
SET work_mem = '64MB';
SELECT explained($$SELECT count(*) FROM event GROUP BY c, session_window(at, '1 hour')$$, 'ANALYZE, TIMING OFF');
SET work_mem = '64kB';
SELECT explained($$SELECT count(*) FROM event GROUP BY c, session_window(at, '1 hour')$$, 'ANALYZE, TIMING OFF');
RESET work_mem;

-- Again and again, of other rows and of the same ones.
SELECT k, s.* FROM generate_series(1, 4) AS k, LATERAL (SELECT count(*) AS sessions, sum(n) AS events FROM
	(SELECT count(*) AS n FROM event WHERE i4 = k GROUP BY i4, session_window(at, k * interval '1 hour')) x) s;
SELECT k, (SELECT count(*) FROM (SELECT 1 FROM event WHERE i4 < 3 GROUP BY c, session_window(at, '1 hour') OFFSET k) x) FROM generate_series(0, 2) AS k;
SET work_mem = '64kB';
SELECT k, (SELECT sum(n + k) FROM (SELECT count(*) AS n FROM event WHERE i4 > k GROUP BY c, session_window(at, '1 hour')) x) FROM generate_series(0, 2) AS k;
RESET work_mem;
-- Each time leaves no memory behind: by both plans about the same.
CREATE FUNCTION bytes_of_rescans() RETURNS bigint LANGUAGE sql AS $$
	SELECT max((SELECT sum(used_bytes) FROM pg_backend_memory_contexts WHERE name = 'ExecutorState' AND n = 20000)) + 0 * sum(sessions) FROM (
		SELECT n, (SELECT count(*) FROM (SELECT 1 FROM (VALUES (1, timestamp '2026-01-01')) AS e(k, at) WHERE k <= n
			GROUP BY k, session_window(at, '1 hour')) x) AS sessions FROM generate_series(1, 20000) AS n OFFSET 0) y $$;
SET enable_sort = off;
SELECT bytes_of_rescans() AS bytes \gset
SET enable_sort = on;
SELECT bytes_of_rescans() - :bytes < 100000 AS no_more;
-- Cursors, there and back; a plan that is kept; a limit that ends early.
BEGIN;
DECLARE s SCROLL CURSOR FOR SELECT c, count(*) FROM event WHERE i4 = 8 GROUP BY c, session_window(at, '2 hours') ORDER BY 2, c;
FETCH 2 FROM s;
FETCH BACKWARD 1 FROM s;
ROLLBACK;
SET plan_cache_mode = force_generic_plan;
PREPARE p(interval, int) AS SELECT count(*) FROM (SELECT 1 FROM event WHERE i4 = $2 GROUP BY c, session_window(at, $1)) x;
EXECUTE p('1 hour', 5);
EXECUTE p('1 day', 5);
EXECUTE p('1 day', NULL);
EXECUTE p(NULL, 5);
RESET plan_cache_mode;
SELECT c, count(*) FROM event GROUP BY c, session_window(at, '1 day') ORDER BY c LIMIT 1;
-- Above a parallel scan.
SELECT count(*), sum(n) FROM (
	SELECT count(*) AS n FROM event GROUP BY c, session_window(at, '1 hour') UNION ALL SELECT count(*) FROM event GROUP BY t, session_window(at, '1 hour')) x;
SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT count(*), sum(n) FROM (
	SELECT count(*) AS n FROM event GROUP BY c, session_window(at, '1 hour') UNION ALL SELECT count(*) FROM event GROUP BY t, session_window(at, '1 hour')) x;
SET max_parallel_workers_per_gather = 0;

-- ---- where PostgreSQL's own plan stays ---------------------------------------------------------------
-- Beside another window function; of very many columns; where an index has the order.
SELECT plans($$SELECT c, _session_start(at, '1 hour') OVER w, row_number() OVER w FROM event WINDOW w AS (PARTITION BY c ORDER BY at) ORDER BY 1, 2$$);
SELECT plans($$SELECT c, _session_start(at, '1 hour') OVER w, sum(id) OVER v FROM event WINDOW w AS (PARTITION BY c ORDER BY at), v AS (PARTITION BY c) ORDER BY 1, 2$$);
SELECT plans($$SELECT c, _session_start(at, '1 hour') OVER w FROM event WINDOW w AS (PARTITION BY c ORDER BY at) ORDER BY 1, 2$$);
DO $$
BEGIN
	EXECUTE format('CREATE TABLE wide (k int, at timestamptz, %s)', (SELECT string_agg('x' || i || ' int', ', ') FROM generate_series(1, 40) i));
END $$;
SELECT n, plans(format($$SELECT %s FROM wide GROUP BY k, session_window(at, '1 hour')$$, (SELECT string_agg('max(x' || i || ')', ', ') FROM generate_series(1, n) i)))
FROM unnest(ARRAY[30, 31]) n;
CREATE INDEX ON event (i4, at);
VACUUM event;
SELECT plans($$SELECT count(*) FROM event GROUP BY i4, session_window(at, '1 hour')$$);

SET client_min_messages = warning;
DROP SCHEMA scan CASCADE;
