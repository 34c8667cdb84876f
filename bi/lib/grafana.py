"""Grafana: a data source to provision, and a dashboard of the KPIs."""
import json

SOURCE = "telemetry-game"

# Title, kind, width, unit, SQL. {schema} is put in; $__timeFilter is Grafana's, of the time range that is chosen.
PANELS = [
    ("Daily active users, newest day", "stat", 6, "short", "SELECT dau FROM {schema}.kpi_active_users ORDER BY event_date DESC LIMIT 1"),
    ("Monthly active users, newest day", "stat", 6, "short", "SELECT mau FROM {schema}.kpi_active_users ORDER BY event_date DESC LIMIT 1"),
    ("Stickiness, newest day", "stat", 6, "percentunit", "SELECT stickiness FROM {schema}.kpi_active_users ORDER BY event_date DESC LIMIT 1"),
    ("Peak of players at one moment", "stat", 6, "short",
     "SELECT max(peak_players) FROM {schema}.kpi_concurrent WHERE $__timeFilter(event_date::timestamp)"),
    ("Active users", "timeseries", 12, "short",
     "SELECT event_date::timestamp AS time, dau, wau, mau FROM {schema}.kpi_active_users "
     "WHERE $__timeFilter(event_date::timestamp) ORDER BY 1"),
    ("New, returning and resurrected players", "timeseries", 12, "short",
     "SELECT event_date::timestamp AS time, new_players, returning_players, resurrected_players "
     "FROM {schema}.kpi_player_status WHERE $__timeFilter(event_date::timestamp) ORDER BY 1"),
    ("Revenue by region and currency", "table", 12, "none",
     "SELECT region, currency, sum(purchases) AS purchases, sum(revenue) AS revenue FROM {schema}.kpi_purchases "
     "WHERE $__timeFilter(event_date::timestamp) GROUP BY 1, 2 ORDER BY 1, 2"),
    ("ARPDAU by currency", "timeseries", 12, "none",
     "SELECT event_date::timestamp AS time, coalesce(currency, 'none') AS metric, arpdau FROM {schema}.kpi_monetization "
     "WHERE $__timeFilter(event_date::timestamp) ORDER BY 1"),
    ("Retention by cohort", "table", 12, "percentunit",
     "SELECT cohort_date::text AS cohort, max(retention) FILTER (WHERE day_number = 1) AS \"D1\", "
     "max(retention) FILTER (WHERE day_number = 3) AS \"D3\", max(retention) FILTER (WHERE day_number = 7) AS \"D7\", "
     "max(retention) FILTER (WHERE day_number = 30) AS \"D30\" FROM {schema}.kpi_retention "
     "WHERE $__timeFilter(cohort_date::timestamp) GROUP BY 1 ORDER BY 1"),
    ("Peak of players by game", "timeseries", 12, "short",
     "SELECT event_date::timestamp AS time, {game} AS metric, peak_players FROM {schema}.kpi_concurrent AS k "
     "WHERE $__timeFilter(event_date::timestamp) ORDER BY 1"),
    ("Median length of sessions", "timeseries", 12, "s",
     "SELECT event_date::timestamp AS time, {game} AS metric, median_seconds FROM {schema}.kpi_sessions AS k "
     "WHERE $__timeFilter(event_date::timestamp) ORDER BY 1"),
    ("Players by level", "barchart", 12, "short",
     "SELECT coalesce(level::text, 'unknown') AS level, sum(players) AS players FROM {schema}.kpi_levels AS k GROUP BY k.level ORDER BY k.level"),
]


def game_name(model, table):
    """KPIs name the game by its key, or by its id itself."""
    if model.by_name[table].column("game_id"):
        return "k.game_id"
    return f"(SELECT g.game_id FROM {model.schema}.dim_game AS g WHERE g.game_key = k.game_key)"


def panel(model, number, place, title, kind, width, unit, sql):
    x, y = place
    source = {"type": "grafana-postgresql-datasource", "uid": SOURCE}
    table = sql.split("{schema}.")[1].split()[0]
    query = sql.replace("{schema}", model.schema)
    if "{game}" in query:
        query = query.replace("{game}", game_name(model, table))
    return {
        "id": number, "type": kind, "title": title, "description": model.by_name[table].comment, "datasource": source,
        "gridPos": {"h": 4 if kind == "stat" else 8, "w": width, "x": x, "y": y},
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []}, "options": {},
        "targets": [{"refId": "A", "datasource": source, "format": "time_series" if kind == "timeseries" else "table",
                     "rawQuery": True, "editorMode": "code", "rawSql": query}],
    }


def dashboard(model, options):
    panels = []
    x = y = 0
    for number, item in enumerate(PANELS, 1):
        panels.append(panel(model, number, (x, y), *item))
        x += item[2]
        if x >= 24:
            x, y = 0, y + (4 if item[1] == "stat" else 8)
    return {"title": f"{options.name}: KPIs", "uid": f"{options.name}-kpis", "tags": ["telemetry"], "timezone": "utc",
            "schemaVersion": 39, "version": 1, "refresh": "10s", "time": {"from": "now-30d", "to": "now"},
            "templating": {"list": []}, "panels": panels}


def data_source(options):
    return "\n".join([
        "# To Grafana's provisioning/datasources. User and password stand in Grafana's environment, not here.",
        "apiVersion: 1", "datasources:", "  - name: telemetry", f"    uid: {SOURCE}", "    type: grafana-postgresql-datasource",
        "    access: proxy", f"    url: {options.server}", "    user: $BI_USER", "    jsonData:", f"      database: {options.database}",
        "      sslmode: prefer", "    secureJsonData:", "      password: $BI_PASSWORD", ""])


def files(model, options):
    return {f"grafana/{options.name}.json": json.dumps(dashboard(model, options), indent=1, ensure_ascii=False) + "\n",
            "grafana/datasource.yaml": data_source(options)}
