-- What a continuous view's statement may say, and all that is refused, with its place and what to do.
\set VERBOSITY default
SET client_min_messages = warning;
CREATE TABLE fact (id int PRIMARY KEY, g text, x int, p point, at timestamptz);
CREATE TABLE other (g text, name text);
INSERT INTO fact VALUES (1, 'a', 1, '(1,1)', '2025-01-01 12:00+00'), (2, 'b', 2, NULL, NULL);

-- refused: clauses
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS WITH w AS (SELECT 1) SELECT g, count(*) FROM fact GROUP BY g;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, rank() OVER (ORDER BY g) FROM fact;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, (SELECT max(name) FROM other) FROM fact;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM (SELECT * FROM fact) AS f;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT DISTINCT g FROM fact;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, count(*) FROM fact GROUP BY g ORDER BY count(*);
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, count(*) FROM fact GROUP BY g LIMIT 1;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g FROM fact UNION ALL SELECT g FROM other;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, count(*) FROM fact GROUP BY ROLLUP (g);
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT generate_series(1, x) FROM fact;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM fact TABLESAMPLE SYSTEM (10);
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g FROM fact FOR UPDATE;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT 1 AS one FROM fact HAVING true;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT 1 AS one;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM fact a JOIN fact b USING (id);
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM other RIGHT JOIN fact USING (g);
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM fact JOIN (SELECT g FROM other) AS o USING (g);
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT i FROM generate_series(1, 2) AS i;
SELECT 1 AS before\; CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM other AS o FULL JOIN fact USING (g)\; SELECT 2 AS behind;

-- refused: expressions
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, count(*) FROM fact WHERE at > now() GROUP BY g;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT date_trunc('day', at), count(*) FROM fact GROUP BY 1;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT at::date, count(*) FROM fact GROUP BY 1;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, sum(x * random()) FROM fact GROUP BY g;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT current_date AS d, count(*) FROM fact;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, current_user FROM fact;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM fact WHERE tableoid = 1;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(fact) FROM fact;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, string_agg(g, ',' ORDER BY id) FROM fact GROUP BY g;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, stddev(DISTINCT x) FROM fact GROUP BY g;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, array_agg(x) FROM fact GROUP BY g;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM fact GROUP BY g;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT id, g, count(*) FROM fact GROUP BY id;

-- refused: what it follows, and how it is kept
CREATE TEMP TABLE passing (x int);
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM passing;
CREATE UNLOGGED TABLE fleeting (x int);
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM fleeting;
CREATE TABLE heir () INHERITS (other);
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM other;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM heir;
CREATE VIEW plain AS SELECT * FROM fact;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM plain;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE far (x int) SERVER nowhere;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM far;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous, fillfactor = 50) AS SELECT count(*) FROM fact;
CREATE MATERIALIZED VIEW v (a, b) WITH (telemetry.continuous) AS SELECT count(*) FROM fact;

-- rights
CREATE ROLE views_user;
GRANT CREATE, USAGE ON SCHEMA public TO views_user;
SET ROLE views_user;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM fact;
RESET ROLE;
GRANT TRIGGER ON fact TO views_user;
SET ROLE views_user;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM fact;
RESET ROLE;
GRANT SELECT ON fact TO views_user;
ALTER TABLE fact ENABLE ROW LEVEL SECURITY;
SET ROLE views_user;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM fact;
RESET ROLE;
ALTER TABLE fact DISABLE ROW LEVEL SECURITY;

