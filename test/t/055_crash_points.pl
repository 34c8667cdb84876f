# Invariant 1, place by place: the server is killed at each crash_point() of the code (base/crash.h), while
# pipelines, views and maintenance are at work. Afterwards each message is once a fact or a dead letter, and
# every view equals its query. Needs a build of its own.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $root = "$FindBin::RealBin/../..";
my $tree = "$root/build/crash";
system("mkdir -p $tree && cd $root && find Makefile telemetry.control src sql -type f ! -name '*.[od]' -print0 | xargs -0 cp -p --parents -t build/crash "
	  . "&& make -s --no-print-directory -C build/crash -j2 COPT='-O1 -DTELEMETRY_CRASH_POINTS' stage") == 0
  or die 'the build with crash points failed';
# The stage is the test's own from here on.
$ENV{TELEMETRY_STAGE} = "$tree/build/stage";
my @points = sort map { /crash_point\("(\w+)"\)/ ? $1 : () } map { split /\n/, slurp_file($_) } glob "$root/src/*/*.c";
cmp_ok(scalar @points, '>=', 20, scalar(@points) . ' places');

my $broker = TelemetryTest::Mock->new(topics => [ 'events:2', 'slow:1' ]);
my $node = telemetry_node('main', extension => 1, conf => <<'CONF');
fsync = off
restart_after_crash = on
telemetry.max_workers = 8
CONF
create_server($node, 'kafka', $broker);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE dim (key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, player text NOT NULL UNIQUE);
CREATE FOREIGN TABLE events_topic (n bigint NOT NULL, player text, kind text, at timestamptz, part int OPTIONS (metadata 'partition'),
	off bigint OPTIONS (metadata 'offset')) SERVER kafka OPTIONS (topic 'events');
CREATE TABLE events (n bigint NOT NULL, player_key bigint REFERENCES dim (key), player text, kind varchar(10), at timestamptz NOT NULL,
	part int, off bigint, CHECK (n >= 0)) PARTITION BY RANGE (at);
CREATE INDEX ON events (player, at);
CREATE FOREIGN TABLE slow_topic (n bigint NOT NULL, part int OPTIONS (metadata 'partition'), off bigint OPTIONS (metadata 'offset')) SERVER kafka OPTIONS (topic 'slow');
CREATE TABLE slow (n bigint NOT NULL, part int, off bigint);
CREATE TABLE trouble ();
CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF EXISTS (SELECT FROM public.trouble) THEN RAISE 'trouble' USING ERRCODE = '40001'; END IF;
	RETURN new;
END $$;
CREATE TRIGGER pass BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION pass();
CREATE MATERIALIZED VIEW kinds WITH (telemetry.continuous) AS SELECT date_trunc('day', at, 'UTC') AS day, kind, count(*) AS n, sum(n) AS total,
	count(DISTINCT player) AS players, telemetry.hll_agg(player) AS sketch FROM events GROUP BY 1, 2;
CREATE MATERIALIZED VIEW days WITH (telemetry.continuous) AS SELECT day, sum(n) AS n, max(total) AS most FROM kinds GROUP BY day;
CREATE MATERIALIZED VIEW sessions WITH (telemetry.continuous) AS SELECT player, min(at) AS began, max(at) AS ended, count(*) AS n
	FROM events GROUP BY player, telemetry.session_window(at, '10 minutes');
SELECT telemetry.create_pipeline('events', 'events_topic', 'events', event_time_column => 'at', create_partitions => 'day', max_ahead => NULL,
	dead_letter_limit => NULL, batch_interval => '5 ms', batch_rows => 200);
SELECT telemetry.create_pipeline('slow', 'slow_topic', 'slow', batch_interval => '5 ms');
SQL

