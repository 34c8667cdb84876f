-- What the owner of a continuous view, and whoever only reads one, can try (docs/security.md).
SET client_min_messages = warning;
CREATE ROLE regress_writer NOLOGIN; CREATE ROLE regress_viewer NOLOGIN; CREATE ROLE regress_reader NOLOGIN;
CREATE SCHEMA vs; GRANT USAGE, CREATE ON SCHEMA vs TO regress_writer, regress_viewer; GRANT USAGE ON SCHEMA vs TO regress_reader;
CREATE SCHEMA vs_evil AUTHORIZATION regress_viewer; GRANT USAGE ON SCHEMA vs_evil TO PUBLIC;
SET ROLE regress_writer;
CREATE TABLE vs.fact (id int, kind text, amount numeric);
CREATE TABLE vs.secret (word text); INSERT INTO vs.secret VALUES ('sesame');
RESET ROLE;

-- Nothing at all without rights on the table.
SET ROLE regress_viewer;
CREATE MATERIALIZED VIEW vs.v WITH (telemetry.continuous) AS SELECT kind, count(*) AS n FROM vs.fact GROUP BY kind;
SET ROLE regress_writer; GRANT SELECT ON vs.fact TO regress_viewer; SET ROLE regress_viewer;
CREATE MATERIALIZED VIEW vs.v WITH (telemetry.continuous) AS SELECT kind, count(*) AS n FROM vs.fact GROUP BY kind;
SET ROLE regress_writer; GRANT TRIGGER ON vs.fact TO regress_viewer; SET ROLE regress_viewer;

