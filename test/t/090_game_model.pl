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
my $relations = "SELECT relname FROM pg_class WHERE relnamespace = 'game'::regnamespace AND relkind IN ('r', 'v') AND relname ~ '^(kpi|dim|fact)_' ORDER BY 1";

# A digest of all that readers see.
sub digests
{
	my ($database) = @_;

	return join "\n", map { "$_ " . $node->safe_psql($database, "SELECT count(*) || ' ' || md5(coalesce(string_agg(t::text, ';' ORDER BY t::text), '')) FROM game.$_ t") }
	  split /\n/, $node->safe_psql($database, $relations);
}

$mock->create_topic('player-events', 2);
create_server($node, 'game_kafka', $mock);
# Two fields have names of their own; the simulator's fields that no column takes go to attributes.
$node->safe_psql('postgres', <<'SQL');
SELECT telemetry.create_game_model('game_kafka', 'player-events', 'game', fields => '{"device": "context.device"}', time_zone => 'Europe/Berlin');
CREATE FOREIGN TABLE raw_topic (key text OPTIONS (metadata 'key'), value text OPTIONS (metadata 'value'))
    SERVER game_kafka OPTIONS (topic 'player-events', format 'text');
SQL
$node->command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
		'-f', "$TelemetryTest::root/examples/game/simulator.sql" ], 'the simulator');
my $sent = $node->safe_psql('postgres', <<'SQL');
CREATE TABLE sent AS SELECT * FROM game.messages(7, 50, 3000, '2026-03-01 00:00+00', '2026-03-05 00:00+00');
-- in no order: most events are late
INSERT INTO raw_topic (key, value) SELECT key, value FROM sent ORDER BY md5(message_number || key);
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
# What the messages say, by queries that know nothing of the model.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE event AS
SELECT v->>'player_id' AS player_id, v->>'game_id' AS game_id, v->>'action' AS action, (v->>'timestamp')::timestamptz AS at,
       ((v->>'timestamp')::timestamptz AT TIME ZONE 'Europe/Berlin')::date AS d, (v->>'amount')::numeric AS amount, v->>'currency' AS currency,
       v->>'region' AS region, v->'context'->>'device' AS device, (v->>'level')::int AS level
FROM (SELECT value::jsonb AS v FROM sent WHERE NOT is_broken) AS m;
CREATE INDEX ON event (player_id, d);
ANALYZE event;
CREATE TABLE session AS
SELECT player_id, game_id, min(at) AS s, max(at) AS e, count(*) AS events FROM (
    SELECT *, count(*) FILTER (WHERE fresh) OVER (PARTITION BY player_id, game_id ORDER BY at) AS n FROM (
        SELECT *, at - lag(at) OVER (PARTITION BY player_id, game_id ORDER BY at) > '30 minutes' AS fresh FROM event) AS x) AS y GROUP BY 1, 2, n;
SQL

# Rows of either that the other has not; none, and the KPI has some.
sub same
{
	my ($kpi, $batch, $name) = @_;

	is($node->safe_psql('postgres', "WITH a AS ($kpi), b AS ($batch) SELECT (SELECT count(*) FROM ((TABLE a EXCEPT ALL TABLE b) UNION ALL (TABLE b EXCEPT ALL TABLE a)) d), (SELECT count(*) > 0 FROM a)"),
		'0|t', $name);
	return;
}
same('SELECT event_date, game_id, region, device, currency, purchases, revenue FROM game.kpi_purchases',
	"SELECT d, game_id, region, device, currency, count(*), sum(amount) FROM event WHERE action = 'purchase' GROUP BY 1, 2, 3, 4, 5", 'purchases');
same('SELECT player_id, game_id, started_at, ended_at, events FROM game.fact_player_sessions JOIN game.dim_player USING (player_key) JOIN game.dim_game USING (game_key)',
	'TABLE session', 'sessions');
