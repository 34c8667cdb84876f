# Faults of the broker (errors of each request, latency, a hanging leader, absence, a name that does not
# resolve) and of the database (timeouts, full connections, transactions left open, deadlock): each time the
# pipeline goes on by itself, and every message is there once. docs/faults.md says what a DBA sees.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $mock = TelemetryTest::Mock->new(brokers => 2, topics => [ 'events:2', 'hanging:1' ]);
my $node = telemetry_node('main', extension => 1, conf => <<'CONF');
fsync = off
autovacuum = off
max_connections = 12
max_wal_senders = 0
deadlock_timeout = 100ms
CONF

create_server($node, 'kafka', $mock, 'reconnect.backoff.max.ms' => 300, 'fetch.error.backoff.ms' => 100);

# Whatever a test sets for the database is not for its own sessions.
$ENV{PGOPTIONS} = '-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c default_transaction_read_only=off -c exit_on_error=off'
  . (pg_version() >= 17 ? ' -c transaction_timeout=0' : '');

sub query { return $node->safe_psql('postgres', $_[0]) }

sub wait_for
{
	my ($sql, $expected, $what) = @_;
	return wait_for_result($node, $sql, $expected, $what);
}

for my $name (qw(events hanging))
{
	query(<<"SQL");
CREATE FOREIGN TABLE ${name}_topic (id bigint NOT NULL, off bigint OPTIONS (metadata 'offset'), part int OPTIONS (metadata 'partition'), at timestamptz OPTIONS (metadata 'timestamp')) SERVER kafka OPTIONS (topic '$name');
CREATE TABLE $name (id bigint NOT NULL, off bigint, part int, arrived timestamptz DEFAULT clock_timestamp());
SELECT telemetry.create_pipeline('$name', '${name}_topic', '$name', event_time_column => 'at');
SQL
}

my $produced = 0;

sub produce
{
	$mock->produce('events', map { [ $_ % 2, undef, "{\"id\": " . $produced++ . '}' ] } 1 .. 4);
	return;
}

# What was produced is there once, and nothing is paused or dead.
sub goes_on
{
	my ($what) = @_;
	wait_for('SELECT count(*) FROM events', qr/^$produced$/, "$what: the pipeline goes on");
	is(query('SELECT count(DISTINCT (part, off)), count(DISTINCT id) FROM events'), "$produced|$produced", "$what: each message once");
	is(query('SELECT count(*) FROM telemetry.stat_partition WHERE pause_reason IS NOT NULL OR dead > 0'), '0', "$what: nothing is paused or dead");
	return;
}

produce();
goes_on('no fault');

# ---- a broker that hangs without a word, while its successor leads: within the default timeout, not a minute
$mock->command('leader hanging 0 2');
wait_for(q{SELECT state FROM telemetry.stat_pipeline WHERE pipeline = 'hanging'}, qr/running/, 'the other pipeline runs');
$mock->produce('hanging', [ 0, undef, '{"id": 1}' ]);
wait_for('SELECT count(*) FROM hanging', qr/^1$/, 'it reads from broker 2');
$mock->command('leader events 0 1');
$mock->command('leader events 1 1');
$mock->command('rtt 2 300000');
my $hangs_since = query('SELECT clock_timestamp()');
# A request is under way to the broker that hangs when its successor is named; what comes of it is looked at last.
$mock->command('leader hanging 0 1');
$mock->produce('hanging', [ 0, undef, '{"id": 2}' ]);

# ---- errors of each request
for my $fault (
	map({ [ 'Fetch', $_ ] } qw(NOT_LEADER_FOR_PARTITION LEADER_NOT_AVAILABLE REQUEST_TIMED_OUT BROKER_NOT_AVAILABLE
		REPLICA_NOT_AVAILABLE KAFKA_STORAGE_ERROR UNKNOWN_TOPIC_OR_PART FENCED_LEADER_EPOCH UNKNOWN_LEADER_EPOCH
		OFFSET_OUT_OF_RANGE UNKNOWN TOPIC_AUTHORIZATION_FAILED)),
	map({ [ 'Metadata', $_ ] } qw(LEADER_NOT_AVAILABLE REQUEST_TIMED_OUT BROKER_NOT_AVAILABLE)),
	map({ [ 'ListOffsets', $_ ] } qw(NOT_LEADER_FOR_PARTITION REQUEST_TIMED_OUT)),
	map({ [ 'OffsetCommit', $_ ] } qw(COORDINATOR_NOT_AVAILABLE GROUP_AUTHORIZATION_FAILED)))
{
	$mock->command("errors $fault->[0] 2 $fault->[1]");
	produce();
	goes_on("$fault->[0] $fault->[1]");
	$mock->command("errors $fault->[0] 0 NO_ERROR");
}

# ---- latency, and absence
$mock->command('rtt 1 400');
produce();
goes_on('slow answers');
$mock->command('rtt 1 0');
produce();
goes_on('fast answers again');
$mock->command('down 1');
wait_for(q{SELECT state || ': ' || error FROM telemetry.stat_pipeline WHERE pipeline = 'events'}, qr/^connecting: ./, 'a broker that is away is told');
ok(no_transaction_waits($node, q{backend_type = 'telemetry ingest worker'}, 'no transaction of workers'), 'no transaction waits for it');
$mock->command('up 1');
produce();
goes_on('the broker is back');

