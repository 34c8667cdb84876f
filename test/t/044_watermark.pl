# Event time, exactly: watermark, idleness, late rows, events ahead of the clock (design.md).
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $kafka = TelemetryTest::Kafka->new;
my $node = telemetry_node('main', extension => 1, conf => "fsync = off\nautovacuum = off\n");

sub query
{
	my ($sql) = @_;
	my ($status, $out) = $node->psql('postgres', $sql);
	return $out;
}

sub wait_for
{
	my ($sql, $expected, $what) = @_;
	return wait_for_result($node, $sql, $expected, $what);
}

# Events of one partition, by their times of 2024-01-01.
sub event { my ($partition, $time) = @_; return [ $partition, '', "{\"at\": \"" . ($time =~ /-/ ? $time : "2024-01-01T${time}Z") . "\"}" ] }

sub produce
{
	my ($topic, $partition, @times) = @_;
	$kafka->produce($topic, map { event($partition, $_) } @times);
	return;
}

# The same time in both partitions, by one call: what lies between two of them may be longer than an idle_timeout.
sub produce_both { my ($topic, @times) = @_; $kafka->produce($topic, map { event(0, $_), event(1, $_) } @times); return }

sub create
{
	my ($name, $options, %config) = @_;
	my $events = delete $config{events};
	$kafka->create_topic($name, 2, %config);
	$kafka->produce($name, @$events) if $events;
	$node->safe_psql('postgres', <<"SQL");
CREATE FOREIGN TABLE ${name}_topic (at timestamptz) SERVER kafka OPTIONS (topic '$name');
CREATE TABLE $name (at timestamptz);
SELECT telemetry.create_pipeline('$name', '${name}_topic', '$name', event_time_column => 'at'@{[ $options ? ", $options" : '' ]});
SQL
	return;
}

sub watermark
{
	my ($name) = @_;
	return "SELECT coalesce(to_char(watermark, 'HH24:MI:SS'), 'none') FROM telemetry.stat_pipeline WHERE pipeline = '$name'";
}

create_server($node, 'kafka', $kafka);
create('events', q(allowed_lateness => '10 minutes', idle_timeout => '1 hour'));

# ---- the least over the partitions of (greatest event time - allowed lateness)
produce('events', 0, '12:00:00', '11:00:00');
wait_for('SELECT count(*) FROM events', 2, 'one partition has events');
sleep 2.2;
is(query(watermark('events')), 'none', 'while another has told nothing there is no watermark');
produce('events', 1, '11:30:00');
wait_for(watermark('events'), '11:20:00', 'the watermark is the least over the partitions, less the lateness');
is(query(q(SELECT string_agg(partition || ' ' || to_char(watermark, 'HH24:MI') || ' ' || to_char(max_event_time, 'HH24:MI'), ', ' ORDER BY partition)
	FROM telemetry.stat_partition)), '0 11:50 12:00, 1 11:20 11:30', 'each partition has its own');
produce('events', 1, '12:30:00');
wait_for(watermark('events'), '11:50:00', 'when the last comes up it moves');

# ---- late events are stored and counted; the watermark never goes back
is(query('SELECT late FROM telemetry.stat_pipeline'), 0, 'disorder before the watermark is known is not late');
produce('events', 0, '11:49:59', '11:50:00', '09:00:00');
wait_for('SELECT count(*) FROM events', 7, 'late events are stored');
is(query('SELECT late FROM telemetry.stat_pipeline'), 2, 'and counted: strictly before the watermark');
sleep 2.2;
is(query(watermark('events')), '11:50:00', 'the watermark does not go back');
$node->safe_psql('postgres', q(SELECT telemetry.alter_pipeline('events', allowed_lateness => '1 hour')));
produce('events', 0, '12:10:00');
wait_for('SELECT count(*) FROM events', 8, 'with more lateness');
sleep 2.2;
is(query(watermark('events')), '11:50:00', 'nor when more lateness is allowed');
$node->safe_psql('postgres', q(SELECT telemetry.alter_pipeline('events', allowed_lateness => '0')));

# ---- what does not count: bad messages, rows without a time
$kafka->produce('events', [ 0, '', '{"at": "2024-01-01T23:00:00Z"' ], [ 0, '', '{"at": null}' ], [ 1, '', '{}' ]);
produce('events', 0, '12:20:00');
wait_for('SELECT count(*) FROM events', 11, 'rows without an event time are stored');
wait_for(watermark('events'), '12:20:00', 'dead letters and rows without a time do not move the watermark');

# ---- seeking back keeps it, across a restart as well
$node->safe_psql('postgres', q(SELECT telemetry.seek_pipeline('events', 'earliest', allow_duplicates => true)));
wait_for('SELECT count(*) FROM events', 22, 'read again from the start');
is(query(watermark('events')), '12:20:00', 'seeking back keeps the watermark');
$node->restart;
produce('events', 0, '12:21:00');
wait_for('SELECT count(*) FROM events', 23, 'after a restart');
wait_for(watermark('events'), '12:21:00', 'the watermark was kept, and goes on');

