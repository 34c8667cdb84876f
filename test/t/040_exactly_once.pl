# Invariant 1: kill -9 of ingest workers and of the postmaster, at any instant, loses nothing and
# repeats nothing: not in the facts, not in the continuous views over them (sketches, sessions, a view over a
# view), not among the members of their dimension. KILLS and POSTMASTER_KILLS make it longer (`make soak`).
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

my $kills = $ENV{KILLS} // 300;
my $postmaster_kills = $ENV{POSTMASTER_KILLS} // 30;
my $seed = $ENV{SEED} // 4711;
my $partitions = 4;

srand($seed);
my $kafka = TelemetryTest::Kafka->new;

# Small batches, durable commits, and those slow: so that most of a worker's time is spent around the
# commit, where a kill would hurt a worker that does not do everything in one transaction.
my $node = telemetry_node('main', extension => 1, conf => <<'CONF');
fsync = on
commit_delay = 2000
commit_siblings = 0
recovery_init_sync_method = syncfs
shared_buffers = '16MB'
restart_after_crash = on
max_connections = 10
autovacuum = off
log_min_messages = fatal
CONF

$kafka->create_topic('events', $partitions);
create_server($node, 'kafka', $kafka);
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE events_topic (
    id bigint NOT NULL, amount numeric, player text, at timestamptz OPTIONS (timestamp_format 'epoch_s'), part int OPTIONS (metadata 'partition'),
    off bigint OPTIONS (metadata 'offset')) SERVER kafka OPTIONS (topic 'events');
CREATE TABLE player (player_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, player text NOT NULL UNIQUE);
CREATE TABLE events (id bigint NOT NULL, amount numeric CHECK (amount < 100), player_key bigint NOT NULL REFERENCES player,
    player text, at timestamptz NOT NULL, part int, off bigint);
CREATE INDEX ON events (player_key, at);
CREATE MATERIALIZED VIEW minutes WITH (telemetry.continuous) AS SELECT date_trunc('minute', at, 'UTC') AS minute, count(*) AS n,
    sum(amount) AS total, max(id) AS newest, telemetry.hll_agg(player) AS sketch, count(DISTINCT player_key) AS players FROM events GROUP BY 1;
CREATE MATERIALIZED VIEW hours WITH (telemetry.continuous) AS SELECT date_trunc('hour', minute, 'UTC') AS hour, sum(n) AS n,
    max(players) AS most, telemetry.hll_union_agg(sketch) AS sketch FROM minutes GROUP BY 1;
CREATE MATERIALIZED VIEW visits WITH (telemetry.continuous) AS SELECT player_key, min(at) AS began, max(at) AS ended, count(*) AS n,
    sum(amount) AS total FROM events GROUP BY player_key, telemetry.session_window(at, '20 seconds');
SELECT telemetry.create_pipeline('events', 'events_topic', 'events', workers => 2, batch_rows => 20,
    batch_interval => '1 ms', dead_letter_limit => NULL, event_time_column => 'at');
SQL
my @views = qw(minutes hours visits);

# A producer that runs beside it all: messages of every kind, good, undecodable, and refused by the
# target (which replays the batch). Without it kills would find workers that only wait.
my $producer = fork // die 'fork';
if ($producer == 0)
{
	my $ends = 0;
	local $SIG{TERM} = sub { $ends = 1 };
	open my $tool, '|-', "$TelemetryTest::root/build/test/kafka_tool", $kafka->address, 'produce', 'events'
	  or POSIX::_exit(1);
	$tool->autoflush;
	# An event lies up to a minute back: sessions are extended, bridged and begun. One in 50 players is new.
	for (my $id = 0; !$ends; $id++)
	{
		my $dice = rand;
		my $rest = sprintf '"player": "p%s", "at": %.3f', $id % 50 ? int(rand(200)) : "-$id", 1767225600 + $id / 20 - rand(60);
		print $tool $id % $partitions, "\tk$id\t",
		    $dice < 0.02 ? "{\"id\": $id"
		  : $dice < 0.04 ? "{\"id\": $id, \"amount\": 100, $rest}"
		  :                "{\"id\": $id, \"amount\": 1.5, $rest}", "\n";
		sleep 0.005 if $id % 15 == 0;
	}
	POSIX::_exit(close($tool) ? 0 : 1);
}

