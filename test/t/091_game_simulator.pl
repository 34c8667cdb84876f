# The simulator of examples/game: the same seed gives the same messages, they look like a game's, and a model that
# ingests them knows of each exactly once. The independent side of every comparison is read from the JSON that was sent.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $mock = TelemetryTest::Mock->new;
my $node = telemetry_node('main', extension => 1, conf => "fsync = off\nautovacuum = off\n");
my $examples = "$TelemetryTest::root/examples/game";
my $first = '2026-03-01 00:00+00';
my $history = "messages(7, 400, 20000, '$first', '2026-04-05 00:00+00', late => 0.1, duplicates => 0.05, broken => 0.03)";

sub sql
{
	return $node->safe_psql('postgres', join ' ', @_);
}

$mock->create_topic('player-events', 2);
$mock->create_topic('other-events', 2);
create_server($node, 'game_kafka', $mock);
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', "$examples/simulator.sql" ],
	'the simulator');

# The same, whatever the plan and the settings.
my $digest = "SELECT count(*), md5(string_agg(key || value || is_late || is_repeated || is_broken, ' ' ORDER BY message_number))";
my $same = sql("$digest FROM game.$history");
for my $settings ("SET enable_hashjoin = off; SET work_mem = '64kB'",
	"SET timezone = 'America/New_York'; SET datestyle = 'German'; SET enable_sort = off; SET enable_nestloop = off",
	"SET jit = on; SET jit_above_cost = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET extra_float_digits = 0")
{
	is(sql("$settings; $digest FROM game.$history"), $same, "the same with $settings");
}
isnt(sql("$digest FROM game." . $history =~ s/7/8/r), $same, 'another seed, other messages');

# What was sent, as the documents say; those that are broken have none.
sql("CREATE TABLE sent AS SELECT * FROM game.$history", <<'SQL');
;
CREATE TABLE event AS
SELECT message_number, event_number, is_late, is_repeated, v->>'event_id' AS event_id, v->>'player_id' AS player_id, v->>'action' AS action,
       (v->>'timestamp')::timestamptz AS event_time, (v->>'amount')::numeric AS amount, v->>'currency' AS currency, v->>'region' AS region,
       min(((v->>'timestamp')::timestamptz AT TIME ZONE 'UTC')::date) OVER (PARTITION BY v->>'player_id') AS cohort_date,
       ((v->>'timestamp')::timestamptz AT TIME ZONE 'UTC')::date AS event_date
FROM (SELECT *, value::jsonb AS v FROM sent WHERE NOT is_broken OFFSET 0) AS s;
SQL
is(sql('SELECT count(DISTINCT event_number), min(event_number), max(event_number), count(*) - count(*) FILTER (WHERE is_repeated) FROM sent'),
	'20000|1|20000|20000', 'as many events as asked for, and the repeated ones');
is(sql(<<'SQL'), 't|t|t|f', 'parts of them are late, twice, broken; none is broken and twice');
SELECT abs(count(*) FILTER (WHERE is_late AND NOT is_repeated) - 2000) < 200, abs(count(*) FILTER (WHERE is_repeated) - 1000) < 150,
       abs(count(*) FILTER (WHERE is_broken) - 600) < 120, bool_or(is_broken AND is_repeated) FROM sent
SQL
is(sql(<<'SQL'), 't|t|t', 'late ones are, up to two days; the others come in the order in which they happened');
SELECT max(ahead - event_time) > interval '12 hours', max(ahead - event_time) <= interval '2 days',
       max(ahead - event_time) FILTER (WHERE NOT is_late) <= interval '3 seconds'
FROM (SELECT *, max(event_time) FILTER (WHERE NOT is_late) OVER (ORDER BY message_number) AS ahead FROM event) AS e
SQL
is(sql(<<'SQL'), 't|t|t', 'Europe sleeps at night, America later');
SELECT count(*) FILTER (WHERE region = 'eu' AND h BETWEEN 1 AND 3) * 5 < count(*) FILTER (WHERE region = 'eu' AND h BETWEEN 17 AND 19),
       count(*) FILTER (WHERE region = 'na' AND h BETWEEN 8 AND 10) * 5 < count(*) FILTER (WHERE region = 'na' AND h BETWEEN 1 AND 3),
       count(*) FILTER (WHERE region = 'na' AND h BETWEEN 1 AND 3) > 2 * count(*) FILTER (WHERE region = 'eu' AND h BETWEEN 1 AND 3)
