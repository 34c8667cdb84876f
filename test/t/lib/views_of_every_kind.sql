-- A table whose partitions expire, and continuous views of every kind over it; in schema game.
CREATE SCHEMA game;
CREATE TABLE game.kind (id int PRIMARY KEY, name text);
INSERT INTO game.kind SELECT i, 'kind ' || i FROM generate_series(0, 4) i;
CREATE TABLE game.fact (id int, player text, kind int REFERENCES game.kind, level int, amount numeric(12,2),
    score float8, at timestamptz NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE game.fact_09 PARTITION OF game.fact FOR VALUES FROM ('2026-09-01') TO ('2026-10-01');
CREATE TABLE game.fact_10 PARTITION OF game.fact FOR VALUES FROM ('2026-10-01') TO ('2026-11-01');
CREATE TABLE game.fact_11 (day date NOT NULL, at timestamptz NOT NULL, score float8, amount numeric(12,2), level int,
    kind int, player text, id int);
ALTER TABLE game.fact ATTACH PARTITION game.fact_11 FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
SET search_path = game;
CREATE MATERIALIZED VIEW plain WITH (telemetry.continuous) AS
    SELECT day, k.name AS kind, count(*) AS events, sum(amount), avg(level), max(score), sum(score) AS total, stddev(level)
    FROM fact LEFT JOIN kind k ON k.id = fact.kind GROUP BY 1, 2;
CREATE MATERIALIZED VIEW hll WITH (telemetry.continuous) AS
    SELECT kind, telemetry.hll_agg(player) AS players, telemetry.approx_count_distinct(id) FROM fact GROUP BY kind;
CREATE MATERIALIZED VIEW quantiles WITH (telemetry.continuous) AS
    SELECT kind, telemetry.quantile_agg(score) AS scores FROM fact GROUP BY kind;
CREATE MATERIALIZED VIEW funnels WITH (telemetry.continuous) AS
    SELECT player, day, telemetry.funnel_agg(at, level < 9, level > 5, kind = 3) AS steps FROM fact GROUP BY player, day;
CREATE MATERIALIZED VIEW funnels_of_kind WITH (telemetry.continuous) AS
    SELECT kind, telemetry.funnel_agg(1 + level % 5, at) AS steps FROM fact GROUP BY kind;
CREATE MATERIALIZED VIEW reached WITH (telemetry.continuous) AS
    SELECT day, telemetry.funnel_steps(steps, '10 hours') AS reached, count(*) AS players FROM funnels GROUP BY 1, 2;
CREATE MATERIALIZED VIEW reach WITH (telemetry.continuous) AS
    SELECT kind, count(DISTINCT player) AS players, count(DISTINCT (player, day)) AS player_days FROM fact GROUP BY kind;
CREATE MATERIALIZED VIEW cleaned WITH (telemetry.continuous) AS SELECT player, at, day, level FROM fact WHERE level > 3;
CREATE MATERIALIZED VIEW by_cleaned WITH (telemetry.continuous) AS SELECT player, count(*) AS n, max(level) AS level FROM cleaned GROUP BY player;
CREATE MATERIALIZED VIEW levels WITH (telemetry.continuous) AS SELECT level, count(*) AS players, sum(n) FROM by_cleaned GROUP BY level;
CREATE MATERIALIZED VIEW sessions WITH (telemetry.continuous) AS
    SELECT player, min(at) AS started, max(at) AS ended, count(*) AS events, max(level) AS level
    FROM fact GROUP BY player, telemetry.session_window(at, interval '90 minutes');
CREATE MATERIALIZED VIEW limited WITH (telemetry.continuous) AS
    SELECT player, count(*) AS events, count(DISTINCT kind) AS kinds, count(DISTINCT (kind, level)) AS pairs
    FROM fact GROUP BY player, telemetry.session_window(at, interval '90 minutes', max_length => '4 hours');
CREATE MATERIALIZED VIEW by_session WITH (telemetry.continuous) AS
    SELECT level, count(*) AS sessions, sum(ended - started) AS played FROM sessions GROUP BY level;
CREATE MATERIALIZED VIEW wide WITH (telemetry.continuous) AS
    SELECT telemetry.first(player, at), telemetry.last(player, at), bool_and(level > 1), count(*) FROM fact;
COMMENT ON MATERIALIZED VIEW plain IS 'kept by a dump';
CREATE INDEX ON plain (kind);
CREATE FUNCTION fill(first int, last int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO game.fact SELECT i, 'p' || i % 61, i % 5, i % 23, i % 17, sqrt(i), at, at::date
    FROM (SELECT i, timestamptz '2026-09-20 UTC' + i * interval '23 minutes' AS at FROM generate_series(first, last) i) r $$;
SELECT fill(1, 4000);
-- A partition that expired, and one that is detached and may come again.
DROP TABLE game.fact_09;
ALTER TABLE fact DETACH PARTITION fact_10;
UPDATE fact SET level = level + 1 WHERE id % 9 = 0;
DELETE FROM fact WHERE id % 11 = 0;
-- Sketches have this aside.
INSERT INTO fact SELECT 100000 + i, 'q' || i, i % 5, 1, 1, i, '2026-11-05 UTC', '2026-11-05' FROM generate_series(1, 10) i;
