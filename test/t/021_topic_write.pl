# INSERT and COPY into topics of a real broker: what is written reads back the same, also by another
# tool; failures abort; acknowledged before COMMIT.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TelemetryTest;

my $kafka = TelemetryTest::Kafka->new;
my $node = telemetry_node('main', extension => 1);
create_server($node, 'k', $kafka);

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub sql_error
{
	my ($statement) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $statement, on_error_stop => 0);
	return $err;
}

# The raw value of each message, in order, as text.
sub values_of
{
	my ($topic) = @_;
	sql("DROP FOREIGN TABLE IF EXISTS raw; CREATE FOREIGN TABLE raw (v text OPTIONS (metadata 'value'), o bigint OPTIONS (metadata 'offset')) SERVER k OPTIONS (topic '$topic', format 'text', compact 'true')");
	return split /\n/, sql(q{SELECT coalesce(v, '(tombstone)') FROM raw ORDER BY o});
}

# ---- values ------------------------------------------------------------------------------------

$kafka->create_topic('types', 1);
sql(q{CREATE TYPE mood AS ENUM ('sad', 'happy "quoted"');
CREATE DOMAIN positive AS bigint CHECK (VALUE > 0);
CREATE TABLE sample (s smallint, i int, b bigint, d positive, n numeric(38,10), f4 real, f8 float8, t text, c char(5), v varchar(20),
	bo bool, da date, ti time, ts timestamp, tz timestamptz, iv interval, u uuid, ip inet, by bytea, j json, jb jsonb,
	ia int[], ta text[], tza timestamptz[], m mood);
INSERT INTO sample VALUES
	(-32768, 2147483647, -9223372036854775808, 9223372036854775807, 1234567890123456789012345678.0123456789, 1e-45, 5e-324,
	 E'quote " back \\\\ tab \t line \n \u0001 \U0001F600 é', 'ab', 'x', true, '0001-01-01', '23:59:59.999999', '2026-02-28 12:00:00.000001',
	 '294276-12-31 23:59:59.999999+00', '-1 years 2 mons -3 days +04:05:06.789', '6ba7b810-9dad-11d1-80b4-00c04fd430c8', '2001:db8::1/64', '\x00ff7f',
	 '{"a":  1.50, "a": 1e400}', '{"k": [12345678901234567890.123]}', '{1,NULL,3}', '{"a,b",NULL,"\"q\""}', '{"2026-01-01 00:00:00.5+00"}', 'happy "quoted"'),
	(0, 0, 0, 1, 0.0000000000, '-0', 'infinity', '', '', '', false, '9999-12-31', '00:00', '1970-01-01', '1970-01-01 00:00+00', '0', NULL, '10.0.0.1', '', 'null', 'null', '{}', '{}', '{}', 'sad'),
	(NULL, NULL, NULL, NULL, 'NaN', 'NaN', '-infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE FOREIGN TABLE types (s smallint, i int, b bigint, d positive, n numeric(38,10), f4 real, f8 float8, t text, c char(5), v varchar(20),
	bo bool, da date, ti time, ts timestamp, tz timestamptz, iv interval, u uuid, ip inet, by bytea, j json, jb jsonb,
	ia int[], ta text[], tza timestamptz[], m mood) SERVER k OPTIONS (topic 'types')});
# Settings that change how values are shown must not change what is written.
sql(q{SET extra_float_digits = -15; SET DateStyle = 'German'; SET IntervalStyle = 'sql_standard'; SET TimeZone = 'Asia/Kolkata'; SET bytea_output = 'escape';
	INSERT INTO types SELECT * FROM sample});
is(sql('SELECT count(*) FROM types'), '3', 'rows of all types');
is(sql('SELECT count(*) FROM (SELECT to_jsonb(x) FROM types x EXCEPT SELECT to_jsonb(x) FROM sample x) d'), '0', '... read back the same');
is(sql('SELECT count(*) FROM (SELECT to_jsonb(x) FROM sample x EXCEPT SELECT to_jsonb(x) FROM types x) d'), '0', '... all of them');
is(sql(q{SELECT j::text FROM types LIMIT 1}), '{"a":  1.50, "a": 1e400}', '... json to the byte');

