"""FITS, VOTable and ECSV of the corpus, written by astropy."""

import io
import warnings

import numpy as np
from astropy.io import fits
from astropy.io.votable.tree import Field, Resource, TableElement, VOTableFile
from astropy.table import Column, MaskedColumn, Table
from reading_astropy import ecsv_table, fits_tables, votable_tables
from reading_case import Case, Peer
from reading_columnar import COMPRESSIONS
from reading_values import NAMES, WORDS, floats, integers, texts

FITS_FORMS = ["L", "B", "I", "J", "K", "E", "D", "A", "X"]
SHIFTS = {"B": -128, "I": 1 << 15, "J": 1 << 31, "K": 1 << 63}
DTYPES = {"L": "b1", "X": "b1", "B": "u1", "I": "i2", "J": "i4", "K": "i8", "E": "f4", "D": "f8"}
VO_DTYPES = {"boolean": "b1", "unsignedByte": "u1", "short": "i2", "int": "i4", "long": "i8", "float": "f4", "double": "f8"}
PLAIN_WORDS = [w for w in WORDS if w.isascii() and w.strip() == w]


def arrays(rng, dtype, shape):
    """An array of a type, with the ends of what it holds."""
    size, bits = int(np.prod(shape)), 8 * int(dtype[1])
    make = {"b": lambda: rng.random() < 0.5, "f": floats(rng, bits)}.get(dtype[0]) or integers(rng, bits, dtype[0] == "i")
    with np.errstate(all="ignore"):
        return np.array([make() for _ in range(size)], dtype).reshape(shape)


def fits_column(rng, name, rows):
    letter = rng.choice(FITS_FORMS)
    unit = rng.choice([None, "mas", "km/s"])
    if letter == "A":
        width = rng.choice([1, 8, 40])
        words = [w[:width] for w in PLAIN_WORDS if w]
        return fits.Column(name, f"{width}A", unit, array=np.array([rng.choice(words) for _ in range(rows)], f"S{width}"))
    dtype, kind = DTYPES[letter], rng.choice(["one", "one", "many", "heap"])
    if letter == "X":
        bits = rng.choice([1, 3, 8, 17])
        return fits.Column(name, f"{bits}X", array=arrays(rng, "b1", (rows, bits)))
    options = {}
    if letter in SHIFTS and rng.random() < 0.3 and kind != "heap":
        options = {"bzero": SHIFTS[letter]}
        dtype = {"B": "i1"}.get(letter, dtype.replace("i", "u"))
    elif letter in "IJ" and rng.random() < 0.3 and kind == "one":
        # Scaling is told to the header alone, so that the stored values are these.
        column = fits.Column(name, letter, array=arrays(rng, dtype, (rows,)), null=rng.choice([None, 1]))
        column.scaling = rng.choice([(0.5, 0), (2.0, -8.0), (0.25, 10.5)])
        return column
    elif letter in "BIJK" and rng.random() < 0.5:
        options = {"null": rng.choice([0, 1, 99])}
    if kind == "heap":
        lists = np.empty(rows, object)
        for i in range(rows):
            lists[i] = arrays(rng, dtype, (rng.choice([0, 1, 5]),))
        return fits.Column(name, f"{rng.choice('PQ')}{letter}()", unit, array=lists)
    shape = (rows,) if kind == "one" else (rows, rng.choice([2, 5]))
    count = "" if kind == "one" else str(shape[1])
    return fits.Column(name, count + letter, unit, array=arrays(rng, dtype, shape), **options)


def fits_unit(rng, name, rows):
    columns = [fits.Column("row", "K", array=np.arange(rows))]
    names = [n for n in NAMES if n.isascii()]
    chosen = rng.sample(names, 2) + [f"c{i}" for i in range(9)]
    columns += [fits_column(rng, chosen[i], rows) for i in range(rng.randint(1, 8))]
    unit = fits.BinTableHDU.from_columns(columns, name=name, nrows=rows)
    for i, column in enumerate(columns):
        if hasattr(column, "scaling"):
            unit.header[f"TSCAL{i + 1}"], unit.header[f"TZERO{i + 1}"] = column.scaling
    return unit


def fits_file(rng, folder, name):
    """A file of one to three tables, chosen by their numbers, between images."""
    path = folder / f"{name}.{rng.choice(['fits', 'fit', 'FITS'])}"
    units = [fits.PrimaryHDU(rng.choice([None, np.zeros((3, 4), "f4")]))]
    if rng.random() < 0.2:
        units.append(fits.ImageHDU(np.zeros((5, 5), "i2")))
    units += [fits_unit(rng, f"T{i}", rng.choice([0, 1, 10, 60])) for i in range(rng.choice([1, 1, 2, 3]))]
    plain = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList(units).writeto(plain, checksum=rng.random() < 0.3)
    compressed = packed(rng, path, plain.getvalue())
    numbers = [i for i, unit in enumerate(units) if isinstance(unit, fits.BinTableHDU)]
    of = lambda i: lambda: fits_tables(io.BytesIO(plain.getvalue()))[i]
    if len(numbers) == 1:
        return [Case(compressed, [Peer("astropy", of(numbers[0]))], True, writer="astropy")]
    choice = lambda i: rng.choice([f"#{i}", f"#{units[i].name}", f"#{units[i].name.lower()}"])
    return [Case(compressed + choice(i), [Peer("astropy", of(i))], True, writer="astropy") for i in numbers]


def packed(rng, path, data):
    """Writes a file with or without compression and gives its name."""
    ending = rng.choice(["", "", *COMPRESSIONS])
    path = path.with_name(path.name + ending)
    path.write_bytes(COMPRESSIONS[ending](data))
    return path.name


