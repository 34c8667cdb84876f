-- A made-up game's players, as a stream of events: plain SQL, and the same for the same seed.
--
-- game_events(seed, players, events, from_time, to_time) gives raw messages: key and value as a
-- producer would write them to Kafka. Every player lives through a little state machine: logs in,
-- plays matches, takes quests, chats, buys something now and then, levels up, logs out. Among 1,000
-- messages about 20 come late (up to two hours), 5 twice, and 4 are broken in one of four ways.
--
-- Nothing here needs the extension; examples/demo shows how the rows are sent to a topic.

CREATE SCHEMA IF NOT EXISTS game;

-- A uniform number in [0, 1) that depends on nothing but its arguments.
CREATE OR REPLACE FUNCTION game.draw(seed bigint, stream bigint, n bigint)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(n * 1000003 + stream, seed) & x'7fffffffffff'::bigint)
       / 140737488355328::double precision;
COMMENT ON FUNCTION game.draw(bigint, bigint, bigint) IS
'Pseudo-random number in [0, 1): the nth of a stream, the same for the same seed.';

-- Who plays: where, on what, and how much they are ready to pay.
CREATE OR REPLACE FUNCTION game.players(seed bigint, players integer)
RETURNS TABLE (player_id bigint, game_id text, region text, currency text, device text, country text,
               spends double precision)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        -- 64-bit ids that a double could not carry
        9007199254740993 + p * 7919,
        (ARRAY['dragon-keep', 'star-drift', 'farm-story'])[1 + least(2, floor(4 * power(game.draw(seed, 1, p), 2))::int)],
        r.region, r.currency,
        (ARRAY['android', 'ios', 'pc', 'console'])[1 + floor(4 * power(game.draw(seed, 3, p), 1.5))::int],
        r.country,
        -- most never pay, a few pay for all of them
        CASE WHEN game.draw(seed, 4, p) < 0.8 THEN 0 ELSE 1 / (0.02 + game.draw(seed, 5, p)) END
    FROM generate_series(1, players) AS p
    CROSS JOIN LATERAL (
        SELECT * FROM (VALUES
            (0, 'eu', 'EUR', 'Österreich'), (1, 'eu', 'EUR', 'España'), (2, 'na', 'USD', 'USA'),
            (3, 'na', 'USD', 'Canada'), (4, 'asia', 'JPY', '日本'), (5, 'asia', 'JPY', '대한민국'),
            (6, 'sa', 'BRL', 'Brasil')) AS v (n, region, currency, country)
        WHERE n = floor(7 * game.draw(seed, 2, p))::int) AS r;
END;
COMMENT ON FUNCTION game.players(bigint, integer) IS 'The players of a made-up game.';

-- What they do. Event n belongs to a player drawn by popularity; each player's own events are then
-- numbered, and the number decides what it is: a session of 12 events, login first and logout last.
CREATE OR REPLACE FUNCTION game.clean_events(
    seed bigint, players integer, events integer, from_time timestamptz, to_time timestamptz)
