-- A made-up game: who plays it, when, and what its clients tell. Plain SQL, which needs no extension.
--
--   game.messages(seed, players, events, from_time, to_time, ...)     a history, as messages for Kafka
--   game.live_messages(seed, players, rate, from_time, to_time, ...)  what comes in while one looks on
--   CALL game.stream(target, seed, players, rate, seconds, ...)       the latter, sent as time goes by
--
-- Whatever is random is a hash of the seed and a number, so that the same arguments give the same messages,
-- whatever the plan, the settings, and the parallel workers.

CREATE SCHEMA IF NOT EXISTS game;

CREATE OR REPLACE FUNCTION game.draw(seed bigint, stream bigint, n bigint)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(n * 1000003 + stream, seed) & x'7fffffffffff'::bigint)
       / 140737488355328::double precision;
COMMENT ON FUNCTION game.draw(bigint, bigint, bigint) IS
'Pseudo-random number in [0, 1): the nth of a stream, the same for the same seed.';

-- The clock of a day at which a part of the day's sessions have begun: few at night, half of them in the evening.
CREATE OR REPLACE FUNCTION game.clock(part double precision)
RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN interval '1 hour' * CASE WHEN part < 0.06 THEN  5 + 3 * (part - 0.00) / 0.06
                                WHEN part < 0.20 THEN  8 + 4 * (part - 0.06) / 0.14
                                WHEN part < 0.44 THEN 12 + 5 * (part - 0.20) / 0.24
                                WHEN part < 0.92 THEN 17 + 6 * (part - 0.44) / 0.48
                                ELSE                  23 + 6 * (part - 0.92) / 0.08 END;
COMMENT ON FUNCTION game.clock(double precision) IS
'Time since midnight, from 5 to 29 hours, at which a part (0 to 1) of a day''s sessions have begun.';

CREATE OR REPLACE FUNCTION game.player(seed bigint, player bigint)
RETURNS TABLE (player_id bigint, region text, country text, zone text, currency text, device text, game_id text,
               spends double precision, arrival double precision, stays integer, zeal double precision, pause integer)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT 9007199254740993 + player * 7919,      -- ids that a double could not carry
           home.region, home.country, home.zone, home.currency,
           (ARRAY['android', 'android', 'ios', 'pc', 'console'])[1 + floor(5 * game.draw(seed, 3, player))::int],
           (ARRAY['dragon-keep', 'dragon-keep', 'dragon-keep', 'star-drift', 'farm-story', 'farm-story'])
               [1 + floor(6 * game.draw(seed, 1, player))::int],
           -- most never pay, and few pay for many
           CASE WHEN game.draw(seed, 4, player) < 0.75 THEN 0
                ELSE 0.08 + 0.5 * game.draw(seed, 5, player) * game.draw(seed, 6, player) END,
           -- fewer and fewer since the game came out, and many on the day of a campaign
           CASE WHEN game.draw(seed, 8, player) < 0.08 THEN 0.6
                ELSE game.draw(seed, 9, player) * sqrt(game.draw(seed, 9, player)) END,
           -- a part of 1/sqrt(n + 1) is still there after n days
           floor(1 / (0.0004 + game.draw(seed, 10, player) * game.draw(seed, 10, player)))::int - 1
           + CASE WHEN game.draw(seed, 26, player) < 0.12 THEN 20 ELSE 0 END,
           0.35 + 0.6 * game.draw(seed, 11, player),
           CASE WHEN game.draw(seed, 26, player) < 0.12 THEN 2 + floor(20 * game.draw(seed, 27, player))::int END
    FROM (VALUES (0, 'eu',   'Österreich', 'Europe/Vienna',       'EUR'), (1, 'eu',   'España', 'Europe/Madrid',       'EUR'),
                 (2, 'eu',   'Polska',     'Europe/Warsaw',       'EUR'), (3, 'eu',   'UK',     'Europe/London',       'GBP'),
                 (4, 'na',   'USA',        'America/New_York',    'USD'), (5, 'na',   'USA',    'America/Los_Angeles', 'USD'),
                 (6, 'na',   'Canada',     'America/Toronto',     'USD'), (7, 'asia', '日本',   'Asia/Tokyo',          'JPY'),
                 (8, 'asia', '日本',       'Asia/Tokyo',          'JPY'), (9, 'sa',   'Brasil', 'America/Sao_Paulo',   'BRL'))
         AS home (number, region, country, zone, currency)
    WHERE home.number = floor(10 * game.draw(seed, 2, player))::int;