def votable_fields(rng, file, rows):
    """Fields and their columns, with NULL wherever the type has one."""
    made = [("row", "long", None, np.arange(rows), np.zeros(rows, bool))]
    chosen = rng.sample(NAMES, 2) + [f"c{i}" for i in range(9)]
    for i in range(rng.randint(1, 8)):
        kind = rng.choice([*VO_DTYPES, "char", "unicodeChar"])
        if kind in ("char", "unicodeChar"):
            words = PLAIN_WORDS if kind == "char" else WORDS
            cells = np.array([rng.choice([w for w in words if w.strip() == w]) for _ in range(rows)], object)
            made.append((chosen[i], kind, rng.choice(["*", "40", "40*"]), cells, np.zeros(rows, bool)))
            continue
        size = rng.choice([None, None, "3", "2x2", "*"])
        shape = {None: (rows,), "3": (rows, 3), "2x2": (rows, 2, 2)}.get(size)
        if shape is None:
            cells = np.empty(rows, object)
            for row in range(rows):
                cells[row] = np.ma.masked_array(arrays(rng, VO_DTYPES[kind], (rng.choice([0, 1, 4]),)), False, shrink=False)
            made.append((chosen[i], kind, size, cells, np.zeros(rows, bool)))
            continue
        cells = arrays(rng, VO_DTYPES[kind], shape)
        mask = np.zeros(shape, bool)
        if size is None and rng.random() < 0.6:
            mask = np.array([rng.random() < 0.3 for _ in range(rows)], bool)
        made.append((chosen[i], kind, size, cells, mask))
    return made


def votable_file(rng, folder, name):
    path = folder / f"{name}.{rng.choice(['vot', 'xml', 'votable'])}"
    serialisation, version = rng.choice(["tabledata", "binary", "binary2"]), rng.choice(["1.3", "1.4", "1.5"])
    file = VOTableFile(version=version)
    resource = Resource()
    file.resources.append(resource)
    tables = rng.choice([1, 1, 2, 3])
    for t in range(tables):
        rows = rng.choice([1, 10, 60]) if t else rng.choice([0, 1, 10, 60])
        table = TableElement(file, name=f"T{t}")
        resource.tables.append(table)
        made = votable_fields(rng, file, rows)
        for i, (column, kind, size, _, _) in enumerate(made):
            field = Field(file, name=column, ID=f"f{i}", datatype=kind, **({"arraysize": size} if size else {}))
            if kind in ("unsignedByte", "short", "int", "long") and rng.random() < 0.4 and column != "row":
                field.values.null = rng.choice([0, 99])
            table.fields.append(field)
        table.create_arrays(rows)
        for i, (_, kind, size, cells, mask) in enumerate(made):
            # Other serialisations than BINARY2 write NULL as a value of the column's own.
            has_null = serialisation == "binary2" or table.fields[i].values.null is not None
            has_null |= kind in ("float", "double", "boolean")
            for row in range(rows):
                np.ma.getdata(table.array)[f"f{i}"][row] = cells[row]
                if has_null and mask.ndim == 1 and mask[row]:
                    table.array.mask[f"f{i}"][row] = True
        table.format = serialisation
    plain = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file.to_xml(plain, tabledata_format=serialisation)
    compressed = packed(rng, path, plain.getvalue())
    of = lambda i: lambda: votable_tables(plain.getvalue(), serialisation == "tabledata")[i]
    if tables == 1:
        return [Case(compressed, [Peer("astropy", of(0))], True, writer="astropy")]
    return [Case(f"{compressed}#{rng.choice([str(i + 1), f'T{i}'])}", [Peer("astropy", of(i))], True, writer="astropy")
            for i in range(tables)]


def ecsv_file(rng, folder, name):
    path, rows = folder / f"{name}.{rng.choice(['ecsv', 'ecsv', 'csv'])}", rng.choice([0, 1, 10, 60])
    table = Table({"row": np.arange(rows)})
    chosen = rng.sample(NAMES, 2) + [f"c{i}" for i in range(9)]
    for i in range(rng.randint(1, 8)):
        lists = ["lists", "fixed"] if rows else []
        dtype = rng.choice(["b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "U", *lists])
        if dtype == "U":
            word = texts(rng, [w for w in WORDS if w.lower() != "null"])
            data = np.array([word() for _ in range(rows)], "U40")
        elif dtype == "lists":
            data = np.empty(rows, object)
            for row in range(rows):
                data[row] = np.array([rng.gauss(0, 1) for _ in range(rng.choice([0, 1, 4]))])
        elif dtype == "fixed":
            data = arrays(rng, rng.choice(["i8", "f8", "f4", "i2"]), (rows, 3))
            data = np.where(np.isfinite(data), data, 0).astype(data.dtype)
        else:
            data = arrays(rng, dtype, (rows,))
        if data.ndim == 1 and data.dtype != object and rng.random() < 0.5:
            table[chosen[i]] = MaskedColumn(data, mask=[rng.random() < 0.3 for _ in range(rows)])
        else:
            table[chosen[i]] = Column(data, unit=rng.choice([None, "mas"]), description=rng.choice([None, "what: it, is"]))
    text = io.StringIO()
    table.write(text, format="ascii.ecsv", delimiter=rng.choice([",", " "]))
    data = text.getvalue().replace("\n", rng.choice(["\n", "\n", "\r\n"]))
    plain = folder / "plain" / f"{name}.ecsv"
    plain.parent.mkdir(exist_ok=True)
    plain.write_text(text.getvalue())
    return [Case(packed(rng, path, data.encode()), [Peer("astropy", lambda: ecsv_table(plain))], True, writer="astropy")]
