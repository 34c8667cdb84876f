#!/usr/bin/env python3
"""Writes a bundle that Superset imports: database, datasets with their columns and comments, charts, a dashboard.

    bundle.py SQLALCHEMY_URL SCHEMA BUNDLE.zip

Columns come from the database that the URL names; what the charts show is in this file. A bundle for a Superset of your
own: leave the password out of the URL and import it at Settings, Import dashboards; it asks for the password.
Needs PyYAML and SQLAlchemy, which come with Superset.
"""
import sys
import uuid
import zipfile

import sqlalchemy
import yaml

NAMESPACE = uuid.UUID("0c6a9a35-0c53-4f3a-9a0e-4be1e5a3c2c4")
DATABASE = "telemetry"
# Relations of the schema, and two queries: the length of a session in minutes, and how far behind the pipelines are.
DATASETS = {
    "kpi_active_users": None,
    "kpi_purchases": None,
    "kpi_retention": None,
    "kpi_concurrent": None,
    "session_minutes":
        "SELECT seconds / 60 AS minutes FROM {schema}.fact_player_sessions",
    "pipeline_lag": "SELECT pipeline, state, lag, stored FROM telemetry.stat_pipeline",
}


def identity(*parts):
    return str(uuid.uuid5(NAMESPACE, "/".join(parts)))


def metric(label, expression):
    return {"expressionType": "SQL", "sqlExpression": expression, "label": label, "optionName": f"metric_{label}"}


def where(condition):
    return {"expressionType": "SQL", "sqlExpression": condition, "clause": "WHERE", "filterOptionName": f"filter_{condition}"}


def chart(name, dataset, kind, width, height, description, **params):
    return {"name": name, "dataset": dataset, "kind": kind, "width": width, "height": height, "description": description,
            "params": {"viz_type": kind, "adhoc_filters": [], "row_limit": 10000, "time_range": "No filter", **params}}


def big_number(name, dataset, expression, description):
    return chart(name, dataset, "big_number_total", 3, 22, description, metric=metric(name, expression),
                 y_axis_format=",d", subtitle=description, subtitle_font_size=0.125, header_font_size=0.4)


# Rows of the dashboard. What is shown are the columns of the KPIs as they are: no sums over days or currencies.
ROWS = [
    [
        big_number("Players of the newest day", "kpi_active_users", "(array_agg(dau ORDER BY event_date DESC))[1]", "DAU: players with an event on it"),
        big_number("Players of 30 days", "kpi_active_users", "(array_agg(mau ORDER BY event_date DESC))[1]", "MAU: up to the newest day"),
        big_number("Events stored", "pipeline_lag", "sum(stored)", "since the pipelines were made"),
        big_number("Lag", "pipeline_lag", "sum(lag)", "messages in the topic that are not stored yet"),
    ],
    [
        chart("Active users", "kpi_active_users", "echarts_timeseries_line", 7, 46, "Players with an event on the day, or in 7 days",
              x_axis="event_date", time_grain_sqla="P1D", groupby=[], metrics=[metric("DAU", "max(dau)"), metric("WAU", "max(wau)")],
              show_legend=True, rich_tooltip=True, markerEnabled=True, y_axis_format=",d", x_axis_title="", truncateXAxis=False),
        chart("Revenue by region", "kpi_purchases", "echarts_timeseries_bar", 5, 46, "Each currency by itself; a logarithmic axis",
              x_axis="region", groupby=["currency"], metrics=[metric("revenue", "sum(revenue)")], x_axis_sort_asc=True,
              show_legend=True, logAxis=True, y_axis_format=",d", show_value=True, xAxisForceCategorical=True, x_axis_title=""),
    ],
    [
        chart("Retention by cohort", "kpi_retention", "heatmap_v2", 7, 60, "Part of a day's new players who play on day N",
              adhoc_filters=[where("day_number BETWEEN 1 AND 14")],
              x_axis="day_number", groupby="cohort_date", metric=metric("retention", "max(retention)"), sort_x_axis="alpha_asc",
              sort_y_axis="alpha_desc", normalize_across="heatmap", legend_type="continuous", linear_color_scheme="superset_seq_1",
              xscale_interval=-1, yscale_interval=-1, value_bounds=[None, None], y_axis_format=".0%", show_legend=True,
              show_percentage=False, show_values=True, bottom_margin="auto", left_margin="auto"),
        chart("Players at the same moment", "kpi_concurrent", "echarts_timeseries_line", 5, 60, "Daily peak by game",
              x_axis="event_date", time_grain_sqla="P1D", groupby=["game_id"], metrics=[metric("peak", "max(peak_players)")],
              show_legend=True, rich_tooltip=True, markerEnabled=True, y_axis_format=",d", x_axis_title=""),
    ],
    [
        chart("Length of sessions in minutes", "session_minutes", "histogram_v2", 12, 40, "From first to last event",
              column="minutes", groupby=[], bins=20, normalize=False, cumulative=False, show_legend=False, x_axis_title="",
              y_axis_title=""),
    ],
]


