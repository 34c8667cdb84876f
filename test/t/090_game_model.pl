# A game's model end to end: from messages in a topic to KPIs, and through pg_dump and restore.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $mock = TelemetryTest::Mock->new;
my $node = telemetry_node('main', extension => 1, conf => "fsync = off\n");
my $kpis = join ' UNION ALL ', map { "SELECT '$_', md5(coalesce(string_agg(t::text, ';' ORDER BY t::text), '')) FROM game.$_ t" }
  qw(fact_player_sessions dim_player dim_game kpi_daily_active_users kpi_active_users kpi_player_status kpi_churn
  kpi_retention kpi_sessions kpi_concurrent kpi_purchases kpi_monetization kpi_player_value kpi_totals kpi_cohort_value
  kpi_leaderboard kpi_levels);

$mock->create_topic('player-events', 2);
create_server($node, 'game_kafka', $mock);
# Two fields have names of their own; the simulator's fields that no column takes go to attributes.
$node->safe_psql('postgres', <<'SQL');
SELECT telemetry.create_game_model('game_kafka', 'player-events', 'game', fields => '{"device": "context.device"}');
CREATE FOREIGN TABLE raw_topic (key text OPTIONS (metadata 'key'), value text OPTIONS (metadata 'value'))
    SERVER game_kafka OPTIONS (topic 'player-events', format 'text');
SQL
$node->command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
		'-f', "$TelemetryTest::root/examples/game/simulator.sql" ], 'the simulator');
my $sent = $node->safe_psql('postgres', <<'SQL');
CREATE TABLE sent AS SELECT * FROM game.messages(7, 50, 3000, '2026-03-01 00:00+00', '2026-03-05 00:00+00');
INSERT INTO raw_topic (key, value) SELECT key, value FROM sent ORDER BY message_number;
SELECT count(*) FROM sent;
SQL
ok( poll_until(
		sub {
			$node->safe_psql('postgres',
				"SELECT coalesce(sum(stored + dead), 0) FROM telemetry.stat_pipeline") == $sent;
		},
		'everything is read'),
	'every message is a fact or a dead letter');
cmp_ok($node->safe_psql('postgres', 'SELECT sum(dead) FROM telemetry.stat_pipeline'), '>', 0, 'some are broken');
is($node->safe_psql('postgres', <<'SQL'), '0|t|t', 'what the messages say is what the KPIs say');
WITH purchase AS (
    SELECT value::jsonb AS v FROM sent WHERE value ~ '}$' AND value ~ '"action":"purchase"' AND value !~ 'yesterday|ninety'
), batch AS (
    SELECT ((v->>'timestamp')::timestamptz AT TIME ZONE 'UTC')::date AS event_date, v->>'game_id' AS game_id, v->>'region' AS region,
           v->'context'->>'device' AS device, v->>'currency' AS currency, count(*) AS purchases, sum((v->>'amount')::numeric) AS revenue
    FROM purchase GROUP BY 1, 2, 3, 4, 5
), kpi AS (
    SELECT event_date, game_id, region, device, currency, purchases, revenue FROM game.kpi_purchases
)
SELECT (SELECT count(*) FROM ((TABLE batch EXCEPT ALL TABLE kpi) UNION ALL (TABLE kpi EXCEPT ALL TABLE batch)) d),
       (SELECT count(*) > 5 FROM kpi), (SELECT bool_and(attributes ? 'event_id') FROM game.fact_player_events);
SQL
is($node->safe_psql('postgres', 'SELECT view, v.* FROM telemetry.continuous_view c, telemetry.verify(c.view) v'),
	'', 'views equal their queries');
is( $node->safe_psql('postgres', "SELECT count(*) = (SELECT count(DISTINCT (event_time AT TIME ZONE 'UTC')::date) FROM game.fact_player_events)
	FROM pg_inherits WHERE inhparent = 'game.fact_player_events'::regclass"),
	't', 'a partition for each day');

my $dump = "$PostgreSQL::Test::Utils::tmp_check/model.sql";
my $before = $node->safe_psql('postgres', $kpis);
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ], 'restore');
is($node->safe_psql('restored', $kpis), $before, 'all KPIs are as before');
$node->safe_psql('restored',
	"INSERT INTO game.fact_player_events (event_time, player_id, game_id, action) VALUES ('2026-03-02 12:00+00', 'one more', 'g', 'login')");
is($node->safe_psql('restored', "SELECT count(*) FROM game.dim_player WHERE player_id = 'one more'"), '1',
	'and they follow what comes');
isnt($node->safe_psql('restored', $kpis), $before, 'as the digests tell');

$node->stop;
done_testing();
