"""Public test files of other projects, from the packages that they publish, and what independent readers make of them.

Each file that one of these reads as a table lamcat must read alike, or refuse with an error that `REFUSALS` foresees.
"""

import csv
import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import astropy
import pyarrow as pa
from reading_astropy import ecsv_table, fits_tables, votable_tables
from reading_case import Case, Peer
from reading_columnar import arrow_table, parquet_file

# Wheels, or sources where these alone have the files.
WHEELS = ["astroquery==0.4.11", "pyvo==1.9.1", "gaiaxpy==2.1.5"]
SOURCES = ["hats==0.11.1", "duckdb==2.0.1"]
NODE_PACKAGES = ["node-parquet@0.2.7"]
# Crates that lamcat is built from, whose sources are there when it is.
CRATES = ["parquet", "datafusion-datasource-parquet", "datafusion-datasource-arrow", "datafusion-datasource-csv"]
ENDINGS = {".parquet": "parquet", ".parq": "parquet", ".arrow": "arrow", ".feather": "arrow", ".fits": "fits", ".fit": "fits",
           ".vot": "votable", ".votable": "votable", ".xml": "votable", ".ecsv": "ecsv", ".csv": "csv"}
# What lamcat says of files that it refuses, or reads otherwise, on purpose, by the ends of their names.
REFUSALS = {
    # A service's error is not an answer without rows, and rows without a description of their columns are not a table.
    "pyvo/dal/tests/data/query/errorstatus.xml": "the file holds a service's error instead of its answer",
    "pyvo/dal/tests/data/query/missingcolumns.xml": "its table has rows but no FIELD",
    "votable/tests/data/no_field_not_empty_table.xml": "its table has rows but no FIELD",
    # A dash is no number; astropy warns of it.
    "votable/tests/data/irsa-nph-m31.xml": "'-' is not a value of type Float64",
    # Cells of an encoding of their own are not decoded.
    "votable/tests/data/regression.xml": "'P4AAAA==' is not a value of type Float32",
    # Before its compression was standard Arrow had one of which nothing but Arrow knows.
    "feather/v0.17.0.version.2-compression.lz4.feather": "compressed as Arrow 0.17 did it",
    # The file is damaged on purpose.
    "parquet-cpp/data/nation.dict-malformed.parquet": "Invalid page header",
    # A logical that is neither T nor F is NULL by the standard of FITS; astropy takes it for F, or for T if it is 1.
    "io/fits/tests/data/vla_logical_all_zero.fits": "[None, None, None], not [False, False, False]",
    "io/fits/tests/data/vla_logical_null.fits": "[True, None, True], not [True, False, True]",
    "io/fits/tests/data/vla_logical_pre_fix.fits": "[None, None, None], not [True, False, True]",
}
# Longer files, and further tables of one file, would only take time.
MOST_BYTES = 1 << 20
MOST_TABLES = 12
# Folders of files that are like others.
LEFT_OUT = {"__pycache__", "sf10", "sf100"}


def fetch(cache):
    """Gets the packages that are not in the cache yet, and gives the folders of their files."""
    cache.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    for package in [*WHEELS, *SOURCES]:
        name, version = package.split("==")
        if not (cache / name / version).exists():
            how = ["--only-binary", name] if package in WHEELS else ["--no-binary", name]
            subprocess.run([*pip, *how, "--dest", cache / "packages" / name, package], check=True)
            unpack(next((cache / "packages" / name).glob(f"*{version}*")), cache / name / version)
    for package in NODE_PACKAGES if shutil.which("npm") else []:
        name, version = package.split("@")
        if not (cache / name / version).exists():
            said = subprocess.run(["npm", "pack", "--silent", package], cwd=cache / "packages", check=True, capture_output=True)
            unpack(cache / "packages" / said.stdout.decode().split()[-1], cache / name / version)
    fetched = [p.replace("==", "@").split("@") for p in WHEELS + SOURCES + NODE_PACKAGES]
    folders = {name: cache / name / version for name, version in fetched}
    return folders | crates() | {"astropy": Path(astropy.__file__).parent, "pyarrow": Path(pa.__file__).parent}


def crates():
    """The folders of crates by their names and versions."""
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    folders = [f for name in CRATES for f in sorted(home.glob(f"registry/src/*/{name}-[0-9]*"))]
    return {folder.name: folder for folder in folders}


