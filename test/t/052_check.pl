# telemetry.check(): each of its findings, brought about and gone again when its command is followed.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $mock = TelemetryTest::Mock->new(topics => [ 'events:2', 'other:1', 'wide:20' ]);
my $node = telemetry_node('main', extension => 1, conf => "fsync = off\nautovacuum = off\ntelemetry.max_workers = 3\n");

create_server($node, 'kafka', $mock);

sub query { return $node->safe_psql('postgres', $_[0]) }

sub findings { return query('SELECT severity, subject, what, command FROM telemetry.check()') =~ s/\bpublic\.//gr }

# One finding is there (and, mostly, no other); its command, or what is given instead, takes it away.
sub finds
{
	my ($what, $expected, $remedy, $others) = @_;
	my $got = '';

	# What else is found at first may come of the change that brought it about, and has to go.
	poll_until(sub { ($got = findings()) =~ $expected && ($others || $got !~ /\n/) }, "$what is found", 40) or die "got: $got";
	pass($others ? "$what is found" : "$what is found, and nothing else");
	ref $remedy ? $remedy->() : query($remedy);
	poll_until(sub { ($got = findings()) !~ $expected }, "$what is gone", 40) or die "got: $got";
	return;
}

sub command { return query('SELECT command FROM telemetry.check() LIMIT 1') }

query(<<'SQL');
CREATE FOREIGN TABLE topic (id bigint NOT NULL, at timestamptz) SERVER kafka OPTIONS (topic 'events');
CREATE TABLE facts (id bigint NOT NULL, at timestamptz);
CREATE MATERIALIZED VIEW total WITH (telemetry.continuous) AS SELECT count(*) FROM facts;
SELECT telemetry.create_pipeline('p', 'topic', 'facts', event_time_column => 'at');
SQL
$mock->produce('events', [ 0, undef, '{"id": 1, "at": "2026-01-01T00:00:00Z"}' ]);
poll_until(sub { query('SELECT count(*) FROM facts') eq '1' }, 'the pipeline runs');
is(findings(), '', 'nothing is wrong');

# ---- pipelines
query(q{SELECT telemetry.pause_pipeline('p', 'schema change')});
finds('a paused pipeline', qr/^warning\|pipeline p\|paused since 20\d\d-.*: schema change\|SELECT telemetry.resume_pipeline\('p'\);$/, sub { query(command()) });

# A worker that has nothing to write does not see that its table is gone; one that is paused cannot go on.
query(<<'SQL');
CREATE TABLE gone (id bigint);
CREATE FOREIGN TABLE gone_topic (id bigint) SERVER kafka OPTIONS (topic 'events');
SELECT telemetry.create_pipeline('gone', 'gone_topic', 'gone', paused => true);
SQL
like(findings(), qr/^warning\|pipeline gone\|was created paused, and not resumed yet\|SELECT telemetry.resume_pipeline\('gone'\);$/, 'a pipeline that has never run');
query('DROP TABLE gone');
like(findings(), qr/^error\|pipeline gone\|its target was dropped\|SELECT telemetry.drop_pipeline\('gone'\);/, 'a target that was dropped');
query('DROP FOREIGN TABLE gone_topic');
finds('a source that was dropped', qr/^error\|pipeline gone\|its source was dropped\|SELECT telemetry.drop_pipeline\('gone'\);[^\n]*$/, sub { query(command()) });

query('UPDATE telemetry.activation SET database_oid = 1');
finds('a pipeline of another database', qr/^error\|pipeline p\|does not run here.*resume_pipeline/, sub { query(command()) });

query(q{UPDATE telemetry.partition_offset SET pause_reason = 'the topic was recreated' WHERE partition = 1});
finds('a partition that is not read', qr/^error\|pipeline p, partition 1\|not read: the topic was recreated\|SELECT telemetry.resume_pipeline/, sub { query(command()) });

$mock->produce('events', [ 0, undef, 'bad' ]);
finds('a dead letter', qr/^warning\|pipeline p\|1 dead letters, the last at .*retry_dead_letters\('p'\)/, q{SELECT telemetry.purge_dead_letters('p')});

# A foreground transaction that is left open after LOCK TABLE, and one after TRUNCATE.
my $other = $node->background_psql('postgres', on_error_die => 1);
$other->query_safe('BEGIN');
my $pid = $other->query_safe('SELECT pg_backend_pid()');
$other->query_safe('LOCK TABLE facts');
$mock->produce('events', [ 0, undef, '{"id": 2, "at": "2026-01-01T00:00:00Z"}' ]);
finds('who blocks', qr/^error\|pipeline p\|waits for process $pid of \S+ \(idle in transaction, transaction open since .*\)\|SELECT pg_terminate_backend\($pid\);/m, sub {
	# It gives up after ten seconds, and waits again.
	for my $view (qw(stat_pipeline stat_worker))
	{
		ok(poll_until(sub { query("SELECT blocked_by FROM telemetry.$view") eq "{$pid}" }, 'who blocks', 40), "$view names him");
	}
	query("SELECT pg_terminate_backend($pid)");
});
eval { $other->quit };
poll_until(sub { query('SELECT count(*) FROM facts') eq '2' }, 'and the batch goes in');
is(findings(), '', 'nothing is wrong after it');

# Lag: with a worker that cannot go on. max_lag is in the call.
$mock->command('errors Fetch 10000 NOT_LEADER_FOR_PARTITION');
query(q{UPDATE telemetry.partition_offset SET last_timestamp = 1000});
$mock->produce('events', [ 0, undef, '{"id": 3, "at": "2026-01-01T00:00:00Z"}' ]);
finds('lag', qr/^warning\|pipeline p\|lags 1 messages and \d{9,} seconds behind\|SELECT telemetry.alter_pipeline\('p', workers => 2\);/m, sub {
	is(query(q{SELECT count(*) FROM telemetry.check('100 years') WHERE what LIKE 'lags%'}), 0, 'max_lag decides');
	# Before the message is read, which brings the true one: with a false one the position is not found again.
	query(q{UPDATE telemetry.partition_offset SET last_timestamp = extract(epoch FROM clock_timestamp()) * 1000});
	$mock->command('errors Fetch 0 NO_ERROR');
});

query(<<'SQL');
CREATE FOREIGN TABLE zoneless (id bigint, at timestamp) SERVER kafka OPTIONS (topic 'other');
CREATE TABLE days (id bigint, at timestamp) PARTITION BY RANGE (at);
SELECT telemetry.create_pipeline('q', 'zoneless', 'days', event_time_column => 'at');
SQL
finds('event times without a zone', qr/^notice\|pipeline q\|event time column at is a timestamp without time zone.*ALTER FOREIGN TABLE zoneless ALTER COLUMN at TYPE timestamptz/m, sub {
	like(findings(), qr/^warning\|table days\|has no partition for tomorrow, and nobody makes one\|SELECT telemetry.set_retention\('days'/m, 'a missing partition is found');
	query(q{SELECT telemetry.alter_pipeline('q', reset => '{event_time_column}')});
}, 1);
finds('a missing partition', qr/^warning\|table days\|has no partition for tomorrow/, sub { query(command()) });
poll_until(sub { query('SELECT partitions_ahead FROM telemetry.retention') eq '3' }, 'maintenance made it');
query('UPDATE telemetry.retention_state SET database_oid = 1');
finds('a retention of another database', qr/^warning\|retention of days\|is not active.*\|SELECT telemetry.set_retention\('days', keep => NULL, create_partitions => 'day', ahead => '?3'?\);$/, sub { query(command()) });
query(q{UPDATE telemetry.retention_state SET next_run_at = now() + interval '1 hour', error = 'no room'});
finds('an error of a retention', qr/^error\|retention of days\|no room\|SELECT \* FROM telemetry.apply_retention\('days'\);$/, sub { query(command()) });

# ---- views
query(q{ALTER TABLE facts DISABLE TRIGGER USER});
finds('disabled triggers', qr/^error\|table facts\|trigger \S+, which feeds continuous views, is disabled\|ALTER TABLE facts ENABLE TRIGGER/m,
	q{DROP MATERIALIZED VIEW total; CREATE MATERIALIZED VIEW total WITH (telemetry.continuous) AS SELECT count(*) FROM facts}, 1);
query(q{UPDATE telemetry._view SET status = 'stale', status_reason = 'a trigger was disabled'});
finds('a view that is not live', qr/^error\|view total\|stale: a trigger was disabled\|REFRESH MATERIALIZED VIEW total;$/, sub { query(command()) });

query(q{UPDATE telemetry._view SET status = 'unbuilt', status_reason = NULL});
finds('a view that is not built', qr/^warning\|view total\|unbuilt\|CALL telemetry.build\('total'\);$/, sub { query(command()) });

query(q{CREATE MATERIALIZED VIEW above WITH (telemetry.continuous) AS SELECT max(count) AS most FROM total;
	CREATE MATERIALIZED VIEW top WITH (telemetry.continuous) AS SELECT most, count(*) FROM above GROUP BY most});
query(q{UPDATE telemetry._view SET status = 'stale', status_reason = 'a trigger was disabled'});
finds('views over one that is not live', qr/\A(?:error\|view (?:total|above|top)\|stale: a trigger was disabled\|REFRESH MATERIALIZED VIEW total;\s*){3}\z/, sub { query(command()) }, 1);
query('DROP MATERIALIZED VIEW total CASCADE; CREATE MATERIALIZED VIEW total WITH (telemetry.continuous) AS SELECT count(*) FROM facts');

# ---- the server
query(q{SELECT telemetry.alter_pipeline('p', workers => 2); SELECT telemetry.alter_pipeline('q', workers => 2)});
finds('too few workers', qr/^warning\|server\|telemetry.max_workers is 3; pipelines ask for 4 workers\|ALTER SYSTEM SET telemetry.max_workers = 4/m,
	q{SELECT telemetry.drop_pipeline('q')}, 1);
query('ALTER SYSTEM SET telemetry.max_partitions = 16');
$node->restart;
query(<<'SQL');
CREATE FOREIGN TABLE wide_topic (id bigint) SERVER kafka OPTIONS (topic 'wide');
CREATE TABLE wide (id bigint);
SELECT telemetry.create_pipeline('wide', 'wide_topic', 'wide');
SQL
finds('too many partitions', qr/^warning\|server\|telemetry.max_partitions is 16; pipelines read 22 partitions: .*\|ALTER SYSTEM SET telemetry.max_partitions = 44; -- then restart the server$/, sub {
	query($_) for split /;/, query(q{SELECT split_part(command, ' --', 1) FROM telemetry.check()});
	$node->restart;
});
query(q{SELECT telemetry.drop_pipeline('wide'); ALTER SYSTEM RESET telemetry.max_partitions});
$node->append_conf('postgresql.conf', 'telemetry.enabled = off');
$node->reload;
finds('disabled workers', qr/^error\|server\|telemetry.enabled is off.*\|ALTER SYSTEM SET telemetry.enabled = on; SELECT pg_reload_conf\(\);$/m, sub {
	$node->append_conf('postgresql.conf', 'telemetry.enabled = on');
	$node->reload;
});
poll_until(sub { query('SELECT state FROM telemetry.stat_pipeline') eq 'running' }, 'it runs again');

# max_worker_processes: PostgreSQL's own launcher takes one, ours another, the supervisor a third, maintenance one at times.
for my $limit ([ 0, 'launcher', 'has no worker: all of .* are taken' ], [ 3, 'worker', 'failed: no slot for a background worker is free.*' ])
{
	query("ALTER SYSTEM SET max_worker_processes = $limit->[0]");
	$node->restart;
	finds("no room for the $limit->[1]", qr/^error\|pipeline p\|$limit->[2]\|ALTER SYSTEM SET /m, sub {
		query($_) for split /;/, query(q{SELECT split_part(command, ' --', 1) FROM telemetry.check() WHERE subject = 'pipeline p'});
		$node->restart;
		ok(poll_until(sub { query(q{SELECT state, error FROM telemetry.stat_pipeline}) eq 'running|' }, 'to run', 40), 'what it says makes room at once, and leaves no error');
	}, 1);
}
like(slurp_file($node->logfile), qr/could not start telemetry ingest p \d.*No slot.*Raise max_worker_processes/s, 'the log says it, too');
query('ALTER SYSTEM RESET max_worker_processes; ALTER SYSTEM RESET telemetry.max_workers');
# And nothing for the supervisor, nor for those of more databases than the launcher looks into at a time.
query("CREATE DATABASE another_$_") for 1 .. 5;
$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
$node->restart;
finds('too few processes', qr/^warning\|server\|max_worker_processes is 2; 2 ingest workers.*\|ALTER SYSTEM SET max_worker_processes = \d+;/m, sub {
	ok(poll_until(sub { findings() =~ /^error\|pipeline p\|(has no worker|failed: no slot for a background worker is free)/m }, 'a pipeline without a worker', 40),
		'the pipeline says so too');
	# How often it wakes up in two seconds, the kernel counts.
	my $launcher = query(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'telemetry launcher'});
	my $woken = sub { slurp_file("/proc/$launcher/status") =~ /^voluntary_ctxt_switches:\s*(\d+)/m; $1 };
	my $before = $woken->();
	query('SELECT pg_sleep(2)');
	cmp_ok($woken->() - $before, '<', 15, 'the launcher sleeps while there is no room for it to start anybody');
	$node->append_conf('postgresql.conf', 'max_worker_processes = 16');
	$node->restart;
}, 1);

$mock->stop;
finds('a broker that is away', qr/^error\|pipeline p\|connecting: .*\|ALTER SERVER kafka OPTIONS \(SET bootstrap_servers/m, q{SELECT telemetry.drop_pipeline('p')});

# Who may see nothing is told nothing; and without the library it is the first thing to say.
query('CREATE ROLE nobody');
is(query('SET ROLE nobody; SELECT count(*) FROM telemetry.check()'), '0', 'everybody may call it');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
like(findings(), qr/^error\|server\|telemetry is not in shared_preload_libraries: .*\|ALTER SYSTEM SET shared_preload_libraries = telemetry;/, 'a missing preload is found');

$node->stop;
done_testing();
