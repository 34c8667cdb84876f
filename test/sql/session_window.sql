-- session_window() in ordinary queries.
SET search_path = telemetry, public;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SET client_min_messages = warning;
CREATE SCHEMA s;
SET search_path = s, telemetry, public;

CREATE TABLE event (id int PRIMARY KEY, player int, game text, at timestamptz, amount int);
INSERT INTO event VALUES
	(1, 1, 'a', '2026-01-01 10:00', 1), (2, 1, 'a', '2026-01-01 10:30', 2), (3, 1, 'a', '2026-01-01 11:00:00.000001', 4),
	(4, 1, 'b', '2026-01-01 10:29', 8), (5, 2, 'a', '2026-01-01 10:00', 16), (6, 2, 'a', '2026-01-01 10:00', 32),
	(7, 1, 'a', NULL, 64), (8, 1, 'a', NULL, 128), (9, NULL, 'a', '2026-01-01 09:59', 256), (10, NULL, 'a', '2026-01-01 10:01', 512);

-- The gap is inclusive; NULL keys and NULL times are groups.
SELECT player, game, session_window(at, interval '30 minutes') AS start, min(at), max(at), count(*), sum(amount)
FROM event GROUP BY player, game, session_window(at, interval '30 minutes') ORDER BY 1, 2, 3;
SELECT player, min(at), max(at), count(*) FROM event GROUP BY player, session_window(at, '30 minutes') ORDER BY 1, 2;
SELECT min(at), max(at), count(*) FROM event GROUP BY session_window(at, '30 minutes') ORDER BY 1;
-- Infinite times are sessions of their own, whatever the gap.
SELECT session_window(at, '100000000 days') AS start, max(at), count(*)
FROM (VALUES (timestamptz 'infinity'), ('infinity'), ('-infinity'), ('4713-01-01 BC'), ('294276-12-31'), (NULL)) v(at)
GROUP BY 1 ORDER BY 1;
-- Days have 24 hours; timestamps without a zone have sessions, too.
SELECT count(*) FROM (VALUES (timestamptz '2026-03-28 12:00 Europe/Berlin'), ('2026-03-29 13:00 Europe/Berlin')) v(at)
GROUP BY session_window(at, '1 day');
SELECT session_window(at, '1 day'), pg_typeof(session_window(at, '1 day')), count(*)
FROM (VALUES (timestamp '2026-03-28 12:00'), ('2026-03-29 12:00'), ('2026-03-30 12:00:00.000001')) v(at) GROUP BY 1 ORDER BY 1;

-- ---- what the documentation of others shows ------------------------------------------------------
-- Flink, SESSION table function: its window_end is the last event and the gap.
SELECT item, session_window(bidtime, '5 minutes') AS window_start, max(bidtime) + '5 minutes' AS window_end, sum(price)
FROM (VALUES (timestamp '2020-04-15 08:07', 4.00, 'A'), ('2020-04-15 08:06', 2.00, 'A'), ('2020-04-15 08:09', 5.00, 'B'),
	('2020-04-15 08:08', 3.00, 'A'), ('2020-04-15 08:17', 1.00, 'B')) bid(bidtime, price, item)
GROUP BY item, session_window(bidtime, '5 minutes') ORDER BY 1, 2;
SELECT session_window(bidtime, '5 minutes') AS window_start, max(bidtime) + '5 minutes' AS window_end, sum(price)
FROM (VALUES (timestamp '2020-04-15 08:07', 4.00, 'A'), ('2020-04-15 08:06', 2.00, 'A'), ('2020-04-15 08:09', 5.00, 'B'),
	('2020-04-15 08:08', 3.00, 'A'), ('2020-04-15 08:17', 1.00, 'B')) bid(bidtime, price, item)
GROUP BY session_window(bidtime, '5 minutes') ORDER BY 1, 2;
-- Spark, session_window(): the same, and with a gap of the row. (There a gap of 0 or less drops the row; here it is an error.)
SELECT a, session_window(b, '5 minutes') AS start, max(b) + '5 minutes' AS "end", count(*) AS cnt
FROM (VALUES ('A1', timestamp '2021-01-01 00:00:00'), ('A1', '2021-01-01 00:04:30'), ('A1', '2021-01-01 00:10:00'),
	('A2', '2021-01-01 00:01:00')) tab(a, b) GROUP BY a, session_window(b, '5 minutes') ORDER BY a, start;