RETURNS TABLE (event_number bigint, player_id bigint, game_id text, action text, event_time timestamptz,
               level integer, match_id uuid, quest text, message text, amount numeric, currency text,
               region text, country text, device text)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH happening AS (
        SELECT n, 1 + floor(players * power(game.draw(seed, 10, n), 1.7))::int AS player,
               -- in order, in five waves: people come and go
               from_time + (to_time - from_time) * (n + events * sin(n * 10 * pi() / events) / 80)::double precision / events AS at
        FROM generate_series(1, events) AS n
    ), numbered AS (
        SELECT h.*, (row_number() OVER (PARTITION BY player ORDER BY n) - 1) AS step FROM happening AS h
    ), roster AS (
        SELECT row_number() OVER (ORDER BY p.player_id) AS player, p.* FROM game.players(seed, players) AS p
    ), played AS (
        SELECT s.n, s.at, s.step, r.*,
               CASE s.step % 12
                   WHEN 0 THEN 'login' WHEN 11 THEN 'logout'
                   WHEN 1 THEN 'match_start' WHEN 3 THEN 'match_end'
                   WHEN 6 THEN 'match_start' WHEN 9 THEN 'match_end'
                   WHEN 4 THEN 'quest_start' WHEN 8 THEN 'quest_complete'
                   WHEN 10 THEN CASE WHEN s.step / 12 % 2 = 0 THEN 'level_up' ELSE 'chat' END
                   ELSE CASE WHEN game.draw(seed, 11, s.n) < 0.1 * r.spends THEN 'purchase' ELSE 'chat' END
               END AS action
        FROM numbered AS s JOIN roster AS r ON r.player = s.player
    )
    SELECT n, player_id, game_id, action, date_trunc('milliseconds', at),
           1 + (step / 24)::int,
           CASE WHEN action LIKE 'match%'
                THEN md5(seed || ':' || player_id || ':' || step / 12 || ':' || (step % 12) / 5)::uuid END,
           CASE WHEN action LIKE 'quest%' THEN 'quest-' || 1 + step / 12 % 40 END,
           CASE WHEN action = 'chat'
                THEN (ARRAY['gg', 'well played 👏', 'anyone for a raid?', '次の試合！', 'brb', E'tab\there "quoted"'])
                     [1 + floor(6 * game.draw(seed, 12, n))::int] END,
           CASE WHEN action = 'purchase'
                THEN CASE currency WHEN 'JPY' THEN (120 * (1 + floor(20 * game.draw(seed, 13, n))))::numeric
                                   ELSE (0.99 + floor(20 * game.draw(seed, 13, n)))::numeric(12, 2) END END,
           CASE WHEN action = 'purchase' THEN currency END,
           region, country, device
    FROM played;
END;
COMMENT ON FUNCTION game.clean_events(bigint, integer, integer, timestamptz, timestamptz) IS
'What players of a made-up game do between two times, in order of production.';

-- The same as messages for Kafka, with the ways of the world: late, repeated, broken.
CREATE OR REPLACE FUNCTION game.messages(
    seed bigint, players integer, events integer, from_time timestamptz, to_time timestamptz)
RETURNS TABLE (message_number bigint, key text, value text)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH told AS (
        SELECT e.event_number AS n, e.player_id::text AS key,
               -- an offline device: the event happened before, the message comes now
               CASE WHEN game.draw(seed, 20, e.event_number) < 0.02
                    THEN e.event_time - interval '2 hours' * game.draw(seed, 21, e.event_number)
                    ELSE e.event_time END AS at,
               game.draw(seed, 22, e.event_number) AS fate, e.*
        FROM game.clean_events(seed, players, events, from_time, to_time) AS e
    ), document AS (
        SELECT n, key, fate, json_strip_nulls(json_build_object(
                   'event_id', md5(seed || '/' || n)::uuid,
                   'player_id', player_id, 'game_id', game_id, 'action', action,
                   'timestamp', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                   'amount', amount, 'currency', currency, 'region', region, 'level', level,
                   'match_id', match_id, 'quest', quest, 'message', message,
                   'context', json_build_object('device', device, 'country', country,
                       'version', '2.' || n % 7 || '.0')))::text AS value
        FROM told
    ), broken AS (
        SELECT n, key, CASE
            WHEN fate < 0.001 THEN left(value, length(value) / 2)                          -- cut off
            WHEN fate < 0.002 THEN replace(value, '"timestamp":"', '"timestamp":"yesterday, ')
            WHEN fate < 0.003 THEN replace(value, '"action":"', '"action":null,"was":"')
            WHEN fate < 0.004 THEN regexp_replace(value, '"level":\d+', '"level":"ninety"')
            ELSE value END AS value
        FROM document
    )
    SELECT n, key, value FROM broken
    UNION ALL
    -- a producer that tries again though the first try arrived
    SELECT n, key, value FROM document WHERE fate BETWEEN 0.5 AND 0.505
    ORDER BY 1;
END;
COMMENT ON FUNCTION game.messages(bigint, integer, integer, timestamptz, timestamptz) IS
'Messages of a made-up game, as its clients would send them: some late, some twice, some broken.';
