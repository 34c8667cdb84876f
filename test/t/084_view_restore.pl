# Continuous views of every kind through pg_dump and restore: whole, by several processes; and as
# schema and data apart, where telemetry.suspend() keeps rows from being counted twice.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = "fsync = off\nshared_buffers = '32MB'\nautovacuum = off\n";
my $node = telemetry_node('main', extension => 1, conf => $conf);
my $dir = PostgreSQL::Test::Utils::tempdir();
my @views = qw(plain hll quantiles funnels funnels_of_kind reached reach cleaned by_cleaned levels sessions by_session wide);

# Also what test/upgrade takes through pg_upgrade.
$node->safe_psql('postgres', PostgreSQL::Test::Utils::slurp_file("$FindBin::RealBin/lib/views_of_every_kind.sql"));

sub differences
{
	my ($on, $database) = @_;
	my $query = join ' UNION ALL ', map { "SELECT '$_:' || count(*) FROM telemetry.verify('game.$_')" } @views;
	return $on->safe_psql($database, $query) =~ s/\n/ /gr;
}

# What the views show, whatever the order.
sub contents
{
	my ($on, $database) = @_;
	return $on->safe_psql($database, join ' UNION ALL ',
		map { "SELECT '$_', md5(string_agg(v::text, E'\\n' ORDER BY v::text COLLATE \"C\")) FROM game.$_ v" } @views);
}

my $equal = join ' ', map { "$_:0" } @views;

# The views are live, and follow whatever happens from now on.
sub is_in_use
{
	my ($on, $database, $what) = @_;

	is($on->safe_psql($database, "SELECT string_agg(DISTINCT status, ',') FROM telemetry.continuous_view"), 'live', "$what: the views are live");
	is(differences($on, $database), $equal, "$what: each view equals its query");
	is(contents($on, $database), contents($node, 'postgres'), "$what: and shows what the original shows");
	$on->safe_psql($database, <<'SQL');
SELECT game.fill(4001, 4400);
UPDATE game.fact SET at = at + interval '7 hours', score = -score WHERE id % 7 = 0;
DELETE FROM game.fact WHERE id % 13 = 0;
ALTER TABLE game.fact ATTACH PARTITION game.fact_10 FOR VALUES FROM ('2026-10-01') TO ('2026-11-01');
DELETE FROM game.fact_10 WHERE id % 3 = 0;
SQL
	is(differences($on, $database), $equal, "$what: and follows insertions, updates, deletions and a partition");
	$on->safe_psql($database, 'DROP TABLE game.fact_11; REFRESH MATERIALIZED VIEW game.plain; TRUNCATE game.fact');
	is(differences($on, $database), $equal, "$what: expiry, REFRESH and TRUNCATE");
	return;
}

