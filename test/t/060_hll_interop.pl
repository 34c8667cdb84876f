# telemetry.hll against the installed postgresql-hll: hashes, and random sets of every encoding and
# parameter, byte for byte, both ways.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TelemetryTest;

my $node = telemetry_node('main', extension => 1);

plan skip_all => 'postgresql-hll is not installed'
  if $node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'hll'") eq '0';
$node->safe_psql('postgres', 'CREATE EXTENSION hll');

sub is_true
{
	my ($query, $what) = @_;
	is($node->safe_psql('postgres', $query), 't', $what);
	return;
}

# --- hashes ------------------------------------------------------------------------------------
my $random = q{FROM (SELECT i, (random() * 1e9 - 5e8)::int AS n, (random() * 1e18 - 5e17)::bigint AS b,
	left(repeat(md5(random()::text), 9), i % 280) AS t FROM generate_series(1, 5000) i) r};
for my $pair (
	[ 'boolean', 'n > 0' ], [ 'smallint', '(n % 32768)::smallint' ], [ 'integer', 'n' ],
	[ 'bigint', 'b' ], [ 'text', 't' ], [ 'bytea', 't::bytea' ],
	[ 'text', "('ä' || t)" ], [ 'text', 't::varchar' ])
{
	my ($type, $value) = @$pair;
	is_true("SELECT bool_and(telemetry.hll_hash($value)::hll_hashval = hll_hash_$type($value)) $random",
		"hll_hash_$type($value)");
}
for my $value ("'2000-01-01'::date + n % 100000", "to_timestamp(n)", "md5(t)::uuid", "n::oid")
{
	is_true("SELECT bool_and(telemetry.hll_hash($value)::hll_hashval = hll_hash_any($value)) $random",
		"hll_hash_any($value)");
}

# --- sets: every log2m and regwidth, thresholds none, some and automatic, with and without SPARSE
$node->safe_psql('postgres', q{
	CREATE TABLE parameter AS
	SELECT row_number() OVER () AS id, log2m, regwidth, expthresh, sparseon,
		(ARRAY[0, 1, 5, 40, 300, 2500])[1 + (log2m * 7 + regwidth * 3 + expthresh + sparseon + k) % 6] AS n
	FROM generate_series(0, 17) log2m, generate_series(1, 7) regwidth,
		unnest('{-1,0,1,16,256}'::bigint[]) expthresh, generate_series(0, 1) sparseon, generate_series(2, 3) k
	WHERE (log2m + regwidth + expthresh + sparseon + k) % 2 = 0;
	CREATE TABLE value AS SELECT p.id, p.id * 1000003 + (i * i) % 99991 AS v
	FROM parameter p LEFT JOIN LATERAL generate_series(1::bigint, p.n) i ON true;
	CREATE TABLE theirs AS
	SELECT p.id, coalesce(hll_add_agg(hll_hash_bigint(v), log2m, regwidth, expthresh, sparseon),
		hll_empty(log2m, regwidth, expthresh, sparseon)) AS s
	FROM parameter p LEFT JOIN value USING (id) WHERE p.n > 0 GROUP BY p.id, log2m, regwidth, expthresh, sparseon
	UNION ALL SELECT id, hll_empty(log2m, regwidth, expthresh, sparseon) FROM parameter WHERE n = 0;
});
is($node->safe_psql('postgres', 'SELECT string_agg(DISTINCT hll_type(s)::text, $$,$$) FROM theirs'),
	'1,2,3,4', 'EMPTY, EXPLICIT, SPARSE and FULL occur');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM theirs'), '>', 1000, 'more than a thousand sets');
is_true('SELECT bool_and(hll_send(s)::telemetry.hll::bytea = hll_send(s)) FROM theirs',
	'from there, and back: the same bytes');
is_true('SELECT bool_and(hll_send(s)::telemetry.hll::text::telemetry.hll::bytea = hll_send(s)) FROM theirs',
	'the same through our text form');

# The same values added by us to their empty set.
is_true(q{
	SELECT bool_and(ours::bytea = hll_send(s)) FROM theirs JOIN (
		SELECT p.id, telemetry.hll_union_agg(telemetry.hll_add(
			hll_send(hll_empty(log2m, regwidth, expthresh, sparseon))::telemetry.hll, v)) AS ours
		FROM parameter p JOIN value USING (id) GROUP BY p.id) o USING (id)},
	'built by us with their parameters: the same bytes');
