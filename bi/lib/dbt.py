"""dbt's sources: each relation of the schema, with tests of what its keys promise."""
import json


def text(value):
    # JSON's strings are YAML's.
    return json.dumps(value, ensure_ascii=False)


def column_lines(table, column):
    lines = [f"          - name: {column.name}", f"            description: {text(column.comment)}"]
    tests = []
    if table.primary_key == [column.name] or column.name in table.unique:
        tests += ["unique", "not_null"]
    for key in table.foreign_keys:
        if key["column"] == column.name:
            # The constraint holds anyway: the newest days show that the keys are what dbt takes them for.
            where = ", config: {where: \"event_date > current_date - 8\"}" if table.column("event_date") else ""
            tests.append("relationships: {to: \"source('game', '%s')\", field: %s%s}" % (key["table"], key["target"], where))
    if tests:
        lines.append("            data_tests:")
        lines += [f"              - {test}" for test in tests]
    return lines


def files(model, options):
    lines = [f"# Written by bi/generate from the catalogs of schema {model.schema}.", "version: 2", "sources:", "  - name: game",
             "    schema: \"{{ var('game_schema') }}\"", "    tables:"]
    for table in model.tables:
        lines += [f"      - name: {table.name}", f"        description: {text(table.comment)}", "        columns:"]
        for column in table.columns:
            lines += column_lines(table, column)
    return {"dbt/models/sources.yml": "\n".join(lines) + "\n"}
