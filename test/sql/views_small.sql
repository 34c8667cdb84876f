-- Statements of few rows: the executor of a view's query is kept from one to the next, and where no
-- code of users runs, settings are not pinned.
CREATE SCHEMA small;
SET search_path = small, public;
SET client_min_messages = warning;

CREATE FUNCTION executors() RETURNS bigint LANGUAGE sql AS
	$$ SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'telemetry kept executor' $$;

CREATE TABLE t (k text, n int, at timestamptz DEFAULT '2026-01-01 UTC');
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS
	SELECT k, date_trunc('day', at, 'UTC') AS day, count(*), sum(100 / n) AS shares, max(n),
		telemetry.approx_count_distinct(n) AS numbers
	FROM t WHERE n IS NOT NULL GROUP BY 1, 2;
CREATE MATERIALIZED VIEW v_all WITH (telemetry.continuous) AS SELECT count(*), min(k) FROM t;
CREATE MATERIALIZED VIEW v_rows WITH (telemetry.continuous) AS SELECT k, n FROM t WHERE n > 2;

-- The first makes the plan, the second the executor.
INSERT INTO t VALUES ('a', 1);
SELECT executors();
INSERT INTO t VALUES ('a', 2);
SELECT executors();
INSERT INTO t VALUES ('b', 3), ('a', 3), ('b', NULL), (NULL, 4);
-- None of these rows, where a hash table of the last ones may have been kept.
INSERT INTO t VALUES ('c', NULL);
INSERT INTO t SELECT 'd', i FROM generate_series(1, 40) AS i;
INSERT INTO t VALUES ('d', 50);
-- An error in the midst of it.
INSERT INTO t VALUES ('e', 0);
INSERT INTO t VALUES ('f', 1), ('e', 0);
INSERT INTO t VALUES ('e', 5);
BEGIN;
INSERT INTO t VALUES ('e', 6);
SAVEPOINT s;
INSERT INTO t VALUES ('e', 7);
INSERT INTO t VALUES ('e', 0);
ROLLBACK TO s;
INSERT INTO t VALUES ('e', 8);
COMMIT;
UPDATE t SET n = 9 WHERE n = 8;
DELETE FROM t WHERE n = 9;
SELECT * FROM v ORDER BY 1, 2;
SELECT * FROM v_all;
SELECT * FROM v_rows ORDER BY 1, 2 LIMIT 3;

-- What changes makes another.
ALTER TABLE t ADD COLUMN more text DEFAULT 'more';
INSERT INTO t VALUES ('g', 1);
ALTER TABLE t DROP COLUMN more;
INSERT INTO t VALUES ('g', 2);
CREATE INDEX ON v (k);
INSERT INTO t VALUES ('g', 3);
-- A column that was added later stands in no row that was there before.
ALTER TABLE t ADD COLUMN later int DEFAULT 5;
CREATE MATERIALIZED VIEW v_later WITH (telemetry.continuous) AS SELECT later, count(*), sum(later) FROM t GROUP BY 1;
UPDATE t SET later = 6 WHERE n = 5;
UPDATE t SET later = 6 WHERE n = 6;
UPDATE t SET later = 7 WHERE n = 7;
SELECT * FROM v_later ORDER BY 1;
SELECT * FROM telemetry.verify('v_later');
DROP VIEW v_later;
SELECT k, count, shares, max FROM v WHERE k = 'g';
SELECT (SELECT count(*) FROM telemetry.verify('v')) AS v, (SELECT count(*) FROM telemetry.verify('v_all')) AS v_all,
	(SELECT count(*) FROM telemetry.verify('v_rows')) AS v_rows;

-- Thousands of statements take no more memory than hundreds.
CREATE PROCEDURE write_rows(first int, last int) LANGUAGE plpgsql AS $$ BEGIN
	FOR i IN first .. last LOOP
		INSERT INTO small.t VALUES ('k' || i % 7, i, '2026-01-01 UTC'::timestamptz + i % 3 * interval '1 day');
		COMMIT;
	END LOOP; END $$;
CALL write_rows(1, 500);
SELECT sum(total_bytes) AS before FROM pg_backend_memory_contexts \gset
CALL write_rows(501, 3000);
SELECT sum(total_bytes) - :before < 50000 AS as_before FROM pg_backend_memory_contexts;
SELECT executors();
SELECT count(*) AS differ FROM telemetry.verify('v');

