-- What bench/hll/floor runs. Variables: library, rows, runs.
\pset footer off
CREATE EXTENSION IF NOT EXISTS telemetry;
CREATE EXTENSION hll;
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
SET work_mem = '1GB';
SET enable_hashagg = off;

CREATE FUNCTION walk(regclass, integer, boolean) RETURNS bigint AS :'library' LANGUAGE C STRICT;
CREATE FUNCTION cpu() RETURNS float8 AS :'library' LANGUAGE C;
CREATE TABLE fact AS SELECT (i * 2654435761 % 3000)::int AS g, i * 7919 % 100000007 AS v
FROM generate_series(1::bigint, :rows) i;
CREATE TABLE fact_in_order AS SELECT g, v FROM fact ORDER BY g;
VACUUM (ANALYZE, FREEZE) fact, fact_in_order;

CREATE TABLE work (n serial, what text, query text, ms float8);
INSERT INTO work (what, query) VALUES
	('one group: rows by the access method, no executor', $$SELECT walk('fact', 0, false)$$),
	('one group: the same, and v added up', $$SELECT walk('fact', 2, false)$$),
	('one group: the same, and v into a sketch', $$SELECT walk('fact', 2, true)$$),
	('one group: count(*)', 'SELECT count(*) FROM fact'),
	('one group: count(v)', 'SELECT count(v) FROM fact'),
	('one group: postgresql-hll', 'SELECT # hll_add_agg(hll_hash_bigint(v), 14) FROM fact'),
	('one group: telemetry.hll', 'SELECT telemetry.approx_count_distinct(v) FROM fact'),
	('one group: count(DISTINCT v)', 'SELECT count(DISTINCT v) FROM fact');
INSERT INTO work (what, query) SELECT format(what, title), format(query, name)
FROM (VALUES ('sorted, rows in order', 'fact_in_order'), ('sorted, rows in any order', 'fact')) t(title, name),
	(VALUES (1, '%s: the sort alone', 'SELECT count(*) FROM (SELECT g, v FROM %s ORDER BY g OFFSET 0) x'),
	(2, '%s: count(v)', 'SELECT count(s) FROM (SELECT g, count(v) AS s FROM %s GROUP BY g) x'),
	(3, '%s: postgresql-hll', 'SELECT count(s) FROM (SELECT g, hll_add_agg(hll_hash_bigint(v), 11) AS s FROM %s GROUP BY g) x'),
	(4, '%s: telemetry.hll', 'SELECT count(s) FROM (SELECT g, telemetry.hll_agg(v, 11) AS s FROM %s GROUP BY g) x')
	) q(n, what, query) ORDER BY name DESC, n;

-- All in turn, so that what else the machine does hits all.
CREATE PROCEDURE measure(runs int) LANGUAGE plpgsql AS $$
DECLARE
	item record;
	began float8;
	took float8;
BEGIN
	FOR i IN 1 .. runs LOOP
		FOR item IN SELECT * FROM work ORDER BY n LOOP
			began := cpu();
			EXECUTE item.query;
			took := cpu() - began;
			UPDATE work SET ms = least(ms, took) WHERE n = item.n;
		END LOOP;
	END LOOP;
END $$;
CALL measure(:runs);
SELECT what, round(ms::numeric) AS "CPU time, ms" FROM work ORDER BY n;