$kafka->create_topic('shape', 1);
sql(q{CREATE FOREIGN TABLE shape (plain int, "with.dot" int, device text OPTIONS (path 'context.device'), os text OPTIONS (path 'context."o.s"'),
	context jsonb, price numeric OPTIONS (path 'items[0].price'), qty int OPTIONS (path 'items[2].qty'),
	s timestamptz OPTIONS (timestamp_format 'epoch_s'), ms timestamp OPTIONS (timestamp_format 'epoch_ms'),
	us timestamptz OPTIONS (timestamp_format 'epoch_us'), ns date OPTIONS (timestamp_format 'epoch_ns'),
	rest jsonb OPTIONS (metadata 'rest')) SERVER k OPTIONS (topic 'shape')});
sql(q{INSERT INTO shape (plain) VALUES (1);
INSERT INTO shape DEFAULT VALUES;
INSERT INTO shape ("with.dot", device, os) VALUES (2, 'ios', 'x');
INSERT INTO shape (qty) VALUES (3);
INSERT INTO shape (price, qty) VALUES (1.10, 4);
INSERT INTO shape (context) VALUES ('{"a": 1}');
INSERT INTO shape (s, ms, us, ns) VALUES ('2026-01-01 00:00:00.12+00', '1969-12-31 23:59:59.9999', '2026-01-01+00', '2026-01-01');
INSERT INTO shape (plain, rest) VALUES (5, '{"x": {"y": [1, null, "z"]}, "n": 1.50}');
INSERT INTO shape (rest) VALUES ('{"only": true}'), ('{}')});
my @shapes = values_of('shape');
is($shapes[0], '{"plain":1}', 'NULL columns are left out');
is($shapes[1], '{}', 'an empty row');
is($shapes[2], '{"with.dot":2,"context":{"device":"ios","o.s":"x"}}', 'nested objects');
is($shapes[3], '{"items":[null,null,{"qty":3}]}', 'arrays with gaps');
is($shapes[4], '{"items":[{"price":1.10},null,{"qty":4}]}', 'arrays; numbers keep their digits');
is($shapes[5], '{"context":{"a": 1}}', 'a whole object');
is($shapes[6], '{"s":1767225600.12,"ms":-0.1,"us":1767225600000000,"ns":1767225600000000000}', 'numeric times');
is($shapes[7], '{"plain":5,"n":1.50,"x":{"y": [1, null, "z"]}}', 'rest');
is($shapes[8], '{"only":true}', 'rest alone');
is($shapes[9], '{}', 'empty rest');
like(sql_error(q{INSERT INTO shape (context, device) VALUES ('{}', 'x')}), qr/column "context" and columns inside of it cannot both be written/, 'an object and its parts');
like(sql_error(q{INSERT INTO shape (rest) VALUES ('{"plain": 2}')}), qr/field "plain" of column "rest" belongs to another column/, 'rest with a field of another column');
like(sql_error(q{INSERT INTO shape (rest) VALUES ('[1]')}), qr/must hold a JSON object/, 'rest that is no object');
like(sql_error(q{INSERT INTO shape (s) VALUES ('infinity')}), qr/column "s" is out of range for a number/, 'an infinite number');
like(sql_error(qq{INSERT INTO shape ($_) VALUES ('294276-12-31')}), qr/column "$_" is out of range for a number/, "a time that no number reaches: $_") for qw(s ms us);
like(sql_error(q{INSERT INTO shape (ns) VALUES ('5874897-12-31')}), qr/column "ns" is out of range for a number/, '... and a date');
is(scalar(values_of('shape')), 10, 'none of these was written');

# ---- days of an instant --------------------------------------------------------------------------

