-- telemetry.sessions: sets of sessions, and their aggregates.
SET search_path = telemetry, public;
SET timezone = 'America/New_York';
SET datestyle = 'SQL, DMY';
SET intervalstyle = 'postgres';
SET client_min_messages = warning;
CREATE SCHEMA st;
SET search_path = st, telemetry, public;

-- The text depends on no setting.
CREATE TABLE t (s sessions);
INSERT INTO t VALUES ('{00:30:00}'), ('{30 minutes; 2026-01-01 10:00+00, 2026-01-01 10:30+00, 2}'),
	('{0.000001 seconds; -infinity,-infinity,3; 2026-01-01 10:00+00,2026-01-01 10:00+00,1;infinity, infinity, 9223372036854775807}'),
	('{ 100000 days ; 4714-11-24 00:00:00+00 BC, 4714-11-24 00:00:00+00 BC, 1; 294276-12-31 23:59:59.999999+00, 294276-12-31 23:59:59.999999+00, 1 }'),
	('{1 day; 1969-12-31 23:00+00, 2026-01-01 00:00+00, 1000000}');
SELECT s FROM t;
SELECT s::text::sessions = s AS same, sessions_count(s), sessions_total(s), sessions_longest(s), sessions_gap(s), pg_column_size(s) FROM t;
SELECT sessions_events(s) FROM t LIMIT 2;
SELECT sessions_events(s) FROM t OFFSET 2 LIMIT 1;
SET datestyle = 'ISO'; SET timezone = 'UTC';
SELECT u.* FROM t, unnest(t.s) AS u;
SELECT at, sessions_at('{1 hour; 2026-01-01 10:00+00, 2026-01-01 11:00+00, 2; 2026-01-01 13:00+00, 2026-01-01 13:00+00, 1; infinity, infinity, 1}', at)
FROM (VALUES (timestamptz '2026-01-01 09:59:59.999999'), ('2026-01-01 10:00'), ('2026-01-01 10:30'), ('2026-01-01 11:00'), ('2026-01-01 11:00:00.000001'),
	('2026-01-01 13:00'), ('-infinity'), ('infinity')) v(at);

-- The bytes are what is stored for good; they go out and come back.
SELECT sessions_send('{00:30:00; 2026-01-01 10:00+00, 2026-01-01 10:30+00, 2; 2026-01-01 12:00+00, 2026-01-01 12:00+00, 1}');
\getenv builddir PG_ABS_BUILDDIR
\set file :builddir '/results/sessions_type.bin'
COPY t TO :'file' (FORMAT binary);
CREATE TABLE copied (LIKE t);
COPY copied FROM :'file' (FORMAT binary);
TABLE copied EXCEPT ALL TABLE t;

-- Union: an event that is in both counts twice; between two sessions it makes one of them.
SELECT '{10 minutes; 2026-01-01 10:00+00, 2026-01-01 10:00+00, 1; 2026-01-01 10:20+00, 2026-01-01 10:20+00, 1}'::sessions
	|| '{10 minutes; 2026-01-01 10:10+00, 2026-01-01 10:10+00, 1}';
SELECT '{10 minutes; 2026-01-01 10:00+00, 2026-01-01 10:00+00, 1; 2026-01-01 10:20:00.000001+00, 2026-01-01 10:20:00.000001+00, 1}'::sessions
	|| '{10 minutes; 2026-01-01 10:10+00, 2026-01-01 10:10+00, 1}' || '{10 minutes}' || '{10 minutes; infinity, infinity, 1}' || '{10 minutes; infinity, infinity, 1}';
SELECT sessions_union_agg(s), sessions_agg(NULL, '1 hour'), sessions_agg(now(), '1 hour') FILTER (WHERE false) FROM t WHERE false OR s = '{30 minutes}';
SELECT count(DISTINCT s), count(*) FROM (SELECT s FROM t UNION ALL SELECT s FROM copied) u;

