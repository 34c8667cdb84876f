# A whole database by logical replication, FOR ALL TABLES: what came over does not ingest beside its original, and takes over
# from it when it is told to, each message once, with views that equal their queries (docs/operations.md).
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $mock = TelemetryTest::Mock->new(topics => ['events:2']);
my $conf = "wal_level = logical\nmax_wal_senders = 10\nmax_replication_slots = 10\nautovacuum = off\n";
my $old = telemetry_node('old', extension => 1, conf => $conf);
my $new = telemetry_node('new', conf => $conf);
my $schema = PostgreSQL::Test::Utils::tempdir() . '/schema.sql';
my $produced = 0;

sub on_old { return $old->safe_psql('postgres', $_[0]) }
sub on_new { return $new->safe_psql('postgres', $_[0]) }

# Every tenth is none.
sub produce
{
	$mock->produce('events', map { $produced++; [ $produced % 2, undef, $produced % 10 ? qq({"id": $produced, "kind": "k@{[$produced % 3]}"}) : 'bad' ] } 1 .. $_[0]);
	return;
}

create_server($old, 'kafka', $mock);
on_old(<<'SQL');
CREATE FOREIGN TABLE topic (id bigint NOT NULL, kind text) SERVER kafka OPTIONS (topic 'events');
CREATE TABLE kind (kind_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL UNIQUE);
CREATE TABLE fact (id bigint NOT NULL, kind text, kind_key bigint NOT NULL REFERENCES kind);
CREATE MATERIALIZED VIEW by_kind WITH (telemetry.continuous) AS SELECT kind, count(*) AS n, sum(id) AS s, telemetry.hll_agg(id) AS h FROM fact GROUP BY kind;
CREATE MATERIALIZED VIEW total WITH (telemetry.continuous) AS SELECT sum(n) AS n FROM by_kind;
CREATE TABLE part (at timestamptz) PARTITION BY RANGE (at);
SELECT telemetry.set_retention('part', '90 days', 'day', 1);
SELECT telemetry.create_pipeline('p', 'topic', 'fact');
SQL
produce(300);
settled($old, 'p', 300);

$old->command_ok([ 'pg_dump', '--schema-only', '-f', $schema, $old->connstr('postgres') ], 'the schema');
$new->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $schema, $new->connstr('postgres') ], 'goes in');
on_old('CREATE PUBLICATION everything FOR ALL TABLES');
on_new('SELECT telemetry.suspend()');
on_new("CREATE SUBSCRIPTION moved CONNECTION '" . $old->connstr =~ s/'/''/gr . " dbname=postgres' PUBLICATION everything");
poll_until(sub { on_new("SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") eq '0' }, 'the copy');
is(on_new("SELECT d.oid FROM pg_database d WHERE datname = current_database()"), on_old('SELECT database_oid FROM telemetry.activation'), 'both databases have one OID');
is(on_new('SELECT state FROM telemetry.stat_pipeline'), 'not activated', 'the pipeline does not run in the copy');
is(on_new('SELECT active FROM telemetry.retention'), 'f', 'nor does retention');

produce(300);
settled($old, 'p', 600);
on_old("SELECT telemetry.alter_pipeline('p', batch_rows => 100)");
$new->restart;
produce(300);
settled($old, 'p', 900);
$old->wait_for_catchup('moved');
is(on_new('SELECT state FROM telemetry.stat_pipeline'), 'not activated', 'nor after a change and a restart');
is(on_new('SELECT count(*), count(DISTINCT id) FROM fact'), '810|810', 'facts come by replication alone');
like(on_new('SELECT subject, what FROM telemetry.check()'), qr/^pipeline p\|does not run here/m, 'check() says so');

# The new one takes over.
on_old("SELECT telemetry.pause_pipeline('p', 'moved')");
poll_until(sub { on_old('SELECT count(*) FROM telemetry.stat_worker WHERE pid IS NOT NULL') eq '0' }, 'the old worker to leave');
produce(300);
$old->wait_for_catchup('moved');
on_new('DROP SUBSCRIPTION moved');
on_new(on_old(q{SELECT format('SELECT setval(%L, %s);', format('%I.%I', schemaname, sequencename), last_value) FROM pg_sequences WHERE last_value IS NOT NULL}));
on_new("SELECT telemetry.resume(states => 'restored')");
is(on_new('SELECT (SELECT count(*) FROM telemetry.verify(view)) FROM telemetry.continuous_view'), "0\n0", 'the views equal their queries');
is(on_new('SELECT n FROM total'), '810', 'and have it all');
on_new("SELECT telemetry.resume_pipeline('p')");
settled($new, 'p', 1200);
is(on_new('SELECT count(*), count(DISTINCT id) FROM fact'), '1080|1080', 'each message is there once');
is(on_new('SELECT count(*), count(DISTINCT "offset") FROM telemetry.dead_letter WHERE partition = 0'), '120|120', 'dead letters, too');
is(on_new('SELECT (SELECT count(*) FROM telemetry.verify(view)) FROM telemetry.continuous_view'), "0\n0", 'the views follow');
is(on_new('SELECT n FROM total'), '1080', 'to the last row');
is(on_old('SELECT count(*) FROM fact'), '810', 'and the old one stands');

done_testing();
