# Invariant 7, the workers' life: limits that are hit, signals, settings, changes of a pipeline and of
# the database under it, all under load. Whatever happens, each message arrives once.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use POSIX ();
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $partitions = 4;
my $kafka = TelemetryTest::Kafka->new;
# Room for the launcher, PostgreSQL's own launcher of logical replication, a supervisor, two workers.
my $node = telemetry_node('main', extension => 1, conf => <<'CONF');
fsync = off
shared_buffers = '32MB'
autovacuum = off
max_worker_processes = 5
telemetry.max_workers = 8
CONF

# A topic, its foreign table and its target, in a database.
sub create_target
{
	my ($database, $name) = @_;
	my $address = $kafka->address;
	$node->safe_psql($database, <<"SQL");
CREATE SERVER IF NOT EXISTS kafka FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '$address');
CREATE FOREIGN TABLE ${name}_topic (id bigint NOT NULL, part int OPTIONS (metadata 'partition'),
    off bigint OPTIONS (metadata 'offset')) SERVER kafka OPTIONS (topic '$name');
CREATE TABLE $name (id bigint NOT NULL, part int, off bigint);
SQL
	return;
}

sub query
{
	my ($sql, $database) = @_;
	my ($status, $out) = $node->psql($database // 'postgres', $sql);
	return $out;
}

sub is_exact
{
	my ($name, $what, $database) = @_;
	my @high = map { $_->[1] } $kafka->watermarks($name);
	my $total = 0;
	$total += $_ for @high;
	my $expected = join ' UNION ALL ',
	  map { "SELECT $_ AS part, off FROM generate_series(0, $high[$_] - 1) off" } 0 .. $#high;
	my $arrived = "SELECT part, off FROM $name UNION ALL "
	  . "SELECT partition, \"offset\" FROM telemetry.dead_letter WHERE pipeline = '$name'";

	ok( poll_until(
			sub { query("SELECT sum(committed_offset) FROM telemetry.stat_partition WHERE pipeline = '$name'", $database) eq $total },
			$what, 60),
		"$what: all $total messages are read") or die query('TABLE telemetry.stat_pipeline', $database) . "\n"
		. query('TABLE telemetry.stat_worker', $database) . "\n"
		. query('TABLE telemetry.stat_partition', $database) . "\n" . query('SELECT pid, datname, backend_type, application_name, query FROM pg_stat_activity');
	is(query("SELECT * FROM ((($expected) EXCEPT ALL ($arrived)) UNION ALL (($arrived) EXCEPT ALL ($expected))) d LIMIT 5", $database),
		'', "$what: each message once");
	return;
}

my $produced = 0;

sub produce_some
{
	my ($topic, $n) = @_;
	$kafka->produce($topic, map { [ $_ % $partitions, "k$_", $_ % 50 ? "{\"id\": $_}" : '{"id": "x"}' ] } 1 .. $n);
	return;
}

# A producer beside us, until it is ended.
my $producer;

# Messages without end, beside what is tested.
my $enough = PostgreSQL::Test::Utils::tempdir() . '/enough';

sub start_load
{
	my ($topic) = @_;
	my $parent = $$;

	$producer = fork // die 'fork';
	return if $producer;
	while (!-e $enough && getppid() == $parent)
	{
		eval { produce_some($topic, 500); 1 } or POSIX::_exit(1);
		sleep 0.1;
	}
	POSIX::_exit(0);
}

# It ends by itself, so that nothing of it is on its way any more.
sub stop_load
{
	return unless $producer;
	append_to_file($enough, '');
	waitpid $producer, 0;
	unlink $enough;
	undef $producer;
	return;
}

END
{
	my $status = $?;
	stop_load();
	$? = $status;
}

# Processes of a kind (ingest, supervisor, launcher) by pg_stat_activity.
sub pids
{
	my ($kind, $where) = @_;
	my $and = defined $where ? "AND $where" : '';
	return split /\n/, query("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'telemetry $kind%' $and ORDER BY pid");
}

sub wait_for
{
	my ($sql, $expected, $what, $timeout) = @_;
	return wait_for_result($node, $sql, $expected, $what, timeout => $timeout);
}

# Ends a process; gives the seconds that it took to go.
sub seconds_to_end
{
	my ($pid) = @_;
	my $began = time;
	kill 'TERM', $pid;
	poll_until(sub { !kill 0, $pid }, "process $pid to end", 20);
	return time - $began;
}

# The same for the only process of a kind, up to three times, with what came in its place: the machine may stand still for a
# second, but whoever waits for something before it goes does so each time.
sub least_seconds_to_end
{
	my ($kind, $enough) = @_;
	my ($least, $pid) = (20);
	for (1 .. 3)
	{
		my $gone = $pid // 0;
		poll_until(sub { ($pid) = pids($kind, "pid <> $gone AND coalesce(datname, 'postgres') = 'postgres'"); defined $pid }, "a $kind", 40) or last;
		my $took = seconds_to_end($pid);
		$least = $took if $took < $least;
		last if $least < $enough;
	}
	return ($least, $pid);
}

my $state = 'SELECT state FROM telemetry.stat_pipeline WHERE pipeline =';

# ---- max_worker_processes is used up
$kafka->create_topic($_, $partitions) for qw(a b c);
create_target('postgres', $_) for qw(a b);
produce_some('a', 5000);
$node->safe_psql('postgres', q(SELECT telemetry.create_pipeline('a', 'a_topic', 'a', workers => 4, batch_rows => 500)));
wait_for(q(SELECT error FROM telemetry.stat_pipeline), qr/max_worker_processes/, 'a full max_worker_processes is said');
wait_for('SELECT workers_running FROM telemetry.stat_pipeline', qr/^2$/, 'as many workers run as there is room for');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION telemetry');
create_target('other', 'c');
$node->safe_psql('other', q(SELECT telemetry.create_pipeline('c', 'c_topic', 'c')));
is(query($state . q('c'), 'other'), 'waiting for a worker', 'a database without room for a supervisor waits');
$node->safe_psql('postgres', q(SELECT telemetry.pause_pipeline('a')));
produce_some('c', 1000);
is_exact('c', 'when there is room the other database starts by itself', 'other');
$node->safe_psql('other', q(SELECT telemetry.drop_pipeline('c')));
$node->safe_psql('postgres', q(SELECT telemetry.alter_pipeline('a', workers => 2)));
$node->safe_psql('postgres', q(SELECT telemetry.resume_pipeline('a')));
is_exact('a', 'two workers instead of four');

# ---- a database that goes while its workers start
for my $n (0 .. 5)
{
	$node->safe_psql('postgres', 'CREATE DATABASE short_lived');
	$node->safe_psql('short_lived', 'CREATE EXTENSION telemetry');
	create_target('short_lived', 'c');
	$node->safe_psql('short_lived', q(SELECT telemetry.create_pipeline('c', 'c_topic', 'c', workers => 2)));
	sleep $n * 0.015;
	my $dropped = query(q(SELECT oid FROM pg_database WHERE datname = 'short_lived'));
	$node->safe_psql('postgres', 'DROP DATABASE short_lived');
	is(query("SELECT count(*) FROM pg_stat_activity WHERE datid = $dropped"), 0, 'nothing of a database that went at once runs');
}

# ---- telemetry.max_workers is used up
$node->append_conf('postgresql.conf', "max_worker_processes = 32\ntelemetry.max_workers = 3\n");
$node->restart;
$node->safe_psql('postgres', q(SELECT telemetry.create_pipeline('b', 'b_topic', 'b', workers => 2)));
wait_for(q(SELECT workers_running FROM telemetry.stat_pipeline ORDER BY pipeline), qr/^2\n1$/, 'max_workers are shared out');
ok(poll_until(sub { slurp_file($node->logfile) =~ /no worker is free for pipeline "b".*?All 3 slots of telemetry.max_workers/s }, 'the log to say so', 20),
	'a full telemetry.max_workers is logged');
$node->safe_psql('postgres', q(SELECT telemetry.pause_pipeline('b')));
$node->safe_psql('postgres', q(SELECT telemetry.alter_pipeline('b', workers => 1)));
$node->safe_psql('postgres', q(SELECT telemetry.resume_pipeline('b')));
produce_some('b', 1000);
is_exact('b', 'with fewer workers it fits');
# Enough for these two, one of another database, and what that leaves behind when it is dropped.
$node->append_conf('postgresql.conf', "telemetry.max_workers = 4\ntelemetry.max_partitions = 16\n");
$node->restart;

# ---- no transaction is open while there is nothing to do
poll_until(sub { pids('ingest') == 3 }, 'workers after a restart');
is_exact('a', 'after a restart');
ok(no_transaction_waits($node, q(backend_type LIKE 'telemetry ingest%'), 'no transaction of workers'), 'a worker that waits for Kafka has no transaction open');
wait_for(q(SELECT string_agg(application_name, ', ' ORDER BY application_name) FROM pg_stat_activity
	WHERE backend_type = 'telemetry ingest worker'),
	qr{^telemetry ingest a 1/2, telemetry ingest a 2/2, telemetry ingest b 1/1$}, 'each worker has its line');

# ---- SIGTERM under load
start_load('a');
my @took;
for (1 .. 8)
{
	my @pids;
	poll_until(sub { @pids = pids('ingest', q(application_name LIKE '% a %')); @pids == 2 }, 'both workers', 40);
	sleep rand 0.1;
	push @took, seconds_to_end($pids[ rand @pids ]);
}
@took = sort { $a <=> $b } @took;
# A machine that stands still may make one of them take longer.
cmp_ok($took[6], '<', 1, sprintf 'a worker under load ends within a second of SIGTERM (%s)', join ', ', map { sprintf '%.2f', $_ } @took);
cmp_ok($took[7], '<', 5, '... and none waits for anything');
my ($least, $supervisor) = least_seconds_to_end('supervisor', 1);
cmp_ok($least, '<', 1, 'so does the supervisor');
wait_for(q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'telemetry supervisor' AND datname = 'postgres' AND pid <> ) . $supervisor,
	qr/^1$/, 'another supervisor comes');
