"""CSV of the corpus, by the writers of pyarrow, pandas, polars and DuckDB, and by hand: line ends, marks, quotes, comments.

pyarrow and DuckDB are told the types that the README promises: integers of 64 bits, floats, logicals, ISO dates and times, lists
in brackets, text. They are told which words are NULL among what is not text, too; among text an empty cell and an unquoted
`null` are.
"""

import csv
import datetime as dt
import io

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
from reading_case import Case, Peer
from reading_columnar import COMPRESSIONS, with_types
from reading_values import NAMES, WORDS, column, integers, texts

NULLS = ["", "null", "NULL", "Null", "None", "NaN", "nan", "NA", "na", "N/A", "n/a"]
LISTS = pa.list_(pa.float64())


def instants(rng):
    return lambda: rng.randint(-2_000_000_000, 4_000_000_000)


def data(rng, rows):
    """A table with the types that text is taken for. Every column begins with a value that says what it is."""
    number = lambda: rng.choice([0.5, -1.25, 1e-7, 2.5e300, 123456789.123456789, rng.gauss(0, 1) * 10 ** rng.randint(-20, 20)])
    made = {
        pa.int64(): (integers(rng, 64, True), -3), pa.uint64(): (integers(rng, 64, False), (1 << 64) - 1),
        pa.float64(): (number, 0.5), pa.bool_(): (lambda: rng.random() < 0.5, True),
        pa.date32(): (lambda: dt.date(2016, 1, 1) + dt.timedelta(days=rng.randint(-9999, 9999)), dt.date(1999, 12, 31)),
        pa.timestamp("s"): (instants(rng), 1), pa.string(): (texts(rng, WORDS), "NGC 1"),
        LISTS: (lambda: [number() for _ in "abc"], [0.5]),
    }
    chosen = rng.sample(list(made), rng.randint(1, len(made)))
    names = rng.sample([n for n in NAMES if "[" not in n], 2) + [f"c{i}" for i in range(9)]
    arrays = {"row": pa.array(range(rows), pa.int64())}
    for i, t in enumerate(chosen):
        make, first = made[t]
        rest = column(rng, t, make, rows - 1, rng.choice([0.0, 0.3]))
        arrays[names[i]] = pa.concat_arrays([pa.array([first], t), rest])
    return pa.table(arrays)


def by_hand(rng, table, delimiter, end):
    """The text of a table, with the words and quotes that people and programs write."""
    words = {True: rng.choice(["true", "True", "TRUE"]), False: rng.choice(["false", "False", "FALSE"])}
    null, between = rng.choice(NULLS), rng.choice(["T", " "])
    # Among integers NaN says that they are floats.
    of_integers = null if null.lower() != "nan" else "null"
    opened, closed = rng.choice(["[]", "()"])

    def cell(value, data_type):
        if value is None:
            return "" if data_type == pa.string() else of_integers if pa.types.is_integer(data_type) else null
        if data_type == LISTS:
            return opened + ",".join(repr(v) for v in value) + closed
        if pa.types.is_timestamp(data_type):
            return value.isoformat(between)
        return words[value] if isinstance(value, bool) else repr(value) if isinstance(value, float) else str(value)

    text = io.StringIO()
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(table.column_names)
    for row in zip(*(c.to_pylist() for c in table.columns)):
        writer.writerow([cell(v, t) for v, t in zip(row, table.schema.types)])
    return text.getvalue()


def csv_by_hand(rng, folder, name):
    delimiter, end = rng.choice([",", ",", ",", "\t", ";", "|"]), rng.choice(["\n", "\n", "\r\n", "\r"])
    table = data(rng, rng.choice([1, 2, 10, 60]))
    text = by_hand(rng, table, delimiter, end)
    plain = text.encode()
    if rng.random() < 0.3:
        lines = [line + end for line in text.split(end)]
        if end != "\r" and '"' not in text:
            lines.insert(rng.randint(1, len(lines) - 1), "# a remark of 5% \"quality" + end)
        text = "# made by hand" + end + "".join(lines).removesuffix(end)
    text = rng.choice(["", "", "\ufeff"]) + (text.rstrip("\r\n") if rng.random() < 0.3 else text) + rng.choice(["", "", end])
    ending = rng.choice(["", "", *COMPRESSIONS])
    path = folder / f"{name}.{'tsv' if delimiter == chr(9) else rng.choice(['csv', 'CSV'])}{ending}"
    path.write_bytes(COMPRESSIONS[ending](text.encode()))
    return Case(path.name, [Peer("pyarrow", lambda: read(plain, table.schema, delimiter))], True, writer="hand")


def csv_by_program(rng, folder, name):
    table = data(rng, rng.choice([1, 2, 10, 60]))
    table = table.select([f.name for f in table.schema if f.type != LISTS])
    writer, path = rng.choice(["pyarrow", "pandas", "polars", "DuckDB"]), folder / f"{name}.csv"
    delimiter = rng.choice([",", ",", ";", "\t", "|"])
    if writer == "pyarrow":
        style = rng.choice(["needed", "all_valid"])
        pa.csv.write_csv(table, path, pa.csv.WriteOptions(delimiter=delimiter, quoting_style=style))
    elif writer == "pandas":
        frame = table.to_pandas(types_mapper=pd.ArrowDtype)
        frame.to_csv(path, index=False, sep=delimiter, na_rep=rng.choice(["", "null"]))
    elif writer == "polars":
        table = with_types(table, {f.name: pa.timestamp("ms") for f in table.schema if pa.types.is_timestamp(f.type)})
        pl.from_arrow(table).write_csv(path, separator=delimiter, line_terminator=rng.choice(["\n", "\r\n"]))
    else:
        connection = duckdb.connect()
        connection.register("data", table)
        connection.execute(f"COPY data TO '{path}' (HEADER, DELIMITER '{delimiter}')")
    types = table.schema
    return Case(path.name, [Peer("pyarrow", lambda: read(path.read_bytes(), types, delimiter))], True, writer=writer)


def read(text, schema, delimiter):
    """What pyarrow reads of text, in two passes as texts have other words for NULL than numbers have."""
    parse = pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    as_text = {f.name: pa.string() if f.type == LISTS else f.type for f in schema}

    def columns(names, **options):
        if not names:
            return {}
        convert = pa.csv.ConvertOptions(
            column_types=as_text, include_columns=names, true_values=["true", "True", "TRUE"],
            false_values=["false", "False", "FALSE"], timestamp_parsers=[pa.csv.ISO8601], **options)
        found = pa.csv.read_csv(io.BytesIO(text), parse_options=parse, convert_options=convert)
        return {name: found[name] for name in names}

    words = [f.name for f in schema if f.type == pa.string()]
    found = columns(words, null_values=["", "null", "NULL", "Null"], strings_can_be_null=True, quoted_strings_can_be_null=False)
    found |= columns([f.name for f in schema if f.name not in words], null_values=NULLS, strings_can_be_null=True)
    for f in schema:
        if f.type == LISTS:
            cells = found[f.name].to_pylist()
            found[f.name] = pa.array([c and [float(v) for v in c.strip("[]()").split(",")] for c in cells], LISTS)
        elif f.type == pa.string():
            found[f.name] = pa.array([c or None for c in found[f.name].to_pylist()], pa.string())
    return pa.table({f.name: found[f.name] for f in schema})
