# Faults of the machine under one server (lib/server_faults.c): its clock is set back and forward, there is no room for WAL or
# for statistics; and a worker gets no more memory. Pipelines go on by themselves, and each message is there once.
use strict;
use warnings FATAL => 'all';

use FindBin;
use POSIX ();
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $dir = PostgreSQL::Test::Utils::tempdir();
system('gcc', '-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror', '-o', "$dir/server_faults.so", "$FindBin::RealBin/lib/server_faults.c", '-ldl') == 0
  or die 'server_faults.c does not compile';
my %fault = (clock => 0, wal => 0, stat => 0);

sub set_faults
{
	my (%new) = @_;
	%fault = (%fault, %new);
	open my $page, '+<', "$dir/faults" or die $!;
	syswrite $page, pack('q3', @fault{qw(clock wal stat)});
	return close $page;
}
append_to_file("$dir/faults", "\0" x 4096);
chmod 0644, "$dir/faults";
$ENV{SERVER_FAULTS} = "$dir/faults";

my $mock = TelemetryTest::Mock->new(topics => ['events:2']);
my $node = telemetry_node('main', start => 0, conf => <<'CONF');
fsync = off
autovacuum = off
shared_buffers = '32MB'
CONF

# The server alone: psql has the machine's clock.
sub start
{
	my (%option) = @_;
	local $ENV{LD_PRELOAD} = join ':', "$dir/server_faults.so", $ENV{LD_PRELOAD} // ();
	return $node->start(%option);
}
start();
$node->safe_psql('postgres', 'CREATE EXTENSION telemetry');
create_server($node, 'kafka', $mock, 'reconnect.backoff.max.ms' => 300);
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE ingest;
GRANT USAGE ON FOREIGN SERVER kafka TO ingest;
GRANT CREATE ON SCHEMA public TO ingest;
SET ROLE ingest;
CREATE FOREIGN TABLE events_topic (id bigint NOT NULL, at timestamptz, part int OPTIONS (metadata 'partition'), off bigint OPTIONS (metadata 'offset'))
	SERVER kafka OPTIONS (topic 'events');
CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, part int, off bigint);
CREATE TABLE trouble (greed int);
CREATE FUNCTION in_the_way() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE greed int;
BEGIN
	SELECT t.greed INTO greed FROM public.trouble t WHERE new.id % 10 = 0;
	IF greed = 0 THEN
		RAISE 'in the way' USING ERRCODE = '40001';
	END IF;
	RETURN CASE WHEN length(repeat(repeat('x', 100000), greed)) >= 0 OR greed IS NULL THEN new END;
END $$;
CREATE TRIGGER in_the_way BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION in_the_way();
CREATE TABLE old (at date NOT NULL) PARTITION BY RANGE (at);
SELECT telemetry.create_pipeline('events', 'events_topic', 'events', event_time_column => 'at', idle_timeout => '1 s', max_ahead => '1 hour');
SQL

my $produced = 0;

sub query { my ($sql) = @_; return ($node->psql('postgres', $sql))[1] // '' }

sub produce
{
	my $now = POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime);
	$mock->produce('events', map { [ $_ % 2, undef, sprintf '{"id": %d, "at": "%s"}', $produced++, $now ] } 1 .. 10);
	return;
}

sub wait_for
{
	my ($sql, $expected, $what) = @_;
	return wait_for_result($node, $sql, $expected, $what);
}

sub goes_on
{
	my ($what) = @_;
	produce();
	wait_for('SELECT count(*) FROM events', qr/^$produced$/, "$what: the pipeline goes on");
	wait_for('SELECT state, lag, error FROM telemetry.stat_pipeline', qr/^running\|0\|$/, "$what: and says so");
	is(query('SELECT count(DISTINCT (part, off)), count(DISTINCT id) FROM events'), "$produced|$produced", "$what: each message once");
	return is(query('SELECT count(*) FROM telemetry.dead_letter'), '0', "$what: no message was blamed for it");
}

# Seconds of processor time that launcher, supervisor, workers and maintenance have taken, by process. Some may come and go.
sub cpu
{
	my @pids = split /\n/, query(q(SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'telemetry%'));
	my %seconds;
	for my $pid (@pids)
	{
		my $stat = eval { slurp_file("/proc/$pid/stat") } or next;
		my @field = split ' ', ($stat =~ /\) (.*)/)[0];
		$seconds{$pid} = ($field[11] + $field[12]) / 100;
	}
	return %seconds;
}

