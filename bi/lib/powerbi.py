"""A Power BI project (PBIP): a semantic model in TMDL, a report with an empty page, and the .pbids file."""
import json
import uuid

# Identities that do not change when files are written again.
NAMESPACE = uuid.UUID("6f1c0f3e-6f0e-4b44-9d2b-5f6f3d0c1a77")
SCHEMAS = "https://developer.microsoft.com/json-schemas/fabric"
DATA_TYPES = {"int64": "int64", "double": "double", "string": "string", "boolean": "boolean", "date": "dateTime",
              "time": "dateTime"}


def identity(*parts):
    return str(uuid.uuid5(NAMESPACE, "/".join(parts)))


def quote(name):
    return name if name.isalnum() else "'" + name.replace("'", "''") + "'"


def as_json(value):
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def described(comment, depth):
    """A description stands before its object, on lines of its own."""
    tabs = "\t" * depth
    return [f"{tabs}/// {line}" for line in comment.splitlines()]


def format_of(column):
    if column.type == "date":
        return "yyyy-mm-dd"
    if column.type == "time":
        return "yyyy-mm-dd hh:nn:ss"
    if column.type == "int64":
        return "0" if column.is_hidden or column.name in ("year", "iso_year", "date_key") else "#,0"
    if column.type == "double":
        # Ratios have little before the point: retention, conversion, stickiness.
        return "0.0%;-0.0%;0.0%" if is_ratio(column) else "#,0.00"
    return None


def is_ratio(column):
    return column.name in ("retention", "retention_rolling", "conversion", "stickiness", "conversion_step")


def column_lines(table, column, is_date_table):
    lines = described(column.comment, 1) + [f"\tcolumn {quote(column.friendly)}"]
    lines.append(f"\t\tdataType: {DATA_TYPES[column.type]}")
    if column.is_hidden:
        lines.append("\t\tisHidden")
    # A date table is marked by its day; other dimensions by their keys.
    if column is table.day if is_date_table else table.is_dimension and table.primary_key == [column.name]:
        lines.append("\t\tisKey")
    if format_of(column):
        lines.append(f"\t\tformatString: {format_of(column)}")
    lines.append(f"\t\tlineageTag: {identity(table.name, column.name)}")
    # Sums come from measures alone: a column of counts of players must not be added up over days.
    lines += ["\t\tsummarizeBy: none", f"\t\tsourceColumn: {column.name}", ""]
    return lines


def measure_lines(table, measure):
    lines = described(measure["description"], 1)
    expression = measure["expression"].splitlines()
    if len(expression) == 1:
        lines.append(f"\tmeasure {quote(measure['name'])} = {expression[0]}")
    else:
        lines.append(f"\tmeasure {quote(measure['name'])} =")
        lines += [f"\t\t\t{line}" for line in expression]
    lines += [f"\t\tformatString: {measure['format']}", f"\t\tlineageTag: {identity(table.name, 'measure', measure['name'])}"]
    return lines + [""]


def table_text(table):
    # Dimensions are kept in memory too, so that slicers are quick; what changes all the time is asked for live.
    mode = "dual" if table.is_dimension else "directQuery"
    is_date_table = table.name == "dim_date"
    lines = described(table.comment, 0) + [f"table {table.friendly}", f"\tlineageTag: {identity(table.name)}"]
    if is_date_table:
        lines.append("\tdataCategory: Time")
    lines.append("")
    for measure in table.measures:
        lines += measure_lines(table, measure)
    for column in table.columns:
        lines += column_lines(table, column, is_date_table)
    shown = ", ".join(f'"{column.name}"' for column in table.columns)
    lines += [
        f"\tpartition {table.friendly} = m",
        f"\t\tmode: {mode}",
        "\t\tsource =",
        "\t\t\t\tlet",
        "\t\t\t\t\tSource = PostgreSQL.Database(Server, Database),",
        f"\t\t\t\t\tData = Source{{[Schema = Schema, Item = \"{table.name}\"]}}[Data],",
        f"\t\t\t\t\tShown = Table.SelectColumns(Data, {{{shown}}})",
        "\t\t\t\tin",
        "\t\t\t\t\tShown",
        "",
    ]
    return "\n".join(lines)


