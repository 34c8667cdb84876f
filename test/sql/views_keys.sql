-- Groups that are computed anew after a DELETE, by keys of types whose names, equality or arrays are not those of most.
CREATE SCHEMA keys;
SET search_path = keys, public;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE pair AS (x int, y text);
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE t (id int, word citext, code char(5), bits bit(3), list int[], lists text[], twin pair, mood mood, name text COLLATE blind, n int);

CREATE MATERIALIZED VIEW v_word WITH (telemetry.continuous) AS SELECT word, min(n), max(n) FROM t GROUP BY 1;
CREATE MATERIALIZED VIEW v_code WITH (telemetry.continuous) AS SELECT code, min(n), max(n) FROM t GROUP BY 1;
CREATE MATERIALIZED VIEW v_bits WITH (telemetry.continuous) AS SELECT bits, min(n), max(n) FROM t GROUP BY 1;
CREATE MATERIALIZED VIEW v_list WITH (telemetry.continuous) AS SELECT list, min(n), max(n) FROM t GROUP BY 1;
CREATE MATERIALIZED VIEW v_lists WITH (telemetry.continuous) AS SELECT code, lists, mood, min(n), max(n) FROM t GROUP BY 1, 2, 3;
CREATE MATERIALIZED VIEW v_both WITH (telemetry.continuous) AS SELECT twin, mood, min(n), max(n) FROM t GROUP BY 1, 2;
CREATE MATERIALIZED VIEW v_name WITH (telemetry.continuous) AS SELECT name, min(n), max(n), count(DISTINCT code) AS codes FROM t GROUP BY 1;

INSERT INTO t SELECT i, (ARRAY['One', 'oNe', 'two'])[i % 3 + 1], (ARRAY['abc', 'abd', 'x'])[i % 3 + 1], (ARRAY[B'101', B'100', B'011'])[i % 3 + 1],
	(ARRAY['{1,2}', '{1,3}', '{}', NULL])[i % 4 + 1]::int[], (ARRAY['{a}', '{NULL}', '{a,b}'])[i % 3 + 1]::text[],
	ROW(i % 3, 'y')::pair, (ARRAY['sad', 'glad'])[i % 2 + 1]::mood, (ARRAY['One', 'oNe', 'two'])[i % 3 + 1], i FROM generate_series(1, 40) AS i;
DELETE FROM t WHERE id < 10 OR id > 33;
DELETE FROM t WHERE id IN (10, 33);
UPDATE t SET n = 20 WHERE id IN (11, 32);
SELECT lower(word::text) AS word, min, max FROM v_word ORDER BY 1;
SELECT * FROM v_code ORDER BY 1;
SELECT * FROM v_bits ORDER BY 1;
SELECT * FROM v_list ORDER BY 1;
SELECT lower(name) AS name, min, max, codes FROM v_name ORDER BY 1;
SELECT v, verified.* FROM unnest(ARRAY['v_word', 'v_code', 'v_bits', 'v_list', 'v_lists', 'v_both', 'v_name']::regclass[]) AS v, telemetry.verify(v) AS verified;

-- A view that keeps rows finds them by their text, in which a value of an enum has its name.
CREATE TABLE felt (id int, mood mood, moods mood[]);
CREATE MATERIALIZED VIEW rows WITH (telemetry.continuous) AS SELECT id, moods FROM felt;
CREATE MATERIALIZED VIEW others WITH (telemetry.continuous) AS SELECT id FROM felt;
CREATE MATERIALIZED VIEW groups WITH (telemetry.continuous) AS SELECT mood, count(*), count(DISTINCT moods) AS several FROM felt GROUP BY mood;
CREATE MATERIALIZED VIEW over WITH (telemetry.continuous) AS SELECT moods, count(*) FROM rows GROUP BY moods;
-- So has a sketch, which would count both names.
CREATE MATERIALIZED VIEW sketched WITH (telemetry.continuous) AS SELECT id, telemetry.approx_count_distinct(mood) AS n FROM felt GROUP BY id;
CREATE MATERIALIZED VIEW sketches WITH (telemetry.continuous) AS SELECT id, telemetry.hll_hash_agg(telemetry.hll_hash(moods)) AS n FROM felt GROUP BY id;
CREATE MATERIALIZED VIEW numbers WITH (telemetry.continuous) AS SELECT mood, telemetry.approx_count_distinct(id) AS n FROM felt GROUP BY mood;
INSERT INTO felt VALUES (1, 'sad', '{sad}'), (2, 'glad', '{sad}'), (3, 'sad', '{glad}');
ALTER TYPE mood ADD VALUE 'wild' BEFORE 'sad';
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
SELECT view, status, status_reason FROM telemetry.continuous_view WHERE target IN ('felt'::regclass, 'rows'::regclass) ORDER BY view::text;
DELETE FROM felt WHERE id = 1;
REFRESH MATERIALIZED VIEW rows;
REFRESH MATERIALIZED VIEW over;
REFRESH MATERIALIZED VIEW sketched;
REFRESH MATERIALIZED VIEW sketches;
INSERT INTO felt VALUES (3, 'blue', '{blue}'), (3, 'glad', '{blue}');
DELETE FROM felt WHERE id = 2;
SELECT * FROM rows;
SELECT * FROM sketched;
SELECT v, verified.* FROM unnest(ARRAY['rows', 'others', 'groups', 'over', 'sketched', 'sketches', 'numbers']::regclass[]) AS v, telemetry.verify(v) AS verified;

-- The schema of a type that a view keeps gets another name, after the session's first fold.
CREATE SCHEMA feelings;
CREATE TYPE feelings.mood AS ENUM ('low', 'high');
CREATE TABLE meant (id int, mood feelings.mood);
CREATE MATERIALIZED VIEW lowest WITH (telemetry.continuous) AS SELECT id, min(mood) FROM meant GROUP BY id;
INSERT INTO meant VALUES (1, 'low'), (1, 'low'), (1, 'high');
DELETE FROM meant WHERE ctid = '(0,1)';
ALTER SCHEMA feelings RENAME TO thoughts;
DELETE FROM meant WHERE mood = 'low';
TABLE lowest;
SELECT * FROM telemetry.verify('lowest');
DROP SCHEMA thoughts CASCADE;

-- Rows whose columns have names of ours: they are not looked for by them.
CREATE TABLE named (a int, b int) PARTITION BY LIST (a);
CREATE TABLE named_7 PARTITION OF named FOR VALUES IN (7);
CREATE MATERIALIZED VIEW as_ours WITH (telemetry.continuous) AS SELECT a AS _hash, b AS _partition, a + b AS key_hash FROM named;
INSERT INTO named VALUES (7, 1), (7, 2), (7, 3);
DELETE FROM named WHERE b = 2;
DROP TABLE named_7;
TABLE as_ours ORDER BY 1, 2;
SELECT * FROM telemetry.verify('as_ours');
DROP SCHEMA keys CASCADE;