FROM (SELECT region, extract(hour FROM event_time AT TIME ZONE 'UTC') AS h FROM event) AS e
SQL
is(sql(<<'SQL'), 't|t|t|t', 'some pay, in five currencies, a few in two; a campaign brings more players than the days before');
SELECT (SELECT count(DISTINCT player_id) FILTER (WHERE currency IS NOT NULL) BETWEEN 0.05 * count(DISTINCT player_id) AND 0.3 * count(DISTINCT player_id) FROM event),
       (SELECT count(DISTINCT currency) = 5 FROM event),
       (SELECT count(*) > 3 FROM (SELECT FROM event GROUP BY player_id HAVING count(DISTINCT currency) = 2) AS p),
       (SELECT count(DISTINCT player_id) FILTER (WHERE cohort_date IN ('2026-03-21', '2026-03-22'))
               > 2 * count(DISTINCT player_id) FILTER (WHERE cohort_date IN ('2026-03-19', '2026-03-20')) FROM event)
SQL

# Into the topic, and through a pipeline: nothing is missing, nothing is there twice.
sql(<<'SQL');
SET client_min_messages = error;
SELECT telemetry.create_game_model('game_kafka', 'player-events', 'game', fields => '{"device": "context.device"}');
CREATE FOREIGN TABLE raw_topic (key text OPTIONS (metadata 'key'), value text OPTIONS (metadata 'value'))
    SERVER game_kafka OPTIONS (topic 'player-events', format 'text');
INSERT INTO raw_topic (key, value) SELECT key, value FROM sent ORDER BY message_number;
SQL
my $sent = sql('SELECT count(*) FROM sent');
poll_until(sub { sql('SELECT coalesce(sum(stored + dead), 0) FROM telemetry.stat_pipeline') >= $sent }, 'all is read');
is(sql('SELECT stored, dead FROM telemetry.stat_pipeline'),
	sql('SELECT count(*) FILTER (WHERE NOT is_broken), count(*) FILTER (WHERE is_broken) FROM sent'),
	'what is broken is a dead letter, all else is a fact');
is(sql("SELECT count(*) FROM telemetry.dead_letter WHERE convert_from(value, 'UTF8') NOT IN (SELECT value FROM sent WHERE is_broken)"),
	'0', 'those and no others');
is(sql(<<'SQL'), '0', 'facts are what was sent');
WITH fact AS (SELECT attributes->>'event_id' AS event_id, event_time, action, amount, currency, region FROM game.fact_player_events),
     told AS (SELECT event_id, event_time, action, amount, currency, region FROM event)
SELECT count(*) FROM ((TABLE fact EXCEPT ALL TABLE told) UNION ALL (TABLE told EXCEPT ALL TABLE fact)) AS d
SQL

is(sql('SELECT sum(resurrected_players) > 5 FROM game.kpi_player_status'), 't', 'some were away for weeks, and came back');
# What the KPIs say of it is what the documents say, and no flat line.
is(sql(<<'SQL'), '0|t', 'active users of days');
WITH batch AS (SELECT event_date, count(DISTINCT player_id) AS dau FROM event GROUP BY 1),
     kpi AS (SELECT event_date, dau FROM game.kpi_active_users WHERE dau > 0)
SELECT (SELECT count(*) FROM ((TABLE batch EXCEPT ALL TABLE kpi) UNION ALL (TABLE kpi EXCEPT ALL TABLE batch)) AS d),
       (SELECT count(*) = 35 AND min(dau) >= 20 AND max(dau) > 1.5 * min(dau) FROM kpi)
SQL
is(sql(<<'SQL'), '0|t|t|t', 'retention: it falls, by a half on the first day, and slower then');
WITH batch AS (SELECT event_date - cohort_date AS n, count(DISTINCT (player_id, event_date)) AS retained FROM event WHERE event_date - cohort_date <= 30 GROUP BY 1),
     kpi AS (SELECT day_number AS n, sum(retained)::bigint AS retained, sum(retained) / sum(cohort_players) AS part
             FROM game.kpi_retention GROUP BY 1)
SELECT (SELECT count(*) FROM batch FULL JOIN kpi USING (n) WHERE batch.retained IS DISTINCT FROM kpi.retained),
       (SELECT part BETWEEN 0.4 AND 0.7 FROM kpi WHERE n = 1), (SELECT part BETWEEN 0.15 AND 0.35 FROM kpi WHERE n = 7),
       (SELECT part BETWEEN 0.05 AND 0.2 FROM kpi WHERE n = 30)
SQL
is(sql(<<'SQL'), '0|t|t|t', 'revenue, each currency apart; sessions; players at one time');
WITH batch AS (SELECT region, currency, sum(amount) AS revenue FROM event WHERE action = 'purchase' GROUP BY 1, 2),
     kpi AS (SELECT region, currency, sum(revenue) AS revenue FROM game.kpi_purchases GROUP BY 1, 2)
