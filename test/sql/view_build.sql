-- telemetry.build() and REFRESH MATERIALIZED VIEW CONCURRENTLY: what they refuse, and what they say.
CREATE TABLE t (g int, x int);
INSERT INTO t SELECT i % 3, i FROM generate_series(1, 100) i;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, count(*), max(x) FROM t GROUP BY g WITH NO DATA;
SELECT view, status, status_reason FROM telemetry.continuous_view;
SELECT count(*) FROM v;

CALL telemetry.build('t');
CALL telemetry.build('nothing');
BEGIN;
CALL telemetry.build('v');
ROLLBACK;
DO $$ BEGIN CALL telemetry.build('v'); END $$;
BEGIN;
REFRESH MATERIALIZED VIEW CONCURRENTLY v;
ROLLBACK;
CREATE ROLE regress_build_other;
SET ROLE regress_build_other;
CALL telemetry.build('v');
REFRESH MATERIALIZED VIEW CONCURRENTLY v;
SELECT count(*) FROM telemetry.progress_build;
RESET ROLE;
DROP ROLE regress_build_other;

-- A view over one that is not live cannot be built either.
CALL telemetry.build('v');
CALL telemetry.build('v');
CREATE MATERIALIZED VIEW over WITH (telemetry.continuous) AS SELECT count, count(*) AS groups FROM v GROUP BY count WITH NO DATA;
REFRESH MATERIALIZED VIEW v WITH NO DATA;
CALL telemetry.build('over');
CALL telemetry.build('v');
SELECT view, status, status_reason FROM telemetry.continuous_view ORDER BY view::text;
SELECT * FROM over ORDER BY count;
INSERT INTO t VALUES (1, 1000), (7, 7);
DELETE FROM t WHERE x = 99;
SELECT * FROM v ORDER BY g;
SELECT * FROM over ORDER BY count;
SELECT * FROM telemetry.verify('v') UNION ALL SELECT * FROM telemetry.verify('over');

-- An error of the query ends the build, and the view can be built once it is mended.
CREATE MATERIALIZED VIEW quotient WITH (telemetry.continuous) AS SELECT g, sum(100 / x) FROM t GROUP BY g WITH NO DATA;
INSERT INTO t VALUES (1, 0);
CALL telemetry.build('quotient');
SELECT status, status_reason FROM telemetry.continuous_view WHERE view = 'quotient'::regclass;
INSERT INTO t VALUES (2, 0);
DELETE FROM t WHERE x = 0;
CALL telemetry.build('quotient');
SELECT status, status_reason FROM telemetry.continuous_view WHERE view = 'quotient'::regclass;
SELECT * FROM telemetry.verify('quotient');

-- Triggers that do not fire, and isolation levels that a database may have by default.
ALTER TABLE t DISABLE TRIGGER telemetry_collect_insert;
CALL telemetry.build('v');
ALTER TABLE t ENABLE TRIGGER telemetry_collect_insert;
SET default_transaction_isolation = 'repeatable read';
CALL telemetry.build('v');
SET default_transaction_isolation = 'serializable';
REFRESH MATERIALIZED VIEW CONCURRENTLY v;
RESET default_transaction_isolation;
SELECT view, status, status_reason FROM telemetry.continuous_view ORDER BY view::text;
SELECT relname FROM pg_class WHERE relname LIKE 'v%journal';
SET client_min_messages = warning;
DROP TABLE t CASCADE;
