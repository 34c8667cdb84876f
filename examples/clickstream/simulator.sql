-- A made-up web shop: who visits it, what they look at, and what they buy, as clicks that a topic takes. Plain SQL.
--
--   shop.messages(seed, visits, from_time, to_time, ...)
--
-- Whatever is random is a hash of the seed and a number: the same arguments give the same messages.

CREATE SCHEMA IF NOT EXISTS shop;

CREATE OR REPLACE FUNCTION shop.draw(seed bigint, stream bigint, n bigint)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(n * 1000003 + stream, seed) & x'7fffffffffff'::bigint)
       / 140737488355328::double precision;
COMMENT ON FUNCTION shop.draw(bigint, bigint, bigint) IS
'Pseudo-random number in [0, 1): the nth of a stream, the same for the same seed.';

CREATE OR REPLACE FUNCTION shop.product(seed bigint, number bigint)
RETURNS TABLE (name text, category text, price numeric)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT (ARRAY['Oak', 'Linen', 'Copper', 'Nordic', 'Alpine', 'Classic', 'Garden', 'Midnight', 'Breton', 'Studio'])[1 + (number / 12 + number) % 10]
           || ' ' || kind.name, kind.category, ((495 + 500 * floor(40 * power(shop.draw(seed, 1, number), 2)))::numeric(12,2) / 100)::numeric(12,2)
    FROM (VALUES (0, 'lamp', 'living'), (1, 'chair', 'living'), (2, 'shelf', 'living'), (3, 'mug', 'kitchen'), (4, 'pan', 'kitchen'),
                 (5, 'knife', 'kitchen'), (6, 'blanket', 'textiles'), (7, 'towel', 'textiles'), (8, 'curtain', 'textiles'),
                 (9, 'tent', 'outdoor'), (10, 'grill', 'outdoor'), (11, 'backpack', 'outdoor')) AS kind (number, name, category)
    WHERE kind.number = product.number % 12;
END;
COMMENT ON FUNCTION shop.product(bigint, bigint) IS 'One of the shop''s 120 products, 0 to 119: its name, category, and price in EUR.';

CREATE OR REPLACE FUNCTION shop.messages(
    seed bigint, visits integer, from_time timestamptz, to_time timestamptz,
    late double precision DEFAULT 0.02, duplicates double precision DEFAULT 0.01, broken double precision DEFAULT 0.003,
    late_by interval DEFAULT '12 hours')
