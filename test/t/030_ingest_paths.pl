# The two insert paths mean the same: every feature that a target can have, fed with the same good and
# bad messages over the fast path and over the executor's, against INSERTs one row at a time.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use Test::More;

my $messages = $ENV{MESSAGES} // 600;
my $seed = $ENV{SEED} // 20260;
my $columns = 'id, k, v, ts, n, parent';

# What every target has, and what a row of each may look like. In a definition, T is the table's name,
# COLS its ordinary columns.
my $cols = 'id bigint, k int, v text, ts timestamptz, n numeric, parent bigint, off bigint';
my $log = 'CREATE TABLE T_log (what text, id bigint, v text, n numeric);';

# name => [path, definition, option => value, ...]. Options: conflict, hide (columns that may differ).
my %target = (
	plain => [ 'fast', 'CREATE TABLE T (COLS);' ],
	# Casts that throw, and one that writes, which is left to the insert.
	cast_volatile => [ 'fast', "$log CREATE TYPE T_wrap AS (k int); CREATE FUNCTION T_f(int) RETURNS T_wrap LANGUAGE plpgsql AS \$\$ BEGIN"
		  . ' IF $1 % 19 = 0 THEN RAISE EXCEPTION \'no %\', $1; END IF; INSERT INTO S.T_log VALUES (\'cast\', $1, NULL, NULL); RETURN ROW($1); END $$;'
		  . 'CREATE CAST (int AS T_wrap) WITH FUNCTION T_f(int) AS ASSIGNMENT; CREATE TABLE T (id bigint, k T_wrap, v varchar(8), ts timestamptz, n numeric, parent bigint, off bigint);' ],
	default_value => [ 'fast', 'CREATE TABLE T (COLS, a int DEFAULT 7, b text NOT NULL DEFAULT upper(\'x\'), c date);' ],
	identity => [ 'fast', 'CREATE TABLE T (i bigint GENERATED ALWAYS AS IDENTITY, s serial, COLS);', hide => [qw(i s)] ],
	generated => [ 'fast', 'CREATE TABLE T (g numeric GENERATED ALWAYS AS (n * 2) STORED, COLS, h text GENERATED ALWAYS AS (left(v, 3)) STORED CHECK (h <> \'va7\'));' ],
	not_null => [ 'fast', 'CREATE TABLE T (id bigint, k int, v text NOT NULL, ts timestamptz, n numeric NOT NULL, parent bigint, off bigint);' ],
	checks => [ 'fast', 'CREATE TABLE T (COLS, CONSTRAINT n_positive CHECK (n > 0), CONSTRAINT k_thirteen CHECK (k % 13 <> 0), CHECK (v IS NULL OR length(v) < 12));' ],
	domains => [ 'fast', 'CREATE DOMAIN T_odd AS int CONSTRAINT no_seventeen CHECK (value % 17 <> 0); CREATE DOMAIN T_there AS numeric NOT NULL;'
		  . 'CREATE TABLE T (id bigint, k T_odd, v text, ts timestamptz, n T_there, parent bigint, off bigint);' ],
	coercion => [ 'fast', 'CREATE TABLE T (id int, k smallint, v varchar(6), ts timestamp(0), n numeric(5,1), parent text, off bigint);' ],
	char_date => [ 'fast', 'CREATE TABLE T (id numeric, k real, v char(8), ts date, n double precision, parent bigint, off int);' ],
	unique_now => [ 'fast', 'CREATE TABLE T (COLS, UNIQUE (k), UNIQUE NULLS NOT DISTINCT (n, ts));' ],
	# Rows that conflict over one key free another, for rows that come later in the same batch.
	unique_many => [ 'fast', 'CREATE TABLE T (COLS); CREATE UNIQUE INDEX T_k ON T ((k % 300)); CREATE UNIQUE INDEX T_i ON T ((id % 310)); CREATE UNIQUE INDEX T_n ON T ((n::bigint % 290));' ],
	unique_tree => [ 'fast', 'CREATE TABLE T (COLS, CONSTRAINT hours UNIQUE (ts, parent), CHECK (k % 50 <> 0)) PARTITION BY RANGE (ts); CREATE TABLE T_1 PARTITION OF T FOR VALUES FROM (\'2026-01-01\') TO (\'2026-01-02\');'
		  . 'CREATE TABLE T_2 PARTITION OF T FOR VALUES FROM (\'2026-01-02\') TO (\'2026-01-03\'); CREATE UNIQUE INDEX ON T_1 ((k % 200)); CREATE UNIQUE INDEX ON T_2 ((k % 200));' ],
	unique_later => [ 'fast', 'CREATE TABLE T (COLS, CONSTRAINT k_later UNIQUE (k) DEFERRABLE INITIALLY DEFERRED, CONSTRAINT v_end UNIQUE (v, n) DEFERRABLE);' ],
	index_expression => [ 'fast', 'CREATE TABLE T (COLS); CREATE UNIQUE INDEX T_i ON T ((k / 2)) WHERE n > 0; CREATE INDEX T_j ON T ((100 / (n - 50)));' ],
	# A conflict in one index, and an error in the next.
	index_both => [ 'fast', 'CREATE TABLE T (COLS); CREATE UNIQUE INDEX T_a ON T ((k % 300)); CREATE INDEX T_b ON T ((100 / (k % 7)));' ],
	exclusion => [ 'executor', 'CREATE TABLE T (COLS, CONSTRAINT one_k EXCLUDE (k WITH =));' ],
	foreign_key => [ 'fast', 'CREATE TABLE T_dim (k int PRIMARY KEY); INSERT INTO T_dim SELECT generate_series(0, 4000) ;'
		  . 'CREATE TABLE T (COLS, CONSTRAINT k_known FOREIGN KEY (k) REFERENCES T_dim);' ],
	foreign_key_deferred => [ 'fast', 'CREATE TABLE T_dim (k int PRIMARY KEY); INSERT INTO T_dim SELECT generate_series(0, 4000) ;'
		  . 'CREATE TABLE T (COLS, CONSTRAINT k_known FOREIGN KEY (k) REFERENCES T_dim DEFERRABLE INITIALLY DEFERRED);' ],
	foreign_key_self => [ 'fast', 'CREATE TABLE T (COLS, PRIMARY KEY (id), CONSTRAINT parent_known FOREIGN KEY (parent) REFERENCES T (id) DEFERRABLE INITIALLY DEFERRED);' ],
	before_row => [ 'executor', "$log CREATE TABLE T (COLS); CREATE FUNCTION T_f() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN"
		  . ' IF NEW.k % 11 = 0 THEN RETURN NULL; END IF; IF NEW.k % 19 = 0 THEN RAISE EXCEPTION \'no\' USING ERRCODE = \'P0099\', COLUMN = \'k\'; END IF;'
		  . ' NEW.v := \'<\' || NEW.v || \'>\'; RETURN NEW; END $$; CREATE TRIGGER b BEFORE INSERT ON T FOR EACH ROW EXECUTE FUNCTION T_f();' ],
	after_row => [ 'fast', "$log CREATE TABLE T (COLS); CREATE FUNCTION T_f() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN"
		  . ' IF NEW.k % 19 = 0 THEN RAISE EXCEPTION \'no %\', NEW.k; END IF; INSERT INTO S.T_log VALUES (\'after\', NEW.id, NEW.v, NEW.n); RETURN NULL; END $$;'
		  . 'CREATE TRIGGER a AFTER INSERT ON T FOR EACH ROW WHEN (NEW.n IS NOT NULL) EXECUTE FUNCTION T_f();' ],
	after_row_deferred => [ 'fast', "$log CREATE TABLE T (COLS); CREATE FUNCTION T_f() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN"
		  . ' IF NEW.k % 19 = 0 THEN RAISE check_violation USING CONSTRAINT = \'mine\'; END IF; INSERT INTO S.T_log VALUES (\'end\', NEW.id, NEW.v, NEW.n); RETURN NULL; END $$;'
		  . 'CREATE CONSTRAINT TRIGGER a AFTER INSERT ON T DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION T_f();' ],
	statement => [ 'fast', "$log CREATE TABLE T (COLS); CREATE FUNCTION T_f() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN"
		  . ' IF EXISTS (SELECT FROM new_rows WHERE k % 23 = 0) THEN RAISE EXCEPTION \'23\'; END IF;'
		  . ' INSERT INTO S.T_log SELECT \'rows\', id, v, n FROM new_rows; RETURN NULL; END $$;'
		  . 'CREATE FUNCTION T_g() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP <> \'INSERT\' THEN RAISE EXCEPTION \'?\'; END IF; RETURN NULL; END $$;'
		  . 'CREATE TRIGGER b BEFORE INSERT ON T EXECUTE FUNCTION T_g();'
		  . 'CREATE TRIGGER a AFTER INSERT ON T REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION T_f();' ],
	rls => [ 'executor', 'CREATE TABLE T (COLS); ALTER TABLE T ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY p ON T WITH CHECK (k % 7 <> 0);' ],
	rules => [ 'executor', "$log CREATE TABLE T (COLS, CHECK (n > 0)); CREATE RULE r AS ON INSERT TO T DO ALSO INSERT INTO T_log VALUES ('rule', NEW.id, NEW.v, NEW.n);" ],
	a_view => [ 'executor', "$log CREATE VIEW T AS SELECT id, k, v, NULL::timestamptz AS ts, n, NULL::bigint AS parent, NULL::bigint AS off, what FROM (SELECT id, 0 AS k, v, n, what FROM T_log) x;"
		  . 'CREATE FUNCTION T_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.k % 11 = 0 THEN RETURN NULL; END IF;'
		  . ' INSERT INTO S.T_log VALUES (\'view\', NEW.id, NEW.v, 1 / NEW.n); RETURN NEW; END $$; CREATE TRIGGER i INSTEAD OF INSERT ON T FOR EACH ROW EXECUTE FUNCTION T_f();' ],
	# What is computed of a row fails by an error that is no constraint's: column, CHECK, index, and its condition.
	computed => [ 'fast', 'CREATE TABLE T (COLS, g numeric GENERATED ALWAYS AS (1 / (k % 41)) STORED, CHECK (1 / (k % 37) >= 0)); CREATE UNIQUE INDEX ON T ((id / (k % 31)), id) WHERE 1 / (k % 29) >= 0;' ],
	# The same where bad rows are few, and two partitions compute differently.
	computed_rarely => [ 'fast', 'CREATE TABLE T (COLS, g numeric GENERATED ALWAYS AS (1 / (k % 97)) STORED, CONSTRAINT T_below CHECK (g < 50)) PARTITION BY HASH (id); CREATE TABLE T_1 PARTITION OF T FOR VALUES WITH (MODULUS 2, REMAINDER 0);'
		  . 'CREATE TABLE T_2 (g numeric GENERATED ALWAYS AS (1 / (k % 97)) STORED, gone int, COLS, CONSTRAINT T_below CHECK (g < 50)); ALTER TABLE T_2 DROP gone;'
		  . 'ALTER TABLE T ATTACH PARTITION T_2 FOR VALUES WITH (MODULUS 2, REMAINDER 1); CREATE INDEX ON T_2 ((1 / (k % 83)));' ],
	# Two levels (transition tables of PostgreSQL's own INSERT lack generated columns here, ours have
	# them, so the log leaves them out); leaves with other column order, dropped columns, their own checks, defaults and indexes.
	tree => [ 'fast', "$log CREATE TABLE T (COLS, lost int, g numeric GENERATED ALWAYS AS (n + 1) STORED, d int DEFAULT 3) PARTITION BY RANGE (ts); ALTER TABLE T DROP COLUMN lost;"
		  . 'CREATE TABLE T_1 PARTITION OF T FOR VALUES FROM (\'2026-01-01\') TO (\'2026-01-02\');'
		  . 'CREATE TABLE T_2 (gone text, d int DEFAULT 99, n numeric, v text, g numeric GENERATED ALWAYS AS (n + 1) STORED, off bigint, parent bigint, gone2 int, ts timestamptz, k int, id bigint CONSTRAINT not_ten CHECK (id % 10 <> 0)) PARTITION BY RANGE (k);'
		  . 'ALTER TABLE T_2 DROP COLUMN gone, DROP COLUMN gone2; ALTER TABLE T ATTACH PARTITION T_2 FOR VALUES FROM (\'2026-01-02\') TO (\'2026-01-03\');'
		  . 'CREATE TABLE T_2a (k int CHECK (k % 5 <> 0), junk int, id bigint CONSTRAINT not_ten CHECK (id % 10 <> 0), v text, n numeric, d int, g numeric GENERATED ALWAYS AS (n + 1) STORED, ts timestamptz, off bigint, parent bigint); ALTER TABLE T_2a DROP COLUMN junk;'
		  . 'ALTER TABLE T_2 ATTACH PARTITION T_2a FOR VALUES FROM (0) TO (2000);'
		  . 'CREATE TABLE T_2b PARTITION OF T_2 DEFAULT; CREATE UNIQUE INDEX ON T_2b (k);'
		  . 'CREATE FUNCTION T_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO S.T_log SELECT \'rows\', id, v, n FROM new_rows; RETURN NULL; END $$;'
		  . 'CREATE TRIGGER a AFTER INSERT ON T REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION T_f();'
		  . 'CREATE FUNCTION T_h() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO S.T_log VALUES (TG_TABLE_NAME, NEW.id, NEW.v, NEW.g); RETURN NULL; END $$;'
		  . 'CREATE TRIGGER c AFTER INSERT ON T_2 FOR EACH ROW EXECUTE FUNCTION T_h();' ],
	# Every kind of key, by column and by expression, and no partition for some at each level.
	tree_holes => [ 'fast', 'CREATE TABLE T (COLS) PARTITION BY LIST ((k % 5)); CREATE TABLE T_1 PARTITION OF T FOR VALUES IN (1);'
		  . 'CREATE TABLE T_2 (n numeric, gone int, ts timestamptz, v text, k int, id bigint, off bigint, parent bigint) PARTITION BY RANGE ((id % 10), ts); ALTER TABLE T_2 DROP COLUMN gone; ALTER TABLE T ATTACH PARTITION T_2 FOR VALUES IN (2, 3);'
		  . 'CREATE TABLE T_2a PARTITION OF T_2 FOR VALUES FROM (0, MINVALUE) TO (4, \'2026-01-01 12:00Z\'); CREATE TABLE T_2b PARTITION OF T_2 FOR VALUES FROM (5, MINVALUE) TO (MAXVALUE, MAXVALUE) PARTITION BY LIST (parent);'
		  . 'CREATE TABLE T_2b1 PARTITION OF T_2b FOR VALUES IN (NULL); CREATE TABLE T_2b2 (id bigint, k int, v text, ts timestamptz, n numeric, parent bigint, off bigint) PARTITION BY HASH (id); ALTER TABLE T_2b ATTACH PARTITION T_2b2 DEFAULT;'
		  . 'CREATE TABLE T_2b3 PARTITION OF T_2b2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);' ],
	tree_keys => [ 'fast', 'CREATE TABLE T_dim (k int PRIMARY KEY); INSERT INTO T_dim SELECT generate_series(0, 4000);'
		  . 'CREATE TABLE T (COLS, FOREIGN KEY (k) REFERENCES T_dim, UNIQUE (ts, k)) PARTITION BY RANGE (ts); CREATE TABLE T_1 PARTITION OF T FOR VALUES FROM (\'2026-01-01\') TO (\'2026-01-03\'); CREATE TABLE T_rest PARTITION OF T DEFAULT;' ],
	tree_before => [ 'executor', 'CREATE TABLE T (COLS) PARTITION BY RANGE (ts); CREATE TABLE T_1 PARTITION OF T FOR VALUES FROM (\'2026-01-01\') TO (\'2026-01-02\'); CREATE TABLE T_2 PARTITION OF T FOR VALUES FROM (\'2026-01-02\') TO (\'2026-01-03\');'
		  . 'CREATE FUNCTION T_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := \'t2\'; RETURN NEW; END $$; CREATE TRIGGER b BEFORE INSERT ON T_2 FOR EACH ROW EXECUTE FUNCTION T_f();' ],
	leaf => [ 'fast', 'CREATE TABLE T_root (COLS) PARTITION BY RANGE (ts); CREATE TABLE T PARTITION OF T_root FOR VALUES FROM (\'2026-01-01\') TO (\'2026-01-02\');' ],
	subtree => [ 'fast', 'CREATE TABLE T_root (COLS) PARTITION BY RANGE (ts); CREATE TABLE T PARTITION OF T_root FOR VALUES FROM (\'2026-01-01\') TO (\'2026-01-02\') PARTITION BY HASH (k); CREATE TABLE T_h PARTITION OF T FOR VALUES WITH (MODULUS 2, REMAINDER 1);' ],
	inherited => [ 'fast', 'CREATE TABLE T (COLS, CHECK (k > 10)); CREATE TABLE T_child () INHERITS (T);' ],
	ignore => [ 'executor', 'CREATE TABLE T (COLS, UNIQUE (k), CHECK (n > 0));', conflict => 'ignore' ],
);

