-- telemetry.verify() of a range: finds what is wrong inside of it, and does not look outside.
SET client_min_messages = warning;
CREATE SCHEMA verifying;
SET search_path = verifying;
SET timezone = 'Europe/Berlin';
CREATE TABLE fact (at timestamptz NOT NULL, day date NOT NULL, kind text, player int, f float8) PARTITION BY RANGE (day);
CREATE TABLE fact_10 PARTITION OF fact FOR VALUES FROM ('2026-10-01') TO ('2026-11-01');
CREATE TABLE fact_11 PARTITION OF fact FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
INSERT INTO fact SELECT t, t AT TIME ZONE 'UTC', 'k' || i % 3, i % 7, i / 7.0
FROM generate_series(1, 600) i, LATERAL (SELECT timestamptz '2026-10-15 UTC' + i * interval '1 hour' AS t) t;
CREATE MATERIALIZED VIEW by_day WITH (telemetry.continuous) AS
	SELECT kind, day, count(*) AS rows, sum(f), max(player), count(DISTINCT player) AS players, telemetry.hll_agg(player) AS sketch
	FROM fact GROUP BY kind, day HAVING count(*) > 1;
CREATE MATERIALIZED VIEW by_hour WITH (telemetry.continuous) AS
	SELECT date_trunc('hour', at, 'UTC') AS hour, count(*) AS rows FROM fact GROUP BY 1;
CREATE MATERIALIZED VIEW by_local WITH (telemetry.continuous) AS
	SELECT date_trunc('day', at AT TIME ZONE 'Europe/Berlin') AS day, count(*) AS rows FROM fact GROUP BY 1;
CREATE MATERIALIZED VIEW kept WITH (telemetry.continuous) AS SELECT player, at FROM fact WHERE player > 3;
CREATE MATERIALIZED VIEW kinds WITH (telemetry.continuous) AS SELECT kind, count(*) FROM fact GROUP BY kind;
CREATE MATERIALIZED VIEW sessions WITH (telemetry.continuous) AS
	SELECT player, min(at), count(*) FROM fact GROUP BY player, telemetry.session_window(at, interval '1 hour');
-- In order, over whatever range.
SELECT count(*) FROM telemetry.verify('by_day', '2026-10-20', '2026-11-03');
SELECT count(*) FROM telemetry.verify('by_day', NULL, NULL);
SELECT count(*) FROM telemetry.verify('by_hour', NULL, '2026-11-01');
SELECT count(*) FROM telemetry.verify('by_local', '2026-11-01', NULL);
SELECT count(*) FROM telemetry.verify('kept', '2026-11-01', '2026-11-02');
-- Of each kind one state is spoilt; a bound belongs to what begins with it.
CREATE FUNCTION state(view regclass) RETURNS regclass LANGUAGE sql AS 'SELECT state FROM telemetry.continuous_view v WHERE v.view = $1';
DO $$ BEGIN
	EXECUTE format('UPDATE %s SET _count = _count + 1 WHERE day = ''2026-10-20'' AND kind = ''k1''', verifying.state('verifying.by_day'));
	EXECUTE format('UPDATE %s SET _count = _count + 1 WHERE hour = ''2026-11-02 05:00 UTC''', verifying.state('verifying.by_hour'));
	EXECUTE format('DELETE FROM %s WHERE day = ''2026-11-03''', verifying.state('verifying.by_local'));
	EXECUTE format('DELETE FROM %s WHERE at = (SELECT max(at) FROM verifying.kept)', verifying.state('verifying.kept'));
END $$;
CREATE FUNCTION in_ranges(view regclass, step interval) RETURNS TABLE (start timestamptz, side text, "row" jsonb) LANGUAGE sql AS $$
	SELECT g, v.side, v."row" FROM generate_series(timestamptz '2026-10-14', '2026-11-12', step) g,
		LATERAL telemetry.verify(view, g, g + step) v $$;
SELECT start, side, "row"->'kind' AS kind, "row"->'day' AS day, "row"->'_count' AS n FROM in_ranges('by_day', '1 day') ORDER BY side;
SELECT start, side, "row" FROM in_ranges('by_hour', '1 day') ORDER BY side;
SELECT start, side, "row" FROM in_ranges('by_local', '1 day') ORDER BY side;
SELECT count(*) FROM in_ranges('kept', '1 day');
SELECT count(*) FROM telemetry.verify('by_day', NULL, '2026-10-20');
SELECT count(*) FROM telemetry.verify('by_hour', NULL, '2026-11-02 05:00 UTC');
SELECT count(*) FROM telemetry.verify('by_day', '2026-10-21', NULL);
-- Values that are counted once a group, too.
DO $$
DECLARE helper regclass;
BEGIN
	SELECT h.state INTO helper FROM telemetry._view h JOIN telemetry._view v ON v.view_id = h.feeds WHERE v.view = 'verifying.by_day'::regclass;
	EXECUTE format('UPDATE %s SET _count = _count + 5 WHERE ctid = (SELECT min(ctid) FROM %1$s WHERE day = ''2026-11-05'')', helper);
