# CREATE EXTENSION with and without preloading, dump and restore of it (by whom, with what in it), DROP
# EXTENSION; and that the brokers which other tests rely on work.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TelemetryTest;

my $objects = q{SELECT count(*) FROM pg_depend
	WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'telemetry')};

sub check_life_cycle
{
	my ($node, $how) = @_;
	my ($dump, $again) = ("$PostgreSQL::Test::Utils::tmp_check/dump_$how.sql", 'restored');

	$node->safe_psql('postgres', 'CREATE DATABASE source');
	$node->safe_psql('source', 'CREATE EXTENSION telemetry');
	my $count = $node->safe_psql('source', $objects);
	cmp_ok($count, '>', 0, "$how: the extension has objects");

	command_ok([ 'pg_dump', '-f', $dump, $node->connstr('source') ], "$how: pg_dump");
	$node->safe_psql('postgres', "CREATE DATABASE $again");
	command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr($again) ],
		"$how: restore");
	is($node->safe_psql($again, $objects), $count, "$how: the restored extension has the same objects");

	for my $database ('source', $again)
	{
		$node->safe_psql($database, 'DROP EXTENSION telemetry');
		# PostgreSQL makes the schema that a control file names, and leaves it; RESTRICT proves it empty.
		$node->safe_psql($database, 'DROP SCHEMA telemetry');
		pass("$how: DROP EXTENSION leaves nothing in $database but an empty schema");
		$node->safe_psql('postgres', "DROP DATABASE $database");
	}
	return;
}

# What pipelines are and how far they came is dumped, activation is not; by a superuser, or by a role
# that may read all data. The tables are granted to nobody else.
sub check_dump
{
	my ($node) = @_;
	my @tables = qw(_pipeline partition_offset pipeline_watermark _dead_letter);
	my $content = join ' UNION ALL ', map { "SELECT '$_', t::text FROM telemetry.$_ t" } @tables;

	$node->safe_psql('postgres', 'CREATE DATABASE filled');
	$node->safe_psql('postgres', 'CREATE ROLE backup_role LOGIN IN ROLE pg_read_all_data; CREATE ROLE stranger LOGIN');
	$node->safe_psql('filled', <<'SQL');
CREATE EXTENSION telemetry;
CREATE SERVER nowhere FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'localhost:1');
CREATE FOREIGN TABLE topic (id bigint) SERVER nowhere OPTIONS (topic 'events');
CREATE TABLE target (id bigint);
SELECT telemetry.create_pipeline('dropped', 'topic', 'target', paused => true);
SELECT telemetry.drop_pipeline('dropped');
SELECT telemetry.create_pipeline('kept', 'topic', 'target', paused => true);
INSERT INTO telemetry.partition_offset (pipeline_id, partition, next_offset) SELECT pipeline_id, 3, 4711 FROM telemetry.pipeline;
INSERT INTO telemetry.pipeline_watermark SELECT pipeline_id, '2026-01-01' FROM telemetry.pipeline;
INSERT INTO telemetry._dead_letter (pipeline_id, topic, partition, "offset", value, sqlstate, message, headers)
	SELECT pipeline_id, 'events', 3, 4710, '\x00ff', '22P02', 'bad', '{"(h,\"\\\\x01\")"}' FROM telemetry.pipeline;
SQL
	my $expected = $node->safe_psql('filled', $content);
	is(scalar(split /\n/, $expected), scalar(@tables), 'each table has something to dump');
	for my $role ($node->safe_psql('postgres', 'SELECT current_user'), 'backup_role')
	{
		my $dump = "$PostgreSQL::Test::Utils::tmp_check/dump_by_$role.sql";
		command_ok([ 'pg_dump', '-U', $role, '-f', $dump, $node->connstr('filled') ], "pg_dump by $role");
		$node->safe_psql('postgres', "CREATE DATABASE by_$role");
		command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr("by_$role") ], "and its restore");
		is($node->safe_psql("by_$role", $content), $expected, 'all is there again');
		is($node->safe_psql("by_$role", 'SELECT count(*) FROM telemetry.activation'), 0, 'but where it ran');
		$node->safe_psql("by_$role", q(SELECT telemetry.create_pipeline('new', 'topic', 'target', paused => true)));
		pass('and the next pipeline takes a number of its own');
		$node->safe_psql('postgres', "DROP DATABASE by_$role");
	}
	command_fails_like([ 'pg_dump', '-U', 'stranger', '-f', '/dev/null', $node->connstr('filled') ],
		qr/permission denied for table/, 'pg_dump by anybody else is refused');
	$node->safe_psql('postgres', 'DROP DATABASE filled');
	return;
}

