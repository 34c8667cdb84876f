# What can happen to a topic while a pipeline reads it: transactions, compaction, retention that
# overtakes, deletion and recreation, new partitions, a broker that goes, a batch that is corrupt.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $kafka = TelemetryTest::Kafka->new(properties => {
		'log.cleaner.backoff.ms' => 100, 'log.retention.check.interval.ms' => 300,
		'transaction.state.log.min.isr' => 1, 'log.initial.task.delay.ms' => 100 });
my $node = telemetry_node('main', extension => 1,
	conf => "fsync = off\nshared_buffers = '32MB'\ntelemetry.kafka_timeout = '5s'\ntelemetry.max_workers = 12\n");

create_server($node, 'kafka', $kafka);

sub sql { return $node->safe_psql('postgres', $_[0]); }

# A pipeline of its own for a topic; its facts hold the message's v, partition and offset.
sub pipeline
{
	my ($topic, $options) = @_;
	sql(<<"SQL");
CREATE FOREIGN TABLE ${topic}_topic (v text, part int OPTIONS (metadata 'partition'),
    off bigint OPTIONS (metadata 'offset'), at timestamptz OPTIONS (metadata 'timestamp')) SERVER kafka OPTIONS (topic '$topic');
CREATE TABLE $topic (v text, part int, off bigint);
SELECT telemetry.create_pipeline('$topic', '${topic}_topic', '$topic' @{[ $options // '' ]});
SQL
	return;
}

sub messages { my ($from, $to) = @_; return map { [ 0, "k$_", "{\"v\": \"$_\"}" ] } $from .. $to; }
sub facts { return sql("SELECT string_agg(v, ' ' ORDER BY part, off) FROM $_[0]"); }

sub wait_for
{
	my ($sql, $expected, $what) = @_;
	return wait_for_result($node, $sql, $expected, $what, timeout => 60);
}

# What stat_ views say comes about once a second.
sub progress { return "SELECT $_[1] FROM telemetry.stat_partition WHERE pipeline = '$_[0]' AND partition = 0"; }

# ---- transactions
$kafka->create_topic('tx', 1);
pipeline('tx');
$kafka->produce_transaction('tx', 't1', 'commit', messages(1, 3));
$kafka->produce_transaction('tx', 't2', 'abort', messages(4, 6));
$kafka->produce_transaction('tx', 't3', 'commit', messages(7, 8));
wait_for("SELECT string_agg(v, ' ' ORDER BY off) FROM tx", '1 2 3 7 8', 'committed messages become facts, aborted ones do not');
wait_for(progress('tx', 'committed_offset, lag, open_transactions'), '11|0|0', 'the position is behind the last marker, with no lag');
$kafka->produce_transaction('tx', 't4', 'leave', messages(9, 10));
wait_for(progress('tx', 'committed_offset, lag, open_transactions'), '11|0|2', 'an open transaction is no lag, and is shown');
$kafka->produce('tx', messages(11, 11));
sleep 0.5;
is(facts('tx'), '1 2 3 7 8', 'nothing behind an open transaction is read');
# Nobody waits for that, so it comes some time after the batch.
ok(poll_until(sub { ($kafka->committed('telemetry.postgres.tx', 'tx'))[0] == 11 }, 'the position in the group', 30), 'the position is published to the consumer group');

# ---- retention that overtook us
$kafka->create_topic('old', 1);
pipeline('old');
$kafka->produce('old', messages(1, 5));
wait_for("SELECT count(*) FROM old", '5', 'read before');
sql(q(SELECT telemetry.pause_pipeline('old')));
$kafka->produce('old', messages(6, 20));
$kafka->truncate_partition('old', 0, 10);
sql(q(SELECT telemetry.resume_pipeline('old')));
wait_for(progress('old', "pause_reason LIKE 'retention removed 5 offsets (5 to 9) before they were read%'"), 't',
	'lost offsets pause the partition, which says how many');
is(sql(q(SELECT to_offset FROM telemetry.seek_pipeline('old', offsets => '{"0": 10}'))), '10', 'seek behind them');
wait_for("SELECT count(*) FROM old", '15', 'and it goes on');
sql(q(SELECT telemetry.pause_pipeline('old')));
$kafka->truncate_partition('old', 0, 20);
$kafka->produce('old', messages(21, 22));
sql(q(SELECT telemetry.resume_pipeline('old')));
wait_for("SELECT count(*) FROM old", '17', 'retention of what was read already is no loss');

# ---- deleted and made anew: shorter, longer, and while nobody looks
for my $case ([ 'shorter', 2, 'the topic was recreated or truncated%' ], [ 'longer', 9, 'the topic was recreated: offset 3%' ])
{
	my ($name, $length, $reason) = @$case;
	my $topic = "anew_$name";

	$kafka->create_topic($topic, 1);
	pipeline($topic);
	$kafka->produce($topic, messages(1, 4));
	wait_for("SELECT count(*) FROM $topic", '4', "$name: read before");
	sql("SELECT telemetry.pause_pipeline('$topic')");
	$kafka->delete_topic($topic);
	$kafka->create_topic($topic, 1);
	$kafka->produce($topic, messages(101, 100 + $length));
	sql("SELECT telemetry.resume_pipeline('$topic')");
	wait_for(progress($topic, "pause_reason LIKE '$reason'"), 't', "$name: a recreated topic is noticed");
	is(facts($topic), '1 2 3 4', "$name: and nothing of it is taken for the old one");
	sql("SELECT telemetry.seek_pipeline('$topic', 'earliest', allow_duplicates => true)");
	wait_for("SELECT count(*) FROM $topic WHERE v::int > 100", $length, "$name: after a seek all of it is read");
}
$kafka->create_topic('live', 3);
pipeline('live', ", event_time_column => 'at', workers => 2");
$kafka->produce('live', messages(1, 2), [ 1, 'k3', '{"v": "3"}' ], [ 2, 'k4', '{"v": "4"}' ]);
wait_for("SELECT count(*) FROM live", '4', 'live: read before');
$kafka->delete_topic('live');
wait_for("SELECT bool_and(error IS NOT NULL) FROM telemetry.stat_pipeline WHERE pipeline = 'live'", 't', 'a topic that is gone is said');
$kafka->create_topic('live', 1);
$kafka->produce('live', messages(101, 109));
wait_for(progress('live', "pause_reason LIKE 'the topic was recreated%'"), 't', 'a topic recreated under a running worker is noticed');

# ---- more partitions
$kafka->create_topic('grows', 1);
pipeline('grows', ", start_position => 'latest'");
poll_until(sub { sql(progress('grows', '1')) eq '1' }, 'the first partition');
$kafka->add_partitions('grows', 3);
$kafka->produce('grows', map { [ $_, "k$_", "{\"v\": \"$_\"}" ] } 0 .. 2);
wait_for("SELECT string_agg(v, ' ' ORDER BY v) FROM grows", '0 1 2', 'new partitions are found, and read from their beginning');

# ---- compaction leaves gaps, tombstones are defined
$kafka->create_topic('compacted', 1, 'cleanup.policy' => 'compact', 'segment.ms' => 100,
	'min.cleanable.dirty.ratio' => 0.01, 'delete.retention.ms' => 0, 'min.compaction.lag.ms' => 0);
for my $round (1 .. 5)
{
	$kafka->produce('compacted', map { [ 0, "k$_", "{\"v\": \"$_/$round\"}" ] } 1 .. 50);
	sleep 0.15;
}
$kafka->produce('compacted', [ 0, 'k1', undef ], [ 0, 'last', '{"v": "last"}' ]);
sql("CREATE FOREIGN TABLE peek (v text) SERVER kafka OPTIONS (topic 'compacted')");
ok(poll_until(sub { sql('SELECT count(*) FROM peek') < 200 }, 'compaction', 60), 'the topic is compacted');
pipeline('compacted');
wait_for(progress('compacted', 'committed_offset, lag'), '252|0', 'gaps are no lag');
is(sql('SELECT count(*) - (SELECT stored FROM telemetry.stat_pipeline WHERE pipeline = $$compacted$$) FROM compacted'),
	'0', 'and no messages');

# ---- the topic that was made anew above has fewer partitions: those that are gone hold up nothing for good
wait_for(q(SELECT count(*) FROM telemetry.stat_partition WHERE pipeline = 'live' AND partition > 0 AND pause_reason LIKE 'the topic was recreated: it has 1 partitions%'),
	'2', 'fewer: partitions that are gone are told');
sql(q(SELECT telemetry.seek_pipeline('live', 'earliest', allow_duplicates => true)));
wait_for('SELECT count(*) FROM live WHERE v::int > 100', '9', 'fewer: after a seek all of it is read');
wait_for(q(SELECT state, error, partitions, paused_partitions, stored FROM telemetry.stat_pipeline WHERE pipeline = 'live'), 'running||1|0|13',
	'fewer: the pipeline knows them no more, and what they counted stays');
wait_for(q(SELECT watermark = (SELECT max_event_time FROM telemetry.partition_offset o JOIN telemetry.pipeline USING (pipeline_id) WHERE name = 'live')
	FROM telemetry.stat_pipeline WHERE pipeline = 'live'), 't', 'fewer: nor does the watermark wait for them');
is(sql(q(SELECT count(*) FROM telemetry.check() WHERE subject LIKE '%live%')), '0', 'fewer: nor is there anything to mend');

# ---- the broker goes and comes back; another cluster in its place
$kafka->kill9;
wait_for("SELECT bool_and(error IS NOT NULL) FROM telemetry.stat_pipeline WHERE pipeline = 'grows'", 't', 'a lost broker is said');
$kafka->start;
$kafka->produce('grows', [ 0, 'k', '{"v": "back"}' ]);
wait_for("SELECT count(*) FROM grows WHERE v = 'back'", '1', 'a broker that comes back is read on');
wait_for("SELECT bool_and(error IS NULL) FROM telemetry.stat_pipeline WHERE pipeline = 'grows'", 't', 'and the error is gone');

# ---- a batch that is corrupt on the broker's disk
$kafka->create_topic('corrupt', 2);
pipeline('corrupt');
$kafka->produce('corrupt', messages(1, 3));
wait_for('SELECT count(*) FROM corrupt', '3', 'read before the corrupt batch');
sql(q(SELECT telemetry.pause_pipeline('corrupt')));
$kafka->produce('corrupt', [ 0, 'k', '{"v": "' . ('x' x 500) . '"}' ]);
$kafka->produce('corrupt', messages(5, 6));
# On disk, under the running broker, which does not look at what it sends.
my ($segment) = grep { -s $_ } glob($kafka->dir . '/data/corrupt-0/*.log');
my $at = index slurp_file($segment), 'x' x 100;
cmp_ok($at, '>', 0, 'the message is found in its segment');
open my $file, '+<', $segment or die "$segment: $!";
binmode $file;
seek $file, $at, 0;
print $file 'yyyyy';
close $file;
sql(q(SELECT telemetry.resume_pipeline('corrupt')));
wait_for(progress('corrupt', "pause_reason LIKE 'offset 3 cannot be read: %telemetry.skip_offset(''corrupt'', 0, 3)%'"), 't',
	'a corrupt batch pauses its partition and names the offset');
$kafka->produce('corrupt', [ 1, 'k', '{"v": "other"}' ]);
wait_for("SELECT count(*) FROM corrupt WHERE v = 'other'", '1', 'the other partition goes on');
sql(q(SELECT telemetry.skip_offset('corrupt', 0, 3)));
wait_for("SELECT string_agg(v, ' ' ORDER BY part, off) FROM corrupt", '1 2 3 5 6 other', 'skip_offset() goes on behind it');
is(sql(q(SELECT "offset", value IS NULL FROM telemetry.dead_letter WHERE pipeline = 'corrupt')), '3|t', 'with a dead letter without payload');

done_testing();
