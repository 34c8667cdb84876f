# Partitions made on the fly: by hour, day and month, by two workers at once, beside partitions of
# another width, beside a default one, and where a table of the name is in the way.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use Test::More;

my $mock = TelemetryTest::Mock->new(topics => [ 'events:2', 'one:1', 'zoned:1' ]);
my $node = telemetry_node('main', extension => 1, conf => "fsync = off\n");
create_server($node, 'kafka', $mock);

sub sql { return $node->safe_psql('postgres', join ";\n", @_) }
sub wait_for { my ($what, $query) = @_; return ok(poll_until(sub { sql($query) eq 't' }, $what, 90), $what) }

# Partitions of a table with their bounds, by name.
sub partitions
{
	my ($table) = @_;
	return sql("SELECT string_agg(relname || ' ' || pg_get_expr(relpartbound, oid), E'\\n' ORDER BY relname) "
		  . "FROM pg_class WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = '$table'::regclass)");
}

sql(<<'SQL');
CREATE FOREIGN TABLE events (id int, ts timestamptz) SERVER kafka OPTIONS (topic 'events');
CREATE FOREIGN TABLE one (id int, ts timestamptz) SERVER kafka OPTIONS (topic 'one');
CREATE TABLE by_hour (id int, ts timestamptz) PARTITION BY RANGE (ts);
CREATE TABLE by_day (id int, ts date) PARTITION BY RANGE (ts);
CREATE TABLE by_month (id int, ts timestamp) PARTITION BY RANGE (ts);
CREATE TABLE narrow (id int, ts timestamptz) PARTITION BY RANGE (ts);
CREATE TABLE narrow_half PARTITION OF narrow FOR VALUES FROM ('2019-12-31 12:00+00') TO ('2020-01-01 00:00+00');
CREATE TABLE rest (id int, ts timestamptz) PARTITION BY RANGE (ts);
CREATE TABLE rest_default PARTITION OF rest DEFAULT;
CREATE TABLE clash (id int, ts timestamptz) PARTITION BY RANGE (ts);
CREATE TABLE clash_20200229 (x int);
SQL

