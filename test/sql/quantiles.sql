-- telemetry.quantile_sketch: quantiles within a stated error, beside percentile_disc(); in views.
SET extra_float_digits = 0; SET search_path = public, telemetry;
SELECT telemetry.quantile_agg(x) FROM unnest('{0, 1, 1, -1, NULL, 1.01, NaN, Infinity, -Infinity}'::float8[]) x;
SELECT telemetry.quantile_agg(x) AS nothing FROM unnest('{NULL}'::float8[]) x;
SELECT telemetry.quantile(telemetry.quantile_agg(x), 0.5) IS NULL AS of_nothing, telemetry.quantile_count(telemetry.quantile_agg(x)),
       telemetry.quantile_error(telemetry.quantile_agg(x)) FROM unnest('{}'::float8[]) x;
-- each within the error that it states
CREATE TABLE samples (kind text, value float8);
SELECT setseed(0.5);
INSERT INTO samples SELECT 'length', round(exp(8 * random())) FROM generate_series(1, 3001);
INSERT INTO samples SELECT 'balance', 2000 * random() - 1000 FROM generate_series(1, 3001);
INSERT INTO samples SELECT 'few', (random() * 3)::int FROM generate_series(1, 3001);
INSERT INTO samples SELECT 'wild', CASE i % 5 WHEN 0 THEN 'NaN'::float8 WHEN 1 THEN 'Infinity' WHEN 2 THEN 0 ELSE i END FROM generate_series(1, 3001) i;
INSERT INTO samples SELECT kind, NULL FROM samples LIMIT 10;
SELECT kind, error, count(*) AS compared, count(*) FILTER (WHERE NOT CASE
    WHEN exact IN ('NaN', 'Infinity', 0) THEN about = exact ELSE abs(about - exact) <= abs(exact) * stated * (1 + 1e-12) END) AS beyond,
    max(stated) <= error AS as_asked
FROM (SELECT kind, error, fraction, percentile_disc(fraction) WITHIN GROUP (ORDER BY value) AS exact,
             telemetry.quantile(telemetry.quantile_agg(value, error), fraction) AS about,
             telemetry.quantile_error(telemetry.quantile_agg(value, error)) AS stated
      FROM samples, unnest('{0, 0.001, 0.25, 0.5, 0.75, 0.95, 0.999, 1}'::float8[]) AS fraction,
           unnest('{0.0005, 0.01, 0.2}'::float8[]) AS error GROUP BY kind, error, fraction) AS q
GROUP BY kind, error ORDER BY kind, error;
-- order, parts, parallel workers and moving windows make no difference to the bytes
SELECT kind, telemetry.quantile_agg(value ORDER BY value)::text = telemetry.quantile_agg(value ORDER BY value DESC)::text AS order_same,
       telemetry.quantile_agg(value) = telemetry.quantile_agg(value) FILTER (WHERE value > 1) + telemetry.quantile_agg(value) FILTER (WHERE NOT value > 1) AS parts_same,
       telemetry.quantile_agg(value) - telemetry.quantile_agg(value) FILTER (WHERE value > 1) = telemetry.quantile_agg(value) FILTER (WHERE NOT value > 1) AS rest_same,
       telemetry.quantile_agg(value) - telemetry.quantile_agg(value) AS none,
       telemetry.quantile_agg(value, 0.001) + telemetry.quantile_agg(value, 0.1) = telemetry.quantile_agg(value, 0.1) + telemetry.quantile_agg(value, 0.1) AS coarser
