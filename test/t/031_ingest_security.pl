# A pipeline's target may be hostile: its owner's triggers, defaults and index expressions run in the
# worker, whose session is a superuser's, and gain nothing. And targets change while they are written.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use IPC::Run ();
use Test::More;

my $mock = TelemetryTest::Mock->new(topics => [ 'events:1', 'changes:1' ]);
my $node = telemetry_node('main', extension => 1, conf => "fsync = off\n");
create_server($node, 'kafka', $mock);

sub sql { return $node->safe_psql('postgres', join ";\n", @_) }
sub wait_for { my ($what, $query) = @_; return ok(poll_until(sub { sql($query) eq 't' }, $what, 20), $what) }

# ------------------------------------------------------------------------------- hostile targets
sql(<<'SQL');
CREATE ROLE ingest;
CREATE ROLE mallory;
GRANT USAGE ON FOREIGN SERVER kafka TO ingest;
GRANT CREATE ON DATABASE postgres TO ingest, mallory;
SET ROLE mallory;
CREATE SCHEMA m;
GRANT USAGE ON SCHEMA m TO PUBLIC;
CREATE TABLE m.seen (place text, what text, outcome text, as_user text, search_path text);
GRANT INSERT ON m.seen TO PUBLIC;
CREATE FUNCTION m.attack(place text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    statement text;
    outcome text;
    path text := pg_catalog.current_setting('search_path');
BEGIN
    FOREACH statement IN ARRAY ARRAY['SET ROLE postgres', 'SET ROLE mallory', 'RESET ROLE', 'SET SESSION AUTHORIZATION postgres',
        'RESET SESSION AUTHORIZATION', 'SET LOCAL session_replication_role = replica', 'SET telemetry.insert_path = executor',
        'ALTER ROLE mallory SUPERUSER', 'ALTER ROLE ingest SUPERUSER', 'CREATE TEMP TABLE pg_class ()',
        'UPDATE telemetry.pipeline SET owner = 10', 'DELETE FROM telemetry._dead_letter', 'COPY m.seen TO PROGRAM ''true''']
    LOOP
        BEGIN
            EXECUTE statement;
            outcome := 'done';
        EXCEPTION WHEN OTHERS THEN
            outcome := SQLSTATE;
        END;
        INSERT INTO m.seen VALUES (place, statement, outcome, current_user, path);
    END LOOP;
    PERFORM pg_catalog.set_config('search_path', 'm, pg_catalog', false);
END $$;
CREATE FUNCTION m.trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM m.attack(TG_NAME); RETURN NEW; END $$;
CREATE FUNCTION m.default_value() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM m.attack('default'); RETURN 1; END $$;
-- A lie about its volatility, as an attacker would tell it.
CREATE FUNCTION m.key(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM m.attack('index'); RETURN $1; END $$;
CREATE FUNCTION m.valid(bigint) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM m.attack('check'); RETURN true; END $$;
-- The first by the fast path, the second by the executor.
CREATE TABLE m.facts (id bigint CHECK (m.valid(id)), extra int DEFAULT m.default_value());
CREATE INDEX ON m.facts (m.key(id));
CREATE TRIGGER statement BEFORE INSERT ON m.facts EXECUTE FUNCTION m.trap();
CREATE TRIGGER row AFTER INSERT ON m.facts FOR EACH ROW EXECUTE FUNCTION m.trap();
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON m.facts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION m.trap();
CREATE TABLE m.slow (LIKE m.facts INCLUDING ALL);
CREATE TRIGGER before BEFORE INSERT ON m.slow FOR EACH ROW EXECUTE FUNCTION m.trap();
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON m.slow DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION m.trap();
GRANT SELECT, INSERT ON m.facts, m.slow TO ingest;
TRUNCATE m.seen;
RESET ROLE;
SET ROLE ingest;
CREATE SCHEMA i;
CREATE FOREIGN TABLE i.topic (id bigint) SERVER kafka OPTIONS (topic 'events');
SELECT telemetry.create_pipeline('facts', 'i.topic', 'm.facts');
SELECT telemetry.create_pipeline('slow', 'i.topic', 'm.slow');
SQL
$mock->produce('events', [ 0, undef, '{"id": 1}' ]);
wait_for('the first row is stored', 'SELECT (SELECT count(*) FROM m.facts) = 1 AND (SELECT count(*) FROM m.slow) = 1');
$mock->produce('events', [ 0, undef, '{"id": 2}' ], [ 0, undef, '{"id": "x"}' ]);
wait_for('and the second, in another batch', 'SELECT (SELECT count(*) FROM m.facts) = 2 AND (SELECT count(*) FROM m.slow) = 2');
is(sql("SELECT string_agg(DISTINCT place, ' ' ORDER BY place) FROM m.seen"), 'before check default deferred index row statement', 'every kind of code was run');
is(sql('SELECT DISTINCT as_user FROM m.seen'), 'ingest', 'all of it as the owner of the pipeline');
is(sql("SELECT DISTINCT what, outcome FROM m.seen WHERE outcome NOT IN ('42501', '42P07', '22023') ORDER BY 1"), '', 'nothing of it was allowed');
is(sql("SELECT count(*) FROM pg_roles WHERE rolname IN ('ingest', 'mallory') AND rolsuper"), '0', 'nobody became a superuser');
is(sql("SELECT DISTINCT search_path FROM m.seen WHERE place IN ('statement', 'before') AND search_path NOT IN ('pg_catalog, pg_temp', 'm, pg_catalog')"), '',
	'search_path is pinned');
is(sql("SELECT (array_agg(search_path ORDER BY ctid DESC))[1] FROM m.seen WHERE place = 'default' AND what = 'RESET ROLE'") =~ /^(pg_catalog, pg_temp|m, pg_catalog)$/ ? 1 : 0, 1,
	'a search_path set by a trigger lasts to the end of its batch at most');

# -------------------------------------------------------------------------------- rights revoked
sql('REVOKE INSERT ON m.facts FROM ingest');
$mock->produce('events', [ 0, undef, '{"id": 3}' ]);
wait_for('a revoked right pauses the pipeline', "SELECT paused FROM telemetry.pipeline WHERE name = 'facts'");
is(sql("SELECT pause_reason FROM telemetry.pipeline WHERE name = 'facts'"), 'permission denied for table facts', 'and the reason says which');
sql('GRANT INSERT (id) ON m.facts TO ingest', "SELECT telemetry.resume_pipeline('facts')");
wait_for('the right to its columns is enough', 'SELECT count(*) = 3 FROM m.facts');
sql("SELECT telemetry.drop_pipeline(name) FROM telemetry.pipeline");

# ------------------------------------------------------- a target that changes while it is written
sql(<<'SQL');
CREATE FOREIGN TABLE changes (id int, v text) SERVER kafka OPTIONS (topic 'changes');
CREATE TABLE t (junk int, id int, v text) PARTITION BY RANGE (id);
CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (1000);
SELECT telemetry.create_pipeline('t', 'changes', 't');
SQL
my $next = 0;

sub produce
{
	my ($n) = @_;

	$mock->produce('changes', map { [ 0, undef, "{\"id\": $_, \"v\": \"v$_\"}" ] } $next .. $next + $n - 1);
	$next += $n;
	return;
}
produce(1);
wait_for('the pipeline runs', 'SELECT count(*) = 1 FROM t');

# Holds a transaction open, whose statements the worker has to wait for; ends it when it does.
sub change
{
	my ($statements, $expect) = @_;
	my ($in, $out) = ('', '');
	my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, IPC::Run::timeout(60));

	$in = "BEGIN; $statements; SELECT 'changed';\n";
	$psql->pump until $out =~ /changed/;
	produce(2);
	wait_for('the worker waits for a lock', "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT granted AND a.backend_type LIKE 'telemetry%')");
	$in .= "COMMIT;\n";
	$psql->finish;
	return;
}

change('LOCK TABLE t IN ACCESS EXCLUSIVE MODE');
wait_for('rows come in after a lock', 'SELECT count(*) = 3 FROM t');
change("ALTER TABLE t DROP COLUMN junk; ALTER TABLE t ADD COLUMN w text DEFAULT 'w'");
wait_for('and after other columns', "SELECT count(*) = 5 AND count(*) FILTER (WHERE v = 'v' || id AND w = 'w') = 5 FROM t");
change('DROP TABLE t1; CREATE TABLE t2 (v text, w text, id int); ALTER TABLE t ATTACH PARTITION t2 FOR VALUES FROM (0) TO (2000)');
wait_for('and into another partition', 'SELECT count(*) = 2 AND bool_and(v = \'v\' || id) FROM t');
is(sql("SELECT path FROM telemetry.stat_pipeline"), 'fast', 'all of it by the fast path');
change("CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := upper(NEW.v); RETURN NEW; END'; CREATE TRIGGER shout BEFORE INSERT ON t2 FOR EACH ROW EXECUTE FUNCTION shout()");
wait_for('a trigger on a leaf is heeded', "SELECT count(*) = 2 FROM t WHERE v = 'V' || id");
is(sql("SELECT path, path_reason FROM telemetry.stat_pipeline"), 'executor|"t2" has a BEFORE INSERT row trigger', 'by the other path, with the reason');
change('ALTER TABLE t RENAME COLUMN v TO value');
wait_for('a column that has gone pauses the pipeline', 'SELECT paused FROM telemetry.pipeline');
is(sql('SELECT pause_reason FROM telemetry.pipeline'),
	'source public.changes does not fit target public.t (column "v" of the source has no column of that name in the target.)', 'with all that does not fit');
sql("ALTER TABLE t RENAME COLUMN value TO v; SELECT telemetry.resume_pipeline('t')");
wait_for('it goes on where it was', "SELECT count(*) = 4 FROM t WHERE v = 'V' || id");
change('DROP TABLE t');
wait_for('a dropped target pauses the pipeline', 'SELECT paused FROM telemetry.pipeline');
like(sql('SELECT pause_reason FROM telemetry.pipeline'), qr/^the target table \(OID \d+\) does not exist any more/, 'and says so');
is(sql('SELECT count(*) FROM telemetry.dead_letter'), '0', 'no message was called bad');

done_testing();
