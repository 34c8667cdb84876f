-- Continuous views of sessions that an event ends: whatever the order of arrival, after DELETE, and where partitions expire.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET datestyle = 'ISO';
CREATE TABLE ev (id int, player int, at timestamptz, action text, gap interval DEFAULT '30 minutes') PARTITION BY RANGE (at);
CREATE TABLE d1 PARTITION OF ev FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
CREATE TABLE d2 PARTITION OF ev FOR VALUES FROM ('2026-01-02') TO ('2026-01-03');
CREATE TABLE rest PARTITION OF ev DEFAULT;
CREATE INDEX ON ev (player, at);
CREATE MATERIALIZED VIEW s WITH (telemetry.continuous) AS
    SELECT player, min(at) AS started_at, max(at) AS ended_at, count(*) AS events, telemetry.last(action, at) AS last_action
    FROM ev GROUP BY player, telemetry.session_window(at, gap, end_when => action = 'L');
CREATE MATERIALIZED VIEW lengths WITH (telemetry.continuous) AS
    SELECT player, count(*) AS sessions, sum(ended_at - started_at) AS played, max(events) AS most FROM s GROUP BY player;
CREATE MATERIALIZED VIEW by_minute WITH (telemetry.continuous) AS SELECT minute, count(*) AS sessions
    FROM s, generate_series(date_trunc('minute', started_at AT TIME ZONE 'UTC'), ended_at AT TIME ZONE 'UTC', interval '1 minute') AS minute GROUP BY 1;
CREATE VIEW differences AS SELECT c.view, v.* FROM telemetry.continuous_view c, telemetry.verify(c.view) v;
CREATE FUNCTION add(player int, VARIADIC events text[]) RETURNS void LANGUAGE sql AS
    $$ INSERT INTO ev SELECT 0, player, '2026-01-01'::timestamptz + substr(e, 1, 5)::interval, substr(e, 7) FROM unnest(events) e $$;
CREATE FUNCTION sessions(p int) RETURNS TABLE (session text) LANGUAGE sql AS
    $$ SELECT to_char(started_at, 'DD HH24:MI') || ' - ' || to_char(ended_at, 'DD HH24:MI') || ': ' || events FROM s WHERE player = p ORDER BY started_at $$;

-- A logout that comes late splits its session; all of its very time belong to what it ends, and what follows does not.
SELECT add(1, '10:00 m', '10:20 m');
SELECT add(1, '10:10 L');
SELECT sessions(1);
SELECT add(1, '10:10 m');
SELECT add(1, '10:11 m');
SELECT sessions(1);
-- Nobody may reach over it: the next session begins within the gap and stays apart; then the logout goes.
SELECT add(1, '10:35 L');
SELECT add(1, '10:36 m', '11:05 m');
SELECT sessions(1);
DELETE FROM ev WHERE player = 1 AND at = '2026-01-01 10:10' AND action = 'L';
SELECT sessions(1);
UPDATE ev SET action = CASE action WHEN 'L' THEN 'm' ELSE 'L' END WHERE player = 1 AND at IN ('2026-01-01 10:35', '2026-01-01 10:20');
SELECT sessions(1);
-- What is left of two sessions does not meet over one between them that has an end of its own.
SELECT add(3, '10:00 m', '10:01 L', '10:08 L', '10:09 m', '10:20 m');
SELECT sessions(3);
DELETE FROM ev WHERE player = 3 AND at IN ('2026-01-01 10:01', '2026-01-01 10:20');
SELECT sessions(3);
TABLE differences;
DELETE FROM ev WHERE player = 3;
-- One batch with all of it, and one that lies across what is there.
SELECT add(2, '10:00 m', '10:10 L', '10:20 m', '10:30 L', '10:30 L', '10:40 m');
SELECT sessions(2);
SELECT add(2, '09:50 m', '10:15 L', '10:25 m', '10:45 L', '11:00 m');
SELECT sessions(2);
SELECT * FROM lengths ORDER BY 1;
SELECT * FROM by_minute WHERE minute::time IN ('10:15', '10:16', '11:00', '11:05') ORDER BY 1;
TABLE differences;
DROP MATERIALIZED VIEW by_minute;

