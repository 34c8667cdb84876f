-- count(DISTINCT): kept exactly, by a helper with the distinct values of each group.
CREATE TABLE t (id int, g int, x int, s text, f bool);
INSERT INTO t VALUES (1, 1, 10, 'a', true), (2, 1, 10, 'b', false), (3, 1, 20, NULL, true), (4, NULL, NULL, 'a', NULL);
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS
    SELECT g, count(DISTINCT x) AS xs, count(DISTINCT s) FILTER (WHERE f) AS ss, count(DISTINCT s) AS all_ss,
           sum(DISTINCT x), avg(DISTINCT x), count(DISTINCT (x, s)) AS pairs, count(*), max(s),
           min(DISTINCT x), telemetry.approx_count_distinct(DISTINCT x) AS about
    FROM t WHERE coalesce(x, 0) < 1000 GROUP BY g HAVING count(DISTINCT s) < 100;
CREATE MATERIALIZED VIEW total WITH (telemetry.continuous) AS
    SELECT count(DISTINCT s), count(DISTINCT upper(s)) AS uppers, avg(DISTINCT id::bigint), sum(DISTINCT g::smallint) FROM t;
CREATE MATERIALIZED VIEW over WITH (telemetry.continuous) AS
    SELECT xs, count(DISTINCT g) AS groups, count(DISTINCT all_ss), sum(ss) FROM v GROUP BY xs;
CREATE FUNCTION diffs() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(view::text || '=' || (SELECT count(*) FROM telemetry.verify(view)), ' ' ORDER BY view::text) FROM telemetry.continuous_view $$;
TABLE v ORDER BY g; TABLE total; TABLE over ORDER BY xs;
SELECT diffs();
INSERT INTO t VALUES (5, 1, 20, 'a', true), (6, 1, 30, 'c', true), (7, 2, 30, 'c', true), (8, 2, 2000, 'd', true);
TABLE v ORDER BY g; TABLE total; TABLE over ORDER BY xs; SELECT diffs();
-- one of two that are the same goes: nothing changes; the last goes: one less
DELETE FROM t WHERE id = 2;
SELECT g, xs, all_ss FROM v ORDER BY g; SELECT diffs();
DELETE FROM t WHERE id IN (1, 7);
SELECT g, xs, all_ss FROM v ORDER BY g; SELECT diffs();
UPDATE t SET g = 1, x = x + 1, s = NULL; TABLE v ORDER BY g; TABLE over; SELECT diffs();
-- comes and goes in one transaction; what is rolled back; what is not folded yet
BEGIN; INSERT INTO t VALUES (9, 9, 9, 'z', true); SELECT diffs();
SAVEPOINT a; DELETE FROM t WHERE id < 5; SELECT diffs(); ROLLBACK TO a;
DELETE FROM t WHERE id = 9; SELECT diffs(); COMMIT;
TABLE v ORDER BY g; SELECT diffs();
BEGIN; TRUNCATE t; INSERT INTO t VALUES (9, 9, 9, 'z', true), (10, 9, 9, 'y', true); SELECT diffs(); COMMIT;
TABLE v ORDER BY g; TABLE total; TABLE over; SELECT diffs();
BEGIN; INSERT INTO t VALUES (11, 9, 10, 'x', true); REFRESH MATERIALIZED VIEW v; INSERT INTO t VALUES (12, 9, 11, 'x', true); SELECT diffs(); COMMIT;
TABLE v ORDER BY g; SELECT diffs();
-- verify() looks into the helpers
SELECT h.state AS helper, h.view AS helper_query, h.expired AS helper_expired, v.state
FROM telemetry._view v JOIN telemetry._view h ON h.feeds = v.view_id WHERE v.view = 'v'::regclass ORDER BY h.view_id LIMIT 1 \gset
BEGIN; UPDATE :helper SET _count = 7 WHERE value = 9; SELECT * FROM telemetry.verify('v'); ROLLBACK;
BEGIN; UPDATE :state SET _c1 = 7; SELECT side, "row"->'xs' AS xs FROM telemetry.verify('v'); ROLLBACK;
-- helpers are parts: neither listed nor to be dropped alone, and owned by whom the view is
SELECT view, status FROM telemetry.continuous_view ORDER BY view::text;
SELECT view, folds > 0 AS folds FROM telemetry.stat_view ORDER BY view::text;
\set VERBOSITY terse
DROP VIEW :helper_query;
DROP TABLE :helper_expired;
\set VERBOSITY default
CREATE ROLE regress_distinct;
GRANT CREATE ON SCHEMA public TO regress_distinct; GRANT SELECT ON t TO regress_distinct;
ALTER MATERIALIZED VIEW total OWNER TO regress_distinct;
SELECT relowner::regrole, count(DISTINCT c.oid) FROM telemetry._view v JOIN telemetry._view h ON v.view_id IN (h.view_id, h.feeds)
JOIN pg_class c ON c.oid IN (h.view, h.state, h.definition, h.partial, h.expired) WHERE v.view = 'total'::regclass GROUP BY 1;
INSERT INTO t VALUES (13, 3, 3, 'q', true); SELECT diffs();
REVOKE SELECT ON t FROM regress_distinct;
INSERT INTO t VALUES (14, 3, 3, 'r', true);
SELECT h.feeds IS NOT NULL AS helper, h.status FROM telemetry._view v JOIN telemetry._view h ON v.view_id IN (h.view_id, h.feeds)
WHERE v.view = 'total'::regclass ORDER BY h.view_id;
GRANT SELECT ON t TO regress_distinct; REFRESH MATERIALIZED VIEW total; SELECT diffs();
SET client_min_messages = warning;
DROP MATERIALIZED VIEW total;
DROP TABLE t CASCADE;
REVOKE CREATE ON SCHEMA public FROM regress_distinct; DROP ROLE regress_distinct;
SELECT count(*) FROM telemetry._view;
SELECT relname FROM pg_class WHERE relnamespace = 'telemetry_state'::regnamespace;
-- values that are equal and do not look so count once; so do NULLs in rows
CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE u (n numeric, s text COLLATE no_case, d float8, k int);
CREATE MATERIALIZED VIEW equals WITH (telemetry.continuous) AS
    SELECT k, count(DISTINCT n) AS ns, count(DISTINCT s) AS ss, count(DISTINCT d) AS ds, count(DISTINCT (n, s)) AS pairs FROM u GROUP BY k;
