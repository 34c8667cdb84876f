-- What a shop asks, of views that are kept up to date with every click.
\pset footer off
\pset linestyle unicode
\pset border 1
\pset null ''

\echo
\echo 'Trending products (shop.trending_product): views of the newest three hours, and how many would be usual:'
SELECT place, product, category, views, usual_views, times, repeat('█', round(30.0 * views / max(views) OVER ())::int) AS "views, drawn"
FROM shop.trending_product ORDER BY place, product LIMIT 8;

\echo 'How far visits come (shop.conversion):'
SELECT * FROM shop.conversion ORDER BY visits DESC;

\echo 'Regions and devices over the week (shop.region_device_day); visitors are those of days, summed up:'
SELECT region, sum(clicks) AS clicks, sum(orders) AS orders, sum(revenue) AS revenue,
       sum(visitors) FILTER (WHERE device = 'phone') AS phone, sum(visitors) FILTER (WHERE device = 'desktop') AS desktop,
       sum(visitors) FILTER (WHERE device = 'tablet') AS tablet
FROM shop.region_device_day GROUP BY 1 ORDER BY revenue DESC;

\echo 'Visits (shop.visit), the longest that bought something:'
SELECT visitor, to_char(started_at, 'YYYY-MM-DD HH24:MI') AS started_at, date_trunc('second', ended_at - started_at) AS length,
       source, device, views, put_in_cart, bought, revenue
FROM shop.visit WHERE bought > 0 ORDER BY ended_at - started_at DESC, visitor LIMIT 3;

\echo 'Messages that were no clicks (telemetry.dead_letter), by reason:'
\ir ../dead_letters.sql

\echo 'The views equal their queries (telemetry.verify()):'
SELECT view, (SELECT count(*) FROM telemetry.verify(view)) AS rows_that_differ
FROM telemetry.continuous_view ORDER BY view::text;
