# SELECT on topics of a real broker: snapshot, pushed-down conditions, what a bad message does,
# transactions, gaps, cancel, and a broker that goes away.
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

# What a statement says when it fails.
sub sql_error
{
	my ($statement) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $statement, on_error_stop => 0);
	return $err;
}

my $metadata = q{k text OPTIONS (metadata 'key'), p int OPTIONS (metadata 'partition'),
	o bigint OPTIONS (metadata 'offset'), t timestamptz OPTIONS (metadata 'timestamp')};

# ---- the snapshot and its bounds ----------------------------------------------------------------

$kafka->create_topic('numbers', 3);
sql(qq{CREATE FOREIGN TABLE numbers (n int NOT NULL, $metadata) SERVER k OPTIONS (topic 'numbers')});
is(sql('SELECT count(*) FROM numbers'), '0', 'an empty topic has no rows');

$kafka->produce('numbers', map { my $p = $_ % 3; [ $p, "key$_", "{\"n\": $_}" ] } 0 .. 2999);
is(sql('SELECT count(*), sum(n), count(DISTINCT (p, o)) FROM numbers'), '3000|4498500|3000', 'all messages, once');
is(sql('SELECT string_agg(n::text, \',\' ORDER BY o) FROM numbers WHERE p = 1 AND o < 4'), '1,4,7,10', 'in the order of their offsets');

# Read: the number of messages that were fetched and decoded, as a column with side effects tells.
my %bounds = (
	'p = 2' => 1000,
	'p IN (0, 2)' => 2000,
	'p = ANY (ARRAY[1, 5, NULL])' => 1000,
	'p > 0 AND p < 2' => 1000,
	'1 >= p' => 2000,
	'o BETWEEN 10 AND 19' => 30,
	'p = 0 AND o >= 990' => 10,
	'p = 0 AND 5 > o' => 5,
	'o = 7::bigint' => 3,
	'o = ANY (ARRAY[5, 9]::bigint[])' => 6,
	'o < 0' => 0,
	'o > 9223372036854775806' => 0,
	'p = NULL' => 0,
	'p = 77' => 0,
	't < \'1971-01-01\'' => 0,
	't > now() + interval \'1 day\'' => 0,
	't >= \'1971-01-01\'' => 3000,
	't <= \'infinity\' AND o < 10::smallint' => 30,
	'o - 0 = 5' => 3,
);
for my $condition (sort keys %bounds)
{
	is(sql("SELECT count(*) FROM numbers WHERE $condition"), $bounds{$condition}, "rows where $condition");
	is( sql("SELECT count(*) FROM (SELECT * FROM numbers OFFSET 0) n WHERE $condition"),
		$bounds{$condition}, "the same as without pushing down: $condition");
}
is( sql('PREPARE q(int, bigint) AS SELECT count(*) FROM numbers WHERE p = $1 AND o >= $2; EXECUTE q(0, 998); SET plan_cache_mode = force_generic_plan; EXECUTE q(1, 995)'),
	"2\n5", 'parameters');
is(sql('SELECT string_agg(c::text, \',\') FROM (SELECT (SELECT count(*) FROM numbers WHERE o = x) c FROM generate_series(998, 1001) x) s'),
	'3,3,0,0', 'a scan is done again with other parameters');
is(sql('SELECT count(*) FROM (VALUES (0), (1)) v(x), LATERAL (SELECT * FROM numbers WHERE p = v.x AND o < 5 OFFSET 0) n'), '10', 'lateral');
is(sql('SELECT count(*) FROM numbers a JOIN numbers b USING (p, o) WHERE a.o < 50 AND b.o < 60'), '150', 'two scans of one topic in a plan');
is(sql('BEGIN; DECLARE c CURSOR FOR SELECT n FROM numbers WHERE p = 0; FETCH 2 FROM c; MOVE ALL IN c; FETCH 1 FROM c; CLOSE c; COMMIT'), "0\n3", 'a cursor');

