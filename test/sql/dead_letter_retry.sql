-- retry_dead_letters(): which counters it moves, and what it leaves of the caller's transaction.
SET client_min_messages = warning;
CREATE ROLE retry_owner;
CREATE SCHEMA retry AUTHORIZATION retry_owner;
CREATE SERVER retry_nowhere FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '127.0.0.1:1');
GRANT USAGE ON FOREIGN SERVER retry_nowhere TO retry_owner;
SET ROLE retry_owner;
SET search_path = retry;
CREATE FOREIGN TABLE topic (id int, k int, at timestamptz) SERVER retry_nowhere OPTIONS (topic 'retry', format 'json');
CREATE TABLE known (k int PRIMARY KEY);
INSERT INTO known VALUES (1);
CREATE TABLE fact (id int, k int CONSTRAINT k_known REFERENCES known DEFERRABLE INITIALLY DEFERRED, at timestamptz);
CREATE TABLE once (id int PRIMARY KEY, k int, at timestamptz);
CREATE TABLE few (id int, k int, at timestamptz);
CREATE FUNCTION odd_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN NEW.id % 2 = 1 THEN NEW END; END $$;
CREATE TRIGGER odd BEFORE INSERT ON few FOR EACH ROW EXECUTE FUNCTION odd_only();
SELECT count(telemetry.create_pipeline('fact', 'topic', 'fact', paused => true, event_time_column => 'at', max_ahead => NULL)) AS made;
SELECT count(telemetry.create_pipeline('once', 'topic', 'once', paused => true, on_conflict => 'ignore')) AS made;
SELECT count(telemetry.create_pipeline('few', 'topic', 'few', paused => true)) AS made;
RESET ROLE;

-- as a worker leaves them: every letter has counted as dead
CREATE PROCEDURE letters(pipeline text, VARIADIC entries text[]) LANGUAGE sql AS $$
	INSERT INTO telemetry._dead_letter (pipeline_id, topic, partition, "offset", key, value, value_length, sqlstate, message)
	SELECT p.pipeline_id, 'retry', split_part(e, ' ', 1)::int, n, 'k', convert_to(v, 'UTF8'), length(v), '23503', 'bad'
	FROM telemetry.pipeline p, unnest(entries) WITH ORDINALITY u (e, n), nullif(substr(e, 3), '') v WHERE p.name = pipeline ORDER BY n;
	INSERT INTO telemetry.partition_offset AS o (pipeline_id, partition, next_offset, dead)
	SELECT pipeline_id, partition, 1000, count(*) FROM telemetry._dead_letter JOIN telemetry.pipeline p USING (pipeline_id)
	WHERE p.name = pipeline GROUP BY 1, 2 ON CONFLICT (pipeline_id, partition) DO UPDATE SET dead = excluded.dead;
$$;
CALL letters('fact', '0 {"id": 1, "k": 1, "at": "2026-01-02"}', '1 {"id": 2, "k": 1, "at": "2025-12-31"}', '0 {"id": 3, "k": 7}',
	'0 {"id": 4, "k": 1, "at": "infinity"}', '1 ', '2 {"id": "x"}');
CALL letters('once', '1 {"id": 1, "k": 1}', '0 {"id": 1, "k": 2}', '1 {"id": 1, "k": 3}', '1 {"id": 2, "k": 3}');
CALL letters('few', '0 {"id": 1}', '0 {"id": 2}', '3 {"id": 4}');
INSERT INTO telemetry.pipeline_watermark SELECT pipeline_id, '2026-01-01' FROM telemetry.pipeline WHERE name = 'fact';
CREATE VIEW counters AS
SELECT pipeline, partition, stored, duplicates, suppressed, skipped, dead, late, committed_offset FROM telemetry.stat_partition
WHERE pipeline IN ('fact', 'once', 'few') ORDER BY 1, 2;
TABLE counters;
SET ROLE retry_owner;
SELECT * FROM telemetry.retry_dead_letters('fact');
SELECT * FROM telemetry.retry_dead_letters('once');
SELECT * FROM telemetry.retry_dead_letters('few');
RESET ROLE;
TABLE counters;
SELECT p.name, count(d) = (SELECT sum(dead) FROM telemetry.partition_offset o WHERE o.pipeline_id = p.pipeline_id) AS dead_are_the_letters_left
FROM telemetry.pipeline p LEFT JOIN telemetry._dead_letter d USING (pipeline_id) WHERE p.name IN ('fact', 'once', 'few') GROUP BY p.pipeline_id, p.name ORDER BY 1;
SELECT id, k FROM fact ORDER BY id;
-- what failed again failed as dead letters do, and counts no second time
SELECT partition, sqlstate, constraint_name, column_name, retries FROM telemetry.dead_letter WHERE pipeline = 'fact' ORDER BY dead_letter_id;
SELECT * FROM telemetry.retry_dead_letters('fact');
SELECT * FROM counters WHERE pipeline = 'fact';
-- rolled back, nothing of it has happened
INSERT INTO known VALUES (7);
BEGIN;
SELECT * FROM telemetry.retry_dead_letters('fact');
SELECT * FROM counters WHERE pipeline = 'fact' AND partition = 0;
ROLLBACK;
SELECT * FROM counters WHERE pipeline = 'fact' AND partition = 0;

