-- Nanoseconds per message of what bench/decode/run describes. Variable: loops.
CREATE TABLE shape (n serial, name text, columns text[], message text);
-- i goes into the ids, so that messages differ.
CREATE FUNCTION message(template text, i int) RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT replace(template, '@', (100000 + i)::text) $$;

\set event '{"player_id":"p@","game_id":"chess","action":"purchase","timestamp":"2024-05-06T07:08:09.123Z","amount":12.50,"session":99@77,"region":"eu-west","device":"ios","level":17}'
\set columns '{player_id|text,game_id|text,action|text,event_time|timestamptz||timestamp,amount|numeric,session|bigint,region|text,device|text,level|int,kafka_partition|int|partition,kafka_offset|bigint|offset}'
INSERT INTO shape (name, columns, message) VALUES
('9 fields, 11 columns', :'columns', :'event'),
('the same, 3 fields into the rest as jsonb',
 '{player_id|text,game_id|text,action|text,event_time|timestamptz||timestamp,amount|numeric,session|bigint,attributes|jsonb|rest,kafka_partition|int|partition,kafka_offset|bigint|offset}', :'event'),
('the same, columns in another order',
 '{level|int,device|text,region|text,session|bigint,amount|numeric,event_time|timestamptz||timestamp,action|text,game_id|text,player_id|text,kafka_partition|int|partition,kafka_offset|bigint|offset}', :'event'),
('the same, spaces after colons and commas', :'columns',
 replace(replace(:'event', '":', '": '), ',"', ', "')),
('the same, three columns of it', '{player_id|text,event_time|timestamptz||timestamp,amount|numeric}', :'event'),
('the same, epoch milliseconds',
 '{player_id|text,game_id|text,action|text,event_time|timestamptz||timestamp|epoch_ms,amount|numeric,session|bigint,region|text,device|text,level|int,kafka_partition|int|partition,kafka_offset|bigint|offset}',
 replace(:'event', '"2024-05-06T07:08:09.123Z"', '1714979289123')),
('nested: context.device, items[0].price', '{player_id|text,device|text||context.device,price|numeric||items[0].price,level|int}',
 '{"player_id":"p@","context":{"os":"ios 17","device":"phone","screen":[1170,2532]},"items":[{"sku":"gem","price":4.99},{"sku":"hat","price":1.00}],"level":17}'),
('a kilobyte of text, one in ten letters not ASCII', '{player_id|text,body|text}',
 '{"player_id":"p@","body":"' || repeat('schöne Grüße aus der großen Stadt ', 30) || '"}'),
('the message as one jsonb', '{v|jsonb|value}', :'event'),
('a bad number: the error', '{player_id|text,amount|int}', :'event'),
('not JSON: the error', :'columns', :'event' || '}');

SELECT n, name, length(message(message, 1)) AS bytes,
       round(decode_bench(columns, (SELECT array_agg(convert_to(message(message, i), 'UTF8')) FROM generate_series(1, 1000) AS i), :loops)::numeric) AS ns
FROM shape ORDER BY n;
SELECT 'for comparison: jsonb_in of the first event' AS name,
       round(jsonb_bench((SELECT array_agg(message(message, i)) FROM generate_series(1, 1000) AS i), :loops)::numeric) AS ns
FROM shape WHERE n = 1;
