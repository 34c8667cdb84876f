"""Whether the charts of the dashboard got what SQL says: superset_check.py SEEN.json URL."""
import datetime
import decimal
import json
import sys

import sqlalchemy

# Chart -> the same figures by SQL: how a person would ask, not what Superset generates.
QUERIES = {
    "Players of the newest day": "SELECT dau FROM game.kpi_active_users ORDER BY event_date DESC LIMIT 1",
    "Players of 30 days": "SELECT mau FROM game.kpi_active_users ORDER BY event_date DESC LIMIT 1",
    "Events stored": "SELECT count(*) FROM game.fact_player_events",
    "Lag": "SELECT 0",
    "Active users": "SELECT event_date, dau, wau FROM game.kpi_active_users",
    "Retention by cohort": "SELECT day_number, cohort_date, retention FROM game.kpi_retention WHERE day_number BETWEEN 1 AND 14",
}
PIVOTED = {
    "Revenue by region": "SELECT region, currency, sum(revenue) FROM game.kpi_purchases GROUP BY 1, 2",
    "Players at the same moment": "SELECT event_date, game_id, peak_players FROM game.kpi_concurrent",
}
SESSIONS = "SELECT count(*) FROM game.fact_player_sessions"


def plain(value):
    """Days are milliseconds to Superset, and numbers are floats."""
    if isinstance(value, datetime.date):
        return datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.timezone.utc).timestamp() * 1000
    if isinstance(value, (int, float, decimal.Decimal)):
        return round(float(value), 6)
    return value


def rows_of(connection, query):
    return sorted((tuple(plain(v) for v in row) for row in connection.execute(sqlalchemy.text(query))), key=repr)


def unpivoted(rows):
    """Superset makes a column of each series: back to one row per value."""
    for row in rows:
        first, *series = row.items()
        yield from ((plain(first[1]), name, plain(value)) for name, value in series if value is not None)


def main():
    path, url = sys.argv[1:]
    seen = json.load(open(path))
    problems = []
    with sqlalchemy.create_engine(url).connect() as connection:
        for name, query in QUERIES.items():
            # The heat map's answer has a rank behind the columns that were asked for.
            got = sorted((tuple(plain(v) for k, v in row.items() if k != "rank") for row in seen[name] or []), key=repr)
            if got != rows_of(connection, query):
                problems.append(f"{name}: {got[:5]} instead of {rows_of(connection, query)[:5]}")
        for name, query in PIVOTED.items():
            got = sorted(unpivoted(seen[name] or []), key=repr)
            if got != rows_of(connection, query):
                problems.append(f"{name}: {got[:5]} instead of {rows_of(connection, query)[:5]}")
        histogram = sum(v for row in seen["Length of sessions in minutes"] for v in row.values() if isinstance(v, (int, float)))
        sessions = connection.execute(sqlalchemy.text(SESSIONS)).scalar()
        if histogram != sessions:
            problems.append(f"length of sessions: {histogram} instead of {sessions}")
        # What is read on the screen: figures as Superset writes them.
        shown = [f"{int(rows_of(connection, QUERIES[name])[0][0]):,}" for name in list(QUERIES)[:4]]
        if seen["text"] != shown:
            problems.append(f"the screen reads {seen['text']} instead of {shown}")
    sys.exit("\n".join(problems) or None)


main()
