-- telemetry.float8_moments: variance and regression, against exact arithmetic by numeric and against
-- PostgreSQL's own aggregates.
SET search_path = telemetry, public;
CREATE TABLE pair AS
SELECT i, i % 7 AS g, xm * 0.0000152587890625 + far AS xn, ym * 0.0000152587890625 + far AS yn,
	(xm * 0.0000152587890625 + far)::float8 AS x, (ym * 0.0000152587890625 + far)::float8 AS y
FROM (SELECT i, (hashint8extended(i, 1) % 100000)::numeric AS xm, (hashint8extended(i, 2) % 50000 + i)::numeric AS ym,
		-- Group 6 lies far from zero: its variance is all cancellation.
		CASE WHEN i % 7 = 6 THEN 100000000000 ELSE 0 END AS far
	FROM generate_series(1::bigint, 7000) i) v;

-- The text form is readable and round-trips.
SELECT float8_moments_agg(x) FROM (VALUES (0.5::float8), (-3), (10)) v (x);
SELECT float8_moments_agg(y, x) FROM (VALUES (0.5::float8, 1::float8), (-3, 'NaN'), ('-Infinity', 4), (NULL, 1), (7, NULL)) v (y, x);
SELECT float8_moments_agg(NULL), float8_moments_agg(NULL, NULL), -float8_moments_agg(2.0);
SELECT 'float8_moments/1;n=1;x=0x1p0'::float8_moments;
\getenv builddir PG_ABS_BUILDDIR
\set file :builddir '/results/float_moments.bin'
CREATE TABLE moments AS SELECT g, float8_moments_agg(x) AS one, float8_moments_agg(y, x) AS two FROM pair GROUP BY g;
COPY moments TO :'file' (FORMAT binary);
CREATE TABLE moments_copied (LIKE moments);
COPY moments_copied FROM :'file' (FORMAT binary);
SELECT count(*) FROM moments JOIN moments_copied AS c USING (g)
WHERE moments.one = c.one AND moments.two = c.two AND c.one::text::float8_moments = c.one AND c.two::text::float8_moments = c.two;
SELECT * FROM moments EXCEPT SELECT * FROM moments_copied;
SELECT max(octet_length(float8_moments_send(one))) AS one, max(octet_length(float8_moments_send(two))) AS two FROM moments;
COPY (SELECT substr(float8_moments_send(two), 1, 30) FROM moments WHERE g = 0) TO :'file' (FORMAT binary);
COPY moments_copied (two) FROM :'file' (FORMAT binary);

-- Rounded once from the exact result, also where everything cancels (g = 6): no row. The quotients
-- of numeric have 150 digits.
WITH exact AS (
	SELECT g, count(*)::numeric(1000, 150) AS n, sum(xn) AS sx, sum(yn) AS sy,
		count(*) * sum(xn * xn) - sum(xn) * sum(xn) AS sxx, count(*) * sum(yn * yn) - sum(yn) * sum(yn) AS syy,
		count(*) * sum(xn * yn) - sum(xn) * sum(yn) AS sxy
	FROM pair GROUP BY g)
SELECT g, a.* FROM exact JOIN moments USING (g), LATERAL (VALUES
	('var_pop', float8_moments_var_pop(one), (sxx / (n * n))::float8),
	('var_samp', float8_moments_var_samp(one), (sxx / (n * (n - 1)))::float8),
	('stddev_pop', float8_moments_stddev_pop(one), sqrt(sxx / (n * n))::float8),
	('stddev_samp', float8_moments_stddev_samp(one), sqrt(sxx / (n * (n - 1)))::float8),
	('covar_pop', float8_moments_covar_pop(two), (sxy / (n * n))::float8),
	('covar_samp', float8_moments_covar_samp(two), (sxy / (n * (n - 1)))::float8),
	('corr', float8_moments_corr(two), (sign(sxy) * sqrt(sxy * sxy / (sxx * syy)::numeric(1000, 150)))::float8),
	('regr_count', float8_moments_regr_count(two), n::float8),
	('regr_avgx', float8_moments_regr_avgx(two), (sx / n)::float8),
	('regr_avgy', float8_moments_regr_avgy(two), (sy / n)::float8),
	('regr_sxx', float8_moments_regr_sxx(two), (sxx / n)::float8),
	('regr_syy', float8_moments_regr_syy(two), (syy / n)::float8),
	('regr_sxy', float8_moments_regr_sxy(two), (sxy / n)::float8),
	('regr_slope', float8_moments_regr_slope(two), (sxy / sxx::numeric(1000, 150))::float8),
	('regr_intercept', float8_moments_regr_intercept(two), ((sy * sxx - sx * sxy) / (n * sxx))::float8),
	('regr_r2', float8_moments_regr_r2(two), (sxy * sxy / (sxx * syy)::numeric(1000, 150))::float8)) a (statistic, ours, exact)
