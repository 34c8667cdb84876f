# What is planned for a pipeline is planned in its owner's name: planning runs functions that call
# themselves IMMUTABLE, and the worker's session is a superuser's. And what was compiled for a batch
# does not outlive a change of what it was compiled from.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $mock = TelemetryTest::Mock->new(topics => [ 'folded:1', 'domains:1', 'dates:1', 'keys:1' ]);
my $node = telemetry_node('main', extension => 1, conf => "fsync = off\nlog_min_messages = log\n");
create_server($node, 'kafka', $mock);

sub sql { return $node->safe_psql('postgres', join ";\n", @_) }

sub wait_for_messages
{
	my ($pipeline, $n) = @_;
	my $query = "SELECT coalesce(sum(stored + dead), 0) >= $n FROM telemetry.stat_pipeline WHERE pipeline = '$pipeline'";

	return poll_until(sub { sql($query) eq 't' }, "$pipeline: $n messages", 60);
}

# A default and a CHECK that tell who folds them: the target's as well as the source's.
sql(<<'SQL');
CREATE ROLE gil;
GRANT USAGE ON FOREIGN SERVER kafka TO gil;
GRANT CREATE ON SCHEMA public TO gil;
SET ROLE gil;
CREATE FUNCTION spy(place text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE LOG 'spy in % runs as %, path %', place, current_user, current_setting('search_path');
    RETURN place;
END $$;
CREATE FOREIGN TABLE folded_topic (id int CHECK (public.spy('check') <> 'x')) SERVER kafka OPTIONS (topic 'folded');
CREATE TABLE folded (id int, d text DEFAULT public.spy('default'));
SELECT telemetry.create_pipeline('folded', 'folded_topic', 'folded');
SQL
$mock->produce('folded', map { "{\"id\": $_}" } 1 .. 10);
wait_for_messages('folded', 10);
sql('ALTER TABLE folded ADD n int');
$mock->produce('folded', map { "{\"id\": $_}" } 11 .. 20);
wait_for_messages('folded', 20);

# The owner's own statements fold with his session's path, and are not asked about here.
my $log = slurp_file($node->logfile);
my %seen = map { $_ => 1 } $log =~ /spy in (\w+ runs as \w+)/g;
is(join('; ', sort keys %seen), 'check runs as gil; default runs as gil', 'functions are folded as the owner only');
like($log, qr/spy in default runs as gil, path pg_catalog, pg_temp/, 'with a pinned path');

# A domain's new constraint reaches a conversion that is compiled already.
sql(<<'SQL');
CREATE DOMAIN word AS text;
CREATE FOREIGN TABLE domains_topic (w text) SERVER kafka OPTIONS (topic 'domains');
CREATE TABLE domains (w word);
SELECT telemetry.create_pipeline('domains', 'domains_topic', 'domains');
SQL
$mock->produce('domains', '{"w": "bad"}');
wait_for_messages('domains', 1);
sql(q{ALTER DOMAIN word ADD CONSTRAINT not_bad CHECK (VALUE <> 'bad') NOT VALID});
$mock->produce('domains', '{"w": "bad"}', '{"w": "good"}', '{"w": "bad"}');
wait_for_messages('domains', 4);
is(sql('SELECT string_agg(w, \' \' ORDER BY w) FROM domains'), 'bad good', 'ALTER DOMAIN applies from the next batch on');
is(sql("SELECT DISTINCT constraint_name, count(*) FROM telemetry.dead_letter WHERE pipeline = 'domains' GROUP BY 1"), 'not_bad|2', 'and its dead letters name it');

# Dates reach farther than timestamps.
sql(<<'SQL');
CREATE FOREIGN TABLE dates_topic (id int, d date) SERVER kafka OPTIONS (topic 'dates');
CREATE TABLE dates (id int, d date);
SELECT telemetry.create_pipeline('dates', 'dates_topic', 'dates', event_time_column => 'd');
SQL
$mock->produce('dates', map { "{\"id\": 1, \"d\": \"$_\"}" } '2020-02-29', '3000-01-01', '300000-01-01', '600000-01-01', '5000000-01-01');
wait_for_messages('dates', 5);
is(sql('SELECT string_agg(d::text, \' \') FROM dates'), '2020-02-29', 'no date is so far ahead that it is taken for a past one');

# A foreign key whose trigger is switched off refuses nothing: no row is set aside for it. One that is
# has a subtransaction of its own, and so an xmin.
sql(<<'SQL');
CREATE TABLE key (k int PRIMARY KEY);
CREATE FOREIGN TABLE keys_topic (id int, k int) SERVER kafka OPTIONS (topic 'keys');
CREATE TABLE keys (id int, k int REFERENCES key);
ALTER TABLE keys DISABLE TRIGGER ALL;
SQL
$mock->produce('keys', map { "{\"id\": $_, \"k\": $_}" } 1 .. 20);
sql(q{SELECT telemetry.create_pipeline('keys', 'keys_topic', 'keys')});
wait_for_messages('keys', 20);
is(sql('SELECT count(*) FROM keys'), '20', 'rows that no enabled trigger checks are stored');
# A batch is counted after its commit.
ok(poll_until(sub { sql(q{SELECT count(DISTINCT xmin::text) <= (SELECT sum(batches) FROM telemetry.stat_worker WHERE pipeline = 'keys') FROM keys}) eq 't' },
		'as many batches as transactions', 20), 'and written together');
sql('ALTER TABLE keys ENABLE TRIGGER ALL');
$mock->produce('keys', '{"id": 21, "k": 21}');
wait_for_messages('keys', 21);
is(sql("SELECT count(*) FROM telemetry.dead_letter WHERE pipeline = 'keys'"), '1', 'and are checked when it is enabled again');

done_testing;
