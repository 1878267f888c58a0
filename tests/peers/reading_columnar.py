"""Parquet, Arrow and JSON lines of the corpus, written by pyarrow, polars and DuckDB."""

import base64
import bz2
import gzip
import json
import lzma

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather
import pyarrow.json
import pyarrow.parquet as pq
from reading_case import Case, Peer
from reading_values import WORDS, makers, nested_makers, rows, table, texts

CODECS = ["NONE", "SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4"]
COMPRESSIONS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress,
                ".zst": lambda data: pa.compress(data, "zstd", asbytes=True)}


def parquet_file(path):
    """A file as pyarrow reads it, without what folders `key=value` say."""
    file = pq.ParquetFile(path)
    stored = (file.metadata.metadata or {}).get(b"ARROW:schema")
    told = {f.name: f.type for f in pa.ipc.read_schema(pa.py_buffer(base64.b64decode(stored)))} if stored else {}
    data, columns = file.read(), file.metadata.schema
    for i in range(len(columns)):
        name = columns.column(i).path
        if columns.column(i).physical_type == "INT96" and name in data.column_names:
            place = data.column_names.index(name)
            data = data.set_column(place, name, old_times_of(data.column(name), told.get(name, pa.timestamp("us"))))
    return data


def old_times_of(column, wanted):
    """Times of INT96 in the unit that the Arrow schema in the file says, but in microseconds for nanoseconds: INT96 holds more
    years than these do, which are what pyarrow takes it for."""
    wanted = pa.timestamp("us", wanted.tz) if wanted.unit == "ns" else wanted
    unit = {"s": "second", "ms": "millisecond", "us": "microsecond"}[wanted.unit]
    return pc.floor_temporal(column, unit=unit).cast(wanted)


def in_duckdb(query):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection.sql(query).to_arrow_table()


def quoted(path):
    return "'" + str(path).replace("'", "''") + "'"


def cast_to(wanted, read):
    """A peer's table in the types of another, where it has none of these; an error if a value is lost."""
    return lambda: read().cast(wanted().schema)


def pyarrow_parquet(rng, folder, name):
    types = makers(rng) | (nested_makers(rng) if rng.random() < 0.7 else {})
    version = rng.choice(["1.0", "2.4", "2.6"])
    if version != "2.6":
        # Parquet had no nanoseconds then.
        types = {t: make for t, make in types.items() if t != pa.timestamp("ns")}
    data, path = table(rng, types, rows(rng)), folder / f"{name}.{rng.choice(['parquet', 'parq', 'pq', 'PARQUET'])}"
    options = {
        "compression": rng.choice(CODECS), "version": version,
        "data_page_version": rng.choice(["1.0", "2.0"]), "use_dictionary": rng.random() < 0.5,
        "row_group_size": rng.choice([1, 3, 10, 1000]), "data_page_size": rng.choice([16, 1 << 20]),
        "write_statistics": rng.random() < 0.7, "store_schema": rng.random() < 0.7,
        "write_page_index": rng.random() < 0.5, "write_page_checksum": rng.random() < 0.3,
        "use_deprecated_int96_timestamps": rng.random() < 0.2, "store_decimal_as_integer": rng.random() < 0.3,
        "use_compliant_nested_type": rng.random() < 0.8,
    }
    if not options["use_dictionary"]:
        options |= encodings(rng, data)
    pq.write_table(data, path, **options)
    return Case(path.name, [Peer("pyarrow", lambda: parquet_file(path))], in_order=has_order(data), writer="pyarrow")


def old_times(rng, folder, name):
    """INT96 of all years that four digits write, which DuckDB reads as microseconds."""
    low, high = -62_135_596_800, 253_402_300_799
    make = lambda: rng.choice([low, high, 0, rng.randint(low, high)]) * 10**6 + rng.choice([0, 1, 999_999])
    data = table(rng, {pa.timestamp("us"): make}, rows(rng), columns=1)
    path = folder / f"{name}.parquet"
    pq.write_table(data, path, use_deprecated_int96_timestamps=True, store_schema=rng.random() < 0.5)
    return Case(path.name, [Peer("DuckDB", lambda: in_duckdb(f"SELECT * FROM read_parquet({quoted(path)})"))], writer="pyarrow")


def with_types(data, types):
    """A table with other types of some columns."""
    return data.cast(pa.schema([pa.field(f.name, types.get(f.name, f.type)) for f in data.schema]))


def has_order(data):
    """Whether lamcat leaves rows as they stand: where it decodes a dictionary it may do so with batches side by side."""
    return not any(pa.types.is_dictionary(t) for t in data.schema.types)


def encodings(rng, data):
    """Encodings that suit the columns' types, of some of them."""
    chosen = {}
    for f in data.schema:
        if pa.types.is_integer(f.type):
            chosen[f.name] = rng.choice(["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"])
        elif pa.types.is_float32(f.type) or pa.types.is_float64(f.type):
            chosen[f.name] = rng.choice(["PLAIN", "BYTE_STREAM_SPLIT"])
        elif f.type in (pa.string(), pa.binary(), pa.large_string()):
            chosen[f.name] = rng.choice(["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"])
        elif pa.types.is_boolean(f.type):
            chosen[f.name] = rng.choice(["PLAIN", "RLE"])
    # A name with a point would be taken for a path within a struct.
    return {"column_encoding": {n: e for n, e in chosen.items() if "." not in n}}