-- SET CONSTRAINTS is the caller's: what is deferred stays so, what he set otherwise as well
CREATE TABLE later (id int CONSTRAINT later_id UNIQUE DEFERRABLE INITIALLY DEFERRED, n int CONSTRAINT later_n UNIQUE DEFERRABLE);
BEGIN;
SELECT * FROM telemetry.retry_dead_letters('fact');
INSERT INTO later VALUES (1, 1), (1, 2);
UPDATE later SET id = n;
COMMIT;
BEGIN;
SET CONSTRAINTS later_id IMMEDIATE;
SET CONSTRAINTS later_n DEFERRED;
SELECT * FROM telemetry.retry_dead_letters('fact');
INSERT INTO later VALUES (3, 1);
UPDATE later SET n = 3 WHERE id = 3;
SAVEPOINT s;
INSERT INTO later VALUES (1, 4);
ROLLBACK TO s;
COMMIT;
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
SAVEPOINT s;
SELECT * FROM telemetry.retry_dead_letters('fact');
RELEASE s;
INSERT INTO later VALUES (1, 1);
COMMIT;
TABLE later;
-- and so are his unchecked constraints: they are not for the pipeline's owner to check
BEGIN;
INSERT INTO later VALUES (1, 5);
SAVEPOINT s;
SELECT * FROM telemetry.retry_dead_letters('fact');
ROLLBACK TO s;
UPDATE later SET id = 5 WHERE n = 5;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT * FROM telemetry.retry_dead_letters('fact');
COMMIT;

-- an error that is not a row's fault leaves the transaction as it was, also to one who catches it
SET ROLE retry_owner;
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full; END $$;
CREATE TRIGGER full_disk AFTER INSERT ON fact EXECUTE FUNCTION full_disk();
RESET ROLE;
CALL letters('fact', '0 {"id": 9, "k": 1}');
DO $$
BEGIN
	INSERT INTO later VALUES (8, 8);
	SET CONSTRAINTS ALL IMMEDIATE;
	SET CONSTRAINTS ALL DEFERRED;
	BEGIN
		PERFORM telemetry.retry_dead_letters('fact');
	EXCEPTION WHEN disk_full THEN
		INSERT INTO later VALUES (8, 9);
		UPDATE later SET id = 9 WHERE n = 9;
	END;
END $$;
SELECT * FROM later WHERE id > 5 ORDER BY 1;
SELECT retries FROM telemetry.dead_letter WHERE pipeline = 'fact' AND "offset" = 1 AND partition = 0;

-- nor does it leave a plan behind, which the executor's path keeps
SET ROLE retry_owner;
CREATE TRIGGER full_disk AFTER INSERT ON few EXECUTE FUNCTION full_disk();
RESET ROLE;
CALL letters('few', '0 {"id": 1}');
SELECT * FROM telemetry.retry_dead_letters('few');
SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'CachedPlanSource' AND ident LIKE 'INSERT INTO %telemetry_batch%';

-- large ones are taken by as many bytes as a batch has: 9, 9 and 2
SET ROLE retry_owner;
CREATE TABLE large (id int, k int, at timestamptz);
CREATE SEQUENCE taken;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('retry.taken'); RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT ON large EXECUTE FUNCTION note();
SELECT count(telemetry.create_pipeline('large', 'topic', 'large', paused => true)) AS made;
RESET ROLE;
DO $$
DECLARE twenty text[] := array_fill('0 {"id": 1, "pad": "' || repeat('x', 2000000) || '"}', '{20}');
BEGIN
	CALL letters('large', VARIADIC twenty);
END $$;
SELECT * FROM telemetry.retry_dead_letters('large');
SELECT last_value AS times, (SELECT count(*) FROM large), current_setting('telemetry.batch_memory') FROM taken;

-- to be read by people, whatever the bytes are
CALL letters('large', '0 x');
UPDATE telemetry._dead_letter SET value = v.bytes FROM telemetry.pipeline p,
	(VALUES (convert_to(E'{"a":\t"Grüße 👋"}\r\n', 'UTF8') || '\xff00c37f5c'::bytea)) v (bytes)
WHERE _dead_letter.pipeline_id = p.pipeline_id AND p.name = 'large' AND value = 'x';
SELECT to_json(value_text) FROM telemetry.dead_letter WHERE pipeline = 'large' AND value_text LIKE '{"a"%';
UPDATE telemetry._dead_letter SET value = repeat('ab', 1000000)::bytea FROM telemetry.pipeline p
WHERE _dead_letter.pipeline_id = p.pipeline_id AND p.name = 'large' AND length(value) < 100;
SELECT length(value_text), right(value_text, 6) FROM telemetry.dead_letter WHERE pipeline = 'large' AND length(value) = 2000000 AND value_text LIKE 'aba%';

SELECT count(telemetry.drop_pipeline(name)) AS dropped FROM telemetry.pipeline WHERE name IN ('fact', 'once', 'few', 'large');
DROP SCHEMA retry CASCADE;
DROP SERVER retry_nowhere CASCADE;
DROP ROLE retry_owner;
