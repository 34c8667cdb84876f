-- Continuous views of sessions of a greatest length: late events that move borders, splitting, partitions that expire.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET datestyle = 'ISO';
CREATE TABLE ev (id int, player int, at timestamptz, v int, day date GENERATED ALWAYS AS ((at AT TIME ZONE 'UTC')::date) STORED)
    PARTITION BY RANGE (at);
CREATE TABLE d1 PARTITION OF ev FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
CREATE TABLE rest PARTITION OF ev DEFAULT;
CREATE INDEX ON ev (player, at);
-- A gap that is the same for all, and beside it all that can end a session at once.
CREATE MATERIALIZED VIEW s WITH (telemetry.continuous) AS
    SELECT player, min(at) AS started, max(at) AS ended, count(*) AS events, sum(v) AS sum, count(DISTINCT v) AS vals
    FROM ev GROUP BY player, telemetry.session_window(at, interval '30 minutes', max_length => interval '1 hour');
CREATE MATERIALIZED VIEW all_ends WITH (telemetry.continuous) AS
    SELECT player, telemetry.session_window(at, interval '10 minutes' * (1 + v % 3), v % 7 = 0, '1 hour') AS started, count(*) AS events,
           max(v) AS most
    FROM ev GROUP BY 1, 2;
CREATE MATERIALIZED VIEW per_player WITH (telemetry.continuous) AS
    SELECT player, count(*) AS sessions, sum(events) AS events, sum(ended - started) AS played, max(events) AS most,
           count(DISTINCT started) AS starts FROM s GROUP BY 1;
CREATE VIEW differences AS SELECT c.view, v.* FROM telemetry.continuous_view c, telemetry.verify(c.view) v;
CREATE FUNCTION add(player int, VARIADIC times text[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ev SELECT 0, player, '2026-01-01'::timestamptz + t::interval, 1 FROM unnest(times) AS t $$;
CREATE FUNCTION sessions(of int) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT to_char(started, 'DD HH24:MI') || to_char(ended, ' - HH24:MI, ') || events FROM s WHERE player = of ORDER BY started, ended $$;

-- The last event may be just as far as the length; a microsecond more is the next session.
SELECT add(1, '10:00', '10:30', '11:00'), add(2, '10:00', '10:30', '11:00:00.000001', '11:20');
SELECT sessions(1);
SELECT sessions(2);
-- A late event before all moves the borders of all that follow, up to the pause.
SELECT add(3, '10:00', '10:20', '10:40', '11:00', '11:20', '11:40', '12:00', '12:20', '12:40', '13:20', '13:30');
SELECT sessions(3);
SELECT add(3, '09:50');
SELECT sessions(3);
DELETE FROM ev WHERE player = 3 AND at = '2026-01-01 09:50';
SELECT sessions(3);
-- Between, within, and where it closes a pause.
SELECT add(3, '10:50'), add(3, '11:10'), add(3, '13:00');
SELECT sessions(3);
TABLE differences;
TABLE per_player ORDER BY 1;
-- Borders that are where they were after one session: no more is written than has changed.
SELECT add(4, '10:00', '10:30', '11:10', '11:40', '12:12', '12:42', '13:20', '13:50');
SELECT sessions(4);
SELECT add(4, '11:05');
SELECT sessions(4);
TABLE differences;

-- Events at the same distance: all borders move, and back again.
INSERT INTO ev SELECT 0, 8, '2026-01-01'::timestamptz + n * interval '20 minutes', n FROM generate_series(1, 60) AS n;
SELECT count(*), min(started), max(ended), sum(events), sum(sum) FROM s WHERE player = 8;
SELECT add(8, '00:10');
SELECT count(*), min(started), max(ended), sum(events), sum(sum) FROM s WHERE player = 8;
SELECT started, events FROM s WHERE player = 8 AND (started < '2026-01-01 03:00' OR started > '2026-01-01 18:00') ORDER BY 1;
TABLE differences;
DELETE FROM ev WHERE player = 8 AND at = '2026-01-01 00:10';
TABLE differences;

-- In any order, by one and by many, the same; and away again. A chain without a pause of four hours, and single ones.
CREATE TABLE source AS SELECT n AS id, 10 + n % 2 AS player, '2026-01-01 10:00'::timestamptz + (n * 7919 % 53) * interval '9 minutes' AS at,
    n % 10 AS v FROM generate_series(1, 45) AS n;
CREATE TABLE wrong (seed int, batch int, step int);
CREATE PROCEDURE arrive(seed int, batch int) LANGUAGE plpgsql AS $$ BEGIN
    FOR step IN 0 .. 44 / batch LOOP
        INSERT INTO ev SELECT id, player, at, v FROM
            (SELECT *, row_number() OVER (ORDER BY hashint8extended(id, seed)) - 1 AS n FROM source) o WHERE n / batch = step;
        COMMIT;
        INSERT INTO wrong SELECT seed, batch, step WHERE EXISTS (SELECT FROM differences);
    END LOOP;
END $$;
CREATE PROCEDURE leave(seed int, batch int) LANGUAGE plpgsql AS $$ BEGIN
    FOR step IN 0 .. 44 / batch LOOP
        DELETE FROM ev WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (ORDER BY hashint8extended(id, seed)) - 1 AS n FROM source) o
            WHERE n / batch = step);
        COMMIT;
        INSERT INTO wrong SELECT seed, -batch, step WHERE EXISTS (SELECT FROM differences);
    END LOOP;
