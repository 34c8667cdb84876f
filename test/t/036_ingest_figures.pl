# Figures by partition, the message at which a pipeline pauses, what no pipeline may write to, and
# changes that a worker hears of while it has nothing to do.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $mock = TelemetryTest::Mock->new(topics => [ 'events:2', 'bad:1', 'plain:1', 'leaf:1', 'old:1', 'new:1', 'prompt:1', 'silent:2' ]);
my $node = telemetry_node('main', extension => 1, conf => "fsync = off\nautovacuum = off\n");
create_server($node, 'kafka', $mock);

sub query { my ($sql) = @_; my (undef, $out) = $node->psql('postgres', $sql); return $out }
sub refused { my ($sql) = @_; my (undef, undef, $error) = $node->psql('postgres', $sql); return $error }

sub wait_for
{
	my ($sql, $expected, $what) = @_;
	my $got;
	poll_until(sub { ($got = query($sql)) =~ $expected }, $what, 40);
	like($got, $expected, $what);
	return;
}

sub figures { my ($name) = @_; return "SELECT partition, stored, duplicates, suppressed, dead, late FROM telemetry.stat_partition WHERE pipeline = '$name' ORDER BY 1" }
sub total { my ($name) = @_; return "SELECT stored + duplicates + suppressed + dead FROM telemetry.stat_pipeline WHERE pipeline = '$name'" }

# ---- what the target does not take counts where it came from, on the paths that can leave rows out
# In partition 0 each id is new; in partition 1 all are known, or odd, but for some.
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE topic (id int, at timestamptz, o bigint OPTIONS (metadata 'offset')) SERVER kafka OPTIONS (topic 'events');
CREATE TABLE ignoring (id int PRIMARY KEY, at timestamptz, CHECK (id <> 1008));
INSERT INTO ignoring SELECT generate_series(1, 99);
CREATE TABLE suppressing (id int, at timestamptz);
CREATE FUNCTION even() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF NEW.id = 1008 THEN RAISE EXCEPTION 'not %', NEW.id; END IF;
	RETURN CASE WHEN NEW.id % 2 = 0 THEN NEW END; END $$;
CREATE TRIGGER even BEFORE INSERT ON suppressing FOR EACH ROW EXECUTE FUNCTION even();
CREATE TABLE ruled (id int, at timestamptz);
CREATE RULE big AS ON INSERT TO ruled WHERE NEW.id > 1000 DO INSTEAD NOTHING;
SQL
$mock->produce('events',
	(map { [ 0, '', "{\"id\": $_, \"at\": \"2026-01-02T00:00Z\"}" ] } map { 2 * $_ } 501 .. 600),
	(map { [ 1, '', "{\"id\": $_, \"at\": \"2026-01-01T00:00Z\"}" ] } map { 2 * $_ - 1 } 1 .. 60));
for my $name (qw(ignoring suppressing ruled))
{
	my $conflict = $name eq 'ignoring' ? 'ignore' : 'error';
	$node->safe_psql('postgres', "SELECT telemetry.create_pipeline('$name', 'topic', '$name', on_conflict => '$conflict', event_time_column => 'at', batch_interval => '500 ms')");
	wait_for(total($name), qr/^160$/, "$name: all is read");
}
is(query(figures('ignoring')), "0|99|0|0|1|0\n1|10|50|0|0|0", 'duplicates count in the partition that they came from, with a bad row in the batch');
is(query(figures('suppressing')), "0|99|0|0|1|0\n1|0|0|60|0|0", 'so do rows that a trigger left out');
is(query('SELECT stored, suppressed FROM telemetry.stat_pipeline WHERE pipeline = \'ruled\''), '60|100', 'a rule is counted as a whole');

# A partition that nothing came from since its worker started has no last message.
$node->safe_psql('postgres', "CREATE FOREIGN TABLE silent_topic (id int) SERVER kafka OPTIONS (topic 'silent'); CREATE TABLE silent (id int); SELECT telemetry.create_pipeline('silent', 'silent_topic', 'silent')");
$mock->produce('silent', [ 0, '', '{"id": 1}' ]);
wait_for("SELECT string_agg(coalesce(lag, -1) || ' ' || (last_message_at IS NOT NULL), ', ' ORDER BY partition) FROM telemetry.stat_partition WHERE pipeline = 'silent' AND committed_offset + partition = 1", qr/^0 true, 0 false$/, 'the last message of each partition');
$node->safe_psql('postgres', "SELECT telemetry.drop_pipeline('silent')");

