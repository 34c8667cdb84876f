-- telemetry.hll: text and binary form, functions, operators, comparison.
SET search_path = telemetry, public;
SET extra_float_digits = 0;

-- The text form is readable and round-trips, in every form of a sketch.
SELECT hll_empty();
SELECT hll_agg(i) FROM generate_series(1, 3) i;
CREATE TEMP TABLE sketch AS
SELECT p, n, hll_agg(i, p) AS s
FROM unnest('{4,8,11,14,18}'::int[]) p, unnest('{0,1,3,50,400,3000}'::int[]) n
LEFT JOIN LATERAL generate_series(1, n) i ON true GROUP BY p, n;
SELECT count(*) AS sketches, count(*) FILTER (WHERE s::text::hll = s) AS round_trips,
	count(*) FILTER (WHERE left(s::text, 18) = format('hll/1;precision=%s', p)
		OR left(s::text, 17) = format('hll/1;precision=%s', p)) AS heads
FROM sketch;

-- Binary, by COPY.
\getenv builddir PG_ABS_BUILDDIR
\set file :builddir '/results/hll_type.bin'
COPY sketch TO :'file' (FORMAT binary);
CREATE TEMP TABLE copied (LIKE sketch);
COPY copied FROM :'file' (FORMAT binary);
SELECT count(*) FROM sketch JOIN copied USING (p, n) WHERE sketch.s = copied.s;

-- What it is made of. Estimates of small sets are exact.
SELECT p, n, (hll_info(s)).form, (hll_info(s)).stored, (hll_info(s)).bytes,
	round((hll_info(s)).cardinality) AS cardinality
