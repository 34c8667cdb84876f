# Invariant 1 across copies of a database: promotion of a standby and point-in-time recovery resume
# where they stand; pg_dump/restore and CREATE DATABASE ... TEMPLATE start paused.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $kafka = TelemetryTest::Kafka->new;
my $node = telemetry_node('primary', extension => 1, init => [ allows_streaming => 1, has_archiving => 1 ],
	conf => "fsync = off\nshared_buffers = '32MB'\nautovacuum = off\n");
my $produced = 0;

$kafka->create_topic('events', 2);
create_server($node, 'kafka', $kafka);
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE events_topic (id bigint NOT NULL, part int OPTIONS (metadata 'partition'),
    off bigint OPTIONS (metadata 'offset')) SERVER kafka OPTIONS (topic 'events');
CREATE TABLE events (id bigint NOT NULL, part int, off bigint);
SELECT telemetry.create_pipeline('events', 'events_topic', 'events', workers => 2, batch_rows => 1000);
SQL

# Good messages, and every hundredth that is none.
sub produce_some
{
	my ($n) = @_;
	$kafka->produce('events',
		map { [ $_ % 2, "k$_", $_ % 100 ? "{\"id\": $_}" : '{"id": null}' ] } $produced .. $produced + $n - 1);
	$produced += $n;
	return;
}

# Every message that was produced is there once, as a fact or a dead letter.
sub is_exact
{
	my ($on, $database, $what) = @_;
	my @high = map { $_->[1] } $kafka->watermarks('events');
	my $expected = join ' UNION ALL ',
	  map { "SELECT $_ AS part, off FROM generate_series(0, $high[$_] - 1) off" } 0, 1;
	my $arrived =
	  'SELECT part, off FROM events UNION ALL SELECT partition, "offset" FROM telemetry.dead_letter';

	ok( poll_until(
			sub {
				($on->psql($database, 'SELECT sum(next_offset) FROM telemetry.partition_offset'))[1] eq
				  $high[0] + $high[1];
			},
			$what),
		"$what: everything is read");
	is($on->safe_psql($database, "(($expected) EXCEPT ALL ($arrived)) UNION ALL (($arrived) EXCEPT ALL ($expected))"),
		'', "$what: each message once");
	return;
}

sub state
{
	my ($on, $database) = @_;
	return $on->safe_psql($database, 'SELECT state FROM telemetry.stat_pipeline');
}

sub workers
{
	my ($on) = @_;
	return $on->safe_psql('postgres', q(SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'telemetry%'));
}

produce_some(20_000);
is_exact($node, 'postgres', 'primary');

# ---- pg_dump and restore
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], 'pg_restore');
produce_some(3_000);
is_exact($node, 'postgres', 'primary after the dump');
is(state($node, 'restored'), 'not activated', 'a restored pipeline starts paused');
is($node->safe_psql('restored', 'SELECT count(*) FROM events UNION ALL SELECT count(*) FROM telemetry.dead_letter'),
	"19800\n200", 'and holds what was dumped');
$node->safe_psql('restored', q(SELECT telemetry.resume_pipeline('events')));
is_exact($node, 'restored', 'restored and resumed');
$node->safe_psql('restored', q(SELECT telemetry.create_pipeline('second', 'events_topic', 'events', paused => true)));

# pg_restore -j loads tables in any order: what belongs to pipelines before those themselves, too.
my @entries = split /\n/, `pg_restore -l '$dump'`;
my $pipelines = qr/TABLE DATA telemetry _pipeline /;
is(scalar(grep { $_ =~ $pipelines } @entries), 1, 'the dump has pipelines');
PostgreSQL::Test::Utils::append_to_file("$dump.list", join("\n", (grep { $_ !~ $pipelines } @entries), (grep { $_ =~ $pipelines } @entries), ''));
$node->safe_psql('postgres', 'CREATE DATABASE reordered');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-L', "$dump.list", '-d', $node->connstr('reordered'), $dump ], 'pg_restore, pipelines last');
$node->safe_psql('reordered', q(SELECT telemetry.resume_pipeline('events')));
is_exact($node, 'reordered', 'restored in another order and resumed');
is($node->safe_psql('reordered', q(SELECT telemetry.drop_pipeline('events');
	SELECT count(*) FROM telemetry.partition_offset UNION ALL SELECT count(*) FROM telemetry.pipeline_watermark UNION ALL SELECT count(*) FROM telemetry._dead_letter)),
	"\n0\n0\n0", 'nothing of a pipeline stays when it is dropped');
$node->safe_psql('postgres', 'DROP DATABASE reordered');

# ---- CREATE DATABASE ... TEMPLATE, while the pipeline runs in the original
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE DATABASE copied TEMPLATE postgres');
produce_some(1_000);
is_exact($node, 'postgres', 'the original goes on after it was copied');
is(state($node, 'copied'), 'not activated', 'a copied pipeline starts paused');
$node->safe_psql('copied', q(SELECT telemetry.resume_pipeline('events')));
is_exact($node, 'copied', 'copied and resumed');
$node->safe_psql('postgres', 'DROP DATABASE copied');
$node->safe_psql('postgres', 'DROP DATABASE restored');
pass('databases in which pipelines run can be dropped');

# ---- a streaming standby and its promotion
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->append_conf('postgresql.conf', "archive_mode = off\n");
$standby->start;
produce_some(5_000);
is_exact($node, 'postgres', 'primary with a standby');
is(workers($standby), 0, 'no worker runs on a standby');
produce_some(5_000);
$node->stop('immediate');
$standby->promote;
produce_some(5_000);
is_exact($standby, 'postgres', 'promoted');
ok(poll_until(sub { workers($standby) >= 4 }, 'launcher, supervisor and two workers', 60), 'after promotion the workers are there');
$standby->stop;

# ---- point-in-time recovery, to a moment in the middle of the stream
$node->start;
$node->safe_psql('postgres', q(SELECT pg_create_restore_point('here')));
my $then = $node->safe_psql('postgres', 'SELECT sum(next_offset) FROM telemetry.partition_offset');
produce_some(4_000);
is_exact($node, 'postgres', 'the old primary');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
$node->stop;
my $recovered = PostgreSQL::Test::Cluster->new('recovered');
$recovered->init_from_backup($node, 'backup', has_restoring => 1, standby => 0);
$recovered->append_conf('postgresql.conf', "recovery_target_name = 'here'\nrecovery_target_action = 'promote'\nrecovery_target_timeline = 'current'\n");
$recovered->start;
is_exact($recovered, 'postgres', 'recovered to a point in time');
cmp_ok($then, '<', $produced, 'which lay before the end');

done_testing();