def parameter(name, value):
    return "\n".join([
        f'expression {name} = "{value}" meta [IsParameterQuery = true, IsParameterQueryRequired = true, Type = "Text"]',
        f"\tlineageTag: {identity('parameter', name)}", "", ""])


def relationships_text(model):
    lines = []
    for link in model.relationships:
        lines.append(f"relationship {link.name}")
        # A foreign key that really holds lets Power BI write inner joins.
        if any(key["name"] == link.name for key in link.table.foreign_keys):
            lines.append("\trelyOnReferentialIntegrity")
        if link.one_to_one:
            lines += ["\tcrossFilteringBehavior: bothDirections", "\tfromCardinality: one"]
        lines += [f"\tfromColumn: {quote(link.table.friendly)}.{quote(link.column.friendly)}",
                  f"\ttoColumn: {quote(link.target.friendly)}.{quote(link.target_column.friendly)}", ""]
    return "\n".join(lines)


def model_text(model, name):
    lines = [f"/// Written by bi/generate from the catalogs of schema {model.schema}.", "model Model", "\tculture: en-US",
             "\tdefaultPowerBIDataSourceVersion: powerBI_V3", "\tdiscourageImplicitMeasures",
             "\tsourceQueryCulture: en-US", ""]
    lines += [f"ref table {table.friendly}" for table in model.tables]
    return "\n".join(lines + ["", ""])


def platform(kind, name):
    return as_json({
        "$schema": f"{SCHEMAS}/gitIntegration/platformProperties/2.0.0/schema.json",
        "metadata": {"type": kind, "displayName": name},
        "config": {"version": "2.0", "logicalId": identity("item", kind)},
    })


def report_files(name, folder):
    report = f"{SCHEMAS}/item/report"
    page = "overview"
    return {
        f"{folder}/.platform": platform("Report", name),
        f"{folder}/definition.pbir": as_json({
            "$schema": f"{report}/definitionProperties/2.0.0/schema.json", "version": "4.0",
            "datasetReference": {"byPath": {"path": f"../{name}.SemanticModel"}}}),
        f"{folder}/definition/version.json": as_json({
            "$schema": f"{report}/definition/versionMetadata/1.0.0/schema.json", "version": "2.0.0"}),
        f"{folder}/definition/report.json": as_json({
            "$schema": f"{report}/definition/report/1.0.0/schema.json", "themeCollection": {}, "layoutOptimization": "None"}),
        f"{folder}/definition/pages/pages.json": as_json({
            "$schema": f"{report}/definition/pagesMetadata/1.0.0/schema.json", "pageOrder": [page], "activePageName": page}),
        f"{folder}/definition/pages/{page}/page.json": as_json({
            "$schema": f"{report}/definition/page/1.0.0/schema.json", "name": page, "displayName": "Overview",
            "displayOption": "FitToPage", "height": 720, "width": 1280}),
    }


def files(model, options):
    name = options.name
    folder = f"powerbi/{name}.SemanticModel"
    found = {
        f"{name}.pbids": as_json({
            "version": "0.1",
            "connections": [{"details": {"protocol": "postgresql",
                                         "address": {"server": options.server, "database": options.database}},
                             "options": {}, "mode": "DirectQuery"}]}),
        f"powerbi/{name}.pbip": as_json({
            "$schema": f"{SCHEMAS}/pbip/pbipProperties/1.0.0/schema.json", "version": "1.0",
            "artifacts": [{"report": {"path": f"{name}.Report"}}], "settings": {"enableAutoRecovery": True}}),
        f"{folder}/.platform": platform("SemanticModel", name),
        f"{folder}/definition.pbism": as_json({
            "$schema": f"{SCHEMAS}/item/semanticModel/definitionProperties/1.0.0/schema.json", "version": "4.2",
            "settings": {}}),
        f"{folder}/definition/database.tmdl": "database\n\tcompatibilityLevel: 1567\n\n",
        f"{folder}/definition/model.tmdl": model_text(model, name),
        f"{folder}/definition/expressions.tmdl":
            parameter("Server", options.server) + parameter("Database", options.database) + parameter("Schema", model.schema),
        f"{folder}/definition/relationships.tmdl": relationships_text(model),
    }
    for table in model.tables:
        found[f"{folder}/definition/tables/{table.friendly}.tmdl"] = table_text(table)
    return {**found, **report_files(name, f"powerbi/{name}.Report")}