-- Code of the view's owner, said to be immutable, runs when others write. It tries what it can.
CREATE TABLE vs_evil.seen (who text, what text, outcome text);
CREATE FUNCTION vs_evil.try(what text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE outcome text := 'done';
BEGIN
	BEGIN EXECUTE what; EXCEPTION WHEN OTHERS THEN outcome := SQLSTATE; END;
	INSERT INTO vs_evil.seen VALUES (current_user, what, outcome);
END $$;
CREATE FUNCTION vs_evil.look(kind text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF kind <> 'bait' THEN RETURN kind; END IF;
	PERFORM vs_evil.try('ALTER ROLE regress_viewer SUPERUSER'), vs_evil.try('RESET ROLE'), vs_evil.try('SET ROLE regress_writer'),
		vs_evil.try('SET SESSION AUTHORIZATION regress_writer'), vs_evil.try('SELECT word FROM vs.secret'), vs_evil.try('DROP TABLE vs.fact'),
		vs_evil.try('GRANT regress_writer TO regress_viewer'), vs_evil.try('CREATE TEMP TABLE left_behind ()'),
		vs_evil.try('DECLARE c CURSOR WITH HOLD FOR SELECT vs_evil.look(''x'')'), vs_evil.try('LISTEN later'),
		vs_evil.try('PREPARE later AS SELECT 1'), vs_evil.try('SET LOCAL search_path = vs_evil'),
		vs_evil.try('SELECT pg_catalog.set_config(''search_path'', ''vs_evil, pg_catalog'', false)'),
		vs_evil.try('SELECT pg_catalog.set_config(''statement_timeout'', ''1ms'', false)');
	RETURN kind;
END $$;
CREATE FUNCTION vs_evil.date_trunc(text, timestamptz, text) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$ SELECT 'epoch'::timestamptz $$;
CREATE FUNCTION vs_evil.always(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT true $$;
CREATE OPERATOR vs_evil.= (FUNCTION = vs_evil.always, LEFTARG = text, RIGHTARG = text);
CREATE MATERIALIZED VIEW vs.v WITH (telemetry.continuous) AS SELECT vs_evil.look(kind) AS kind, count(*) AS n, sum(amount) AS amount FROM vs.fact GROUP BY 1;
RESET ROLE;
SET SESSION AUTHORIZATION regress_writer;
SELECT session_user, current_user;
INSERT INTO vs.fact VALUES (1, 'bait', 1), (2, 'good', 2);
SELECT session_user, current_user;
SHOW search_path; SHOW statement_timeout;
RESET SESSION AUTHORIZATION;
SELECT DISTINCT who, what, outcome FROM vs_evil.seen ORDER BY 1, 2;
SELECT rolname, rolsuper FROM pg_roles WHERE rolname LIKE 'regress\_%er' AND rolsuper;
SELECT * FROM pg_cursors WHERE is_holdable; SELECT * FROM pg_listening_channels();
SELECT name FROM pg_prepared_statements;
SELECT relname FROM pg_class WHERE relname = 'left_behind';

-- A writer whose search_path is hostile, and one who has shadowed operators: the view means what it meant.
SET search_path = vs_evil, public;
INSERT INTO vs.fact VALUES (3, 'other', 3), (4, 'another', 4);
UPDATE vs.fact SET amount = 5 WHERE id OPERATOR(pg_catalog.=) 3; DELETE FROM vs.fact WHERE id OPERATOR(pg_catalog.=) 4;
RESET search_path;
SELECT * FROM vs.v ORDER BY 1;
SELECT * FROM telemetry.verify('vs.v');

-- Rights that are taken back: the writer goes on, the view does not, and says so.
SET ROLE regress_writer; REVOKE SELECT ON vs.fact FROM regress_viewer; RESET ROLE;
DISCARD PLANS;
INSERT INTO vs.fact VALUES (6, 'hidden', 6);
SELECT status, status_reason FROM telemetry.continuous_view WHERE view = 'vs.v'::regclass;
SELECT count(*) FROM vs.v WHERE kind = 'hidden';
SET ROLE regress_viewer;
REFRESH MATERIALIZED VIEW vs.v;
SET ROLE regress_writer; GRANT SELECT ON vs.fact TO regress_viewer;
-- Row-level security that comes later.
ALTER TABLE vs.fact ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON vs.fact TO regress_viewer USING (id < 3);
SET ROLE regress_viewer;
REFRESH MATERIALIZED VIEW vs.v;
REFRESH MATERIALIZED VIEW CONCURRENTLY vs.v;
CALL telemetry.build('vs.v');
SET ROLE regress_writer; ALTER TABLE vs.fact DISABLE ROW LEVEL SECURITY; SET ROLE regress_viewer;
REFRESH MATERIALIZED VIEW vs.v;
RESET ROLE;
SELECT status FROM telemetry.continuous_view WHERE view = 'vs.v'::regclass;
SELECT * FROM telemetry.verify('vs.v');

-- A view's own error is named, so that the table's owner knows whom to ask; he may drop what stands on his table.
SET ROLE regress_viewer;
CREATE MATERIALIZED VIEW vs.quotient WITH (telemetry.continuous) AS SELECT kind, sum(1 / amount) AS q FROM vs.fact GROUP BY kind;
SET ROLE regress_writer;
INSERT INTO vs.fact VALUES (7, 'zero', 0);
SELECT count(*) FROM vs.fact WHERE id = 7;

-- Who may only read a view may do nothing else, and sees neither its state nor the table.
SET ROLE regress_viewer; GRANT SELECT ON vs.v TO regress_reader;
SET ROLE regress_reader;
SELECT count(*) > 0 AS reads FROM vs.v;
SELECT * FROM vs.fact;
REFRESH MATERIALIZED VIEW vs.v;
DROP MATERIALIZED VIEW vs.v;
ALTER MATERIALIZED VIEW vs.v RENAME TO mine;
COMMENT ON MATERIALIZED VIEW vs.v IS 'mine';
INSERT INTO vs.v VALUES ('mine', 1, 1);
SELECT * FROM telemetry.verify('vs.v');
CALL telemetry.build('vs.v');
SELECT has_schema_privilege('telemetry_state', 'USAGE') AS state, count(*) AS readable_states
FROM pg_class c WHERE relnamespace = 'telemetry_state'::regnamespace AND relkind = 'r' AND has_table_privilege(c.oid, 'SELECT');
RESET ROLE;

DROP SCHEMA vs, vs_evil CASCADE;
DROP ROLE regress_writer, regress_viewer, regress_reader;