# A duplicate is not late, and stays known: the same after a fix.
wait_for("SELECT watermark IS NOT NULL FROM telemetry.stat_pipeline WHERE pipeline = 'ignoring'", qr/^t$/, 'there is a watermark');
$mock->produce('events', [ 1, '', '{"id": 1, "at": "2025-01-01T00:00Z"}' ], [ 1, '', '{"id": 5000, "at": "2025-01-01T00:00Z"}' ]);
wait_for(total('ignoring'), qr/^162$/, 'two more of long ago are read');
is(query(figures('ignoring')), "0|99|0|0|1|0\n1|11|51|0|0|1", 'a duplicate is not counted as late');
$node->safe_psql('postgres', 'ALTER TABLE ignoring DROP CONSTRAINT ignoring_id_check; INSERT INTO ignoring VALUES (1008)');
is(query("SELECT stored, dead FROM telemetry.retry_dead_letters('ignoring')"), '1|0', 'a dead letter is tried again');
is(query(figures('ignoring')), "0|99|1|0|0|0\n1|11|51|0|0|1", 'and found to be a duplicate, of its partition');

# ---- partitions that are left to others: nothing waits in them for this pipeline, what it has stored of them stays
$node->safe_psql('postgres', "SELECT telemetry.alter_pipeline('suppressing', partitions => '{1}')");
wait_for("SELECT state, lag, partitions, stored, suppressed FROM telemetry.stat_pipeline WHERE pipeline = 'suppressing'", qr/^running\|0\|1\|100\|61$/, 'a pipeline has the lag of the partitions that it reads, and all its counters');
is(query("SELECT string_agg(partition::text, ' ') FROM telemetry.stat_partition WHERE pipeline = 'suppressing'"), '1', 'stat_partition has those that it reads');

$node->safe_psql('postgres', "SELECT telemetry.alter_pipeline('suppressing', partitions => '{1,5,7}')");
wait_for("SELECT what FROM telemetry.check() WHERE subject = 'pipeline suppressing' AND what LIKE '% topic %'", qr/^is to read partitions that its topic does not have: 5, 7$/, 'check() names partitions that are not there');

# ---- dead_letter_limit is exact, wherever batches begin and end
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE bad_topic (id int, o bigint OPTIONS (metadata 'offset')) SERVER kafka OPTIONS (topic 'bad');
CREATE TABLE bad (id int CHECK (id <> 40), o bigint);
SQL
$mock->produce('bad', map { [ 0, '', $_ >= 10 && $_ < 30 ? 'x' : "{\"id\": $_}" ] } 0 .. 49);
$node->safe_psql('postgres', "SELECT telemetry.create_pipeline('bad', 'bad_topic', 'bad', dead_letter_limit => 8)");
my $where = "SELECT state, reason, committed_offset, p.stored, p.dead FROM telemetry.stat_pipeline JOIN telemetry.stat_partition p USING (pipeline) WHERE pipeline = 'bad'";
for ([ 18, 8 ], [ 26, 16 ])
{
	my ($offset, $dead) = @$_;
	wait_for($where, qr/^paused\|8 bad messages in a row, the last: invalid JSON.*\|$offset\|10\|$dead$/, "the pipeline pauses behind offset $offset, though good ones follow in the batch");
	$node->safe_psql('postgres', "SELECT telemetry.resume_pipeline('bad')");
}
wait_for($where, qr/^running\|\|50\|29\|21$/, 'fewer bad ones do not pause it');
is(query('SELECT count(*), count(DISTINCT o), max(o) FROM bad'), '29|29|49', 'every good message is there once');