SELECT a, session_window(b, g) AS start, max(b + g) AS "end", count(*) AS cnt
FROM (SELECT a, b, CASE WHEN a = 'A1' THEN interval '5 minutes' WHEN a = 'A2' THEN '1 minute' ELSE '10 minutes' END AS g
	FROM (VALUES ('A1', timestamp '2021-01-01 00:00:00'), ('A1', '2021-01-01 00:04:30'), ('A1', '2021-01-01 00:10:00'),
	('A2', '2021-01-01 00:01:00'), ('A2', '2021-01-01 00:04:30')) v(a, b)) tab GROUP BY a, session_window(b, g) ORDER BY a, start;
-- Kafka Streams, SessionWindows: a gap of 5, records at 10, 12 and 20.
SELECT key, extract(epoch FROM min(time))::int AS start, extract(epoch FROM max(time))::int AS "end", count(*)
FROM (SELECT key, to_timestamp(t) AS time FROM (VALUES ('A', 1, 10), ('A', 2, 12), ('A', 3, 20)) v(key, value, t)) r
GROUP BY key, session_window(time, '5 seconds') ORDER BY 2;

-- ---- wherever a query stands ---------------------------------------------------------------------
-- Select list, HAVING, ORDER BY, FILTER, DISTINCT, ordered aggregates, window functions, DISTINCT ON, LIMIT.
SELECT player, max(at) - session_window(at, '1 hour') AS length, max(at - session_window(at, '1 hour')) AS same,
	count(DISTINCT game) AS games, count(*) FILTER (WHERE at > session_window(at, '1 hour')) AS later,
	array_agg(id ORDER BY at DESC, id) AS ids, row_number() OVER (PARTITION BY player ORDER BY session_window(at, '1 hour')) AS n
FROM event WHERE at IS NOT NULL GROUP BY player, session_window(at, '1 hour')
HAVING session_window(at, '1 hour') < '2026-01-01 10:30' ORDER BY session_window(at, '1 hour'), 1;
SELECT DISTINCT ON (player) player, session_window(at, '5 minutes') AS start, count(*) FROM event
GROUP BY session_window(at, '5 minutes'), player ORDER BY player, start DESC NULLS LAST LIMIT 2;
-- By name, by number; by what is computed of it: sessions are of the keys without it.
SELECT player, session_window(at, '5 minutes') AS start, count(*) FROM event WHERE player = 1 GROUP BY 1, start ORDER BY 2;
SELECT date_trunc('hour', session_window(at, '30 minutes')) AS hour, player, count(*) FROM event GROUP BY 1, 2 ORDER BY 1, 2;
SELECT date_trunc('hour', session_window(at, '5 minutes')) AS hour, count(*), count(DISTINCT session_window(at, '5 minutes'))
FROM event GROUP BY date_trunc('hour', session_window(at, '5 minutes')) ORDER BY 1;
-- Joins, whole rows, system columns, functionally dependent columns, GROUP BY without aggregates.
SELECT e.player, g.title, count(*), min(e.tableoid::regclass::text), max((e).amount), count(g) FROM event e
LEFT JOIN (VALUES ('a', 'Alpha')) g(game, title) USING (game) WHERE e.at IS NOT NULL
GROUP BY e.player, g.title, session_window(e.at, '30 minutes') ORDER BY 1, 2, 3;
SELECT e, session_window(at, '1 hour') FROM event e WHERE id < 3 GROUP BY e, session_window(at, '1 hour') ORDER BY 1;
SELECT id, at, amount, count(*) FROM event WHERE id < 3 GROUP BY id, session_window(at, '1 hour') ORDER BY 1;
SELECT player FROM event GROUP BY player, session_window(at, '1 hour') ORDER BY 1;
-- Views over views, CTEs on both sides, set operations, subqueries that refer outwards and are referred to.
CREATE VIEW session AS SELECT player, min(at) AS first, max(at) AS last, count(*) AS events
FROM event WHERE at IS NOT NULL GROUP BY player, session_window(at, interval '30 minutes');
CREATE VIEW length AS SELECT player, last - first AS length FROM session;
SELECT * FROM session WHERE player = 1 ORDER BY first;
SELECT player, sum(length) FROM length GROUP BY player ORDER BY player;
SELECT pg_get_viewdef('session') LIKE '%session_window%' AS "as written";
WITH e AS MATERIALIZED (SELECT * FROM event WHERE at IS NOT NULL), f AS (SELECT max(id) AS id FROM e)
SELECT player, count(*), (SELECT count(*) FROM e WHERE e.player = o.player) AS all_of_player, max((SELECT id FROM f)) AS f
FROM e AS o WHERE EXISTS (SELECT FROM e AS i, f WHERE i.player = o.player AND i.id < f.id)
GROUP BY player, session_window(at, (SELECT '30 minutes'::interval FROM f)) ORDER BY 1, 2;
WITH w AS (SELECT player, count(*) FROM event GROUP BY player, session_window(at, '1 hour')) TABLE w UNION ALL
SELECT player, -count(*) FROM event GROUP BY player, session_window(at, '1 hour') ORDER BY 1, 2;
SELECT p.player, ARRAY(SELECT count(*) FROM event e WHERE e.player = p.player GROUP BY session_window(at, '30 minutes') ORDER BY 1),
	(SELECT string_agg(n::text, ',') FROM (SELECT p.player * 10 + count(*) AS n FROM event e WHERE e.player = p.player
		GROUP BY e.player, p.player, session_window(at, p.gap) ORDER BY 1) x) AS with_gap