# A fixed sequence of messages of every kind.
srand($seed);
my @documents;
for my $id (1 .. $messages)
{
	my $document = sprintf '{"id": %d, "k": %d, "v": %s, "ts": "2026-01-0%dT%02d:00:00Z", "n": %s, "parent": %s}',
	  rand() < 0.02 ? int(rand $id) + 1 : $id, int(rand 4100),
	  rand() < 0.1 ? 'null' : '"v' . ('a' x int(rand 4)) . int(rand 1000) . (rand() < 0.05 ? 'long enough' : '') . '"',
	  rand() < 0.05 ? 5 : rand() < 0.5 ? 1 : 2, int(rand 24),
	  rand() < 0.04 ? 'null' : rand() < 0.02 ? '50' : rand() < 0.02 ? '-1' : rand() < 0.02 ? '0' : rand() < 0.04 ? '123456.789' : sprintf('%.3f', rand(1000) + 1),
	  rand() < 0.3 ? int(rand $id) + 1 : 'null';
	$document =~ s/}$// if rand() < 0.02;
	push @documents, $document;
}

my $mock = TelemetryTest::Mock->new(topics => ['events:1']);
my $node = telemetry_node('main', extension => 1, conf => <<'CONF');
fsync = off
max_worker_processes = 64
telemetry.max_workers = 48
CONF
create_server($node, 'kafka', $mock);
$mock->produce('events', map { [ 0, undef, $_ ] } @documents);
$node->safe_psql('postgres', <<"SQL");
CREATE ROLE ingest LOGIN;
GRANT USAGE ON FOREIGN SERVER kafka TO ingest;
GRANT CREATE ON DATABASE postgres TO ingest;
SET ROLE ingest;
CREATE SCHEMA shared;
CREATE FOREIGN TABLE shared.topic (id bigint, k int, v text, ts timestamptz, n numeric, parent bigint,
    off bigint OPTIONS (metadata 'offset')) SERVER kafka OPTIONS (topic 'events');
