# What BI clients ask live (bench/model/shapes.sql): the plans of queries over facts read the partitions of the days that
# they name, and those over KPIs no fact at all.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = telemetry_node('main', extension => 1, conf => "fsync = off\n");
$node->safe_psql('postgres', <<'SQL');
CREATE SERVER game_kafka FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'localhost:1');
SELECT telemetry.create_game_model('game_kafka', 'player-events', 'game', paused => true);
INSERT INTO game.dim_player (player_id, region) SELECT p::text, 'r' || p % 3 FROM generate_series(1, 100) AS p;
INSERT INTO game.dim_game (game_id) VALUES ('g1'), ('g2');
SELECT format('CREATE TABLE game_partitions.fact_player_events_%s PARTITION OF game.fact_player_events FOR VALUES FROM (%L) TO (%L)',
    to_char(d, 'YYYYMMDD'), d::date, d::date + 1) FROM generate_series(timestamp '2026-01-01', '2026-01-30', '1 day') AS d
\gexec
INSERT INTO game.fact_player_events (event_date, event_time, player_key, game_key, date_key, action, amount, currency, region, device, level)
SELECT d::date, d + n * interval '13 minutes', 1 + n % 97, 1 + n % 2, to_char(d, 'YYYYMMDD')::int,
       (ARRAY['login', 'purchase', 'chat'])[1 + n % 3], CASE WHEN n % 3 = 1 THEN n END, CASE WHEN n % 3 = 1 THEN 'EUR' END, 'eu', 'pc', n % 10
FROM generate_series(timestamptz '2026-01-01 00:00+00', '2026-01-30 00:00+00', '1 day') AS d, generate_series(1, 100) AS n;
VACUUM ANALYZE;
CREATE ROLE analysts;
SELECT telemetry.grant_bi('analysts', 'game');
SQL

# Partitions of the facts that a plan is going to read, whether the planner or the executor's start left out the others.
sub partitions_read
{
	my ($query) = @_;
	my $plan = $node->safe_psql('postgres', "SET ROLE analysts; EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $query");
	my %read = map { $_ => 1 } $plan =~ /(?:Scan|Only)[^\n]* on (fact_player_events_\d+)[^\n]*actual/g;

	return (scalar keys %read, $plan);
}

my $shapes = slurp_file("$TelemetryTest::root/bench/model/shapes.sql");
my %value = (schema => 'game', day => '2026-01-10', next => '2026-01-11', week => '2026-01-17');
my %seen;
$shapes =~ s/\{(\w+)\}/$value{$1}/g;
while ($shapes =~ /^-- (kpi|facts (\d+)): ([^\n]+)\n((?:SELECT|DECLARE).*?);\n/msg)
{
	my ($kind, $days, $name, $query) = ($1, $2, $3, $4);
	my ($read, $plan) = partitions_read($query);

	$seen{ $days ? 'facts' : 'kpi' }++;
	is($read, $days // 0, $days ? "$name: $days of 30 partitions" : "$name: no facts") or diag($plan);
	unlike($plan, qr/fact_player_events[^\n]*\bactual rows=0 loops=0/, "$name: nothing is planned in vain") if $days;
}
is_deeply(\%seen, { facts => 8, kpi => 10 }, 'all shapes were looked at');

# What docs/kpis.md warns of: a filter on anything but the day reads all.
is((partitions_read("SELECT count(*) FROM game.fact_player_events JOIN game.dim_date USING (date_key) WHERE dim_date.event_date = '2026-01-10'"))[0],
	30, 'a filter through dim_date reads all partitions');

$node->stop;
done_testing();
