# What a producer can try who may write to the topic and to nothing else (docs/security.md): whatever he
# sends, the server lives, the good messages become facts, the others dead letters with a reason, memory
# and log stay small.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $broker = TelemetryTest::Mock->new(topics => [ 'events:1', 'typed:1' ]);
my $node = telemetry_node('main', extension => 1, conf => <<'CONF');
fsync = off
telemetry.max_message_bytes = '64kB'
CONF
create_server($node, 'kafka', $broker);
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE ingest;
GRANT USAGE ON FOREIGN SERVER kafka TO ingest; GRANT CREATE ON SCHEMA public TO ingest; CREATE USER MAPPING FOR ingest SERVER kafka;
SET ROLE ingest;
CREATE FOREIGN TABLE events_topic (id bigint NOT NULL, kind text, amount numeric, at timestamptz, tags text[], rest jsonb OPTIONS (metadata 'rest'),
	sender text OPTIONS (metadata 'key'), headers jsonb OPTIONS (metadata 'headers')) SERVER kafka OPTIONS (topic 'events');
CREATE TABLE events (id bigint NOT NULL, kind text, amount numeric, at timestamptz, tags text[], rest jsonb, sender text, headers jsonb);
CREATE MATERIALIZED VIEW kinds WITH (telemetry.continuous) AS
	SELECT kind, count(*) AS n, sum(amount) AS amount, telemetry.hll_agg(id) AS ids FROM events GROUP BY kind;
SELECT telemetry.create_pipeline('events', 'events_topic', 'events', dead_letter_limit => NULL, batch_interval => '10 ms');
CREATE TYPE named AS (class regclass, classes regclass[]);
CREATE TYPE holder AS (one named, many named[]);
CREATE DOMAIN boxed AS holder;
CREATE TYPE window_of_days AS RANGE (subtype = date);
CREATE FOREIGN TABLE typed_topic (id int, path jsonpath, query tsquery, queries tsquery[], class regclass, words text, holder holder, boxed boxed, holders holder[], days window_of_days) SERVER kafka OPTIONS (topic 'typed');
CREATE TABLE typed (id int, path jsonpath, query tsquery, queries tsquery[], class regclass, words text, holder holder, boxed boxed, holders holder[], days window_of_days, wanted tsquery GENERATED ALWAYS AS (to_tsquery('pg_catalog.english'::regconfig, words)) STORED);
SELECT telemetry.create_pipeline('typed', 'typed_topic', 'typed');
SQL

my ($good, $sent, @bad) = (0, 0);
sub good { my ($what, @values) = @_; $broker->produce('events', map { [ 0, 'k', $_ ] } @values); $good += @values; $sent += @values; note("$what: ${\scalar @values} good"); return }
sub bad { my ($what, @values) = @_; $broker->produce('events', map { [ 0, 'k', $_ ] } @values); push @bad, @values; $sent += @values; note("$what: ${\scalar @values} bad"); return }

sub query { my ($sql) = @_; my ($status, $out) = $node->psql('postgres', $sql); return $out }

# Another pid would be a worker that died and was started anew.
ok(poll_until(sub { query(q(SELECT count(*) FROM telemetry.stat_worker WHERE pipeline = 'events' AND pid IS NOT NULL)) eq '1' }, 'a worker', 20), 'a worker runs');
my $pid = query(q(SELECT pid FROM telemetry.stat_worker WHERE pipeline = 'events'));

bad('nesting', '[' x 60_000, '{"a":' x 10_000, '{"id": 1, "x": ' . '[' x 600 . ']' x 600 . '}');
good('nesting that is allowed', '{"id": 1, "x": ' . '[' x 500 . ']' x 500 . '}');
bad('no JSON', '', ' ', "\0", '{', '{"id": 1', '{"id": 1}}', '{"id": 1,}', "{'id': 1}", '{"id": 01}', '{"id": 1} x', 'NaN', "\xef\xbb\xbf", '{"id"}', 'null', '[]', '7', '"x"');
bad('no text', "{\"id\": 1, \"kind\": \"\xff\xfe\"}", '{"id": 1, "kind": "\ud800"}', '{"id": 1, "kind": "\u0000"}', "{\"id\": 1, \"kind\": \"\0\"}", "{\"id\": 1, \"kind\": \"\xc0\x80\"}");
bad('numbers', '{"id": 9223372036854775808}', '{"id": 1e400}', '{"id": 1.5}', '{"id": 1, "amount": 1e200000}', '{"id": 1, "amount": 1e-200000}', '{"id": ' . '9' x 60_000 . '}');
good('numbers that are large', '{"id": 9223372036854775807, "kind": "max"}', '{"id": 1, "amount": 1e1000}', '{"id": 1, "amount": ' . '9' x 10_000 . '}');
bad('times', map { "{\"id\": 1, \"at\": \"$_\"}" } 'yesterday', '0000-00-00', '999999-01-01', '2026-02-30T00:00:00Z', '2026-01-01T25:00:00Z', ' ', '2026-01-01T00:00:00+99:99');
good('many fields', '{"id": 1, ' . join(', ', map { "\"f$_\": $_" } 1 .. 4000) . '}', '{' . '"id": 1, ' x 5000 . '"id": 2}');
good('many elements', '{"id": 1, "tags": [' . join(', ', ('"t"') x 10_000) . ']}');
bad('tags of arrays', '{"id": 1, "tags": [[1], [2, 3]]}');
bad('longer than telemetry.max_message_bytes', '{"id": 1, "kind": "' . 'x' x 200_000 . '"}');
# The time of a message is any number: in microseconds this one is beyond the 64 bits, and beyond what a timestamp holds.
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE raw (value text OPTIONS (metadata 'value'), at bigint OPTIONS (metadata 'timestamp')) SERVER kafka OPTIONS (topic 'events', format 'text');
INSERT INTO raw VALUES ('{', 13446744073709552);
SQL
push @bad, '{';
$sent++;
# Text that means something elsewhere stays text: SQL, formats, terminals, paths.
my @texts = ("'; DROP TABLE events; --", '%s%n%x', '\\\\', "\x1b[2J", '$1', '{{7*7}}', '../../etc/passwd', 'pg_sleep(9)');
good('texts', map { '{"id": -7, "kind": "' . s/\\/\\\\/gr =~ s/\x1b/\\u001b/gr . '"}' } @texts);
# A key of its own in every message: as many groups, all of them stored.
good('groups', map { "{\"id\": $_, \"kind\": \"group $_\", \"amount\": 1}" } 1 .. 20_000);
bad('a flood', map { "{\"id\": \"bad $_\"}" } 1 .. 5000);
good('afterwards', '{"id": 99, "kind": "last"}');

