-- What bench/float/run runs. Variable: rows.
\pset footer off
CREATE EXTENSION IF NOT EXISTS telemetry;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE result (n serial, work text, theirs numeric, ours numeric);

-- Milliseconds of both queries, in turn, so that what else the machine does hits both: the least.
CREATE FUNCTION compare(work text, theirs text, ours text, runs int DEFAULT 5) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	best numeric[] := '{NULL,NULL}';
	began timestamptz;
BEGIN
	FOR i IN 1 .. 2 * runs LOOP
		began := clock_timestamp();
		EXECUTE CASE WHEN i % 2 = 1 THEN theirs ELSE ours END;
		best[2 - i % 2] := least(best[2 - i % 2], extract(epoch FROM clock_timestamp() - began) * 1000);
	END LOOP;
	INSERT INTO result (work, theirs, ours) VALUES (work, best[1], best[2]);
END $$;

CREATE TABLE fact AS SELECT (hashint8(i) & 1023) AS g, (hashint8extended(i, 1) % 1000000)::float8 / 100 AS x,
	(hashint8extended(i, 2) % 1000000)::float8 / 100 AS y
FROM generate_series(1::bigint, :rows) i;
CREATE TABLE daily AS SELECT i, telemetry.float8_sum_agg(x) AS s, telemetry.float8_moments_agg(x) AS m
FROM (SELECT row_number() OVER () / 30 AS i, x FROM fact) f GROUP BY i;
VACUUM ANALYZE;

\o /dev/null
SELECT compare('sum(x) against exact_sum(x)', 'SELECT sum(x) FROM fact', 'SELECT telemetry.exact_sum(x) FROM fact', 9);
SELECT compare('avg(x) against exact_avg(x)', 'SELECT avg(x) FROM fact', 'SELECT telemetry.exact_avg(x) FROM fact', 9);
SELECT compare('the same in 1,024 groups, sum', 'SELECT count(s) FROM (SELECT sum(x) AS s FROM fact GROUP BY g) q',
	'SELECT count(s) FROM (SELECT telemetry.exact_sum(x) AS s FROM fact GROUP BY g) q');
SELECT compare('var_samp(x) against moments', 'SELECT var_samp(x) FROM fact',
	'SELECT telemetry.float8_moments_var_samp(telemetry.float8_moments_agg(x)) FROM fact', 5);
SELECT compare('corr(y, x) against moments', 'SELECT corr(y, x) FROM fact',
	'SELECT telemetry.float8_moments_corr(telemetry.float8_moments_agg(y, x)) FROM fact', 5);
SELECT compare('union of kept sums, against sum(x) of as many rows', 'SELECT sum(x) FROM (SELECT x FROM fact LIMIT (SELECT count(*) FROM daily)) q',
	'SELECT telemetry.float8_sum_value(telemetry.float8_sum_union_agg(s)) FROM daily', 5);
SELECT compare('reading: count(s) against count(float8_sum_value(s))', 'SELECT count(s) FROM daily', 'SELECT count(telemetry.float8_sum_value(s)) FROM daily', 5);
SELECT compare('reading: count(s) against count(float8_sum_avg(s))', 'SELECT count(s) FROM daily', 'SELECT count(telemetry.float8_sum_avg(s)) FROM daily', 5);
SELECT compare('reading: count(m) against stddev_samp of moments', 'SELECT count(m) FROM daily', 'SELECT count(telemetry.float8_moments_stddev_samp(m)) FROM daily', 5);
\o
\echo 'Milliseconds: PostgreSQL''s own (or what the line names first), ours, ratio'
SELECT work, round(theirs, 1) AS theirs, round(ours, 1) AS ours, round(ours / theirs, 2) || 'x' AS ratio FROM result ORDER BY n;
SELECT count(*) AS kept, round(avg(octet_length(telemetry.float8_sum_send(s))), 1) AS bytes_of_a_sum,
	round(avg(octet_length(telemetry.float8_moments_send(m))), 1) AS bytes_of_moments FROM daily;
