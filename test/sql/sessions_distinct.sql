-- count(DISTINCT) in continuous views of sessions: sessions that extend, bridge, split, expire.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET datestyle = 'ISO';
CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE ev (id serial, player int, at timestamptz, quest text, level int, amount numeric, tags text[], name text COLLATE caseless,
    day date) PARTITION BY RANGE (day);
CREATE TABLE d1 PARTITION OF ev FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
CREATE TABLE rest PARTITION OF ev DEFAULT;
CREATE INDEX ON ev (player, at);
CREATE MATERIALIZED VIEW s WITH (telemetry.continuous) AS
    SELECT player, min(at) AS started, count(*) AS events, count(DISTINCT quest) AS quests,
           count(DISTINCT quest) FILTER (WHERE amount > 0) AS paid, count(DISTINCT level) AS levels, sum(DISTINCT level) AS sum,
           avg(DISTINCT level)::numeric(10, 2) AS avg, count(DISTINCT amount) AS amounts, count(DISTINCT (quest, level)) AS pairs,
           count(DISTINCT tags) AS tags, count(DISTINCT name) AS names
    FROM ev GROUP BY player, telemetry.session_window(at, interval '30 minutes');
CREATE MATERIALIZED VIEW per_count WITH (telemetry.continuous) AS
    SELECT quests, count(*) AS sessions, count(DISTINCT player) AS players FROM s GROUP BY 1;
CREATE VIEW differences AS SELECT c.view, v.* FROM telemetry.continuous_view c, telemetry.verify(c.view) v;
CREATE FUNCTION add(at text, quest text, level int, amount numeric DEFAULT NULL, tags text[] DEFAULT NULL, name text DEFAULT NULL)
    RETURNS void LANGUAGE sql AS $$
    INSERT INTO ev (player, at, quest, level, amount, tags, name, day)
        SELECT 1, t, quest, level, amount, tags, name, t::date FROM (SELECT '2026-01-01'::timestamptz + at::interval AS t) AS a $$;

-- Two sessions of the same and of other values; what is equal and looks different is one.
SELECT add('10:00', 'a', 1, 1.0, '{x}', 'Ann'), add('10:10', 'a', 2, 1.00, '{x}', 'ANN'), add('10:20', 'b', NULL, 1);
SELECT add('11:20', 'b', 2, 7, '{y}', 'ann'), add('11:30', NULL, 9);
TABLE s ORDER BY started;
TABLE differences;
-- A late event bridges; when it goes they are two again, with the values of each.
SELECT add('10:50', 'c', 5, -1, '{x,y}', 'Bob');
TABLE s;
TABLE per_count ORDER BY 1;
DELETE FROM ev WHERE quest = 'c';
TABLE s ORDER BY started;
UPDATE ev SET quest = 'z' || repeat('very long ', 100) || id WHERE quest = 'b';
TABLE s ORDER BY started;
TABLE per_count ORDER BY 1;
TABLE differences;

-- Equal values as they are kept, whatever order they come in.
CREATE TABLE source AS SELECT n AS id, 2 + n % 2 AS player, '2026-01-01 12:00'::timestamptz + (n * 7919 % 97) * interval '9 minutes' AS at,
    'q' || n % 5 AS quest, n % 11 AS level, n % 3 AS amount, ARRAY[n % 2] AS tags, chr(65 + n % 2 * 32) AS name, '2026-01-01'::date AS day
    FROM generate_series(1, 90) AS n;
CREATE TABLE wrong (seed int, step int);
CREATE PROCEDURE arrive(seed int, batch int) LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM ev WHERE player > 1;
    FOR step IN 0 .. 89 / batch LOOP
        INSERT INTO ev SELECT id, player, at, quest, level, amount, tags::text[], name, day FROM
            (SELECT *, row_number() OVER (ORDER BY hashint8extended(id, seed)) - 1 AS n FROM source) o WHERE n / batch = step;
        COMMIT;
        INSERT INTO wrong SELECT seed, step WHERE EXISTS (SELECT FROM differences);
    END LOOP;
    FOR step IN 0 .. 8 LOOP
        DELETE FROM ev WHERE player > 1 AND hashint8extended(id, seed) % 9 IN (step, -step);
        COMMIT;
        INSERT INTO wrong SELECT seed, -step WHERE EXISTS (SELECT FROM differences);
    END LOOP;
