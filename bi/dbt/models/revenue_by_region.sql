-- Currencies stay apart: a sum over several of them means nothing.
select
    region,
    currency,
    sum(purchases)::bigint as purchases,
    sum(revenue)::numeric(28, 6) as revenue
from {{ source('game', 'kpi_purchases') }}
group by 1, 2
