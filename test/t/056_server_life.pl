# The server's own life under load: its postmaster dies, it is shut down in each mode, its settings and its owner's
# change, a standby takes its place and it comes back by pg_rewind. Each message arrives once, and nothing outlives the server.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $mock = TelemetryTest::Mock->new(topics => [ 'events:2', 'visited:1' ]);
my $node = telemetry_node('main', extension => 1, init => [ allows_streaming => 1 ], conf => <<'CONF');
wal_log_hints = on
max_prepared_transactions = 2
wal_keep_size = '512MB'
fsync = off
autovacuum = off
shared_buffers = '32MB'
CONF
my $produced = 0;

create_server($node, 'kafka', $mock, 'reconnect.backoff.max.ms' => 300);
# A row a batch: a backlog that lasts.
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE events_topic (id bigint NOT NULL, part int OPTIONS (metadata 'partition'), off bigint OPTIONS (metadata 'offset'))
	SERVER kafka OPTIONS (topic 'events');
CREATE TABLE events (id bigint NOT NULL, part int, off bigint);
SELECT telemetry.create_pipeline('events', 'events_topic', 'events', batch_rows => 1);
SQL

sub query { my ($sql) = @_; return ($node->psql('postgres', $sql))[1] // '' }

sub produce
{
	my ($n) = @_;
	$mock->produce('events', map { [ $_ % 2, undef, '{"id": ' . $produced++ . '}' ] } 1 .. $n);
	return;
}

sub workers
{
	return map { /^\s*(\d+).*telemetry/ ? $1 : () } split /\n/, `ps -o pid=,args= --ppid $node->{_pid} 2>/dev/null`;
}

sub is_exact
{
	my ($what) = @_;
	poll_until(sub { (query('SELECT count(*) FROM events') || 0) >= $produced }, "$what: everything is read", 90)
	  or diag(query('TABLE telemetry.stat_pipeline'));
	return is(query('SELECT count(*), count(DISTINCT (part, off)), count(DISTINCT id) FROM events'), "$produced|$produced|$produced", "$what: each message once");
}

# Not before the worker writes: else nothing would be cut off.
sub under_load
{
	produce(15_000);
	my $before = query('SELECT count(*) FROM events') || 0;
	return poll_until(sub { (query('SELECT count(*) FROM events') || 0) > $before }, 'the worker to write', 30);
}

# The server is started without workers: what is there was written before it was gone.
sub not_all_is_there
{
	my ($what) = @_;
	$node->append_conf('postgresql.conf', 'telemetry.enabled = off');
	$node->start;
	cmp_ok(query('SELECT count(*) FROM events'), '<', $produced, "$what: workers did not stay for their backlog");
	# What is left may go faster.
	query(q(SELECT telemetry.alter_pipeline('events', batch_rows => 10000)));
	$node->append_conf('postgresql.conf', 'telemetry.enabled = on');
	$node->reload;
	is_exact($what);
	return query(q(SELECT telemetry.alter_pipeline('events', batch_rows => 1)));
}

# ---- the postmaster dies: its children notice, though they are never idle; until then no other server starts
under_load();
my @family = ($node->{_pid}, workers());
cmp_ok(scalar @family, '>=', 4, 'launcher, supervisor and worker are there');
$node->kill9;
poll_until(sub { !grep { kill 0, $_ } @family }, 'workers to follow the postmaster', 60);
not_all_is_there('the postmaster died');

# ---- shutdown in each mode, with a session connected where the mode waits for none
for my $mode (qw(smart fast immediate))
{
	under_load();
	my $began = time;
	$node->stop($mode);
	cmp_ok(time - $began, '<', 10, "$mode shutdown under load");
	not_all_is_there("$mode shutdown");
}

# ---- settings, changed while it runs; and those of the pipeline's owner, which are not for its workers
query(q(SELECT telemetry.alter_pipeline('events', batch_rows => 500)));
for my $setting ([ 'batch_memory', '1MB' ], [ 'fetch_memory', '1MB' ], [ 'max_message_bytes', '1kB' ], [ 'kafka_timeout', '200ms' ], [ 'insert_path', 'executor' ])
{
	my ($name, $value) = @$setting;
	query("ALTER SYSTEM SET telemetry.$name = '$value'");
	$node->reload;
	produce(500);
	is_exact("telemetry.$name changes");
}
query("ALTER SYSTEM SET telemetry.$_ = 100") for qw(max_workers max_partitions);
$node->reload;
produce(500);
is_exact('settings of the next start change');
poll_until(sub { query(q(SELECT count(*) FROM pg_settings WHERE name LIKE 'telemetry.max_%s' AND pending_restart)) eq '2' }, 'settings that wait for a restart', 30);
$node->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
$node->reload;
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE owner SUPERUSER;
ALTER ROLE owner SET statement_timeout = '1ms';
ALTER ROLE owner SET lock_timeout = '1ms';
ALTER ROLE owner SET idle_in_transaction_session_timeout = '1ms';
ALTER ROLE owner SET default_transaction_read_only = on;
ALTER ROLE owner SET telemetry.kafka_timeout = '100ms';
SELECT telemetry.alter_pipeline('events', owner => 'owner');
SQL
produce(500);
is_exact('settings of the owner');

# ---- a pipeline that a prepared transaction made; a database that is closed to connections for a while
$node->safe_psql('postgres', 'CREATE DATABASE visited');
$node->safe_psql('visited', 'CREATE EXTENSION telemetry; CREATE SERVER kafka FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers \'' . $mock->address . "')");
$node->safe_psql('visited', <<'SQL');
CREATE FOREIGN TABLE visited_topic (id bigint) SERVER kafka OPTIONS (topic 'visited');
CREATE TABLE visited (id bigint);
SQL
$node->safe_psql('visited', <<'SQL');
BEGIN;
SELECT telemetry.create_pipeline('visited', 'visited_topic', 'visited');
PREPARE TRANSACTION 'made';
SQL
$mock->produce('visited', '{"id": 1}');
$node->safe_psql('visited', q(COMMIT PREPARED 'made'));
wait_for_result($node, 'SELECT count(*) FROM visited', '1', 'a pipeline of a prepared transaction starts with COMMIT PREPARED', database => 'visited');
$node->safe_psql('postgres', 'ALTER DATABASE visited ALLOW_CONNECTIONS false');
$node->safe_psql('postgres', q(SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = 'visited'));
poll_until(sub { query(q(SELECT count(*) FROM pg_stat_activity WHERE datname = 'visited')) eq '0' }, 'its workers to leave', 30);
sleep 0.5;    # the launcher forgets it
is(query(q(SELECT count(*) FROM pg_stat_activity WHERE datname = 'visited')), '0', 'none runs where no connections are allowed');
$mock->produce('visited', '{"id": 2}');
$node->safe_psql('postgres', 'ALTER DATABASE visited ALLOW_CONNECTIONS true');
wait_for_result($node, 'SELECT count(*) FROM visited', '2', 'they come back when they are', database => 'visited');
$node->safe_psql('postgres', 'DROP DATABASE visited');

# ---- many databases: they are looked into a few at a time, so that they do not take each other's room
$node->safe_psql('postgres', 'ALTER SYSTEM SET max_worker_processes = 9');
$node->safe_psql('postgres', "CREATE DATABASE many$_") for 1 .. 9;
my $before_many = -s $node->logfile;
$node->restart;
produce(500);
is_exact('many databases');
unlike(slurp_file($node->logfile, $before_many), qr/could not start telemetry's supervisor/, 'there is room for all, one after the other');
$node->safe_psql('postgres', "DROP DATABASE many$_") for 1 .. 9;
$node->safe_psql('postgres', 'ALTER SYSTEM RESET max_worker_processes');
$node->restart;

# ---- a standby is promoted while its primary runs on; the old primary comes back by pg_rewind, and is promoted again
$node->backup('base');
my $other = PostgreSQL::Test::Cluster->new('other');
$other->init_from_backup($node, 'base', has_streaming => 1);
$other->start;
$node->wait_for_catchup($other);
$other->promote;
produce(2000);
is_exact('beside a promoted standby');
my $old = $node;
$node = $other;
is_exact('promoted');
# Before 16, pg_rewind goes by the last checkpoint's timeline.
query('CHECKPOINT');
$old->stop;
command_ok([ 'pg_rewind', '--target-pgdata', $old->data_dir, '--source-server', $node->connstr('postgres'), '--no-sync' ], 'pg_rewind of the old primary');
$old->append_conf('postgresql.conf', 'port = ' . $old->port);
$old->enable_streaming($node);
$old->set_standby_mode;
$old->start;
produce(2000);
is_exact('with the old primary for a standby');
is($old->safe_psql('postgres', q(SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'telemetry%')), '0', 'where no worker runs');
$node->wait_for_catchup($old);
$node->stop('immediate');
$old->promote;
$node = $old;
produce(2000);
is_exact('promoted again');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