END
{
	my $status = $?;
	kill 'KILL', $producer if $producer;
	$? = $status;
}

sub worker_pids
{
	my $postmaster = $node->{_pid};
	return map { /^\s*(\d+).*telemetry ingest/ ? $1 : () } split /\n/,
	  `ps -o pid=,args= --ppid $postmaster 2>/dev/null`;
}

# One kill: while work is there, at a random moment after a worker has come up.
my $killed = 0;
my $started = time;
while ($killed < $kills)
{
	my @pids;
	last unless poll_until(sub { @pids = worker_pids(); @pids > 0 }, 'a worker to kill', 60);
	# Some while it connects, most while it writes.
	sleep(rand() * 0.25);
	$killed += random_kill($pids[ rand @pids ]);
	# Its end is the end of all: PostgreSQL starts anew before anybody can go on.
	sleep 0.01;
}
is($killed, $kills, sprintf 'killed ingest workers %d times in %.0f s (seed %s)', $killed, time - $started, $seed);

$started = time;
my $crashed = 0;
while ($crashed < $postmaster_kills)
{
	poll_until(sub { worker_pids() > 0 }, 'a worker beside the postmaster', 60);
	sleep(rand() * 0.3);
	# The children notice by themselves; a start that comes too early finds their shared memory.
	my @family = ($node->{_pid}, split ' ', `ps -o pid= --ppid $node->{_pid}`);
	$node->kill9;
	poll_until(sub { !grep { kill 0, $_ } @family }, 'the server to be gone', 60) or last;
	# One that was born while it was killed is not in the family.
	poll_until(sub { $node->start(fail_ok => 1) }, 'the server to start', 60) or last;
	$crashed++;
}
is($crashed, $postmaster_kills, sprintf 'killed the postmaster %d times in %.0f s', $crashed, time - $started);

kill 'TERM', $producer;
waitpid $producer, 0;
is($?, 0, 'every message was acknowledged');
$producer = 0;

my @high = map { $_->[1] } $kafka->watermarks('events');
my $total = 0;
$total += $_ for @high;
# What is left goes the faster way.
$node->safe_psql('postgres', q(SELECT telemetry.alter_pipeline('events', batch_rows => 10000)));
ok( poll_until(
		sub { ($node->psql('postgres', 'SELECT sum(next_offset) FROM telemetry.partition_offset'))[1] eq $total },
		'the pipeline to read everything'),
	"all $total messages are read");

my $expected = join ' UNION ALL ',
  map { "SELECT $_ AS part, off FROM generate_series(0, $high[$_] - 1) off" } 0 .. $#high;
my $arrived =
  'SELECT part, off FROM events UNION ALL SELECT partition, "offset" FROM telemetry.dead_letter';
is($node->safe_psql('postgres', "($expected) EXCEPT ALL ($arrived)"), '', 'nothing is lost');
is($node->safe_psql('postgres', "($arrived) EXCEPT ALL ($expected)"), '', 'nothing is repeated');
is($node->safe_psql('postgres', 'SELECT sum(stored) - (SELECT count(*) FROM events), '
		  . 'sum(dead) - (SELECT count(*) FROM telemetry.dead_letter) FROM telemetry.partition_offset'),
	'0|0', 'the counters agree');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT sqlstate, ',' ORDER BY sqlstate) FROM telemetry.dead_letter"),
	'22P02,23514', 'both kinds of bad messages were there');
is($node->safe_psql('postgres', 'SELECT count(*) FROM events e LEFT JOIN player p USING (player_key, player) WHERE p.player_key IS NULL'),
	'0', 'each fact has its member');
for my $view (@views)
{
	is($node->safe_psql('postgres', "SELECT status FROM telemetry.continuous_view WHERE view = '$view'::regclass"), 'live', "$view is live");
	is($node->safe_psql('postgres', "SELECT count(*) FROM telemetry.verify('$view')"), '0', "$view equals its query");
	cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM $view"), '>', 0, "$view has rows");
}
note(sprintf '%d messages, %s', $total, $node->safe_psql('postgres', 'SELECT format($$%s players, %s sessions$$, (SELECT count(*) FROM player), (SELECT count(*) FROM visits))'));

done_testing();
