# Offsets are compared and set: when a partition's position was moved behind a worker's back (by another
# worker that thinks the partition its own), the batch at hand leaves nothing, and reading goes on from
# where the table says.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $mock = TelemetryTest::Mock->new(topics => ['events:1']);
my $node = telemetry_node('main', extension => 1, conf => "fsync = off\nautovacuum = off\n");
my $produced = 0;

create_server($node, 'kafka', $mock);
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE topic (id bigint, off bigint OPTIONS (metadata 'offset')) SERVER kafka OPTIONS (topic 'events');
CREATE TABLE events (id bigint, off bigint);
SELECT telemetry.create_pipeline('events', 'topic', 'events');
SQL

sub produce_some
{
	my ($n) = @_;
	$mock->produce('events', map { [ 0, '', $_ % 4 ? "{\"id\": $_}" : 'bad' ] } $produced .. $produced + $n - 1);
	$produced += $n;
	return;
}

sub query { return $node->safe_psql('postgres', $_[0]) }

# Every message is there once, as a fact or as a dead letter, and the counters agree.
sub is_exact
{
	my ($what) = @_;
	poll_until(sub { query('SELECT next_offset FROM telemetry.partition_offset') eq $produced }, "$what: all is read");
	is(query('SELECT count(*), count(DISTINCT o), max(o) FROM (SELECT off FROM events UNION ALL '
			. 'SELECT "offset" FROM telemetry.dead_letter) m (o)'), "$produced|$produced|" . ($produced - 1), "$what: each message once");
	return is(query('SELECT stored + dead FROM telemetry.partition_offset'), $produced, "$what: counted once");
}

produce_some(8);
is_exact('undisturbed');

# The other commits all of the batch, then a part of it, while the worker waits for the table's lock.
for my $part (8, 3)
{
	my $from = $produced;
	my $log = -s $node->logfile;
	my $other = $node->background_psql('postgres', on_error_die => 1);

	$other->query_safe('BEGIN');
	$other->query_safe('LOCK TABLE events IN SHARE MODE');
	produce_some(8);
	poll_until(sub { query("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass") eq '1' },
		'the worker waits with its batch');
	my $next = $from + $part;
	$other->query_safe(<<"SQL");
INSERT INTO events SELECT n, n FROM generate_series($from, $next - 1) n WHERE n % 4 <> 0;
INSERT INTO telemetry._dead_letter (pipeline_id, topic, partition, "offset", sqlstate, message)
	SELECT pipeline_id, 'events', 0, n, '22032', 'by the other' FROM telemetry.pipeline, generate_series($from, $next - 1) n WHERE n % 4 = 0;
UPDATE telemetry.partition_offset SET next_offset = $next, stored = stored + (SELECT count(*) FROM generate_series($from, $next - 1) n WHERE n % 4 <> 0),
	dead = dead + (SELECT count(*) FROM generate_series($from, $next - 1) n WHERE n % 4 = 0), last_offset = NULL, last_timestamp = NULL, last_checksum = NULL;
SQL
	$other->query_safe('COMMIT');
	$other->quit;
	poll_until(sub { slurp_file($node->logfile, $log) =~ /the position of partition 0 was moved by another/ },
		"the other wrote $part: the worker notices");
	is_exact("the other wrote $part of 8");
	produce_some(4);
	is_exact("and it goes on after $part");
}

# The same for activation: what was switched on in another database does not run in this one.
query(q(UPDATE telemetry.activation SET database_oid = 1));
query(q(SELECT telemetry.alter_pipeline('events', batch_rows => 1000)));
poll_until(sub { query('SELECT count(*) FROM telemetry.stat_worker') eq '0' }, 'no worker for another database\'s activation');
is(query('SELECT state FROM telemetry.stat_pipeline'), 'not activated', 'and the view says why');
produce_some(4);
query(q(SELECT telemetry.resume_pipeline('events')));
is_exact('resumed');

done_testing();
