-- telemetry.sums: sums by key, their aggregates, and the views that keep them.
SET timezone = 'America/New_York';
SET datestyle = 'SQL, DMY';
SET client_min_messages = warning;
CREATE SCHEMA su;
SET search_path = su, telemetry, public;

-- The text depends on no setting; keys come in order, what comes twice is added up, what comes to nothing is not there.
CREATE TABLE t (s sums);
INSERT INTO t VALUES ('[]'), ('[{"key": "USD", "rows": 1, "total": 5}, {"key": "EUR", "rows": 2, "nulls": 1, "total": 1.50}, {"rows": 1, "total": -0.000001}]'),
	('[{"day": "2026-02-28", "key": "", "rows": 1, "total": 0}, {"day": "infinity", "rows": 3, "nan": 1, "infinity": 1, "-infinity": 1},
		{"day": "-infinity", "key": "\"ü\\\n", "rows": 1}, {"day": "0044-03-15 BC", "rows": 1000000000000000000}]'),
	('[{"key": "a", "rows": 1, "total": 1e-10}, {"key": "a", "rows": 1, "total": -1e-10}, {"key": "b", "rows": 1, "total": 2}, {"key": "b", "rows": -1, "total": -2}]'),
	('[{"key": "large", "rows": 1, "total": 123456789012345678901234567890123456789012345678901234567890.000000000000000000000001}, {"key": "k", "rows": 1, "total": 1e100}]');
SELECT s FROM t;
SELECT s::text::sums = s AS same, sums_total(s), sums_total(s, 'EUR'), sums_total(s, NULL), pg_column_size(s) FROM t;
SET datestyle = 'ISO, YMD';
SELECT u.* FROM t, unnest(t.s) AS u;
SELECT sums_between('[{"day": "2026-01-01", "rows": 1, "total": 1}, {"day": "2026-01-02", "key": "x", "rows": 1, "total": 2}, {"day": "2026-01-03", "rows": 1, "total": 4}, {"rows": 1, "total": 8}]', '2026-01-02', d)
FROM (VALUES (date '2026-01-01'), ('2026-01-02'), ('infinity')) v(d);
SELECT a + b, b + a, a - b, -b, (a + b) - b = a AS same, a - a FROM (VALUES ('[{"key": "x", "rows": 1, "total": 1.5}]'::sums, '[{"key": "x", "rows": 2, "nulls": 1, "total": 1.50}, {"rows": 1, "infinity": 1}]'::sums)) v(a, b);
-- How two differ, where as many rows went as came: by the amounts; without any, by nothing that is known.
SELECT d, sums_total(d), sums_total(d, 'x') AS x, sums_total(d, 'y') AS y, sums_total(d, 'z') AS z, u.* FROM
	(SELECT sum_by(k, a) FILTER (WHERE w = 2) - sum_by(k, a) FILTER (WHERE w = 1) AS d FROM (VALUES (2, 'x', 5), (1, 'x', 3), (2, 'y', 4), (1, 'y', 4), (2, 'z', NULL)) v(w, k, a)) t, unnest(t.d) AS u;
-- The order of values is that of their bytes; equal ones are equal.
SELECT count(DISTINCT s), count(*) FROM (SELECT s FROM t UNION ALL SELECT s + '[]' FROM t) u;
SELECT s FROM t ORDER BY s LIMIT 2;
SELECT encode(sums_send('[{"day": "2000-01-02", "key": "EUR", "rows": 2, "nulls": 1, "total": 1.50}]'), 'hex');

