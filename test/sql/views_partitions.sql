-- Partitions of a followed table: whichever way they go, nothing is lost silently.
CREATE SCHEMA parts;
CREATE TABLE t(k int, d date) PARTITION BY RANGE (d);
CREATE TABLE parts.a PARTITION OF t FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE b PARTITION OF t FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT k, count(*), max(d) FROM t GROUP BY k;
CREATE MATERIALIZED VIEW r WITH (telemetry.continuous) AS SELECT k, d FROM t WHERE k > 1;
INSERT INTO t SELECT i%5, '2026-01-01'::date + i%59 FROM generate_series(1,100) i;
DROP SCHEMA parts CASCADE;
SELECT count(*) FROM t;
SELECT * FROM telemetry.verify('v'); SELECT * FROM telemetry.verify('r');
BEGIN; DROP TABLE parts.a; ROLLBACK;
SELECT * FROM telemetry.verify('v');SELECT * FROM telemetry.verify('r');
DROP TABLE parts.a;
SELECT * FROM telemetry.verify('v');SELECT * FROM telemetry.verify('r'); SELECT sum(count) FROM v; SELECT count(*) FROM r;
DELETE FROM t WHERE k = 3;
SELECT * FROM telemetry.verify('v');SELECT * FROM telemetry.verify('r');
DROP SCHEMA parts;
SET client_min_messages = warning;
DROP TABLE t CASCADE;
RESET client_min_messages;
SELECT count(*) FROM telemetry._view;

-- Generated columns of partitions whose columns are in another order, which PostgreSQL leaves out of the root's transition tables.
CREATE TABLE g (id int, name text GENERATED ALWAYS AS ('n' || id % 3) STORED, day int) PARTITION BY LIST (day);
CREATE TABLE g1 PARTITION OF g FOR VALUES IN (1);
CREATE TABLE g2 (day int, id int, name text GENERATED ALWAYS AS ('n' || id % 3) STORED);
ALTER TABLE g ATTACH PARTITION g2 FOR VALUES IN (2);
CREATE MATERIALIZED VIEW names WITH (telemetry.continuous) AS SELECT name, day, count(*) FROM g GROUP BY 1, 2;
INSERT INTO g (id, day) VALUES (1, 1), (1, 2), (2, 2);
COPY g (id, day) FROM stdin;
1	1
3	2
\.
UPDATE g SET day = 2 WHERE day = 1;
UPDATE g SET id = 6 WHERE id = 2;
DELETE FROM g WHERE id = 3;
SELECT * FROM names ORDER BY 1, 2;
SELECT * FROM telemetry.verify('names');
SET client_min_messages = warning;
DROP TABLE g CASCADE;
RESET client_min_messages;

-- A table that comes to inherit from a followed one is none of its partitions: nothing of it is seen, which is said.
CREATE TABLE parent (k int);
CREATE TABLE stranger (k int);
CREATE MATERIALIZED VIEW followed WITH (telemetry.continuous) AS SELECT k, count(*) FROM parent GROUP BY k;
INSERT INTO parent VALUES (1);
CREATE TABLE child () INHERITS (parent);
INSERT INTO child VALUES (1);
SELECT status, status_reason FROM telemetry.continuous_view WHERE view = 'followed'::regclass;
REFRESH MATERIALIZED VIEW followed;
ALTER TABLE child NO INHERIT parent;
REFRESH MATERIALIZED VIEW followed;
ALTER TABLE stranger INHERIT parent;
REFRESH MATERIALIZED VIEW CONCURRENTLY followed;
ALTER TABLE stranger NO INHERIT parent;
REFRESH MATERIALIZED VIEW followed;
SELECT * FROM followed;
SELECT * FROM telemetry.verify('followed');
-- So is one that a crash empties.
ALTER TABLE parent SET UNLOGGED;
REFRESH MATERIALIZED VIEW followed;
CALL telemetry.build('followed');
ALTER TABLE parent SET LOGGED;
REFRESH MATERIALIZED VIEW followed;
SELECT status FROM telemetry.continuous_view WHERE view = 'followed'::regclass;
CREATE TABLE parted (k int) PARTITION BY LIST (k);
CREATE MATERIALIZED VIEW parted_followed WITH (telemetry.continuous) AS SELECT k, count(*) FROM parted GROUP BY k;
CREATE UNLOGGED TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE UNLOGGED TABLE parted_1 (k int);
ALTER TABLE parted ATTACH PARTITION parted_1 FOR VALUES IN (1);
-- What others write into a foreign table would not be seen: as a partition it is refused, as a child it makes stale.
CREATE FOREIGN DATA WRAPPER regress_nothing;
CREATE SERVER regress_nowhere FOREIGN DATA WRAPPER regress_nothing;
CREATE FOREIGN TABLE parted_far PARTITION OF parted FOR VALUES IN (9) SERVER regress_nowhere;
CREATE FOREIGN TABLE parted_far (k int) SERVER regress_nowhere;
ALTER TABLE parted ATTACH PARTITION parted_far FOR VALUES IN (9);
CREATE FOREIGN TABLE far_child () INHERITS (parent) SERVER regress_nowhere;
SELECT status, status_reason FROM telemetry.continuous_view WHERE view = 'followed'::regclass;
ALTER FOREIGN TABLE far_child NO INHERIT parent;
REFRESH MATERIALIZED VIEW followed;
ALTER FOREIGN TABLE far_child INHERIT parent;
SELECT status, status_reason FROM telemetry.continuous_view WHERE view = 'followed'::regclass;
-- A partition is found though a temporary table has its name.
CREATE TEMPORARY TABLE parted_2 (k int);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
INSERT INTO parted_2 SELECT 1;
INSERT INTO public.parted_2 VALUES (2);
SELECT * FROM parted_followed;
SET client_min_messages = warning;
DROP FOREIGN DATA WRAPPER regress_nothing CASCADE;
DROP TABLE parted, parted_1, parent, child, stranger CASCADE;
RESET client_min_messages;