# Our own sketches, written with their parameters; they have no hashes, so no EXPLICIT sets.
is_true(q{
	SELECT bool_and(telemetry.hll_to_storage(ours, regwidth, expthresh, sparseon) = hll_send(s))
	FROM theirs JOIN parameter USING (id) JOIN (
		SELECT id, telemetry.hll_agg(v, log2m) AS ours FROM parameter JOIN value USING (id)
		WHERE log2m BETWEEN 4 AND 17 GROUP BY id) o USING (id) WHERE hll_type(s) IN (3, 4)},
	'our own sketches as SPARSE and FULL: the same bytes');
is_true(q{
	SELECT bool_and(hll_union(s, telemetry.hll_to_storage(ours, regwidth, expthresh, sparseon)::hll)
		= CASE WHEN hll_type(s) = 2 AND n > 0
			THEN telemetry.hll_to_storage(ours, regwidth, expthresh, sparseon)::hll ELSE s END)
	FROM theirs JOIN parameter USING (id) JOIN (
		SELECT id, telemetry.hll_agg(v, log2m) AS ours FROM parameter JOIN value USING (id)
		WHERE log2m BETWEEN 7 AND 17 GROUP BY id) o USING (id)},
	'they merge ours with theirs of the same values, and find nothing new');

# Unions of sets with the same parameters. (Of SPARSE sets whose short words are under 8 bits,
# postgresql-hll takes the padding for one more register.)
is_true(q{
	WITH one AS (SELECT log2m, regwidth, expthresh, sparseon, s FROM theirs JOIN parameter USING (id)
		WHERE log2m + regwidth >= 8)
	SELECT bool_and(ours::bytea = hll_send(s)) FROM (
		SELECT telemetry.hll_union_agg(hll_send(s)::telemetry.hll) AS ours, hll_union_agg(s) AS s
		FROM one GROUP BY log2m, regwidth, expthresh, sparseon) u},
	'unions: the same bytes');
is_true(q{
	SELECT bool_and((hll_send(a.s)::telemetry.hll OPERATOR(telemetry.||) hll_send(b.s)::telemetry.hll)::bytea
		= hll_send(a.s || b.s))
	FROM theirs a JOIN parameter p ON p.id = a.id
	JOIN parameter q ON (p.log2m, p.regwidth, p.expthresh, p.sparseon) = (q.log2m, q.regwidth, q.expthresh, q.sparseon)
	JOIN theirs b ON b.id = q.id WHERE p.log2m + p.regwidth >= 8},
	'unions of two: the same bytes');
# Whatever the parameters, theirs and ours merge; and ours is never off where theirs is exact.
is_true(q{
	SELECT bool_and(abs(telemetry.hll_cardinality(telemetry.hll_union(hll_send(s)::telemetry.hll, ours))
		/ exact - 1) < 6 * 1.04 / sqrt(2 ^ log2m))
	FROM theirs JOIN parameter USING (id) JOIN (
		SELECT id, telemetry.hll_agg(v) AS ours, count(DISTINCT v) AS exact FROM value GROUP BY id) o USING (id)
	WHERE log2m >= 8 AND regwidth >= 4 AND hll_type(s) <> 1 AND exact > 0},
	'sets of theirs merge with ours of another precision');
is_true(q{SELECT bool_and(telemetry.hll_cardinality(hll_send(s)::telemetry.hll) = hll_cardinality(s))
	FROM theirs WHERE hll_type(s) <= 2}, 'EXPLICIT and EMPTY sets are counted exactly');

# --- a table taken over as the migration page says ----------------------------------------------
$node->safe_psql('postgres', q{
	CREATE TABLE dau (day date PRIMARY KEY, players hll);
	INSERT INTO dau SELECT '2026-01-01'::date + d, hll_add_agg(hll_hash_bigint(d * 100 + i))
	FROM generate_series(0, 30) d, generate_series(1::bigint, 400) i GROUP BY d;
	CREATE TABLE before AS SELECT sum(hll_cardinality(players)) AS total FROM dau;
	ALTER TABLE dau ALTER players TYPE telemetry.hll USING hll_send(players)::telemetry.hll;
	INSERT INTO dau SELECT '2026-02-01', telemetry.hll_agg(3100 + i, 11) FROM generate_series(1::bigint, 400) i;
});
is_true(q{SELECT abs(sum(telemetry.hll_cardinality(players)) / (SELECT total FROM before) - 1) < 0.02
	FROM dau WHERE day < '2026-02-01'}, 'a migrated table says what it said');
is_true(q{SELECT abs(telemetry.hll_cardinality(telemetry.hll_union_agg(players)) / 3500 - 1) < 0.08 FROM dau},
	'and goes on with sketches of ours');

$node->stop;
done_testing();
