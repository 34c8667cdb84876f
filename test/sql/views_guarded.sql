-- What would make a continuous view differ from its query behind its back is refused, or followed.
SET client_min_messages = warning;
CREATE SCHEMA guarded;
CREATE ROLE regress_maker NOLOGIN;
GRANT ALL ON SCHEMA guarded TO regress_maker;
SET search_path = guarded;
RESET client_min_messages;
CREATE TABLE fact (k int, x int, at timestamptz);
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT k, sum(x) AS total, max(x) AS top, count(*) AS n FROM fact GROUP BY k;

-- Our triggers are known by their names.
CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
ALTER TRIGGER telemetry_collect_insert ON fact RENAME TO mine;
CREATE OR REPLACE TRIGGER telemetry_collect_insert AFTER INSERT ON fact FOR EACH STATEMENT EXECUTE FUNCTION other();
CREATE OR REPLACE TRIGGER telemetry_collect_insert AFTER INSERT ON fact FOR EACH STATEMENT WHEN (false)
	EXECUTE FUNCTION telemetry._collect_changes();
CREATE TABLE unfollowed (k int);
CREATE TRIGGER telemetry_collect_insert AFTER INSERT ON unfollowed FOR EACH STATEMENT EXECUTE FUNCTION other();
CREATE TRIGGER mine AFTER INSERT ON unfollowed FOR EACH STATEMENT EXECUTE FUNCTION other();
ALTER TRIGGER mine ON unfollowed RENAME TO yours;

-- A view's query, and whose rights it is read with.
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO v DO INSTEAD SELECT 1 AS k, 2::bigint AS total, 3 AS top, 4::bigint AS n;
ALTER MATERIALIZED VIEW v SET (security_invoker = true);
ALTER VIEW v SET (security_invoker = false);

-- A partitioned table itself has no rows; another table may be named so.
CREATE TABLE parted (k int) PARTITION BY LIST (k);
CREATE MATERIALIZED VIEW p WITH (telemetry.continuous) AS SELECT k, count(*) FROM ONLY parted GROUP BY k;
CREATE MATERIALIZED VIEW o WITH (telemetry.continuous) AS SELECT k, count(*) FROM ONLY fact GROUP BY k;
CREATE MATERIALIZED VIEW c WITH (telemetry.continuous) AS SELECT k || '-', count(*) FROM fact GROUP BY 1;

CREATE MATERIALIZED VIEW c WITH (telemetry.continuous) AS SELECT ROW(k, x)::text, count(*) FROM fact GROUP BY 1;
CREATE MATERIALIZED VIEW c WITH (telemetry.continuous) AS SELECT at::date, count(*) FROM fact GROUP BY 1;
CREATE MATERIALIZED VIEW c WITH (telemetry.continuous) AS SELECT k, count(*) FROM fact WHERE at < now() GROUP BY 1;
CREATE MATERIALIZED VIEW c WITH (telemetry.continuous) AS SELECT random() < 0.5, count(*) FROM fact GROUP BY 1;

-- A view that is dropped in the replica role is gone, and its table can be written.
CREATE MATERIALIZED VIEW d WITH (telemetry.continuous) AS SELECT k, count(DISTINCT x) FROM fact GROUP BY k;
SELECT view_id AS id FROM telemetry._view WHERE view = 'd'::regclass \gset
SET session_replication_role = replica;
DROP MATERIALIZED VIEW d;
RESET session_replication_role;
INSERT INTO fact VALUES (1, 1, '2026-11-01 00:00Z'), (2, 5, '2026-11-02 00:00Z');
SELECT count(*) FROM pg_class WHERE relname LIKE 'v' || :id || '\_%' AND relnamespace = 'telemetry_state'::regnamespace;
-- So it is where our event trigger was switched off; the next drop clears up.
CREATE MATERIALIZED VIEW d WITH (telemetry.continuous) AS SELECT k, count(DISTINCT x) FROM fact GROUP BY k;
SELECT view_id AS id FROM telemetry._view WHERE view = 'd'::regclass \gset
BEGIN;
ALTER EVENT TRIGGER telemetry_after_drop DISABLE;
DROP MATERIALIZED VIEW d;
ALTER EVENT TRIGGER telemetry_after_drop ENABLE ALWAYS;
COMMIT;
INSERT INTO fact VALUES (1, 2, '2026-11-01 00:10Z');
SELECT count(*) > 0 AS is_left FROM pg_class WHERE relname LIKE 'v' || :id || '\_%' AND relnamespace = 'telemetry_state'::regnamespace;
DROP TABLE unfollowed;
SELECT count(*) FROM pg_class WHERE relname LIKE 'v' || :id || '\_%' AND relnamespace = 'telemetry_state'::regnamespace;
SELECT * FROM v ORDER BY k;
SELECT * FROM telemetry.verify('v');
DROP MATERIALIZED VIEW v, o;
DROP TABLE fact;