END;
COMMENT ON FUNCTION game.player(bigint, bigint) IS
'One of the players: where and on what he plays, how readily he pays (0 to 1 a chance), when in the game''s time (0 to 1) he '
'comes, how many days he stays, on what part of them he plays, and after how many he pauses for two weeks (NULL: never).';

CREATE OR REPLACE FUNCTION game.sessions(
    seed bigint, players integer, events bigint, from_time timestamptz, to_time timestamptz)
RETURNS TABLE (player bigint, player_id bigint, region text, country text, zone text, currency text, device text,
               game_id text, spends double precision, begins timestamptz, seconds double precision,
               events_before bigint, steps bigint, experience bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH person AS (
        SELECT n::bigint AS player, p.*, local.first_day, local.days, floor(local.days * p.arrival)::int AS joined
        FROM generate_series(1, players) AS n
        CROSS JOIN LATERAL game.player(seed, n) AS p
        CROSS JOIN LATERAL (SELECT (from_time AT TIME ZONE p.zone)::date AS first_day,
                                   (to_time AT TIME ZONE p.zone)::date - (from_time AT TIME ZONE p.zone)::date + 1 AS days) AS local
    ), active AS (
        SELECT p.*, d AS day, p.first_day + d AS date, p.player * 100000 + d AS number
        FROM person AS p CROSS JOIN LATERAL generate_series(p.joined, least(p.days - 1, p.joined + p.stays)) AS d
        WHERE d = p.joined
           OR game.draw(seed, 12, p.player * 100000 + d)
              < p.zeal * CASE WHEN extract(isodow FROM p.first_day + d) >= 6 THEN 1.15 ELSE 1 END
              -- some have enough of it for two weeks, and come back
              AND NOT (p.pause IS NOT NULL AND d - p.joined BETWEEN p.pause AND p.pause + 14)
    ), played AS (
        SELECT a.*, s AS turn, a.number * 10 + s AS session, 240 + floor(3000 * power(game.draw(seed, 14, a.number * 10 + s), 2))::bigint AS seconds,
               -- one after the other: each has a part of the day of its own
               (a.date + game.clock((s - 1 + 0.95 * game.draw(seed, 15, a.number * 10 + s)) / a.turns)) AT TIME ZONE a.zone AS begins
        FROM (SELECT *, 1 + floor(2.2 * game.draw(seed, 13, active.number))::int AS turns FROM active) AS a
        CROSS JOIN LATERAL generate_series(1, a.turns) AS s
    ), shared AS (
        -- Events are shared out by length, in whole numbers, so that there are as many as asked for.
        SELECT p.*, (sum(p.seconds) OVER w - p.seconds) * events / sum(p.seconds) OVER () AS events_before,
               sum(p.seconds) OVER w * events / sum(p.seconds) OVER () AS events_then
        FROM played AS p
        WHERE p.begins >= from_time AND p.begins + p.seconds * interval '1 second' <= to_time
        WINDOW w AS (ORDER BY p.session)
    )
    SELECT s.player, s.player_id, s.region, s.country, s.zone,
           CASE WHEN game.draw(seed, 18, s.session) < 0.1 THEN 'USD' ELSE s.currency END,
           CASE WHEN game.draw(seed, 16, s.session) < 0.1 THEN 'pc' ELSE s.device END,
           CASE WHEN game.draw(seed, 17, s.session) < 0.1 THEN 'farm-story' ELSE s.game_id END,
           s.spends, s.begins,
           -- few events do not make a long session
           least(s.seconds, 180 * (s.events_then::bigint - s.events_before::bigint))::double precision,
           s.events_before::bigint, s.events_then::bigint - s.events_before::bigint,
           s.events_before::bigint - min(s.events_before::bigint) OVER (PARTITION BY s.player)
    FROM (SELECT player, player_id, region, country, zone, currency, device, game_id, spends, begins, session, seconds,
                 floor(events_before) AS events_before, floor(events_then) AS events_then FROM shared) AS s
    WHERE s.events_then > s.events_before;
END;
COMMENT ON FUNCTION game.sessions(bigint, integer, bigint, timestamptz, timestamptz) IS
'Sessions of a made-up game between two times: who, where, from when, how long and with how many events (steps). '
'experience: events of the player before.';

-- Both kinds of messages. Without a rate it is a history of so many events; with one, the events of that rate.
CREATE OR REPLACE FUNCTION game.told(
    seed bigint, players integer, events bigint, rate double precision, from_time timestamptz, to_time timestamptz,
    late double precision, duplicates double precision, broken double precision, late_by interval)
RETURNS TABLE (message_number bigint, key text, value text, event_number bigint, is_late boolean, is_repeated boolean,
               is_broken boolean)
LANGUAGE sql STABLE PARALLEL SAFE
-- Days of an interval have 24 hours wherever the caller is. Compiling takes longer than what it compiles.
SET timezone = 'UTC' SET jit = off
BEGIN ATOMIC
    WITH happening AS (
        SELECT s.events_before + step AS n, s.player_id, s.region, s.country, s.currency, s.device, s.game_id, s.spends,
               s.begins + interval '1 second' * (s.seconds * (step - 1 + game.draw(seed, 20, s.events_before + step)) / s.steps) AS at,
               step, s.steps, s.experience + step AS experience
        FROM game.sessions(seed, players, events, from_time, to_time) AS s CROSS JOIN LATERAL generate_series(1, s.steps) AS step
        WHERE rate IS NULL
        UNION ALL
        -- So many play at a time (slots) that each does something every 6 seconds. After 150 events the slot is another player's.
        SELECT g, p.player_id, p.region, p.country, p.currency, p.device, p.game_id, p.spends,
               to_timestamp(g / rate), t.step % 150 + 1, 150, floor(2000 * p.arrival)::bigint + t.step % 150
        FROM (SELECT greatest(1, least(players / 2, ceil(6 * rate)::bigint)) AS slots WHERE rate IS NOT NULL) AS c
        CROSS JOIN LATERAL generate_series(ceil(extract(epoch FROM from_time)::double precision * rate)::bigint,
                                           ceil(extract(epoch FROM to_time)::double precision * rate)::bigint - 1) AS g
        CROSS JOIN LATERAL (SELECT g / c.slots + floor(150 * game.draw(seed, 29, g % c.slots))::bigint AS step OFFSET 0) AS t
        CROSS JOIN LATERAL game.player(seed, 1 + g % c.slots + c.slots * (t.step / 150 % greatest(1, players / c.slots))) AS p
    ), stepped AS (
        SELECT h.*, 1 + floor(sqrt(h.experience / 6.0::double precision))::int AS level,
               CASE WHEN game.draw(seed, 21, h.n) < late
                    THEN late_by * power(game.draw(seed, 22, h.n), 5) ELSE interval '0' END AS delay,
               game.draw(seed, 23, h.n) AS fate, game.draw(seed, 24, h.n) AS chance, game.draw(seed, 25, h.n) AS much
        FROM happening AS h
    ), acted AS (
        SELECT s.*,
               CASE WHEN s.step = 1 THEN 'login'
                    WHEN s.step = s.steps AND s.steps > 2 THEN 'logout'
                    WHEN s.level > 1 + floor(sqrt((s.experience - 1) / 6.0::double precision))::int THEN 'level_up'
                    ELSE CASE s.step % 10 WHEN 2 THEN 'match_start' WHEN 4 THEN 'match_end' WHEN 7 THEN 'match_start' WHEN 0 THEN 'match_end'
                                          WHEN 5 THEN 'quest_start' WHEN 9 THEN 'quest_complete'
                              ELSE CASE WHEN s.chance < s.spends THEN 'purchase' WHEN s.much < 0.6 THEN 'chat' ELSE 'item_used' END END
               END AS action
        FROM stepped AS s
    ), numbered AS (
        -- A device without network tells it later; a producer that heard nothing of its try tells it again.
        SELECT row_number() OVER (ORDER BY t.told_at, t.n, t.again) AS message_number, t.*
        FROM (SELECT a.*, again, CASE WHEN rate IS NULL THEN a.at + a.delay ELSE a.at END + again * interval '3 seconds' AS told_at
              FROM acted AS a CROSS JOIN LATERAL generate_series(0, CASE WHEN a.fate >= 1 - duplicates THEN 1 ELSE 0 END) AS again) AS t
    ), document AS (
        SELECT m.*,
               '{"event_id":"' || md5(seed || '/' || m.n)::uuid || '","player_id":' || m.player_id || ',"game_id":"' || m.game_id
               || '","action":"' || m.action || '","timestamp":"'
               || to_char((CASE WHEN rate IS NULL THEN m.at ELSE m.at - m.delay END) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
               || '"' || CASE WHEN m.action = 'purchase' THEN ',"amount":'
                   || (CASE m.currency WHEN 'JPY' THEN ARRAY['120', '250', '650', '1300', '2600', '6500']
                                       WHEN 'BRL' THEN ARRAY['4.90', '9.90', '24.90', '49.90', '99.90', '249.90']
                                       ELSE ARRAY['0.99', '1.99', '4.99', '9.99', '19.99', '49.99'] END)
                      [1 + floor(6 * m.much * m.much)::int] || ',"currency":"' || m.currency || '"'
                   WHEN m.action = 'chat' THEN ',"message":"'
                   || (ARRAY['gg', 'well played 👏', 'anyone for a raid?', '次の試合！', 'brb', 'tab\there \"quoted\"'])
                      [1 + floor(10 * m.much)::int] || '"'
                   WHEN m.action LIKE 'match%' THEN ',"match_id":"' || md5(seed || ':' || m.n - m.step || ':' || (m.step - 1) / 5)::uuid || '"'
                   WHEN m.action LIKE 'quest%' THEN ',"quest":"quest-' || 1 + (m.n - m.step + (m.step - 1) / 10 * 10) % 40 || '"'
                   ELSE '' END
               || ',"region":"' || m.region || '","level":' || m.level || ',"context":{"device":"' || m.device
               || '","country":"' || m.country || '","version":"2.' || m.n % 7 || '.0"}}' AS text
        FROM numbered AS m
    )
    SELECT d.message_number, d.player_id::text,
           CASE WHEN d.fate >= broken THEN d.text
                WHEN d.fate < 0.25 * broken THEN left(d.text, length(d.text) / 2)                         -- cut off
                WHEN d.fate < 0.50 * broken THEN replace(d.text, '"timestamp":"', '"timestamp":"yesterday, ')
                WHEN d.fate < 0.75 * broken THEN replace(d.text, '"action":"', '"action":null,"was":"')
                ELSE replace(d.text, '"level":', '"level":"ninety","was":') END,
           d.n, d.delay > interval '0', d.again = 1, d.fate < broken
    FROM document AS d ORDER BY d.told_at, d.n, d.again;
END;
COMMENT ON FUNCTION game.told(bigint, integer, bigint, double precision, timestamptz, timestamptz, double precision, double precision, double precision, interval) IS
'What game.messages() and game.live_messages() are made of.';

CREATE OR REPLACE FUNCTION game.messages(
    seed bigint, players integer, events bigint, from_time timestamptz, to_time timestamptz,
    late double precision DEFAULT 0.02, duplicates double precision DEFAULT 0.005, broken double precision DEFAULT 0.004,
    late_by interval DEFAULT '2 days')
RETURNS TABLE (message_number bigint, key text, value text, event_number bigint, is_late boolean, is_repeated boolean,
               is_broken boolean)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT * FROM game.told(seed, players, events, NULL, from_time, to_time, late, duplicates, broken, late_by);
END;
COMMENT ON FUNCTION game.messages(bigint, integer, bigint, timestamptz, timestamptz, double precision, double precision, double precision, interval) IS
'The history of a made-up game that came out at from_time, as messages for Kafka in the order in which they are sent: exactly so '
'many events, and the duplicates. late, duplicates, broken: which part of the events (0 to 1) is sent later than it happened (by '
'late_by at most, mostly much less), is sent twice, or is no valid event; is_late, is_repeated (the second of the two) and '
'is_broken say of which messages this is so. For days, not for minutes: nobody''s session crosses from_time or to_time. '
'Example: SELECT key, value FROM game.messages(42, 5000, 1000000, now() - interval ''30 days'', now())';

CREATE OR REPLACE FUNCTION game.live_messages(
    seed bigint, players integer, rate double precision, from_time timestamptz, to_time timestamptz,
    late double precision DEFAULT 0.02, duplicates double precision DEFAULT 0.005, broken double precision DEFAULT 0.004,
    late_by interval DEFAULT '2 days')
RETURNS TABLE (message_number bigint, key text, value text, event_number bigint, is_late boolean, is_repeated boolean,
               is_broken boolean)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT * FROM game.told(seed, players, NULL, rate, from_time, to_time, late, duplicates, broken, late_by);
END;
COMMENT ON FUNCTION game.live_messages(bigint, integer, double precision, timestamptz, timestamptz, double precision, double precision, double precision, interval) IS
'Messages that are sent between two times, rate events a second, by the same players as those of game.messages(), whatever the time '
'of day. Adjoining times give adjoining messages, none missing and none twice: called again and again, this is a stream.';

CREATE OR REPLACE PROCEDURE game.stream(
    target regclass, seed bigint DEFAULT 42, players integer DEFAULT 20000, rate double precision DEFAULT 1000,
    seconds double precision DEFAULT 60, late double precision DEFAULT 0.02, duplicates double precision DEFAULT 0.005,
    broken double precision DEFAULT 0.004, late_by interval DEFAULT '2 days', tick interval DEFAULT '200 milliseconds', INOUT sent bigint DEFAULT 0)
LANGUAGE plpgsql AS $$
DECLARE
    began CONSTANT timestamptz := clock_timestamp();
    ends CONSTANT timestamptz := began + seconds * interval '1 second';
    sent_to timestamptz := began;
    next timestamptz;
    added bigint;
BEGIN
    WHILE sent_to < ends LOOP
        PERFORM pg_sleep(extract(epoch FROM least(sent_to + tick, ends) - clock_timestamp()));
        -- All that became due: a slow broker makes ticks longer, not the rate lower.
        next := least(clock_timestamp(), ends);
        EXECUTE format('INSERT INTO %s (key, value) SELECT key, value FROM game.live_messages($1, $2, $3, $4, $5, $6, $7, $8, $9)', target)
            USING seed, players, rate, sent_to, next, late, duplicates, broken, late_by;
        GET DIAGNOSTICS added = ROW_COUNT;
        COMMIT;
        sent := sent + added;
        sent_to := next;
    END LOOP;
END $$;
COMMENT ON PROCEDURE game.stream(regclass, bigint, integer, double precision, double precision, double precision, double precision, double precision, interval, interval, bigint) IS
'Sends a made-up game''s events as they happen, now, to a table with the columns key and value: the foreign table of a topic, or an '
'ordinary one. rate: events a second; seconds: for how long; the other parameters are those of game.live_messages(). Commits every '
'tick, so it cannot run inside a transaction. Returns how many messages it sent. Example: CALL game.stream(''game.player_events_raw'', rate => 1000, seconds => 60)';
