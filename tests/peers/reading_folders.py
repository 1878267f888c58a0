"""Tables of many files in the corpus: folders, globs, folders `key=value`, and columns that only some files have, or have in
other types."""

import glob
import io
import warnings

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet as pq
from astropy.io.votable import from_table, writeto
from astropy.table import MaskedColumn, Table
from reading_astropy import ecsv_table, fits_tables, votable_tables
from reading_case import Case, Peer
from reading_columnar import COMPRESSIONS, in_duckdb, parquet_file, quoted
from reading_values import column

WORDS = ["NGC 1", "Vega", "a,b", "M31", "Sirius"]
NUMBERS = {pa.int64(): int, pa.float64(): float, pa.string(): str}


def parts(rng):
    """Tables of the same columns whose rows are numbered through; each column begins with a value."""
    made = {pa.int64(): lambda: rng.choice([7, -(1 << 60), (1 << 53) + 1]), pa.float64(): lambda: rng.choice([0.5, -1e300, 2.25]),
            pa.string(): lambda: rng.choice(WORDS)}
    first, tables = 0, []
    for _ in range(rng.randint(1, 6)):
        rows = rng.choice([1, 5, 20])
        arrays = {"row": pa.array(range(first, first + rows), pa.int64())}
        for i, (t, make) in enumerate(made.items()):
            arrays[f"c{i}"] = pa.concat_arrays([pa.array([make()], t), column(rng, t, make, rows - 1, 0.2)])
        tables.append(pa.table(arrays))
        first += rows
    return tables


def to_astropy(data):
    found = Table()
    for name in data.column_names:
        cells = data[name].to_pylist()
        kind = NUMBERS[data[name].type]
        filled = [kind() if v is None else v for v in cells]
        found[name] = MaskedColumn(filled, mask=[v is None for v in cells], dtype="U9" if kind is str else kind)
    return found


def text_of(data, kind):
    """The bytes of a file of a kind."""
    sink = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "parquet":
            pq.write_table(data, sink)
        elif kind == "arrow":
            with pa.ipc.new_file(sink, data.schema) as writer:
                writer.write_table(data)
        elif kind == "csv":
            pa.csv.write_csv(data, sink)
        elif kind == "fits":
            to_astropy(data).write(sink, format="fits")
        elif kind == "vot":
            table = from_table(to_astropy(data))
            for f in table.get_first_table().fields:
                f.values.null = 0 if f.datatype == "long" and f.name != "row" else None
            writeto(table, sink)
        else:
            text = io.StringIO()
            to_astropy(data).write(text, format="ascii.ecsv", delimiter=",")
            return text.getvalue().encode()
    return sink.getvalue()


def read(data, kind):
    """The table of a file's bytes."""
    if kind == "parquet":
        return pq.ParquetFile(io.BytesIO(data)).read()
    if kind == "arrow":
        return pa.ipc.open_file(data).read_all()
    if kind == "csv":
        options = pa.csv.ConvertOptions(strings_can_be_null=True)
        return pa.csv.read_csv(io.BytesIO(data), convert_options=options)
    if kind == "fits":
        return fits_tables(io.BytesIO(data))[1]
    if kind == "vot":
        return votable_tables(data, True)[0]
    return ecsv_table(data.decode())


def globbed(rng, folder, name):
    """Files of one format in folders, all of them asked for, or those that a glob names."""
    kind = rng.choice(["parquet", "arrow", "csv", "fits", "vot", "ecsv"])
    ending = kind + (rng.choice(list(COMPRESSIONS)) if kind not in ("parquet", "arrow") else "")
    pattern, places = rng.choice([
        ("", [""]), ("/", [""]), ("/*", [""]), (f"/*.{ending}", [""]), (f"/**/*.{ending}", ["", "x/", "x/y/"]),
        ("/**", ["", "x/"]), (f"/x?/*.{ending}", ["x1/", "xß/"]), (f"/[ab]*.{ending}", [""]), (f"/a b/*.{ending}", ["a b/"])])
    files = {}
    for i, part in enumerate(parts(rng)):
        path = folder / name / f"{rng.choice(places)}{'ab'[i % 2]}{i}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        files[path] = text_of(part, kind)
        path.write_bytes(COMPRESSIONS[ending.removeprefix(kind)](files[path]))
    hidden = folder / name / rng.choice([".hidden", "_hidden"])
    hidden.mkdir(parents=True, exist_ok=True)
    (hidden / f"a.{ending}").write_bytes(b"not to be read")
    (folder / name / "README.md").write_text("not a table")
    whole = lambda: pa.concat_tables([read(data, kind) for data in files.values()])
    peers, has_null = [Peer("astropy or pyarrow", whole)], kind in ("parquet", "arrow")
    return Case(f"./{name}{pattern}", peers, not has_null, in_order=False, writer=kind)