-- An index is made with the extension's rights, but by the user's own are literals read and tablespaces chosen.
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_private LOCATION '';
SET ROLE regress_maker;
CREATE TABLE fact (k int, x int, at timestamptz);
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT k, sum(x) AS total, max(x) AS top, count(*) AS n FROM fact GROUP BY k;
CREATE FUNCTION look(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN RAISE WARNING 'I am %', current_user; RETURN true; END $$;
CREATE DOMAIN seen AS text CHECK (guarded.look(VALUE));
CREATE TYPE pair AS (a seen, b int);
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE INDEX ON v ((k = 1 OR '(x,1)'::pair IS NULL));
\set VERBOSITY default
CREATE INDEX ON v (k) TABLESPACE regress_private;
SET default_tablespace = regress_private;
CREATE INDEX ON v (k);
RESET default_tablespace;
-- It is of the columns that the view shows, by the names that it has for them.
CREATE INDEX ON v (total);
CREATE INDEX ON v (nothing);
ALTER MATERIALIZED VIEW v RENAME COLUMN k TO key;
CREATE INDEX by_top ON v (top DESC, (key + 1)) INCLUDE (key) WHERE n > 1;
SELECT regexp_replace(indexdef, 'v\d+_', 'v_') AS by_top FROM pg_indexes WHERE indexname = 'by_top';
CREATE MATERIALIZED VIEW s WITH (telemetry.continuous) AS
SELECT k, min(at) AS began, count(*) AS n FROM fact GROUP BY k, telemetry.session_window(at, interval '1 hour');
CREATE INDEX by_began ON s (began);
SELECT indexname FROM pg_indexes WHERE indexname LIKE 'by\_%' ORDER BY 1;
DROP INDEX by_top, by_began;
SELECT indexname FROM pg_indexes WHERE indexname LIKE 'by\_%' ORDER BY 1;
DROP INDEX by_top;
DROP INDEX IF EXISTS by_top;
-- The name of the other table's index is cut between characters.
CREATE INDEX "xääääääääääääääääääääääääääääää" ON s (began);
SELECT convert_from(convert_to(indexname, 'UTF8'), 'UTF8') AS name FROM pg_indexes WHERE indexname LIKE 'xä%' ORDER BY 1;
DROP INDEX "xääääääääääääääääääääääääääääää";
INSERT INTO fact VALUES (1, 1, '2026-11-01 00:00Z'), (1, 2, '2026-11-01 00:10Z'), (2, 5, '2026-11-02 00:00Z');
SELECT * FROM v ORDER BY key;
RESET ROLE;
-- What is counted of views that are dropped gives its room to others.
SELECT count(*) > 0 AS counted FROM telemetry._view_counts();
DROP MATERIALIZED VIEW v, s;
SELECT count(*) AS left FROM telemetry._view_counts() AS c WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = c.view);
SET client_min_messages = warning;
DROP SCHEMA guarded CASCADE;
DROP TABLESPACE regress_private;
DROP ROLE regress_maker;

-- Rows are found again by what they show: by an object's number, not by the name that it has at the time.
CREATE SCHEMA guarded;
SET search_path = guarded;
RESET client_min_messages;
CREATE TABLE object (o regclass, a regtype[], n int);
CREATE TYPE named AS (o regclass, n int);
CREATE MATERIALIZED VIEW shown WITH (telemetry.continuous) AS SELECT o, a, n FROM object WHERE n > 0;
CREATE MATERIALIZED VIEW refused WITH (telemetry.continuous) AS SELECT ROW(o, n)::named AS pair FROM object;
CREATE TABLE before (k int);
CREATE TYPE type_before AS (k int);
INSERT INTO object VALUES ('before', '{type_before}', 1), ('before', '{type_before}', 1), ('before', NULL, 2), ('object', '{int}', 3);
ALTER TABLE before RENAME TO after;
ALTER TYPE type_before RENAME TO type_after;
DELETE FROM object WHERE n = 1;
UPDATE object SET n = n + 10;
SELECT * FROM shown ORDER BY n;
DROP TABLE after;
DELETE FROM object WHERE n = 12;
SELECT * FROM shown;
SELECT * FROM telemetry.verify('shown');

