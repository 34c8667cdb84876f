-- Keys of any length, to group by: short_key().
SET search_path = telemetry, public;

-- Up to 200 bytes the value itself, by bytes and not by characters.
SELECT short_key('player-1'), short_key(''), short_key(NULL) IS NULL;
SELECT short_key(repeat('a', 200)) = repeat('a', 200), short_key(repeat('ä', 100)) = repeat('ä', 100);
SELECT short_key(repeat('a', 201));

-- Characters stay whole, and what is shortened is longer than what is kept.
SELECT n, octet_length(key), length(key), left(key, 1) = c AND right(key, 64) = encode(sha256(convert_to(repeat(c, n), 'UTF8')), 'hex') AS good
FROM (VALUES ('ä', 101), ('€', 67), ('😀', 51), ('a', 300000)) x(c, n), short_key(repeat(c, n)) key;
SELECT short_key(short_key(repeat('a', 201))) <> short_key(repeat('a', 201)) AS another;

-- Texts of the same beginning differ by their ends; compressed and out of line, a value is the same.
SELECT count(DISTINCT short_key(repeat('x', 400) || i)) FROM generate_series(1, 1000) i;
CREATE TABLE stored(kind text, value text);
ALTER TABLE stored ALTER value SET STORAGE external;
INSERT INTO stored SELECT 'plain', repeat('0123456789', n) FROM unnest('{20,21,5000}'::int[]) n;
ALTER TABLE stored ALTER value SET STORAGE extended;
INSERT INTO stored SELECT 'compressed', repeat('0123456789', n) FROM unnest('{20,21,5000}'::int[]) n;
SELECT octet_length(value), count(*), count(DISTINCT short_key(value)), bool_and(short_key(value) = short_key(value || '')) FROM stored GROUP BY 1 ORDER BY 1;

-- A view of long keys, through every kind of change.
CREATE TABLE page_view(url text, n int);
CREATE MATERIALIZED VIEW by_url WITH (telemetry.continuous) AS SELECT url, count(*) FROM page_view GROUP BY url;
INSERT INTO page_view VALUES (repeat('x', 2601), 1);
DROP MATERIALIZED VIEW by_url;
CREATE MATERIALIZED VIEW page WITH (telemetry.continuous) AS
	SELECT short_key(url) AS page, min(url) AS url, count(*) AS views, sum(n) FROM page_view GROUP BY 1;
INSERT INTO page_view SELECT '/' || repeat(chr(97 + i % 3), (i % 5) * 3000), i FROM generate_series(0, 99) i;
INSERT INTO page_view VALUES (NULL, 1);
SELECT octet_length(page), octet_length(url), views, sum FROM page ORDER BY 1, 2, 3, 4;
DELETE FROM page_view WHERE n % 7 = 0;
UPDATE page_view SET url = url || 'z' WHERE n % 11 = 0;
SELECT * FROM verify('page');
SELECT count(*), count(DISTINCT page), count(DISTINCT url) FROM page;
SET client_min_messages = warning;
DROP TABLE page_view, stored CASCADE;