FROM (VALUES (1, interval '1 minute'), (2, '1 hour')) p(player, gap) ORDER BY 1;
SELECT p.player, l.* FROM (VALUES (1), (2)) p(player), LATERAL (SELECT p.player * 100 + count(*) AS n, max(w.at) FROM event w
	WHERE w.player = p.player GROUP BY session_window(w.at, '30 minutes')) l ORDER BY 1, 2, 3;
SELECT player, (SELECT sum(x) FROM generate_series(1, 9) x WHERE x <= count(o.id)) AS of_aggregate, (SELECT max(o.amount) + count(*) FROM event) AS outer_aggregate
FROM event o GROUP BY player, session_window(at, '1 hour') ORDER BY 1, 2;
-- Sessions of sessions.
SELECT player, min(start), count(*) FROM (SELECT player, session_window(at, '1 minute') AS start, max(at) FROM event
	WHERE at IS NOT NULL GROUP BY player, session_window(at, '1 minute')) s GROUP BY player, session_window(start, '30 minutes') ORDER BY 1, 2;
-- Keys: computed, volatile, returning sets, constant; ones that have no order.
SELECT player % 2 AS odd, upper(game), count(*) FROM event WHERE at IS NOT NULL GROUP BY player % 2, upper(game), session_window(at, '1 hour') ORDER BY 1, 2;
CREATE SEQUENCE seq;
SELECT nextval('seq') AS n, count(*) FROM event GROUP BY 1, session_window(at, '1 hour') ORDER BY 1 LIMIT 3;
SELECT last_value FROM seq;
SELECT generate_series(1, 2) AS copy, player, count(*) FROM event GROUP BY 1, 2, session_window(at, '1 hour') ORDER BY 1, 2, 3;
SELECT 'x' AS x, true AS y, count(*) FROM event GROUP BY 1, 2, session_window(at, '1 hour') ORDER BY 3;
SELECT count(*) FROM event GROUP BY xmin, session_window(at, '1 hour');
SELECT count(*) FROM event GROUP BY xmin::text, session_window(at, '1 hour') ORDER BY 1;
-- Statements: prepared, generic and custom; PL/pgSQL; INSERT, CREATE TABLE AS, COPY, cursor, MERGE, UPDATE, DELETE, DO.
PREPARE p(interval) AS SELECT player, count(*) FROM event WHERE player = 1 GROUP BY player, session_window(at, $1) ORDER BY 2;
EXECUTE p('30 minutes');
EXECUTE p('1 hour');
SET plan_cache_mode = force_generic_plan;
EXECUTE p('1 minute');
EXECUTE p('30 minutes');
EXECUTE p(NULL);
RESET plan_cache_mode;
CREATE FUNCTION number(gap interval) RETURNS int LANGUAGE plpgsql AS $$
DECLARE r record; n int := 0;
BEGIN
	FOR r IN SELECT player, session_window(at, gap) FROM event GROUP BY player, session_window(at, gap) LOOP n := n + 1; END LOOP;
	RETURN n;