-- Of sessions: what their query groups by is more than what it shows.
CREATE TABLE e (player text, n int, at timestamptz);
CREATE MATERIALIZED VIEW visits WITH (telemetry.continuous) AS
	SELECT player, n % 1 AS game, min(at) AS began, max(at) AS ended, count(*), min(upper(player)) AS least, count(DISTINCT n) AS numbers
	FROM e GROUP BY player, n % 1, telemetry.session_window(at, '30 minutes');
SELECT executors() AS before \gset
DO $$ BEGIN
	FOR i IN 1 .. 300 LOOP
		INSERT INTO small.e VALUES (repeat('p', i % 5 * 50), i % 3, '2026-01-01 UTC'::timestamptz + i * interval '8 minutes'),
			(repeat('p', i % 7 * 20), i, '2026-01-01 UTC'::timestamptz + i * interval '1 minute');
	END LOOP; END $$;
SELECT executors() - :before AS executors;
SELECT count(*), sum(count) AS events, max(numbers) FROM visits;
SELECT count(*) AS differ FROM telemetry.verify('visits');

-- What is kept calls functions for each row, or once for all; reads a view for the views over it; sorts, and goes to files, which
-- end with the transaction. Statements of many rows and of few by turns, and errors in their midst.
CREATE TABLE stay (player text, began int, ended int);
CREATE MATERIALIZED VIEW by_player WITH (telemetry.continuous) AS
	SELECT player, min(began) AS began, max(ended) AS ended, count(*) FROM stay GROUP BY 1;
CREATE MATERIALIZED VIEW by_day WITH (telemetry.continuous) AS
	SELECT day, count(*) AS players, sum(100 / (50 - p.began)) AS shares
	FROM by_player AS p, LATERAL generate_series(p.began, p.ended) AS day GROUP BY 1;
CREATE MATERIALIZED VIEW by_end WITH (telemetry.continuous) AS
	SELECT CASE k WHEN 0 THEN s.began ELSE s.ended END AS day, k, count(*)
	FROM stay AS s CROSS JOIN unnest('{0,1}'::int[]) AS k GROUP BY 1, 2;
CREATE MATERIALIZED VIEW by_window WITH (telemetry.continuous) AS
	SELECT w.window_start, count(*) FROM stay AS s,
		LATERAL telemetry.hop(to_timestamp(s.began * 3600), '2 hours', '4 hours') AS w GROUP BY 1;
SET enable_hashagg = off;
CREATE MATERIALIZED VIEW by_text WITH (telemetry.continuous) AS SELECT repeat(player, 20) AS player, count(*) FROM stay GROUP BY 1;
INSERT INTO stay VALUES ('first', 1, 3);
RESET enable_hashagg;
SELECT executors() AS before \gset
INSERT INTO stay VALUES ('second', 2, 4), ('third', 2, 2);
INSERT INTO stay VALUES ('second', 1, 4);
SELECT executors() - :before AS executors;
SET work_mem = '64kB';
CREATE PROCEDURE stays(turns int, many int) LANGUAGE plpgsql AS $$ BEGIN
	FOR i IN 1 .. turns LOOP
		INSERT INTO small.stay SELECT 'player ' || n % 1500 || ' of many', n % 40 - i % 3, n % 40 + n % 3 FROM generate_series(i, many) AS n;
		COMMIT;
		INSERT INTO small.stay SELECT 'undone ' || n, 41, 49 FROM generate_series(1, 9) AS n;
		ROLLBACK;
		INSERT INTO small.stay VALUES ('second', i % 40, i % 40 + 1), ('fourth', 7, 5);
		COMMIT;
	END LOOP; END $$;
CALL stays(5, 1900);
SELECT sum(total_bytes) AS before FROM pg_backend_memory_contexts \gset
CALL stays(20, 1900);
SELECT sum(total_bytes) - :before < 500000 AS as_before FROM pg_backend_memory_contexts;
UPDATE stay SET ended = ended + 1 WHERE player LIKE 'player 1%';
DELETE FROM stay WHERE player LIKE 'player 2%';
INSERT INTO stay VALUES ('fifth', 50, 50);
INSERT INTO stay VALUES ('sixth', 48, 49);
RESET work_mem;
SELECT view, (SELECT count(*) FROM telemetry.verify(view::regclass)) AS differ FROM unnest('{by_player, by_day, by_end, by_window, by_text}'::text[]) AS view;
DROP TABLE stay CASCADE;