RETURNS TABLE (message_number bigint, key text, value text, is_late boolean, is_repeated boolean, is_broken boolean)
LANGUAGE sql STABLE PARALLEL SAFE
SET timezone = 'UTC' SET jit = off
BEGIN ATOMIC
    WITH visit AS (
        SELECT v, 1 + floor(0.6 * visits * power(shop.draw(seed, 10, v), 1.5))::bigint AS visitor,
               -- most come in the evening and at noon: the middle of two draws, of a day that is drawn before
               date_trunc('day', from_time) + interval '1 day' * (
                   floor((1 + extract(epoch FROM to_time - from_time) / 86400)::double precision * shop.draw(seed, 11, v))
                   + CASE WHEN shop.draw(seed, 12, v) < 0.3 THEN 0.40 + 0.20 * shop.draw(seed, 13, v)
                          ELSE 0.25 + 0.70 * (shop.draw(seed, 13, v) + shop.draw(seed, 14, v) + 1) / 3 END) AS begins,
               1 + floor(14 * power(shop.draw(seed, 15, v), 3))::int AS views, shop.draw(seed, 16, v) < 0.45 AS buys,
               (ARRAY['search', 'search', 'search', 'direct', 'direct', 'social', 'newsletter'])[1 + floor(7 * shop.draw(seed, 17, v))::int] AS source
        FROM generate_series(1::bigint, visits) AS v
    ), clicked AS (
        SELECT v.*, v.v * 100 + k AS n, k,
               (ARRAY['phone', 'phone', 'phone', 'desktop', 'desktop', 'tablet'])[1 + floor(6 * shop.draw(seed, 20, v.visitor))::int] AS device,
               (ARRAY['Germany', 'Germany', 'France', 'Italy', 'Poland', 'Spain'])[1 + floor(6 * shop.draw(seed, 21, v.visitor))::int] AS region,
               shop.draw(seed, 22, v.v * 100 + k) < CASE v.source WHEN 'newsletter' THEN 0.15 WHEN 'social' THEN 0.05 ELSE 0.09 END AS puts,
               -- every six hours another product is what all talk about
               floor(120 * CASE WHEN shop.draw(seed, 23, v.v * 100 + k) < 0.25
                                THEN shop.draw(seed, 24, floor(extract(epoch FROM v.begins) / 21600)::bigint)
                                ELSE power(shop.draw(seed, 25, v.v * 100 + k), 2) END)::bigint AS product
        FROM visit AS v CROSS JOIN LATERAL generate_series(1, v.views) AS k
        WHERE v.begins >= from_time AND v.begins < to_time
    ), event AS (
        SELECT c.*, e.action, c.n * 10 + e.place AS number,
               c.begins + interval '1 second' * (e.seconds + floor(35 * shop.draw(seed, 26, c.n * 10 + e.place))) AS at
        FROM clicked AS c CROSS JOIN LATERAL (VALUES
            (0, 'view', 45 * c.k, true), (1, 'add_to_cart', 45 * c.k + 40, c.puts),
            (2, 'purchase', 45 * c.views + 120, c.puts AND c.buys)) AS e (place, action, seconds, happens)
        WHERE e.happens
    ), fated AS (
        SELECT e.*, shop.draw(seed, 30, e.number) AS fate, shop.draw(seed, 31, e.number) < late AS is_late,
               CASE WHEN shop.draw(seed, 31, e.number) < late THEN late_by * power(shop.draw(seed, 32, e.number), 4) ELSE interval '0' END AS delay
        FROM event AS e
    ), sent AS (
        SELECT row_number() OVER (ORDER BY f.at + f.delay + again * interval '5 seconds', f.number, again) AS message_number, f.*, again
        FROM fated AS f CROSS JOIN LATERAL generate_series(0, CASE WHEN f.fate >= 1 - duplicates THEN 1 ELSE 0 END) AS again
    ), document AS (
        SELECT s.*, json_strip_nulls(json_build_object(
                   'id', md5(seed || '/' || s.number)::uuid, 'visitor', 'v-' || s.visitor, 'type', s.action,
                   'at', floor(extract(epoch FROM s.at) * 1000)::bigint, 'product', p.name, 'category', p.category, 'price', p.price,
                   'quantity', CASE WHEN s.action = 'purchase' THEN 1 + floor(1.3 * shop.draw(seed, 33, s.number))::int END,
                   'order', CASE WHEN s.action = 'purchase' THEN 'o-' || s.v END, 'source', s.source,
                   'client', json_build_object('device', s.device, 'region', s.region)))::text AS text
        FROM sent AS s CROSS JOIN LATERAL shop.product(seed, s.product) AS p
    )
    SELECT d.message_number, 'v-' || d.visitor,
           CASE WHEN d.fate >= broken THEN d.text
                WHEN d.fate < 0.25 * broken THEN left(d.text, length(d.text) / 2)                -- cut off
                WHEN d.fate < 0.50 * broken THEN replace(d.text, '"at":', '"at":"soon","was":')
                WHEN d.fate < 0.75 * broken THEN replace(d.text, '"visitor":', '"visitor":null,"was":')
                ELSE replace(d.text, '"price":', '"price":-') END,
           d.is_late, d.again = 1, d.fate < broken
    FROM document AS d ORDER BY d.message_number;
END;
COMMENT ON FUNCTION shop.messages(bigint, integer, timestamptz, timestamptz, double precision, double precision, double precision, interval) IS
'Clicks of about so many visits to a made-up web shop (some 5 a visit), which begin between two times, as messages for Kafka in the '
'order in which they are sent. late, duplicates, broken: which part of them (0 to 1) is sent later than it happened (by late_by at '
'most), twice, or is no valid click. Example: SELECT key, value FROM shop.messages(42, 20000, now() - interval ''7 days'', now())';