CREATE TABLE shared.raw (off bigint PRIMARY KEY, document text);
CREATE TABLE shared.dead (target text, off bigint, sqlstate text, constraint_name text, column_name text);
CREATE TYPE shared.event AS (id bigint, k int, v text, ts timestamptz, n numeric, parent bigint);
SQL
$node->safe_psql('postgres', "SET ROLE ingest;\n" . join '', map { "INSERT INTO shared.raw VALUES ($_, '$documents[$_]');\n" } 0 .. $#documents);

# All targets of one kind, in a schema of their own.
sub create_targets
{
	my ($schema) = @_;
	my $sql = "SET ROLE ingest; CREATE SCHEMA $schema; SET search_path = $schema;\n";

	for my $name (sort keys %target)
	{
		my $definition = $target{$name}[1];
		$definition =~ s/\bCOLS\b/$cols/g;
		$definition =~ s/\bS\.T/$schema.$name/g;
		$definition =~ s/\bT\b/$name/g;
		$definition =~ s/\bT_(\w)/${name}_$1/g;
		$sql .= "$definition\n";
	}
	$node->safe_psql('postgres', $sql);
	return;
}

# What shall come out: one INSERT after the other, each bad one undone.
sub reference
{
	my $sql = "SET ROLE ingest; SET timezone = 'UTC';\n";

	for my $name (sort keys %target)
	{
		my (undef, undef, %option) = @{ $target{$name} };
		my $conflict = $option{conflict} ? 'ON CONFLICT DO NOTHING' : '';

		$sql .= <<"SQL";
DO \$\$
DECLARE
    raw record; e shared.event; state text; con text; col text;
BEGIN
    FOR raw IN SELECT * FROM shared.raw ORDER BY off LOOP
        BEGIN
            SET CONSTRAINTS ALL DEFERRED;
            e := jsonb_populate_record(NULL::shared.event, raw.document::jsonb);
            INSERT INTO expected.$name ($columns, off) VALUES (e.id, e.k, e.v, e.ts, e.n, e.parent, raw.off) $conflict;
            SET CONSTRAINTS ALL IMMEDIATE;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, con = CONSTRAINT_NAME, col = COLUMN_NAME;
            -- A policy's refusal is told apart from a missing right.
            INSERT INTO shared.dead VALUES ('$name', raw.off, CASE state WHEN '42501' THEN '44000' ELSE state END, con, col);
        END;
    END LOOP;
END \$\$;
SQL
	}
	$node->safe_psql('postgres', $sql);
	return;
}

# Runs the messages through a pipeline for each target, all of them at once.
sub ingest
{
	my ($schema, $path) = @_;

	create_targets($schema);
	$node->append_conf('postgresql.conf', "telemetry.insert_path = $path\n");
	$node->reload;
	# Workers have what the postmaster has when it starts them.
	poll_until(sub { $node->safe_psql('postgres', 'SHOW telemetry.insert_path') eq $path }, 'the postmaster to have read it');
	for my $name (sort keys %target)
	{
		my (undef, undef, %option) = @{ $target{$name} };
		$node->safe_psql('postgres', "SET ROLE ingest; SELECT telemetry.create_pipeline('$schema.$name', 'shared.topic', '$schema.$name', "
			  . "batch_rows => 250, batch_interval => '20 ms', max_ahead => NULL, dead_letter_limit => NULL, on_conflict => '" . ($option{conflict} // 'error') . "')");
	}
	poll_until(sub { $node->safe_psql('postgres', "SELECT count(*) FROM telemetry.pipeline p LEFT JOIN telemetry.partition_offset o USING (pipeline_id) "
				  . "WHERE p.name LIKE '$schema.%' AND (o.next_offset IS NULL OR o.next_offset < $messages) AND NOT p.paused") == 0 },
		"$schema: everything read", 180);
	is($node->safe_psql('postgres', "SELECT name, pause_reason FROM telemetry.pipeline WHERE paused"), '', "$path: nothing was paused");
	return;
}

# A target's contents, columns by name, but those that may differ.
sub contents
{
	my ($schema, $name) = @_;
	my (undef, undef, %option) = @{ $target{$name} };
	my $minus = join '', map { " - '$_'" } @{ $option{hide} || [] };
	my $sql = "SELECT to_jsonb(t)$minus FROM $schema.$name t";

	$sql .= " UNION ALL SELECT to_jsonb(t) FROM $schema.${name}_log t" if $target{$name}[1] =~ /T_log \(/;
	return $sql;
}

sub compare
{
	my ($schema, $path) = @_;

	for my $name (sort keys %target)
	{
		my $got = contents($schema, $name);
		my $expected = contents('expected', $name);
		my $dead = "SELECT \"offset\", sqlstate, coalesce(constraint_name, ''), coalesce(column_name, '') FROM telemetry.dead_letter WHERE pipeline = '$schema.$name'";
		# Of a value that cannot be cast PostgreSQL does not tell the column, we do.
		my $column = $name =~ /^(cast|char|coercion|domains)/
		  ? "coalesce(nullif(column_name, ''), CASE sqlstate WHEN '22001' THEN 'v' WHEN '22003' THEN 'n' WHEN '23514' THEN 'k' WHEN '23502' THEN 'n' END, '')" : 'column_name';
		my $expected_dead = "SELECT off, sqlstate, constraint_name, $column FROM shared.dead WHERE target = '$name'";

		is($node->safe_psql('postgres', "(($got) EXCEPT ALL ($expected)) UNION ALL ((SELECT '\"missing\"') UNION ALL (($expected) EXCEPT ALL ($got)) OFFSET 1) LIMIT 5"),
			'', "$path, $name: rows are those of single INSERTs");
		is($node->safe_psql('postgres', "SELECT 'extra', * FROM (($dead) EXCEPT ALL ($expected_dead)) x UNION ALL SELECT 'missing', * FROM (($expected_dead) EXCEPT ALL ($dead)) x ORDER BY 2 LIMIT 8"),
			'', "$path, $name: dead letters are those of single INSERTs");
	}
	return;
}

create_targets('expected');
reference();
ingest('auto', 'auto');
is( $node->safe_psql('postgres', "SELECT substr(pipeline, 6), path FROM telemetry.stat_pipeline WHERE pipeline LIKE 'auto.%' ORDER BY 1"),
	join("\n", map { "$_|$target{$_}[0]" } sort keys %target), 'each target takes the path that it needs');
compare('auto', 'auto');
# Their workers make room.
$node->safe_psql('postgres', "SELECT telemetry.pause_pipeline(name) FROM telemetry.pipeline");
$node->safe_psql('postgres', "CREATE TABLE kept AS SELECT * FROM telemetry.dead_letter; SELECT telemetry.drop_pipeline(name) FROM telemetry.pipeline");
ingest('exec', 'executor');
is($node->safe_psql('postgres', "SELECT DISTINCT path FROM telemetry.stat_pipeline"), 'executor', 'the executor writes all');
compare('exec', 'executor');

# The test is worth its name only if there was enough of both kinds.
cmp_ok($node->safe_psql('postgres', "SELECT count(DISTINCT sqlstate) FROM shared.dead"), '>=', 10, 'many kinds of errors were there');
is($node->safe_psql('postgres', "SELECT string_agg(target, ',') FROM (SELECT target FROM shared.dead GROUP BY 1 HAVING count(*) > $messages * 0.85) x"),
	'', 'each target takes some rows');
is($node->safe_psql('postgres', 'SELECT count(*) = count(DISTINCT i) AND count(*) = count(DISTINCT s) FROM auto.identity'), 't', 'identities and sequences give each row its own');

done_testing();
