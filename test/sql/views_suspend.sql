-- telemetry.suspend() and resume(): what is written meanwhile is not for the views, and never silently so.
SET client_min_messages = warning;
CREATE SCHEMA suspending;
SET search_path = suspending;
CREATE TABLE fact (at date NOT NULL, kind text, n int) PARTITION BY RANGE (at);
CREATE TABLE fact_10 PARTITION OF fact FOR VALUES FROM ('2026-10-01') TO ('2026-11-01');
CREATE TABLE fact_11 PARTITION OF fact FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
CREATE TABLE other (n int);
CREATE MATERIALIZED VIEW kinds WITH (telemetry.continuous) AS
	SELECT kind, count(*) AS rows, sum(n) AS n, count(DISTINCT n) AS distinct_n, max(n) FROM fact GROUP BY kind;
CREATE MATERIALIZED VIEW sizes WITH (telemetry.continuous) AS SELECT rows, count(*) AS kinds FROM kinds GROUP BY rows;
CREATE MATERIALIZED VIEW others WITH (telemetry.continuous) AS SELECT count(*) FROM other;
CREATE VIEW status AS SELECT view, status, status_reason FROM telemetry.continuous_view
	WHERE view::text ~ '^(kinds|sizes|others)$' ORDER BY view::text;
CREATE FUNCTION differences() RETURNS TABLE (view text, rows bigint) LANGUAGE sql AS $$
	SELECT v, (SELECT count(*) FROM telemetry.verify(v::regclass)) FROM unnest('{kinds,sizes,others}'::text[]) v $$;
INSERT INTO fact SELECT date '2026-10-15' + i, 'k' || i % 3, i FROM generate_series(1, 30) i;

-- A bulk load: the views keep what they have, and are computed anew when it ends.
SELECT telemetry.suspend('fact');
SELECT * FROM status;
INSERT INTO fact SELECT date '2026-10-15' + i, 'k' || i % 4, i FROM generate_series(1, 40) i;
INSERT INTO other VALUES (1);
SELECT * FROM differences();
SELECT sum(rows) FROM kinds;
SELECT subject, what, command FROM telemetry.check() WHERE subject LIKE 'view %kinds';
-- What would make a view of it now is refused.
REFRESH MATERIALIZED VIEW kinds;
CALL telemetry.build('kinds');
REFRESH MATERIALIZED VIEW CONCURRENTLY kinds;
CREATE MATERIALIZED VIEW more WITH (telemetry.continuous) AS SELECT max(n) FROM fact;
CREATE MATERIALIZED VIEW more WITH (telemetry.continuous) AS SELECT max(rows) FROM kinds;
-- A partition that expires meanwhile is kept.
DROP TABLE fact_10;
SELECT telemetry.resume('fact');
SELECT * FROM status;
SELECT * FROM differences();
SELECT sum(rows) FROM kinds;
INSERT INTO fact VALUES ('2026-11-20', 'k0', 1000);
SELECT * FROM differences();

-- In one transaction; rolled back, nothing was suspended.
BEGIN;
SELECT telemetry.suspend('fact');
INSERT INTO fact SELECT '2026-11-03', 'k5', i FROM generate_series(1, 10) i;
SELECT telemetry.resume('fact');
COMMIT;
SELECT * FROM differences();
BEGIN;
SELECT telemetry.suspend('fact');
ROLLBACK;
INSERT INTO fact VALUES ('2026-11-20', 'k0', 1001);
SELECT * FROM differences();
-- What was written before in the transaction is the views' still.
BEGIN;
INSERT INTO fact VALUES ('2026-11-20', 'k0', 1002);
SELECT telemetry.suspend('fact');
ROLLBACK;

-- Left stale, to be built online.
SELECT telemetry.suspend('fact');
INSERT INTO fact VALUES ('2026-11-21', 'k1', 2000);
DELETE FROM fact WHERE kind = 'k2';
SELECT telemetry.resume('fact', states => 'stale');
SELECT * FROM status;
SELECT * FROM differences();
CALL telemetry.build('kinds');
SELECT * FROM status;
SELECT * FROM differences();

