# The clickstream of examples/clickstream: its own files, on a few clicks, in two parts of which the second has clicks
# that are late. Its views must equal verify()'s and a batch query over the JSON that was sent.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $mock = TelemetryTest::Mock->new;
my $node = telemetry_node('main', extension => 1, conf => "fsync = off\n");
my $example = "$TelemetryTest::root/examples/clickstream";

sub sql
{
	return $node->safe_psql('postgres', join ' ', @_);
}

sub file
{
	my ($name, @arguments) = @_;
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', @arguments, '-d', $node->connstr('postgres'), '-f', "$example/$name" ], $name);
	return;
}

# Rows that only one of two queries gives.
sub differ
{
	my ($view, $batch, $what) = @_;
	is(sql("SELECT count(*) FROM (($view EXCEPT ALL $batch) UNION ALL ($batch EXCEPT ALL $view)) AS d"), '0', $what);
	cmp_ok(sql("SELECT count(*) FROM ($view) AS v"), '>', 5, "$what: of some rows");
	return;
}

$mock->create_topic('clicks', 3);
file('simulator.sql');
file('schema.sql', '-v', 'broker=' . $mock->address);
file('pipeline.sql');
my $messages = "shop.messages(5, 1200, '2026-03-25 00:00+00', '2026-03-31 12:00+00', late => 0.1, duplicates => 0.05, broken => 0.03)";
my $digest = "SELECT md5(string_agg(key || value, ' ' ORDER BY message_number)) FROM";
is(sql("SET enable_hashjoin = off; SET enable_sort = off; SET timezone = 'Asia/Tokyo'; SET work_mem = '64kB'; $digest $messages"),
	sql("$digest $messages"), 'the same messages whatever the settings');
isnt(sql("$digest " . $messages =~ s/5/6/r), sql("$digest $messages"), 'others of another seed');
sql("CREATE TABLE shop.sent AS SELECT * FROM $messages");

# Europe's clocks go forward on 29 March: days are of 23 hours there.
my $half = sql('SELECT count(*) / 2 FROM shop.sent');
for my $part ("message_number <= $half", "message_number > $half")
{
	sql("INSERT INTO shop.click_raw (key, value) SELECT key, value FROM shop.sent WHERE $part ORDER BY message_number");
	my $read = sql('SELECT count(*) FROM shop.click_raw');
	poll_until(sub { sql('SELECT coalesce(sum(stored + duplicates + dead), 0) FROM telemetry.stat_pipeline') >= $read }, 'all is read');
	is(sql('SELECT view, v.* FROM telemetry.continuous_view c, telemetry.verify(c.view) v'), '', 'the views equal their queries');
}
is( sql('SELECT stored, duplicates, dead FROM telemetry.stat_pipeline'),
	sql('SELECT count(*) FILTER (WHERE NOT is_broken AND NOT is_repeated), count(*) FILTER (WHERE is_repeated), count(*) FILTER (WHERE is_broken) FROM shop.sent'),
	'each click is stored once, what came twice is left out, what is broken is a dead letter');
is(sql('SELECT count(DISTINCT message) > 3 FROM telemetry.dead_letter'), 't', 'broken in several ways');
my ($row) = run_command([ 'psql', '-X', '-A', '-t', '-d', $node->connstr('postgres'), '-f', "$example/check.sql" ]);
like($row, qr/\|0\|0$/, 'the example finds so, too');

sql(<<'SQL');
CREATE TABLE click AS
SELECT DISTINCT v->>'id' AS id, v->>'visitor' AS visitor, v->>'type' AS action, to_timestamp((v->>'at')::numeric / 1000) AS event_time, v->>'product' AS product,
       v->>'category' AS category, (v->>'price')::numeric AS price, (v->>'quantity')::int AS quantity, v->>'order' AS order_id,
       v->>'source' AS source, v->'client'->>'device' AS device, v->'client'->>'region' AS region
