# Invariant 7: whoever is cancelled or ended by a DBA, in whatever order, all run again within seconds, and no more than one of
# each; what a database leaves behind in shared memory goes with it.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $mock = TelemetryTest::Mock->new(topics => [ 'events:4', 'late:1', 'gone:8' ]);
my $node = telemetry_node('main', extension => 1, conf => <<'CONF');
fsync = off
autovacuum = off
max_prepared_transactions = 2
telemetry.max_partitions = 16
CONF

sub query
{
	my ($sql, $database) = @_;
	my ($status, $out) = $node->psql($database // 'postgres', $sql);
	return $out;
}

sub create
{
	my ($database, $name) = @_;
	my $address = $mock->address;
	$node->safe_psql($database, <<"SQL");
CREATE SERVER IF NOT EXISTS kafka FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '$address');
CREATE FOREIGN TABLE ${name}_topic (id bigint) SERVER kafka OPTIONS (topic '$name');
CREATE TABLE $name (id bigint);
SQL
	return;
}

# Processes of a kind (ingest, supervisor, launcher).
sub pids
{
	my ($kind) = @_;
	return split /\n/, query("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'telemetry $kind%' ORDER BY pid");
}

sub wait_for_another
{
	my ($kind, $pid, $what, $seconds) = @_;
	return wait_for_result($node, "SELECT count(*), bool_and(pid <> $pid) FROM pg_stat_activity WHERE backend_type LIKE 'telemetry $kind%'",
		'1|t', $what, timeout => $seconds // 20);
}

my $produced = 0;

sub goes_on
{
	my ($what) = @_;
	$mock->produce('events', map { [ $_ % 4, '', '{"id": ' . ($produced + $_) . '}' ] } 1 .. 100);
	$produced += 100;
	return wait_for_result($node, 'SELECT count(*), count(DISTINCT id) FROM events', "$produced|$produced", $what);
}

create('postgres', 'events');
$node->safe_psql('postgres', q(SELECT telemetry.create_pipeline('events', 'events_topic', 'events', workers => 2)));
goes_on('two workers run');

# ---- pg_cancel_backend() ends a statement; who waits has none
my @before = map { pids($_) } qw(launcher supervisor ingest);
is(scalar @before, 4, 'all run');
my $log = -s $node->logfile;
for (1 .. 3)
{
	query("SELECT pg_cancel_backend($_)") for @before;
	sleep 0.2;
}
goes_on('cancelled while they wait');
is(join(' ', map { pids($_) } qw(launcher supervisor ingest)), "@before", 'none of them has ended by that');
unlike(slurp_file($node->logfile, $log), qr/canceling statement/, 'nor is there anything to be said');

# ---- a launcher that did not start the supervisor notices its end all the same
my ($launcher) = pids('launcher');
my ($supervisor) = pids('supervisor');
query("SELECT pg_terminate_backend($launcher, 10000)");
wait_for_another('launcher', $launcher, 'another launcher comes');
is((pids('supervisor'))[0], $supervisor, 'the supervisor has stayed');
goes_on('the launcher was replaced');
my @workers = pids('ingest');
query("SELECT pg_terminate_backend($supervisor, 10000)");
wait_for_another('supervisor', $supervisor, 'the new launcher starts another supervisor');
# Who ends its predecessor's workers needs nobody to tell it that they are gone.
TelemetryTest::takes_less(5, 'a new supervisor starts its workers at once', sub {
	my ($running) = pids('supervisor');
	my $old = join ', ', pids('ingest');
	query("SELECT pg_terminate_backend($running, 10000)");
	wait_for_result($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'telemetry ingest%' AND pid NOT IN ($old)", 2, 'two new workers');
});
goes_on('supervisors were replaced');

# ---- all of them, at random moments; then there is one of each
srand($ENV{SEED} // 58);
for my $turn (1 .. $ENV{TURNS} // 40)
{
	my @all = map { pids($_) } qw(launcher supervisor ingest);
	my $how = rand() < 0.3 ? 'cancel' : 'terminate';
	query("SELECT pg_${how}_backend($_)") for grep { rand() < 0.5 } @all;
	sleep rand 0.15;
	# Else nothing but the launcher's five seconds would be seen.
	wait_for_result($node, q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'telemetry launcher'), 1, 'a launcher') if $turn % 10 == 0;
}
goes_on('after signals at random moments');
wait_for_result($node, q(SELECT string_agg(DISTINCT backend_type || ' ' || n, ', ' ORDER BY backend_type || ' ' || n) FROM
	(SELECT backend_type, count(*) AS n FROM pg_stat_activity WHERE backend_type LIKE 'telemetry%' GROUP BY 1) a),
	'telemetry ingest worker 2, telemetry launcher 1, telemetry supervisor 1', 'one of each runs');
is(query(q(SELECT count(*), count(DISTINCT pid) FROM telemetry.stat_worker WHERE pid IN (SELECT pid FROM pg_stat_activity))), '2|2', 'and each is known');

# ---- a transaction that was prepared before a restart
create('postgres', 'late');
$node->safe_psql('postgres', q(SELECT telemetry.pause_pipeline('events')));
$node->safe_psql('postgres', <<'SQL');
BEGIN;
SELECT telemetry.create_pipeline('late', 'late_topic', 'late');
PREPARE TRANSACTION 'late';
SQL
$mock->produce('late', '{"id": 1}');
$node->restart;
wait_for_result($node, q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'telemetry launcher'), 1, 'the launcher is there');
wait_for_result($node, q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'telemetry supervisor'), 0, 'nothing is to be done');
sleep 1.5;
is(query(q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'telemetry supervisor')), 0, 'still not');
$node->safe_psql('postgres', q(COMMIT PREPARED 'late'));
wait_for_result($node, 'SELECT count(*) FROM late', 1, 'its pipeline starts with COMMIT PREPARED after a restart', timeout => 20);
$node->safe_psql('postgres', q(SELECT telemetry.drop_pipeline('late')));

# ---- figures in shared memory go with their database, whether something ran in it at the end or not
for my $turn (1 .. 3)
{
	$node->safe_psql('postgres', 'CREATE DATABASE visited');
	$node->safe_psql('visited', 'CREATE EXTENSION telemetry');
	create('visited', 'gone');
	$node->safe_psql('visited', q(SELECT telemetry.create_pipeline('gone', 'gone_topic', 'gone')));
	wait_for_result($node, 'SELECT count(end_offset) FROM telemetry.stat_partition', 8, "database $turn has figures of its partitions", database => 'visited');
	$node->safe_psql('visited', q(SELECT telemetry.pause_pipeline('gone')));
	wait_for_result($node, q(SELECT count(*) FROM pg_stat_activity WHERE datname = 'visited' AND backend_type LIKE 'telemetry%'), 0, 'nothing runs in it any more');
	sleep 1;    # the launcher has noticed, too
	$node->safe_psql('postgres', 'DROP DATABASE visited');
}

# ---- a database that DROP DATABASE has left half gone: nobody can connect to it
$node->safe_psql('postgres', 'CREATE DATABASE half');
$node->safe_psql('postgres', q(UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'half'));
$log = -s $node->logfile;
$node->restart;
$node->safe_psql('postgres', q(SELECT telemetry.resume_pipeline('events')));
goes_on('beside a database that is half gone');
sleep 1;
unlike(slurp_file($node->logfile, $log), qr/FATAL:  (?!the database system|terminating)/, 'nobody tries to connect to it');

$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