END $$;
SELECT number('30 minutes'), number('1 hour'), number('1 minute');
CREATE TABLE made AS SELECT player, count(*) AS n FROM event GROUP BY player, session_window(at, '1 hour');
INSERT INTO made SELECT player, count(*) FROM event GROUP BY player, session_window(at, '1 hour');
UPDATE made SET n = s.events FROM session s WHERE s.player = made.player AND s.events = 2;
DELETE FROM made USING session s WHERE s.player = made.player AND made.player = 2;
MERGE INTO made USING (SELECT player, max(amount) AS most FROM event WHERE player > 0 GROUP BY player, session_window(at, '1 day')) s
	ON s.player = made.player AND s.most = 8 WHEN MATCHED THEN UPDATE SET n = 0 WHEN NOT MATCHED THEN INSERT VALUES (s.player, -s.most);
SELECT * FROM made ORDER BY 1, 2;
COPY (SELECT player, count(*) FROM event GROUP BY player, session_window(at, '1 hour') ORDER BY 1, 2) TO STDOUT;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT player, count(*) FROM event GROUP BY player, session_window(at, '1 hour') ORDER BY 1, 2;
FETCH 2 FROM c; FETCH BACKWARD 1 FROM c;
COMMIT;
CREATE MATERIALIZED VIEW kept AS SELECT player, count(*) AS n FROM event GROUP BY player, session_window(at, '1 hour');
SELECT sum(n) FROM kept;
-- SQL functions: inlined, with a parsed body, one within another, not inlined.
CREATE FUNCTION inlined(p int) RETURNS TABLE (n bigint) LANGUAGE sql STABLE AS
'SELECT count(*) FROM s.event WHERE player = p GROUP BY player, telemetry.session_window(at, ''30 minutes'')';
CREATE FUNCTION parsed(p int, gap interval DEFAULT '30 minutes') RETURNS SETOF bigint LANGUAGE sql STABLE
BEGIN ATOMIC SELECT count(*) FROM event WHERE player = p GROUP BY session_window(at, gap); END;
CREATE FUNCTION kept_apart(p int) RETURNS TABLE (n bigint) LANGUAGE sql VOLATILE AS
'SELECT count(*) FROM s.event WHERE player = p GROUP BY player, telemetry.session_window(at, ''30 minutes'')';
CREATE FUNCTION around(p int) RETURNS TABLE (n bigint) LANGUAGE sql STABLE AS
'SELECT n * 10 FROM s.inlined(p)';
SELECT 'inlined', n FROM inlined(1) AS f(n) UNION ALL SELECT 'parsed', n FROM parsed(1) AS f(n)
UNION ALL SELECT 'hour', n FROM parsed(gap => '1 hour', p => 1) AS f(n)
UNION ALL SELECT 'apart', n FROM kept_apart(1) AS f(n) UNION ALL SELECT 'around', n FROM around(1) AS f(n) ORDER BY 1, 2;
PREPARE f AS SELECT n FROM inlined(1) ORDER BY 1;
EXECUTE f;
CREATE OR REPLACE FUNCTION inlined(p int) RETURNS TABLE (n bigint) LANGUAGE sql STABLE AS
'SELECT -count(*) FROM s.event WHERE player = p GROUP BY player, telemetry.session_window(at, ''1 day'')';
EXECUTE f;
-- Transition tables.
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING 'sessions that came: %', (SELECT count(*) FROM (SELECT FROM came GROUP BY player, telemetry.session_window(at, '1 hour')) s);
	RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER INSERT ON event REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION tell();