# ---- idleness
$node->safe_psql('postgres', q(SELECT telemetry.pause_pipeline('events')));
# With its events from the beginning: before they come an empty partition may be found idle.
create('idle', q(idle_timeout => '2 seconds'), events => [ event(0, '12:00:00'), event(1, '11:00:00') ]);
my $idle = q(SELECT string_agg(partition || ' ' || idle, ', ' ORDER BY partition) FROM telemetry.stat_partition WHERE pipeline = 'idle');
wait_for(watermark('idle'), '11:00:00', 'both speak');
# Partition 0 goes on, partition 1 is silent.
my $second = 1;
poll_until(
	sub {
		produce('idle', 0, sprintf '12:00:%02d', $second++ % 60);
		sleep 0.3;
		return query(watermark('idle')) ge '12:00:00' && query($idle) eq '0 false, 1 true';
	},
	'the silent partition to be left out', 40);
cmp_ok(query(watermark('idle')), 'ge', '12:00:00', 'a partition that is read to its end and silent for idle_timeout holds nothing up: the watermark goes on without it');
wait_for($idle, '0 true, 1 true', 'all are idle');
my $stands = query(watermark('idle'));
sleep 1.5;
is(query(watermark('idle')), $stands, 'when all are idle the watermark stands');
# As often as it takes to see it awake, which it is for two seconds after each.
ok(poll_until(sub { produce('idle', 1, '11:05:00'); sleep 0.5; return query($idle) eq '0 true, 1 false' }, 'partition 1 awake alone', 40), 'a partition wakes up');
wait_for(q(SELECT late > 0 AND late = (SELECT count(*) FROM idle WHERE at = '2024-01-01 11:05+00') AND lag = 0 FROM telemetry.stat_pipeline WHERE pipeline = 'idle'), 't', 'its old events are late');
is(query(watermark('idle')), $stands, 'and the watermark does not go back');
# An outage is not idleness: the broker hangs before the partitions' time is over, or else this is done again.
my $in_time;
for (1 .. 10)
{
	my $spoken = time;
	produce_both('idle', '13:00:00');
	# One that is idle holds nothing up: the watermark alone does not say that its event was read.
	while (time < $spoken + 2) { last if query($idle) eq '0 false, 1 false' && query(watermark('idle')) eq '13:00:00'; }
	$kafka->freeze;
	$in_time = time < $spoken + 2;
	last if $in_time;
	$kafka->thaw;
}
ok($in_time, 'both speak again, and then the broker hangs');
sleep 4;
is(query($idle), '0 false, 1 false', 'while the broker hangs nothing is idle');
$kafka->thaw;
wait_for($idle, '0 true, 1 true', 'when it is back, silence counts again');
# Nobody listens to a pipeline that is paused: what comes meanwhile must find its watermark where it was.
query(q(SELECT telemetry.pause_pipeline('idle')));
wait_for($idle, '0 false, 1 false', 'without a worker no partition is idle');
query(q(SELECT telemetry.resume_pipeline('idle')));
wait_for($idle, '0 true, 1 true', 'with one again, after its time');

# ---- closed sessions: the watermark is strictly past the last event and the gap
create('played', q(idle_timeout => '2 seconds'));
$node->safe_psql('postgres', <<'SQL');
CREATE MATERIALIZED VIEW sessions WITH (telemetry.continuous) AS SELECT date_trunc('hour', at, 'UTC') AS hour, max(at) AS ended_at, count(*) AS events
	FROM played GROUP BY 1, telemetry.session_window(at, '30 minutes');
CREATE MATERIALIZED VIEW long_sessions WITH (telemetry.continuous) AS SELECT ended_at, events FROM sessions WHERE events > 1;
SQL
my $closed = q(SELECT string_agg(to_char(ended_at, 'HH24:MI ') || telemetry.session_is_closed('sessions', ended_at), ', ' ORDER BY ended_at) FROM sessions);
produce('played', 0, '12:10:00', '12:20:00');
wait_for($closed, '12:20 false', 'without a watermark no session is closed');
poll_until(sub { produce('played', 1, '13:00:00'); sleep 0.3; return query(watermark('played')) eq '13:00:00'; },
	'a partition that is silent to become idle while the other one speaks', 15);
