-- Views that group the same rows by the same keys are collected in one pass, from the second statement
-- of a session on that has a hundred rows.
CREATE TABLE t (id int, k int, s text, x int, y numeric, at timestamptz) PARTITION BY LIST (k);
CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1, NULL);
CREATE TABLE t_2 (at timestamptz, y numeric, gone int, s text, x int, k int, id int);
ALTER TABLE t_2 DROP COLUMN gone;
ALTER TABLE t ATTACH PARTITION t_2 FOR VALUES IN (2);
CREATE TABLE t_3 PARTITION OF t DEFAULT;
CREATE MATERIALIZED VIEW a WITH (telemetry.continuous) AS SELECT k, s, count(*) AS n, sum(x) AS x FROM t GROUP BY k, s;
CREATE MATERIALIZED VIEW b WITH (telemetry.continuous) AS SELECT s || '!' AS s, k, sum(x) AS x, max(y) AS y, count(*) FILTER (WHERE x % 2 = 0) AS even FROM t GROUP BY k, s;
CREATE MATERIALIZED VIEW same WITH (telemetry.continuous) AS SELECT k, s, count(*) AS n, sum(x) AS x FROM t GROUP BY k, s;
CREATE MATERIALIZED VIEW fails WITH (telemetry.continuous) AS SELECT k, s, sum(100 / (x - 77777)) AS x FROM t GROUP BY k, s;
CREATE MATERIALIZED VIEW counts WITH (telemetry.continuous) AS SELECT k, s, count(DISTINCT x % 10) AS xs, avg(y) AS y FROM t GROUP BY k, s;
-- These are not like them: other keys, other rows, another order of the keys.
CREATE MATERIALIZED VIEW of_some WITH (telemetry.continuous) AS SELECT k, s, count(*) AS n, sum(x) AS x FROM t WHERE x % 3 = 0 GROUP BY k, s;
CREATE MATERIALIZED VIEW by_time WITH (telemetry.continuous) AS SELECT k, date_trunc('day', at, 'UTC') AS day, count(*) AS n, telemetry.last(s, at) AS s FROM t GROUP BY 1, 2;
CREATE MATERIALIZED VIEW by_s WITH (telemetry.continuous) AS SELECT s, k, count(*) AS n, sum(y) AS y FROM t GROUP BY s, k;
CREATE MATERIALIZED VIEW also_by_s WITH (telemetry.continuous) AS SELECT s, k, min(y) AS least, count(*) AS n FROM t GROUP BY s, k;
CREATE MATERIALIZED VIEW of_all WITH (telemetry.continuous) AS SELECT count(*) AS n, sum(x) AS x FROM t;
CREATE MATERIALIZED VIEW of_all_again WITH (telemetry.continuous) AS SELECT max(at) AS at, count(y) AS n FROM t;
CREATE MATERIALIZED VIEW above WITH (telemetry.continuous) AS SELECT s, sum(n) AS n FROM a GROUP BY s;
CREATE MATERIALIZED VIEW above_again WITH (telemetry.continuous) AS SELECT s, max(n) AS n FROM a GROUP BY s;
CREATE FUNCTION differ() RETURNS TABLE (view regclass, rows bigint) LANGUAGE sql AS $$
	SELECT c.view, (SELECT count(*) FROM telemetry.verify(c.view)) FROM telemetry.continuous_view AS c ORDER BY c.view::text $$;
INSERT INTO t SELECT i, nullif(i % 4, 0), 's' || i % 7, i, i / 8.0, timestamptz '2026-01-01 UTC' + i * interval '1 hour' FROM generate_series(1, 300) AS i;
INSERT INTO t SELECT i, nullif(i % 4, 0), 's' || i % 11, i, i / 8.0, timestamptz '2026-01-01 UTC' + i * interval '1 hour' FROM generate_series(301, 700) AS i;
SELECT * FROM differ();
-- In one transaction with savepoints, with rows that go.
BEGIN;
INSERT INTO t SELECT i, nullif(i % 4, 0), 's' || i % 11, i, NULL, NULL FROM generate_series(701, 900) AS i;
SAVEPOINT one;
DELETE FROM t WHERE id % 2 = 0 AND id < 800;
SAVEPOINT two;
UPDATE t SET x = x + 1, s = s || 'u' WHERE id % 3 = 0;
ROLLBACK TO two;
UPDATE t SET y = y * 2, k = 1 WHERE id % 5 = 0;
COMMIT;
SELECT * FROM differ();
-- The error of one is that of all, until the rows are few.
INSERT INTO t SELECT i, 2, 's', 77777, 1, now() FROM generate_series(1, 150) AS i;
INSERT INTO t SELECT i, 2, 's', 77777, 1, now() FROM generate_series(1, 99) AS i;
-- More names than the memory that an error comes in has room for.
DO $$
DECLARE
	place text := repeat('"', 63);
BEGIN
	CREATE TABLE named (x int);
	EXECUTE format('CREATE SCHEMA %I', place);
	FOR i IN 10..43 LOOP
		EXECUTE format('CREATE MATERIALIZED VIEW %I.%I WITH (telemetry.continuous) AS SELECT 1 / x AS y, count(*) FROM named GROUP BY 1',
			place, repeat('"', 61) || i);
	END LOOP;
	INSERT INTO named SELECT 1 FROM generate_series(1, 150);
	BEGIN
		INSERT INTO named SELECT 0 FROM generate_series(1, 150);
	EXCEPTION WHEN division_by_zero THEN
		RAISE WARNING '% characters: % ... %', length(SQLERRM), left(SQLERRM, 25), right(SQLERRM, 22);
	END;
	SET LOCAL client_min_messages = error;
	DROP TABLE named CASCADE;
	EXECUTE format('DROP SCHEMA %I CASCADE', place);
END $$;
-- A view less, a view more; one that stops.
DROP MATERIALIZED VIEW fails;
CREATE MATERIALIZED VIEW more WITH (telemetry.continuous) AS SELECT k, s, min(x) AS least FROM t GROUP BY k, s;
INSERT INTO t SELECT i, i % 3, 's', i, 1, now() FROM generate_series(1, 150) AS i;
INSERT INTO t SELECT i, i % 3, 's', i, 1, now() FROM generate_series(1, 150) AS i;
SELECT * FROM differ();
DELETE FROM t WHERE id < 400;
SELECT * FROM differ();
SET client_min_messages = warning;
DROP TABLE t CASCADE;
DROP FUNCTION differ;