WHERE ours IS DISTINCT FROM exact;

-- Beside PostgreSQL's own: the same NULLs and NaNs, and the same numbers but for its rounding (1e-9
-- of them; not in group 6, where it cancels). No row.
CREATE FUNCTION differs(ours float8, theirs float8) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN ours IS NULL OR theirs IS NULL OR ours = 'NaN' OR theirs = 'NaN' OR abs(theirs) = 'Infinity'
		THEN ours IS DISTINCT FROM theirs
		ELSE abs(ours - theirs) > 1e-9 * abs(theirs) + 1e-300 END
$$;
CREATE FUNCTION compare(y float8[], x float8[]) RETURNS TABLE (statistic text, ours float8, theirs float8)
LANGUAGE sql IMMUTABLE AS $$
	SELECT a.* FROM (
		SELECT float8_moments_agg(u.x) AS one, float8_moments_agg(u.y, u.x) AS two,
			pg_catalog.var_pop(u.x) AS var_pop, pg_catalog.var_samp(u.x) AS var_samp,
			pg_catalog.stddev_pop(u.x) AS stddev_pop, pg_catalog.stddev_samp(u.x) AS stddev_samp,
			covar_pop(u.y, u.x), covar_samp(u.y, u.x), corr(u.y, u.x), regr_count(u.y, u.x), regr_avgx(u.y, u.x),
			regr_avgy(u.y, u.x), regr_sxx(u.y, u.x), regr_syy(u.y, u.x), regr_sxy(u.y, u.x), regr_slope(u.y, u.x),
			regr_intercept(u.y, u.x), regr_r2(u.y, u.x)
		FROM unnest(compare.y, compare.x) AS u (y, x)) AS p, LATERAL (VALUES
		('var_pop', float8_moments_var_pop(one), var_pop), ('var_samp', float8_moments_var_samp(one), var_samp),
		('stddev_pop', float8_moments_stddev_pop(one), stddev_pop), ('stddev_samp', float8_moments_stddev_samp(one), stddev_samp),
		('covar_pop', float8_moments_covar_pop(two), covar_pop), ('covar_samp', float8_moments_covar_samp(two), covar_samp),
		('corr', float8_moments_corr(two), corr), ('regr_count', float8_moments_regr_count(two), regr_count),
		('regr_avgx', float8_moments_regr_avgx(two), regr_avgx), ('regr_avgy', float8_moments_regr_avgy(two), regr_avgy),
		('regr_sxx', float8_moments_regr_sxx(two), regr_sxx), ('regr_syy', float8_moments_regr_syy(two), regr_syy),
		('regr_sxy', float8_moments_regr_sxy(two), regr_sxy), ('regr_slope', float8_moments_regr_slope(two), regr_slope),
		('regr_intercept', float8_moments_regr_intercept(two), regr_intercept), ('regr_r2', float8_moments_regr_r2(two), regr_r2)
	) a (statistic, ours, theirs)