my $plan = sql('EXPLAIN (COSTS OFF) SELECT * FROM numbers WHERE p IN (0, 2) AND o >= 5 AND o < 9 AND t > \'2020-01-01 00:00+00\'');
like($plan, qr/Topic: numbers/, 'EXPLAIN shows the topic');
like($plan, qr/Partitions: = ANY \('\{0,2\}'::integer\[\]\)/, '... partitions');
like($plan, qr/Offsets: >= 5 AND < 9/, '... offsets');
like($plan, qr/Timestamps: > '2020-01-01/, '... timestamps');

# Fetched are only the offsets asked for: a bad message outside of them does no harm.
$kafka->create_topic('one_bad', 2);
$kafka->produce('one_bad', map { [ 0, undef, $_ == 50 ? 'no json' : "{\"n\": $_}" ] } 0 .. 99);
$kafka->produce('one_bad', [ 1, undef, '{"n": "x"}' ]);
sql(qq{CREATE FOREIGN TABLE one_bad (n int, $metadata) SERVER k OPTIONS (topic 'one_bad')});
is(sql('SELECT count(*) FROM one_bad WHERE p = 0 AND o < 50'), '50', 'before the bad message');
is(sql('SELECT count(*) FROM one_bad WHERE p = 0 AND o > 50'), '49', 'after the bad message');
is(sql('SELECT count(*) FROM (SELECT 1 FROM one_bad WHERE p = 0 LIMIT 50) x'), '50', 'LIMIT stops in time');
my $error = sql_error('SELECT * FROM one_bad WHERE p = 0');
like($error, qr/ERROR:  .*JSON/, 'a message that is no JSON');
like($error, qr/topic "one_bad", partition 0, offset 50/, '... is named');
$error = sql_error('SELECT * FROM one_bad WHERE p = 1');
like($error, qr/topic "one_bad", partition 1, offset 0, column "n"/, 'a bad field is named');
like($error, qr/HINT:  .*on_error 'skip'/, '... with what to do');
sql(q{ALTER FOREIGN TABLE one_bad OPTIONS (ADD on_error 'skip')});
is(sql('SELECT count(*) FROM one_bad'), '99', 'on_error skip leaves them out');
like(sql_error('SELECT count(*) FROM one_bad'), qr/NOTICE:  2 messages of topic "one_bad" were left out.*\n.*DETAIL:  The first: topic "one_bad", partition/, '... and says how many');
unlike(sql_error('SELECT count(*) FROM one_bad WHERE p = 0 AND o < 10'), qr/NOTICE/, '... and nothing when there are none');

# Types that throw, and constraints
sql(qq{CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
CREATE FUNCTION loud(i int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN IF i = 17 THEN RAISE EXCEPTION ''seventeen''; END IF; RETURN i < 90; END';
CREATE FOREIGN TABLE strict (n int NOT NULL, m int OPTIONS (path 'm'), $metadata, CHECK (n <> 7), CONSTRAINT quiet CHECK (loud(n))) SERVER k OPTIONS (topic 'strict');
CREATE FOREIGN TABLE evens (n even, $metadata) SERVER k OPTIONS (topic 'strict')});
$kafka->create_topic('strict', 1);
$kafka->produce('strict', map { "{\"n\": $_}" } 0 .. 99);
$kafka->produce('strict', '{"n": null}', '{}');
like(sql_error('SELECT * FROM strict WHERE o BETWEEN 0 AND 8'), qr/violates check constraint "strict_n_check".*offset 7/s, 'CHECK');
like(sql_error('SELECT * FROM strict WHERE o BETWEEN 10 AND 18'), qr/seventeen.*offset 17, constraint "quiet"/s, 'an error inside of CHECK');
like(sql_error('SELECT * FROM strict WHERE o = 100'), qr/null value in column "n" violates not-null constraint.*offset 100, column "n"/s, 'NOT NULL');
like(sql_error('SELECT * FROM evens WHERE o = 1'), qr/value for domain even violates check constraint.*offset 1, column "n"/s, 'a domain');
sql(q{ALTER FOREIGN TABLE strict OPTIONS (ADD on_error 'skip'); ALTER FOREIGN TABLE evens OPTIONS (ADD on_error 'skip')});
is(sql('SELECT count(*), max(n) FROM strict'), '88|89', 'rows that break a constraint are left out');
is(sql('SELECT count(*) FROM evens'), '52', '... or a domain');
is(sql(q{SELECT count(*) FROM evens WHERE n IS NULL}), '2', 'NULLs are fine there');

# ---- formats, keys, tombstones ------------------------------------------------------------------

$kafka->create_topic('mixed', 1, 'cleanup.policy' => 'compact');
$kafka->produce('mixed', [ 0, 'a', '{"v": 1}' ], [ 0, 'b', undef ], [ 0, 'c', '{"v": 3}' ]);
sql(qq{CREATE FOREIGN TABLE mixed (v int, $metadata) SERVER k OPTIONS (topic 'mixed');
CREATE FOREIGN TABLE compacted (v int, $metadata) SERVER k OPTIONS (topic 'mixed', compact 'true');
CREATE FOREIGN TABLE as_text (v text OPTIONS (metadata 'value'), $metadata) SERVER k OPTIONS (topic 'mixed', format 'text');
CREATE FOREIGN TABLE as_bytes (v bytea OPTIONS (metadata 'value')) SERVER k OPTIONS (topic 'mixed', format 'bytes')});
is(sql('SELECT k, v FROM mixed ORDER BY o'), "a|1\nc|3", 'a tombstone is no row');
is(sql('SELECT k, v FROM compacted ORDER BY o'), "a|1\nb|\nc|3", '... but in a compacted topic');
is(sql('SELECT k, v FROM as_text ORDER BY o'), "a|{\"v\": 1}\nc|{\"v\": 3}", 'format text');
is(sql('SELECT v FROM as_bytes LIMIT 1'), '\x7b2276223a20317d', 'format bytes');

# ---- transactions and gaps ----------------------------------------------------------------------

$kafka->create_topic('tx', 1);
sql(qq{CREATE FOREIGN TABLE tx (n int, $metadata) SERVER k OPTIONS (topic 'tx');
CREATE SERVER dirty FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '@{[$kafka->address]}', isolation_level 'read_uncommitted');
CREATE FOREIGN TABLE dirty_tx (n int, $metadata) SERVER dirty OPTIONS (topic 'tx')});
$kafka->produce_transaction('tx', 'one', 'commit', '{"n": 1}', '{"n": 2}');
# Kafka answers a commit before its marker stands in the log.
ok(poll_until(sub { sql('SELECT string_agg(n::text, \',\' ORDER BY o) FROM tx') eq '1,2' }, 'the transaction is seen'),
	'a committed transaction; its marker is no row');
$kafka->produce_transaction('tx', 'two', 'abort', '{"n": 3}');
is(sql('SELECT string_agg(n::text, \',\' ORDER BY o) FROM tx'), '1,2', 'an aborted one is not seen; the scan ends in its gap');
is(sql('SELECT string_agg(n::text, \',\' ORDER BY o) FROM dirty_tx'), '1,2,3', 'read_uncommitted sees it');
$kafka->produce_transaction('tx', 'three', 'leave', '{"n": 4}');
$kafka->produce('tx', '{"n": 5}');
is(sql('SELECT string_agg(n::text, \',\' ORDER BY o) FROM tx'), '1,2', 'an open one hides what follows');

$kafka->create_topic('cut', 1);
$kafka->produce('cut', map { "{\"n\": $_}" } 0 .. 9);
$kafka->truncate_partition('cut', 0, 4);
sql(qq{CREATE FOREIGN TABLE cut (n int, $metadata) SERVER k OPTIONS (topic 'cut')});
is(sql('SELECT min(n), count(*) FROM cut'), '4|6', 'what retention deleted is no error');
is(sql('SELECT count(*) FROM cut WHERE o < 3'), '0', '... nor when it is asked for');

# ---- a large topic with a small queue; interruption ---------------------------------------------

$kafka->create_topic('large', 2);
$kafka->produce('large', map { "{\"n\": $_, \"pad\": \"" . 'x' x 300 . '"}' } 1 .. 60000);
sql(qq{CREATE FOREIGN TABLE large (n int, pad text, $metadata) SERVER k OPTIONS (topic 'large')});
$node->append_conf('postgresql.conf', "telemetry.fetch_memory = '1MB'");
$node->reload;
takes_less(10, '... without a second of sleep for each of its fills',
	sub { is(sql('SELECT count(*), sum(n) FROM large'), '60000|1800030000', 'twenty times the queue') });
takes_less(3, '... at once',
	sub { like(sql_error(q{SET statement_timeout = 300; SELECT count(pg_sleep(0.001)) FROM large}), qr/canceling statement/, 'cancel') });

$kafka->freeze;
takes_less(3, '... at once',
	sub { like(sql_error(q{SET statement_timeout = 300; SELECT count(*) FROM large}), qr/canceling statement/, 'cancel while the broker hangs') });
takes_less(6, '... is given up in the time set',
	sub { like(sql_error(q{SET telemetry.kafka_timeout = '1s'; SELECT count(*) FROM large}), qr/could not read topic "large"/, 'a broker that hangs') });
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
$session->{stdin} .= "SET telemetry.kafka_timeout = '100s'; SELECT count(*) FROM large;\n";
$session->{run}->pump_nb;
poll_until(sub { sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND state = 'active' AND query ~ 'FROM large'") eq '1' }, 'the query runs');
my $start = time;
sql("SELECT pg_terminate_backend($pid)");
poll_until(sub { sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") eq '0' }, 'the backend is gone');
# By itself it would wait for a hundred.
cmp_ok(time - $start, '<', 15, 'a backend that waits for a broker ends at once');
eval { $session->quit };
$kafka->thaw;
poll_until(sub { sql(q{SELECT count(*) FROM numbers WHERE p = 0}) eq '1000' }, 'the broker answers again');

$node->restart;
is(sql('SELECT count(*) FROM numbers'), '3000', 'after a restart');
like(sql_error(q{CREATE FOREIGN TABLE none (a int) SERVER k OPTIONS (topic 'no-such-topic'); SELECT * FROM none}), qr/topic "no-such-topic" does not exist/, 'a topic that does not exist');

# ---- import -------------------------------------------------------------------------------------

sql('CREATE SCHEMA imported; IMPORT FOREIGN SCHEMA kafka FROM SERVER k INTO imported');
is( sql(q{SELECT string_agg(relname, ',' ORDER BY relname COLLATE "C") FROM pg_class WHERE relnamespace = 'imported'::regnamespace}),
	'cut,large,mixed,numbers,one_bad,strict,tx', 'IMPORT FOREIGN SCHEMA: all topics, no internal ones');
is(sql('SELECT key, value, kafka_partition, kafka_offset FROM imported.numbers WHERE kafka_offset = 0 AND kafka_partition = 2'), 'key2|{"n": 2}|2|0', '... as jsonb');
sql(q{CREATE SCHEMA chosen; IMPORT FOREIGN SCHEMA kafka LIMIT TO (cut, tx) FROM SERVER k INTO chosen OPTIONS (format 'text')});
is(sql(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'chosen'::regnamespace}), '2', 'LIMIT TO');
is(sql('SELECT pg_typeof(value), value FROM chosen.cut LIMIT 1'), 'text|{"n": 4}', '... as text');
sql(q{CREATE SCHEMA rest; IMPORT FOREIGN SCHEMA kafka EXCEPT (cut, tx) FROM SERVER k INTO rest OPTIONS (format 'bytes')});
is(sql(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'rest'::regnamespace}), '5', 'EXCEPT');
like(sql_error(q{IMPORT FOREIGN SCHEMA kafka FROM SERVER k INTO rest OPTIONS (format 'avro')}), qr/Use json, text or bytes/, 'a format that there is not');
like(sql_error(q{IMPORT FOREIGN SCHEMA kafka FROM SERVER k INTO rest OPTIONS (fmt 'json')}), qr/invalid option "fmt"/, 'an option that there is not');

$node->stop;
$kafka->stop;
done_testing();