-- the statements
CREATE MATERIALIZED VIEW v (grp, n) WITH (telemetry.continuous) AS SELECT g, count(*), sum(x) FROM fact GROUP BY g;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT count(*) FROM fact;
CREATE MATERIALIZED VIEW IF NOT EXISTS v WITH (telemetry.continuous) AS SELECT count(*) FROM fact;
TABLE v ORDER BY 1;
COMMENT ON MATERIALIZED VIEW v IS 'what it says';
SELECT obj_description('v'::regclass);
CREATE OR REPLACE VIEW v AS SELECT 1;
ALTER MATERIALIZED VIEW v RENAME TO w;
ALTER MATERIALIZED VIEW w RENAME COLUMN n TO number;
CREATE SCHEMA elsewhere;
ALTER MATERIALIZED VIEW w SET SCHEMA elsewhere;
ALTER TABLE fact RENAME COLUMN x TO y;
ALTER TABLE fact RENAME TO facts;
ALTER TABLE facts SET SCHEMA elsewhere;
INSERT INTO elsewhere.facts VALUES (3, 'a', 10);
TABLE elsewhere.w ORDER BY 1;
SELECT * FROM telemetry.verify('elsewhere.w');
\set VERBOSITY terse
ALTER TABLE elsewhere.facts DROP COLUMN y;
ALTER TABLE elsewhere.facts ALTER COLUMN y TYPE bigint;
\set VERBOSITY default
GRANT USAGE ON SCHEMA elsewhere TO views_user;
ALTER MATERIALIZED VIEW elsewhere.w OWNER TO views_user;
INSERT INTO elsewhere.facts VALUES (4, 'b', 10);
DELETE FROM elsewhere.facts WHERE id = 1;
SELECT * FROM telemetry.verify('elsewhere.w');
CREATE INDEX ON elsewhere.w (grp);
CREATE UNIQUE INDEX ON elsewhere.w (grp);
REFRESH MATERIALIZED VIEW elsewhere.w;
TABLE elsewhere.w ORDER BY 1;
\set VERBOSITY terse
DROP TABLE elsewhere.facts;
DROP TABLE elsewhere.facts CASCADE;
SELECT count(*) FROM telemetry.continuous_view;

-- in a DO block, a function, a prepared statement
CREATE TABLE fact (id int, g text);
DO $$ BEGIN CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, count(*) FROM fact GROUP BY g; END $$;
CREATE FUNCTION make() RETURNS void LANGUAGE sql AS
'CREATE MATERIALIZED VIEW w WITH (telemetry.continuous) AS SELECT count(*) FROM fact';
SELECT make();
PREPARE put AS INSERT INTO fact VALUES ($1, $2);
EXECUTE put (1, NULL);
TABLE v;
TABLE w;
DROP MATERIALIZED VIEW v RESTRICT;
DROP MATERIALIZED VIEW IF EXISTS v, w CASCADE;

-- What inner savepoints gave is not counted twice where an outer DELETE makes verify() compute the group anew.
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, count(*), max(id) FROM fact GROUP BY g;
INSERT INTO fact VALUES (2, 'a'), (3, 'a');
BEGIN;
DELETE FROM fact WHERE id = 3;
SAVEPOINT inner_one;
INSERT INTO fact VALUES (9, 'a');
SELECT * FROM telemetry.verify('v');
COMMIT;
SELECT * FROM telemetry.verify('v');
TABLE v ORDER BY g;

-- What follows cannot be written: not by name, through another view, within WITH, prepared, or in a function.
CREATE VIEW over AS SELECT * FROM v WHERE count > 0;
INSERT INTO v VALUES ('b', 1, 1);
UPDATE v SET count = 0;
DELETE FROM v WHERE false;
INSERT INTO over VALUES ('b', 1, 1) ON CONFLICT DO NOTHING;
UPDATE over SET count = 0;
WITH gone AS (DELETE FROM over RETURNING *) SELECT * FROM gone;
PREPARE change AS UPDATE v SET count = $1;
EXECUTE change (1);
CREATE FUNCTION change() RETURNS void LANGUAGE sql BEGIN ATOMIC UPDATE v SET count = 0; END;
SELECT change();
-- A rule may lead to what it follows. Read by what writes elsewhere, it is a table as any other.
UPDATE other SET name = NULL FROM v WHERE v.count = 0;
INSERT INTO fact SELECT 10, g FROM v WHERE false;
CREATE RULE lead AS ON INSERT TO v DO INSTEAD INSERT INTO fact VALUES (NEW.max, NEW.g);
INSERT INTO v VALUES ('b', 1, 11);
DROP RULE lead ON v;
TABLE v ORDER BY g;
SELECT * FROM telemetry.verify('v');
CREATE MATERIALIZED VIEW misspelt WITH (telemetry.continuos) AS SELECT count(*) FROM fact;
\set VERBOSITY default
CREATE MATERIALIZED VIEW misplaced WITH (continuous) AS SELECT count(*) FROM fact;
CREATE VIEW misplaced WITH (telemetry.continuous) AS SELECT count(*) FROM fact;
CREATE TABLE misplaced WITH (telemetry.continuous) AS SELECT count(*) FROM fact;
\set VERBOSITY terse
CALL telemetry.build(NULL);
DROP FUNCTION change();
DROP VIEW over;

DROP TABLE fact, other, fleeting CASCADE;
DROP FOREIGN DATA WRAPPER nothing CASCADE;
DROP SCHEMA elsewhere CASCADE;
DROP FUNCTION make();
DROP OWNED BY views_user;
DROP ROLE views_user;