END $$;
CALL arrive(1, 1);
SELECT count(*), sum(events), sum(sum), sum(vals) FROM s WHERE player >= 10;
CALL leave(2, 1);
CALL arrive(3, 3);
SELECT count(*), sum(events), sum(sum), sum(vals) FROM s WHERE player >= 10;
CALL leave(4, 4);
CALL arrive(5, 45);
SELECT count(*), sum(events), sum(sum), sum(vals) FROM s WHERE player >= 10;
CALL leave(6, 9);
TABLE wrong;
SELECT count(*) FROM s WHERE player >= 10;

-- A partition goes: its sessions stay, the one over the border ends there, and what is left counts from its own first event.
SELECT add(5, '23:20', '23:40', '24:00', '24:15', '24:30', '24:50', '25:10');
SELECT sessions(5);
ALTER TABLE ev DETACH PARTITION d1;
SELECT sessions(5);
TABLE differences;
SELECT add(5, '24:05', '24:25');
DELETE FROM ev WHERE at = '2026-01-02 00:00';
SELECT sessions(5);
TABLE per_player ORDER BY 1;
TABLE differences;
REFRESH MATERIALIZED VIEW s;
TABLE differences;
-- It comes back: all is as if it had never gone. And goes while the table is emptied.
ALTER TABLE ev ATTACH PARTITION d1 FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
SELECT sessions(5);
TABLE per_player ORDER BY 1;
TABLE differences;
BEGIN;
DROP TABLE d1;
TRUNCATE ev;
SELECT add(6, '30:00');
COMMIT;
SELECT player, count(*), sum(events) FROM s GROUP BY 1 ORDER BY 1;
TABLE per_player ORDER BY 1;
TABLE differences;

-- Infinite times are sessions by themselves; what is refused.
DROP MATERIALIZED VIEW per_player;
INSERT INTO rest (player, at, v) VALUES (7, 'infinity', 1), (7, 'infinity', 2), (7, '294276-12-31 23:50', 1), (7, '294276-12-31 23:59', 1);
SELECT * FROM s WHERE player = 7 ORDER BY started;
TABLE differences;
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT player, count(*) FROM ev
    GROUP BY player, telemetry.session_window(at, interval '30 minutes', max_length => '-1 day');
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT player, count(*) FROM ev
    GROUP BY player, telemetry.session_window(at, interval '30 minutes', max_length => v * interval '1 hour');

DROP TABLE ev, source, wrong CASCADE;
DROP VIEW differences;
DROP FUNCTION add, sessions;
DROP PROCEDURE arrive;
DROP PROCEDURE leave;

-- A partition that goes and comes back within a transaction: the longest session that it froze is gone again.
CREATE TABLE away (p text, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE away_1 PARTITION OF away FOR VALUES FROM ('2026-11-01 00:00+00') TO ('2026-11-02 00:00+00');
CREATE TABLE away_2 PARTITION OF away FOR VALUES FROM ('2026-11-02 00:00+00') TO ('2026-11-03 00:00+00');
CREATE MATERIALIZED VIEW sitting WITH (telemetry.continuous) AS SELECT p, min(at) AS s, max(at) AS t
FROM away GROUP BY p, telemetry.session_window(at, '20 minutes', max_length => '1 hour');
CREATE MATERIALIZED VIEW longest WITH (telemetry.continuous) AS SELECT p, max(t - s) AS longest, min(t) AS first_end, count(*) FROM sitting GROUP BY p;
INSERT INTO away SELECT 'a', t::timestamptz FROM unnest('{2026-11-01 23:30+00,2026-11-01 23:45+00,2026-11-02 00:00+00,2026-11-02 00:15+00,
2026-11-02 00:35+00,2026-11-02 00:45+00,2026-11-02 00:55+00}'::text[]) AS t;
BEGIN;
ALTER TABLE away DETACH PARTITION away_2;
ALTER TABLE away ATTACH PARTITION away_2 FOR VALUES FROM ('2026-11-02 00:00+00') TO ('2026-11-03 00:00+00');
COMMIT;
SELECT p, longest, count FROM longest;
SELECT * FROM telemetry.verify('longest');
-- What it froze is told to the views over it beside what the rest of the transaction gives them, as often as that is asked for.
BEGIN;
ALTER TABLE away DETACH PARTITION away_1;
SELECT * FROM telemetry.verify('longest');
INSERT INTO away VALUES ('a', '2026-11-02 01:30+00');
SELECT * FROM telemetry.verify('longest');
COMMIT;
SELECT p, longest, count FROM longest;
SELECT * FROM telemetry.verify('longest');
BEGIN;
ALTER TABLE away ATTACH PARTITION away_1 FOR VALUES FROM ('2026-11-01 00:00+00') TO ('2026-11-02 00:00+00');
ALTER TABLE away DETACH PARTITION away_2;
TRUNCATE away;
SELECT * FROM telemetry.verify('longest');
COMMIT;
SELECT p, longest, count FROM longest;
SELECT * FROM telemetry.verify('longest');
SET client_min_messages = warning;
DROP TABLE away CASCADE;
RESET client_min_messages;
