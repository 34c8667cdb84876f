# Versions of members (type 2): whatever the order, batches, workers and paths by which events come, the
# versions are what a query over the facts gives, and each fact refers to the one valid at its time.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use Test::More;

my $kafka = TelemetryTest::Kafka->new;
my $node = telemetry_node('main', extension => 1, conf => "restart_after_crash = on\ndeadlock_timeout = '100ms'\nmax_worker_processes = 20\n");
create_server($node, 'kafka', $kafka);

sub sql { return $node->safe_psql('postgres', $_[0]); }

# The versions as a query over the facts has them, told without keys.
sub expected
{
	my ($schema) = @_;
	return "WITH said AS (SELECT DISTINCT ON (player_id, event_time) player_id, event_time, region, level FROM $schema.fact
			WHERE player_id IS NOT NULL AND isfinite(event_time) AND region IS NOT NULL AND level IS NOT NULL
			ORDER BY player_id, event_time, format('%s', region) COLLATE \"C\" DESC, format('%s', level) COLLATE \"C\" DESC),
		run AS (SELECT * FROM (SELECT *, (region, level) IS DISTINCT FROM (lag(region) OVER w, lag(level) OVER w) AS begins
			FROM said WINDOW w AS (PARTITION BY player_id ORDER BY event_time)) x WHERE begins),
		version AS (SELECT player_id, region, level, event_time AS valid_from FROM run
			UNION ALL SELECT DISTINCT player_id, NULL::text, NULL::int, timestamptz '-infinity' FROM $schema.fact WHERE player_id IS NOT NULL)
		SELECT player_id, region, level, valid_from, lead(valid_from, 1, 'infinity') OVER (PARTITION BY player_id ORDER BY valid_from) AS valid_to FROM version";
}