# ---- a name that does not resolve, and its mending
query(q{ALTER SERVER kafka OPTIONS (SET bootstrap_servers 'no-such-host.invalid:9092')});
produce();
wait_for(q{SELECT state || ': ' || error FROM telemetry.stat_pipeline WHERE pipeline = 'events'}, qr/^connecting: .*(resolve|known|brokers are down)/i, 'a name that does not resolve is told');
query("ALTER SERVER kafka OPTIONS (SET bootstrap_servers '" . $mock->address . "')");
goes_on('the name is mended');

# ---- settings that end other people's sessions
query(<<'SQL');
ALTER DATABASE postgres SET statement_timeout = '1ms';
ALTER DATABASE postgres SET lock_timeout = '1ms';
ALTER DATABASE postgres SET idle_in_transaction_session_timeout = '1ms';
ALTER DATABASE postgres SET default_transaction_read_only = on;
ALTER DATABASE postgres SET default_transaction_isolation = serializable;
ALTER DATABASE postgres SET exit_on_error = on;
SQL
query(q(ALTER DATABASE postgres SET transaction_timeout = '1ms')) if pg_version() >= 17;
$node->restart;
my $watermark = query(q(SELECT max(watermark) FROM telemetry.partition_offset));
produce();
goes_on('timeouts of the database');
wait_for("SELECT watermark > '$watermark' FROM telemetry.stat_pipeline WHERE pipeline = 'events'", 't', 'the supervisor moves the watermark all the same');
unlike(slurp_file($node->logfile), qr/telemetry supervisor (ERROR|FATAL)|read-only transaction/, 'without a try that failed');
query('ALTER DATABASE postgres RESET ALL');

# ---- all connections are taken: workers need none
my @sessions;
for my $n (1 .. 8)
{
	push @sessions, $node->background_psql('postgres', on_error_die => 1);
}
my $one = pop @sessions;
produce();
poll_until(sub { $one->query_safe('SELECT count(*) FROM events') =~ /^$produced$/m }, 'with all connections taken the pipeline goes on', 40);
$_->quit for @sessions;

# ---- a transaction left open after an INSERT, and one that reads: neither is waited for
$one->query_safe('BEGIN');
$one->query_safe('INSERT INTO events VALUES (-1, -1, -1)');
$one->query_safe('SELECT count(*) FROM events');
produce();
goes_on('a transaction left open');
$one->query_safe('ROLLBACK');

# ---- deadlock: a user has what the batch wants next, and wants what the batch has
$one->query_safe('BEGIN');
$one->query_safe('LOCK TABLE telemetry.partition_offset');
produce();
# The batch of this pipeline, which has written its rows: another one may wait there as well.
wait_for(<<'SQL', qr/^1$/, 'the batch waits for the user');
SELECT count(*)
FROM pg_locks l
JOIN pg_locks written ON written.pid = l.pid AND written.relation = 'events'::regclass AND written.mode = 'RowExclusiveLock' AND written.granted
WHERE NOT l.granted AND l.relation = 'telemetry.partition_offset'::regclass
SQL
my ($blocked, undef, $said) = ('', '', '');
eval { $one->query('LOCK TABLE events'); 1 };
eval { $one->query('ROLLBACK'); 1 };
goes_on('a deadlock with a user');
eval { $one->quit; 1 };
like(slurp_file($node->logfile), qr/deadlock detected/, 'there was one');

# ---- vacuum: no worker holds it back, whether it waits for messages, for a broker, or to try again
query(q{ALTER TABLE hanging ADD CONSTRAINT none CHECK (id <> 7)});
ok(no_transaction_waits($node, q{backend_type LIKE 'telemetry%'}, 'no transaction of ours'), 'nobody of us holds vacuum back');
query('CREATE TABLE junk AS SELECT 1 AS a; DELETE FROM junk');
# At the moment of the first a batch may be under way that began before the DELETE.
ok(poll_until(sub { ($node->psql('postgres', 'VACUUM VERBOSE junk'))[2] =~ /1 removed|removed 1|1 dead item/i }, 'VACUUM removes', 20), 'what was deleted is removed');

# ---- an error that is longer than what is shown of it: characters stay whole
query(<<'SQL');
CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING errcode = '57014', message = 'so' || repeat(chr(228), 700); END $$;
CREATE TRIGGER busy BEFORE INSERT ON events EXECUTE FUNCTION busy();
SQL
produce();
wait_for(q{SELECT error = 'so' || repeat(chr(228), 254) FROM telemetry.stat_pipeline WHERE pipeline = 'events' AND state = 'retrying'}, qr/^t$/, 'a long error');
query('DROP TRIGGER busy ON events');
goes_on('a long error');

# ---- the hanging broker's partition went over to the other
wait_for('SELECT count(*) FROM hanging', qr/^2$/, 'a partition of a hanging leader is read from the next');
cmp_ok(query("SELECT extract(epoch FROM max(arrived) - '$hangs_since')::int FROM hanging"), '<=', 30, 'after the timeout of workers, not after a minute');

is(query('SELECT count(*) FROM telemetry.dead_letter'), '0', 'no message was blamed for any of this');
$node->stop;
done_testing();