is(differences($node, 'postgres'), $equal, 'the original is in order');
my ($state, $aside) = split /\|/, $node->safe_psql('postgres', "SELECT v.state, max(a.attname::text COLLATE \"C\") FROM telemetry.continuous_view v
	JOIN pg_attribute a ON a.attrelid = v.state AND a.attname LIKE '%_aside' WHERE v.view = 'game.hll'::regclass GROUP BY 1");
is($node->safe_psql('postgres', "SELECT count(*) FROM $state WHERE $aside IS NOT NULL"), 5, 'its sketches have something aside');

# ---- whole, by two processes each
$node->command_ok([ 'pg_dump', '-Fd', '-j2', '-f', "$dir/whole", $node->connstr('postgres') ], 'pg_dump -j2');
$node->safe_psql('postgres', 'CREATE DATABASE whole');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-j2', '-d', $node->connstr('whole'), "$dir/whole" ], 'pg_restore -j2');
is($node->safe_psql('whole', "SELECT obj_description('game.plain'::regclass)"), 'kept by a dump', 'the comment came along');
is_in_use($node, 'whole', 'whole');

# ---- schema and data apart, into another cluster
my $fresh = telemetry_node('fresh', conf => $conf);
my $connection = $fresh->connstr('apart');
$node->command_ok([ 'pg_dump', '-Fc', '--schema-only', '-f', "$dir/schema", $node->connstr('postgres') ], 'pg_dump --schema-only');
$node->command_ok([ 'pg_dump', '-Fc', '--data-only', '-f', "$dir/data", $node->connstr('postgres') ], 'pg_dump --data-only');
$fresh->safe_psql('postgres', 'CREATE DATABASE apart');
$fresh->command_ok([ 'pg_restore', '--exit-on-error', '-d', $connection, "$dir/schema" ], 'the schema');

# Without suspend() it ends where rows would begin to be counted twice, in whatever way.
$fresh->command_fails_like([ 'pg_restore', '--exit-on-error', '--single-transaction', '-d', $connection, "$dir/data" ],
	qr/would be counted twice/, 'the data alone is refused');
$fresh->command_fails_like([ 'pg_restore', '--exit-on-error', '--single-transaction', '--disable-triggers', '-d', $connection, "$dir/data" ],
	qr/triggers of telemetry._view stay as they are/, 'and with --disable-triggers, too');
is($fresh->safe_psql('apart', 'SELECT (SELECT count(*) FROM game.fact) + (SELECT count(*) FROM game.plain)'), '0', 'and nothing of it is there');

# A session that looked before anything was there follows afterwards.
my $early = $fresh->background_psql('apart');
$early->query_safe("INSERT INTO game.kind VALUES (7); INSERT INTO game.fact (day, at) VALUES ('2026-11-01', '2026-11-01'); DELETE FROM game.fact; DELETE FROM game.kind");
$fresh->safe_psql('apart', 'SELECT telemetry.suspend()');
# In the worst order: the views are known before the rows come.
my @entries = split /\n/, `pg_restore -l '$dir/data'`;
my ($of_views, $others) = (join("\n", grep { / _view / } @entries), join("\n", grep { !/ _view / } @entries));
like($of_views, qr/TABLE DATA telemetry _view/, 'the dump has them');
PostgreSQL::Test::Utils::append_to_file("$dir/list", "$of_views\n$others\n");
$fresh->command_ok([ 'pg_restore', '--exit-on-error', '-L', "$dir/list", '-d', $connection, "$dir/data" ], 'after suspend() it goes');
like($fresh->safe_psql('apart', "SELECT string_agg(DISTINCT status, ',') FROM telemetry.continuous_view"), qr/^suspended$/, 'the views are suspended');
is($fresh->safe_psql('apart', "INSERT INTO game.fact (id, player, kind, day, at) VALUES (-1, 'late', 1, '2026-11-01', '2026-11-01'); DELETE FROM game.fact WHERE id = -1; SELECT count(*) FROM game.plain WHERE kind IS NULL"),
	$node->safe_psql('postgres', 'SELECT count(*) FROM game.plain WHERE kind IS NULL'), 'and follow nothing');
$fresh->safe_psql('apart', "SELECT telemetry.resume(states => 'restored')");
is(differences($fresh, 'apart'), $equal, 'each view equals its query');
$early->query_safe("INSERT INTO game.fact (id, player, kind, day, at) VALUES (5000, 'early', 1, '2026-11-01', '2026-11-01')");
is($fresh->safe_psql('apart', "SELECT n FROM (SELECT count(*) AS n FROM game.sessions WHERE player = 'early') s"), '1', 'a session from before follows');
$early->query_safe("DELETE FROM game.fact WHERE id = 5000");
$early->quit;
is_in_use($fresh, 'apart', 'schema and data apart');

# By two processes, with all triggers off and on again.
$fresh->safe_psql('postgres', 'CREATE DATABASE triggerless');
$connection = $fresh->connstr('triggerless');
$fresh->command_ok([ 'pg_restore', '--exit-on-error', '-d', $connection, "$dir/schema" ], 'the schema once more');
$fresh->safe_psql('triggerless', 'SELECT telemetry.suspend()');
$fresh->command_ok([ 'pg_restore', '--exit-on-error', '-j2', '--disable-triggers', '-d', $connection, "$dir/data" ], 'the data by two processes, without triggers');
$fresh->safe_psql('triggerless', "SELECT telemetry.resume(states => 'restored'); SELECT game.fill(4001, 4100); DELETE FROM game.fact WHERE id % 5 = 0");
is(differences($fresh, 'triggerless'), $equal, 'each view equals its query, and follows');

# ---- a suspended database is suspended in its copy
$node->safe_psql('postgres', "SELECT telemetry.suspend('game.fact'); SELECT game.fill(3001, 3100)");
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/suspended", $node->connstr('postgres') ], 'pg_dump of a suspended database');
$node->safe_psql('postgres', 'CREATE DATABASE suspended');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('suspended'), "$dir/suspended" ], 'pg_restore');
$node->safe_psql($_, "SELECT telemetry.resume('game.fact')") foreach qw(postgres suspended);
is_in_use($node, 'suspended', 'suspended');

done_testing();
