-- What a partition contributed is kept by its tables: they may come back without those that they went with.
SET client_min_messages = warning;
CREATE SCHEMA again;
SET search_path = again;
RESET client_min_messages;
CREATE TABLE fact (d int, e int, x int) PARTITION BY RANGE (d);
CREATE TABLE low PARTITION OF fact FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (e);
CREATE TABLE low_a PARTITION OF low FOR VALUES FROM (0) TO (10);
CREATE TABLE low_b PARTITION OF low FOR VALUES FROM (10) TO (20);
CREATE TABLE high PARTITION OF fact FOR VALUES FROM (10) TO (20);
CREATE MATERIALIZED VIEW sums WITH (telemetry.continuous) AS
SELECT d, sum(x) AS s, max(x) AS m, count(DISTINCT x) AS n, count(*) AS c FROM fact GROUP BY d;
CREATE FUNCTION state() RETURNS TABLE (rows numeric, total numeric, differences bigint) LANGUAGE sql AS
$$ SELECT sum(c), sum(s), (SELECT count(*) FROM telemetry.verify('again.sums')) FROM again.sums $$;
INSERT INTO fact SELECT i % 20, i % 17, i FROM generate_series(1, 100) i;
SELECT * FROM state();

-- It went with its parent, and comes alone.
ALTER TABLE fact DETACH PARTITION low;
ALTER TABLE low DETACH PARTITION low_a;
ALTER TABLE fact ATTACH PARTITION low_a FOR VALUES FROM (0) TO (10);
SELECT * FROM state();
-- It went alone, and comes with its parent, which has all that it had.
ALTER TABLE fact DETACH PARTITION low_a;
ALTER TABLE low ATTACH PARTITION low_a FOR VALUES FROM (0) TO (10);
ALTER TABLE fact ATTACH PARTITION low FOR VALUES FROM (0) TO (10);
SELECT * FROM state();
SELECT count(*) AS differences FROM ((SELECT d, sum(x), max(x), count(DISTINCT x), count(*) FROM fact GROUP BY d
	EXCEPT ALL SELECT * FROM sums) UNION ALL (SELECT * FROM sums
	EXCEPT ALL SELECT d, sum(x), max(x), count(DISTINCT x), count(*) FROM fact GROUP BY d)) AS x;
-- One goes after the other, and they come together.
ALTER TABLE low DETACH PARTITION low_a;
ALTER TABLE fact DETACH PARTITION low;
ALTER TABLE low ATTACH PARTITION low_a FOR VALUES FROM (0) TO (10);
ALTER TABLE fact ATTACH PARTITION low FOR VALUES FROM (0) TO (10);
SELECT * FROM state();

-- A table that was detached and then dropped does not come back, whatever gets its OID.
ALTER TABLE low DETACH PARTITION low_b;
SELECT expired::text AS expired FROM telemetry._view WHERE view = 'sums'::regclass \gset
SELECT DISTINCT _partition FROM :expired;
BEGIN; DROP TABLE low_b; ROLLBACK;
SELECT DISTINCT _partition FROM :expired;
DROP TABLE low_b;
SELECT DISTINCT _partition FROM :expired;
SELECT * FROM state();

-- What is dropped is counted as gone once, however often it is named.
BEGIN;
DROP TABLE low, low_a;
SELECT * FROM state();
ROLLBACK;
BEGIN;
DROP TABLE low_a, low, low_a;
SELECT * FROM state();
ROLLBACK;
DROP TABLE high, high;
SELECT * FROM state();
REFRESH MATERIALIZED VIEW sums;
SELECT * FROM state();
SET client_min_messages = warning;
DROP SCHEMA again CASCADE;