-- What is refused.
\set VERBOSITY terse
SELECT ''::sums;
SELECT '[{"key": "\u0000"}]'::sums;
\set VERBOSITY default
SELECT '{}'::sums;
SELECT '1'::sums;
SELECT '[1]'::sums;
SELECT '[[]]'::sums;
SELECT '[{"key": 1}]'::sums;
SELECT '[{"rows": "1"}]'::sums;
SELECT '[{"rows": 1.5}]'::sums;
SELECT '[{"rows": 9223372036854775808}]'::sums;
SELECT '[{"rows": 9223372036854775807}, {"rows": 1}]'::sums;
SELECT -'[{"rows": -9223372036854775808}]'::sums;
SELECT '[{"total": "NaN"}]'::sums;
SELECT '[{"row": 1}]'::sums;
SELECT '[{"day": {}}]'::sums;
\set VERBOSITY terse
SELECT '[{"day": "28/02/2026"}]'::sums;
\set VERBOSITY default
SELECT '[{"day": "2026-02-30"}]'::sums;
SELECT '[{"day": "today"}]'::sums;

-- Out to a client and back; bytes that are cut short or changed are an error, or another value that comes back.
\getenv builddir PG_ABS_BUILDDIR
\set file :builddir '/results/sums_type.bin'
COPY t TO :'file' (FORMAT binary);
CREATE TABLE copied (LIKE t);
COPY copied FROM :'file' (FORMAT binary);
TABLE copied EXCEPT ALL TABLE t;
CREATE TABLE raw (b bytea);
CREATE FUNCTION hostile(path text) RETURNS TABLE (outcome text, n bigint) LANGUAGE plpgsql AS $$
DECLARE good bytea; bad bytea; i int; bit int; refused int := 0; other int := 0;
BEGIN
	FOR good IN SELECT sums_send('[{"day": "2026-02-28", "key": "EUR", "rows": 2, "nulls": 1, "total": 1.5}]') LOOP
		FOR i IN 0 .. length(good) - 1 LOOP
			FOREACH bit IN ARRAY '{-1, 0, 4, 7}'::int[] LOOP
				bad := CASE WHEN bit < 0 THEN substr(good, 1, i) ELSE set_bit(good, i * 8 + bit, 1 - get_bit(good, i * 8 + bit)) END;
				DELETE FROM raw; DELETE FROM copied;
				INSERT INTO raw VALUES (bad);
				EXECUTE format('COPY raw TO %L (FORMAT binary)', path);
				BEGIN
					EXECUTE format('COPY copied FROM %L (FORMAT binary)', path);
					IF (SELECT s::text::sums <> s OR (s + s) - s <> s FROM copied) THEN
						RAISE EXCEPTION '% became %', bad, (SELECT s FROM copied);
					END IF;
					other := other + 1;
				EXCEPTION WHEN invalid_binary_representation OR protocol_violation OR numeric_value_out_of_range OR character_not_in_repertoire THEN
					refused := refused + 1;
				END;
			END LOOP;
		END LOOP;
	END LOOP;
	RETURN QUERY VALUES ('refused', refused::bigint), ('another value', other);
END $$;
SELECT * FROM hostile(:'file');
-- Keys go out in the client's encoding.
SET client_encoding = 'LATIN1';
COPY (SELECT '[{"key": "\u00fc", "rows": 1}]'::sums) TO :'file' (FORMAT binary);
TRUNCATE copied;
COPY copied FROM :'file' (FORMAT binary);
RESET client_encoding;
SELECT s FROM copied;

-- ---- against GROUP BY, whatever order and whoever aggregates -----------------------------------
CREATE TABLE e AS SELECT i, hashint4(i) & 7 AS p, date '2026-01-01' + (hashint4(i * 3) & 15) AS day, (ARRAY['EUR', 'USD', 'JPY', NULL])[1 + (hashint4(i * 5) & 3)] AS key,
	CASE WHEN i % 13 = 0 THEN NULL ELSE round(hashint4(i * 7) / 10000.0, hashint4(i) & 3) END AS amount FROM generate_series(1, 20000) i;