def other_parquet(rng, folder, name):
    """Parquet of polars or DuckDB, which also read it."""
    types = makers(rng)
    types.pop(pa.timestamp("s"))
    data, path, refusals = table(rng, types, rows(rng)), folder / f"{name}.parquet", ()
    if rng.random() < 0.5:
        codec = rng.choice(["uncompressed", "snappy", "gzip", "brotli", "zstd", "lz4"])
        pl.from_arrow(data).write_parquet(
            path, compression=codec, row_group_size=rng.choice([None, 5]), statistics=rng.random() < 0.5)
        writer = "polars"
    else:
        connection = duckdb.connect()
        connection.register("data", data)
        codec, version = rng.choice(["uncompressed", "snappy", "gzip", "brotli", "zstd", "lz4_raw"]), rng.choice(["V1", "V2"])
        connection.execute(f"COPY data TO {quoted(path)} (FORMAT parquet, COMPRESSION {codec}, PARQUET_VERSION {version})")
        writer = "DuckDB"
        if version == "V2":
            # DuckDB packs integers of 32 bits and fewer with steps of up to 64 bits, which the parquet crate takes for damage.
            refusals = ("'min_delta' too large", "first value too large")
    arrow = lambda: parquet_file(path)
    of_duckdb = lambda: in_duckdb(f"SELECT * FROM read_parquet({quoted(path)})")
    peers = [Peer("pyarrow", arrow), Peer("DuckDB", cast_to(arrow, of_duckdb)),
             Peer("polars", cast_to(arrow, lambda: pl.read_parquet(path).to_arrow()))]
    return Case(path.name, peers, writer=writer, refusals=refusals)


def arrow_file(rng, folder, name):
    data = table(rng, makers(rng) | nested_makers(rng), rows(rng))
    path, options = folder / f"{name}.{rng.choice(['arrow', 'feather'])}", {}
    if rng.random() < 0.3:
        feather.write_feather(data, str(path), compression=rng.choice(["uncompressed", "lz4", "zstd"]), chunksize=9)
    else:
        options = pa.ipc.IpcWriteOptions(compression=rng.choice([None, "lz4", "zstd"]), unify_dictionaries=True)
        make = pa.ipc.new_stream if rng.random() < 0.3 else pa.ipc.new_file
        with make(path, data.schema, options=options) as writer:
            writer.write_table(data, max_chunksize=rng.choice([1, 7, 1000]))
    return Case(path.name, [Peer("pyarrow", lambda: arrow_table(path))], in_order=has_order(data), writer="pyarrow")


def arrow_table(path):
    is_file = path.read_bytes()[:6] == b"ARROW1"
    return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(path).read_all()


def json_lines(rng, folder, name):
    """JSON lines of polars or of Python's own writer, in the types that JSON has: 64-bit integers, floats, logicals, texts and
    lists of them."""
    integer, word = rng.randrange, texts(rng, [w for w in WORDS if w != "2016-01-01"])
    number = lambda: rng.choice([0.5, -1.25, 1e-7, 2.5e300, rng.gauss(0, 1)])
    types = {
        pa.int64(): lambda: rng.choice([0, -1, 9007199254740993, 5853498713190525697, -(1 << 63), (1 << 63) - 1, integer(1000)]),
        pa.float64(): number, pa.bool_(): lambda: rng.random() < 0.5, pa.string(): word,
        pa.list_(pa.float64()): lambda: [number() for _ in range(rng.randint(1, 4))],
        pa.list_(pa.string()): lambda: [word() for _ in range(rng.randint(1, 4))],
        pa.struct([("a", pa.int64()), ("b", pa.string())]): lambda: {"a": integer(99), "b": word()},
    }
    data = table(rng, types, rng.choice([1, 5, 50]), columns=rng.randint(1, len(types)), nulls=rng.choice([0.0, 0.2]))
    if rng.random() < 0.1:
        # What a column is may show late.
        data = pa.table({"row": range(1500), "late": [1.0] * 1499 + [0.5]})
    ending = rng.choice(list(COMPRESSIONS))
    path = folder / f"{name}.{rng.choice(['json', 'jsonl', 'ndjson'])}{ending}"
    if rng.random() < 0.4:
        text, writer = pl.from_arrow(data).write_ndjson(), "polars"
    else:
        left_out = rng.random() < 0.5
        whole = lambda v: int(v) if isinstance(v, float) and v.is_integer() and abs(v) < 1e15 else v
        kept = [{k: whole(v) for k, v in row.items() if v is not None or not left_out} for row in data.to_pylist()]
        kept[0] = {k: whole(v) for k, v in data.slice(0, 1).to_pylist()[0].items()}
        ascii_only, end = rng.random() < 0.5, rng.choice(["\n", "\r\n", "\n\n"])
        text, writer = end.join(json.dumps(row, ensure_ascii=ascii_only) for row in kept), "by hand"
        text += rng.choice(["", end])
    path.write_bytes(COMPRESSIONS[ending](text.encode()))
    plain = folder / "plain" / f"{name}.json"
    plain.parent.mkdir(exist_ok=True)
    plain.write_bytes(text.encode())
    # The members of an object have no order.
    return Case(path.name, [Peer("pyarrow", lambda: pyarrow.json.read_json(plain))], by_name=True, writer=writer)