INSERT INTO event VALUES (11, 3, 'a', '2026-01-01', 0), (12, 3, 'a', '2026-01-01 01:00', 0), (13, 3, 'a', '2026-01-02', 0);
DROP TRIGGER tell ON event;

-- ---- rights --------------------------------------------------------------------------------------
CREATE ROLE session_reader;
GRANT USAGE ON SCHEMA s TO session_reader;
GRANT SELECT (player, at) ON event TO session_reader;
GRANT SELECT ON session TO session_reader;
ALTER TABLE event ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON event TO session_reader USING (player = (SELECT max(v) FROM (VALUES (3), (2)) x(v)));
SET ROLE session_reader;
SELECT player, count(*) FROM event GROUP BY player, session_window(at, '1 hour') ORDER BY 1, 2;
SELECT player, sum(amount) FROM event GROUP BY player, session_window(at, '1 hour');
SELECT count(*) FROM session;
RESET ROLE;
DROP POLICY mine ON event;
ALTER TABLE event DISABLE ROW LEVEL SECURITY;
REVOKE ALL ON event, session FROM session_reader;
SET ROLE session_reader;
SELECT count(*) FROM event GROUP BY player, session_window(at, '1 hour');
SELECT count(*) FROM session;
RESET ROLE;
REVOKE ALL ON SCHEMA s FROM session_reader;
DROP ROLE session_reader;

-- ---- plans ---------------------------------------------------------------------------------------
-- One sort serves the window and the grouping; conditions on keys go down to the table, so do those of a view.
CREATE INDEX ON event (player, at);
CREATE FUNCTION plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; nodes text[];
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		nodes := nodes || substring(line FROM '^[ >-]*(\w*Aggregate|WindowAgg|Index Only Scan|Seq Scan|Sort$|Subquery Scan|Index Cond: .*)( |$)');
	END LOOP;
	RETURN array_to_string(nodes, ', ');
END $$;
SET enable_seqscan = off; SET enable_hashagg = off; SET enable_bitmapscan = off; SET enable_incremental_sort = off; SET enable_sort = off;
SELECT plan($q$SELECT player, count(*) FROM event GROUP BY session_window(at, '1 hour'), player$q$);
SELECT plan($q$SELECT player, count(*) FROM event GROUP BY player, session_window(at, '1 hour') HAVING player = 1$q$);
SELECT plan($q$SELECT player, max(at), sum(amount), min(game) FROM event GROUP BY player, session_window(at, '1 hour')$q$);
SELECT plan($q$SELECT * FROM session WHERE player IN (1, 2) ORDER BY player$q$);
SELECT plan($q$SELECT game, _session_start(at, '1 hour') OVER (PARTITION BY game ORDER BY at DESC) AS start FROM event ORDER BY 1, 2$q$);
SELECT plan($q$SELECT game, count(*) FROM event GROUP BY game, session_window(at, '1 hour')$q$);
RESET enable_seqscan; RESET enable_hashagg; RESET enable_bitmapscan; RESET enable_incremental_sort; RESET enable_sort;

