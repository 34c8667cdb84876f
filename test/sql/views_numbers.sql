-- Sums of floats, first and last: what is exact, and what comes back after a DELETE.
CREATE TABLE t(k int, x float8, y real, at timestamptz, lvl int);
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT k, sum(x), avg(x), sum(y) AS sy, avg(y) AS ay, telemetry.exact_sum(x) AS ex, telemetry.first(lvl, at) AS first, telemetry.last(lvl, at) AS last, telemetry.last(k::text, at) AS lastk FROM t GROUP BY k;
INSERT INTO t SELECT i%5, i*1.1, i*0.3, '2026-01-01'::timestamptz + (i*7919%1000)*interval '1 min', i FROM generate_series(1,1000) i;
INSERT INTO t VALUES (1,'NaN',1,'2027-01-01',7),(2,'Infinity',2,'2027-01-01',8),(3,1e308,NULL,NULL,9),(3,1e300,'-Infinity','2020-01-01',NULL);
SELECT * FROM v ORDER BY 1; SELECT * FROM telemetry.verify('v');
DELETE FROM t WHERE x = 'NaN' OR x='Infinity' OR lvl > 900; SELECT * FROM v ORDER BY 1; SELECT * FROM telemetry.verify('v');
SELECT count(*) FROM (SELECT k, sum(x), avg(x), telemetry.last(lvl,at) FROM t GROUP BY k) q JOIN v USING (k) WHERE abs(q.sum - v.sum) > 1e-9*abs(v.sum);
INSERT INTO t VALUES (3,1e308,NULL,NULL,9); SELECT * FROM v WHERE k=3;
SET client_min_messages = warning;
DROP TABLE t CASCADE;
RESET client_min_messages;

-- Variance and regression: of floats from exact moments, of exact numbers with PostgreSQL's own digits.
CREATE TABLE t (k int, x float8, y real, i int, n numeric);
INSERT INTO t SELECT i % 5, i * 1.1, i * 0.3 + i % 7, i, i * 1.25 FROM generate_series(1, 1000) i;
CREATE MATERIALIZED VIEW moments WITH (telemetry.continuous) AS
SELECT k, stddev(x) AS a, corr(x, y) AS b, regr_slope(y, x) AS c, var_pop(y) AS d, regr_count(y, x) AS e, covar_samp(x, y) AS f
FROM t GROUP BY k;
CREATE MATERIALIZED VIEW exact WITH (telemetry.continuous) AS
SELECT k, stddev(i) AS a, variance(n) AS b, stddev_pop(i) AS c, stddev_samp(n) AS d, var_pop(i) AS e FROM t GROUP BY k;
INSERT INTO t SELECT i % 6, i * 1.1, i * 0.3 + i % 7, i, i * 1.25 FROM generate_series(1001, 2000) i;
DELETE FROM t WHERE i % 17 = 3;
INSERT INTO t VALUES (9, 1, NULL, NULL, NULL), (8, 2, 3, 4, 5);
INSERT INTO t SELECT * FROM t WHERE i % 3 = 0;
DELETE FROM t WHERE i % 13 = 0;
SELECT * FROM telemetry.verify('moments');
SELECT * FROM telemetry.verify('exact');
SELECT count(*) AS beyond_tolerance
FROM moments AS m JOIN (
    SELECT k, stddev(x) AS a, corr(x, y) AS b, regr_slope(y, x) AS c, var_pop(y) AS d, regr_count(y, x) AS e, covar_samp(x, y) AS f
    FROM t GROUP BY k) AS q USING (k)
WHERE m.e <> q.e OR abs(m.a - q.a) > 1e-12 * q.a OR abs(m.b - q.b) > 1e-12 OR abs(m.c - q.c) > 1e-12 OR abs(m.d - q.d) > 1e-12 * q.d
   OR abs(m.f - q.f) > 1e-12 * abs(q.f) OR (m.a IS NULL) <> (q.a IS NULL) OR (m.b IS NULL) <> (q.b IS NULL) OR (m.f IS NULL) <> (q.f IS NULL);
SET client_min_messages = warning;
DROP TABLE t CASCADE;
RESET client_min_messages;

-- What ranges have in common: that aggregate's own function is called by nothing but an aggregate.
CREATE TABLE t (k int, r int4range, m int4multirange);
CREATE MATERIALIZED VIEW common WITH (telemetry.continuous) AS SELECT k, range_intersect_agg(r) AS r, range_intersect_agg(m) AS m, count(*) FROM t GROUP BY k;
INSERT INTO t VALUES (1, '[1,9]', '{[1,9]}'), (1, '[2,10]', '{[2,4],[6,10]}'), (2, NULL, NULL);
INSERT INTO t VALUES (1, '[0,5]', '{[3,20]}'), (1, NULL, NULL), (2, '[1,5]', NULL), (3, '[1,1]', '{}');
INSERT INTO t SELECT 1, int4range(0, 100 + n), int4multirange(int4range(0, 100 + n)) FROM generate_series(1, 200) AS n;
DELETE FROM t WHERE upper(r) = 6;
TABLE common ORDER BY k;
SELECT * FROM telemetry.verify('common');
-- From PostgreSQL 16 on there is one that takes whichever value comes first, of which no two runs need agree.
DO $$ BEGIN
	IF current_setting('server_version_num')::int >= 160000 THEN
		BEGIN
			CREATE MATERIALIZED VIEW whichever WITH (telemetry.continuous) AS SELECT k, any_value(r) FROM t GROUP BY k;
			RAISE 'any_value() was not refused';
		EXCEPTION WHEN feature_not_supported THEN
			NULL;
		END;
	END IF;