INSERT INTO e SELECT 0, 1, day, key, amount FROM (VALUES (NULL::date, NULL, 'NaN'::numeric), (NULL, 'EUR', NULL), ('infinity', 'USD', 'Infinity'), ('infinity', 'USD', '-Infinity'),
	('-infinity', 'USD', '-Infinity'), ('2026-01-01', 'EUR', 1e-30), ('2026-01-01', 'JPY', 1e50)) v(day, key, amount);
CREATE VIEW expected AS SELECT p, day, key, count(*) AS rows, count(amount), sum(amount) AS total FROM e GROUP BY 1, 2, 3;
CREATE FUNCTION differences(source text) RETURNS TABLE (keys bigint, differ bigint) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('WITH got AS MATERIALIZED (SELECT p, u.* FROM (%s) g(p, s), telemetry.unnest(g.s) u)
		SELECT (SELECT count(*) FROM got), count(*) FROM ((TABLE got EXCEPT ALL TABLE su.expected) UNION ALL (TABLE su.expected EXCEPT ALL TABLE got)) d', source);
END $$;
SELECT * FROM differences('SELECT p, sum_by(day, key, amount) FROM e GROUP BY p');
SELECT * FROM differences('SELECT p, sum_by(day, key, amount ORDER BY amount) FROM e GROUP BY p');
SELECT * FROM differences('SELECT p, sums_union_agg(s) FROM (SELECT p, sum_by(day, key, amount) FROM e GROUP BY p, i % 37) d(p, s) GROUP BY p');
SELECT count(*) FROM (SELECT key, count(*), count(amount), sum(amount) FROM e GROUP BY 1 EXCEPT ALL SELECT u.key, u.rows, u.count, u.total FROM (SELECT sum_by(key, amount) FROM e) g(s), unnest(g.s) u WHERE u.day IS NULL) d;
SELECT count(*) FROM (SELECT day, count(*), count(amount), sum(amount) FROM e GROUP BY 1 EXCEPT ALL SELECT u.day, u.rows, u.count, u.total FROM (SELECT sum_by(day, amount) FROM e) g(s), unnest(g.s) u WHERE u.key IS NULL) d;
-- Of the same rows, the same bytes.
SELECT count(DISTINCT s) FROM (SELECT sum_by(day, key, amount) FROM e UNION ALL SELECT sum_by(day, key, amount ORDER BY i DESC) FROM e
	UNION ALL SELECT sums_union_agg(s) FROM (SELECT sum_by(day, key, amount) FROM e GROUP BY i % 91) d(s)
	UNION ALL SELECT a - b FROM (SELECT sums_union_agg(s) FROM (SELECT sum_by(day, key, amount) FROM e UNION ALL SELECT sum_by(key, i * 1e-20) FROM e) d(s)) x(a), (SELECT sum_by(key, i * 1e-20) FROM e) y(b)) v(s);
SELECT sum_by(key, amount) FILTER (WHERE false), sums_union_agg(NULL) FROM e;
-- In parallel.
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
ALTER TABLE e SET (parallel_workers = 2);
CREATE FUNCTION parts(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP IF line LIKE '%Partial%' THEN RETURN true; END IF; END LOOP;
	RETURN false;
END $$;
SELECT parts('SELECT sum_by(day, key, amount) FROM e') AS parallel;
SELECT (SELECT sum_by(day, key, amount) FROM e) = sum_by(day, key, amount ORDER BY i) AS same FROM e;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size;
-- In a moving window: each row's value is that of its frame alone, and what was given out before stays as it was.
SELECT count(*), count(*) FILTER (WHERE s IS DISTINCT FROM (SELECT sum_by(key, amount) FROM e f WHERE f.p = 3 AND f.i BETWEEN w.i - 900 AND w.i))
FROM (SELECT i, sum_by(key, amount) OVER (ORDER BY i RANGE BETWEEN 900 PRECEDING AND CURRENT ROW) AS s FROM e WHERE p = 3 AND i <= 2500) w;
SELECT count(*), count(*) FILTER (WHERE s IS DISTINCT FROM (SELECT sum_by(key, amount) FROM e f WHERE f.p = 4 AND f.i <= w.i))
FROM (SELECT i, sum_by(key, amount) OVER (ORDER BY i) AS s FROM e WHERE p = 4 AND i <= 2500) w;

-- ---- kept by continuous views: what a player spent, and by the distance from his first day --------
CREATE TABLE fact (id int, p int, day date, key text, amount numeric);
CREATE MATERIALIZED VIEW player WITH (telemetry.continuous) AS
SELECT p, min(day) AS first, max(day) AS last, sum_by(day, key, amount) FILTER (WHERE amount IS DISTINCT FROM 0) AS spent FROM fact GROUP BY p;
CREATE MATERIALIZED VIEW half WITH (telemetry.continuous) AS SELECT p % 2 AS half, min(first) AS first, max(last) AS last, sums_union_agg(spent) AS spent FROM player GROUP BY 1;
CREATE MATERIALIZED VIEW cohort WITH (telemetry.continuous) AS
SELECT first, s.day - first AS age, s.key, sum(s.rows) AS rows, sum(s.total) AS total FROM player, LATERAL unnest(spent) AS s GROUP BY 1, 2, 3;
CREATE FUNCTION wrong() RETURNS TABLE (what text, n bigint) LANGUAGE sql AS $$
	SELECT 'player', count(*) FROM telemetry.verify('su.player') UNION ALL SELECT 'half', count(*) FROM telemetry.verify('su.half')
	UNION ALL SELECT 'cohort', count(*) FROM telemetry.verify('su.cohort') UNION ALL
	SELECT 'batch', count(*) FROM (SELECT first, day - first, key, count(*)::numeric, sum(amount) FROM fact JOIN (SELECT p, min(day) AS first FROM fact GROUP BY 1) x USING (p)
		WHERE amount IS DISTINCT FROM 0 GROUP BY 1, 2, 3 EXCEPT ALL SELECT first, age, key, rows, total FROM cohort) d $$;
INSERT INTO fact SELECT i, p, day, key, amount FROM e WHERE i % 2 = 0 AND i BETWEEN 1 AND 4000 AND day > '2026-01-03';
SELECT * FROM wrong();
-- late: a first day moves, and the money with it
INSERT INTO fact VALUES (20001, 3, '2025-12-31', NULL, 0);
SELECT first, sum(total) FROM cohort GROUP BY 1 ORDER BY 1;
SELECT * FROM wrong();
DELETE FROM fact WHERE id = 20001;
UPDATE fact SET amount = amount + 0.001, key = coalesce(key, 'was NULL') WHERE id % 3 = 0;
UPDATE fact SET day = day - 1 WHERE id % 100 = 0;
SELECT * FROM wrong();
DELETE FROM fact WHERE id % 5 = 0;
INSERT INTO fact SELECT i, p, day, key, amount FROM e WHERE i % 2 = 1 AND i < 4000;
SELECT * FROM wrong();
-- What came goes in the same transaction: it is no first day, though nothing less goes than came.
BEGIN;
INSERT INTO fact VALUES (20002, 2, '2020-01-01', 'EUR', 1), (20003, 2, '2030-01-01', 'EUR', 1);
DELETE FROM fact WHERE id IN (20002, 20003);
COMMIT;
SELECT * FROM wrong();
-- and where as little comes in another row
BEGIN;
INSERT INTO fact VALUES (20004, 2, '2020-01-01', 'EUR', 1), (20005, 2, '2020-01-01', 'EUR', NULL);
DELETE FROM fact WHERE id = 20004;
COMMIT;
SELECT first FROM player WHERE p = 2;
SELECT * FROM wrong();
UPDATE fact SET amount = 7 WHERE id = 20005;
SELECT * FROM wrong();
DELETE FROM fact;
SELECT * FROM wrong();
SELECT count(*) FROM cohort;

DROP SCHEMA su CASCADE;
