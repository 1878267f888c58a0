"""What astropy reads of FITS, VOTable and ECSV, as Arrow tables with the types that lamcat gives, each by a rule.

- Unsigned bytes and the bytes that FITS shifts are Int16, and FITS's other unsigned integers the next wider signed one, as the
  Gaia archive's own conversions have them; those of 64 bits stay unsigned.
- Integers that FITS scales are floats of 64 bits.
- Of several dimensions a cell is one list, in the order in which its values are stored.
- Lists of more than 8192 values each are lists of any length.
- Complex numbers and, in VOTables, arrays of strings have no column.
- What pads a string on its right is no part of it. astropy drops what stands on the left of a cell of TABLEDATA, too.
- NaN and empty strings are NULL, and so is an empty list where it is written as an empty cell, in TABLEDATA.
"""

import io
import re
import warnings

import numpy as np
import pyarrow as pa
from astropy.io import fits, votable
from astropy.table import Table

LONGEST_FIXED = 8192
TYPES = {"b1": pa.bool_(), "i1": pa.int16(), "u1": pa.int16(), "i2": pa.int16(), "i4": pa.int32(), "i8": pa.int64(),
         "u2": pa.int32(), "u4": pa.int64(), "u8": pa.uint64(), "f4": pa.float32(), "f8": pa.float64()}
LETTERS = {"L": pa.bool_(), "X": pa.bool_(), "B": pa.int16(), "I": pa.int16(), "J": pa.int32(), "K": pa.int64(),
           "A": pa.string(), "E": pa.float32(), "D": pa.float64()}
SHIFTED = {("B", -128): pa.int16(), ("I", 1 << 15): pa.int32(), ("J", 1 << 31): pa.int64(), ("K", 1 << 63): pa.uint64()}
VO_TYPES = {"boolean": pa.bool_(), "bit": pa.bool_(), "unsignedByte": pa.int16(), "short": pa.int16(), "int": pa.int32(),
            "long": pa.int64(), "float": pa.float32(), "double": pa.float64(), "char": pa.string(), "unicodeChar": pa.string()}
ECSV_TYPES = TYPES | {"i1": pa.int8(), "u1": pa.uint8(), "u2": pa.uint16(), "u4": pa.uint32(), "f2": pa.float32(),
                      "f16": pa.float64()}


def quietly(read):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read()


def scalar(value):
    """A value as Python has it; NULL for what is masked, NaN or an empty text."""
    if value is None or value is np.ma.masked:
        return None
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        return value.split("\0")[0].rstrip() or None
    value = value.item() if isinstance(value, (np.generic, np.ndarray)) else value
    return None if value != value else value


def cell_values(cell):
    """The values of a cell of several, one after the other; NULL if all of the cell is masked."""
    if cell is None or cell is np.ma.masked:
        return None
    cell = np.ma.asanyarray(cell)
    mask = np.ma.getmaskarray(cell).ravel()
    return [None if m else scalar(v) for v, m in zip(np.ma.getdata(cell).ravel().tolist(), mask)]


def sized(item, length):
    return pa.list_(item, length) if length <= LONGEST_FIXED else pa.list_(item)


# FITS

def fits_tables(path):
    """The tables of a file by their numbers; what is no binary table, or an image stored as one, is left out."""
    def read():
        with fits.open(path, memmap=False) as units:
            return {i: fits_table(u) for i, u in enumerate(units) if type(u) is fits.BinTableHDU}
    return quietly(read)


def fits_table(unit):
    arrays = {c.name: fits_column(unit, i, c) for i, c in enumerate(unit.columns)}
    return pa.table({name: array for name, array in arrays.items() if array is not None})