FROM sketch WHERE p IN (4, 11, 14) ORDER BY p, n;
SELECT version, "precision", registers, register_bits, parameters, round(relative_error::numeric, 6) AS relative_error
FROM sketch, hll_info(s) WHERE p = 14 AND n IN (0, 3, 3000) ORDER BY n;
SELECT n, hll_error(s)::numeric(8,6), round(# s) FROM sketch WHERE p = 11 ORDER BY n;

-- Adding.
SELECT hll_add(hll_empty(), 'ann'::text) = hll_agg('ann'::text) AS same FROM generate_series(1, 1);
SELECT round(# (hll_empty() || 1 || 2 || 2 || 3)) AS three;
SELECT hll_add(s, 17) = s AS there_already, hll_add(s, NULL::int) = s AS null_adds_nothing,
	hll_add(NULL, 17) IS NULL AS of_nothing, hll_add(s, 99999) = s AS another
FROM sketch WHERE p = 14 AND n = 50;
SELECT hll_add_hash(hll_empty(), hll_hash(17)) = hll_add(hll_empty(), 17) AS same;

-- Union: commutative, associative, idempotent; the smaller precision wins, an empty set costs nothing.
SELECT bool_and(a.s || b.s = b.s || a.s) AS commutative, bool_and(a.s || a.s = a.s) AS idempotent,
	bool_and((hll_info(a.s || b.s))."precision" = CASE WHEN a.n = 0 AND b.n = 0 THEN greatest(a.p, b.p)
		WHEN a.n = 0 THEN b.p WHEN b.n = 0 THEN a.p ELSE least(a.p, b.p) END) AS precise
FROM sketch a, sketch b;
SELECT bool_and((a.s || b.s) || c.s = a.s || (b.s || c.s)) AS associative
FROM sketch a, sketch b, sketch c WHERE a.p + b.p + c.p < 35;
-- Also of empty sets with parameters of storage v1; what is not empty takes nothing from them.
WITH empty AS (SELECT hll_from_storage(v1) AS s FROM unnest('{"\\x118b7f","\\x118b40","\\x11847f","\\x116b7f","\\x11057f"}'::bytea[]) AS v1 UNION ALL SELECT s FROM sketch WHERE n IN (0, 50))
SELECT count(*) > 400 AS several, bool_and(a.s || b.s = b.s || a.s) AS commutative, bool_and((a.s || b.s) || c.s = a.s || (b.s || c.s)) AS associative,
	bool_and(a.s || b.s || c.s = (SELECT hll_union_agg(s) FROM unnest(ARRAY[c.s, b.s, a.s]) AS s)) AS as_aggregated
FROM empty a, empty b, empty c;
SELECT bool_and(hll_fold(b.s, a.p) = a.s) AS folding_is_building_there
FROM sketch a JOIN sketch b USING (n) WHERE a.p < b.p;
SELECT hll_fold(s, 18) = s AS unchanged FROM sketch WHERE p = 11 AND n = 400;
SELECT hll_union(NULL, hll_empty()) IS NULL AS strict;

-- A merge that changes nothing hands back the stored value: the row is not written anew.
CREATE TEMP TABLE kept AS SELECT hll_agg(i) AS s FROM generate_series(1, 30000) i;
UPDATE kept SET s = s || (SELECT hll_agg(i) FROM generate_series(1, 100) i);
SELECT round(# s) BETWEEN 29000 AND 31000 AS about_right FROM kept;

-- Intersection and similarity.
SELECT round(hll_intersection_cardinality(a, b)) AS both, hll_jaccard(a, b)::numeric(6,4) AS jaccard
FROM (SELECT hll_agg(i) FILTER (WHERE i <= 300) AS a, hll_agg(i) FILTER (WHERE i > 200) AS b
	FROM generate_series(1, 500) i) s;
SELECT abs(hll_intersection_cardinality(a, b) - 20000) < 2500 AS both, abs(hll_jaccard(a, b) - 0.25) < 0.03 AS jaccard
FROM (SELECT hll_agg(i) FILTER (WHERE i <= 50000) AS a, hll_agg(i, 12) FILTER (WHERE i > 30000) AS b
	FROM generate_series(1, 80000) i) s;
SELECT hll_intersection_cardinality(s, s) = # s AS itself, hll_jaccard(s, s) AS one FROM sketch WHERE p = 14 AND n = 3000;
SELECT hll_intersection_cardinality(hll_empty(), hll_empty()), hll_jaccard(hll_empty(), hll_empty());

-- Comparison: DISTINCT, EXCEPT, GROUP BY, by hash and by sort; indexes; joins.
SELECT count(DISTINCT s) FROM sketch;
SELECT count(*) FROM (SELECT s FROM sketch EXCEPT SELECT s FROM copied) x;
SET enable_hashagg = off;
SELECT count(*) FROM (SELECT s FROM sketch EXCEPT SELECT s FROM copied) x;
SELECT count(*) FROM (SELECT s FROM sketch GROUP BY s) x;
RESET enable_hashagg;
SELECT count(*) FROM (SELECT s FROM sketch GROUP BY s) x;
SET enable_nestloop = off; SET enable_mergejoin = off;
SELECT count(*) FROM sketch a JOIN copied b ON a.s = b.s;
RESET enable_mergejoin; SET enable_hashjoin = off;
SELECT count(*) FROM sketch a JOIN copied b ON a.s = b.s;
RESET enable_nestloop; RESET enable_hashjoin;
SELECT bool_and((a.s < b.s) = (b.s > a.s)), bool_and((a.s <= b.s) = (b.s >= a.s)), bool_and((a.s = b.s) <> (a.s <> b.s)),
	bool_and((a.s < b.s) = (a.s <= b.s AND a.s <> b.s))
FROM sketch a, sketch b;
CREATE TEMP TABLE parts (s hll) PARTITION BY HASH (s);
CREATE TEMP TABLE part0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TEMP TABLE part1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT s FROM sketch;
SELECT count(*) FROM parts;

-- Errors.
SELECT hll_empty(3);
SELECT hll_empty(19);
SELECT hll_agg(1, 3);
SELECT hll_agg(i, i) FROM generate_series(4, 5) i;
SELECT hll_agg(i, NULL) FROM generate_series(4, 5) i;
SELECT hll_fold(hll_empty(), 3);
SELECT ''::hll;
-- Of a long text the beginning is shown, in whole characters.
SELECT ('x' || repeat('ä', 150))::hll;
SELECT 'hll/2;precision=14;form=tokens;stored=0;\xf101ae8000'::hll;
SELECT 'hll/1;precision=14;form=tokens;stored=1;\xf101ae8000'::hll;
SELECT 'hll/1;precision=14;form=tokens;stored=0;\xF101AE8000'::hll;
SELECT 'hll/1;precision=14;form=tokens;stored=0;\xf101ae800'::hll;
SELECT 'hll/1;precision=14;form=tokens;stored=0;\xf101ae8001'::hll;
SELECT 'hll/1;precision=14;form=tokens;stored=0;\xf101ae800000'::hll;
SELECT 'hll/1;precision=14;form=tokens;stored=0;\xf201ae8000'::hll;
SELECT 'hll/1;precision=14;form=tokens;stored=0;\xf1'::hll;
SELECT 'hll/1;precision=31;form=tokens;stored=0;\xf101bf8000'::hll;
SELECT 'hll/1;precision=14;form=dense;\xf104ae80'::hll;
-- A binary value cut short.
COPY (SELECT '\xf101ae80'::bytea) TO :'file' (FORMAT binary);
CREATE TEMP TABLE one (s hll);
COPY one FROM :'file' (FORMAT binary);

-- Stored bytes that are damaged are an error wherever they are used, never a crash.
CREATE TABLE hll_damaged (id int, s bytea);
INSERT INTO hll_damaged SELECT 1, '\xf104ae8005';
INSERT INTO hll_damaged SELECT 2, '\xf101ae80ff';
INSERT INTO hll_damaged SELECT 3, '\xf104a48000' || '\xffffffffffffff'::bytea;
INSERT INTO hll_damaged SELECT 4, '\xf102ae7f00000000000000020000000000000001';
UPDATE pg_attribute SET atttypid = 'hll'::regtype WHERE attrelid = 'hll_damaged'::regclass AND attname = 's';
SELECT # s FROM hll_damaged WHERE id = 1;
SELECT hll_empty() || s FROM hll_damaged WHERE id = 1;
SELECT # s FROM hll_damaged WHERE id = 2;
SELECT s FROM hll_damaged WHERE id = 2;
SELECT # s FROM hll_damaged WHERE id = 3;
SELECT hll_union_agg(s) FROM hll_damaged WHERE id = 3;
SELECT hll_union_agg(s) FROM hll_damaged WHERE id = 4;
SELECT hll_info(s) FROM hll_damaged WHERE id = 4;
DROP TABLE hll_damaged;
