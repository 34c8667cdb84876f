#!/usr/bin/python3
"""What Superset, pandas and whatever else uses SQLAlchemy sees of a schema: reflect.py URL SCHEMA FACT.

Prints tables, columns, keys and comments as lines, then reads the fact table through a server-side cursor.
"""
import sys

import sqlalchemy
from sqlalchemy.types import NullType, Numeric


def line(*fields):
    print("|".join("" if field is None else str(field) for field in fields))


def describe(inspector, schema, table):
    line("table", table, inspector.get_table_comment(table, schema)["text"])
    for column in inspector.get_columns(table, schema):
        line("column", table, column["name"], "YES" if column["nullable"] else "NO", column["comment"])
        kind = column["type"]
        if isinstance(kind, NullType) or not hasattr(kind, "python_type") or kind.__visit_name__ in ("JSON", "JSONB", "ARRAY"):
            line("odd", table, column["name"])
        if isinstance(kind, Numeric) and kind.__visit_name__ == "NUMERIC":
            line("numeric", table, column["name"], kind.precision, kind.scale)
    for position, column in enumerate(inspector.get_pk_constraint(table, schema)["constrained_columns"], 1):
        line("pk", table, position, column)
    for key in inspector.get_foreign_keys(table, schema):
        for column, target in zip(key["constrained_columns"], key["referred_columns"]):
            line("fk", table, key["name"], column, key["referred_table"], target)


def main():
    url, schema, fact = sys.argv[1:]
    engine = sqlalchemy.create_engine(url)
    inspector = sqlalchemy.inspect(engine)
    # As Superset does: views are asked for apart.
    names = set(inspector.get_table_names(schema)) | set(inspector.get_view_names(schema))
    for table in sorted(names):
        describe(inspector, schema, table)
    with engine.connect() as connection:
        streamed = connection.execution_options(stream_results=True)
        rows, cursors = 0, 0
        for _ in streamed.execute(sqlalchemy.text(f"SELECT * FROM {schema}.{fact}")):
            if rows == 0:
                query = sqlalchemy.text("SELECT count(*) FROM pg_cursors WHERE name <> ''")
                # The question itself is asked without a cursor, on the connection that holds one.
                with connection.connection.cursor() as plain:
                    plain.execute(str(query))
                    cursors = plain.fetchone()[0]
            rows += 1
        line("read", rows, "cursors", cursors)


main()