($least, my $launcher) = least_seconds_to_end('launcher', 1);
cmp_ok($least, '<', 1, 'and the launcher');
wait_for(q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'telemetry launcher' AND pid <> ) . $launcher, qr/^1$/, 'another launcher comes');

# ---- settings and options, under load
for my $workers (1, 3, 2)
{
	$node->safe_psql('postgres', "SELECT telemetry.alter_pipeline('a', workers => $workers)");
	wait_for(q(SELECT string_agg(slice || '/' || slices || ' ' || state, ', ' ORDER BY slice) FROM telemetry.stat_worker WHERE pipeline = 'a'),
		qr{^1/$workers running(, \d/$workers running){@{[$workers - 1]}}$}, "$workers workers");
}
$node->safe_psql('postgres', q(SELECT telemetry.pause_pipeline('a', 'for a look')));
my $count = query('SELECT count(*) FROM a');
is(query($state . q('a')), 'paused', 'paused');
sleep 0.5;
is(query('SELECT count(*) FROM a'), $count, 'once pause_pipeline() is committed no batch is written');
is(query(q(SELECT reason FROM telemetry.stat_pipeline WHERE pipeline = 'a')), 'for a look', 'and its reason is shown');
$node->safe_psql('postgres', q(SELECT telemetry.resume_pipeline('a')));
wait_for($state . q('a'), qr/^running$/, 'resumed');
$node->safe_psql('postgres', q(ALTER SYSTEM SET telemetry.enabled = off));
$node->reload;
wait_for(q(SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ '^telemetry (ingest|supervisor)'), qr/^0$/,
	'telemetry.enabled = off ends the workers');
