"""What dbt built and documented: dbt_check.py TARGET_FOLDER COMMENTS. Fails unless its catalog has each relation of the
model with its columns and comments, and all that it ran was fine."""
import json
import pathlib
import sys


def main():
    target, comments = map(pathlib.Path, sys.argv[1:])
    catalog = json.loads((target / "catalog.json").read_text())
    results = json.loads((target / "run_results.json").read_text())["results"]
    manifest = json.loads((target / "manifest.json").read_text())
    problems = [f"{r['unique_id']}: {r['status']}" for r in results if r["status"] not in ("success", "pass")]
    found = {node["metadata"]["name"]: node for node in catalog["sources"].values()}
    expected = [json.loads(line) for line in comments.read_text().splitlines()]
    for relation in expected:
        node = found.pop(relation["name"], None)
        if node is None:
            problems.append(f"{relation['name']} is not in dbt's catalog")
            continue
        if (node["metadata"]["comment"] or "") != (relation["comment"] or ""):
            problems.append(f"{relation['name']}: dbt has the comment {node['metadata']['comment']!r}")
        for column, comment in relation["columns"].items():
            seen = node["columns"].get(column)
            if seen is None or (seen["comment"] or "") != comment:
                problems.append(f"{relation['name']}.{column}: dbt has {seen}")
    problems += [f"{name} is not in the database" for name in found]
    tests = sum(1 for node in manifest["nodes"].values() if node["resource_type"] == "test")
    if len(expected) < 10 or tests < 10:
        problems.append(f"only {len(expected)} relations and {tests} tests")
    sys.exit("\n".join(problems) or None)


main()