wait_for($closed, '12:20 true, 13:00 false', 'sessions are closed by the watermark without it');
produce('played', 0, '12:30:00.000001');
wait_for($closed, '12:30 false, 13:00 false', 'a late event opens its session again: now the watermark is a microsecond too early');
produce_both('played', '13:00:00.000001');
wait_for(q(SELECT watermark = '2024-01-01 13:00:00.000001+00' FROM telemetry.stat_pipeline WHERE pipeline = 'played'), 't', 'the watermark is where the gap ends');
is(query($closed), '12:30 false, 13:00 false', 'at that very time an event could still belong to it');
produce_both('played', '13:00:00.000002');
wait_for($closed, '12:30 true, 13:00 false', 'a microsecond later it is closed');
produce('played', 0, '12:05:00');
wait_for(q(SELECT events FROM sessions WHERE ended_at < '2024-01-01 13:00+00'), 4, 'a late event within is counted');
is(query($closed), '12:30 true, 13:00 false', 'and the session stays closed');
is(query(q(SELECT string_agg(telemetry.session_is_closed('long_sessions', ended_at, '30 minutes')::text, ', ' ORDER BY ended_at) FROM long_sessions)),
	'true, false', 'over a view over the view, with its gap named');
# An expression of PL/pgSQL lives on while the watermark moves: each evaluation sees the present one.
my (undef, undef, $messages) = $node->psql('postgres', <<'SQL');
DO $$ DECLARE said text = ''; BEGIN
	FOR second IN 0 .. 2 LOOP
		UPDATE telemetry.pipeline_watermark SET watermark = '2024-01-01 13:29:59+00'::timestamptz + second * interval '1 second';
		said := said || telemetry.session_is_closed('sessions', '2024-01-01 13:00+00');
	END LOOP;
	RAISE EXCEPTION '%', said;
END $$
SQL
like($messages, qr/ERROR:  falsefalsetrue/, 'a call that outlives a statement asks anew');
is(query(q(SELECT to_char(telemetry.finalized_until('sessions'), 'HH24:MI:SS.US'))), '13:00:00.000002', 'nothing of that stays');

# ---- events ahead of the clock
create('ahead', q(max_ahead => '1 hour', idle_timeout => '1 hour'));
my ($soon, $far) = map { query("SELECT to_char(now() AT TIME ZONE 'UTC' + interval '$_', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')") } '30 minutes', '90 minutes';
produce_both('ahead', $soon, $far);
wait_for('SELECT count(*) FROM ahead', 2, 'an event less than max_ahead in the future is stored');
wait_for(q(SELECT count(*), min(sqlstate), min(column_name), bool_and(message LIKE 'event time % lies more than max_ahead (3600 s) after the time of ingestion %')
	FROM telemetry.dead_letter WHERE pipeline = 'ahead'), '2|22008|at|t', 'one further ahead is a dead letter');
wait_for(q(SELECT watermark IS NOT NULL FROM telemetry.stat_pipeline WHERE pipeline = 'ahead'), 't', 'a watermark');
is(query(q(SELECT watermark <= now() FROM telemetry.stat_pipeline WHERE pipeline = 'ahead')), 't', 'a clock that runs ahead counts as now at most');
create('append', q(max_ahead => '1 hour'), 'message.timestamp.type' => 'LogAppendTime');
produce_both('append', $soon, $far);
wait_for('SELECT count(*) FROM append', 2, 'with append time');
wait_for(q(SELECT count(*) = 2 AND bool_and(message LIKE '%after the broker''s time of receipt%') FROM telemetry.dead_letter WHERE pipeline = 'append'), 't',
	'where the broker stamps messages its clock decides');
$node->safe_psql('postgres', q(SELECT telemetry.alter_pipeline('ahead', reset => '{max_ahead}')));
produce('ahead', 0, $far);
wait_for('SELECT count(*) FROM ahead', 3, 'without max_ahead any time is stored');
is(query(q(SELECT watermark <= now() FROM telemetry.stat_pipeline WHERE pipeline = 'ahead')), 't', 'and still counts as now at most');

# ---- the first time that there is: a watermark before it would be none that can be shown, or dumped
create('ancient', q(allowed_lateness => '1 day', idle_timeout => '1 hour'), events => [ event(0, '4714-11-24T00:00:00Z BC'), event(1, '12:00:00') ]);
wait_for('SELECT count(*) FROM ancient', 2, 'an event of the first day is stored');
wait_for(q(SELECT string_agg(partition || ' ' || coalesce(watermark::text, 'none'), ', ' ORDER BY partition) FROM telemetry.stat_partition WHERE pipeline = 'ancient'),
	'0 none, 1 2023-12-31 12:00:00+00', 'there is no watermark before it');

# ---- a partition that the pipeline reads no more
produce('ancient', 0, '13:00:00');
wait_for(watermark('ancient'), '12:00:00', 'the least of two');
$node->safe_psql('postgres', q(SELECT telemetry.alter_pipeline('ancient', partitions => '{0}')));
produce('ancient', 0, '14:00:00');
wait_for(watermark('ancient'), '14:00:00', 'one that is left to others does not hold it');

done_testing();
