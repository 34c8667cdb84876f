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
my @views = qw(plain hll quantiles reach cleaned by_cleaned levels sessions by_session wide);

$node->safe_psql('postgres', <<'SQL');
CREATE SCHEMA game;
CREATE TABLE game.kind (id int PRIMARY KEY, name text);
INSERT INTO game.kind SELECT i, 'kind ' || i FROM generate_series(0, 4) i;
CREATE TABLE game.fact (id int, player text, kind int REFERENCES game.kind, level int, amount numeric(12,2),
    score float8, at timestamptz NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE game.fact_09 PARTITION OF game.fact FOR VALUES FROM ('2026-09-01') TO ('2026-10-01');
CREATE TABLE game.fact_10 PARTITION OF game.fact FOR VALUES FROM ('2026-10-01') TO ('2026-11-01');
CREATE TABLE game.fact_11 (day date NOT NULL, at timestamptz NOT NULL, score float8, amount numeric(12,2), level int,
    kind int, player text, id int);
ALTER TABLE game.fact ATTACH PARTITION game.fact_11 FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
SET search_path = game;
CREATE MATERIALIZED VIEW plain WITH (telemetry.continuous) AS
    SELECT day, k.name AS kind, count(*) AS events, sum(amount), avg(level), max(score), sum(score) AS total, stddev(level)
    FROM fact LEFT JOIN kind k ON k.id = fact.kind GROUP BY 1, 2;
CREATE MATERIALIZED VIEW hll WITH (telemetry.continuous) AS
    SELECT kind, telemetry.hll_agg(player) AS players, telemetry.approx_count_distinct(id) FROM fact GROUP BY kind;
CREATE MATERIALIZED VIEW quantiles WITH (telemetry.continuous) AS
    SELECT kind, telemetry.quantile_agg(score) AS scores FROM fact GROUP BY kind;
CREATE MATERIALIZED VIEW reach WITH (telemetry.continuous) AS
    SELECT kind, count(DISTINCT player) AS players, count(DISTINCT (player, day)) AS player_days FROM fact GROUP BY kind;
CREATE MATERIALIZED VIEW cleaned WITH (telemetry.continuous) AS SELECT player, at, day, level FROM fact WHERE level > 3;
CREATE MATERIALIZED VIEW by_cleaned WITH (telemetry.continuous) AS SELECT player, count(*) AS n, max(level) AS level FROM cleaned GROUP BY player;
CREATE MATERIALIZED VIEW levels WITH (telemetry.continuous) AS SELECT level, count(*) AS players, sum(n) FROM by_cleaned GROUP BY level;
CREATE MATERIALIZED VIEW sessions WITH (telemetry.continuous) AS
    SELECT player, min(at) AS started, max(at) AS ended, count(*) AS events, max(level) AS level
    FROM fact GROUP BY player, telemetry.session_window(at, interval '90 minutes');
CREATE MATERIALIZED VIEW by_session WITH (telemetry.continuous) AS
    SELECT level, count(*) AS sessions, sum(ended - started) AS played FROM sessions GROUP BY level;
CREATE MATERIALIZED VIEW wide WITH (telemetry.continuous) AS
    SELECT telemetry.first(player, at), telemetry.last(player, at), bool_and(level > 1), count(*) FROM fact;
COMMENT ON MATERIALIZED VIEW plain IS 'kept by a dump';
CREATE INDEX ON plain (kind);
CREATE FUNCTION fill(first int, last int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO game.fact SELECT i, 'p' || i % 61, i % 5, i % 23, i % 17, sqrt(i), at, at::date
    FROM (SELECT i, timestamptz '2026-09-20 UTC' + i * interval '23 minutes' AS at FROM generate_series(first, last) i) r $$;
SELECT fill(1, 4000);
-- A partition that expired, and one that is detached and may come again.
DROP TABLE game.fact_09;
ALTER TABLE fact DETACH PARTITION fact_10;
UPDATE fact SET level = level + 1 WHERE id % 9 = 0;
DELETE FROM fact WHERE id % 11 = 0;
SQL

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