def partitioned(rng, folder, name):
    """Parquet in folders `key=value`, as pyarrow's and DuckDB's writers make them. Both guess types of the values there, which
    are text to lamcat."""
    data = pa.concat_tables(parts(rng))
    # DuckDB writes %C3%9F for ß in a key, which lamcat does not take back, as pyarrow writes what it means.
    by_pyarrow = rng.random() < 0.5
    keys = rng.choice([["k"], ["k", "a b"], ["k", "ß"]] if by_pyarrow else [["k"], ["k", "key"]])
    values = rng.choice([["1", "2", "33"], ["x", "y z", "1"], ["2020-01-01", "a/b", "ü"]])
    for key in keys:
        data = data.append_column(key, pa.array([rng.choice(values) for _ in range(len(data))], pa.string()))
    where = folder / name
    if by_pyarrow:
        pa.dataset.write_dataset(data, where, format="parquet", partitioning=keys, partitioning_flavor="hive")
    else:
        connection = duckdb.connect()
        connection.register("data", data)
        names = ", ".join(f'"{key}"' for key in keys)
        connection.execute(f"COPY data TO {quoted(where)} (FORMAT parquet, PARTITION_BY ({names}))")
    schema = pa.schema([(k, pa.string()) for k in keys])
    flavour = pa.dataset.partitioning(schema, flavor="hive")
    read_all = lambda: pa.dataset.dataset(where, partitioning=flavour).to_table().select(data.column_names)
    files = quoted(f"{where}/**/*.parquet")
    in_text = "{" + ", ".join(f"'{k}': VARCHAR" for k in keys) + "}"
    query = f"SELECT * FROM read_parquet({files}, hive_partitioning = true, hive_types = {in_text})"
    peers = [Peer("pyarrow", read_all), Peer("DuckDB", lambda: in_duckdb(query).select(data.column_names), False)]
    return Case(f"./{name}" + rng.choice(["", "/"]), peers, in_order=False, writer="Parquet")


def widened(rng, folder, name):
    """Parquet whose files lack columns or have them in narrower types, which pyarrow joins in a type that holds both."""
    pairs = [(pa.int16(), pa.int32()), (pa.int32(), pa.int64()), (pa.float32(), pa.float64()), (pa.uint8(), pa.uint16()),
             (pa.int16(), pa.float64()), (pa.string(), pa.large_string()), (pa.date32(), pa.date32())]
    (folder / name).mkdir()
    chosen, tables = rng.sample(pairs, 4), []
    for i, part in enumerate(parts(rng)):
        for j, pair in enumerate(chosen):
            if i == 0 or rng.random() < 0.7:
                t = rng.choice(pair)
                make = (lambda: rng.choice(WORDS)) if pair[0] == pa.string() else lambda: rng.randint(0, 99)
                part = part.append_column(f"w{j}", column(rng, t, make, len(part), 0.2))
        pq.write_table(part, folder / name / f"{i}.parquet")
        tables.append(part)
    paths = sorted(glob.glob(f"{folder}/{name}/*.parquet"))
    whole = lambda: pa.concat_tables([parquet_file(path) for path in paths], promote_options="permissive")
    return Case(f"./{name}", [Peer("pyarrow", whole)], in_order=False, writer="pyarrow")