# The ends of a year, of a leap February and of hours; one row without a key; one before 2000.
my @times = ('2019-12-31T23:59:59.999999Z', '2020-01-01T00:00:00Z', '2020-02-29T12:00:00Z', '2020-02-29T13:00:00Z', '1999-12-31T23:30:00Z');
$mock->produce('one', (map { [ 0, undef, "{\"id\": $_, \"ts\": \"$times[$_]\"}" ] } 0 .. $#times), [ 0, undef, '{"id": 9}' ]);
sql(map { "SELECT telemetry.create_pipeline('$_->[0]', 'one', '$_->[0]', create_partitions => '$_->[1]')" }
	  [ by_hour => 'hour' ], [ by_day => 'day' ], [ by_month => 'month' ], [ narrow => 'day' ], [ rest => 'day' ]);
wait_for('everything is read', 'SELECT count(*) = 5 AND bool_and(next_offset = 6) FROM telemetry.partition_offset');

is(partitions('by_hour'), <<"OUT" =~ s/\n\z//r, 'by the hour');
by_hour_1999123123 FOR VALUES FROM ('1999-12-31 23:00:00+00') TO ('2000-01-01 00:00:00+00')
by_hour_2019123123 FOR VALUES FROM ('2019-12-31 23:00:00+00') TO ('2020-01-01 00:00:00+00')
by_hour_2020010100 FOR VALUES FROM ('2020-01-01 00:00:00+00') TO ('2020-01-01 01:00:00+00')
by_hour_2020022912 FOR VALUES FROM ('2020-02-29 12:00:00+00') TO ('2020-02-29 13:00:00+00')
by_hour_2020022913 FOR VALUES FROM ('2020-02-29 13:00:00+00') TO ('2020-02-29 14:00:00+00')
OUT
is(partitions('by_day'), <<"OUT" =~ s/\n\z//r, 'by the day, of a date');
by_day_19991231 FOR VALUES FROM ('1999-12-31') TO ('2000-01-01')
by_day_20191231 FOR VALUES FROM ('2019-12-31') TO ('2020-01-01')
by_day_20200101 FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')
by_day_20200229 FOR VALUES FROM ('2020-02-29') TO ('2020-03-01')
OUT
is(partitions('by_month'), <<"OUT" =~ s/\n\z//r, 'by the month, of a timestamp');
by_month_199912 FOR VALUES FROM ('1999-12-01 00:00:00') TO ('2000-01-01 00:00:00')
by_month_201912 FOR VALUES FROM ('2019-12-01 00:00:00') TO ('2020-01-01 00:00:00')
by_month_202001 FOR VALUES FROM ('2020-01-01 00:00:00') TO ('2020-02-01 00:00:00')
by_month_202002 FOR VALUES FROM ('2020-02-01 00:00:00') TO ('2020-03-01 00:00:00')
OUT
is(sql("SELECT p, (SELECT string_agg(\"offset\" || ' ' || sqlstate, ',' ORDER BY \"offset\") FROM telemetry.dead_letter WHERE pipeline = p) FROM unnest('{by_hour,by_day,by_month,narrow,rest}'::text[]) p"),
	"by_hour|5 23514\nby_day|5 23514\nby_month|5 23514\nnarrow|5 23514\nrest|", 'a row without a key is bad, unless a default partition takes it');
is(partitions('rest'), 'rest_default DEFAULT', 'none beside a default partition');
$mock->produce('one', [ 0, undef, '{"id": 6, "ts": "2019-12-31T06:00:00Z"}' ]);
wait_for('no partition is made that overlaps one: the row is bad', "SELECT count(*) = 1 FROM telemetry.dead_letter WHERE pipeline = 'narrow' AND \"offset\" = 6 AND sqlstate = '23514'");
sql('SELECT telemetry.drop_pipeline(name) FROM telemetry.pipeline');

# A day in a zone, beside the event's time from the same field: the key, and the watermark's column.
sql(q{CREATE FOREIGN TABLE zoned (id int, ts timestamptz, day date OPTIONS (path 'ts', time_zone 'Europe/Berlin')) SERVER kafka OPTIONS (topic 'zoned')},
	'CREATE TABLE by_zone (id int, ts timestamptz, day date) PARTITION BY RANGE (day)',
	q{SELECT telemetry.create_pipeline('by_zone', 'zoned', 'by_zone', event_time_column => 'ts', create_partitions => 'day')});
my $ahead = sql(q{SELECT to_char(now() AT TIME ZONE 'UTC' + interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')});
$mock->produce('zoned', (map { [ 0, undef, "{\"id\": $_, \"ts\": \"$times[$_]\"}" ] } 0 .. $#times), [ 0, undef, '{"id": 5}' ], [ 0, undef, qq({"id": 6, "ts": "$ahead"}) ]);
wait_for('by the day in a zone', 'SELECT sum(next_offset) = 7 FROM telemetry.partition_offset');
is(partitions('by_zone'), <<"OUT" =~ s/\n\z//r, 'partitions by the day in a zone');
by_zone_20000101 FOR VALUES FROM ('2000-01-01') TO ('2000-01-02')
by_zone_20200101 FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')
by_zone_20200229 FOR VALUES FROM ('2020-02-29') TO ('2020-03-01')
OUT
is(sql(q{SELECT count(*), count(*) FILTER (WHERE day = (ts AT TIME ZONE 'Europe/Berlin')::date), max(ts AT TIME ZONE 'UTC') FROM by_zone}), '5|5|2020-02-29 13:00:00', '... hold what belongs there');
is(sql(q{SELECT string_agg("offset" || ' ' || sqlstate || ' ' || coalesce(column_name, ''), ',' ORDER BY "offset") FROM telemetry.dead_letter WHERE pipeline = 'by_zone'}), '5 23514 ,6 22008 ts', '... and max_ahead is of the event time');
is(sql(q{SELECT max_event_time AT TIME ZONE 'UTC' FROM telemetry.partition_offset}), '2020-02-29 13:00:00', '... as the watermark is');
sql('SELECT telemetry.drop_pipeline(name) FROM telemetry.pipeline');

# Two workers need the same new partitions at the same time; a foreign key makes the DDL lock more.
my $days = 200;
my $n = 4000;
sql('CREATE TABLE dim (id int PRIMARY KEY)', "INSERT INTO dim SELECT generate_series(0, $n - 1)",
	'CREATE TABLE pair (id int REFERENCES dim, ts timestamptz) PARTITION BY RANGE (ts)');
$mock->produce('events', map { my $day = int($_ / 2) % $days; [ $_ % 2, undef, sprintf '{"id": %d, "ts": "2020-%02d-%02dT00:00:00Z"}', $_, 1 + $day / 28, 1 + $day % 28 ] } 0 .. $n - 1);
sql("SELECT telemetry.create_pipeline('pair', 'events', 'pair', create_partitions => 'day', workers => 2, batch_rows => 100)");
wait_for('two workers store everything', "SELECT count(DISTINCT id) = $n AND count(*) = $n FROM pair");
is(sql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'pair'::regclass"), $days, 'each partition is made once');
is(sql('SELECT count(*) FROM telemetry.dead_letter'), '0', 'and no message is called bad');

# A table of that name is nobody's fault but a person's.
sql("SELECT telemetry.create_pipeline('clash', 'one', 'clash', create_partitions => 'day')");
wait_for('a name that is taken pauses the pipeline', "SELECT paused FROM telemetry.pipeline WHERE name = 'clash'");
is(sql("SELECT pause_reason FROM telemetry.pipeline WHERE name = 'clash'"), 'relation "clash_20200229" already exists', 'and the reason names it');
sql('DROP TABLE clash_20200229', "SELECT telemetry.resume_pipeline('clash')");
wait_for('it goes on when the name is free', 'SELECT count(*) = 6 FROM clash');

# What PostgreSQL would refuse at every row is refused at once, not tried for ever.
sql('CREATE TABLE later (id int UNIQUE DEFERRABLE, ts timestamptz)');
my (undef, undef, $error) = $node->psql('postgres', "SELECT telemetry.create_pipeline('later', 'one', 'later', on_conflict => 'ignore')");
like($error, qr/on_conflict 'ignore' does not go with deferrable constraint "later_id_key" of public.later/, 'ignored conflicts need constraints that are checked at once');

# So is one of a partition alone, at once or when it comes by later: an existing one that is altered
# tells the target nothing, so the batch meets it first.
sql('CREATE TABLE tree (id int, ts timestamptz) PARTITION BY RANGE (ts)', 'CREATE TABLE tree_rest PARTITION OF tree DEFAULT',
	'ALTER TABLE tree_rest ADD CONSTRAINT leaf_later UNIQUE (id) DEFERRABLE');
(undef, undef, $error) = $node->psql('postgres', "SELECT telemetry.create_pipeline('tree', 'one', 'tree', on_conflict => 'ignore')");
like($error, qr/on_conflict 'ignore' does not go with deferrable constraint "leaf_later" of public.tree_rest/, 'a constraint of a leaf alone as well');
sql('ALTER TABLE tree_rest DROP CONSTRAINT leaf_later', "SELECT telemetry.create_pipeline('tree', 'one', 'tree', on_conflict => 'ignore')");
wait_for('without it rows go in', 'SELECT count(*) = 7 FROM tree');
sql('ALTER TABLE tree_rest ADD CONSTRAINT leaf_later UNIQUE (id) DEFERRABLE');
$mock->produce('one', [ 0, undef, '{"id": 7, "ts": "2020-01-01T00:00:00Z"}' ]);
wait_for('added later it pauses the pipeline', "SELECT paused FROM telemetry.pipeline WHERE name = 'tree'");
like(sql("SELECT pause_reason FROM telemetry.pipeline WHERE name = 'tree'"), qr/does not go with deferrable constraint "leaf_later" of public.tree_rest/, 'and the reason names it');
sql('ALTER TABLE tree_rest DROP CONSTRAINT leaf_later', "SELECT telemetry.resume_pipeline('tree')");
wait_for('it goes on without it', 'SELECT count(*) = 8 FROM tree');

# Partitions in a schema of their own.
sql('CREATE SCHEMA parts', 'CREATE TABLE apart (id int, ts timestamptz) PARTITION BY RANGE (ts)', "SELECT telemetry.set_partition_schema('apart', 'parts')",
	"SELECT telemetry.create_pipeline('apart', 'one', 'apart', create_partitions => 'month')");
wait_for('the fact whose partitions stand elsewhere', 'SELECT count(*) = 7 FROM apart');
is(sql("SELECT DISTINCT relnamespace::regnamespace FROM pg_class WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'apart'::regclass)"), 'parts', 'all in that schema');
$mock->produce('one', [ 0, undef, '{"id": 6, "ts": "2021-01-01T00:00:00Z"}' ]);
wait_for('one more month', 'SELECT count(*) = 8 FROM apart');
sql('ALTER TABLE parts.apart_202101 SET SCHEMA public', 'ALTER SCHEMA parts RENAME TO moved');
$mock->produce('one', [ 0, undef, '{"id": 6, "ts": "2022-01-01T00:00:00Z"}' ]);
# The name is kept, since no OID of a schema outlives pg_upgrade.
wait_for('a schema that was renamed pauses it', "SELECT paused FROM telemetry.pipeline WHERE name = 'apart'");
sql("SELECT telemetry.set_partition_schema('apart', 'moved')", "SELECT telemetry.resume_pipeline('apart')");
wait_for('until its new name is said', "SELECT to_regclass('moved.apart_202201') IS NOT NULL");
sql('DROP SCHEMA moved CASCADE');
$mock->produce('one', [ 0, undef, '{"id": 6, "ts": "2023-01-01T00:00:00Z"}' ]);
wait_for('without the schema the pipeline pauses', "SELECT paused FROM telemetry.pipeline WHERE name = 'apart'");
is(sql("SELECT pause_reason FROM telemetry.pipeline WHERE name = 'apart'"), 'the schema of partitions of public.apart does not exist any more', 'and the reason says so');
sql("SELECT telemetry.set_partition_schema('apart', NULL)", "SELECT telemetry.resume_pipeline('apart')");
wait_for('in its own it goes on', "SELECT to_regclass('apart_202301') IS NOT NULL");
sql("SELECT telemetry.drop_pipeline('apart')", 'DROP TABLE apart');

done_testing();
