"""A Tableau data source (.tds): the fact tables with their dimensions, each its own file, as Tableau joins them."""
import xml.etree.ElementTree as ElementTree

DATA_TYPES = {"int64": "integer", "double": "real", "string": "string", "boolean": "boolean", "date": "date",
              "time": "datetime"}


def sub(parent, tag, **attributes):
    return ElementTree.SubElement(parent, tag, {key.replace("_", "-"): value for key, value in attributes.items()})


def relation(table, schema):
    return ElementTree.Element("relation", {"connection": "postgres", "name": table.name,
                                            "table": f"[{schema}].[{table.name}]", "type": "table"})


def joined(fact, links, schema):
    """fact LEFT JOIN dimension ...: the tree that Tableau writes, the newest join outermost."""
    tree = relation(fact, schema)
    for link in links:
        outer = ElementTree.Element("relation", {"join": "left", "type": "join"})
        clause = sub(outer, "clause", type="join")
        equal = sub(clause, "expression", op="=")
        sub(equal, "expression", op=f"[{fact.name}].[{link.column.name}]")
        sub(equal, "expression", op=f"[{link.target.name}].[{link.target_column.name}]")
        outer.append(tree)
        outer.append(relation(link.target, schema))
        tree = outer
    return tree


def fields(fact, links):
    """Columns under the names by which Tableau knows them: a name that two tables have gets its table's behind it."""
    taken = set()
    for table in [fact] + [link.target for link in links]:
        for column in table.columns:
            local = f"[{column.name}]" if column.name not in taken else f"[{column.name} ({table.name})]"
            taken.add(column.name)
            yield table, column, local


def describe(column, comment):
    if comment:
        sub(sub(sub(column, "desc"), "formatted-text"), "run").text = comment


def data_source(model, fact, options):
    links = [link for link in model.relationships if link.table is fact]
    host, _, port = options.server.partition(":")
    root = ElementTree.Element("datasource", {
        "formatted-name": f"{options.name}.{fact.name}", "inline": "true", "source-platform": "win", "version": "18.1"})
    connection = sub(root, "connection", **{"class": "federated"})
    named = sub(sub(connection, "named-connections"), "named-connection", caption=host, name="postgres")
    sub(named, "connection", authentication="username-password", **{"class": "postgres"}, dbname=options.database,
        one_time_sql="", port=port or "5432", server=host, username="")
    connection.append(joined(fact, links, model.schema))
    columns = sub(connection, "cols")
    for table, column, local in fields(fact, links):
        sub(columns, "map", key=local, value=f"[{table.name}].[{column.name}]")
    sub(root, "aliases", enabled="yes")
    for table, column, local in fields(fact, links):
        measure = column.type in ("int64", "double") and not column.is_hidden and table.is_fact and not column.name.endswith("_id")
        element = sub(root, "column", caption=column.friendly if table is fact else f"{column.friendly} ({table.friendly})",
                      datatype=DATA_TYPES[column.type], name=local, role="measure" if measure else "dimension",
                      type="quantitative" if measure else ("ordinal" if column.type in ("int64", "double", "date", "time") else "nominal"))
        if column.is_hidden:
            element.set("hidden", "true")
        describe(element, column.comment)
    ElementTree.indent(root)
    return "<?xml version='1.0' encoding='utf-8' ?>\n" + ElementTree.tostring(root, encoding="unicode") + "\n"


def files(model, options):
    return {f"tableau/{options.name}_{table.name}.tds": data_source(model, table, options)
            for table in model.tables if table.is_fact}
