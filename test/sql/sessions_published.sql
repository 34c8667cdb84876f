-- Session cases that Flink, Spark and Kafka Streams publish in their tests and documentation, and what lies at the
-- boundaries, through a continuous view in several orders of arrival and through the plain query. What differs there:
--   Flink   the end is the last event and the gap, and fires when the watermark reaches that less a millisecond: an event of
--           exactly that time belongs to the session, but only if it comes before. Here the set of events alone decides.
--   Spark   the end is the last event and the gap, said to be exclusive; two windows that touch are merged all the same. Rows
--           without a time, and those whose gap is not positive, are dropped. Here: a group, and an error.
--   Kafka   the end is the last event, as here. What is later than the grace period is dropped; here nothing is.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET datestyle = 'ISO';
CREATE TABLE published (example text, key text, at timestamptz, gap interval, value int);
CREATE TABLE expected (example text, key text, started_at timestamptz, ended_at timestamptz, events bigint, sum bigint);
CREATE FUNCTION ms(n numeric) RETURNS timestamptz IMMUTABLE LANGUAGE sql AS $$ SELECT timestamptz '2026-01-01' + n::float8 * interval '1 ms' $$;

-- Flink, WindowOperatorTest, sessions of 3 s: 5501 is a millisecond too late for the session until 2500. Two events of one time.
INSERT INTO published SELECT 'flink operator', key, ms(n), '3 s', value FROM (VALUES ('key2', 0, 1), ('key2', 1000, 2), ('key2', 2500, 3),
    ('key1', 10, 1), ('key1', 1000, 2), ('key1', 2500, 3), ('key2', 5501, 4), ('key2', 6000, 5), ('key2', 6000, 5), ('key2', 6050, 6),
    ('key2', 15000, 10), ('key2', 15000, 20)) v(key, n, value);
INSERT INTO expected VALUES ('flink operator', 'key1', ms(10), ms(2500), 3, 6), ('flink operator', 'key2', ms(0), ms(2500), 3, 6),
    ('flink operator', 'key2', ms(5501), ms(6050), 4, 20), ('flink operator', 'key2', ms(15000), ms(15000), 2, 30);
-- Flink, EventTimeSessionWindowsTest: windows that touch are one, (0, 1) (1, 2) (2, 3) and (4, 5) (5, 6).
INSERT INTO published SELECT 'flink consecutive', 'k', ms(n), '1 ms', n FROM unnest('{0,1,2,4,5}'::int[]) n;
INSERT INTO expected VALUES ('flink consecutive', 'k', ms(0), ms(2), 3, 3), ('flink consecutive', 'k', ms(4), ms(5), 2, 9);
-- Windows within others: (1, 1) in (0, 2), (5, 6) in (4, 7). The empty one is a microsecond long here.
INSERT INTO published SELECT 'flink covering', 'k', ms(n), g * interval '1 microsecond', n
    FROM (VALUES (1, 1), (0, 2000), (4, 3000), (5, 1000)) v(n, g);
INSERT INTO expected VALUES ('flink covering', 'k', ms(0), ms(1), 2, 1), ('flink covering', 'k', ms(4), ms(5), 2, 9);
-- Flink, the SESSION function of SQL, by item.
INSERT INTO published SELECT 'flink sql', key, at::timestamptz, '5 minutes', value FROM (VALUES ('A', '2020-04-15 08:07', 4), ('A', '2020-04-15 08:06', 2),
    ('B', '2020-04-15 08:09', 5), ('A', '2020-04-15 08:08', 3), ('B', '2020-04-15 08:17', 1)) v(key, at, value);
INSERT INTO expected VALUES ('flink sql', 'A', '2020-04-15 08:06', '2020-04-15 08:08', 3, 9),
    ('flink sql', 'B', '2020-04-15 08:09', '2020-04-15 08:09', 1, 5), ('flink sql', 'B', '2020-04-15 08:17', '2020-04-15 08:17', 1, 1);
-- Spark, DataFrameSessionWindowingSuite, sessions of 10 s: without keys, with keys, keys whose sessions overlap, times without a zone.
INSERT INTO published SELECT 'spark ' || example, key, '2016-03-27 19:39:00'::timestamptz + s * interval '1 s', '10 s', value FROM (VALUES
    ('alone', '', 34, 1), ('alone', '', 56, 2), ('alone', '', 27, 4),
    ('keys', 'a', 34, 1), ('keys', 'a', 39, 1), ('keys', 'a', 56, 2), ('keys', 'a', 64, 2), ('keys', 'b', 27, 4),
    ('overlap', 'a', 34, 1), ('overlap', 'b', 39, 1), ('overlap', 'a', 40, 2), ('overlap', 'b', 45, 2), ('overlap', 'b', 27, 4),
    ('ntz', 'a', 30, 1), ('ntz', 'a', 25, 2)) v(example, key, s, value);