SELECT (SELECT count(*) FROM ((TABLE batch EXCEPT ALL TABLE kpi) UNION ALL (TABLE kpi EXCEPT ALL TABLE batch)) AS d),
       (SELECT count(*) >= 7 AND min(revenue) > 0 FROM kpi), (SELECT avg(median_seconds) BETWEEN 300 AND 2400 FROM game.kpi_sessions),
       (SELECT max(peak_players) BETWEEN 3 AND 100 FROM game.kpi_concurrent)
SQL

# The live stream: pieces of time fit together, and the shell does the same.
is(sql(<<'SQL'), '0|5000', 'ten seconds in uneven pieces are the ten seconds');
WITH whole AS (SELECT event_number, is_repeated, key, value FROM game.live_messages(7, 1000, 500, '2026-03-01 10:00:00+00', '2026-03-01 10:00:10+00')),
     piece AS (SELECT event_number, is_repeated, key, value
               FROM (VALUES ('10:00:00', '10:00:00.0003'), ('10:00:00.0003', '10:00:03.1'), ('10:00:03.1', '10:00:10')) AS p (f, t)
               CROSS JOIN LATERAL game.live_messages(7, 1000, 500, ('2026-03-01 ' || f || '+00')::timestamptz, ('2026-03-01 ' || t || '+00')::timestamptz))
SELECT (SELECT count(*) FROM ((TABLE whole EXCEPT ALL TABLE piece) UNION ALL (TABLE piece EXCEPT ALL TABLE whole)) AS d),
       (SELECT count(DISTINCT event_number) FROM whole)
SQL
{
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres');
	my $before = sql('SELECT clock_timestamp()');

	sql('CREATE TABLE sink (key text, value text)');
	my ($out, $err) = run_command([ "$examples/simulate", '--into', 'sink', '--rate', 400, '--seconds', 1.5, '--broken', 0, '--late', 0 ]);
	is($err, '', 'simulate streams');
	like($out, qr/^6\d\d messages sent in [1-9]\d*\.\d s, as they happened$/, 'and says how many');
	is(sql("SELECT count(*) - count(DISTINCT value) < 20, count(DISTINCT value),
		bool_and((value::jsonb->>'timestamp')::timestamptz BETWEEN '$before'::timestamptz - interval '1 ms' AND clock_timestamp()) FROM sink"),
		't|600|t', 'at the rate, and at the time it is');
	($out, $err) = run_command([ "$examples/simulate", '--server', 'game_kafka', '--topic', 'other-events', '--into', 'game.other',
		'--events', 1000, '--days', 3, '--until', '2026-03-10 12:00+00' ]);
	like($out, qr/^10\d\d messages sent/, 'simulate sends a history to a topic');
	is(sql('SELECT count(*) FROM game.other') . ' messages', $out =~ s/ sent.*//sr, 'and there it is');
	command_fails_like([ "$examples/simulate", '--rate', 'many', '--into', 'sink' ], qr/--rate is a number, not many/, 'no number');
	command_fails_like([ "$examples/simulate", '--speed', 5 ], qr/unknown argument --speed/, 'no such option');
	command_fails_like([ "$examples/simulate", '--seed', 5 ], qr/say --events for a history, or --rate/, 'nothing to do');
}

# ---- rights, beside batches ----------------------------------------------------------------------------------------------------
# What PostgreSQL keeps of a table's foreign keys goes with each right that is granted on it, also while a worker, which looks the
# target over anew after each, reads them. Who is connected learns of a crash.
{
	my $commit = sql('SELECT max(last_commit_at) FROM telemetry.stat_pipeline');
	my $rights = IPC::Run::start(
		[ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-v', 'ON_ERROR_STOP=1', '-c', <<~'SQL' ], '2>', \my $said);
		DO $$
		BEGIN
		    FOR i IN 1..10000 LOOP
		        GRANT SELECT ON game.fact_player_events, game.dim_player TO PUBLIC;
		        COMMIT;
		        REVOKE SELECT ON game.fact_player_events, game.dim_player FROM PUBLIC;
		        COMMIT;
		    END LOOP;
		END $$
		SQL

	sql("SELECT pg_sleep(0.05); INSERT INTO public.raw_topic (key, value) SELECT key, value FROM game.messages($_, 5, 20, '$first', '2026-03-03 00:00+00')")
		for 1 .. 40;
	ok($rights->finish, 'GRANT beside batches crashes nothing') || diag($said);
	cmp_ok(sql('SELECT max(last_commit_at) FROM telemetry.stat_pipeline'), 'gt', $commit, 'and batches were written beside it');
}

$node->stop;
done_testing();
