-- set_retention(), apply_retention(), drop_retention(): what they take, refuse and do. Everything in one
-- transaction, since the maintenance worker does the same as soon as it commits.
CREATE ROLE retention_owner;
CREATE ROLE retention_other;
CREATE SCHEMA retention AUTHORIZATION retention_owner;
GRANT USAGE ON SCHEMA retention TO retention_other;
SET ROLE retention_owner;
CREATE TABLE retention.plain (d date);
CREATE TABLE retention.hashed (d date) PARTITION BY HASH (d);
CREATE TABLE retention.numbers (d int) PARTITION BY RANGE (d);
CREATE TABLE retention.facts (at timestamptz, k int) PARTITION BY RANGE (at);
CREATE TABLE retention.facts_oldest PARTITION OF retention.facts FOR VALUES FROM (MINVALUE) TO ('2020-01-01 00:00+00');
CREATE TABLE retention.facts_2020 PARTITION OF retention.facts FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2021-01-01 00:00+00');
CREATE TABLE retention.facts_long PARTITION OF retention.facts FOR VALUES FROM ('2021-01-01 00:00+00') TO ('2024-01-01 00:00+00') PARTITION BY LIST (k);
CREATE TABLE retention.facts_long_1 PARTITION OF retention.facts_long FOR VALUES IN (1);
CREATE TABLE retention.facts_end PARTITION OF retention.facts FOR VALUES FROM ('2200-01-01 00:00+00') TO (MAXVALUE);
INSERT INTO retention.facts SELECT d, 1 FROM generate_series('2019-12-01'::timestamptz, '2023-12-01', '1 month') d;
CREATE MATERIALIZED VIEW retention.years WITH (telemetry.continuous) AS
SELECT date_trunc('year', at, 'UTC') AS y, count(*) FROM retention.facts GROUP BY 1;

-- Refused.
SELECT telemetry.set_retention('retention.plain', '1 day');
SELECT telemetry.set_retention('retention.hashed', '1 day');
SELECT telemetry.set_retention('retention.numbers', '1 day');
SELECT telemetry.set_retention('retention.facts', '0');
SELECT telemetry.set_retention('retention.facts', '-1 day');
SELECT telemetry.set_retention('retention.facts', '1 day', 'week');
SELECT telemetry.set_retention('retention.facts', '1 day', 'day', -1);
SELECT telemetry.set_retention('retention.facts', '1 day', NULL);
SELECT telemetry.set_retention(NULL, '1 day');
SELECT telemetry.apply_retention('retention.facts');
SELECT telemetry.drop_retention('retention.facts');
RESET ROLE; SET ROLE retention_other;
SELECT telemetry.set_retention('retention.facts', '1 day');
SELECT telemetry.apply_retention('retention.facts');
SELECT telemetry.drop_retention('retention.facts');
RESET ROLE; SET ROLE retention_owner;

-- What is wholly older goes, with what is below it; views keep it.
BEGIN;
SELECT telemetry.set_retention('retention.facts', '1 year');
SELECT target, owner, keep, create_partitions, ahead, active, last_run_at FROM telemetry.retention;
SELECT * FROM telemetry.apply_retention('retention.facts');
SELECT relid FROM pg_partition_tree('retention.facts') ORDER BY 1::text;
SELECT target, partitions_dropped, partitions_made, partitions_ahead, error, last_run_at > now() - interval '1 hour' AS ran FROM telemetry.retention;
SELECT * FROM telemetry.apply_retention('retention.facts');
COMMIT;
SELECT extract(year FROM y AT TIME ZONE 'UTC') AS y, count FROM retention.years ORDER BY 1;
SELECT * FROM telemetry.verify('retention.years');

-- Made ahead: the present one and three more, without a gap, in days of UTC.
BEGIN;
SET LOCAL timezone = 'Asia/Kathmandu';
SELECT telemetry.set_retention('retention.facts', NULL, 'day');
SELECT * FROM telemetry.apply_retention('retention.facts');
SELECT count(*), bool_and(pg_get_expr(relpartbound, oid) ~ '05:45:00') FROM pg_class WHERE relname ~ '^facts_\d{8}$' AND relnamespace = 'retention'::regnamespace;
SELECT telemetry.set_retention('retention.facts', NULL, 'hour', 0);
SELECT * FROM telemetry.apply_retention('retention.facts');
SELECT telemetry.drop_retention('retention.facts');
SELECT count(*) FROM telemetry.retention;
ROLLBACK;
CREATE TABLE retention.by_date (d date) PARTITION BY RANGE (d);
SELECT telemetry.set_retention('retention.by_date', '1 day', 'hour');
BEGIN;
SELECT telemetry.set_retention('retention.by_date', '1 day', 'month', 14);
SELECT * FROM telemetry.apply_retention('retention.by_date');
ROLLBACK;
SELECT telemetry.drop_retention('retention.facts');

-- Partitions that stand in another schema: what is refused, and NULL takes it back.
RESET ROLE;
CREATE SCHEMA retention_parts AUTHORIZATION retention_owner;
SET ROLE retention_owner;
SELECT telemetry.set_partition_schema('retention.plain', 'retention_parts');
SELECT telemetry.set_partition_schema(NULL, 'retention_parts');
SELECT telemetry.set_partition_schema('retention.by_date', '999999999');
SET ROLE retention_other;
SELECT telemetry.set_partition_schema('retention.by_date', 'retention_parts');
SET ROLE retention_owner;
BEGIN;
SELECT telemetry.set_retention('retention.by_date', NULL, 'day', 1);
SELECT telemetry.set_partition_schema('retention.by_date', 'public');
SELECT telemetry.set_partition_schema('retention.by_date', 'retention_parts');
SELECT * FROM telemetry.apply_retention('retention.by_date');
SELECT telemetry.set_partition_schema('retention.by_date', NULL);
SELECT telemetry.set_retention('retention.by_date', NULL, 'day', 2);
SELECT * FROM telemetry.apply_retention('retention.by_date');
SELECT relnamespace::regnamespace, count(*) FROM pg_class WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'retention.by_date'::regclass) GROUP BY 1 ORDER BY 1;
ROLLBACK;

-- Others do not see it; pg_monitor does.
BEGIN;
SELECT telemetry.set_retention('retention.facts', '10 years');
RESET ROLE; SET ROLE retention_other;
SELECT count(*) FROM telemetry.retention;
SELECT * FROM telemetry._retention;
ROLLBACK;
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA retention, retention_parts CASCADE;
DROP ROLE retention_owner, retention_other;