-- Any order, one by one and in batches, with gaps that differ: equal to the plain query after each batch.
CREATE TABLE source AS SELECT i AS id, 10 + i % 2 AS player, '2026-01-01 12:00'::timestamptz + (hashint8(i) & 127) * interval '2 minutes' AS at,
    CASE WHEN hashint8(i + 1000) & 3 = 0 THEN 'L' ELSE 'm' END AS action, (1 + (hashint8(i + 2000) & 7)) * interval '4 minutes' AS gap
    FROM generate_series(1, 50) i;
CREATE TABLE wrong (seed int, batch int, step int);
CREATE PROCEDURE arrive(seed int, batch int) LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM ev WHERE player >= 10;
    COMMIT;
    FOR step IN 0 .. 49 / batch LOOP
        INSERT INTO ev SELECT id, player, at, action, gap FROM (SELECT *, row_number() OVER (ORDER BY hashint8extended(id, seed)) - 1 AS n FROM source) o
            WHERE n / batch = step;
        COMMIT;
        INSERT INTO wrong SELECT seed, batch, step WHERE EXISTS (SELECT FROM differences);
    END LOOP;
END $$;
CALL arrive(1, 1);
CALL arrive(2, 2);
CALL arrive(3, 3);
CALL arrive(4, 7);
CALL arrive(5, 50);
SELECT count(*), sum(events), min(player), max(player) FROM s WHERE player >= 10;
-- And away again, by one and by three.
CREATE PROCEDURE leave(seed int, batch int) LANGUAGE plpgsql AS $$ BEGIN
    FOR step IN 0 .. 49 / batch LOOP
        DELETE FROM ev WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (ORDER BY hashint8extended(id, seed)) - 1 AS n FROM source) o
            WHERE n / batch = step);
        COMMIT;
        INSERT INTO wrong SELECT seed, -batch, step WHERE EXISTS (SELECT FROM differences);
    END LOOP;
END $$;
CALL leave(6, 1);
CALL arrive(7, 5);
CALL leave(8, 3);
TABLE wrong;
SELECT count(*) FROM s WHERE player >= 10;

-- A partition goes: sessions stay as they are, also that over its border, which a logout behind the border ended.
SELECT add(3, '23:20 m', '23:30 L', '23:40 m', '23:55 m', '24:00 m', '24:10 L', '24:15 m', '24:20 m');
SELECT sessions(3);
CREATE TABLE before AS TABLE s;
ALTER TABLE ev DETACH PARTITION d1;
TABLE before EXCEPT ALL TABLE s;
TABLE s EXCEPT ALL TABLE before;
TABLE differences;
-- Behind the border all goes on as ever; the frozen part does not split.
SELECT add(3, '24:05 L');
SELECT sessions(3);
SELECT add(3, '23:45 L');
SELECT sessions(3);
TABLE differences;
DELETE FROM ev WHERE player = 3 AND action = 'L';
SELECT sessions(3);
TABLE differences;
-- It comes back with its rows: nothing is frozen any more.
DELETE FROM rest;
ALTER TABLE ev ATTACH PARTITION d1 FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
SELECT sessions(3);
SELECT add(3, '23:50 L');
SELECT sessions(3);
TABLE differences;
REFRESH MATERIALIZED VIEW s;
TABLE differences;
DROP TABLE d1;
TRUNCATE ev;
SELECT sessions(3);
TABLE differences;

DROP TABLE ev, source, wrong, before CASCADE;
DROP VIEW differences;
DROP FUNCTION add, sessions;
DROP PROCEDURE arrive;
DROP PROCEDURE leave;
