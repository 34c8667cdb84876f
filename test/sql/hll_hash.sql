-- How SQL values are hashed. The vectors are stored in sketches: they must never change.
SET search_path = telemetry, public;

-- As postgresql-hll's hll_hash_boolean, _smallint, _integer, _bigint, _bytea, _text do.
SELECT hll_hash(false) AS bool_f, hll_hash(true) AS bool_t, hll_hash(1::smallint) AS int2, hll_hash(-1::smallint) AS int2_minus;
SELECT hll_hash(1) AS int4, hll_hash(-1) AS int4_minus, hll_hash(1::bigint) AS int8, hll_hash(-1::bigint) AS int8_minus;
SELECT hll_hash('\x'::bytea) AS bytea_empty, hll_hash('\x0001ff'::bytea) AS bytea, hll_hash(''::text) AS text_empty;
SELECT hll_hash('ann'::text) AS text, hll_hash('ann'::varchar(9)) AS varchar, hll_hash('ann'::char(9)) AS bpchar,
	hll_hash('ann'::name) AS name;
SELECT hll_hash('f47ac10b-58cc-4372-a567-0e02b2c3d479'::text) AS uuid_text,
	hll_hash('f47ac10b-58cc-4372-a567-0e02b2c3d479'::uuid) AS uuid;
SELECT hll_hash('a'::"char") AS "char", hll_hash(17::oid) AS oid, hll_hash('2026-11-21'::date) AS date;
SELECT hll_hash('04:05:06'::time) AS time, hll_hash('2026-11-21 04:05:06'::timestamp) AS timestamp,
	hll_hash('2026-11-21 04:05:06+00'::timestamptz) AS timestamptz;

-- Through the type's own extended hash function.
SELECT hll_hash(1.5::numeric) AS numeric, hll_hash(1.5::float8) AS float8, hll_hash(1.5::float4) AS float4;
SELECT hll_hash('{"a": 1}'::jsonb) AS jsonb, hll_hash('{1,2}'::int[]) AS int_array, hll_hash(ROW(1, 'a'::text)) AS record;
SELECT hll_hash('1 day'::interval) AS interval, hll_hash('10.0.0.1'::inet) AS inet, hll_hash('[1,3)'::int4range) AS range;

-- Values that are equal in SQL count once.
SELECT approx_count_distinct(v) AS numeric FROM (VALUES (1.0), (1.00), (1), (1e0), (10e-1)) t(v);
SELECT approx_count_distinct(v) AS float8 FROM (VALUES (0.0::float8), ('-0.0'), ('NaN'), ('NaN')) t(v);
SELECT approx_count_distinct(v) AS float4 FROM (VALUES (0.0::float4), ('-0.0')) t(v);
SELECT approx_count_distinct(v) AS bpchar FROM (VALUES ('a'::char(3)), ('a '), ('a  ')) t(v);
SELECT approx_count_distinct(v) AS jsonb FROM (VALUES ('{"a":1,"b":2}'::jsonb), ('{"b":2, "a":1.0}')) t(v);
SELECT approx_count_distinct(v) AS interval FROM (VALUES ('1 day'::interval), ('24 hours'), ('1440 min')) t(v);
SELECT approx_count_distinct(v) AS arrays FROM (VALUES ('{1.0,2}'::numeric[]), ('{1,2.0}')) t(v);
SELECT approx_count_distinct(v) AS records FROM (VALUES (ROW(1.0, 0::float8)), (ROW(1.00, '-0'::float8))) t(v);
SELECT approx_count_distinct(v) AS timestamptz
FROM (VALUES ('2026-11-21 04:00+00'::timestamptz), ('2026-11-21 05:00+01')) t(v);
SELECT approx_count_distinct(v) AS distinct_ FROM (VALUES ('a'::text), ('A'), ('a '), (''), (NULL)) t(v);

-- Collations under which different bytes are equal.
CREATE COLLATION hll_ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SELECT approx_count_distinct(v COLLATE hll_ignore_case) AS one, approx_count_distinct(v COLLATE "C") AS three
FROM (VALUES ('Ann'), ('ANN'), ('ann')) t(v);
SELECT approx_count_distinct(v::char(5) COLLATE hll_ignore_case) AS one FROM (VALUES ('Ann'), ('ANN '), ('ann')) t(v);
SELECT # (hll_empty() || ('Ann'::text COLLATE hll_ignore_case) || ('ann'::text COLLATE hll_ignore_case)) < 1.5 AS one;
DROP COLLATION hll_ignore_case;
CREATE EXTENSION citext SCHEMA public;
SELECT approx_count_distinct(v) AS citext FROM (VALUES ('Ann'::citext), ('ANN'), ('ann')) t(v);
DROP EXTENSION citext;