# Planning has begun when session_window() is looked up first, and loads the library by that.
sub check_first_session_window
{
	my ($node) = @_;
	my $query = q{SELECT count(*) FROM (VALUES (now())) v(at) GROUP BY telemetry.session_window(at, '1 hour');};

	$node->safe_psql('postgres', 'CREATE EXTENSION telemetry');
	my ($status, $out, $err) = $node->psql('postgres', "$query\n$query", on_error_stop => 0);
	like($err, qr/session_window\(\) was not there yet when planning began.*Repeat the statement/s, 'the first one says what to do');
	is($out, 1, 'and the second one works');
	is($node->safe_psql('postgres', "LOAD 'telemetry'; $query"), 1, 'so does the first one after LOAD');
	is($node->safe_psql('postgres', "SELECT FROM telemetry.hop(now(), '1 hour', '1 hour');\n$query"), 1, 'or after another function');
	$node->safe_psql('postgres', q{ALTER DATABASE postgres SET session_preload_libraries = 'telemetry'});
	is($node->safe_psql('postgres', $query), 1, 'or with session_preload_libraries');
	$node->safe_psql('postgres', 'DROP EXTENSION telemetry; ALTER DATABASE postgres RESET session_preload_libraries');
	return;
}

my $plain = telemetry_node('plain', preload => 0);
check_first_session_window($plain);
check_life_cycle($plain, 'loaded on demand');
check_dump($plain);
$plain->stop;

my $preloaded = telemetry_node('preloaded');
is($preloaded->safe_psql('postgres', 'SHOW telemetry.max_workers'), '8', 'settings of the workers are there');
check_life_cycle($preloaded, 'preloaded');
$preloaded->safe_psql('postgres', 'CREATE EXTENSION telemetry');
my ($printed, $said) = ('', '');
IPC::Run::run([ 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-f', "$TelemetryTest::root/tools/reference.sql", '-d', $preloaded->connstr('postgres') ],
	'>', \$printed, '2>', \$said);
is($said, '', 'each public object has its place in the reference');
SKIP:
{
	skip 'docs/reference.md is of PostgreSQL 15', 1 if pg_version() != 15;
	ok($printed eq slurp_file("$TelemetryTest::root/docs/reference.md"), 'docs/reference.md is what the COMMENTs say (make reference)');
}
$preloaded->stop;

# The brokers.
my $mock = TelemetryTest::Mock->new(topics => ['events:3']);
$mock->produce('events', 'a', [ 2, 'key', "b\t\\\n" ], [ 2, undef, undef ]);
my @marks = $mock->watermarks('events');
is(scalar @marks, 3, 'mock: the topic has its partitions');
is($marks[2][1] + $marks[1][1] + $marks[0][1], 3, 'mock: messages arrived');
$mock->create_topic('more', 2);
is(scalar $mock->watermarks('more'), 2, 'mock: a topic by command');
$mock->stop;

my $kafka = TelemetryTest::Kafka->new;
$kafka->create_topic('events', 2, 'retention.ms' => 3600000);
$kafka->produce('events', [ 0, 'k', 'v' ], [ 0, 'k', undef ]);
$kafka->produce_transaction('events', 'tx', 'abort', [ 1, 'k', 'never' ]);
# The mark of a transaction's end is written behind its answer, and once more if the broker did not
# come to note that it was.
sub kafka_has
{
	my ($pattern) = @_;
	return poll_until(sub { join(' ', map { $_->[1] } $kafka->watermarks('events')) =~ $pattern }, 'the ends of partitions');
}

ok(kafka_has(qr/^2 2$/), 'kafka: messages arrived');
$kafka->kill9;
$kafka->start;
ok(kafka_has(qr/^2 [23]$/), 'kafka: as before after kill -9');
$kafka->delete_topic('events');
is_deeply([ eval { $kafka->watermarks('events') } ], [], 'kafka: a deleted topic is gone');
$kafka->stop;

done_testing();
