-- What comes into groups and what goes from them in one transaction is put together first, and each
-- row of the state is written once; unless a group has to be computed anew.
CREATE SCHEMA difference;
SET search_path = difference, public;
SET client_min_messages = warning;

CREATE TABLE t (id int PRIMARY KEY, k text, g int, n numeric, at timestamptz DEFAULT '2026-01-01 UTC');
-- All that can be taken away.
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS
	SELECT k, count(*), count(n) AS numbers, sum(n), avg(g), telemetry.quantile_agg(g) AS middle,
		telemetry.sum_by((at AT TIME ZONE 'UTC')::date, k, n) FILTER (WHERE n < 'Infinity') AS sums,
		telemetry.funnel_agg(at, g = 1, g = 2) AS steps
	FROM t GROUP BY k;
-- Over it: the row of a group that changes goes, and comes again.
CREATE MATERIALIZED VIEW above WITH (telemetry.continuous) AS
	SELECT coalesce(left(k, 1), '') AS kind, count(*) AS groups, sum(count) AS size, min(numbers), max(k) FROM v GROUP BY 1;
CREATE MATERIALIZED VIEW top WITH (telemetry.continuous) AS SELECT groups, count(*), sum(size) FROM above GROUP BY 1;

CREATE FUNCTION problems() RETURNS SETOF text LANGUAGE sql AS
	$$ SELECT v::text || ': ' || p::text FROM unnest('{v,above,top}'::regclass[]) AS v, telemetry.verify(v) AS p $$;
-- How often rows of the state were written and deleted since it was asked last.
CREATE TABLE seen (name regclass PRIMARY KEY, written bigint, deleted bigint);
CREATE FUNCTION work(name regclass, OUT written bigint, OUT deleted bigint) LANGUAGE plpgsql AS $$
DECLARE
	state oid := (SELECT c.state FROM telemetry.continuous_view AS c WHERE c.view = name);
	before seen;
BEGIN
	PERFORM pg_stat_clear_snapshot();
	written := pg_stat_get_tuples_inserted(state) + pg_stat_get_tuples_updated(state);
	deleted := pg_stat_get_tuples_deleted(state);
	SELECT * INTO before FROM seen AS s WHERE s.name = work.name;
	INSERT INTO seen VALUES (name, written, deleted)
		ON CONFLICT ON CONSTRAINT seen_pkey DO UPDATE SET written = excluded.written, deleted = excluded.deleted;
	written := written - coalesce(before.written, 0);
	deleted := deleted - coalesce(before.deleted, 0);
END $$;

INSERT INTO t SELECT i, (ARRAY['a1', 'a2', 'b1', NULL])[1 + i % 4], i % 3, i FROM generate_series(1, 40) AS i;
-- The first of each kind makes the expressions.
UPDATE t SET n = n + 1 WHERE id <= 4;
SELECT pg_stat_force_next_flush();
SELECT * FROM work('v'), work('above') AS above (above_written, above_deleted);

-- Each row once, NULL's group among them; in the view over it those of three kinds, of which the least is less then.
UPDATE t SET n = NULL WHERE id <= 4;
SELECT pg_stat_force_next_flush();
SELECT * FROM work('v'), work('above') AS above (above_written, above_deleted);
SELECT * FROM problems();

-- From group to group: one gets all that another had, which goes; and another comes.
UPDATE t SET k = CASE id % 4 WHEN 0 THEN 'a2' ELSE 'c1' END WHERE id % 4 IN (0, 2) OR k IS NULL;
SELECT pg_stat_force_next_flush();
SELECT * FROM work('v'), work('above') AS above (above_written, above_deleted);
SELECT k, count, sum FROM v ORDER BY k;
SELECT * FROM above ORDER BY kind;
SELECT * FROM problems();

-- What came and goes in the same transaction makes no group; nor does what comes back change one.
BEGIN;
INSERT INTO t VALUES (100, 'd1', 1, 1), (101, 'd2', 1, 1), (102, 'a1', 1, 1000);
UPDATE t SET n = 2 WHERE id IN (100, 101);
DELETE FROM t WHERE id IN (100, 102);
UPDATE t SET k = 'e' || id WHERE k = 'c1';
UPDATE t SET k = 'c1' WHERE k LIKE 'e%';
COMMIT;
SELECT pg_stat_force_next_flush();
SELECT * FROM work('v'), work('above') AS above (above_written, above_deleted);
SELECT k, count, sum FROM v ORDER BY k;
SELECT * FROM problems();

-- The least and the greatest of a group go.
UPDATE t SET n = NULL WHERE k = 'c1' AND id > 3;
SELECT * FROM above ORDER BY kind;
UPDATE t SET n = id WHERE k = 'c1';
SELECT * FROM above ORDER BY kind;
DELETE FROM t WHERE k = 'a2' AND id > 8;
UPDATE t SET k = 'a0' WHERE k = 'a2';
SELECT * FROM above ORDER BY kind;
SELECT * FROM problems();

-- A number that cannot be taken away by its opposite; and back.
UPDATE t SET n = 'NaN' WHERE id IN (1, 3);
UPDATE t SET n = 'Infinity' WHERE id = 5;
UPDATE t SET n = id WHERE id <= 5;
SELECT k, sum FROM v ORDER BY k;
SELECT * FROM problems();

-- All groups are emptied and filled, with what subtransactions leave.
BEGIN;
UPDATE t SET k = 'z' || id % 2;
SAVEPOINT s;
UPDATE t SET k = 'y';
DELETE FROM t WHERE id % 2 = 0;
ROLLBACK TO s;
INSERT INTO t VALUES (200, 'z0', 0, 0);
DELETE FROM t WHERE k = 'z1';
COMMIT;
SELECT k, count FROM v ORDER BY k;
SELECT * FROM above ORDER BY kind;
SELECT * FROM problems();
BEGIN;
TRUNCATE t;
INSERT INTO t VALUES (1, 'a1', 1, 1), (2, 'a1', 1, 1);
UPDATE t SET n = 5 WHERE id = 1;
COMMIT;
SELECT k, count, sum FROM v ORDER BY k;
SELECT * FROM problems();

-- By a transaction's own snapshot the statements do it.
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO t VALUES (3, 'b1', 1, 1);
UPDATE t SET k = 'b2', n = n + 1;
COMMIT;
SELECT k, count, sum FROM v ORDER BY k;
SELECT * FROM problems();

-- A session of the midst of a transaction is no part of what the view over it has afterwards.
CREATE TABLE e (k int, at timestamptz, n int);
CREATE MATERIALIZED VIEW session WITH (telemetry.continuous) AS
	SELECT k, min(at) AS started_at, max(n) AS greatest FROM e GROUP BY k, telemetry.session_window(at, interval '10 minutes');
CREATE MATERIALIZED VIEW best WITH (telemetry.continuous) AS SELECT k, max(greatest) FROM session GROUP BY k;
INSERT INTO e SELECT k, '2026-01-01 UTC', k FROM generate_series(1, 3) AS k;
BEGIN;
INSERT INTO e VALUES (1, '2026-01-01 00:01 UTC', 99), (2, '2026-01-01 00:01 UTC', 5);
DELETE FROM e WHERE n = 99;
COMMIT;
SELECT * FROM best ORDER BY k;
SELECT * FROM telemetry.verify('best');

DROP SCHEMA difference CASCADE;