is(query($state . q('a')), 'disabled', 'which the view says');
$node->safe_psql('postgres', q(ALTER SYSTEM RESET telemetry.enabled));
$node->reload;
wait_for($state . q('a'), qr/^running$/, 'and on starts them');
$node->safe_psql('postgres', q(BEGIN; SELECT telemetry.pause_pipeline('a'); ROLLBACK));
wait_for($state . q('a'), qr/^running$/, 'a pause that is rolled back is none');
stop_load();
is_exact('a', 'after signals, settings and changes');

# ---- a broker that hangs
$kafka->freeze;
sleep 0.3;
@took = sort { $a <=> $b } map { seconds_to_end($_) } pids('ingest', q(application_name LIKE '% a %'));
cmp_ok($took[0] // 20, '<', 2, 'a worker ends in time though the broker hangs');
$kafka->thaw;
produce_some('a', 1000);
is_exact('a', 'when the broker goes on');

# ---- the database under it, under load
start_load('c');
$node->safe_psql('other', q(SELECT telemetry.create_pipeline('c', 'c_topic', 'c', start_position => 'latest')));
poll_until(sub { query('SELECT count(*) > 0 FROM c WHERE off > 500', 'other') eq 't' }, 'a pipeline of the other database', 30);
$node->safe_psql('postgres', 'ALTER DATABASE other RENAME TO another');
ok(poll_until(sub { query($state . q('c'), 'another') eq 'running' }, 'to run on after a rename', 40), 'a database can be renamed while its pipeline runs, which goes on');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE another');
is(query($state . q('c'), 'copy'), 'not activated', 'and copied');
poll_until(sub { query($state . q('c'), 'another') eq 'running' }, 'to run on after it was copied', 40);
# Whoever wants it for himself, waits, and is ended meanwhile, leaves it to its workers again.
my $of_another = q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'telemetry ingest worker' AND datname = 'another');
my $commenting = $node->background_psql('postgres', on_error_die => 1);
$commenting->query_safe(q(BEGIN; COMMENT ON DATABASE another IS 'its lock holds a copy up, and no worker'));
my $said = '';
my $copying = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'CREATE DATABASE second TEMPLATE another' ], '<', \undef, '>', \$said, '2>&1');
wait_for(q(SELECT count(*) FROM pg_stat_activity WHERE query ~ '^CREATE DATABASE second' AND wait_event_type = 'Lock'), qr/^1$/, 'a copy that waits');
is(query($of_another), 0, 'has sent the workers away');
query(q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^CREATE DATABASE second' AND wait_event_type = 'Lock'));
$copying->finish;
like($said, qr/terminating connection/, 'it is ended');
wait_for($of_another, qr/^1$/, 'and they come back');
$commenting->query_safe('ROLLBACK');
$commenting->quit;
my $dropped = query(q(SELECT oid FROM pg_database WHERE datname = 'another'));
$node->safe_psql('postgres', 'DROP DATABASE another');
is(query(q(SELECT count(*) FROM pg_database WHERE datname IN ('other', 'another'))), 0, 'and dropped');
is(query("SELECT count(*) FROM pg_stat_activity WHERE datid = $dropped"), 0, 'nothing of it runs any more');
stop_load();
# What it had in shared memory is free for others; so is what a pipeline had that was dropped.
$node->safe_psql('postgres', q(SELECT telemetry.pause_pipeline('a')));
wait_for(q(SELECT count(*) FROM telemetry.stat_worker WHERE pipeline = 'a'), qr/^0$/, 'the workers of a pipeline that is paused leave their slots');
for my $name (qw(d e f))
{
	$node->safe_psql('postgres', "SELECT telemetry.create_pipeline('$name', 'b_topic', 'b', workers => 3)");
	wait_for("SELECT count(end_offset) FROM telemetry.stat_partition WHERE pipeline = '$name'", qr/^$partitions$/, "pipeline $name has three workers, and figures of each partition");
	$node->safe_psql('postgres', "SELECT telemetry.drop_pipeline('$name')");
}
$node->safe_psql('postgres', q(SELECT telemetry.resume_pipeline('a')));

# ---- DROP EXTENSION while it runs
start_load('a');
for my $turn (1 .. 3)
{
	poll_until(sub { query($state . q('a')) eq 'running' }, 'to run before DROP EXTENSION', 30);
	sleep rand 0.3;
	my ($status, $out, $err) = $node->psql('postgres', 'DROP EXTENSION telemetry CASCADE');
	is($status, 0, "DROP EXTENSION $turn: done") or diag($err);
	wait_for(q(SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ '^telemetry (ingest|supervisor)'), qr/^0$/,
		"DROP EXTENSION $turn: its workers leave");
	$node->safe_psql('postgres', 'DROP TABLE a; CREATE EXTENSION telemetry');
	create_target('postgres', 'a');
	# The worker of the idle pipeline was to leave, too.
	is(query(q(SELECT count(*) FROM telemetry.stat_worker)), 0, "DROP EXTENSION $turn: nothing is left of them");
	$node->safe_psql('postgres', q(SELECT telemetry.create_pipeline('a', 'a_topic', 'a', workers => 2)));
}
stop_load();
is_exact('a', 'the extension made anew');
$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal|was never/, 'nothing crashed');

done_testing();
