"""Loads a semantic model by Microsoft's own parser of TMDL, and compares what it understood with the database.

    tmdl_check.py SERVER_PROGRAM FOLDER.SemanticModel COMMENTS

The program is Microsoft's Power BI Modeling MCP server: it is asked by JSON-RPC on its standard input. It has to have each
relation with its columns and their descriptions; a broken copy has to be refused, so that this test can fail.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile


class Server:
    def __init__(self, program):
        self.process = subprocess.Popen([program, "--start"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.number = 0
        self.call("initialize", {"protocolVersion": "2024-11-05", "capabilities": {},
                                 "clientInfo": {"name": "tmdl_check", "version": "1"}})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def call(self, method, parameters):
        self.number += 1
        self.send({"jsonrpc": "2.0", "id": self.number, "method": method, "params": parameters})
        for line in self.process.stdout:
            answer = json.loads(line)
            if answer.get("id") == self.number:
                return answer.get("result") or sys.exit(f"{method}: {answer}")
        sys.exit(f"{method}: the server ended")

    def tool(self, name, **request):
        """Gives whether it went well, and the text of the answer."""
        answer = self.call("tools/call", {"name": name, "arguments": {"request": request}})
        parts = [part.get("text") or part.get("resource", {}).get("text", "") for part in answer["content"]]
        return not answer.get("isError"), "\n".join(parts)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def description(thing):
    text = thing.get("description", "")
    return "\n".join(text) if isinstance(text, list) else text


def understood(server, folder):
    """The model as the parser has it, from its export to TMSL, which is JSON."""
    well, text = server.tool("connection_operations", operation="ConnectFolder", folderPath=str(folder))
    if not well or '"tablesLoaded"' not in text:
        return None, text
    _, text = server.tool("database_operations", operation="ExportTMSL",
                          tmslExportOptions={"tmslOperationType": "CreateOrReplace", "maxReturnCharacters": -1})
    return json.JSONDecoder().raw_decode(text[text.index("{"):])[0]["createOrReplace"]["database"]["model"], text


def differences(model, relations):
    tables = {}
    for table in model["tables"]:
        source = "\n".join(table["partitions"][0]["source"]["expression"])
        tables[source.split('Item = "')[1].split('"')[0]] = table
    for relation in relations:
        table = tables.pop(relation["name"], None)
        if table is None:
            yield f"{relation['name']} is not in the model"
            continue
        if description(table) != (relation["comment"] or ""):
            yield f"{relation['name']}: described as {description(table)!r}"
        seen = {column["sourceColumn"]: description(column) for column in table["columns"]}
        if seen != relation["columns"]:
            yield f"{relation['name']}: {seen} instead of {relation['columns']}"
    for name in tables:
        yield f"{name} is not in the database"


def main():
    program, folder, comments = sys.argv[1:]
    folder = pathlib.Path(folder).resolve()
    server = Server(program)
    model, text = understood(server, folder)
    if model is None:
        sys.exit(f"not understood: {text}")
    problems = list(differences(model, [json.loads(line) for line in pathlib.Path(comments).read_text().splitlines()]))
    measures = sum(len(table.get("measures", [])) for table in model["tables"])
    print(f"{len(model['tables'])} tables, {measures} measures, {len(model.get('relationships', []))} relationships")
    if len(model["tables"]) < 10 or measures < 10 or len(model.get("relationships", [])) < 3:
        problems.append("too little")
    with tempfile.TemporaryDirectory() as broken:
        copy = pathlib.Path(broken) / folder.name
        shutil.copytree(folder, copy)
        table = next((copy / "definition" / "tables").glob("Fact*.tmdl"))
        table.write_text(table.read_text().replace("dataType: int64", "dataType: int65", 1))
        if understood(server, copy)[0] is not None:
            problems.append("a broken model was loaded, too")
    server.stop()
    sys.exit("\n".join(problems) or None)


main()