# How many versions differ from it, either way.
sub differences
{
	my ($schema) = @_;
	my $there = "SELECT player_id, region, level, valid_from, valid_to FROM $schema.player WHERE player_key > 0 AND valid_from < valid_to";
	return sql("WITH e AS MATERIALIZED (" . expected($schema) . "), t AS MATERIALIZED ($there)
		SELECT (SELECT count(*) FROM (TABLE t EXCEPT ALL TABLE e) x) || ' ' || (SELECT count(*) FROM (TABLE e EXCEPT ALL TABLE t) x)");
}

# Facts that do not refer to their player's version of their time.
sub misplaced
{
	my ($schema) = @_;
	return sql("SELECT count(*) FROM $schema.fact f LEFT JOIN $schema.player p USING (player_key) WHERE p.player_key IS NULL
		OR (f.player_id IS NULL) <> (p.player_key = -1)
		OR (f.player_id IS NOT NULL AND (f.player_id <> p.player_id OR p.valid_from = p.valid_to OR coalesce(f.event_time, '-infinity') < p.valid_from
			OR (f.event_time >= p.valid_to AND p.valid_to < 'infinity')))");
}

# ---- any order ------------------------------------------------------------------------------------
my $random = 4711;
my $below = sub { $random = ($random * 1103515245 + 12345) & 0x7fffffff; return ($random >> 8) % $_[0]; };
my @events;
for my $id (1 .. 1000)
{
	# Few values and few times: runs that end and begin again, equal times, events that say nothing.
	push @events, json_event(id => $below->(50) == 0 ? $id - 1 : $id, player_id => $below->(60) ? 'p' . $below->(40) : undef,
		region => $below->(6) ? 'r' . $below->(2) : undef, level => $below->(8) ? 9 + $below->(2) : undef, amount => $below->(70) - 1,
		event_time => $below->(50) ? sprintf('2026-01-%02dT%02d:00:00Z', 1 + $below->(12), $below->(4)) : $below->(3) ? 'infinity' : undef);
}
my @sorted = sort { ($a =~ /event_time":"?([^",]*)/)[0] cmp ($b =~ /event_time":"?([^",]*)/)[0] } @events;
my %orders = (there => \@events, back => [ reverse @events ], sorted => \@sorted);
for my $order (sort keys %orders)
{
	my $n = 0;
	$kafka->create_topic($order, 2);
	$kafka->produce($order, map { [ $n++ % 2, 'k', $_ ] } @{ $orders{$order} });
}
my %pipelines = (
	sorted_large => { order => 'sorted', options => "workers => 1" },
	small => { order => 'there', options => "workers => 2, batch_rows => 20" },
	large => { order => 'back', options => "workers => 1" },
	executor => { order => 'back', options => "workers => 2, batch_rows => 90" },
	partitioned => { order => 'there', options => "workers => 2, batch_rows => 200", by => "PARTITION BY RANGE (event_time)" });
for my $name (sort keys %pipelines)
{
	my $by = $pipelines{$name}{by} // '';
	my $unique = $by ? '' : 'UNIQUE';
	sql(<<SQL);
CREATE SCHEMA $name;
CREATE TABLE $name.player (player_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, player_id text NOT NULL, region text, level int,
    valid_from timestamptz NOT NULL, valid_to timestamptz NOT NULL, note text, UNIQUE (player_id, valid_from));
INSERT INTO $name.player (player_key, player_id, valid_from, valid_to) OVERRIDING SYSTEM VALUE VALUES (-1, '?', '-infinity', 'infinity');
CREATE TABLE $name.fact (id bigint $unique, player_key bigint NOT NULL REFERENCES $name.player, player_id text, region text, level int,
    amount int CHECK (amount >= 0), event_time timestamptz) $by;
CREATE INDEX ON $name.fact (player_key, event_time);
CREATE FOREIGN TABLE $name.topic (id bigint, player_id text, region text, level int, amount int, event_time timestamptz) SERVER kafka OPTIONS (topic '$pipelines{$name}{order}');
CREATE MATERIALIZED VIEW $name.by_version WITH (telemetry.continuous) AS SELECT player_key, count(*) AS events, sum(amount) AS amount FROM $name.fact GROUP BY 1;
SQL
	sql("CREATE TABLE $name.fact_1 PARTITION OF $name.fact FOR VALUES FROM (MINVALUE) TO ('2026-01-04'); CREATE TABLE $name.fact_2 PARTITION OF $name.fact FOR VALUES FROM ('2026-01-04') TO ('2026-01-09');
		CREATE TABLE $name.fact_3 PARTITION OF $name.fact DEFAULT") if $by;
	# A row trigger makes it the executor's.
	sql('CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; CREATE TRIGGER same BEFORE INSERT ON executor.fact FOR EACH ROW EXECUTE FUNCTION same()') if $name eq 'executor';
	sql("SELECT telemetry.create_pipeline('$name', '$name.topic', '$name.fact', event_time_column => 'event_time', max_ahead => NULL, dead_letter_limit => NULL, $pipelines{$name}{options})");
}
for my $round (1 .. 3)
{
	my $pid = sql("SELECT max(pid) FROM telemetry.stat_worker WHERE pipeline = 'small'");
	TelemetryTest::crash($node, $pid) if $pid;
}
for my $name (sort keys %pipelines)
{
	settled($node, $name, scalar(@events));
	is(differences($name), '0 0', "$name: the versions are what a query over the facts gives");
	is(misplaced($name), 0, "$name: each fact refers to the version of its time");
	cmp_ok(sql("SELECT count(*) FROM $name.fact"), '>', 850, "$name: of many facts");
	is(sql("SELECT count(*) FROM (" . expected($name) . ") x") > 300, 1, "$name: and many versions");
	is(sql("SELECT count(*) FROM telemetry.verify('$name.by_version')"), 0, "$name: a view follows");
}
is(sql("SELECT string_agg(path, ',' ORDER BY pipeline) FROM telemetry.stat_pipeline"), 'executor,fast,fast,fast,fast', 'over both paths');
is(sql("SELECT dimensions FROM telemetry.stat_pipeline WHERE pipeline = 'large'"), 'player_key: large.player (player_id; versions by region, level)', 'what is kept is shown');

# The constraints hold when PostgreSQL checks them from scratch.
sql('ALTER TABLE small.fact ADD CONSTRAINT again FOREIGN KEY (player_key) REFERENCES small.player');
sql("ALTER TABLE small.player ADD CONSTRAINT apart EXCLUDE USING gist (int8range(hashtext(player_id), hashtext(player_id), '[]') WITH &&, tstzrange(valid_from, valid_to) WITH &&) WHERE (player_key > 0) DEFERRABLE");
pass('the foreign key, and intervals that do not overlap');
# ... and a deferrable one while versions are made, from the earliest time on.
$kafka->produce('there', map { json_event(id => 9000 + $_, player_id => "p$_", region => 'early', level => $_ % 3, amount => 0, event_time => '2025-12-31T00:00:00Z') } 1 .. 40);
settled($node, 'small', @events + 40);
is(differences('small') . ' ' . misplaced('small'), '0 0 0', 'with an exclusion constraint');

# ---- an event that is not stored makes no version -------------------------------------------------
$kafka->produce('back', json_event(id => 9100, player_id => 'dead', region => 'x', level => 1, amount => -5, event_time => '2026-02-01T00:00:00Z'),
	json_event(id => 9101, player_id => 'dead', region => 'y', level => 2, amount => 5, event_time => '2026-02-02T00:00:00Z'));
settled($node, 'large', @events + 2);
is(sql("SELECT string_agg(coalesce(region, '-'), ',' ORDER BY valid_from) FROM large.player WHERE player_id = 'dead'"), '-,y', 'a dead letter makes no version');
sql('ALTER TABLE large.fact DROP CONSTRAINT fact_amount_check');
my (undef, undef, $refused) = $node->psql('postgres', "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT telemetry.retry_dead_letters('large')");
like($refused, qr/members of dimension large.player can only be looked up at isolation level READ COMMITTED/, 'an old snapshot is refused');
sql("BEGIN; SELECT telemetry.retry_dead_letters('large'); ROLLBACK");
is(sql("SELECT count(*) FROM large.player WHERE player_id = 'dead'"), 2, 'rolled back, it makes none');
sql("SELECT telemetry.retry_dead_letters('large', ids => ARRAY(SELECT dead_letter_id FROM telemetry.dead_letter WHERE pipeline = 'large' AND constraint_name = 'fact_amount_check'))");
is(sql("SELECT string_agg(coalesce(region, '-'), ',' ORDER BY valid_from) FROM large.player WHERE player_id = 'dead'"), '-,x,y', '... after a fix it does');
is(differences('large') . ' ' . misplaced('large'), '0 0 0', '... as if it had come in time');

# ---- who may not make versions looks them up -------------------------------------------------------
sql(<<'SQL');
CREATE ROLE reader;
CREATE SCHEMA lookup AUTHORIZATION reader;
GRANT USAGE ON FOREIGN SERVER kafka TO reader;
CREATE TABLE public.rate (rate_key int PRIMARY KEY, currency text NOT NULL, percent int, valid_from timestamptz NOT NULL, valid_to timestamptz NOT NULL, UNIQUE (currency, valid_from));
INSERT INTO rate VALUES (-1, '?', NULL, '-infinity', 'infinity'), (1, 'eur', NULL, '-infinity', '2026-01-01'), (2, 'eur', 5, '2026-01-01', '2026-02-01'), (3, 'eur', 7, '2026-02-01', 'infinity');
GRANT SELECT, REFERENCES ON rate TO reader;
SET ROLE reader;
CREATE FOREIGN TABLE lookup.topic (currency text, percent int, event_time timestamptz) SERVER kafka OPTIONS (topic 'lookup');
CREATE TABLE lookup.fact (currency text, event_time timestamptz, rate_key int REFERENCES rate);
SQL
$kafka->create_topic('lookup', 1);
$kafka->produce('lookup', map { json_event(currency => $_->[0], event_time => $_->[1], percent => 99) } [ 'eur', '2025-06-01T00:00:00Z' ], [ 'eur', '2026-01-31T23:59:59.999999Z' ], [ 'eur', '2026-02-01T00:00:00Z' ], [ 'usd', '2026-02-01T00:00:00Z' ], [ undef, '2026-02-01T00:00:00Z' ], [ 'eur', undef ]);
sql("SELECT telemetry.drop_pipeline(name) FROM telemetry.pipeline WHERE name <> 'large'");
sql("SET ROLE reader; SELECT telemetry.create_pipeline('lookup', 'lookup.topic', 'lookup.fact', event_time_column => 'event_time')");
settled($node, 'lookup', 6);
is(sql("SELECT string_agg(rate_key::text, ',' ORDER BY event_time NULLS FIRST, currency) FROM lookup.fact"), '1,1,2,3,-1,-1', 'looked up only');
is(sql("SELECT dimensions FROM telemetry.stat_pipeline WHERE pipeline = 'lookup'"), 'rate_key: public.rate (currency; versions by percent) looked up only', '... and shown so');

# A version without a key, which a UNIQUE constraint allows: its facts have none, either.
sql(<<'SQL');
CREATE TABLE public.tax (tax_key uuid UNIQUE, country text NOT NULL, percent int, valid_from timestamptz NOT NULL, valid_to timestamptz NOT NULL, UNIQUE (country, valid_from));
INSERT INTO tax VALUES ('00000000-0000-0000-0000-000000000001', 'de', NULL, '-infinity', '2026-01-01'), (NULL, 'de', 19, '2026-01-01', 'infinity');
GRANT SELECT, REFERENCES ON tax TO reader;
SET ROLE reader;
CREATE FOREIGN TABLE lookup.tax_topic (country text, percent int, event_time timestamptz) SERVER kafka OPTIONS (topic 'tax');
CREATE TABLE lookup.tax_fact (country text, event_time timestamptz, tax_key uuid REFERENCES tax (tax_key));
SQL
$kafka->create_topic('tax', 1);
$kafka->produce('tax', map { json_event(country => 'de', event_time => $_) } '2025-06-01T00:00:00Z', '2026-06-01T00:00:00Z');
sql("SET ROLE reader; SELECT telemetry.create_pipeline('tax', 'lookup.tax_topic', 'lookup.tax_fact', event_time_column => 'event_time')");
settled($node, 'tax', 2);
is(sql("SELECT string_agg(coalesce(right(tax_key::text, 1), 'none'), ',' ORDER BY event_time) FROM lookup.tax_fact"), '1,none', 'a version without a key');

# ---- refused definitions ---------------------------------------------------------------------------
sub refusal
{
	my (%with) = (dim => 'a text', fact => 'a text, event_time timestamptz', index => 'CREATE INDEX ON odd_fact (k)', option => "event_time_column => 'event_time'", @_);
	my (undef, undef, $err) = $node->psql('postgres', "BEGIN; CREATE TABLE odd (k int PRIMARY KEY, id text NOT NULL, $with{dim}, valid_from timestamptz NOT NULL, valid_to timestamptz NOT NULL, UNIQUE (id, valid_from));
		CREATE TABLE odd_fact (id text, k int REFERENCES odd, $with{fact}); $with{index}; CREATE FOREIGN TABLE odd_topic (id text, a text, event_time timestamptz) SERVER kafka OPTIONS (topic 'lookup');
		SELECT telemetry.create_pipeline('odd', 'odd_topic', 'odd_fact', $with{option}); ROLLBACK");
	return $err;
}
is(refusal(), '', 'nothing is missing');
my %refusals = (
	'dimension public.odd cannot keep versions: the pipeline has no event_time_column of type timestamptz' => [ option => 'paused => true' ],
	'dimension public.odd cannot keep versions: the target does not store the event time under its name and type' => [ fact => 'a text' ],
	'dimension public.odd cannot keep versions: the target has no index that begins with that column' => [ index => 'CREATE INDEX ON odd_fact (event_time, k)' ],
	'dimension public.odd cannot keep versions: the source delivers none of its attributes' => [ dim => 'b text' ],
	'column "a" of dimension public.odd, which keeps versions, is NOT NULL, but unknown before the first event that says it' => [ dim => 'a text NOT NULL' ],
	'column "a" of dimension public.odd, which keeps versions, is not stored in the target under its name and type' => [ fact => 'event_time timestamptz' ],
	'column "a" has another type in the source than in dimension public.odd, which keeps versions' => [ dim => 'a varchar(3)', fact => 'a varchar(3), event_time timestamptz', option => "event_time_column => 'event_time'", dim => 'a int' ]);
for my $reason (sort keys %refusals)
{
	like(refusal(@{ $refusals{$reason} }), qr/\Q$reason\E/, $reason);
}
my (undef, undef, $second) = $node->psql('postgres', "CREATE SCHEMA second; CREATE TABLE second.fact (LIKE large.fact, FOREIGN KEY (player_key) REFERENCES large.player); CREATE INDEX ON second.fact (player_key);
	SELECT telemetry.create_pipeline('second', 'large.topic', 'second.fact', event_time_column => 'event_time')");
like($second, qr/dimension large.player cannot keep versions: pipeline "large" refers to it from another target/, 'versions of one target');

done_testing();