INSERT INTO expected SELECT 'spark ' || example, key, '2016-03-27 19:39:00'::timestamptz + a * interval '1 s', '2016-03-27 19:39:00'::timestamptz + b * interval '1 s',
    events, sum FROM (VALUES ('alone', '', 27, 34, 2, 5), ('alone', '', 56, 56, 1, 2), ('keys', 'b', 27, 27, 1, 4), ('keys', 'a', 34, 39, 2, 2),
    ('keys', 'a', 56, 64, 2, 4), ('overlap', 'b', 27, 27, 1, 4), ('overlap', 'a', 34, 40, 2, 3), ('overlap', 'b', 39, 45, 2, 3),
    ('ntz', 'a', 25, 30, 2, 3)) v(example, key, a, b, events, sum);
-- The gaps of its suite's rows, 30 s, 10 s and 20 s, grouped: the first one reaches both others.
INSERT INTO published SELECT 'spark gaps', 'a', '2016-03-27 19:39:00'::timestamptz + s * interval '1 s', g::interval, value
    FROM (VALUES (34, 1, '10 s'), (56, 2, '20 s'), (27, 4, '30 s')) v(s, value, g);
INSERT INTO expected VALUES ('spark gaps', 'a', '2016-03-27 19:39:27', '2016-03-27 19:39:56', 3, 7);
-- Its documentation: 5 minutes for A1, 1 minute for A2.
INSERT INTO published SELECT 'spark sql', key, '2021-01-01'::timestamptz + s * interval '1 s', g::interval, 1 FROM (VALUES ('A1', 0, '5 minutes'),
    ('A1', 270, '5 minutes'), ('A1', 600, '5 minutes'), ('A2', 60, '1 minute'), ('A2', 270, '1 minute')) v(key, s, g);
INSERT INTO expected VALUES ('spark sql', 'A1', '2021-01-01', '2021-01-01 00:04:30', 2, 2), ('spark sql', 'A1', '2021-01-01 00:10', '2021-01-01 00:10', 1, 1),
    ('spark sql', 'A2', '2021-01-01 00:01', '2021-01-01 00:01', 1, 1), ('spark sql', 'A2', '2021-01-01 00:04:30', '2021-01-01 00:04:30', 1, 1);
-- Kafka Streams, SessionWindows, a gap of 5: two sessions; and one of both when a record at 16 comes behind.
INSERT INTO published SELECT example, 'A', ms(n), '5 ms', value FROM (VALUES ('kafka two', 10, 1), ('kafka two', 12, 2), ('kafka two', 20, 3),
    ('kafka bridge', 10, 1), ('kafka bridge', 12, 2), ('kafka bridge', 20, 3), ('kafka bridge', 16, 4)) v(example, n, value);
INSERT INTO expected VALUES ('kafka two', 'A', ms(10), ms(12), 2, 3), ('kafka two', 'A', ms(20), ms(20), 1, 3), ('kafka bridge', 'A', ms(10), ms(20), 4, 10);
-- Its picture, 5 minutes: green at 0 and 6 become one by a record between; blue is extended to 5; 11 is a session of its own.
INSERT INTO published SELECT 'kafka picture', key, ms(n * 60000), '5 minutes', 1 FROM (VALUES ('green', 0), ('green', 6), ('blue', 2), ('green', 4),
    ('blue', 5), ('blue', 11)) v(key, n);
INSERT INTO expected VALUES ('kafka picture', 'green', ms(0), ms(360000), 3, 3), ('kafka picture', 'blue', ms(120000), ms(300000), 2, 2),
    ('kafka picture', 'blue', ms(660000), ms(660000), 1, 1);
-- At the boundary: a distance of the gap, a microsecond less, a microsecond more, on both sides of an event.
INSERT INTO published SELECT 'boundary', key, '2026-01-01 12:00'::timestamptz + d * (interval '30 minutes' + u * interval '1 microsecond'), '30 minutes', 1
    FROM (VALUES ('equal', 0), ('under', -1), ('over', 1)) k(key, u), generate_series(-1, 1) d;
INSERT INTO expected SELECT 'boundary', key, '2026-01-01 12:00'::timestamptz - (interval '30 minutes' + u * interval '1 microsecond'),
    '2026-01-01 12:00'::timestamptz + (interval '30 minutes' + u * interval '1 microsecond'), 3, 3 FROM (VALUES ('equal', 0), ('under', -1)) k(key, u);