same('SELECT event_date, dau, wau, mau FROM game.kpi_active_users WHERE dau > 0',
	'SELECT d, (SELECT count(DISTINCT player_id) FROM event WHERE d = x.d), (SELECT count(DISTINCT player_id) FROM event WHERE d BETWEEN x.d - 6 AND x.d),
	(SELECT count(DISTINCT player_id) FROM event WHERE d BETWEEN x.d - 29 AND x.d) FROM (SELECT DISTINCT d FROM event) x', 'active users');
same('SELECT cohort_date, day_number, cohort_players, retained, retained_rolling FROM game.kpi_retention WHERE day_number IN (0, 1, 7, 30)',
	'SELECT f, n, count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM event WHERE event.player_id = p.player_id AND d = f + n)), count(*) FILTER (WHERE l >= f + n)
	FROM (SELECT player_id, min(d) AS f, max(d) AS l FROM event GROUP BY 1) AS p, unnest(ARRAY[0, 1, 7, 30]) AS n
	WHERE f + n <= (SELECT max(d) FROM event) GROUP BY 1, 2', 'retention on day 1, 7 and 30, classic and rolling');
same('SELECT event_date, game_id, sessions, players, total_seconds FROM game.kpi_sessions',
	"SELECT d, game_id, sessions, players, seconds FROM (SELECT (s AT TIME ZONE 'Europe/Berlin')::date AS d, game_id, count(*) AS sessions, extract(epoch FROM sum(e - s)) AS seconds FROM session GROUP BY 1, 2) x
	JOIN (SELECT d, game_id, count(DISTINCT player_id) AS players FROM event GROUP BY 1, 2) y USING (d, game_id)", 'sessions by the day');
same('SELECT event_date, payers, conversion FROM game.kpi_payers WHERE payers > 0',
	"SELECT d, count(DISTINCT player_id) FILTER (WHERE action = 'purchase'), round(count(DISTINCT player_id) FILTER (WHERE action = 'purchase')::numeric / count(DISTINCT player_id), 6)
	FROM event GROUP BY 1 HAVING count(*) FILTER (WHERE action = 'purchase') > 0", 'payers');
same('SELECT game_id, level, players FROM game.kpi_levels',
	'SELECT game_id, m, count(*) FROM (SELECT game_id, player_id, max(level) AS m FROM event GROUP BY 1, 2) x GROUP BY 1, 2', 'levels');
my $value_of_cohorts = "SELECT f, n, currency, c, sum(amount), round(sum(amount) / c, 6) FROM event JOIN (SELECT player_id, min(d) AS f FROM event GROUP BY 1) p USING (player_id)
	JOIN (SELECT f, count(*) AS c FROM (SELECT min(d) AS f FROM event GROUP BY player_id) x GROUP BY 1) s USING (f), generate_series(0, 30) n
	WHERE action = 'purchase' AND d <= f + n AND f + n <= (SELECT max(d) FROM event) GROUP BY 1, 2, 3, 4";
same('SELECT cohort_date, day_number, currency, cohort_players, revenue, value_per_player FROM game.kpi_cohort_value', $value_of_cohorts, 'value of cohorts');
same("SELECT event_date, step, players FROM game.kpi_funnel WHERE players > 0",
	"WITH f AS (SELECT player_id, at, d FROM event WHERE action = 'login')
	SELECT d, 1, count(DISTINCT player_id) FROM f GROUP BY 1
	UNION ALL SELECT f.d, 2, count(DISTINCT player_id) FROM f JOIN event b USING (player_id) WHERE b.action = 'match_start' AND b.at > f.at AND b.at <= f.at + interval '24 hours' GROUP BY 1
	UNION ALL SELECT f.d, 3, count(DISTINCT player_id) FROM f JOIN event b USING (player_id) JOIN event c USING (player_id)
	WHERE b.action = 'match_start' AND b.at > f.at AND c.action = 'purchase' AND c.at > b.at AND c.at <= f.at + interval '24 hours' GROUP BY 1", 'the funnel by day');
same("SELECT step, players FROM game.funnel('{login,match_start,purchase}', '6 hours', '2026-03-01', '2026-03-03')",
	"WITH f AS (SELECT player_id, at, d FROM event WHERE action = 'login' AND d BETWEEN '2026-03-01' AND '2026-03-03')
	SELECT 1, count(DISTINCT player_id) FROM f
	UNION ALL SELECT 2, count(DISTINCT player_id) FROM f JOIN event b USING (player_id) WHERE b.action = 'match_start' AND b.at > f.at AND b.at <= f.at + interval '6 hours'
	UNION ALL SELECT 3, count(DISTINCT player_id) FROM f JOIN event b USING (player_id) JOIN event c USING (player_id)
	WHERE b.action = 'match_start' AND b.at > f.at AND c.action = 'purchase' AND c.at > b.at AND c.at <= f.at + interval '6 hours'", 'funnel(), of other days and times');
same('SELECT player_id, region, region_at, device, device_at FROM game.dim_player WHERE player_key > 0', <<'SQL', 'players, as they were last');
SELECT player_id, (array_agg(region ORDER BY at DESC) FILTER (WHERE region IS NOT NULL))[1], max(at) FILTER (WHERE region IS NOT NULL),
       (array_agg(device ORDER BY at DESC) FILTER (WHERE device IS NOT NULL))[1], max(at) FILTER (WHERE device IS NOT NULL)
FROM event GROUP BY 1
SQL
is($node->safe_psql('postgres', "SELECT bool_and(attributes ? 'event_id'), bool_and(event_date = (event_time AT TIME ZONE 'Europe/Berlin')::date) FROM game.fact_player_events"), 't|t',
	'what no column takes is in attributes, and the day is that of the zone');
is($node->safe_psql('postgres', 'SELECT dimensions FROM telemetry.stat_pipeline'),
	'player_key: game.dim_player (player_id; newest region, device), game_key: game.dim_game (game_id), date_key: game.dim_date (event_date)', 'all keys are looked up');
# Who had spent most came three days earlier than was known: all that he spent moves to another cohort.
my $moved = $node->safe_psql('postgres', <<'SQL');
INSERT INTO event (player_id, game_id, action, at, d)
SELECT player_id, 'late', 'login', (min(d) - 3 + time '12:00') AT TIME ZONE 'Europe/Berlin', min(d) - 3 FROM event
WHERE player_id = (SELECT player_id FROM event WHERE action = 'purchase' GROUP BY 1 ORDER BY sum(amount) DESC, 1 LIMIT 1) GROUP BY 1;
INSERT INTO raw_topic (key, value)
SELECT player_id, jsonb_build_object('player_id', player_id, 'game_id', game_id, 'action', action, 'timestamp', at)::text FROM event WHERE game_id = 'late';
SELECT d FROM event WHERE game_id = 'late';
SQL
ok( poll_until(sub { $node->safe_psql('postgres', "SELECT count(*) FROM game.kpi_daily_active_users WHERE game_id = 'late'") == 1 }, 'the late event is there'),
	'an event of before comes');
same('SELECT cohort_date, day_number, currency, cohort_players, revenue, value_per_player FROM game.kpi_cohort_value', $value_of_cohorts, 'the value of cohorts follows');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM game.kpi_cohort_value WHERE cohort_date = '$moved'"), '>', 0, 'in the cohort of that day');
is($node->safe_psql('postgres', 'SELECT view, v.* FROM telemetry.continuous_view c, telemetry.verify(c.view) v'),
	'', 'views equal their queries');
is( $node->safe_psql('postgres', "SELECT count(*) = (SELECT count(DISTINCT event_date) FROM game.fact_player_events), bool_and(relnamespace = 'game_partitions'::regnamespace)
	FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'game.fact_player_events'::regclass"),
	't|t', 'a partition for each day, out of sight');

my $dump = "$PostgreSQL::Test::Utils::tmp_check/model.sql";
my $before = digests('postgres');
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ], 'restore');
# All but which days are final: a pipeline that does not run here yet has no watermark.
my $others = qr/^dim_date_relative .*\n/m;
is(digests('restored') =~ s/$others//gr, $before =~ s/$others//gr, 'all KPIs are as before');
$node->safe_psql('restored', <<'SQL');
INSERT INTO game.dim_player (player_id) VALUES ('one more');
INSERT INTO game.fact_player_events (event_date, event_time, player_key, game_key, date_key, action)
SELECT '2026-03-02', '2026-03-02 12:00+00', player_key, -1, 20260302, 'login' FROM game.dim_player WHERE player_id = 'one more';
SQL
is($node->safe_psql('restored', "SELECT cohort_date FROM game.kpi_churn WHERE player_id = 'one more'"), '2026-03-02', 'and they follow what comes');

$node->stop;
done_testing();
