# What BI tools see of a game's model, each through the driver it uses: the real pgjdbc, psqlODBC and SQLAlchemy, and
# the questions that Npgsql asks, as bi_user. Each lists tables, columns, keys and comments, which have to be what the
# catalogs say, and reads the fact table through a cursor.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use GameModel;
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($node, $mock) = game_model_node();
my $port = $node->port;
my $here = "$TelemetryTest::root/test/bi";
my $facts = $node->safe_psql('postgres', 'SELECT count(*) FROM game.fact_player_events');
my $jar = '/usr/share/java/postgresql.jar';

# What the catalogs say, as the lines that clients print. Clients differ in what they look at: kinds of relations,
# comments of tables and of columns, types that are not their own.
sub expected
{
	my (%client) = @_;
	my $kinds = $client{kinds} // 'rpvm';
	my $table_comment = $client{table_comments} ? "obj_description(c.oid, 'pg_class')" : 'NULL';
	my $column_comment = $client{column_comments} ? 'col_description(c.oid, attnum)' : 'NULL';

	return $node->safe_psql('postgres', <<~"SQL");
	WITH seen AS (
	    SELECT oid, relname, conrelid FROM pg_class AS c
	    LEFT JOIN LATERAL (SELECT DISTINCT conrelid FROM pg_constraint WHERE conrelid = c.oid) AS k ON true
	    WHERE relnamespace = 'game'::regnamespace AND strpos('$kinds', relkind) > 0
	), columns AS (
	    SELECT c.oid, relname, a.attname, a.attnum, NOT (a.attnotnull OR t.typnotnull) AS nullable, t.typname, a.atttypmod
	    FROM seen AS c JOIN pg_attribute AS a ON a.attrelid = c.oid JOIN pg_type AS t ON t.oid = a.atttypid
	    WHERE a.attnum > 0 AND NOT a.attisdropped
	)
	SELECT concat_ws('|', 'table', relname, coalesce($table_comment, '')) FROM seen AS c
	UNION ALL
	SELECT concat_ws('|', 'column', relname, attname, CASE WHEN nullable THEN 'YES' ELSE 'NO' END, coalesce($column_comment, ''))
	FROM columns AS c
	UNION ALL
	SELECT concat_ws('|', 'numeric', relname, attname, (atttypmod - 4) >> 16, (atttypmod - 4) & 65535)
	FROM columns WHERE typname = 'numeric'
	UNION ALL
	SELECT concat_ws('|', 'odd', relname, attname) FROM columns WHERE typname = 'jsonb' AND @{[ $client{odd} // 1 ]} = 1
	UNION ALL
	SELECT concat_ws('|', 'pk', relname, k.n, a.attname)
	FROM seen AS c JOIN pg_constraint AS p USING (conrelid)
	CROSS JOIN LATERAL unnest(p.conkey) WITH ORDINALITY AS k (attnum, n)
	JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum
	WHERE p.contype = 'p'
	UNION ALL
	SELECT concat_ws('|', 'fk', relname, f.conname, a.attname, f.confrelid::regclass::text COLLATE "C", b.attname)
	FROM seen AS c JOIN pg_constraint AS f USING (conrelid)
	CROSS JOIN LATERAL unnest(f.conkey, f.confkey) AS k (mine, theirs)
	JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.mine
	JOIN pg_attribute AS b ON b.attrelid = f.confrelid AND b.attnum = k.theirs
	WHERE f.contype = 'f'
	UNION ALL
	SELECT concat_ws('|', 'read', $facts, 'cursors', @{[ $client{cursors} // 1 ]})
	SQL
}

# As a set, without bars at the end, where a comment is left out, and without the schema's name.
sub lines
{
	my ($text) = @_;
	return map { (s/\|+$//r) => 1 } split /\n/, $text =~ s/\bgame\.//gr;
}

# Runs a client; the catalogs are to say the same. Only what differs is shown.
sub same
{
	my ($name, $command, %client) = @_;
	my ($out, $err) = ('', '');

	ok(IPC::Run::run($command, '>', \$out, '2>', \$err), "$name ends well") or diag($err);
	my %seen = lines($out);
	my %said = lines(expected(%client));
	cmp_ok(scalar keys %said, '>', 150, "$name: there is something to compare");
	is(join("\n", sort grep { !$said{$_} } keys %seen), '', "$name sees nothing that the catalogs do not say");
	return is(join("\n", sort grep { !$seen{$_} } keys %said), '', "$name sees all that they say");
}

cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'game.fact_player_events'::regclass}),
	'>=', 3, 'there are foreign keys to see');
cmp_ok($facts, '>', 2000, 'there are facts to read');

same('pgjdbc', [ 'java', '-Xshare:auto', '-XX:TieredStopAtLevel=1', '-cp', $jar, "$here/Metadata.java",
		"jdbc:postgresql://127.0.0.1:$port/postgres?user=bi_user&password=secret", 'game', 'fact_player_events' ],
	table_comments => 1, column_comments => 1);

system_or_bail('cc', '-std=gnu99', '-Wall', '-Wextra', '-Werror', "$here/odbc.c", '-o', "$PostgreSQL::Test::Utils::tmp_check/odbc", '-lodbc');
same('psqlODBC', [ "$PostgreSQL::Test::Utils::tmp_check/odbc",
		"Driver=PostgreSQL Unicode;Servername=127.0.0.1;Port=$port;Database=postgres;UID=bi_user;PWD=secret;UseDeclareFetch=1;Fetch=500",
		'game', 'fact_player_events' ], odd => 0);

same('SQLAlchemy', [ '/usr/bin/python3', "$here/reflect.py", "postgresql+psycopg2://bi_user:secret\@127.0.0.1:$port/postgres",
		'game', 'fact_player_events' ], table_comments => 1, column_comments => 1);

$ENV{PGPASSWORD} = 'secret';
same('Npgsql', [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-v', 'schema=game', '-v', 'fact=fact_player_events',
		'-d', "host=127.0.0.1 port=$port user=bi_user dbname=postgres", '-f', "$here/npgsql.sql" ],
	kinds => 'rpv', cursors => 0);

$node->stop;
done_testing();