-- What is refused.
SELECT '{10 minutes}'::sessions || '{11 minutes}';
SELECT sessions_union_agg(s) FROM t;
SELECT sessions_agg(at, gap) FROM (VALUES (now(), interval '1 hour'), (now(), '61 minutes')) v(at, gap);
SELECT sessions_agg(at, gap) IS NOT NULL AS same_length FROM (VALUES (now(), interval '24 hours'), (now(), '1 day')) v(at, gap);
SELECT sessions_agg(now(), NULL);
SELECT sessions_agg(now(), '0');
SELECT sessions_agg(now(), '1 month');
SELECT '{1 hour; infinity, infinity, 9223372036854775807}'::sessions || '{1 hour; infinity, infinity, 1}';
SELECT ''::sessions;
SELECT '{'::sessions;
SELECT '{1 hour'::sessions;
SELECT '{1 hour} x'::sessions;
SELECT '{1 month}'::sessions;
SELECT '{1 hour;}'::sessions;
SELECT '{1 hour; 2026-01-01, 2026-01-01}'::sessions;
SELECT '{1 hour; 2026-01-01, 2026-01-01, 1, 1}'::sessions;
SELECT '{1 hour; 2026-01-01, 2026-01-01, 0}'::sessions;
SELECT '{1 hour; 2026-01-02, 2026-01-01, 2}'::sessions;
SELECT '{1 hour; 2026-01-01 10:00, 2026-01-01 11:00:00.000001, 2}'::sessions;
SELECT '{1 hour; 2026-01-01 10:00, infinity, 9}'::sessions;
SELECT '{1 hour; 2026-01-01 10:00, 2026-01-01 10:00, 1; 2026-01-01 11:00, 2026-01-01 11:00, 1}'::sessions;
SELECT '{1 hour; tomorrowish, 2026-01-01, 1}'::sessions;
SELECT ('{1 hour; ' || repeat('9', 1000) || '}')::sessions;
-- Bytes that are cut short or changed are an error, or another value that comes back byte for byte.
CREATE TABLE raw (b bytea);
CREATE FUNCTION hostile(path text) RETURNS TABLE (outcome text, n bigint) LANGUAGE plpgsql AS $$
DECLARE good bytea; bad bytea; i int; bit int; refused int := 0; other int := 0;
BEGIN
	FOR good IN SELECT sessions_send(s) FROM t LOOP
		FOR i IN 0 .. length(good) - 1 LOOP
			FOR bit IN -1 .. 7 LOOP
				bad := CASE WHEN bit < 0 THEN substr(good, 1, i) ELSE set_bit(good, i * 8 + bit, 1 - get_bit(good, i * 8 + bit)) END;
				TRUNCATE raw, copied;
				INSERT INTO raw VALUES (bad);
				EXECUTE format('COPY raw TO %L (FORMAT binary)', path);
				BEGIN
					EXECUTE format('COPY copied FROM %L (FORMAT binary)', path);
					IF (SELECT sessions_send(s) <> bad OR s::text::sessions <> s FROM copied) THEN
						RAISE EXCEPTION '% became %', bad, (SELECT s FROM copied);
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
TRUNCATE raw; INSERT INTO raw SELECT sessions_send('{1 hour}') || '\x00';
COPY raw TO :'file' (FORMAT binary);
COPY copied FROM :'file' (FORMAT binary);

