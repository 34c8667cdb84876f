-- Continuous views of sessions: merging, bridging, splitting, partitions that expire, what is refused.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET datestyle = 'ISO';
CREATE TABLE ev (id serial, player int, game text, at timestamptz, amount numeric, level int, day date)
    PARTITION BY RANGE (day);
CREATE TABLE e1 PARTITION OF ev FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
CREATE TABLE e2 PARTITION OF ev FOR VALUES FROM ('2026-01-02') TO ('2026-01-03');
CREATE TABLE rest PARTITION OF ev DEFAULT;
SET client_min_messages = notice;
CREATE MATERIALIZED VIEW s WITH (telemetry.continuous) AS
    SELECT player, game, min(at) AS started_at, max(at) AS ended_at, count(*) AS events, sum(amount) AS spent,
           telemetry.last(level, at) AS level
    FROM ev GROUP BY player, game, telemetry.session_window(at, interval '30 minutes');
SET client_min_messages = warning;
CREATE MATERIALIZED VIEW per_day WITH (telemetry.continuous) AS
    SELECT game, date_trunc('day', started_at, 'UTC') AS day, count(*) AS sessions, sum(ended_at - started_at) AS played,
           max(events)
    FROM s GROUP BY 1, 2;
\d s
CREATE FUNCTION add(player int, VARIADIC times text[]) RETURNS void LANGUAGE sql AS
    $$ INSERT INTO ev (player, game, at, amount, level, day)
       SELECT player, 'g', t::timestamptz, 1, 5, t::timestamptz::date FROM unnest(times) t $$;
CREATE VIEW differences AS SELECT c.view, v.* FROM telemetry.continuous_view c, telemetry.verify(c.view) v;

-- A distance of the gap is the same session; a microsecond more is another.
SELECT add(1, '2026-01-01 10:00', '2026-01-01 10:30', '2026-01-01 11:00:00.000001');
-- What has no time is one session of each key.
SELECT add(1, NULL), add(1, NULL), add(2, NULL), add(2, '2026-01-02');
SELECT * FROM s ORDER BY player, started_at;
TABLE differences;

-- A late event bridges; it goes again, and they are two.
SELECT add(1, '2026-01-01 10:45');
SELECT player, started_at, ended_at, events FROM s WHERE player = 1 ORDER BY started_at;
DELETE FROM ev WHERE at = '2026-01-01 10:45';
SELECT player, started_at, ended_at, events FROM s WHERE player = 1 ORDER BY started_at;
-- Late, before all, and between: each by itself.
SELECT add(3, '2026-01-01 12:00');
SELECT add(3, '2026-01-01 08:00');
SELECT add(3, '2026-01-01 10:00');
SELECT add(3, '2026-01-01 10:10', '2026-01-01 11:45', '2026-01-01 08:10');
SELECT started_at, ended_at, events FROM s WHERE player = 3 ORDER BY started_at;
-- The newest goes: the one before it is the newest then.
DELETE FROM ev WHERE player = 3 AND at > '2026-01-01 11:00';
SELECT add(3, '2026-01-01 10:40');
SELECT started_at, ended_at, events FROM s WHERE player = 3 ORDER BY started_at;
UPDATE ev SET at = at + interval '1 hour', player = 4 WHERE player = 3 AND at < '2026-01-01 09:00';
DELETE FROM ev WHERE player = 3;
SELECT player, started_at, ended_at, events FROM s WHERE player IN (3, 4) ORDER BY started_at;
TABLE differences;

-- All in one transaction, rolled back in part.
BEGIN;
SELECT add(5, '2026-01-01 10:00', '2026-01-01 10:20');
SAVEPOINT one;
SELECT add(5, '2026-01-01 10:40');
DELETE FROM ev WHERE player = 5 AND at = '2026-01-01 10:00';
TABLE differences;
ROLLBACK TO one;
SELECT add(5, '2026-01-01 10:45');
COMMIT;
SELECT started_at, ended_at, events FROM s WHERE player = 5 ORDER BY started_at;

-- A partition goes: its events' part of a session stays, and is frozen.
SELECT add(6, '2026-01-01 23:20', '2026-01-01 23:40', '2026-01-02 00:00', '2026-01-02 00:20');
DROP TABLE e1;
SELECT add(6, '2026-01-02 00:45');
SELECT started_at, ended_at, events FROM s WHERE player = 6 ORDER BY started_at;
DELETE FROM ev WHERE at = '2026-01-02 00:00' AND player = 6;
SELECT started_at, ended_at, events FROM s WHERE player = 6 ORDER BY started_at;
DELETE FROM ev WHERE player = 6;
SELECT started_at, ended_at, events FROM s WHERE player = 6 ORDER BY started_at;
TABLE differences;
REFRESH MATERIALIZED VIEW s;
TABLE differences;
SELECT * FROM per_day ORDER BY 1, 2;

-- Gaps that the row says, and sessions of all rows together.
CREATE TABLE plain (game text, gap interval, at timestamp);
CREATE INDEX ON plain (game, at);
SET client_min_messages = notice;
CREATE MATERIALIZED VIEW by_row WITH (telemetry.continuous) AS
    SELECT game, telemetry.session_window(at, gap) AS started, max(at) AS ended, count(*) FROM plain GROUP BY 1, 2;
CREATE MATERIALIZED VIEW alone WITH (telemetry.continuous) AS
    SELECT count(*) AS events, telemetry.session_window(at, interval '1 hour') AS began FROM plain GROUP BY 2;
