# Invariants 4 and 7, trouble in the database: locks, a full disk, changed and dropped tables, lost
# rights, topics of nothing but bad messages, and more bytes than memory should hold.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $kafka = TelemetryTest::Kafka->new(properties => { 'message.max.bytes' => 100_000_000, 'replica.fetch.max.bytes' => 100_000_000 });
my $node = telemetry_node('main', extension => 1, conf => <<'CONF');
fsync = off
shared_buffers = '32MB'
autovacuum = off
log_temp_files = 0
telemetry.max_workers = 16
CONF

create_server($node, 'kafka', $kafka);
$node->safe_psql('postgres', 'CREATE ROLE ingest; GRANT USAGE ON FOREIGN SERVER kafka TO ingest; GRANT CREATE ON SCHEMA public TO ingest; CREATE USER MAPPING FOR ingest SERVER kafka');

sub query
{
	my ($sql) = @_;
	my ($status, $out) = $node->psql('postgres', $sql);
	return $out;
}

sub create
{
	my ($name, $options) = @_;
	$kafka->create_topic($name, 1);
	$node->safe_psql('postgres', <<"SQL");
SET ROLE ingest;
CREATE FOREIGN TABLE ${name}_topic (id bigint NOT NULL, pad text, off bigint OPTIONS (metadata 'offset'))
	SERVER kafka OPTIONS (topic '$name');
CREATE TABLE $name (id bigint NOT NULL, pad text, off bigint);
SELECT telemetry.create_pipeline('$name', '${name}_topic', '$name'@{[ $options ? ", $options" : '' ]});
SQL
	return;
}

sub produce_good
{
	my ($name, $n) = @_;
	$kafka->produce($name, map { [ 0, '', "{\"id\": $_, \"pad\": \"x\"}" ] } 1 .. $n);
	return;
}

