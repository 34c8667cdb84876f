# A cluster of three brokers whose leaders are killed, stopped and hung, while a pipeline reads, a
# producer writes, and sessions INSERT: what was acknowledged arrives, once. And what becomes of a
# pipeline when an unclean election throws acknowledged messages away.
use strict;
use warnings FATAL => 'all';

use FindBin;
use IO::Handle;
use POSIX ();
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $partitions = 3;
my $began = time;
my $kafka = TelemetryTest::Kafka->new(
	nodes => 3,
	heap => '320m',
	properties => {
		'broker.session.timeout.ms' => 2500, 'broker.heartbeat.interval.ms' => 250,
		'controlled.shutdown.enable' => 'true', 'offsets.topic.replication.factor' => 3,
		'replica.lag.time.max.ms' => 3000, 'auto.leader.rebalance.enable' => 'false' });
my $node = telemetry_node('main', extension => 1, conf => "fsync = off\nautovacuum = off\n");

note(sprintf '%.1f s until all runs', time - $began);
# Partitions of the one are led by broker 2, or 3, or else 1, as long as these are there.
$kafka->create_topic('events', "$partitions\@2,3,1", 'min.insync.replicas' => 2);
$kafka->create_topic('inserted', "${partitions}x3", 'min.insync.replicas' => 2);
# A request to a broker that hangs is given up after this.
create_server($node, 'kafka', $kafka, 'socket.timeout.ms' => 4000);

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(<<'SQL');
CREATE FOREIGN TABLE events_topic (id bigint NOT NULL, key text OPTIONS (metadata 'key'),
    part int OPTIONS (metadata 'partition'), off bigint OPTIONS (metadata 'offset')) SERVER kafka OPTIONS (topic 'events');
CREATE TABLE events (id bigint NOT NULL, key text, part int, off bigint);
SELECT telemetry.create_pipeline('events', 'events_topic', 'events', workers => 2, batch_interval => '20 ms');
CREATE FOREIGN TABLE inserted (id bigint) SERVER kafka OPTIONS (topic 'inserted');
CREATE TABLE local (id bigint);
SQL

my %child;

END
{
	my $status = $?;
	kill 'KILL', values %child;
	$? = $status;
}

# A process that runs until it is told to end; the function is given what says whether it was.
sub run_beside
{
	my ($name, $work) = @_;
	my $pid = fork // die 'fork';
	if ($pid == 0)
	{
		my $ends = 0;
		%child = ();
		local $SIG{TERM} = sub { $ends = 1 };
		POSIX::_exit(eval { $work->(\$ends) } ? 0 : 1);
	}
	$child{$name} = $pid;
	return;
}

sub end_beside
{
	my ($name) = @_;
	my $pid = delete $child{$name};
	kill 'TERM', $pid;
	waitpid $pid, 0;
	return $?;
}

# Messages numbered without a gap, retried without duplicates until they are acknowledged.
my $first = 0;
sub produce_beside
{
	my ($ends) = @_;
	open my $tool, '|-', "$TelemetryTest::root/build/test/kafka_tool", '-X', 'enable.idempotence=true',
	  '-X', 'linger.ms=2', '-X', 'socket.timeout.ms=4000', '-X', 'request.timeout.ms=4000', $kafka->address, 'produce', 'events'
	  or return 0;
	$tool->autoflush;
	for (my $id = $first; !$$ends; $id++)
	{
		print $tool $id % $partitions, "\tk$id\t{\"id\": $id}\n";
		sleep 0.002 if $id % 2 == 0;
	}
	return close $tool;
}
run_beside('producer', \&produce_beside);

# Transactions that write to a table and to a topic. One that fails is not repeated.
run_beside('inserter', sub
{
	my ($ends) = @_;
	my $psql = sprintf "psql -X -q -d '%s' -f -", $node->connstr('postgres');
	open my $session, '|-', "$psql 2>'$PostgreSQL::Test::Utils::tmp_check/inserter.err'" or return 0;
	$session->autoflush;
	print $session "SET telemetry.kafka_timeout = '8s';\n";
	for (my $id = 0; !$$ends; $id++)
	{
		print $session "BEGIN; INSERT INTO local VALUES ($id); INSERT INTO inserted VALUES ($id); COMMIT;\n";
		sleep 0.1;
	}
	return close $session;
});

# Whom the test asks: one that answers.
my $asked = $kafka;

sub count_led { my ($id) = @_; return scalar grep { $_->{leader} == $id } $asked->leaders('events'); }