FROM (SELECT value::jsonb AS v FROM shop.sent WHERE NOT is_broken OFFSET 0) AS s;
-- Sessions by hand: a click begins one when the visitor's last lies more than half an hour back.
CREATE TABLE visit AS
SELECT visitor, min(event_time) AS started_at, max(event_time) AS ended_at, (array_agg(source ORDER BY event_time))[1] AS source,
       (array_agg(device ORDER BY event_time))[1] AS device, sum((action = 'view')::int) AS views, sum((action = 'add_to_cart')::int) AS put_in_cart,
       sum((action = 'purchase')::int) AS bought, sum(CASE WHEN action = 'purchase' THEN price * quantity ELSE 0 END) AS revenue
FROM (SELECT *, sum(begins) OVER (PARTITION BY visitor ORDER BY event_time) AS number
      FROM (SELECT *, coalesce(event_time - lag(event_time) OVER w > interval '30 minutes', true)::int AS begins
            FROM click WINDOW w AS (PARTITION BY visitor ORDER BY event_time)) AS c) AS n
GROUP BY visitor, number;
SQL
differ(
	'SELECT visitor, started_at, ended_at, views, put_in_cart, bought, revenue FROM shop.visit',
	'SELECT visitor, started_at, ended_at, views, put_in_cart, bought, revenue FROM visit', 'visits');
# The first click says where a visit comes from, and on what.
differ(
	'SELECT day, visits, looked_around, with_cart, with_order, revenue FROM
	 (SELECT day, sum(visits) AS visits, sum(looked_around) AS looked_around, sum(with_cart) AS with_cart, sum(with_order) AS with_order, sum(revenue) AS revenue FROM shop.source_day GROUP BY 1) AS d',
	"SELECT date_trunc('day', started_at, 'Europe/Berlin'), count(*), sum((views > 1)::int), sum((put_in_cart > 0)::int), sum((bought > 0)::int), sum(revenue) FROM visit GROUP BY 1",
	'visits of days, over the change of the clock');
differ(
	'SELECT source, device, count(*) FROM shop.visit GROUP BY 1, 2',
	'SELECT source, device, count(*) FROM visit GROUP BY 1, 2', 'where visits come from');
differ(
	'SELECT day, region, device, visitors, clicks, orders, revenue FROM shop.region_device_day',
	"SELECT date_trunc('day', event_time, 'Europe/Berlin'), region, device, count(DISTINCT visitor), count(*), count(DISTINCT order_id), sum(CASE WHEN action = 'purchase' THEN price * quantity ELSE 0 END) FROM click GROUP BY 1, 2, 3",
	'regions and devices');
differ(
	'SELECT hour, product, category, views, put_in_cart, sold, revenue FROM shop.product_hour',
	"SELECT date_trunc('hour', event_time, 'UTC'), product, category, sum((action = 'view')::int), sum((action = 'add_to_cart')::int), sum(coalesce(quantity, 0)), sum(coalesce(price * quantity, 0)) FROM click GROUP BY 1, 2, 3",
	'products by hour');

# Trending: computed click by click, against the end of the newest hour.
differ(
	'SELECT product, views, usual_views FROM shop.trending_product',
	q{SELECT product, views, round(before * sum(views) OVER () / sum(before) OVER (), 1) FROM (
	  SELECT product, count(*) FILTER (WHERE action = 'view' AND event_time >= e.ends - interval '3 hours') AS views,
	         count(*) FILTER (WHERE action = 'view' AND event_time < e.ends - interval '3 hours')::numeric AS before
	  FROM click CROSS JOIN (SELECT date_trunc('hour', max(event_time), 'UTC') + interval '1 hour' AS ends FROM click) AS e
	  WHERE event_time >= e.ends - interval '3 days 3 hours' GROUP BY 1) AS p}, 'trending products');
is(sql(<<'SQL'), 't|t', 'one is far ahead, as the simulator means it; visits become fewer at each step');
SELECT (SELECT views > 2 * usual_views AND place = 1 FROM shop.trending_product ORDER BY place LIMIT 1),
       (SELECT bool_and(visits > looked_around AND looked_around > with_cart AND with_cart > with_order AND with_order > 0) FROM shop.conversion)
SQL
file('results.sql', '-o', '/dev/null');
file('charts.sql', '-o', '/dev/null');

$node->stop;
done_testing();
