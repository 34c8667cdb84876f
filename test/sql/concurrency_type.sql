-- telemetry.concurrency: how many intervals go on at each moment, as a value; and as what a continuous view keeps.
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
CREATE SCHEMA cc;
SET search_path = cc, telemetry, public;

-- Both ends count: at 10:10 two go on. What has no end goes on.
CREATE TABLE i AS SELECT * FROM (VALUES (timestamptz '2026-01-01 10:00', timestamptz '2026-01-01 10:10'), ('2026-01-01 10:10', '2026-01-01 10:20'),
	('2026-01-01 10:15', '2026-01-01 10:15'), ('2026-01-01 11:00', NULL), (NULL, '2026-01-01 11:00')) v(a, b);
SELECT concurrency_agg(a, b), concurrency_peak(concurrency_agg(a, b)) FROM i;
SELECT s.* FROM (SELECT concurrency_agg(a, b) AS c FROM i) q, unnest(c) s;
SELECT at, concurrency_at((SELECT concurrency_agg(a, b) FROM i), at) FROM (VALUES (timestamptz '2026-01-01 09:59:59.999999'), ('2026-01-01 10:00'), ('2026-01-01 10:10'),
	('2026-01-01 10:10:00.000001'), ('2026-01-01 10:20'), ('2026-01-01 10:20:00.000001'), ('infinity'), ('-infinity')) v(at);
-- One that begins the very microsecond after another one ended changes no number.
SELECT concurrency_agg(a, b) FROM (VALUES (timestamptz '2026-01-01', timestamptz '2026-01-02'), ('2026-01-02 00:00:00.000001', '2026-01-03')) v(a, b);
-- Nothing, and infinity.
SELECT concurrency_agg(a, b), concurrency_peak(concurrency_agg(a, b)), concurrency_at(concurrency_agg(a, b), now()), concurrency_union_agg(NULL) FROM i WHERE false;
SELECT concurrency_agg(a, b) FROM (VALUES (timestamptz '-infinity', timestamptz '-infinity'), ('infinity', 'infinity'), ('infinity', NULL)) v(a, b);
SELECT concurrency_agg(a, b), concurrency_at(concurrency_agg(a, b), '-infinity') FROM (VALUES (timestamptz '-infinity', timestamptz '2026-01-01 12:00'), ('2026-01-01 12:00', 'infinity')) v(a, b);
SELECT concurrency_agg(a, b) FROM (VALUES (timestamptz '294276-12-31', timestamptz '294276-12-31 23:59:59.999999')) v(a, b);
SELECT concurrency_agg('2026-01-02', '2026-01-01');

-- Values add and subtract, to the byte.
CREATE TABLE r AS SELECT timestamptz '2026-01-01' + (hashint4(i) & 1023) * interval '1 microsecond' AS a, timestamptz '2026-01-01' + ((hashint4(i) & 1023) + (hashint4(i * 7) & 63)) * interval '1 microsecond' AS b, i
FROM generate_series(1, 2000) i;
SELECT x + y = w AS added, w - y = x AS taken, w - w AS nothing, x + (- x) AS too, x - w = - y AS negated, concurrency_union_agg = w AS united, w::text::concurrency = w AS text,
	concurrency_hash_value(x + y) = concurrency_hash_value(w) AS hashed, concurrency_peak(w) = peak AS peak, concurrency_peak(- w) AS of_negative
FROM (SELECT concurrency_agg(a, b) FILTER (WHERE i % 3 = 0) AS x, concurrency_agg(a, b) FILTER (WHERE i % 3 > 0) AS y, concurrency_agg(a, b) AS w, peak_concurrent(a, b) AS peak FROM r) q,
	(SELECT concurrency_union_agg(c) FROM (SELECT concurrency_agg(a, b) AS c FROM r GROUP BY i % 7) g) u;
-- By another way: the steps of concurrent() of the same intervals.
SELECT count(*) FILTER (WHERE s IS NULL OR t IS NULL), count(*) > 100 FROM
	(SELECT s.at, s.concurrent FROM (SELECT concurrency_agg(a, b) AS c FROM r) q, unnest(c) s) s
	FULL JOIN (SELECT s.at, s.concurrent FROM (SELECT concurrent(a, b) AS c FROM r) q, unnest(c) s) t USING (at, concurrent);
-- Several workers.
CREATE TABLE many AS SELECT a + (n % 97) * interval '1 ms' AS a, b + (n % 97) * interval '1 ms' AS b FROM r, generate_series(1, 20) n;
ALTER TABLE many SET (parallel_workers = 2);
SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
EXPLAIN (COSTS OFF) SELECT concurrency_agg(a, b) FROM many;
CREATE TABLE parallel AS SELECT concurrency_agg(a, b) AS c FROM many;
SET max_parallel_workers_per_gather = 0;
SELECT c = (SELECT concurrency_agg(a, b) FROM many) AS same FROM parallel;
SELECT encode(concurrency_send('{2026-01-01, 1; 2026-01-01 00:00:00.000001, -1}'), 'hex');