sub query { my ($sql) = @_; my ($status, $out) = $node->psql('postgres', $sql); return ($status // 1) == 0 ? $out : '' }

my %sent = (events => 0, slow => 0);
my $n = 0;

# New players, new days, late events, bad rows of each kind; every other time enough of them for care.
sub produce
{
	my ($round) = @_;
	my @messages;
	for my $i (1 .. 120)
	{
		my $kind = $i % 40 == 7 ? 'much too long for it' : "kind " . $i % 5;
		my $id = $i % 50 == 3 ? -$i : $i % 60 == 5 ? '"x"' : ++$n;
		push @messages, sprintf '{"n": %s, "player": "p%d", "kind": "%s", "at": "2026-%02d-%02dT%02d:%02d:00Z"}', $id, $i % 3 ? $i % 7 : "$round$i", $kind,
		  1 + $round % 12, 1 + $round / 12 % 27, $i % 24, $i % 60;
	}
	my @halves = ([ @messages[ 0 .. 59 ] ], [ @messages[ 60 .. 119 ] ]);
	$broker->produce('events', map { my $part = $_; map { [ $part, 'k', $_ ] } @{ $halves[$part] } } 0, 1);
	$broker->produce('slow', map { [ 0, 'k', "{\"n\": $_}" ] } 1 .. 10);
	$sent{events} += @messages;
	$sent{slow} += 10;
	return;
}

# Like poll_until(), but that it does not come is no failure.
sub comes
{
	my ($check, $seconds) = @_;
	my $end = time + $seconds;
	until ($check->()) { return 0 if time > $end; sleep 0.05 }
	return 1;
}

sub armed { return -e $node->data_dir . '/telemetry.crash_at' }

sub arm
{
	my ($point) = @_;
	my $file = $node->data_dir . '/telemetry.crash_at';
	append_to_file("$file.new", $point);
	chmod 0666, "$file.new";
	rename "$file.new", $file or die $!;
	return;
}

my $round = 0;
for my $point (@points)
{
	# A batch that is tried again is one of a database in trouble.
	$node->safe_psql('postgres', $point eq 'batch_aborted' ? 'INSERT INTO trouble DEFAULT VALUES' : 'DELETE FROM trouble');
	my $offset = -s $node->logfile;
	arm($point);
	produce($round++);
	# What the worker does not come by, a session does; all else it comes by with the first batch.
	my $session_does = $point =~ /^(build_|journal_|partition_dropped|sessions_taken)/;
	my $hit = comes(sub { !armed() }, $session_does ? 1 : 10);
	# Batches may be cut so that none of them calls for care.
	for (1 .. 3)
	{
		last if $hit || $session_does;
		produce($round++);
		$hit = comes(sub { !armed() }, 5);
	}
	if (!$hit && $point =~ /^(build_|journal_)/)
	{
		$node->psql('postgres', 'DROP MATERIALIZED VIEW later') if query(q(SELECT to_regclass('later') IS NOT NULL)) eq 't';
		$node->psql('postgres', 'CREATE MATERIALIZED VIEW later WITH (telemetry.continuous) AS SELECT kind, max(at) AS newest FROM events GROUP BY kind WITH NO DATA');
		produce($round++);
		$node->psql('postgres', 'CALL telemetry.build(\'later\')');
		$hit = !armed();
	}
	elsif (!$hit && $point eq 'partition_dropped')
	{
		$node->psql('postgres', q(SELECT telemetry.set_retention('events', '1 day'); SELECT telemetry.apply_retention('events')));
		$hit = comes(sub { !armed() }, 20);
		poll_until(sub { query(q(SELECT count(*) FROM (SELECT telemetry.set_retention('events', NULL)) t)) eq '1' }, 'retention is off again', 30);
	}
	elsif (!$hit)
	{
		$node->psql('postgres', 'DELETE FROM events WHERE n % 17 = 3');
		$hit = !armed();
	}
	ok($hit, "killed at $point");
	unlink $node->data_dir . '/telemetry.crash_at' unless $hit;
	# A connection that succeeds may still be one to the server that is about to go down.
	poll_until(sub { slurp_file($node->logfile, $offset) =~ /database system is ready to accept connections/ }, 'the server is back', 60) or die 'the server is gone'
	  if $hit;
}
$node->safe_psql('postgres', 'DELETE FROM trouble');
my $read = join ', ', map { "(SELECT sum(committed_offset) FROM telemetry.stat_partition WHERE pipeline = '$_')" } 'events', 'slow';
poll_until(sub { query("SELECT $read") eq "$sent{events}|$sent{slow}" }, 'all is read', 60) or diag(query('TABLE telemetry.stat_pipeline'));
is(query('SELECT count(*), count(DISTINCT off) FROM slow'), "$sent{slow}|$sent{slow}", 'slow: each message is one fact');
is(query(q(SELECT count(*) FROM telemetry.dead_letter)), query(q(SELECT count(DISTINCT (pipeline, partition, "offset")) FROM telemetry.dead_letter)), 'no dead letter twice');
is(query(q(SELECT count(*) FROM (SELECT part, off FROM events GROUP BY 1, 2 HAVING count(*) > 1) t)), 0, 'no fact twice');
# What was deleted, or went with its partition, was counted when it came.
is(query(q(SELECT sum(stored) + sum(dead) FROM telemetry.stat_partition WHERE pipeline = 'events')), $sent{events}, 'events: each message was counted once');
is(query(q(SELECT count(*) FROM events e JOIN telemetry.dead_letter d ON d.pipeline = 'events' AND d.partition = e.part AND d."offset" = e.off)), 0, 'nothing is both');
query('CALL telemetry.build(\'later\')') if query(q(SELECT status FROM telemetry.continuous_view WHERE view = 'later'::regclass)) ne 'live';
for my $view ('kinds', 'days', 'sessions', 'later')
{
	is(query(q(SELECT status FROM telemetry.continuous_view WHERE view = ') . $view . q('::regclass)), 'live', "$view is live");
	is(query("SELECT count(*) FROM telemetry.verify('$view')"), 0, "$view equals its query");
}
is(query('SELECT count(*) FROM events e LEFT JOIN dim d ON d.key = e.player_key AND d.player = e.player WHERE d.key IS NULL'), 0, 'no fact lacks its member');
done_testing();