# What types and expressions call a syntax error, or an unknown name, is in the message as well: no person is asked to mend it.
my @typed = ('"path": "$.["', '"query": "a &"', '"queries": ["a", "a &"]', '"queries": "{a &}"', '"class": "no.such"', '"class": "nowhere"', '"words": "b |"',
	# within rows, and rows within these, as objects and as text
	'"holder": {"one": {"class": "nowhere"}}', '"holder": {"many": [{"class": "pg_class"}, {"classes": ["nowhere"]}]}', '"holder": "(\\"(nowhere,)\\",)"',
	'"boxed": {"one": {"class": "no.such"}}', '"holders": [{}, {"many": [{"class": "nowhere"}]}]', '"holders": "{\\"(\\\\\\"(nowhere,)\\\\\\",)\\"}"', '"days": "[2026-01-02,2026-01-01]"', '"days": "x"');
$broker->produce('typed', map { [ 0, undef, $_ ] } '{"id": 1, "path": "$.a", "query": "a & b", "queries": ["a"], "class": "pg_class", "words": "dog | cats", "holder": {"one": {"class": "pg_class"}}, "boxed": "(\\"(pg_class,)\\",)"}',
	(map { "{\"id\": 2, $_}" } @typed), '{"id": 3}');

my $done = poll_until(sub { query(q(SELECT committed_offset FROM telemetry.stat_partition WHERE pipeline = 'events')) eq $sent }, 'all is read', 60);
ok($done, "all $sent messages are dealt with") or diag(query('TABLE telemetry.stat_pipeline'));
is(query('SELECT count(*) FROM events'), $good, 'each good message is a fact');
is(query('SELECT count(*) FROM telemetry.dead_letter WHERE pipeline = \'events\''), scalar @bad, 'each bad one a dead letter');
is(query('SELECT count(*) FROM telemetry.dead_letter WHERE sqlstate IS NULL OR message IS NULL OR message = \'\' OR sqlstate LIKE \'XX%\''), 0, 'with a reason that is no internal error');
is(query('SELECT count(*), min(value_length) > 200000, max(length(value)) FROM telemetry.dead_letter WHERE value_length > 65536'), '1|t|65536', 'what is too long is kept cut, with its length');
is(query('SELECT count(*), count(kafka_timestamp::text) FROM telemetry.dead_letter WHERE pipeline = \'events\''), @bad . '|' . (@bad - 1), 'all of them can be read');
is(query("SELECT string_agg(kind, ',' ORDER BY kind COLLATE \"C\") FROM (SELECT DISTINCT kind FROM events WHERE id = -7) t"), join(',', sort @texts), 'texts arrive as they are');
is(query("SELECT count(*) FROM telemetry.verify('kinds')"), 0, 'the view equals its query');
ok(settled($node, 'typed', @typed + 2), 'types that call it a syntax error: all messages are dealt with') or diag(query('TABLE telemetry.stat_pipeline'));
is(query(q(SELECT string_agg(id::text, ',' ORDER BY id), max(wanted::text) FROM typed)), "1,3|'dog' | 'cat'", '... the good ones are facts');
is(query(q(SELECT string_agg(sqlstate || ' ' || coalesce(column_name, ''), ', ' ORDER BY "offset") FROM telemetry.dead_letter WHERE pipeline = 'typed')),
	'42601 path, 42601 query, 42601 queries, 42601 queries, 3F000 class, 42P01 class, 42601 , 42P01 holder, 42P01 holder, 42P01 holder, 3F000 boxed, 42P01 holders, 42P01 holders, 22000 days, 22P02 days', '... the bad ones dead letters');
is(query(q(SELECT pid FROM telemetry.stat_worker WHERE pipeline = 'events')), $pid, 'it was one worker all along');
cmp_ok(query(q(SELECT memory_bytes / 1000000 FROM telemetry.stat_worker WHERE pipeline = 'events')), '<', 100, 'whose memory stays small');
my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
cmp_ok(scalar(() = $log =~ /\n/g), '<', 200, 'bad messages do not flood the log');
unlike($log, qr/DROP TABLE events|etc.passwd/, 'nor do payloads stand in it');
done_testing();