-- Texts: in any order, a moment twice; what is none.
SELECT '{}'::concurrency, ' { 2026-01-01 11:00:00+01, -2 ;2026-01-01 09:00:00+00, 1; 2026-01-01 10:00:00+00, 3 } '::concurrency, '{2026-01-01, 1; 2026-01-01, -1}'::concurrency;
SELECT ''::concurrency;
SELECT '{'::concurrency;
SELECT '{2026-01-01}'::concurrency;
SELECT '{2026-01-01, 1'::concurrency;
SELECT '{2026-01-01, 1} x'::concurrency;
SELECT '{2026-01-01, 1,}'::concurrency;
SELECT '{infinity, 1}'::concurrency;
SELECT '{2026-01-01, x}'::concurrency;
SELECT '{x, 1}'::concurrency;
-- Numbers beyond bigint.
SELECT '{2026-01-01, 9223372036854775807; 2026-01-01, 1}'::concurrency;
SELECT '{2026-01-01, 9223372036854775807}'::concurrency + '{2026-01-01, 1}';
SELECT concurrency_peak('{2026-01-01, 9223372036854775807; 2026-01-02, 1}');
SELECT concurrency_at('{2026-01-01, 9223372036854775807; 2026-01-02, 1}', '2026-01-03');
SELECT - concurrency '{2026-01-01, -9223372036854775808}';

-- Cut at the bounds of windows.
SELECT * FROM window_pieces('2026-01-01 10:05', '2026-01-01 10:45', '15 minutes');
SELECT * FROM window_pieces('2026-01-01 10:15', '2026-01-01 10:29:59.999999', '15 minutes');
SELECT * FROM window_pieces('1969-12-31 23:59:59.999999', '1970-01-01', '1 day');
SELECT count(*) FROM window_pieces('-infinity', '2026-01-01', '1 day');
SELECT count(*) FROM window_pieces('2026-01-01', 'infinity', '1 day');
SELECT count(*) FROM window_pieces('2026-01-01', NULL, '1 day');
SELECT window_start, piece_end FROM window_pieces('294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999', '100000000 days');
SELECT window_start, piece_end FROM window_pieces('2026-01-01', '2026-01-01', '106751991 days');
SELECT window_pieces('2026-01-01', '2026-01-01', '1 hour');
SELECT * FROM window_pieces('2026-01-02', '2026-01-01', '1 hour');
SELECT * FROM window_pieces('2026-01-01', '2026-01-02', '1 month');
SELECT * FROM window_pieces('2026-01-01', '2026-01-02', '0');
SELECT * FROM window_pieces('2026-01-01', '2027-01-01', '1 second');
SELECT * FROM window_pieces('4714-11-24 00:00+00 BC', '4714-11-24 00:00+00 BC', '365 days');
-- Pieces come to what the whole does, at every moment of their window.
SELECT count(*), count(*) FILTER (WHERE concurrency_at(p.c, m) IS DISTINCT FROM (SELECT count(*) FROM r WHERE m BETWEEN a AND b))
FROM (SELECT w.window_start, concurrency_agg(w.piece_start, w.piece_end) AS c FROM r, window_pieces(a, b, '50 microseconds') w GROUP BY 1) p,
	LATERAL (SELECT p.window_start + k * interval '1 microsecond' FROM generate_series(0, 49) k) x(m);

-- A continuous view over sessions: late events join them, DELETE and UPDATE split them.
CREATE TABLE event (player int NOT NULL, at timestamptz NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2026-01-02') TO ('2026-01-04');
CREATE MATERIALIZED VIEW visit WITH (telemetry.continuous) AS
SELECT player, min(at) AS s, max(at) AS e FROM event GROUP BY player, session_window(at, interval '10 minutes');
CREATE MATERIALIZED VIEW quarter WITH (telemetry.continuous) AS
SELECT w.window_start, concurrency_agg(w.piece_start, w.piece_end) AS players FROM visit AS v, LATERAL window_pieces(v.s, v.e, '15 minutes') AS w GROUP BY 1;
CREATE MATERIALIZED VIEW whole WITH (telemetry.continuous) AS SELECT concurrency_union_agg(players) AS players, max(concurrency_peak(players)) AS peak FROM quarter;
CREATE FUNCTION wrong() RETURNS TABLE (quarters bigint, wrong bigint, verified bigint, peak boolean) LANGUAGE sql AS $$
SELECT count(*), count(*) FILTER (WHERE q.n <> (SELECT peak_concurrent(greatest(s, q.window_start), e) FROM visit WHERE s < q.window_start + interval '15 minutes' AND e >= q.window_start)),
	(SELECT count(*) FROM verify('quarter')) + (SELECT count(*) FROM verify('whole')) + (SELECT count(*) FROM verify('visit')),
	(SELECT peak FROM whole) = (SELECT peak_concurrent(s, e) FROM visit)
FROM (SELECT window_start, concurrency_peak(players) AS n FROM quarter) q $$;
INSERT INTO event SELECT player, at, at::date FROM (SELECT abs(hashint4(i)) % 40 AS player, timestamptz '2026-01-01 22:00+00' + abs(hashint8(i * 31)) % 14400 * interval '1 second' AS at FROM generate_series(1, 1500) i) x;
SELECT * FROM wrong();
-- late ones, and two halves of a session
INSERT INTO event VALUES (100, '2026-01-01 23:50', '2026-01-01'), (100, '2026-01-02 00:05', '2026-01-02');
INSERT INTO event VALUES (100, '2026-01-01 23:57', '2026-01-01');
SELECT * FROM wrong();
DELETE FROM event WHERE abs(hashint8(extract(epoch FROM at)::bigint)) % 3 = 0;
SELECT * FROM wrong();
UPDATE event SET player = player + 1 WHERE player < 20;
SELECT * FROM wrong();
DELETE FROM event;
SELECT * FROM wrong();
SELECT * FROM whole;
DROP SCHEMA cc CASCADE;
