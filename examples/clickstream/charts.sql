-- What charts.py draws, as one JSON document.
SELECT json_build_object(
    'trending', (SELECT json_agg(json_build_array(product, views, usual_views) ORDER BY place, product)
                 FROM shop.trending_product WHERE place <= 8),
    'funnel', (SELECT json_agg(json_build_array(source, visits, looked_around, with_cart, with_order) ORDER BY visits DESC)
               FROM shop.conversion),
    'hours', (SELECT json_agg(json_build_array(to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI'), category, views) ORDER BY hour, category)
              FROM (SELECT hour, category, sum(views) AS views FROM shop.product_hour GROUP BY 1, 2) AS h),
    'revenue', (SELECT json_agg(json_build_array(region, device, revenue) ORDER BY region, device)
                FROM (SELECT region, device, sum(revenue)::float8 AS revenue FROM shop.region_device_day GROUP BY 1, 2) AS r));
