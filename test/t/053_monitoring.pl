# bi/ops: each query for Prometheus runs as pg_monitor and gives the columns that are declared, of fitting
# types; the dashboard is JSON, and its panels show figures that exist.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use JSON::PP;
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $mock = TelemetryTest::Mock->new(topics => ['events:1']);
my $node = telemetry_node('main', extension => 1, conf => "fsync = off\n");

create_server($node, 'kafka', $mock);
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE topic (id bigint) SERVER kafka OPTIONS (topic 'events');
CREATE TABLE facts (id bigint);
CREATE TABLE days (at timestamptz) PARTITION BY RANGE (at);
CREATE MATERIALIZED VIEW total WITH (telemetry.continuous) AS SELECT count(*) FROM facts;
SELECT telemetry.create_pipeline('p', 'topic', 'facts'), telemetry.set_retention('days', '1 day', 'day');
CREATE ROLE watcher LOGIN IN ROLE pg_monitor;
SQL
$mock->produce('events', [ 0, undef, '{"id": 1}' ]);
poll_until(sub { $node->safe_psql('postgres', 'SELECT count(*) FROM facts') eq '1' }, 'the pipeline runs');
poll_until(sub { $node->safe_psql('postgres', 'SELECT lag FROM telemetry.stat_pipeline') eq '0' }, 'lag is known');

# The file is a plain subset of YAML: a name, a folded query, a list of one-line declarations.
my %metric;
my %query;
my $name;
for my $line (split /\n/, slurp_file("$TelemetryTest::root/bi/ops/postgres_exporter.yaml"))
{
	next if $line =~ /^(#.*)?$/;
	if ($line =~ /^(\w+):$/) { $name = $1 }
	elsif ($line =~ /^  (query: >-|metrics:)$/) { }
	elsif ($line =~ /^    - (\w+): \{usage: (LABEL|GAUGE|COUNTER), description: "[^"]+"\}$/) { push @{ $metric{$name} }, [ $1, $2 ] }
	elsif ($line =~ /^    (\S.*)$/) { $query{$name} .= "$1 " }
	else { fail("not understood: $line") }
}
is(join(' ', sort keys %query), join(' ', sort keys %metric), 'each query declares its columns');
for my $key (sort keys %query)
{
	my $rows = $node->safe_psql('postgres', "SET ROLE watcher; SELECT row_to_json(x) FROM ($query{$key}) x");
	my @rows = map { JSON::PP->new->decode($_) } split /\n/, $rows;

	cmp_ok(scalar @rows, '>=', 1, "$key has rows");
	is(join(' ', sort keys %{ $rows[0] }), join(' ', sort map { $_->[0] } @{ $metric{$key} }), "$key gives what it declares");
	my @wrong = grep { my ($column, $usage) = @$_; grep { defined $_->{$column} && $usage ne 'LABEL' && $_->{$column} !~ /^-?[\d.]+(e-?\d+)?$/i } @rows } @{ $metric{$key} };
	is(join(' ', map { $_->[0] } @wrong), '', "$key: figures are numbers");
}
my ($pipeline) = map { JSON::PP->new->decode($_) } $node->safe_psql('postgres', "SET ROLE watcher; SELECT row_to_json(x) FROM ($query{telemetry_pipeline}) x");
is("$pipeline->{pipeline} $pipeline->{state} $pipeline->{up} $pipeline->{stored_total} $pipeline->{lag}", 'p running 1 1 0', 'and they are right');

my $board = JSON::PP->new->decode(slurp_file("$TelemetryTest::root/bi/ops/grafana.json"));
my %known = map { my $key = $_; map { ("${key}_$_->[0]" => 1) } grep { $_->[1] ne 'LABEL' } @{ $metric{$key} } } keys %metric;
my @shown = map { $_->{expr} =~ /\b(telemetry_\w+)/g } map { @{ $_->{targets} } } @{ $board->{panels} };
cmp_ok(scalar @shown, '>=', 14, 'the dashboard shows figures');
is(join(' ', grep { !$known{$_} } @shown), '', 'all of which exist');

$node->stop;
done_testing();