-- ---- what has no meaning -------------------------------------------------------------------------
SELECT session_window(at, '1 hour') FROM event;
SELECT DISTINCT player, session_window(at, '1 hour') FROM event;
SELECT count(*) FROM event WHERE session_window(at, '1 hour') > '2026-01-01' GROUP BY session_window(at, '1 hour');
SELECT max(session_window(at, '1 hour')) FROM event;
SELECT count(*) FROM event GROUP BY session_window(session_window(at, '1 minute'), '1 hour');
SELECT row_number() OVER (PARTITION BY session_window(at, '1 hour')) FROM event;
SELECT count(*) FROM event GROUP BY session_window(at, '1 hour'), session_window(at, '2 hours');
SELECT count(*) FROM event GROUP BY GROUPING SETS (player, session_window(at, '1 hour'));
SELECT count(*) FROM event GROUP BY CUBE (player), session_window(at, '1 hour');
SELECT session_window(at, '2 hours') FROM event GROUP BY session_window(at, '1 hour');
SELECT session_window('2026-01-01', '1 hour');
SELECT * FROM session_window('2026-01-01'::timestamptz, '1 hour');
DO $$ BEGIN PERFORM telemetry.session_window(now(), '1 hour'); END $$;
INSERT INTO event VALUES (99, 1, 'a', session_window(now(), '1 hour'), 1);
CREATE TABLE no (at timestamptz CHECK (session_window(at, '1 hour') = at));
INSERT INTO no VALUES (now());
CREATE INDEX ON event (session_window(at, '1 hour'));
SELECT count(*) FROM event GROUP BY session_window(at, '0');
SELECT count(*) FROM event GROUP BY session_window(at, '-1 hour');
SELECT count(*) FROM event GROUP BY session_window(at, '1 month');
SELECT count(*) FROM event GROUP BY session_window(at, '2000000000 days');
SELECT count(*) FROM event GROUP BY session_window(at, NULL);
SELECT count(*) FROM event GROUP BY session_window(at, make_interval(mins => id - 3));

-- ---- end_when and max_length ---------------------------------------------------------------------
-- All events of the time at which one ends the session are in it.
SELECT player, min(id), max(id), count(*) FROM (VALUES (1, 1, 0, false), (2, 1, 5, true), (3, 1, 5, NULL), (4, 1, 6, false), (5, 1, 7, true),
	(6, 1, 7, true), (7, 1, 50, false), (8, 1, 51, false), (9, 2, 8, false)) v(id, player, minute, logout)
GROUP BY player, session_window(timestamp '2026-01-01' + minute * interval '1 minute', '30 minutes', end_when => logout) ORDER BY 1, 2;
-- A session may be as long as max_length, and no longer.
SELECT min(minute), max(minute), count(*) FROM generate_series(0, 100, 10) minute
GROUP BY session_window(timestamp '2026-01-01' + minute * interval '1 minute', '10 minutes', max_length => '30 minutes') ORDER BY 1;
SELECT min(minute), max(minute), count(*) FROM generate_series(0, 100, 10) minute
GROUP BY session_window(timestamp '2026-01-01' + minute * interval '1 minute', '10 minutes', max_length => '29 minutes', end_when => minute = 10) ORDER BY 1;
SELECT count(*) FROM event GROUP BY player, session_window(at, '1 hour', NULL, NULL) ORDER BY 1;
SELECT count(*) FROM event GROUP BY session_window(at, '1 hour', max_length => id * interval '1 hour');
SELECT count(*) FROM event GROUP BY session_window(at, '1 hour', max_length => '0');
SELECT count(*) FROM event GROUP BY session_window(at, '1 hour', max_length => '1 year');

-- ---- by hand -------------------------------------------------------------------------------------
-- Distances of exactly the gap, a microsecond less and more, and none; rows in three orders.
CREATE TABLE random AS
SELECT i AS id, player, sum(step) OVER (PARTITION BY player ORDER BY i) AS at, gap, ended FROM (
	SELECT i, hashint4(i) & 63 AS player, (hashint4(i * 31) & 15) = 0 AS ended,
		(ARRAY[interval '10 minutes', '5 minutes', '1 hour', '1 microsecond'])[1 + (hashint4(i * 37) & 3)] AS gap,
		(ARRAY[interval '0', '10 minutes', '10 minutes 0.000001 seconds', '9 minutes 59.999999 seconds', '1 second', '5 minutes',
			'30 minutes', '0'])[1 + (hashint4(i * 17) & 7)] AS step
	FROM generate_series(1, 20000) AS i) v;
CREATE TABLE e1 AS SELECT id, player, timestamptz '2026-01-01' + at AS at, gap, ended FROM random;
INSERT INTO e1 SELECT -i, i, NULL, '1 hour', false FROM generate_series(1, 20) i;
CREATE TABLE e2 AS SELECT * FROM e1 ORDER BY hashint4(id), id;
CREATE TABLE e3 AS SELECT * FROM e1 ORDER BY at DESC, id;