-- Later versions of PostgreSQL change what a column shows without a change of rows that anybody would be told of.
CREATE FUNCTION from_version(version int, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('server_version_num')::int / 10000 < version THEN RETURN 'refused'; END IF;
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN feature_not_supported THEN RETURN 'refused';
END $$;
CREATE TABLE generated (k int, twice int GENERATED ALWAYS AS (k * 2) STORED, thrice int GENERATED ALWAYS AS (k * 3) STORED);
CREATE MATERIALIZED VIEW of_generated WITH (telemetry.continuous) AS SELECT k, sum(twice) AS s FROM generated GROUP BY k;
INSERT INTO generated VALUES (1), (2);
SELECT from_version(17, 'ALTER TABLE generated ALTER COLUMN twice SET EXPRESSION AS (k * 20)');
SELECT from_version(17, 'ALTER TABLE generated ALTER COLUMN thrice SET EXPRESSION AS (k * 30)') =
	CASE WHEN current_setting('server_version_num')::int >= 170000 THEN 'done' ELSE 'refused' END AS allowed;
SELECT from_version(18, 'CREATE TABLE virtual (k int, twice int GENERATED ALWAYS AS (k * 2) VIRTUAL)') =
	CASE WHEN current_setting('server_version_num')::int >= 180000 THEN 'done' ELSE 'refused' END AS made;
SELECT from_version(18, 'CREATE MATERIALIZED VIEW of_virtual WITH (telemetry.continuous) AS SELECT twice, count(*) FROM virtual GROUP BY 1');
SELECT * FROM of_generated ORDER BY k;
SELECT * FROM telemetry.verify('of_generated');
-- Values that are read from XML and JSON, or written as JSON, by settings of the session.
CREATE TABLE document (at timestamptz, x xml, j jsonb);
CREATE MATERIALIZED VIEW read_times WITH (telemetry.continuous) AS
	SELECT p.at, count(*) FROM document AS d, XMLTABLE('/a/b' PASSING d.x COLUMNS at timestamptz) AS p GROUP BY p.at;
CREATE MATERIALIZED VIEW read_names WITH (telemetry.continuous) AS
	SELECT p.name, sum(p.n), max(p.list[1]) FROM document AS d, XMLTABLE('/a/b' PASSING d.x COLUMNS name text, n numeric, list int[]) AS p GROUP BY p.name;
SELECT from_version(major, 'CREATE MATERIALIZED VIEW of_json WITH (telemetry.continuous) AS SELECT ' || what || ' AS k, count(*) FROM document AS d GROUP BY 1')
FROM (VALUES (17, 'JSON_VALUE(j, ''$.at'' RETURNING timestamptz)'), (17, 'JSON_VALUE(j, ''$.on'' RETURNING date)'), (16, 'JSON_OBJECT(''at'': at RETURNING text)'),
	(16, 'JSON_ARRAY(1, at)::text'), (17, 'JSON_SCALAR(at)::text')) AS refused (major, what);
SELECT from_version(17, 'CREATE MATERIALIZED VIEW of_table WITH (telemetry.continuous) AS SELECT p.at, count(*) FROM document AS d, JSON_TABLE(d.j, ''$.all[*]'' COLUMNS (at timestamptz PATH ''$.at'')) AS p GROUP BY 1');
SELECT from_version(major, 'CREATE MATERIALIZED VIEW of_json_' || row_number() OVER () || ' WITH (telemetry.continuous) AS SELECT ' || what || ' AS k, count(*) FROM document AS d GROUP BY 1') =
	CASE WHEN current_setting('server_version_num')::int >= major * 10000 THEN 'done' ELSE 'refused' END AS allowed
FROM (VALUES (17, 'JSON_VALUE(j, ''$.n'' RETURNING numeric)'), (17, 'JSON_QUERY(j, ''$.list'' RETURNING jsonb)'), (16, 'JSON_OBJECT(''at'': at AT TIME ZONE ''UTC'', ''n'': 1.5 RETURNING jsonb)'), (17, 'JSON_EXISTS(j, ''$.n'')')) AS allowed (major, what);
-- Under another name nothing would be found, and views would stand still.
ALTER SCHEMA telemetry RENAME TO measured;
ALTER SCHEMA telemetry_state RENAME TO measured_state;
-- What an abbreviation of a time zone means is a setting: the view would hold what it meant to each who wrote. So are zones
-- that are none, which would be refused with the first row only. Rules say all by themselves.
CREATE MATERIALIZED VIEW zoned WITH (telemetry.continuous) AS SELECT (at AT TIME ZONE 'IST')::date AS day, count(*) FROM document GROUP BY 1;
CREATE MATERIALIZED VIEW zoned WITH (telemetry.continuous) AS SELECT date_trunc('day', at, 'Mars/Base') AS day, count(*) FROM document GROUP BY 1;
CREATE MATERIALIZED VIEW zoned WITH (telemetry.continuous) AS SELECT count(*) FILTER (WHERE timestamp '2026-11-01' AT TIME ZONE 'CEST' < at) FROM document;
CREATE MATERIALIZED VIEW zoned WITH (telemetry.continuous) AS
	SELECT w.window_start, count(*) FROM document, LATERAL telemetry.hop(at, '1 day', '1 day', zone => 'PDT') AS w GROUP BY 1;
CREATE MATERIALIZED VIEW zoned WITH (telemetry.continuous) AS
	SELECT (at AT TIME ZONE 'europe/berlin')::date AS day, (at AT TIME ZONE 'IST-5:30')::date AS other_day, date_trunc('day', at, 'UTC') AS midnight, count(*) FROM document GROUP BY 1, 2, 3;
-- What is published can be updated only with a replica identity, and FOR ALL TABLES publishes the state, too.
SET client_min_messages = error;
CREATE TABLE published (k int PRIMARY KEY, x text);
CREATE MATERIALIZED VIEW made_before WITH (telemetry.continuous) AS SELECT x, max(k), count(DISTINCT k) FROM published GROUP BY x;
-- Who reads the views does not wait for it.
BEGIN;
CREATE PUBLICATION regress_all FOR ALL TABLES;
SELECT DISTINCT mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE c.relkind = 'r' AND c.relnamespace = 'telemetry_state'::regnamespace AND pid = pg_backend_pid() AND mode LIKE '%Exclusive%' ORDER BY 1;
COMMIT;
SELECT DISTINCT c.relreplident FROM telemetry._view v JOIN pg_class c ON c.oid IN (v.state, v.expired);
CREATE MATERIALIZED VIEW made_after WITH (telemetry.continuous) AS SELECT x, max(k), count(DISTINCT k) FROM published GROUP BY x;
INSERT INTO published VALUES (1, 'a'), (2, 'b');
INSERT INTO published VALUES (3, 'a'), (4, 'c');
UPDATE published SET x = 'b' WHERE k = 1;
DELETE FROM published WHERE k = 2;
SELECT telemetry.suspend('published');
SELECT telemetry.resume('published');
SELECT * FROM made_before ORDER BY x;
SELECT * FROM telemetry.verify('made_before') UNION ALL SELECT * FROM telemetry.verify('made_after');
DROP PUBLICATION regress_all;
-- Parts of views, by their names.
CREATE VIEW parts AS SELECT v.view, format('%I.%I', 'telemetry_state', p.name) AS part, p.kind FROM telemetry.continuous_view v JOIN telemetry._view i ON i.view = v.view,
	LATERAL (VALUES ('TABLE', (SELECT relname FROM pg_class WHERE oid = i.state)), ('VIEW', (SELECT relname FROM pg_class WHERE oid = i.partial))) AS p (kind, name);
CREATE FUNCTION try(statement text) RETURNS TABLE (outcome text) LANGUAGE plpgsql AS $$
DECLARE r record; detail text; hint text;
BEGIN
	FOR r IN SELECT * FROM guarded.parts WHERE view = 'guarded.made_before'::regclass AND statement LIKE '%' || kind || '%' LOOP
		BEGIN
			EXECUTE format(statement, r.part);
			outcome := 'done';
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
			outcome := regexp_replace(SQLERRM, 'v\d+', 'vN') || ' | ' || detail || ' | ' || hint;
		END;
		RETURN NEXT;
	END LOOP;
END $$;
SELECT try('TRUNCATE TABLE %s');
SELECT try('ALTER TABLE %s SET SCHEMA guarded');
SELECT try('ALTER TABLE %s RENAME TO mine');
SELECT try('ALTER TABLE %s RENAME COLUMN x TO mine');
SELECT try('ALTER TABLE %s SET UNLOGGED');
SELECT try('ALTER TABLE %s FORCE ROW LEVEL SECURITY');
SELECT try('ALTER TABLE %s SET (fillfactor = 80)');
SELECT try('ALTER VIEW %s RENAME TO mine');
SELECT try('CREATE OR REPLACE VIEW %s AS SELECT 1');
EXPLAIN (COSTS off) CREATE MATERIALIZED VIEW analyzed WITH (telemetry.continuous) AS SELECT x, count(*) FROM published GROUP BY x;
EXPLAIN ANALYZE CREATE MATERIALIZED VIEW analyzed WITH (telemetry.continuous) AS SELECT x, count(*) FROM published GROUP BY x;
SET client_min_messages = warning;
DROP SCHEMA guarded CASCADE;