def unpack(package, folder):
    """Unpacks the tables of a package."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as files:
            files.extractall(part, [n for n in files.namelist() if is_wanted(n)])
    else:
        with tarfile.open(package) as files:
            files.extractall(part, [m for m in files if m.isfile() and is_wanted(m.name)], filter="data")
    part.rename(folder)


def is_wanted(name):
    """Tables, and what a HATS catalogue says of itself."""
    return kind_of(name) or name.endswith("properties") or "/dataset/" in name


def kind_of(name):
    name = name.lower()
    for compressed in (".gz", ".bz2"):
        name = name.removesuffix(compressed)
    return ENDINGS.get(os.path.splitext(name)[1])


def cases(cache):
    """A case for each table of each file that an independent reader reads; and the files that none does."""
    found, unread = [], []
    for package, folder in fetch(cache).items():
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and kind_of(p.name)):
            if path.stat().st_size > MOST_BYTES or LEFT_OUT.intersection(path.parts):
                continue
            if kind_of(path.name) == "votable" and b"VOTABLE" not in inflated(path):
                continue
            tables = read(path, kind_of(path.name))
            if not tables:
                unread.append(str(path))
            chosen = list(tables.items())[::max(1, len(tables) // MOST_TABLES)]
            found += [case(package, path, choice, table) for choice, table in chosen]
        found += [catalogue(package, path.parent) for path in sorted(folder.rglob("hats.properties"))]
    return found, unread


def catalogue(package, folder):
    """The rows of a HATS catalogue are those of its leaves, which are files or folders of files; of an index all its files."""
    leaves = sorted(folder.glob("dataset/Norder=*/Dir=*/Npix=*")) or [folder / "dataset/index"]
    files = [f for leaf in leaves for f in ([leaf] if leaf.is_file() else sorted(leaf.rglob("*[!a]"))) if f.is_file()]
    whole = lambda: pa.concat_tables([parquet_file(f) for f in files])
    # A catalogue without rows is not told from one that was not fetched.
    refusals = () if files else ("the catalogue has no leaves",)
    return Case(str(folder), [Peer("pyarrow", whole)], in_order=False, writer=package, refusals=refusals)


def case(package, path, choice, table):
    kind = kind_of(path.name)
    refusals = [why for end, why in REFUSALS.items() if path.as_posix().endswith(end)]
    peer = Peer("peer", lambda: table, is_text=kind == "csv")
    loose = kind == "votable" and is_tabledata(path)
    return Case(str(path) + choice, [peer], kind not in ("parquet", "arrow"), in_order=kind != "arrow", loose=loose,
                writer=package, refusals=tuple(refusals))


def read(path, kind):
    """The tables of a file by what stands behind its name to choose each; none if it cannot be read."""
    try:
        if kind == "fits":
            tables = fits_tables(path)
            return {f"#{i}": table for i, table in tables.items() if table.num_columns}
        if kind == "votable":
            tables = votable_tables(inflated(path), is_tabledata(path))
            return {f"#{i + 1}": table for i, table in enumerate(tables) if table.num_columns}
        return {"": {"parquet": parquet_file, "arrow": arrow_table, "ecsv": ecsv_table, "csv": csv_cells}[kind](path)}
    except Exception as e:
        if os.environ.get("LAMCAT_SHOW_UNREAD"):
            print(f"{path}: {type(e).__name__}: {str(e)[:200]}")
        return {}


def is_tabledata(path):
    return b"<TABLEDATA" in inflated(path)


def inflated(path):
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def csv_cells(path):
    """The cells of a CSV file as Python's own reader has them, as texts."""
    lines = inflated(path).decode().splitlines(keepends=True)
    first = next(line for line in lines if not line.startswith("#"))
    delimiter = next((d for d in ",\t;|" if d in "".join(first.split('"')[::2])), ",")
    rows = [row for row in csv.reader((l for l in lines if not l.startswith("#")), delimiter=delimiter) if row]
    names = [name.strip() for name in rows[0]]
    if len(set(names)) < len(names) or any(len(row) != len(names) for row in rows):
        raise ValueError("not a table")
    return pa.table({name: pa.array([row[i] for row in rows[1:]], pa.string()) for i, name in enumerate(names)})