# The one of brokers 2 and 3 to be disturbed: 2, then 3, then 2, unless a machine that stood still has moved a leader.
# The first broker, which is the controller, comes last in each partition's list.
sub leader_of_most
{
	my ($most) = sort { count_led($b) <=> count_led($a) || $a <=> $b } 2, 3;
	cmp_ok(count_led($most), '>', 0, "broker $most leads");
	return $most;
}

# True when each partition has a leader, other than the one named (0: any).
sub led_without
{
	my ($id) = @_;
	return !grep { $_->{leader} < 0 || $_->{leader} == $id } map { $asked->leaders($_) } 'events', 'inserted';
}

sub await_all_in_sync
{
	return poll_until(sub { !grep { @{ $_->{isr} } < 3 } map { $kafka->leaders($_) } 'events', 'inserted' },
		'all replicas to be in sync', 60);
}

# Ends of the partitions. Kafka may be electing a leader at any time; then it is asked again.
sub ends
{
	my @ends;
	poll_until(sub { @ends = eval { map { $_->[1] } $asked->watermarks('events') } }, 'the ends of all partitions', 60);
	return @ends;
}

# What is produced from now on arrives, in every partition.
sub goes_on
{
	my ($what) = @_;
	my @high = ends();
	my $start = time;
	my $arrived = 'SELECT ' . join ' AND ', map { "EXISTS (SELECT FROM events WHERE part = $_ AND off > $high[$_])" } 0 .. $#high;
	my $inserted = sql('SELECT coalesce(max(id), -1) FROM local');
	my $ok = poll_until(sub { sql($arrived) eq 't' }, 'facts of every partition', 60)
	  && poll_until(sub { sql("SELECT max(id) > $inserted FROM local") eq 't' }, 'INSERTs that succeed', 60);
	ok($ok, $what);
	note(sprintf '... after %.1f s', time - $start);
	return;
}

goes_on('messages arrive while all is well');
await_all_in_sync();

# A statement that writes all the while, across the changes of leader that follow.
my $long = IPC::Run::start(
	[ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c',
		q{INSERT INTO inserted SELECT 1000000 + i FROM generate_series(1, 400) i, LATERAL (SELECT pg_sleep(0.01 + 0 * i)) s} ],
	'>', \my $long_out, '2>', \my $long_err);

# A leader is killed. Its followers serve in its place as soon as the controller misses it.
my $first_killed = leader_of_most();
$kafka->node($first_killed)->kill9;
poll_until(sub { led_without($first_killed) }, 'leadership to leave the killed broker', 60);
goes_on('it goes on without the killed leader');
ok($long->finish, 'a statement that wrote meanwhile succeeds') or diag($long_err);
$kafka->node($first_killed)->start;
await_all_in_sync();

# The next one stops in good order, and the first one leads again.
my $stopped = leader_of_most();
$kafka->node($stopped)->stop;
poll_until(sub { led_without($stopped) }, 'leadership to leave the stopped broker', 60);
goes_on('it goes on without the stopped leader');
$kafka->node($stopped)->start;
await_all_in_sync();

# One hangs, is replaced, and wakes where nobody tells it so: it answers as if it still led, with the
# end that the log had. That is not the end of the log, and no reason to give the partition up.
my $hung = leader_of_most();
my $other = 5 - $hung;
$asked = $kafka->node($other);
$kafka->node($hung)->freeze;
poll_until(sub { led_without($hung) }, 'leadership to leave the hanging broker', 60);
goes_on('it goes on while the old leader hangs');
# A producer ends for good (OUT_OF_ORDER_SEQUENCE_NUMBER) when it hears the old leader again.
is(end_beside('producer'), 0, 'the producer has all acknowledged');
$first += $_ for ends();
$kafka->node($_)->freeze for 1, $other;
$kafka->node($hung)->thaw;
ok( poll_until(
		sub { sql(q{SELECT bool_or(error ~ '^partition . ends at offset .* as its broker says') FROM telemetry.stat_worker}) eq 't' },
		'the pipeline to hear the old leader', 30),
	'an end before the position read is asked for again');
$kafka->node($_)->thaw for 1, $other;
$asked = $kafka;
run_beside('producer', \&produce_beside);
goes_on('it goes on when the new leader answers');
is(sql(q{SELECT count(*) FROM telemetry.stat_partition WHERE pause_reason IS NOT NULL}), '0', 'without a pause');
await_all_in_sync();

# ---- everything is there, once ---------------------------------------------------------------
is(end_beside('producer'), 0, 'the second producer, too');
is(end_beside('inserter'), 0, 'the inserting session lived through it');