INSERT INTO plain VALUES ('a', '1 hour', '2026-01-01 10:00'), ('a', '1 minute', '2026-01-01 10:30'), ('a', '1 minute', '2026-01-01 11:00'),
    ('b', '1 minute', '2026-01-01 10:00'), ('b', '1 hour', '2026-01-01 10:30'), ('b', '1 hour', '2026-01-01 11:30');
SELECT * FROM by_row ORDER BY 1, 2;
SELECT * FROM alone ORDER BY began;
INSERT INTO plain VALUES ('b', '1 hour', '2026-01-01 09:59');
UPDATE plain SET gap = '2 minutes' WHERE game = 'a';
SELECT * FROM by_row ORDER BY 1, 2;
TABLE differences;
-- What is infinite is a session by itself.
INSERT INTO plain SELECT 'd', '1 hour', t::timestamp FROM unnest('{infinity,-infinity,infinity,294276-12-31 23:59,294276-12-31 23:10}'::text[]) t;
SELECT * FROM by_row WHERE game = 'd' ORDER BY 1, 2;
DELETE FROM plain WHERE at = 'infinity' OR at = '294276-12-31 23:59';
SELECT * FROM by_row WHERE game = 'd' ORDER BY 1, 2;
TABLE differences;
-- An error of a gap is the writer's, and names the view.
INSERT INTO plain VALUES ('c', '-1 hour', '2026-01-01 10:00');

-- An index on the view is on both tables that it reads.
CREATE INDEX by_game ON s (game);
SELECT tablename ~ 'earlier' AS earlier, indexname FROM pg_indexes WHERE indexname ~ 'by_game' ORDER BY 1;

-- Closed by a watermark, which only pipelines make: t/044. The gap is the view's, if it has one.
SELECT telemetry.session_is_closed('s', '2026-01-01'), telemetry.session_is_closed('by_row', '2026-01-01'::timestamp, '1 hour'),
       telemetry.session_is_closed('s', NULL::timestamptz), telemetry.session_is_closed(NULL, '2026-01-01');
SELECT telemetry.session_is_closed('by_row', '2026-01-01'::timestamp);
SELECT telemetry.session_is_closed('per_day', '2026-01-01');
SELECT telemetry.session_is_closed('s', '2026-01-01', '1 month');
SELECT telemetry.session_is_closed('plain', '2026-01-01');

-- TRUNCATE, and views that go with all their parts.
TRUNCATE plain;
SELECT * FROM by_row;
TABLE differences;
-- One statement brings sessions that go on for many gaps, in no order: what lies within one stretch of time as long as the gap
-- is collected together, and the fold joins what meets. Distances of the gap at the bounds of stretches, negative times.
INSERT INTO ev (player, game, at, amount, level, day)
SELECT 50 + n % 3, 'g', timestamptz '2026-01-01 15:00' + n * interval '7 minutes', n, n, '2026-01-01' FROM generate_series(1, 60) AS n ORDER BY md5(n::text);
SELECT add(53, '2026-01-01 11:30', '2026-01-01 10:00', '2026-01-01 10:30', '2026-01-01 11:00', '2026-01-01 12:00:00.000001', '1969-12-31 23:59:59', '1970-01-01 00:29:59',
    '4713-01-01 00:00 BC', '1999-12-31 23:45', '2000-01-01 00:15', '2000-01-01 00:45:00.000001');
SELECT player, started_at, ended_at, events, level FROM s WHERE player BETWEEN 50 AND 53 ORDER BY player, started_at;
TABLE differences;
DELETE FROM ev WHERE player = 51 AND level BETWEEN 22 AND 31;
SELECT player, started_at, ended_at, events, level FROM s WHERE player = 51 ORDER BY player, started_at;
TABLE differences;

SET client_min_messages = warning;
DROP MATERIALIZED VIEW by_row, alone;
DROP TABLE ev, plain CASCADE;
SELECT count(*) FROM pg_class WHERE relnamespace = 'telemetry_state'::regnamespace;

-- Keys that are named as something in our own statements.
SET client_min_messages = warning;
CREATE TABLE named (k bigint, row_id text, at timestamptz);
CREATE MATERIALIZED VIEW by_named WITH (telemetry.continuous) AS SELECT k, row_id, min(at) AS started_at, count(*)
    FROM named GROUP BY k, row_id, telemetry.session_window(at, interval '30 minutes');
CREATE MATERIALIZED VIEW newest WITH (telemetry.continuous) AS SELECT row_id, max(at) FROM named GROUP BY row_id;
INSERT INTO named SELECT k, 'r', '2026-01-01 10:00'::timestamptz + hour * interval '1 hour'
    FROM generate_series(7, 9) k, generate_series(0, 3) hour;
DELETE FROM named WHERE at > '2026-01-01 12:30' OR k = 8 AND at > '2026-01-01 10:30';
SELECT * FROM by_named ORDER BY k, started_at;
SELECT * FROM newest;
SELECT * FROM telemetry.verify('by_named') UNION ALL SELECT * FROM telemetry.verify('newest');
DROP TABLE named CASCADE;

-- What is refused.
CREATE TABLE t (player int, at timestamptz, level int);
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS
    SELECT player, date_trunc('day', telemetry.session_window(at, interval '30 minutes'), 'UTC') FROM t GROUP BY 1, 2;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT player, count(*) FROM t
    GROUP BY player, telemetry.session_window(at, interval '1 month');
DROP TABLE t;
DROP VIEW IF EXISTS differences;
DROP FUNCTION add;