-- Functions, domains and operators of users run with pinned settings, whichever statement it is.
CREATE FUNCTION seen(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
	$$ BEGIN RETURN $1 || ' ' || current_setting('search_path'); END $$;
CREATE DOMAIN seen_text AS text CHECK (small.seen(VALUE) LIKE '% pg_catalog, pg_temp' OR VALUE = 'outside');
CREATE TABLE u (k text, x float8);
CREATE MATERIALIZED VIEW by_function WITH (telemetry.continuous) AS SELECT small.seen(k) AS k, count(*) FROM u GROUP BY 1;
CREATE MATERIALIZED VIEW by_domain WITH (telemetry.continuous) AS SELECT k::small.seen_text AS k, count(*) FROM u GROUP BY 1;
CREATE MATERIALIZED VIEW by_text WITH (telemetry.continuous) AS SELECT x::text AS x, count(*) FROM u GROUP BY 1;
CREATE MATERIALIZED VIEW by_k WITH (telemetry.continuous) AS SELECT k, count(*) FROM u GROUP BY 1;
CREATE MATERIALIZED VIEW by_name WITH (telemetry.continuous) AS
	SELECT quote_ident(k) AS name, xmlelement(name e, k::bytea)::text AS element, count(*) FROM u GROUP BY 1, 2;
SET extra_float_digits = -15; SET quote_all_identifiers = on; SET xmlbinary = hex;
INSERT INTO u VALUES ('one', 1.0 / 3);
INSERT INTO u VALUES ('two', 1.0 / 3);
INSERT INTO u VALUES ('two', 1.0 / 3);
RESET quote_all_identifiers;
-- An index of users' on a state that no function of theirs was called for.
CREATE FUNCTION pinned(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
	IF current_setting('search_path') <> 'pg_catalog, pg_temp' THEN RAISE EXCEPTION 'not pinned'; END IF; RETURN $1; END $$;
SET search_path = pg_catalog, pg_temp;
CREATE INDEX ON small.by_k (small.pinned(k));
SET search_path = small, public;
INSERT INTO u VALUES ('three', 1);
INSERT INTO u VALUES ('four', 1);
SELECT * FROM by_function ORDER BY 1;
SELECT * FROM by_domain ORDER BY 1;
SELECT * FROM by_text ORDER BY 1;
SELECT * FROM by_k ORDER BY 1;
INSERT INTO u VALUES ('two', 2);
SELECT * FROM by_name ORDER BY 1;
SELECT * FROM telemetry.verify('by_name');

-- Groups that are new time after time are not looked for: one that is there, which this session has not seen, is in the way
-- of its own insertion; one that it has seen is found. So in one statement as in many.
CREATE TABLE w (k text, n int);
CREATE MATERIALIZED VIEW by_w WITH (telemetry.continuous) AS SELECT k, count(*), sum(n) FROM w GROUP BY 1;
INSERT INTO w SELECT k, 1 FROM unnest('{a, d, f}'::text[]) AS k;
\c
SET search_path = small, public;
SET client_min_messages = warning;
DO $$ BEGIN FOR i IN 1 .. 40 LOOP INSERT INTO w VALUES ('b' || i, 1); COMMIT; END LOOP; END $$;
INSERT INTO w VALUES ('a', 2);
DO $$ BEGIN FOR i IN 1 .. 40 LOOP INSERT INTO w VALUES ('c' || i, 1); COMMIT; END LOOP; END $$;
INSERT INTO w SELECT k, 3 FROM unnest('{a, d, e}'::text[]) AS k;
INSERT INTO w SELECT 'e' || i, 1 FROM generate_series(1, 40) AS i;
INSERT INTO w SELECT k, 4 FROM unnest('{a, d, e, e1, f, g}'::text[]) AS k;
SELECT * FROM by_w WHERE length(k) = 1 ORDER BY 1;
SELECT count(*) AS groups, sum(count) AS events FROM by_w;
SELECT * FROM telemetry.verify('by_w');

-- As any CREATE MATERIALIZED VIEW, it tells of its rows.
DO $$
DECLARE
	n bigint;
BEGIN
	EXECUTE 'CREATE MATERIALIZED VIEW told WITH (telemetry.continuous) AS SELECT length(k), count(*) FROM w GROUP BY 1';
	GET DIAGNOSTICS n = ROW_COUNT;
	RAISE WARNING '% of % groups', n, (SELECT count(*) FROM told);
END $$;
DROP SCHEMA small CASCADE;
