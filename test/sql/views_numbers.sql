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