-- ---- against session_window(), whatever order and whoever aggregates -----------------------------
CREATE TABLE e AS SELECT hashint4(i) & 15 AS k, timestamptz '2026-01-01' + (hashint4(i * 3) & 8388607) * interval '0.1 seconds' AS at, i
FROM generate_series(1, 20000) i;
INSERT INTO e SELECT 1, v, 0 FROM unnest('{infinity,infinity,-infinity,2027-01-01,NULL}'::timestamptz[]) v;
CREATE VIEW expected AS SELECT k, min(at) AS started_at, max(at) AS ended_at, count(*) AS events FROM e WHERE at IS NOT NULL
GROUP BY k, session_window(at, '5 minutes');
CREATE FUNCTION differences(source text) RETURNS TABLE (sessions bigint, differ bigint) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('WITH got AS MATERIALIZED (SELECT k, u.* FROM (%s) g(k, s), telemetry.unnest(g.s) u)
		SELECT (SELECT count(*) FROM got), count(*) FROM ((TABLE got EXCEPT ALL TABLE st.expected) UNION ALL (TABLE st.expected EXCEPT ALL TABLE got)) d', source);
END $$;
SELECT * FROM differences('SELECT k, sessions_agg(at, ''5 minutes'') FROM e GROUP BY k');
SELECT * FROM differences('SELECT k, sessions_agg(at, ''5 minutes'' ORDER BY at) FROM e GROUP BY k');
SELECT * FROM differences('SELECT k, sessions_agg(at, ''5 minutes'' ORDER BY at DESC) FROM e GROUP BY k');
SELECT * FROM differences('SELECT k, sessions_union_agg(s) FROM (SELECT k, sessions_agg(at, ''5 minutes'') FROM e GROUP BY k, i % 37) d(k, s) GROUP BY k');
-- Equal sets are equal bytes.
SELECT count(DISTINCT s) FROM (SELECT sessions_agg(at, '5 minutes') FROM e UNION ALL SELECT sessions_agg(at, '5 minutes' ORDER BY i DESC) FROM e
	UNION ALL SELECT sessions_union_agg(s) FROM (SELECT sessions_agg(at, '5 minutes') FROM e GROUP BY i % 91) d(s)) v(s);
-- In parallel.
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
ALTER TABLE e SET (parallel_workers = 2);
CREATE FUNCTION parts(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP IF line LIKE '%Partial%' THEN RETURN true; END IF; END LOOP;
	RETURN false;
END $$;
SELECT parts('SELECT sessions_agg(at, ''5 minutes'') FROM e') AS parallel;
SELECT (SELECT sessions_agg(at, '5 minutes') FROM e) = sessions_agg(at, '5 minutes' ORDER BY at) AS same FROM e;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size;
-- In a moving window: each row's value is that of its frame alone, and what was given out before stays as it was.
SELECT count(*), count(*) FILTER (WHERE s IS DISTINCT FROM (SELECT sessions_agg(at, '5 minutes') FROM e f WHERE f.k = 3 AND f.i BETWEEN w.i - 900 AND w.i))
FROM (SELECT i, sessions_agg(at, '5 minutes') OVER (ORDER BY i RANGE BETWEEN 900 PRECEDING AND CURRENT ROW) AS s FROM e WHERE k = 3) w;
SELECT count(*), count(*) FILTER (WHERE s IS DISTINCT FROM (SELECT sessions_agg(at, '5 minutes') FROM e f WHERE f.k = 4 AND f.i <= w.i))
FROM (SELECT i, sessions_agg(at, '5 minutes') OVER (ORDER BY i) AS s FROM e WHERE k = 4) w;

-- From the first time there is to the last are more microseconds than a bigint counts.
SELECT sessions_total(s), sessions_longest(s), s::text::sessions = s AS same FROM (SELECT sessions_agg(at, '106751990 days') AS s
	FROM unnest(ARRAY['-infinity', '4714-11-24 00:00:00+00 BC', '2000-01-01 00:00:00+00', '294276-12-31 23:59:59+00', 'infinity']::timestamptz[]) AS at) AS all_time;

-- ---- kept by a continuous view -------------------------------------------------------------------
CREATE TABLE fact (k int, at timestamptz);
CREATE MATERIALIZED VIEW daily WITH (telemetry.continuous) AS
SELECT k, date_trunc('day', at, 'UTC') AS day, sessions_agg(at, '5 minutes') AS s, count(*) FROM fact GROUP BY 1, 2;
CREATE MATERIALIZED VIEW total WITH (telemetry.continuous) AS SELECT k, sessions_union_agg(s) AS s FROM daily GROUP BY k;
INSERT INTO fact SELECT k, at FROM e WHERE i % 3 = 1;
INSERT INTO fact SELECT k, at FROM e WHERE i % 3 = 0;
DELETE FROM fact WHERE at BETWEEN '2026-01-02' AND '2026-01-02 12:00';
INSERT INTO fact SELECT k, at FROM e WHERE i % 3 = 2;
SELECT * FROM verify('daily');
SELECT * FROM verify('total');
SELECT count(*), sum(sessions_count(s)) FROM total;
CREATE MATERIALIZED VIEW refused WITH (telemetry.continuous) AS SELECT k, sessions_agg(at, k * interval '1 minute') AS s FROM fact GROUP BY k;

DROP SCHEMA st CASCADE;