# ---- targets that a crash empties, or that only one session sees
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE plain_topic (id int) SERVER kafka OPTIONS (topic 'plain');
CREATE TABLE plain (id int);
CREATE UNLOGGED TABLE fleeting (id int);
CREATE TABLE tree (id int) PARTITION BY LIST (id);
CREATE UNLOGGED TABLE tree_rest PARTITION OF tree DEFAULT;
SQL
like(refused("CREATE TEMP TABLE mine (id int); SELECT telemetry.create_pipeline('refused', 'plain_topic', 'mine')"), qr/mine cannot be a pipeline's target: it is temporary/, 'a temporary target is refused');
like(refused("SELECT telemetry.create_pipeline('refused', 'plain_topic', 'fleeting')"), qr/public.fleeting cannot be a pipeline's target: it is unlogged/, 'so is an unlogged one');
like(refused("SELECT telemetry.create_pipeline('refused', 'plain_topic', 'tree')"), qr/public.tree_rest cannot be a pipeline's target: it is unlogged/, 'and a partition of that kind');
$node->safe_psql('postgres', "SELECT telemetry.create_pipeline('plain', 'plain_topic', 'plain')");
$mock->produce('plain', [ 0, '', '{"id": 1}' ]);
wait_for(total('plain'), qr/^1$/, 'a plain table is written');
$node->safe_psql('postgres', 'ALTER TABLE plain SET UNLOGGED');
$mock->produce('plain', [ 0, '', '{"id": 2}' ]);
wait_for("SELECT state, reason FROM telemetry.stat_pipeline WHERE pipeline = 'plain'", qr/^paused\|public.plain .* is unlogged/, 'made unlogged it pauses the pipeline');
$node->safe_psql('postgres', "ALTER TABLE plain SET LOGGED; SELECT telemetry.resume_pipeline('plain')");
wait_for('SELECT count(*), sum(id) FROM plain', qr/^2\|3$/, 'which goes on once it is logged again');

# ---- what nothing fills: a constraint's trigger, or a view's, comes too late for that
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE unfilled (id int UNIQUE DEFERRABLE, must int NOT NULL);
CREATE TABLE filled (id int, must int NOT NULL);
CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.must := 9; RETURN NEW; END $$;
CREATE TRIGGER fill BEFORE INSERT ON filled FOR EACH ROW EXECUTE FUNCTION fill();
SELECT telemetry.create_pipeline('filled', 'plain_topic', 'filled');
SQL
like(refused("SELECT telemetry.create_pipeline('refused', 'plain_topic', 'unfilled')"), qr/column "must" of the target is NOT NULL, has no default/, 'a column that nobody gives a value is refused, whatever triggers there are');
wait_for('SELECT count(*), sum(must) FROM filled', qr/^2\|18$/, 'one that a BEFORE trigger fills is not');

# ---- a worker without messages hears of what it reads from and writes to
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE moved_topic (id int) SERVER kafka OPTIONS (topic 'old');
CREATE FOREIGN TABLE gone_topic (id int) SERVER kafka OPTIONS (topic 'old');
CREATE TABLE moved (id int);
CREATE TABLE gone (id int);
SELECT telemetry.create_pipeline(t, t || '_topic', t) FROM unnest('{moved,gone}'::text[]) t;
SQL
wait_for("SELECT bool_and(state = 'running' AND lag = 0) FROM telemetry.stat_pipeline WHERE pipeline IN ('moved', 'gone')", qr/^t$/, 'two workers wait for messages');
$mock->produce('new', [ 0, '', '{"id": 7}' ]);
$node->safe_psql('postgres', "ALTER FOREIGN TABLE moved_topic OPTIONS (SET topic 'new'); DROP TABLE gone");
wait_for('SELECT id FROM moved', qr/^7$/, 'one reads the other topic, though none came from the old one');
wait_for("SELECT state, reason FROM telemetry.stat_pipeline WHERE pipeline = 'gone'", qr/^paused\|the target table .* does not exist any more$/, 'the other pauses, since its target is gone');
$node->safe_psql('postgres', 'DROP FOREIGN TABLE moved_topic');
wait_for("SELECT state, reason FROM telemetry.stat_pipeline WHERE pipeline = 'moved'", qr/^paused\|the source .* does not exist any more$/, 'so does one whose source is dropped');

# ---- batch_interval counts from when a message may have come, also while the batch before it is written
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE prompt_topic (id int) SERVER kafka OPTIONS (topic 'prompt');
CREATE TABLE prompt (id int, written timestamptz DEFAULT clock_timestamp());
SELECT telemetry.create_pipeline('prompt', 'prompt_topic', 'prompt', batch_rows => 2, batch_interval => '5 s');
SQL
wait_for("SELECT state, lag FROM telemetry.stat_pipeline WHERE pipeline = 'prompt'", qr/^running\|0$/, 'a worker waits for messages');
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE prompt IN SHARE MODE');
$mock->produce('prompt', map { [ 0, '', "{\"id\": $_}" ] } 1 .. 2);
wait_for("SELECT count(*) FROM pg_locks WHERE relation = 'prompt'::regclass AND NOT granted", qr/^1$/, 'a full batch waits for a lock');
$mock->produce('prompt', [ 0, '', '{"id": 3}' ]);
sleep 5;
$holder->query_safe('COMMIT');
$holder->quit;
wait_for('SELECT count(*) FROM prompt', qr/^3$/, 'all is written then');
is(query("SELECT max(written) - min(written) < '3 s' FROM prompt"), 't', 'what came meanwhile does not wait for another batch_interval');

# ---- a partition that is a topic takes what belongs to it
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE root (id int) PARTITION BY LIST (id);
CREATE FOREIGN TABLE leaf PARTITION OF root FOR VALUES IN (1) SERVER kafka OPTIONS (topic 'leaf');
INSERT INTO root VALUES (1);
INSERT INTO leaf VALUES (1);
SQL
like(refused('INSERT INTO leaf VALUES (2)'), qr/new row for relation "leaf" violates partition constraint/, 'a row of another partition is refused');
is(query('SELECT count(*), max(id) FROM leaf'), '2|1', 'and is not in the topic');
like(refused("SELECT telemetry.create_pipeline('refused', 'leaf', 'root')"), qr/public.root cannot be a pipeline's target: source public.leaf is a partition of it/, 'no pipeline reads what it writes');

done_testing;