END $$;
CALL arrive(1, 1);
CALL arrive(2, 7);
CALL arrive(3, 90);
TABLE wrong;

-- A partition goes: what its events had stays with the session that goes on behind it.
SELECT add('23:50', 'a', 1), add('24:10', 'a', 2), add('24:20', 'b', 2);
DROP TABLE d1;
SELECT add('24:30', 'c', 1);
TABLE s ORDER BY started;
DELETE FROM ev WHERE quest = 'c';
TABLE s ORDER BY started;
TABLE differences;
REFRESH MATERIALIZED VIEW s;
TABLE differences;

-- One value of many is written by a batch that brings nothing new as it was: no new TOAST.
CREATE TABLE many (player int, at timestamp, value int);
CREATE MATERIALIZED VIEW m WITH (telemetry.continuous) AS SELECT player, min(at), count(*), count(DISTINCT value) AS vals
    FROM many GROUP BY player, telemetry.session_window(at, interval '1 hour');
INSERT INTO many SELECT 1, '2026-01-01 10:00', hashint4(n) FROM generate_series(1, 5000) AS n;
CREATE FUNCTION toasted() RETURNS TABLE (chunk_id text) LANGUAGE plpgsql AS $$ BEGIN
    RETURN QUERY EXECUTE (SELECT format('SELECT DISTINCT chunk_id::text FROM %s', reltoastrelid::regclass) FROM pg_class
        WHERE oid = (SELECT state FROM telemetry.continuous_view WHERE view = 'm'::regclass)::regclass);
END $$;
CREATE TABLE kept AS SELECT * FROM toasted();
INSERT INTO many SELECT 1, '2026-01-01 10:30', hashint4(n) FROM generate_series(1, 50) AS n;
SELECT count(*) FROM kept;
TABLE kept EXCEPT SELECT * FROM toasted();
TABLE m;
TABLE differences;

-- What is refused.
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT player, count(DISTINCT (quest, amount)) FROM ev
    GROUP BY player, telemetry.session_window(at, interval '30 minutes');
CREATE MATERIALIZED VIEW v WITH (telemetry.continuous) AS SELECT player, sum(DISTINCT amount) FROM ev
    GROUP BY player, telemetry.session_window(at, interval '30 minutes');
-- What the sets are made of, as text says it.
SELECT telemetry._values_agg(v COLLATE "C"), telemetry._values_agg(v COLLATE caseless) IS NOT NULL AS caseless,
       cardinality(telemetry._values_agg(v COLLATE caseless)) FROM unnest('{b,NULL,a,B,a,b}'::text[]) AS v;
SELECT telemetry._values_agg(v) FROM unnest('{NULL}'::text[]) AS v;
SELECT telemetry._values_union('{1,3}'::int[], '{2,3,4}'), telemetry._values_union('{}'::int[], '{1}'), telemetry._values_union('{1}'::int[], NULL),
       telemetry._values_union('{1,2}'::int[], '{2}');
SELECT telemetry._values_union_agg(v) FROM (VALUES ('{1,3}'::int[]), (NULL), ('{2,3}')) AS v (v);
SELECT telemetry._values_union('{1,NULL}'::int[], '{2}');
SELECT telemetry._values_union('{1}'::int[], '{{1,2}}');
SELECT telemetry._values_agg(v) FROM (VALUES ('1'::json)) AS v (v);

DROP TABLE ev, many, source, wrong, kept CASCADE;
DROP VIEW differences;
DROP FUNCTION add, toasted;
DROP PROCEDURE arrive;
DROP COLLATION caseless;