INSERT INTO u VALUES (1.0, 'x', 0, 1), (1.00, 'X', '-0', 1), ('NaN', NULL, 'NaN', 1), (NULL, NULL, NULL, 1), (NULL, NULL, NULL, 1);
TABLE equals; SELECT diffs();
INSERT INTO u VALUES (1.000, 'x', 'NaN', 1), ('NaN', 'y', 1, 1); TABLE equals; SELECT diffs();
DELETE FROM u WHERE n = 1 AND s = 'X'; TABLE equals; SELECT diffs();
DROP TABLE u CASCADE;
-- partitions: what expired with one is still counted, once
CREATE TABLE p (d int, k int, x text) PARTITION BY RANGE (d);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
CREATE MATERIALIZED VIEW of_parts WITH (telemetry.continuous) AS SELECT k, count(DISTINCT x), count(*) AS n, max(d) FROM p GROUP BY k;
INSERT INTO p VALUES (1, 1, 'a'), (2, 1, 'b'), (11, 1, 'b'), (12, 1, 'c');
ALTER TABLE p DETACH PARTITION p1; TABLE of_parts; SELECT diffs();
DELETE FROM p WHERE x = 'b'; TABLE of_parts; SELECT diffs();
INSERT INTO p VALUES (13, 1, 'a'), (13, 2, 'a'); TABLE of_parts ORDER BY k; SELECT diffs();
REFRESH MATERIALIZED VIEW of_parts; TABLE of_parts ORDER BY k; SELECT diffs();
BEGIN; TRUNCATE p; TABLE of_parts ORDER BY k; COMMIT; TABLE of_parts ORDER BY k; SELECT diffs();
INSERT INTO p VALUES (14, 1, 'a'); ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (10); TABLE of_parts ORDER BY k; SELECT diffs();
DROP TABLE p1; DELETE FROM p; TABLE of_parts; SELECT diffs();
DROP TABLE p CASCADE;
-- what is refused
CREATE TABLE t (k int, n numeric, s text, r text[]);
CREATE FUNCTION two(OUT a int, OUT b int) IMMUTABLE LANGUAGE sql AS 'SELECT 1, 2';
CREATE MATERIALIZED VIEW w WITH (telemetry.continuous) AS SELECT k, sum(DISTINCT n) FROM t GROUP BY k;
CREATE MATERIALIZED VIEW w WITH (telemetry.continuous) AS SELECT k, stddev(DISTINCT k) FROM t GROUP BY k;
CREATE MATERIALIZED VIEW w WITH (telemetry.continuous) AS SELECT k, string_agg(DISTINCT s, ',') FROM t GROUP BY k;
CREATE MATERIALIZED VIEW w WITH (telemetry.continuous) AS SELECT k, count(DISTINCT two()) FROM t GROUP BY k;
CREATE MATERIALIZED VIEW w WITH (telemetry.continuous) AS SELECT k, count(DISTINCT s) FROM t GROUP BY k WITH NO DATA;
SELECT view_id - min(view_id) OVER () AS n, status FROM telemetry._view ORDER BY view_id;
INSERT INTO t VALUES (1, 1, 'x'); REFRESH MATERIALIZED VIEW w; TABLE w; SELECT diffs();
DROP MATERIALIZED VIEW w;
-- long values: texts are kept as digests; what cannot be is an error of its row
CREATE MATERIALIZED VIEW long WITH (telemetry.continuous) AS SELECT k, count(DISTINCT s), count(DISTINCT s::varchar(5000)) AS varchars,
    count(DISTINCT (k, s)) AS pairs, count(DISTINCT left(s, 65)) AS starts FROM t GROUP BY k;
INSERT INTO t SELECT k, 1, string_agg(md5(i::text), '') FROM generate_series(1, 100) i, generate_series(1, 2) k GROUP BY k;
INSERT INTO t SELECT 2, 2, s || i FROM t, generate_series(1, 3) i WHERE k = 2;
INSERT INTO t SELECT 2, 2, repeat('é', n) FROM generate_series(31, 33) n;
INSERT INTO t SELECT 2, 3, 'sha256:' || encode(sha256(convert_to(s, 'UTF8')), 'hex') FROM t WHERE k = 2;
TABLE long ORDER BY k; SELECT diffs();
DELETE FROM t WHERE n = 2; TABLE long ORDER BY k; SELECT diffs();
CREATE MATERIALIZED VIEW w WITH (telemetry.continuous) AS SELECT k, count(DISTINCT r) FROM t GROUP BY k;
INSERT INTO t (k, r) SELECT 1, array_agg(md5(i::text)) FROM generate_series(1, 100) i;
SELECT diffs();
-- What a DROP mends of views that were restored is no helper's: beside another DROP, it would be of a relation that is gone.
DROP TABLE IF EXISTS nothing;
SELECT count(*) FROM pg_depend d JOIN telemetry._view v ON d.classid = 'pg_class'::regclass AND d.objid = v.view AND d.refobjid = v.target WHERE v.feeds IS NOT NULL;
DROP TABLE t CASCADE; DROP FUNCTION two; DROP FUNCTION diffs; DROP COLLATION no_case;