END $$;
SELECT start, side FROM in_ranges('by_day', '1 day') WHERE start > '2026-11-01' ORDER BY side;
-- With what the transaction has not folded yet; and what expired is counted still.
BEGIN;
INSERT INTO fact VALUES ('2026-11-04 12:00', '2026-11-04', 'new', 1, 1);
SELECT count(*) FROM telemetry.verify('by_day', '2026-11-04', '2026-11-05');
ROLLBACK;
DROP TABLE fact_10;
SELECT start, side, "row"->'_count' AS n FROM in_ranges('by_day', '1 day') WHERE start < '2026-11-01' ORDER BY side;
-- What cannot be, and what may not.
SELECT * FROM telemetry.verify('kinds', '2026-10-20', NULL);
SELECT * FROM telemetry.verify('sessions', '2026-10-20', NULL);
SELECT * FROM telemetry.verify('fact', '2026-10-20', NULL);
SELECT * FROM telemetry.verify(NULL, '2026-10-20', NULL);
CREATE ROLE verifying_nobody;
GRANT USAGE ON SCHEMA verifying TO verifying_nobody;
SET ROLE verifying_nobody;
SELECT * FROM telemetry.verify('by_day', '2026-10-20', NULL);
RESET ROLE;
-- Columns that bear names of ours, and values that nothing is equal to but by their texts.
CREATE TABLE named (q int, v int, p point, j json);
CREATE MATERIALIZED VIEW named_kept WITH (telemetry.continuous) AS SELECT q, v, p, j FROM named;
CREATE MATERIALIZED VIEW named_sums WITH (telemetry.continuous) AS SELECT q, sum(v) AS v FROM named GROUP BY q;
INSERT INTO named VALUES (1, 2, '(1,2)', '{"a": 1}'), (1, 3, '(1,2)', '{"a": 2}'), (1, 3, '(1,2)', '{"a": 2}'), (4, 5, NULL, NULL);
DELETE FROM named WHERE ctid = '(0,2)';
SELECT * FROM telemetry.verify('named_kept');
SELECT * FROM telemetry.verify('named_sums');
DO $$ BEGIN
	EXECUTE format('UPDATE %s SET j = ''{"a": 3}'' WHERE v = 2', state('named_kept'));
	EXECUTE format('UPDATE %s SET _count = _count, q = 7 WHERE q = 1', state('named_sums'));
END $$;
SELECT * FROM telemetry.verify('named_kept') ORDER BY side, "row";
SELECT * FROM telemetry.verify('named_sums') ORDER BY side, "row";
-- Which of equal values that look different stands for a group depends on the order of rows, and so does what is computed of it.
CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE alike (n numeric, f float8, s text COLLATE no_case, j jsonb, i interval, k int);
CREATE MATERIALIZED VIEW by_number WITH (telemetry.continuous) AS SELECT n::text AS n, count(*) FROM alike GROUP BY alike.n;
CREATE MATERIALIZED VIEW by_float WITH (telemetry.continuous) AS SELECT 1 / NULLIF(atan2(f, -1), 0) AS f, count(*) FROM alike GROUP BY alike.f;
CREATE MATERIALIZED VIEW by_text WITH (telemetry.continuous) AS SELECT max(k), s COLLATE "C" AS s FROM alike GROUP BY alike.s;
CREATE MATERIALIZED VIEW by_json WITH (telemetry.continuous) AS SELECT j::text AS j, count(*) FROM alike GROUP BY alike.j;
CREATE MATERIALIZED VIEW by_interval WITH (telemetry.continuous) AS SELECT i, count(*) FROM alike GROUP BY i HAVING extract(day FROM i) > 0;
CREATE MATERIALIZED VIEW greatest WITH (telemetry.continuous) AS SELECT k, max(n)::text AS max, min(n) + 1 > 1 AS min FROM alike GROUP BY k;
CREATE MATERIALIZED VIEW over WITH (telemetry.continuous) AS SELECT length(n) AS digits, sum(count) FROM by_number GROUP BY 1;
INSERT INTO alike VALUES (1.0, 0, 'a', '1.0', '1 day', 1);
INSERT INTO alike VALUES (1.00, '-0', 'A', '1.00', '24:00', 1), (2, 2, 'b', '2', '2 hours', 2);
DELETE FROM alike WHERE n::text = '1.0';
SELECT v, verified.* FROM unnest(ARRAY['by_number', 'by_float', 'by_text', 'by_json', 'by_interval', 'greatest', 'over']::regclass[]) AS v, telemetry.verify(v) AS verified;
DO $$ BEGIN
	EXECUTE format('UPDATE %s SET _count = 7 WHERE key = 1', state('by_number'));
END $$;
SELECT side, "row"->'_count' AS n FROM telemetry.verify('by_number') ORDER BY side;
DROP SCHEMA verifying CASCADE;
DROP ROLE verifying_nobody;