def fits_column(unit, i, column):
    form = column.format
    in_heap, letter = form.p_format if hasattr(form, "p_format") else None, form.format
    if in_heap:
        letter = in_heap
    if letter in "CM":
        return None
    item = LETTERS[letter]
    if (letter, column.bzero) in SHIFTED and column.bscale in (None, "", 1):
        item = SHIFTED[letter, column.bzero]
    elif letter in "BIJKED" and not (column.bscale in (None, "", 1) and column.bzero in (None, "", 0)):
        item = pa.float64()
    repeat = form.repeat
    if repeat == 0:
        return pa.nulls(len(unit.data), pa.string())
    data, stored = unit.data.field(i), np.rec.recarray.field(unit.data, i)
    if in_heap:
        cells = [cell_values(cell) if letter != "A" else scalar("".join(np.atleast_1d(cell).tolist())) for cell in data]
        return pa.array(cells, pa.string() if letter == "A" else pa.list_(item))
    null = np.zeros(stored.shape, bool)
    if letter == "L":
        null = (stored != ord("T")) & (stored != ord("F"))
    elif column.null not in (None, ""):
        null = stored == column.null
    if letter == "X":
        null = np.zeros(data.shape, bool)
    if data.ndim == 1:
        return pa.array([None if n else scalar(v) for v, n in zip(data.tolist(), null.tolist())], item)
    if letter == "A":
        repeat = int(np.prod(data.shape[1:]))
    cells = [cell_values(np.ma.array(cell, mask=n)) for cell, n in zip(data, null.reshape(data.shape))]
    if repeat == 1:
        return pa.array([cell[0] for cell in cells], item)
    return pa.array(cells, sized(item, repeat))


# VOTable

def votable_tables(data, as_text):
    """The tables of a file's bytes, in order; of TABLEDATA, or of binary rows.

    Since VOTable 1.3 an empty cell is NULL in every column. Older files are read by the same rule, as services went by it before.
    """
    data = re.sub(rb'(<VOTABLE[^>]*version=["\'])1\.[012](["\'])', rb"\g<1>1.3\2", data)
    return quietly(lambda: [votable_table(t, as_text) for t in votable.parse(io.BytesIO(data), verify="ignore").iter_tables()])


def votable_table(table, as_text):
    arrays = {}
    for i, field in enumerate(table.fields):
        array = votable_column(field, as_text, table.array[table.array.dtype.names[i]] if len(table.array) else [])
        if array is not None:
            arrays[field.name or field.ID] = array
    return pa.table(arrays)


def votable_column(field, as_text, cells):
    size, item = field.arraysize, VO_TYPES.get(field.datatype)
    if item is None or item == pa.string() and size and "x" in size:
        return None
    if item == pa.string() or size in (None, "1"):
        null = field.values.null if item == pa.string() else None
        found = [scalar(None if np.ma.is_masked(c) and np.all(np.ma.getmaskarray(c)) else c) for c in cells]
        return pa.array([None if v == null else v for v in found], item)
    lists = [cell_values(c) for c in cells]
    if "*" in size:
        return pa.array([c or None for c in lists] if as_text else lists, pa.list_(item))
    return pa.array(lists, sized(item, int(np.prod([int(n) for n in size.split("x")]))))


# ECSV

def ecsv_table(path):
    table = quietly(lambda: Table.read(path, format="ascii.ecsv"))
    return pa.table({name: ecsv_column(table[name]) for name in table.colnames})


def ecsv_column(column):
    kind = column.dtype.str.lstrip("<>|=")
    masked = np.ma.getmaskarray(np.ma.asanyarray(column))
    if kind.startswith("U"):
        cells = np.ma.getdata(column).tolist()
        return pa.array([None if m or v in ("", "null") else v for v, m in zip(cells, masked)], pa.string())
    if kind == "O":
        lists = [None if m else cell_values(v) for v, m in zip(column, masked.tolist())]
        item = next((v.dtype.str.lstrip("<>|=") for v in column if hasattr(v, "dtype")), "f8")
        return pa.array(lists, pa.list_(ECSV_TYPES[item]))
    item = ECSV_TYPES[kind]
    if column.ndim == 1:
        return pa.array([None if m else scalar(v) for v, m in zip(np.ma.getdata(column).tolist(), masked)], item)
    cells = [cell_values(cell) for cell in np.ma.asanyarray(column)]
    return pa.array(cells, sized(item, int(np.prod(column.shape[1:]))))