-- Domains as their base type; enums by label, since their OIDs are another database's secret.
CREATE DOMAIN hll_player AS text CHECK (VALUE <> '');
CREATE TYPE hll_action AS ENUM ('login', 'purchase');
SELECT hll_hash('ann'::hll_player) = hll_hash('ann'::text) AS domain, hll_hash('login'::hll_action) = hll_hash('login'::text) AS enum;
SELECT approx_count_distinct(v) AS enums FROM (VALUES ('login'::hll_action), ('purchase'), ('login')) t(v);
-- So are enums in arrays and rows: those of another type, with other OIDs, hash the same.
CREATE TYPE hll_other AS ENUM ('never', 'purchase', 'login');
CREATE DOMAIN hll_chosen AS hll_action;
CREATE TABLE hll_done (gone int, who text, what hll_action, list hll_action[]);
ALTER TABLE hll_done DROP COLUMN gone;
CREATE TYPE hll_pair AS (who text, what hll_other, list hll_other[]);
SELECT hll_hash('{login,NULL,purchase}'::hll_action[]) = hll_hash('{login,NULL,purchase}'::hll_other[]) AS arrays,
	hll_hash('{login}'::hll_action[]) = hll_hash('{login}'::hll_chosen[]) AS domains,
	hll_hash('{login,purchase}'::hll_action[]) = hll_hash('{purchase,login}'::hll_other[]) AS turned,
	hll_hash(ROW('ann'::text, 'login'::hll_action)) = hll_hash(ROW('ann'::text, 'login'::hll_other)) AS rows,
	hll_hash('(ann,login,{purchase})'::hll_done) = hll_hash('(ann,login,{purchase})'::hll_pair) AS types,
	hll_hash(ARRAY['(ann,login,{purchase})'::hll_done]) = hll_hash(ARRAY['(ann,login,{purchase})'::hll_pair]) AS nested,
	hll_hash(ROW('(ann,,)'::hll_done, 1)) = hll_hash(ROW('(ann,,)'::hll_pair, 1)) AS of_rows;
SELECT v, hll_hash(v::hll_action[]) FROM (VALUES ('{}'), ('{login}'), ('{login,purchase}'), ('{NULL}')) t(v);
SELECT hll_hash(ROW('ann'::text, 'login'::hll_action)), hll_hash(ROW('ann'::text, 1)), hll_hash('(ann,login,{purchase})'::hll_done);
SELECT approx_count_distinct(ROW(i % 3, CASE WHEN i % 2 = 0 THEN 'login'::hll_action END)) AS six, approx_count_distinct(ARRAY[i % 3 = 0, NULL]) AS two FROM generate_series(1, 60) AS i;
-- One expression, rows of several types.
SELECT count(DISTINCT hll_hash(v)) AS four, count(*) AS eight FROM (SELECT CASE WHEN i % 2 = 0 THEN ROW('ann'::text, 'login'::hll_action, i % 4) ELSE ROW(i % 4, 'login'::text, true) END AS v FROM generate_series(1, 8) AS i) t;
CREATE TYPE hll_actions AS RANGE (subtype = hll_action);
SELECT hll_hash('[login,purchase]'::hll_actions);
SELECT approx_count_distinct(v) FROM (VALUES (ARRAY['[login,purchase]'::hll_actions])) t(v);
DROP TABLE hll_done;
DROP TYPE hll_pair, hll_actions, hll_other;
DROP DOMAIN hll_player, hll_chosen;
DROP TYPE hll_action;

-- Long values, compressed and out of line.
SELECT approx_count_distinct(v) AS two FROM (SELECT repeat('x', 100000) || (i % 2) AS v FROM generate_series(1, 6) i) t;

-- Types that cannot be hashed.
SELECT hll_hash('{}'::json);
SELECT approx_count_distinct(point(1, 2));
SELECT hll_hash(NULL::text) IS NULL AS strict;
SELECT hll_hash(a || b) FROM (SELECT 'x'::text COLLATE "C" AS a, 'y'::text COLLATE "POSIX" AS b) v;
SELECT hll_hash(ROW(1, '{}'::json));