$$;
SELECT g, c.* FROM (SELECT g, array_agg(y) AS y, array_agg(x) AS x FROM pair WHERE g < 6 GROUP BY g) p, compare(y, x) c
WHERE differs(ours, theirs);
WITH value (v) AS (VALUES (NULL::float8), (0), (1), (2.5), ('NaN'), ('Infinity'), ('-Infinity'))
SELECT a.v AS y1, b.v AS x1, c.v AS y2, d.v AS x2, s.*
FROM value a, value b, value c, value d, compare(ARRAY[a.v, c.v], ARRAY[b.v, d.v]) s WHERE differs(ours, theirs);
SELECT v, s.* FROM (VALUES ('{}'::float8[]), ('{1}'), ('{NaN}'), ('{Infinity}'), ('{3,3,3}'), ('{1,2,4}')) a (v), compare(v, v) s
WHERE differs(ours, theirs);

-- Squares that no double holds.
SELECT float8_moments_var_samp(float8_moments_agg(x)) AS tiny, float8_moments_stddev_samp(float8_moments_agg(x)) AS tiny_deviation
FROM (VALUES (1e-200::float8), (3e-200)) v (x);
SELECT float8_moments_stddev_samp(float8_moments_agg(x)) AS large, float8_moments_corr(float8_moments_agg(x, -x)) AS corr
FROM (VALUES (1e200::float8), (3e200)) v (x);
SELECT float8_moments_var_samp(float8_moments_agg(x)) FROM (VALUES (1e200::float8), (3e200)) v (x);

-- Any order, any grouping, parallel; what is taken away leaves exactly the rest.
SELECT count(DISTINCT m) FROM (
	SELECT float8_moments_agg(y, x ORDER BY x) AS m FROM pair
	UNION ALL SELECT float8_moments_agg(y, x ORDER BY y DESC) FROM pair
	UNION ALL SELECT float8_moments_union_agg(two) FROM moments) o;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
ALTER TABLE pair SET (parallel_workers = 2);
EXPLAIN (COSTS off) SELECT float8_moments_agg(x), float8_moments_agg(y, x) FROM pair;
SELECT float8_moments_agg(x) = (SELECT float8_moments_union_agg(one) FROM moments) AS one,
	float8_moments_agg(y, x) = (SELECT float8_moments_union_agg(two) FROM moments) AS two
FROM pair;
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
CREATE TABLE any_pair AS SELECT i, v[1 + i % 7] * (1 + i) AS x, v[1 + i / 7 % 7] * power(10::float8, i - 100) AS y
FROM generate_series(0, 200) i, (VALUES (ARRAY[NULL, 0.1, 1e140, 2.5e-170, 'NaN', 'Infinity', '-Infinity']::float8[])) a (v);
SELECT p FROM generate_series(2, 40) p, any_pair GROUP BY p
HAVING float8_moments_agg(y, x) - float8_moments_agg(y, x) FILTER (WHERE i % p = 0) <> float8_moments_agg(y, x) FILTER (WHERE i % p > 0)
	OR float8_moments_agg(x) + -float8_moments_agg(x) FILTER (WHERE i % p > 0) <> float8_moments_agg(x) FILTER (WHERE i % p = 0)
	OR float8_moments_agg(y, x) - float8_moments_agg(y, x) <> float8_moments_agg(NULL);
SELECT w.i FROM (
	SELECT i, float8_moments_agg(x) OVER o AS one, float8_moments_agg(y, x) OVER o AS two,
		float8_moments_union_agg(each) OVER o AS united
	FROM (SELECT i, x, y, (SELECT float8_moments_agg(y, x)) AS each FROM any_pair GROUP BY i, x, y) v
	WINDOW o AS (ORDER BY i ROWS 3 PRECEDING)) AS w
CROSS JOIN LATERAL (SELECT float8_moments_agg(x) AS one, float8_moments_agg(y, x) AS two
	FROM any_pair WHERE i BETWEEN w.i - 3 AND w.i) AS f
WHERE w.one <> f.one OR w.two <> f.two OR w.united <> f.two;

-- One variable and two do not mix.
SELECT one + two FROM moments WHERE g = 0;
SELECT float8_moments_var_pop(two) FROM moments WHERE g = 0;
SELECT float8_moments_corr(one) FROM moments WHERE g = 0;

DROP TABLE pair, any_pair, moments, moments_copied;
DROP FUNCTION compare, differs;