-- A stale view keeps what expires; a partition that comes again brings its rows once.
ALTER TABLE fact DISABLE TRIGGER telemetry_collect_insert;
CREATE TABLE fact_12 PARTITION OF fact FOR VALUES FROM ('2026-12-01') TO ('2027-01-01');
INSERT INTO fact VALUES ('2026-12-01', 'k7', 7), ('2026-12-01', 'k7', 8);
ALTER TABLE fact ENABLE TRIGGER telemetry_collect_insert;
ALTER TABLE fact DETACH PARTITION fact_12;
REFRESH MATERIALIZED VIEW kinds;
SELECT kind, rows, distinct_n FROM kinds WHERE kind = 'k7';
SELECT * FROM differences();
SELECT telemetry.suspend('fact');
ALTER TABLE fact ATTACH PARTITION fact_12 FOR VALUES FROM ('2026-12-01') TO ('2027-01-01');
SELECT telemetry.resume('fact');
SELECT kind, rows, distinct_n FROM kinds WHERE kind = 'k7';
SELECT * FROM differences();

-- Triggers that are enabled in any way are as they must be; those that stay disabled are told of.
ALTER TABLE fact DISABLE TRIGGER ALL;
SELECT * FROM status;
ALTER TABLE fact ENABLE TRIGGER ALL;
SELECT tgrelid::regclass AS table, tgname, tgenabled FROM pg_trigger
WHERE tgrelid IN ('fact'::regclass, 'fact_11'::regclass) ORDER BY 1, 2;
REFRESH MATERIALIZED VIEW kinds;
ALTER TABLE fact ENABLE TRIGGER telemetry_collect_truncate;
ALTER TABLE fact ENABLE ALWAYS TRIGGER telemetry_collect_insert, ENABLE TRIGGER telemetry_collect_replica;
ALTER TABLE fact ENABLE REPLICA TRIGGER telemetry_collect_delete;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'fact'::regclass ORDER BY 1;
SELECT * FROM status;
SET session_replication_role = replica;
TRUNCATE fact;
SET session_replication_role = origin;
SELECT * FROM differences();
SELECT telemetry.suspend('fact');
ALTER TABLE fact DISABLE TRIGGER ALL;
SELECT * FROM status;
SELECT telemetry.resume('fact');
ALTER TABLE fact ENABLE TRIGGER ALL;
SELECT telemetry.resume('fact');
SELECT * FROM status;
SELECT telemetry.suspend('other');
ALTER TABLE other SET UNLOGGED;
SELECT telemetry.resume('other');
SELECT * FROM status;
ALTER TABLE other SET LOGGED;
REFRESH MATERIALIZED VIEW others;

-- The whole database.
SELECT telemetry.suspend();
INSERT INTO fact VALUES ('2026-11-21', 'k1', 2000);
INSERT INTO other VALUES (1), (2);
SELECT * FROM status;
SELECT telemetry.suspend('fact');
SELECT telemetry.resume(states => 'restored');
SELECT * FROM status;
SELECT telemetry.resume('fact', states => 'restored');
SELECT * FROM status;
-- It was not restored: verify() says so.
SELECT * FROM differences();
REFRESH MATERIALIZED VIEW kinds;
REFRESH MATERIALIZED VIEW others;

-- Data alone, without suspend().
INSERT INTO telemetry._view OVERRIDING SYSTEM VALUE SELECT * FROM telemetry._view LIMIT 0;
ALTER TABLE telemetry._view DISABLE TRIGGER ALL;

-- Errors and rights.
SELECT telemetry.resume();
SELECT telemetry.resume('fact');
SELECT telemetry.resume('fact', states => 'fine');
SELECT telemetry.resume('fact', states => NULL);
SELECT telemetry.suspend('kinds');
SELECT telemetry.suspend('fact_11');
SELECT telemetry._views_restored();
CREATE ROLE suspending_owner;
CREATE ROLE suspending_other;
GRANT USAGE, CREATE ON SCHEMA suspending TO suspending_owner, suspending_other;
ALTER TABLE other OWNER TO suspending_owner;
SET ROLE suspending_other;
SELECT telemetry.suspend();
SELECT telemetry.suspend('other');
SET ROLE suspending_owner;
SELECT telemetry.suspend('other');
SELECT telemetry.suspend('other');
INSERT INTO other VALUES (3);
SELECT telemetry.resume();
-- It is the table's owner who resumes, and the views' owner who keeps them.
SELECT telemetry.resume('other');
RESET ROLE;
SELECT * FROM differences();

-- A table that goes takes its suspension along.
SELECT telemetry.suspend('fact');
DROP TABLE fact CASCADE;
SELECT count(*) FROM telemetry._suspension;
DROP SCHEMA suspending CASCADE;
DROP ROLE suspending_owner, suspending_other;