my @high = ends();
my $total = 0;
$total += $_ for @high;
poll_until(sub { sql('SELECT sum(next_offset) FROM telemetry.partition_offset') eq $total }, 'all to be read', 60);
# What was acknowledged: keys k0, k1, ... without a gap, each once, by turns over the partitions.
is( sql("SELECT count(*) FROM ((SELECT id % $partitions, id / $partitions, 'k' || id FROM generate_series(0, $total - 1) id)
	EXCEPT ALL (SELECT part, off, key FROM events)) x"), '0', "none of $total messages is missing");
is( sql("SELECT count(*) FROM ((SELECT part, off, key FROM events)
	EXCEPT ALL (SELECT id % $partitions, id / $partitions, 'k' || id FROM generate_series(0, $total - 1) id)) x"), '0', 'none is there twice, or elsewhere');
is(sql('SELECT count(*) FROM telemetry.dead_letter'), '0', 'no dead letters');
is(sql('SELECT sum(stored) = (SELECT count(*) FROM events) FROM telemetry.partition_offset'), 't', 'the counters agree');

sql('CREATE TABLE arrived AS SELECT id FROM inserted');
is(sql('SELECT count(*), count(DISTINCT id) FROM arrived WHERE id > 1000000'), '400|400', 'the long statement: each row once');
is(sql('SELECT count(*) FROM (SELECT id FROM local EXCEPT ALL SELECT id FROM arrived) x'), '0', 'every committed row is in the topic');
is(sql('SELECT count(*) FROM (SELECT id FROM arrived JOIN local USING (id) GROUP BY id HAVING count(*) > 1) x'), '0',
	'... once');
my $errors = slurp_file("$PostgreSQL::Test::Utils::tmp_check/inserter.err");
note(sprintf '%s rows committed; errors: %s', sql('SELECT count(*) FROM local'), $errors || 'none');
is(join('', grep { !/could not produce to topic "inserted"|^(DETAIL|HINT): / } split /^/, $errors), '', 'INSERTs fail only by saying so');
sql("SELECT telemetry.pause_pipeline('events')");

# ---- an unclean election ---------------------------------------------------------------------
# Messages that only the dead leader had are gone; the pipeline must not go on as if it were the same log.
$kafka->create_topic('unclean', '1@2,3', 'unclean.leader.election.enable' => 'true');
sql(<<'SQL');
CREATE FOREIGN TABLE unclean_topic (v int, off bigint OPTIONS (metadata 'offset')) SERVER kafka OPTIONS (topic 'unclean');
CREATE TABLE unclean (v int, off bigint);
SELECT telemetry.create_pipeline('unclean', 'unclean_topic', 'unclean');
SQL
my $facts = q{SELECT string_agg(v::text, ' ' ORDER BY v) FROM unclean};
sub values_of { return map { [ 0, '', "{\"v\": $_}" ] } @_; }

$kafka->produce('unclean', values_of(1 .. 3));
poll_until(sub { sql($facts) eq '1 2 3' }, 'messages that both have', 30);
$kafka->node(3)->kill9;
poll_until(sub { "@{ ($kafka->leaders('unclean'))[0]{isr} }" eq '2' }, 'the leader to be alone', 30);
$kafka->produce('unclean', values_of(4 .. 6));
poll_until(sub { sql($facts) eq '1 2 3 4 5 6' }, 'messages that one has', 30);
$kafka->node(2)->kill9;
$kafka->node(3)->start;
poll_until(sub { ($kafka->leaders('unclean'))[0]{leader} == 3 }, 'the one behind to lead', 30);
my $reason = q{SELECT pause_reason FROM telemetry.stat_partition WHERE pipeline = 'unclean' AND partition = 0};
poll_until(sub { sql($reason) ne '' }, 'the pipeline to notice', 30);
like(sql($reason), qr/the topic was recreated or truncated: it ends at offset 3, and offset 6 is to be read next/,
	'a log that lost messages pauses the partition');
$kafka->produce('unclean', values_of(7, 8));
sql(q{SELECT telemetry.seek_pipeline('unclean', offsets => '{"0": 3}', allow_duplicates => true)});
poll_until(sub { sql($facts) eq '1 2 3 4 5 6 7 8' }, 'what came in their place', 30);
is(sql(q{SELECT string_agg(v || '@' || off, ' ' ORDER BY v) FROM unclean}), '1@0 2@1 3@2 4@3 5@4 6@5 7@3 8@4',
	'seek to the new end goes on with what came since');

$node->stop;
note(sprintf '%.1f s in all', time - $began);
done_testing();