def columns_of(connection, schema, name, query):
    """Names, types and comments, as the database says."""
    if query is None:
        inspector = sqlalchemy.inspect(connection)
        found = [(c["name"], str(c["type"]), c["comment"]) for c in inspector.get_columns(name, schema)]
    else:
        # psycopg2 gives types as OIDs, which the server has names for.
        cursor = connection.execute(sqlalchemy.text(f"SELECT * FROM ({query}) AS q LIMIT 0")).cursor
        found = []
        for column in cursor.description:
            kind = connection.execute(sqlalchemy.text("SELECT format_type(:oid, NULL)"), {"oid": column.type_code}).scalar()
            found.append((column.name, kind, None))
    if not found:
        sys.exit(f"{schema}.{name} is not there, or may not be read")
    return [{"column_name": column, "type": kind.upper(), "description": comment, "groupby": True, "filterable": True,
             "is_active": True, "is_dttm": kind.upper().startswith(("DATE", "TIMESTAMP"))} for column, kind, comment in found]


def dataset(connection, schema, name, query):
    query = query and query.format(schema=schema)
    return {"table_name": name, "schema": schema if query is None else None, "sql": query, "uuid": identity("dataset", name),
            "columns": columns_of(connection, schema, name, query), "metrics": [], "params": None, "cache_timeout": -1,
            "database_uuid": identity("database"), "version": "1.0.0"}


def layout():
    """Where the charts stand: the tree that Superset keeps."""
    position = {"DASHBOARD_VERSION_KEY": "v2", "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
                "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": "A game, live"}},
                "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": [], "parents": ["ROOT_ID"]}}
    for number, row in enumerate(ROWS):
        row_id = f"ROW-{number}"
        position["GRID_ID"]["children"].append(row_id)
        position[row_id] = {"type": "ROW", "id": row_id, "children": [], "parents": ["ROOT_ID", "GRID_ID"],
                            "meta": {"background": "BACKGROUND_TRANSPARENT"}}
        for place, item in enumerate(row):
            item_id = f"CHART-{number}-{place}"
            position[row_id]["children"].append(item_id)
            position[item_id] = {"type": "CHART", "id": item_id, "children": [], "parents": ["ROOT_ID", "GRID_ID", row_id],
                                 "meta": {"uuid": identity("chart", item["name"]), "sliceName": item["name"], "chartId": 0,
                                          "width": item["width"], "height": item["height"]}}
    return position


def documents(url, schema):
    engine = sqlalchemy.create_engine(url)
    yield "metadata.yaml", {"version": "1.0.0", "type": "Dashboard", "timestamp": "2026-11-21T00:00:00+00:00"}
    yield f"databases/{DATABASE}.yaml", {
        "database_name": DATABASE, "sqlalchemy_uri": url, "uuid": identity("database"), "version": "1.0.0", "cache_timeout": -1,
        "expose_in_sqllab": True, "allow_run_async": False, "allow_ctas": False, "allow_cvas": False, "allow_dml": False, "extra": {}}
    with engine.connect() as connection:
        for name, query in DATASETS.items():
            yield f"datasets/{DATABASE}/{name}.yaml", dataset(connection, schema, name, query)
    for item in [item for row in ROWS for item in row]:
        yield f"charts/{item['name'].replace(' ', '_')}.yaml", {
            "slice_name": item["name"], "viz_type": item["kind"], "params": item["params"], "description": item["description"],
            "uuid": identity("chart", item["name"]), "dataset_uuid": identity("dataset", item["dataset"]), "cache_timeout": -1,
            "version": "1.0.0"}
    yield "dashboards/game.yaml", {
        "dashboard_title": "A game, live", "slug": "game", "uuid": identity("dashboard"), "css": "", "published": True,
        "position": layout(), "version": "1.0.0", "description": "KPIs of telemetry.create_game_model()",
        # Seconds between two looks at the database.
        "metadata": {"refresh_frequency": 10, "timed_refresh_immune_slices": [], "color_scheme": "supersetColors"}}


def main():
    url, schema, target = sys.argv[1:]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as bundle:
        for path, content in documents(url, schema):
            bundle.writestr(f"game/{path}", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


if __name__ == "__main__":
    main()
