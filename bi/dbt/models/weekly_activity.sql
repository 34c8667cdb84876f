-- ISO weeks of the KPIs that may be added up or averaged over days.
select
    d.iso_year,
    d.iso_week,
    min(d.full_date) as first_day,
    avg(a.dau)::numeric(18, 2) as average_dau,
    max(a.wau) as highest_wau
from {{ source('game', 'kpi_active_users') }} as a
join {{ source('game', 'dim_date') }} as d on d.full_date = a.event_date
group by 1, 2
