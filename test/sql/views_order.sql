-- Writers take the groups of a commit in one order, that of the keys: it is seen in where new groups lie.
CREATE TABLE kind (n int, types text, keys text, made text);
-- Types of the keys, and values of them for a number i.
INSERT INTO kind VALUES
(1, 'int', 'a', $$i$$),
(2, 'bigint', 'a', $$CASE i % 5 WHEN 0 THEN -9223372036854775808 WHEN 1 THEN 9223372036854775807 WHEN 2 THEN NULL ELSE i * 1000003::bigint END$$),
(3, 'smallint, boolean, date', 'a, b, c', $$i % 7 - 3, nullif(i % 3, 0) = 1, date '2026-01-01' + i % 100$$),
(4, 'text', 'a', $$'player-' || i$$),
(5, 'text', 'a', $$CASE WHEN i % 10 = 0 THEN '' WHEN i % 10 = 1 THEN NULL ELSE repeat(chr(64 + i % 61), i % 20) || (i % 7) END$$),
(6, 'text, timestamptz', 'a, b', $$'player-' || i % 200, date_trunc('day', timestamptz '2026-01-01 UTC' + i * interval '1 hour', 'UTC')$$),
(7, 'timestamptz, text', 'a, b', $$CASE i % 9 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' WHEN 2 THEN NULL ELSE timestamptz '2026-01-01 UTC' + i % 50 * interval '1 minute' END, 'p' || i % 300$$),
(8, 'uuid, int', 'a, b', $$md5((i % 500)::text)::uuid, i % 3$$),
(9, 'varchar, int, text', 'a, b, c', $$'Äpfel ' || i % 4, nullif(i % 5, 2) * -1, CASE i % 6 WHEN 3 THEN NULL ELSE 'x' || md5(i::text) END$$),
(10, 'numeric, text', 'a, b', $$(i % 50) / 4.0, 'p' || i % 30$$),
(11, 'text, numeric', 'a, b', $$'p' || i % 30, (i % 50) / 4.0$$),
(12, 'text, text', 'a, b', $$NULL::text, 'p' || i % 400$$),
(13, 'text, int', 'a, b', $$repeat('long', 600) || i % 20, i % 30$$),
(14, 'char(8), double precision', 'a, b', $$'p' || i % 30, (i % 40) / 8.0$$);

-- The rows come in no order; a quarter of them first, so that the rest meets groups that are there.
CREATE PROCEDURE try(number int, each kind) LANGUAGE plpgsql AS $$
DECLARE
	names text[] := string_to_array(each.keys, ', ');
	types text[] := string_to_array(each.types, ', ');
	state regclass;
	sorted text;
	lies text;
	wrong bigint;
BEGIN
	EXECUTE format('CREATE TABLE t (%s, x int)', (SELECT string_agg(name || ' ' || type, ', ') FROM unnest(names, types) AS u (name, type)));
	EXECUTE format('CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT %s, count(*) AS n, sum(x) AS x FROM t GROUP BY %1$s', each.keys);
	SELECT c.state INTO state FROM telemetry.continuous_view AS c WHERE view = 'v'::regclass;
	EXECUTE format('INSERT INTO t SELECT %s, i FROM generate_series(1, 2000) AS i WHERE i %% 4 = 0 ORDER BY md5(i::text)', each.made);
	COMMIT;
	sorted := (SELECT string_agg(name || CASE WHEN type IN ('text', 'varchar', 'char(8)') THEN ' COLLATE "C"' ELSE '' END, ', ')
		FROM unnest(names, types) AS u (name, type));
	EXECUTE format('SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY %s) AS a, row_number() OVER (ORDER BY ctid) AS b FROM %s) AS r WHERE a <> b',
		sorted, state) INTO wrong;
	EXECUTE format('INSERT INTO t SELECT %s, i FROM generate_series(1, 2000) AS i ORDER BY md5(i::text)', each.made);
	COMMIT;
	RAISE NOTICE '%: % groups out of order, % differ', number, wrong, (SELECT count(*) FROM telemetry.verify('v'));
	SET LOCAL client_min_messages = warning;
	DROP TABLE t CASCADE;
	COMMIT;
END $$;
CREATE PROCEDURE try_all() LANGUAGE plpgsql AS $$
DECLARE each kind;
BEGIN
	FOR each IN SELECT * FROM kind ORDER BY n LOOP
		CALL try(each.n, each);
	END LOOP;
END $$;
CALL try_all();
-- Where they do not fit into memory PostgreSQL sorts them, in the same order.
SET work_mem = '64kB';
SET maintenance_work_mem = '1MB';
CALL try_all();
RESET work_mem;
RESET maintenance_work_mem;
DROP PROCEDURE try_all;
DROP PROCEDURE try;
DROP TABLE kind;

-- What is looked up may come, and go, by the very statement that writes the rows.
CREATE TABLE member (id int PRIMARY KEY, name text);
CREATE TABLE fact (member_id int, x int);
CREATE MATERIALIZED VIEW by_member WITH (telemetry.continuous) AS
SELECT m.name, count(*) AS n, sum(x) FROM fact LEFT JOIN member AS m ON m.id = member_id GROUP BY 1;
CREATE MATERIALIZED VIEW of_members WITH (telemetry.continuous) AS SELECT name, x FROM fact JOIN member ON id = member_id;
WITH new AS (INSERT INTO member VALUES (1, 'a'), (2, 'b') RETURNING id) INSERT INTO fact SELECT id, 1 FROM new;
TABLE by_member ORDER BY 1;
SELECT v, count(d) FROM unnest('{by_member, of_members}'::regclass[]) AS v LEFT JOIN LATERAL telemetry.verify(v) AS d ON true GROUP BY v ORDER BY v::text;
WITH gone AS (DELETE FROM member WHERE id = 1 RETURNING id), new AS (INSERT INTO member VALUES (3, 'c'))
UPDATE fact SET member_id = 3 FROM gone WHERE member_id = gone.id;
WITH gone AS (DELETE FROM member WHERE id = 2 RETURNING id) DELETE FROM fact USING gone WHERE member_id = gone.id;
TABLE by_member ORDER BY 1;
SELECT v, count(d) FROM unnest('{by_member, of_members}'::regclass[]) AS v LEFT JOIN LATERAL telemetry.verify(v) AS d ON true GROUP BY v ORDER BY v::text;
SET client_min_messages = warning;
DROP TABLE fact, member CASCADE;
RESET client_min_messages;

-- Where a group lay when this session saw it last another one may lie by now, or nothing at all.
CREATE TABLE t (g text, x int);
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT g, count(*) AS n, max(x) AS x FROM t GROUP BY g;
SELECT state FROM telemetry.continuous_view WHERE view = 'v'::regclass \gset
INSERT INTO t VALUES ('a', 1), ('b', 2), ('c', 3), (NULL, 4);
INSERT INTO t VALUES ('a', 10), ('b', 20), ('c', 30), (NULL, 40);
DELETE FROM t WHERE g IN ('a', 'b');
VACUUM :state;
INSERT INTO t VALUES ('d', 5), ('e', 6), ('f', 1), ('g', 1), ('h', 1), ('i', 1);
INSERT INTO t VALUES ('a', 7), ('b', 8), ('c', 9), ('d', 10), ('e', 11), (NULL, 12);
SELECT * FROM v ORDER BY g;
TRUNCATE t;
VACUUM :state;
INSERT INTO t VALUES ('c', 1), ('a', 2);
INSERT INTO t VALUES ('c', 3), ('a', 4), ('b', 5);
-- Made anew from another place.
REFRESH MATERIALIZED VIEW v;
INSERT INTO t VALUES ('c', 6), ('a', 7), ('b', 8);
-- Undone: the place is that of a row that never was.
BEGIN;
SAVEPOINT s;
INSERT INTO t VALUES ('c', 100), ('z', 1);
SELECT count(*) FROM telemetry.verify('v');
ROLLBACK TO s;
INSERT INTO t VALUES ('c', 101), ('z', 2);
COMMIT;
SELECT * FROM v ORDER BY g;
SELECT count(*) FROM telemetry.verify('v');
-- So often that a page is pruned on the way.
DO $$ BEGIN FOR i IN 1 .. 400 LOOP
	INSERT INTO t VALUES ('a', i), ('c', i), (NULL, i), (repeat('n', i % 30), i);
	PERFORM telemetry.verify('v');
END LOOP; END $$;
SELECT count(*), sum(n) FROM v;
SELECT count(*) FROM telemetry.verify('v');
SET client_min_messages = warning;
DROP TABLE t CASCADE;