END $$;
-- Values that have no hash are refused before a row comes.
CREATE TABLE parts (bits bit varying);
CREATE MATERIALIZED VIEW distinct_bits WITH (telemetry.continuous) AS SELECT telemetry.approx_count_distinct(bits) FROM parts;
SET client_min_messages = warning;
DROP TABLE t, parts CASCADE;
RESET client_min_messages;
-- NaN and infinities: their deviation is NaN, as PostgreSQL has it.
CREATE TABLE t (k int, n numeric);
CREATE MATERIALIZED VIEW deviations WITH (telemetry.continuous) AS
SELECT k, stddev(n) AS a, stddev_pop(n) AS b, variance(n) AS c, var_pop(n) AS d FROM t GROUP BY k;
INSERT INTO t VALUES (1, 'NaN'), (1, 1), (2, 'Infinity'), (2, 1), (2, 3), (3, 1), (3, 4);
SELECT * FROM telemetry.verify('deviations');
TABLE deviations ORDER BY k;
DELETE FROM t WHERE n > 4;
SELECT * FROM telemetry.verify('deviations');
DROP MATERIALIZED VIEW deviations;
-- Digits behind the point go with the value that brought them: a quotient, a root and a text show them.
TRUNCATE t;
CREATE MATERIALIZED VIEW digits WITH (telemetry.continuous) AS
SELECT k, sum(n) / count(*) AS quotient, round(sqrt(abs(sum(n))), 5) + count(*) AS root, coalesce(sum(n) FILTER (WHERE n > 1), 0)::text AS label FROM t GROUP BY k HAVING sum(n) > 0;
INSERT INTO t VALUES (1, 1.5), (1, 2.25), (1, 3.0000000000000000000000001), (2, 1), (2, 2);
DELETE FROM t WHERE n > 3;
TABLE digits ORDER BY k;
SELECT * FROM telemetry.verify('digits');
-- Where only the sum itself is shown nothing watches them, and no group is computed anew for them.
CREATE MATERIALIZED VIEW sums WITH (telemetry.continuous) AS
SELECT k, -coalesce(sum(n), 0) * 2 AS a, round(sum(n), 2) AS b, sum(n)::numeric(10,1) AS c, sum(n) > 1 AS d, greatest(sum(n), 3) - count(*) AS e FROM t GROUP BY k;
SELECT v.view, count(*) FROM telemetry._view AS v, unnest(v.components) AS kind WHERE v.view::text IN ('digits', 'sums') AND kind = 'combine' GROUP BY v.view;
SET client_min_messages = warning;
DROP TABLE t CASCADE;
RESET client_min_messages;
SET client_min_messages = warning;
-- From PostgreSQL 17 on there are infinite intervals, which come and go as others do.
SELECT current_setting('server_version_num')::int >= 170000 AS infinite \gset
CREATE TABLE t (k int, i interval);
CREATE MATERIALIZED VIEW lengths WITH (telemetry.continuous) AS SELECT k, sum(i), avg(i), count(*) FROM t GROUP BY k;
INSERT INTO t VALUES (1, '1 day'), (1, '2 hours'), (2, '1 mon'), (2, NULL);
\if :infinite
INSERT INTO t VALUES (1, 'infinity'), (2, '-infinity'), (3, 'infinity');
DELETE FROM t WHERE k = 1 AND i = 'infinity';
BEGIN;
INSERT INTO t VALUES (2, '-infinity'), (2, '3 days');
DELETE FROM t WHERE i = '-infinity';
COMMIT;
DELETE FROM t WHERE k = 3;
\else
INSERT INTO t VALUES (2, '3 days');
\endif
DELETE FROM t WHERE i = '2 hours';
TABLE lengths ORDER BY k;
SELECT * FROM telemetry.verify('lengths');
DROP TABLE t CASCADE;
-- The last value of a domain that is NOT NULL: there is none where no time is known, nor where what was last is gone.
CREATE DOMAIN level AS int NOT NULL CHECK (value < 100);
CREATE TABLE t (k int, l level, at timestamptz);
CREATE MATERIALIZED VIEW levels WITH (telemetry.continuous) AS
SELECT k, telemetry.last(l, at) AS last, telemetry.first(l, at) + 1 AS first, count(DISTINCT l) FROM t GROUP BY k;
CREATE MATERIALIZED VIEW by_level WITH (telemetry.continuous) AS SELECT last, count(*), max(k) FROM levels GROUP BY last;
INSERT INTO t VALUES (1, 1, '2026-01-01'), (1, 2, '2026-01-02'), (2, 3, NULL);
UPDATE t SET l = 4 WHERE l = 2;
INSERT INTO t VALUES (3, 5, '2026-01-01'), (2, 6, '2026-01-01');
DELETE FROM t WHERE l IN (4, 6);
TABLE levels ORDER BY k;
SELECT * FROM telemetry.verify('levels');
SELECT * FROM telemetry.verify('by_level');
DROP TABLE t CASCADE;
DROP DOMAIN level;
