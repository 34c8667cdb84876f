-- A web shop's topic of clicks, the table of facts, and what is kept up to date from them. :broker is the address of a
-- Kafka broker.
CREATE EXTENSION IF NOT EXISTS telemetry;

CREATE SERVER shop_kafka FOREIGN DATA WRAPPER telemetry_kafka
    OPTIONS (bootstrap_servers :'broker');

-- The topic as rows. NOT NULL and CHECK are rules for messages: one that breaks them becomes a dead letter.
CREATE FOREIGN TABLE shop.click_topic (
    click_id   uuid        OPTIONS (path 'id') NOT NULL,
    visitor    text        NOT NULL,
    action     text        OPTIONS (path 'type') NOT NULL CHECK (action IN ('view', 'add_to_cart', 'purchase')),
    event_time timestamptz OPTIONS (path 'at', timestamp_format 'epoch_ms') NOT NULL,
    product    text        NOT NULL,
    category   text,
    price      numeric     CHECK (price >= 0),
    quantity   integer,
    order_id   text        OPTIONS (path 'order'),
    source     text,
    device     text        OPTIONS (path 'client.device'),
    region     text        OPTIONS (path 'client.region')
) SERVER shop_kafka OPTIONS (topic 'clicks', format 'json');

-- The same topic as it is: what the shop's pages write, good or bad.
CREATE FOREIGN TABLE shop.click_raw (
    key   text OPTIONS (metadata 'key'),
    value text OPTIONS (metadata 'value')
) SERVER shop_kafka OPTIONS (topic 'clicks', format 'text');

-- Facts, by day. The key leaves out what a page sent twice (on_conflict => 'ignore' in pipeline.sql).
CREATE TABLE shop.click (
    click_id   uuid        NOT NULL,
    visitor    text        NOT NULL,
    action     text        NOT NULL,
    event_time timestamptz NOT NULL,
    product    text        NOT NULL,
    category   text,
    price      numeric(12,2),
    quantity   integer,
    order_id   text,
    source     text,
    device     text,
    region     text,
    PRIMARY KEY (click_id, event_time)
) PARTITION BY RANGE (event_time);
CREATE INDEX ON shop.click (visitor, event_time);

-- A visit: clicks of a visitor without a pause of more than half an hour. A late click may join two.
CREATE MATERIALIZED VIEW shop.visit WITH (telemetry.continuous) AS
SELECT visitor, min(event_time) AS started_at, max(event_time) AS ended_at,
       telemetry.first(source, event_time) AS source, telemetry.first(device, event_time) AS device,
       count(*) FILTER (WHERE action = 'view') AS views, count(*) FILTER (WHERE action = 'add_to_cart') AS put_in_cart,
       count(*) FILTER (WHERE action = 'purchase') AS bought, coalesce(sum(price * quantity), 0) AS revenue
FROM shop.click
GROUP BY visitor, telemetry.session_window(event_time, interval '30 minutes');

-- Over the visits, and kept up to date with them.
CREATE MATERIALIZED VIEW shop.source_day WITH (telemetry.continuous) AS
SELECT date_trunc('day', started_at, 'Europe/Berlin') AS day, source, count(*) AS visits,
       count(*) FILTER (WHERE views > 1) AS looked_around, count(*) FILTER (WHERE put_in_cart > 0) AS with_cart,
       count(*) FILTER (WHERE bought > 0) AS with_order, sum(revenue) AS revenue,
       avg(ended_at - started_at) AS length
FROM shop.visit GROUP BY 1, 2;

CREATE MATERIALIZED VIEW shop.product_hour WITH (telemetry.continuous) AS
SELECT date_trunc('hour', event_time, 'UTC') AS hour, product, category,
       count(*) FILTER (WHERE action = 'view') AS views, count(*) FILTER (WHERE action = 'add_to_cart') AS put_in_cart,
       coalesce(sum(quantity), 0) AS sold, coalesce(sum(price * quantity), 0) AS revenue
FROM shop.click GROUP BY 1, 2, 3;

CREATE MATERIALIZED VIEW shop.region_device_day WITH (telemetry.continuous) AS
SELECT date_trunc('day', event_time, 'Europe/Berlin') AS day, region, device, count(DISTINCT visitor) AS visitors,
       count(*) AS clicks, count(DISTINCT order_id) AS orders, coalesce(sum(price * quantity), 0) AS revenue
FROM shop.click GROUP BY 1, 2, 3;

-- What is looked at more than it uses to be: in the newest three hours, and as many as would be usual of as many views.
CREATE VIEW shop.trending_product AS
SELECT product, category, views, usual_views, round(views / greatest(usual_views, 1), 1) AS times,
       rank() OVER (ORDER BY views - usual_views DESC) AS place
FROM (SELECT product, category, views, round(before * sum(views) OVER () / nullif(sum(before) OVER (), 0), 1) AS usual_views
      FROM (SELECT product, category, coalesce(sum(views) FILTER (WHERE hour > n.newest - interval '3 hours'), 0)::bigint AS views,
                   coalesce(sum(views) FILTER (WHERE hour <= n.newest - interval '3 hours'), 0)::bigint AS before
            FROM shop.product_hour CROSS JOIN (SELECT max(hour) AS newest FROM shop.product_hour) AS n
            WHERE hour > n.newest - interval '3 days 3 hours' GROUP BY 1, 2) AS p) AS u;
COMMENT ON VIEW shop.trending_product IS
'Products by how many more views they have in the newest three hours than their part of all views in the three days before would give.';

-- How far visits come, by where they came from.
CREATE VIEW shop.conversion AS
SELECT source, sum(visits)::bigint AS visits, sum(looked_around)::bigint AS looked_around, sum(with_cart)::bigint AS with_cart,
       sum(with_order)::bigint AS with_order, round(100 * sum(with_order) / sum(visits), 2) AS conversion_percent,
       sum(revenue) AS revenue, round(sum(revenue) / sum(visits), 2) AS revenue_per_visit
FROM shop.source_day GROUP BY 1;