INSERT INTO expected SELECT 'boundary', key, at, at, 1, 1 FROM published WHERE example = 'boundary' AND key = 'over';
-- Equal times only; no time; infinite times, which nothing reaches, beside the last times that are finite; NULL as a key.
INSERT INTO published SELECT 'times', key, at::timestamptz, '1 day', 1 FROM (VALUES ('same', '2026-01-01'), ('same', '2026-01-01'), ('same', '2026-01-01'),
    ('none', NULL), ('none', NULL), ('none', '2026-01-01'), ('ends', 'infinity'), ('ends', 'infinity'), ('ends', '-infinity'), ('ends', '-infinity'),
    ('ends', '294276-12-31 23:59:59.999999'), ('ends', '294276-12-31'), ('ends', '4714-11-24 00:00 BC'), ('ends', '4714-11-25 00:00 BC'),
    (NULL, '2026-01-01'), (NULL, '2026-01-02')) v(key, at);
INSERT INTO expected VALUES ('times', 'same', '2026-01-01', '2026-01-01', 3, 3), ('times', 'none', NULL, NULL, 2, 2), ('times', 'none', '2026-01-01', '2026-01-01', 1, 1),
    ('times', 'ends', 'infinity', 'infinity', 2, 2), ('times', 'ends', '-infinity', '-infinity', 2, 2),
    ('times', 'ends', '294276-12-31', '294276-12-31 23:59:59.999999', 2, 2), ('times', 'ends', '4714-11-24 00:00 BC', '4714-11-25 00:00 BC', 2, 2),
    ('times', NULL, '2026-01-01', '2026-01-02', 2, 2);

-- The plain query.
CREATE VIEW plain AS SELECT example, key, min(at) AS started_at, max(at) AS ended_at, count(*) AS events, sum(value) AS sum
    FROM published GROUP BY example, key, telemetry.session_window(at, gap);
TABLE plain EXCEPT ALL TABLE expected;
TABLE expected EXCEPT ALL TABLE plain;

-- The continuous view: each order, in batches of several sizes, once and twice over.
CREATE TABLE arrived (LIKE published);
CREATE MATERIALIZED VIEW kept WITH (telemetry.continuous) AS SELECT example, key, min(at) AS started_at, max(at) AS ended_at, count(*) AS events,
    sum(value) AS sum FROM arrived GROUP BY example, key, telemetry.session_window(at, gap);
CREATE TABLE differences (way text, batch int, copies int, side text, example text, key text, started_at timestamptz, ended_at timestamptz, events bigint, sum bigint);
CREATE PROCEDURE arrive(way text, by text, batch int, copies int) LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE arrived;
    COMMIT;
    EXECUTE 'CREATE TEMP TABLE line AS SELECT row_number() OVER (ORDER BY ' || by || ', c) AS n, p.* FROM (SELECT row_number() OVER () AS i, published.*
        FROM published) p, generate_series(1, $1) c' USING copies;
    FOR step IN 0 .. (SELECT max(line.n) FROM line) / batch LOOP
        INSERT INTO arrived SELECT example, key, at, gap, value FROM line WHERE line.n > step * batch AND line.n <= (step + 1) * batch;
        COMMIT;
    END LOOP;
    DROP TABLE line;
    INSERT INTO differences SELECT way, batch, copies, 'unexpected', d.* FROM (TABLE kept EXCEPT ALL
        SELECT example, key, started_at, ended_at, events * copies, sum * copies FROM expected) d;
    INSERT INTO differences SELECT way, batch, copies, 'missing', d.* FROM (SELECT example, key, started_at, ended_at, events * copies, sum * copies
        FROM expected EXCEPT ALL TABLE kept) d;
END $$;
CALL arrive('as published', 'i', 1, 1);
CALL arrive('as published', 'i', 7, 2);
CALL arrive('by time', 'at', 1, 1);
CALL arrive('by time', 'at', 1000, 1);
CALL arrive('by time, backwards', 'at DESC', 1, 1);
CALL arrive('by time, backwards', 'at DESC', 4, 2);
CALL arrive('any', 'hashint8(i)', 1, 2);
CALL arrive('any', 'hashint8(i)', 5, 1);
CALL arrive('any', 'hashint8extended(i, 3)', 2, 1);
CALL arrive('any', 'hashint8extended(i + 100 * c, 4)', 3, 3);
TABLE differences;
-- What bridges goes: the sessions of before.
DELETE FROM arrived WHERE example = 'kafka bridge' AND value = 4 OR example = 'kafka picture' AND key = 'green' AND at = ms(240000);
SELECT example, key, started_at, ended_at, events FROM kept WHERE example = 'kafka bridge' OR example = 'kafka picture' AND key = 'green' ORDER BY 1, 3;
SELECT count(*) FROM telemetry.verify('kept');
DROP TABLE published, arrived, expected, differences CASCADE;
DROP FUNCTION ms;
DROP PROCEDURE arrive;
