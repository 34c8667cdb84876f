"""A star schema as BI tools shall see it: friendly names, types, relationships, measures."""
import re

# Types of the model, by those of PostgreSQL. Others (jsonb) are left out: no BI tool groups by them.
TYPES = {
    "int2": "int64", "int4": "int64", "int8": "int64", "float4": "double", "float8": "double", "numeric": "double",
    "text": "string", "varchar": "string", "bpchar": "string", "bool": "boolean", "date": "date", "timestamptz": "time",
}


class ModelError(Exception):
    """The schema or the measures do not fit together."""


def camel(name):
    """fact_player_events -> FactPlayerEvents"""
    return "".join(part.capitalize() for part in name.split("_"))


def title(name):
    """event_date -> Event Date"""
    words = {"id": "ID", "iso": "ISO", "dau": "DAU", "wau": "WAU", "mau": "MAU", "arpu": "ARPU", "arppu": "ARPPU",
             "arpdau": "ARPDAU"}
    return " ".join(words.get(part, part.capitalize()) for part in name.split("_"))


class Column:
    def __init__(self, row):
        self.name = row["name"]
        self.friendly = title(row["name"])
        self.type = TYPES.get(row["type"])
        self.scale = row["scale"]
        self.comment = row["comment"] or ""
        self.is_key = self.name.endswith("_key")
        # What links tables, or says where a row came from, is nothing to look at.
        self.is_hidden = self.is_key or self.name.startswith("kafka_")


class Table:
    def __init__(self, row):
        self.name = row["name"]
        self.friendly = camel(row["name"])
        self.comment = row["comment"] or ""
        self.columns = [column for column in map(Column, row["columns"]) if column.type]
        self.left_out = [c["name"] for c in row["columns"] if c["type"] not in TYPES]
        self.unique = set(row["unique"])
        self.primary_key = row["primary_key"] or []
        self.foreign_keys = row["foreign_keys"]
        self.is_dimension = self.name.startswith("dim_")
        self.is_fact = self.name.startswith("fact_")
        self.measures = []

    @property
    def day(self):
        """Of dim_date: the column that is the day itself."""
        return next(column for column in self.columns if column.type == "date")

    def column(self, name):
        return next((column for column in self.columns if column.name == name), None)


class Relationship:
    """From the many side to the one side."""

    def __init__(self, name, table, column, target, target_column, one_to_one=False):
        self.name = name
        self.one_to_one = one_to_one
        self.table, self.column = table, column
        self.target, self.target_column = target, target_column


class Model:
    def __init__(self, schema, rows, measures):
        self.schema = schema
        self.tables = [Table(row) for row in rows]
        self.by_name = {table.name: table for table in self.tables}
        if not self.tables:
            raise ModelError("there is no table in this schema, or it may not be read")
        self.relationships = self.find_relationships()
        self.add_measures(measures)

    def find_relationships(self):
        """Foreign keys, and for views, which cannot have them, columns with the name of a dimension's unique one."""
        found = []
        dimensions = [table for table in self.tables if table.is_dimension]
        for table in self.tables:
            linked = set()
            for key in table.foreign_keys:
                target = self.by_name[key["table"]]
                found.append(Relationship(key["name"], table, table.column(key["column"]), target,
                                          target.column(key["target"])))
                linked.add(target.name)
            if table.is_dimension:
                # A view over a dimension, with columns that are computed when it is read.
                whole = next((d for d in dimensions if d is not table and table.name.startswith(d.name + "_")), None)
                if whole and whole.primary_key and table.column(whole.primary_key[0]):
                    key = whole.primary_key[0]
                    found.append(Relationship(table.name, table, table.column(key), whole, whole.column(key), True))
                continue
            for target in dimensions:
                if target.name in linked:
                    continue
                link = self.natural_link(table, target)
                if link:
                    found.append(Relationship(f"{table.name}_{link[0].name}", table, link[0], target, link[1]))
        return found

    @staticmethod
    def natural_link(table, dimension):
        for column in table.columns:
            if column.name in dimension.unique:
                return column, dimension.column(column.name)
        if dimension.name == "dim_date" and table.column("cohort_date"):
            return table.column("cohort_date"), dimension.day
        return None

    def add_measures(self, measures):
        """Each measure names columns as Table[Column]; one that is not there would be an error in Power BI."""
        friendly = {table.friendly: {c.friendly for c in table.columns} for table in self.tables}
        names = {table.friendly: table for table in self.tables}
        taken = set()
        for measure in measures:
            text = measure["expression"]
            table = names.get(measure["table"])
            if table is None:
                raise ModelError(f"measure {measure['name']}: there is no table {measure['table']}")
            for reference in re.finditer(r"(?:'([^']+)'|\b([A-Za-z]\w*))\[([^\]]+)\]", text):
                owner = reference.group(1) or reference.group(2)
                if reference.group(3) not in friendly.get(owner, ()):
                    raise ModelError(f"measure {measure['name']}: there is no {reference.group(0)}")
            if measure["name"] in taken or measure["name"] in friendly[table.friendly]:
                raise ModelError(f"measure {measure['name']}: there is another one, or a column, of this name")
            taken.add(measure["name"])
            table.measures.append(measure)