CREATE VIEW by_hand AS SELECT player, min(id) AS id, min(at) AS first, max(at) AS last, count(*) AS n, sum(id::bigint * id) AS ids FROM (
	SELECT *, sum(new) OVER (PARTITION BY player ORDER BY at, id) AS session FROM (
		SELECT *, CASE WHEN at - lag(at) OVER w <= '10 minutes' OR at IS NULL AND lag(id) OVER w < 0 THEN 0 ELSE 1 END AS new
		FROM e1 WINDOW w AS (PARTITION BY player ORDER BY at, id)) x) y GROUP BY player, session;
CREATE VIEW by_reach AS SELECT player, min(at) AS first, max(at) AS last, count(*) AS n, sum(id::bigint * id) AS ids FROM (
	SELECT *, sum(new) OVER (PARTITION BY player ORDER BY at, id) AS session FROM (
		SELECT *, CASE WHEN at <= max(at + gap) OVER (PARTITION BY player ORDER BY at, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
			THEN 0 ELSE 1 END AS new FROM e1 WHERE at IS NOT NULL) x) y GROUP BY player, session;
CREATE VIEW by_end AS SELECT player, min(at) AS first, max(at) AS last, sum(n) AS n, sum(ids) AS ids FROM (
	SELECT *, sum(new) OVER (PARTITION BY player ORDER BY at) AS session FROM (
		SELECT *, CASE WHEN at - lag(at) OVER w <= '10 minutes' AND NOT lag(ended) OVER w THEN 0 ELSE 1 END AS new FROM (
			SELECT player, at, bool_or(ended) AS ended, count(*) AS n, sum(id::bigint * id) AS ids FROM e1 WHERE at IS NOT NULL GROUP BY player, at) a
		WINDOW w AS (PARTITION BY player ORDER BY at)) x) y GROUP BY player, session;
CREATE VIEW by_length AS WITH RECURSIVE t AS (
	SELECT player, at, row_number() OVER (PARTITION BY player ORDER BY at) AS i, count(*) AS n, sum(id::bigint * id) AS ids
	FROM e1 WHERE at IS NOT NULL GROUP BY player, at), s AS (
	SELECT player, i, at, at AS first FROM t WHERE i = 1 UNION ALL
	SELECT t.player, t.i, t.at, CASE WHEN t.at - s.at <= '10 minutes' AND t.at - s.first <= '25 minutes' THEN s.first ELSE t.at END
	FROM s JOIN t ON t.player = s.player AND t.i = s.i + 1)
SELECT player, first, max(s.at) AS last, sum(n) AS n, sum(ids) AS ids FROM s JOIN t USING (player, i) GROUP BY player, first;
CREATE FUNCTION compare(query text, hand text) RETURNS TABLE (input text, sessions bigint, differ bigint) LANGUAGE plpgsql AS $$
DECLARE columns text := 'player, min(at) AS first, max(at) AS last, count(*) AS n, sum(id::bigint * id) AS ids';
BEGIN
	FOREACH input IN ARRAY '{e1,e2,e3}'::text[] LOOP
		EXECUTE format('CREATE TEMP TABLE got AS SELECT %s FROM %s %s', columns, input, query);
		EXECUTE format('CREATE TEMP TABLE want AS SELECT player, first, last, n, ids FROM %I', hand);
		RETURN QUERY SELECT input, (SELECT count(*) FROM want), count(*) FROM
			((TABLE got EXCEPT ALL TABLE want) UNION ALL (TABLE want EXCEPT ALL TABLE got)) d;
		DROP TABLE got, want;
	END LOOP;
END $$;
SELECT * FROM compare('GROUP BY player, session_window(at, ''10 minutes'')', 'by_hand');
SELECT * FROM compare('WHERE at IS NOT NULL GROUP BY player, session_window(at, gap)', 'by_reach');
SELECT * FROM compare('WHERE at IS NOT NULL GROUP BY player, session_window(at, ''10 minutes'', ended)', 'by_end');
SELECT * FROM compare('WHERE at IS NOT NULL GROUP BY player, session_window(at, ''10 minutes'', max_length => ''25 minutes'')', 'by_length');

DROP SCHEMA s CASCADE;
