"""Opens Tableau data sources by Tableau's own Document API, and compares them with the database.

    tds_check.py COMMENTS FILE.tds...

Each field has to be a column of the database with its comment; each is read where the connection says."""
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

from tableaudocumentapi import Datasource


def text_of(description):
    return "".join(ElementTree.fromstring(description).itertext()).strip() if description else ""


def problems_of(path, relations):
    source = Datasource.from_file(path)
    connection, = source.connections
    if (connection.dbclass, bool(connection.username)) != ("postgres", False):
        yield f"{path}: connects by {connection.dbclass} as {connection.username!r}"
    places = {item.get("key"): item.get("value") for item in ElementTree.parse(path).iter("map")}
    if set(places) != set(source.fields) or len(places) < 15:
        yield f"{path}: fields {sorted(source.fields)} are read from {places}"
    joined = {relation.get("name") for relation in ElementTree.parse(path).iter("relation") if relation.get("type") == "table"}
    if len(joined) < 4:
        yield f"{path}: joins only {joined}"
    for name, field in source.fields.items():
        table, column = places[name].strip("[]").split("].[")
        comment = relations.get(table, {}).get(column)
        if table not in joined or comment is None or text_of(field.description) != comment.strip():
            yield f"{path}: {name} of {table}.{column} is described as {text_of(field.description)!r} instead of {comment!r}"


def main():
    comments, *paths = sys.argv[1:]
    relations = {}
    for line in pathlib.Path(comments).read_text().splitlines():
        relation = json.loads(line)
        relations[relation["name"]] = relation["columns"]
    found = [problem for path in paths for problem in problems_of(path, relations)]
    if len(paths) < 2:
        found.append("there are too few files")
    sys.exit("\n".join(found) or None)


main()