FROM samples GROUP BY kind ORDER BY kind;
SELECT telemetry.quantile_union_agg(s) = (SELECT telemetry.quantile_agg(value) FROM samples) AS same
FROM (SELECT telemetry.quantile_agg(value) AS s FROM samples GROUP BY kind, value > 0) AS p;
BEGIN;
SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0;
SELECT telemetry.quantile(s, 0.9), telemetry.quantile_count(s) FROM (SELECT telemetry.quantile_agg(value) FROM samples) AS p(s);
SET LOCAL max_parallel_workers_per_gather = 0;
SELECT telemetry.quantile(s, 0.9), telemetry.quantile_count(s) FROM (SELECT telemetry.quantile_agg(value) FROM samples) AS p(s);
ROLLBACK;
SELECT i, telemetry.quantile_agg(i) OVER (ORDER BY i ROWS 1 PRECEDING) FROM generate_series(1, 4) i;
-- the readable form, and what is none
SELECT 'quantile_sketch/1;bits=6;-131009=1;0=-7;131010=4611686018427387904'::telemetry.quantile_sketch;
SELECT - 'quantile_sketch/1;bits=6;0=-64;7=64'::telemetry.quantile_sketch;
SELECT 'quantile_sketch/1;bits=6'::telemetry.quantile_sketch;
SELECT 'quantile_sketch/1;bits=6;2=1;1=1'::telemetry.quantile_sketch;
SELECT 'quantile_sketch/1;bits=6;1=9223372036854775807'::telemetry.quantile_sketch;
SELECT encode(telemetry.quantile_sketch_send(telemetry.quantile_agg(x)), 'hex') FROM generate_series(0, 3) x;
-- errors
SELECT telemetry.quantile(telemetry.quantile_agg(x), 1.5) FROM generate_series(0, 3) x;
SELECT telemetry.quantile(telemetry.quantile_agg(x), 'NaN') FROM generate_series(0, 3) x;
SELECT telemetry.quantile_agg(x, 0.0001) FROM generate_series(0, 3) x;
SELECT telemetry.quantile_agg(x, NULL) FROM generate_series(0, 3) x;
SELECT telemetry.quantile(- telemetry.quantile_agg(x), 0.5) FROM generate_series(0, 3) x;
SELECT telemetry.quantile_count(- telemetry.quantile_agg(x)) FROM generate_series(0, 3) x;
SELECT s + s FROM (SELECT 'quantile_sketch/1;bits=6;1=4611686018427387904'::telemetry.quantile_sketch AS s) AS p;
SELECT telemetry.quantile_union_agg(s) FROM (SELECT 'quantile_sketch/1;bits=6;1=4611686018427387904'::telemetry.quantile_sketch AS s FROM generate_series(1, 2)) AS p;
-- in continuous views
CREATE TABLE session_of (player int, day date, seconds float8);
CREATE MATERIALIZED VIEW lengths WITH (telemetry.continuous) AS
    SELECT day, telemetry.quantile(telemetry.quantile_agg(seconds), 0.5) AS median, telemetry.quantile_agg(seconds, 0.001) AS sketch,
           telemetry.quantile(telemetry.quantile_agg(seconds) FILTER (WHERE player > 5), 0.9) AS late FROM session_of GROUP BY day;
CREATE MATERIALIZED VIEW months WITH (telemetry.continuous) AS
    SELECT date_trunc('month', day::timestamp) AS month, telemetry.quantile_union_agg(sketch) AS sketch FROM lengths GROUP BY 1;
INSERT INTO session_of SELECT i % 10, '2025-01-30'::date + i % 4, i * i FROM generate_series(1, 200) i;
SELECT day, median, telemetry.quantile_count(sketch), late FROM lengths ORDER BY day;
SELECT month, telemetry.quantile(sketch, 0.5) FROM months ORDER BY month;
DELETE FROM session_of WHERE seconds > 30000; UPDATE session_of SET seconds = NULL WHERE player = 3; DELETE FROM session_of WHERE day = '2025-01-31';
SELECT day, median, telemetry.quantile_count(sketch), late FROM lengths ORDER BY day;
SELECT v, count(r) FROM unnest('{lengths, months}'::regclass[]) AS v LEFT JOIN LATERAL telemetry.verify(v) AS r ON true GROUP BY v ORDER BY v::text;
SELECT month, telemetry.quantile(sketch, 0.5) FROM months ORDER BY month;
SELECT components FROM telemetry._view WHERE view = 'lengths'::regclass;
-- sketches of different errors: what is left is as fine as it is
CREATE TABLE sketch_of (g int, s quantile_sketch);
CREATE MATERIALIZED VIEW unions WITH (telemetry.continuous) AS SELECT g, quantile_union_agg(s) AS s FROM sketch_of GROUP BY g;
INSERT INTO sketch_of SELECT 1, quantile_agg(i, error) FROM generate_series(1, 20) i, unnest('{0.01, 0.1}'::float8[]) AS error GROUP BY error;
SELECT quantile_error(s) FROM unions;
DELETE FROM sketch_of WHERE quantile_error(s) > 0.05;
SELECT quantile_error(s), quantile(s, 0.5) FROM unions;
SELECT count(*) FROM verify('unions');
CREATE MATERIALIZED VIEW varying WITH (telemetry.continuous) AS SELECT quantile_agg(seconds, player / 10.0) FROM session_of;
CREATE MATERIALIZED VIEW exact WITH (telemetry.continuous) AS SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) FROM session_of;
SET client_min_messages = warning;
DROP TABLE session_of, sketch_of CASCADE; DROP TABLE samples;