# Several columns from one path: the instant is written, its day in a zone is what readers compute.
$kafka->create_topic('days', 1);
sql(q{CREATE FOREIGN TABLE days (id int, at timestamptz OPTIONS (path 't'), day date OPTIONS (path 't', time_zone 'Europe/Berlin'),
	far date OPTIONS (path 't', time_zone 'Pacific/Apia'), ms timestamptz OPTIONS (path 'u', timestamp_format 'epoch_ms'),
	ms_day date OPTIONS (path 'u', timestamp_format 'epoch_ms', time_zone 'America/New_York'),
	sent timestamptz OPTIONS (metadata 'timestamp'), sent_day date OPTIONS (metadata 'timestamp', time_zone 'Asia/Tokyo')) SERVER k OPTIONS (topic 'days');
SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'German';
INSERT INTO days (id, at, day, sent, sent_day) VALUES (0, '2024-03-30 23:00+00', '2024-03-31', '2024-05-01 15:00+00', '2024-05-02'), (0, 'infinity', 'infinity', NULL, NULL);
INSERT INTO days (id, ms, ms_day) VALUES (0, '2024-03-10 04:59:59.999+00', '2024-03-09')});
is(join("\n", values_of('days')), <<'OUT' =~ s/\n\z//r, 'a day is not written beside its instant');
{"id":0,"t":"2024-03-31T04:30:00+05:30"}
{"id":0,"t":"infinity"}
{"id":0,"u":1710046799999}
OUT
is(sql('SELECT day, far, sent_day FROM days LIMIT 1'), '2024-03-31|2024-03-31|2024-05-02', '... and read again');
like(sql_error(q{INSERT INTO days (id, at, day) VALUES (0, '2024-03-30 23:00+00', '2024-03-30')}), qr/value 2024-03-30 of column "day" is not the day of column "at"\nDETAIL:  In time zone "Europe\/Berlin" that is 2024-03-31/, 'another day is refused');
like(sql_error(q{INSERT INTO days (id, day) VALUES (0, '2024-03-30')}), qr/column "day" cannot be written by itself/, '... and a day alone');
like(sql_error(q{INSERT INTO days (id, sent, sent_day) VALUES (0, '2024-05-01 15:00+00', '2024-05-01')}), qr/value 2024-05-01 of column "sent_day" is not the day of column "sent"/, '... of the message itself, too');
sql(q{CREATE FOREIGN TABLE days_text (t text, day date OPTIONS (path 't', time_zone 'Europe/Berlin')) SERVER k OPTIONS (topic 'days')});
like(sql_error(q{INSERT INTO days_text VALUES ('today', '2024-03-31')}), qr/column "day" cannot be the day of column "t"\nDETAIL:  invalid input syntax for type date: "today"/, '... and the day of what is no time');
# To and fro through the changes of 80 years, in one scan.
sql(q{INSERT INTO days (id, at, ms) SELECT n, t, t FROM (SELECT n, '1960-01-01 00:00+00'::timestamptz + (n * 7919 % 4001) * interval '7 days 5 hours 11 minutes' AS t FROM generate_series(1, 4000) n) x});
is(sql(q{SELECT count(*), count(*) FILTER (WHERE day <> (at AT TIME ZONE 'Europe/Berlin')::date OR far <> (at AT TIME ZONE 'Pacific/Apia')::date
	OR ms_day <> (ms AT TIME ZONE 'America/New_York')::date OR sent_day <> (sent AT TIME ZONE 'Asia/Tokyo')::date) FROM days WHERE id > 0}), '4000|0', 'as AT TIME ZONE has them');

# ---- keys, partitions, headers, timestamps -------------------------------------------------------

# The old message below must not fall to retention.
$kafka->create_topic('meta', 4, 'retention.ms' => -1);
sql(q{CREATE FOREIGN TABLE meta (v int, k text OPTIONS (metadata 'key'), p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'),
	t timestamptz OPTIONS (metadata 'timestamp'), h jsonb OPTIONS (metadata 'headers')) SERVER k OPTIONS (topic 'meta');
INSERT INTO meta (v, k, p, t, h) VALUES (1, 'a', 3, '2026-03-04 05:06:07.891999+00',
	'[{"name": "x", "value": "1"}, {"name": "x", "value": null}, {"name": "bin", "value": null, "base64": "AP8="}]')});
is(sql(q{SELECT v, k, p, o, t AT TIME ZONE 'UTC', h FROM meta}),
	'1|a|3|0|2026-03-04 05:06:07.891|[{"name": "x", "value": "1"}, {"name": "x", "value": null}, {"name": "bin", "value": null, "base64": "AP8="}]',
	'key, partition, time and headers');
sql(q{INSERT INTO meta (v, k) SELECT i, 'key' || i % 20 FROM generate_series(1, 1000) i});
is(sql('SELECT count(*) FROM (SELECT k FROM meta WHERE v > 0 GROUP BY k HAVING count(DISTINCT p) > 1) x'), '0', 'a key has one partition');
cmp_ok(sql('SELECT count(DISTINCT p) FROM meta'), '>', 1, '... and there are several');
is(sql(q{SELECT count(*) FROM meta WHERE t > now() - interval '5 minutes'}), '1000', 'without a time it is now');
like(sql_error('INSERT INTO meta (v, o) VALUES (1, 1)'), qr/cannot insert a value into column "o"/, 'an offset');
like(sql_error('INSERT INTO meta (v, p) VALUES (1, 99)'), qr/could not produce to topic "meta": .*nknown partition/, 'a partition that there is not');
like(sql_error('INSERT INTO meta (v, p) VALUES (1, -1)'), qr/partition -1 in column "p" is out of range/, 'a negative partition');
like(sql_error(q{INSERT INTO meta (v, t) VALUES (1, '1969-01-01')}), qr/timestamp of a message in column "t" is out of range/, 'a time before 1970');
like(sql_error(q{INSERT INTO meta (v, h) VALUES (1, '{}')}), qr/must hold an array of headers/, 'headers that are no array');
like(sql_error(q{INSERT INTO meta (v, h) VALUES (1, '[{"value": "x"}]')}), qr/has no name/, 'a header without a name');
like(sql_error(q{INSERT INTO meta (v, h) VALUES (1, '[{"name": "x", "value": 1}]')}), qr/must be a string/, 'a header that is a number');
like(sql_error(q{INSERT INTO meta (v, h) VALUES (1, '[{"name": "x", "base64": "%"}]')}), qr/not valid base64/, 'a header in wrong base64');
is(sql('SELECT count(*) FROM meta'), '1001', 'none of these was written');

sql(q{CREATE FOREIGN TABLE keyed (id int, v int) SERVER k OPTIONS (topic 'meta', key_column 'id'); INSERT INTO keyed VALUES (42, 7)});
is(sql(q{SELECT k FROM meta WHERE k = '42'}), '42', 'key_column');

$kafka->create_topic('compacted', 1, 'cleanup.policy' => 'compact');
sql(q{CREATE FOREIGN TABLE compacted (v int, k text OPTIONS (metadata 'key')) SERVER k OPTIONS (topic 'compacted', compact 'true');
INSERT INTO compacted VALUES (1, 'a'), (NULL, 'a')});
is_deeply([ values_of('compacted') ], [ '{"v":1}', '(tombstone)' ], 'a row of NULLs is a tombstone in a compacted topic');

$kafka->create_topic('plain', 1);
$kafka->create_topic('places', 1);
sql(q{CREATE FOREIGN TABLE as_text (v text OPTIONS (metadata 'value')) SERVER k OPTIONS (topic 'plain', format 'text');
CREATE FOREIGN TABLE as_bytes (v bytea OPTIONS (metadata 'value'), k bytea OPTIONS (metadata 'key')) SERVER k OPTIONS (topic 'plain', format 'bytes');
CREATE FOREIGN TABLE as_json (a int, v jsonb OPTIONS (metadata 'value')) SERVER k OPTIONS (topic 'plain')});
sql(q{INSERT INTO as_text VALUES ('free text'); INSERT INTO as_bytes VALUES ('\x007f', '\xff00'); INSERT INTO as_json (v) VALUES ('{"whole": 1}')});
is(sql('SELECT string_agg(v::text, \',\') FROM as_bytes'), '\x667265652074657874,\x007f,\x7b2277686f6c65223a20317d', 'text, bytes, and a whole document');
sql(q{CREATE TYPE place AS (lat float8, tags text[], at timestamptz);
CREATE FOREIGN TABLE places (id int, p place, all_p place[]) SERVER k OPTIONS (topic 'places');
INSERT INTO places VALUES (1, '(1.5,"{a,NULL}","2026-01-31 12:00+00")', ARRAY[ROW(2, '{}', NULL)::place, NULL]), (2, NULL, '{}')});
is(sql('SELECT string_agg(places::text, chr(10) ORDER BY id) FROM places'), qq{(1,"(1.5,""{a,NULL}"",""2026-01-31 12:00:00+00"")","{""(2,{},)"",NULL}")\n(2,,{})},
	'composite values come back as they were written');
is(sql('SELECT k FROM as_bytes WHERE k IS NOT NULL'), '\xff00', 'a key of bytes');
like(sql_error(q{INSERT INTO as_json VALUES (1, '{}')}), qr/column "v" is the whole message/, 'a whole document and a field');

# ---- COPY, constraints, partitions, RETURNING ----------------------------------------------------

$kafka->create_topic('rows', 2);
sql(q{CREATE FOREIGN TABLE rows (id int NOT NULL, v text CHECK (v <> 'bad'), g int GENERATED ALWAYS AS (id * 2) STORED, d text DEFAULT 'dflt') SERVER k OPTIONS (topic 'rows')});
sql("COPY rows (id, v) FROM stdin;\n" . join('', map { "$_\tx$_\n" } 1 .. 5000) . "\\.\n");
is(sql('SELECT count(*), sum(id), sum(g), min(d) FROM rows'), '5000|12502500|25005000|dflt', 'COPY, with defaults and generated columns');
is(sql(q{INSERT INTO rows VALUES (6000, 'r') RETURNING id, g, d}), '6000|12000|dflt', 'RETURNING');
like(sql_error(q{INSERT INTO rows VALUES (1, 'bad')}), qr/violates check constraint/, 'CHECK');
like(sql_error(q{INSERT INTO rows VALUES (NULL, 'x')}), qr/violates not-null constraint/, 'NOT NULL');
like(sql_error("COPY rows (id, v) FROM stdin;\n1\tbad\n\\.\n"), qr/violates check constraint/, 'CHECK in COPY');
sql(q{CREATE TABLE parted (id int, v text) PARTITION BY LIST (v); CREATE TABLE parted_local PARTITION OF parted FOR VALUES IN ('l');
CREATE FOREIGN TABLE parted_topic PARTITION OF parted FOR VALUES IN ('t') SERVER k OPTIONS (topic 'rows');
INSERT INTO parted VALUES (7001, 'l'), (7002, 't'); COPY parted FROM stdin;
7003	t
7004	l
\.
});
is(sql(q{SELECT string_agg(id::text, ',' ORDER BY id) FROM rows WHERE id > 7000}), '7002,7003', 'rows are routed to a partition that is a topic');
like(sql_error('UPDATE rows SET id = 1'), qr/cannot be updated or deleted.*HINT:  INSERT a newer message with the same key/s, 'UPDATE');
like(sql_error('DELETE FROM rows'), qr/cannot be updated or deleted/, 'DELETE');
like(sql_error('TRUNCATE rows'), qr/cannot be truncated/, 'TRUNCATE');
like(sql_error('COPY rows TO stdout'), qr/cannot copy from foreign table/, 'COPY TO needs a query, as PostgreSQL says');

# ---- transactions and failures -------------------------------------------------------------------

$kafka->create_topic('safe', 2, 'max.message.bytes' => 20000);
sql(q{CREATE FOREIGN TABLE safe (v text) SERVER k OPTIONS (topic 'safe'); CREATE TABLE local (v text)});
sql(q{BEGIN; INSERT INTO safe VALUES ('1'); SAVEPOINT s; INSERT INTO safe VALUES ('2'); ROLLBACK TO s; INSERT INTO safe VALUES ('3'); COMMIT});
is(join(',', sort(values_of('safe'))), '{"v":"1"},{"v":"2"},{"v":"3"}', 'what was acknowledged stays, whatever is rolled back');
like(sql_error(q{INSERT INTO safe VALUES (repeat('x', 50000)); }), qr/could not produce to topic "safe": .*too large/, 'a message that the broker refuses');
sql_error(q{BEGIN; INSERT INTO local VALUES ('lost'); INSERT INTO safe SELECT repeat('y', 50000); COMMIT});
is(sql('SELECT count(*) FROM local'), '0', '... aborts the transaction');
like(sql_error(q{INSERT INTO safe SELECT repeat('z', 2000000)}), qr/could not produce to topic "safe"/, 'a message that the client refuses');

$kafka->freeze;
takes_less(10, '... within the time set', sub {
	like(sql_error(q{SET telemetry.kafka_timeout = '2s'; BEGIN; INSERT INTO local VALUES ('lost'); INSERT INTO safe VALUES ('4'); COMMIT}),
		qr/could not produce to topic "safe"/, 'no acknowledgement, no COMMIT');
});
is(sql('SELECT count(*) FROM local'), '0', '... nothing is left of the transaction');
takes_less(3, '... at once',
	sub { like(sql_error(q{SET statement_timeout = 300; INSERT INTO safe VALUES ('5')}), qr/canceling statement/, 'cancel while the broker hangs') });
$kafka->thaw;
poll_until(sub { sql_error(q{INSERT INTO safe VALUES ('6')}) eq '' }, 'the broker takes messages again');

# A broker that is killed and comes back, after it has hung: what was committed is in the topic. Both
# INSERTs must be one transaction for that: psql commits each statement by itself, and the first one
# of two stays when the second one fails. (An earlier version overlooked it, so that an
# INSERT that timed out, as it should, looked like a loss.)
my $committed = 0;
for my $round (1 .. 3)
{
	$kafka->kill9 if $round == 2;
	my $succeeded = 0;
	# While the broker is there a second may still be too short for one of them.
	for my $i (1 .. ($round == 2 ? 2 : 40))
	{
		my $id = "round $round $i";
		my $error = sql_error(
			qq{SET telemetry.kafka_timeout = '1s'; BEGIN; INSERT INTO local VALUES ('$id'); INSERT INTO safe VALUES ('$id'); COMMIT});
		$succeeded++ if $error eq '';
		like($error, qr/could not produce to topic "safe"/, "$id: not acknowledged, and says so") if $error ne '';
		last if $succeeded == 5;
	}
	$committed += $succeeded;
	is($succeeded, 5, "round $round: some succeeded") if $round != 2;
	$kafka->start if $round == 2;
}
is(sql(q{SELECT count(*) FROM local}), $committed, 'exactly what was acknowledged is committed');
is( sql(q{SELECT string_agg(v, ', ') FROM local l WHERE (SELECT count(*) FROM (SELECT v FROM safe OFFSET 0) s WHERE s.v = l.v) <> 1}),
	'', 'every committed row is in the topic, once')
  or diag(sql('SELECT string_agg(v, $$, $$) FROM safe'));

$node->stop;
$kafka->stop;
done_testing();
