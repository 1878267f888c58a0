"""Compares tables value by value, NULL by NULL and type by type."""

import datetime as dt
import struct

import pyarrow as pa

TEXTS = (pa.string(), pa.large_string(), pa.string_view())
BINARIES = (pa.binary(), pa.large_binary(), pa.binary_view())


class Differs(Exception):
    pass


def plain_type(t):
    """A type without what does not matter to SQL: how strings and lists are laid out in memory, and names of items."""
    if pa.types.is_dictionary(t):
        return plain_type(t.value_type)
    if t in TEXTS:
        return "text"
    # The dates that Arrow has in milliseconds pyarrow reads from Parquet in days.
    if pa.types.is_date(t):
        return "date"
    if t in BINARIES:
        return "binary"
    if pa.types.is_fixed_size_list(t):
        return f"{t.list_size} x {plain_type(t.value_type)}"
    if pa.types.is_map(t):
        return f"map of {plain_type(t.key_type)} to {plain_type(t.item_type)}"
    if pa.types.is_list(t) or pa.types.is_large_list(t) or pa.types.is_list_view(t):
        return f"list of {plain_type(t.value_type)}"
    if pa.types.is_struct(t):
        return "struct of " + ", ".join(f"{f.name} {plain_type(f.type)}" for f in t)
    return str(t)


def values(array, nan_is_null=False):
    """The values of an array as Python has them, of times the counts, of floats the bits."""
    if isinstance(array, pa.ChunkedArray):
        return [v for chunk in array.chunks for v in values(chunk, nan_is_null)]
    t = array.type
    if pa.types.is_dictionary(t):
        return values(array.dictionary_decode(), nan_is_null)
    if isinstance(array, pa.ExtensionArray):
        return values(array.storage, nan_is_null)
    if pa.types.is_fixed_size_list(t):
        items, n = values(array.values, nan_is_null), t.list_size
        begin = array.offset
        slices = [items[(begin + i) * n:(begin + i + 1) * n] for i in range(len(array))]
        return [v if ok else None for v, ok in zip(slices, array.is_valid().to_pylist())]
    if pa.types.is_map(t):
        keys, items = values(array.keys, nan_is_null), values(array.items, nan_is_null)
        return ranges(array, list(zip(keys, items)))
    if pa.types.is_list(t) or pa.types.is_large_list(t):
        return ranges(array, values(array.values, nan_is_null))
    if pa.types.is_struct(t):
        fields = [values(array.field(i), nan_is_null) for i in range(t.num_fields)]
        rows = zip(*fields) if fields else iter([()] * len(array))
        return [v if ok else None for v, ok in zip(rows, array.is_valid().to_pylist())]
    if pa.types.is_floating(t):
        return [number(v, nan_is_null) for v in array.to_pylist()]
    if pa.types.is_date64(t):
        return values(array.cast(pa.date32()))
    if pa.types.is_temporal(t) and not pa.types.is_interval(t):
        return array.view(pa.int32() if t.bit_width == 32 else pa.int64()).to_pylist()
    return array.to_pylist()


def ranges(array, items):
    ends, valid = array.offsets.to_pylist(), array.is_valid().to_pylist()
    return [items[ends[i]:ends[i + 1]] if valid[i] else None for i in range(len(array))]


def number(value, nan_is_null):
    if value is None or value != value:
        return None if value is None or nan_is_null else "NaN"
    return value if value else struct.pack("d", value)


def count(array):
    """How many values an array has, those in lists too."""
    t = array.type
    if pa.types.is_list(t) or pa.types.is_large_list(t) or pa.types.is_fixed_size_list(t):
        return array.chunks and sum(len(chunk.flatten()) for chunk in array.chunks) or 0
    return len(array)


def agrees(cell, value):
    """Whether a value is what a cell of text says."""
    text = cell.strip()
    if value is None or value != value:
        return text.lower() in ("", "null", "none", "nan", "na", "n/a", "[]")
    if isinstance(value, str):
        return value == cell
    if isinstance(value, bool):
        return value == (text.lower() in ("true", "t", "1"))
    if isinstance(value, list):
        items = text.strip("[]()").replace(",", " ").split()
        return len(items) == len(value) and all(map(agrees, items, value))
    if isinstance(value, dt.date):
        return type(value).fromisoformat(text) == value
    return int(text) == value if isinstance(value, int) else float(text) == value


def compare_cells(cells, got):
    """The same for cells of text, whose values lamcat has found types for."""
    if got.column_names != cells.column_names:
        raise Differs(f"columns {got.column_names}, not {cells.column_names}")
    if got.num_rows != cells.num_rows:
        raise Differs(f"{got.num_rows} rows, not {cells.num_rows}")
    for name, wanted, has in zip(cells.column_names, cells.columns, got.columns):
        # A float of 32 bits is the nearest to what the text says.
        near = (lambda c: str(pa.scalar(float(c), pa.float32()).as_py()) if c.strip() else c) if has.type == pa.float32() else str
        for row, (cell, value) in enumerate(zip(wanted.to_pylist(), has.to_pylist())):
            if not agrees(near(cell), value):
                raise Differs(f"column {name!r}, row {row}: {value!r}, where the text says {cell!r}")
    return got.num_rows * got.num_columns


def sorted_places(table):
    """Where the rows are in the order of the column that numbers them, or of the first one."""
    key = next((name for name in ("row", "id") if name in table.column_names), table.column_names[0])
    key = table[key].to_pylist()
    return sorted(range(len(key)), key=key.__getitem__)


def in_places(values, places):
    return values if places is None else [values[at] for at in places]


def loosely(values):
    """Texts without what stands on their left, and no list where none of its elements is a value."""
    hollow = lambda v: isinstance(v, list) and all(element is None for element in v)
    return [v.lstrip() if isinstance(v, str) else None if hollow(v) else v for v in values]


def compare(expected, got, nan_is_null=False, with_types=True, in_order=True, loose=False):
    """How many values were compared; an error says the first that differs."""
    names = expected.column_names
    if got.column_names != names:
        raise Differs(f"columns {got.column_names}, not {names}")
    if with_types:
        for name, wanted, has in zip(names, expected.schema.types, got.schema.types):
            # A column of JSON in which no row has a value is text, as it is in CSV; pyarrow has a type for such columns.
            if pa.types.is_null(wanted) and has in TEXTS:
                continue
            if plain_type(wanted) != plain_type(has):
                raise Differs(f"column {name!r} has type {plain_type(has)}, not {plain_type(wanted)}")
    if got.num_rows != expected.num_rows:
        raise Differs(f"{got.num_rows} rows, not {expected.num_rows}")
    places = [None, None] if in_order else [sorted_places(t) for t in (expected, got)]
    for name, *columns in zip(names, expected.columns, got.columns):
        a, b = (in_places(values(column, nan_is_null), at) for column, at in zip(columns, places))
        if loose:
            a, b = loosely(a), loosely(b)
        if a != b:
            row = next(i for i, (x, y) in enumerate(zip(a, b)) if x != y)
            raise Differs(f"column {name!r}, row {row}: {b[row]!r}, not {a[row]!r}")
    return sum(count(column) for column in expected.columns)