sub wait_for
{
	my ($sql, $expected, $what, $timeout) = @_;
	return wait_for_result($node, $sql, $expected, $what, timeout => $timeout // 30);
}

sub state_of
{
	my ($name) = @_;
	return "SELECT state || ': ' || coalesce(reason, error, '') FROM telemetry.stat_pipeline WHERE pipeline = '$name'";
}

# Everything that was produced is there once.
sub is_exact
{
	my ($name, $what) = @_;
	my $high = ($kafka->watermarks($name))[0][1];
	wait_for("SELECT committed_offset FROM telemetry.stat_partition WHERE pipeline = '$name'", qr/^$high$/, "$what: all $high messages are read");
	my $arrived = "SELECT off FROM $name UNION ALL SELECT \"offset\" FROM telemetry.dead_letter WHERE pipeline = '$name'";
	is(query("SELECT count(*), count(DISTINCT off), min(off), max(off) FROM ($arrived) a"),
		"$high|$high|0|" . ($high - 1), "$what: each message once");
	return;
}

# ---- a lock on the target, held for longer than lock_timeout; the rest of this goes on meanwhile
create('locked');
produce_good('locked', 10);
is_exact('locked', 'before the lock');
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE');
produce_good('locked', 10);
my $locked_at = time;
# No transaction that is older than this is to be left when its time is over.
my $waits = q(SELECT count(*) FROM pg_locks WHERE relation = 'locked'::regclass AND NOT granted);
wait_for($waits, qr/^1$/, 'a batch waits for it');
my $then = query('SELECT pg_current_xact_id()::xid');

# ---- a full disk: raised by a trigger that counts by a sequence, since a retry takes all else back
create('crowded');
$node->safe_psql('postgres', <<'SQL');
SET ROLE ingest;
CREATE SEQUENCE attempts;
CREATE FUNCTION fill_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF nextval('public.attempts') <= 3 THEN
		RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100';
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER fill_up AFTER INSERT ON crowded FOR EACH STATEMENT EXECUTE FUNCTION fill_up();
SQL
produce_good('crowded', 100);
wait_for(state_of('crowded'), qr/^retrying: could not extend file: No space left on device$/, 'a full disk is said, and tried again');
wait_for('SELECT state, coalesce(error, $$none$$), stored FROM telemetry.stat_pipeline WHERE pipeline = $$crowded$$', qr/^running\|none\|100$/, 'until there is room');
is(query(q(SELECT count(*) FROM crowded)) . query(q(SELECT count(*) FROM telemetry.dead_letter WHERE pipeline = 'crowded')), '1000',
	'nothing of it is a dead letter, nothing is lost');
cmp_ok(query('SELECT last_value FROM attempts'), '>=', 4, 'it was tried as often as needed');

# ---- a target that changes
create('changed');
produce_good('changed', 10);
is_exact('changed', 'before changes');
$node->safe_psql('postgres', 'ALTER TABLE changed ADD COLUMN more int DEFAULT 7');
produce_good('changed', 10);
is_exact('changed', 'a column with a default is added');
is(query('SELECT count(*) FROM changed WHERE more = 7'), 20, 'and filled');
$node->safe_psql('postgres', 'TRUNCATE changed');
produce_good('changed', 10);
wait_for('SELECT count(*), min(off) FROM changed', qr/^10\|20$/, 'it goes on after TRUNCATE');
$node->safe_psql('postgres', 'ALTER TABLE changed DROP COLUMN pad');
produce_good('changed', 10);
wait_for(state_of('changed'), qr/^paused: .*pad/, 'a column that is missing pauses the pipeline, and is named');
$node->safe_psql('postgres', q(ALTER TABLE changed ADD COLUMN pad text; SELECT telemetry.resume_pipeline('changed')));
wait_for('SELECT count(*), count(DISTINCT off), min(off) FROM changed', qr/^20\|20\|20$/, 'with the column again it goes on where it was');
$node->safe_psql('postgres', 'REVOKE INSERT ON changed FROM ingest');
produce_good('changed', 10);
wait_for(state_of('changed'), qr/^paused: permission denied for table changed/, 'a right that is gone pauses it');
$node->safe_psql('postgres', q(GRANT INSERT ON changed TO ingest; SELECT telemetry.resume_pipeline('changed')));
wait_for('SELECT count(*), count(DISTINCT off) FROM changed', qr/^30\|30$/, 'and given again lets it go on');
$node->safe_psql('postgres', 'DROP TABLE changed');
produce_good('changed', 10);
wait_for(state_of('changed'), qr/^paused: .*(does not exist|dropped|gone)/, 'a target that is dropped pauses it');
create('other_target');
$node->safe_psql('postgres', 'DROP FOREIGN TABLE other_target_topic');
produce_good('other_target', 1);
wait_for(state_of('other_target'), qr/^paused: .*(does not exist|dropped|gone)/, 'so does a source');

# ---- nothing but bad messages
create('bad', 'dead_letter_limit => 1000, batch_rows => 500');
$kafka->produce('bad', map { [ 0, '', "{\"id\": \"no $_\"}" ] } 1 .. 60_000);
wait_for(state_of('bad'), qr/^paused: \d+ bad messages in a row, the last: /, 'a topic of bad messages pauses its pipeline');
my $dead = query(q(SELECT count(*) FROM telemetry.dead_letter WHERE pipeline = 'bad'));
is($dead, 1000, 'after its limit');
is(query(q(SELECT committed_offset FROM telemetry.stat_partition WHERE pipeline = 'bad')), $dead, 'which is where it stands');

# What a process holds by itself, in MB: not the shared buffers that it has touched.
sub anonymous_mb
{
	my ($pid) = @_;
	open my $status, '<', "/proc/$pid/status" or return 0;
	my ($kb) = map { /^RssAnon:\s+(\d+)/ ? $1 : () } <$status>;
	return ($kb // 0) / 1024;
}

# The greatest of it while a pipeline reads all there is.
sub peak_mb
{
	my ($name, $high) = @_;
	my $peak = 0;
	poll_until(
		sub {
			my ($pid, $offset) = split /\|/, query("SELECT (SELECT pid FROM telemetry.stat_worker w WHERE w.pipeline = '$name'), "
				. "committed_offset FROM telemetry.stat_partition WHERE pipeline = '$name'") || '|0';
			my $now = $pid ? anonymous_mb($pid) : 0;
			$peak = $now if $now > $peak;
			return $offset && $offset >= $high;
		},
		"$name: read", 60) or diag(query('TABLE telemetry.stat_pipeline'));
	return $peak;
}

$node->safe_psql('postgres', q(SELECT telemetry.alter_pipeline('bad', reset => '{dead_letter_limit}'); SELECT telemetry.resume_pipeline('bad')));
my $peak = peak_mb('bad', 60_000);
is_exact('bad', 'without a limit');
cmp_ok($peak, '<', 60, sprintf 'bad messages fill no memory (%.0f MB)', $peak);

# ---- large messages: 200 MB in a backlog, a worker may hold fetch_memory and batch_memory (16 MB
# each), and what a batch is turned into
$kafka->create_topic('large', 1, 'max.message.bytes' => 100_000_000);
$node->safe_psql('postgres', <<'SQL');
SET ROLE ingest;
CREATE FOREIGN TABLE large_topic (id bigint NOT NULL, pad text, off bigint OPTIONS (metadata 'offset'))
	SERVER kafka OPTIONS (topic 'large');
CREATE TABLE large (id bigint NOT NULL, pad text, off bigint);
CREATE MATERIALIZED VIEW large_sum WITH (telemetry.continuous) AS SELECT count(*) AS n, sum(length(pad)) AS bytes FROM large;
SQL
$kafka->set_client('message.max.bytes' => 500_000_000);
my $pad = 'x' x 1_000_000;
$kafka->produce('large', map { [ 0, '', "{\"id\": $_, \"pad\": \"$pad\"}" ] } 1 .. 50) for 1 .. 4;
my $log = -s $node->logfile;
$node->safe_psql('postgres', q(SET ROLE ingest; SELECT telemetry.create_pipeline('large', 'large_topic', 'large')));
$peak = peak_mb('large', 200);
unlike(slurp_file($node->logfile, $log), qr/temporary file/, 'rows of a batch that a view takes do not go to disk');
cmp_ok($peak, '<', 150, sprintf 'a backlog of 200 MB in large messages takes %.0f MB', $peak);
# One that a fifth of a megabyte of gzip becomes.
$kafka->set_client('message.max.bytes' => 500_000_000, 'compression.type' => 'gzip');
$kafka->produce('large', [ 0, '', '{"id": 201, "pad": "' . ('y' x 200_000_000) . '"}' ]);
$kafka->set_client();
$kafka->produce('large', [ 0, '', '{"id": 202, "pad": "z"}' ]);
$peak = peak_mb('large', 202);
is_exact('large', 'large messages');
cmp_ok($peak, '<', 700, sprintf 'one message that gzip blew up to 200 MB takes a few times its length, once (%.0f MB)', $peak);
is(query(q(SELECT "offset", value_length > 200000000, length(value), sqlstate FROM telemetry.dead_letter WHERE pipeline = 'large')),
	'200|t|16777216|54000', 'it is a dead letter, cut, with its whole length');
is(query(q(SELECT count(*), sum(length(pad)) FROM large)), '201|200000001', 'the others are whole');
is(query(q(TABLE large_sum)), '201|200000001', 'and in the view');

# ---- the lock, again
sleep 0.1 while time < $locked_at + 10.5;
wait_for(state_of('locked'), qr/^retrying: canceling statement due to lock timeout/, 'a lock on the target is said after lock_timeout');
wait_for($waits, qr/^1$/, 'the next try waits');
wait_for("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'telemetry%' AND (age(backend_xmin) > age('$then'::xid) OR age(backend_xid) > age('$then'::xid))",
	qr/^0$/, 'and holds vacuum back since then only, not since the lock');
$holder->query_safe('COMMIT');
$holder->quit;
is_exact('locked', 'after the lock');
is(query(q(SELECT count(*) FROM telemetry.dead_letter WHERE pipeline = 'locked')), 0, 'a lock makes no dead letters');
wait_for(state_of('locked'), qr/^running: $/, 'the error is gone with the next batch');

$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