# ---- the clock, back by half an hour, then forward by a whole one: while nothing is to do, while a batch waits to be tried
# again, while a worker is started
$node->safe_psql('postgres', q(SELECT telemetry.set_retention('old', '1 day')));
goes_on('no fault');
wait_for('SELECT last_run_at IS NOT NULL FROM telemetry.retention', qr/^t$/, 'retention was looked after');
# There is one once each partition has had its say, or is idle.
wait_for('SELECT watermark IS NOT NULL FROM telemetry.stat_pipeline', qr/^t$/, 'there is a watermark');
my $watermark = query('SELECT watermark FROM telemetry.stat_pipeline');
for my $jump ([ -1800, 'back' ], [ 1800, 'forward' ])
{
	my ($clock, $what) = ($jump->[0], "the clock goes $jump->[1]");
	my $retention = query('SELECT last_run_at FROM telemetry.retention');

	query('INSERT INTO trouble VALUES (0)');
	produce();
	wait_for('SELECT state, error FROM telemetry.stat_pipeline', qr/^retrying\|in the way$/, "$what: a batch waits to be tried again");
	set_faults(clock => $clock);
	query('DELETE FROM trouble');
	goes_on($what);
	query(q(SELECT pg_terminate_backend(pid) FROM telemetry.stat_worker));
	produce();
	wait_for('SELECT count(*) FROM events', qr/^$produced$/, "$what: another worker goes on");
	# A second of silence is a second.
	wait_for('SELECT bool_and(idle) FROM telemetry.stat_partition', qr/^t$/, "$what: a silent partition is found idle");
	wait_for("SELECT last_run_at <> '$retention' FROM telemetry.retention", qr/^t$/, "$what: retention is looked after");
	is(query("SELECT watermark >= '$watermark' FROM telemetry.stat_pipeline"), 't', "$what: the watermark does not go back");
	$watermark = query('SELECT watermark FROM telemetry.stat_pipeline');
	my (%before, %after);
	%before = cpu();
	sleep 1;
	%after = cpu();
	my $taken = 0;
	$taken += $after{$_} - $before{$_} for grep { exists $before{$_} } keys %after;
	cmp_ok($taken, '<', 0.3, "$what: nobody spins");
}
is(query(q(SELECT watermark < now() + interval '1 minute' FROM telemetry.stat_pipeline)), 't', 'a clock that ran ahead moved no watermark');

# ---- no memory: the worker is refused what a trigger asks for, until it gets it
my $pid = query('SELECT pid FROM telemetry.stat_worker');
my ($pages) = split ' ', slurp_file("/proc/$pid/statm");
command_ok([ 'prlimit', '--pid', $pid, '--as=' . ($pages * 4096 + 16 * 1024 * 1024) . ':' ], 'the worker may have 16 MB more');
query('INSERT INTO trouble VALUES (1000)');
produce();
wait_for('SELECT state, error FROM telemetry.stat_pipeline', qr/^retrying\|out of memory$/, 'a batch without memory is said, and tried again');
command_ok([ 'prlimit', '--pid', $pid, '--as=unlimited:' ], 'it may have all');
goes_on('out of memory');
is(query('SELECT pid FROM telemetry.stat_worker'), $pid, 'out of memory: it is the same worker');
query('DELETE FROM trouble');

# ---- no room for statistics: PostgreSQL begins them anew; ours are in tables
my $stored = query('SELECT stored FROM telemetry.stat_pipeline');
set_faults(stat => 1);
$node->stop('fast');
start();
set_faults(stat => 0);
like(slurp_file($node->logfile), qr/could not open temporary statistics file.*No space left on device/, 'the statistics were not written');
cmp_ok(query('SELECT stored FROM telemetry.stat_pipeline'), '>=', $stored, 'the counters of pipelines are in tables');
goes_on('no room for statistics');

# ---- no room for WAL: PostgreSQL stops, and does not start before there is some
set_faults(wal => 1);
produce();
poll_until(sub { slurp_file($node->logfile) =~ /PANIC:.*No space left on device/ }, 'the server to stop');
poll_until(sub { !kill 0, $node->{_pid} }, 'the postmaster to end', 60);
$node->_update_pid(0);
like(slurp_file($node->logfile), qr/PANIC:.*No space left on device/, 'without room for WAL the server stops');
set_faults(wal => 0);
start();
goes_on('room for WAL again');

$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|signal 11/, 'nothing crashed otherwise');
done_testing();
