"""Checks a HATS collection as its readers see it: hats, hats-import's verification, lsdb, astropy and mocpy.

    pip install -r tests/peers/requirements-hats.txt
    python tests/peers/hats_release.py COLLECTION_FOLDER [--id-column source_id] [--without-votable]

The collection is read into memory: it should be small, with tiles of several orders, and rows near their borders. Prints
one line for every check, with a figure, and exits with 1 at the first that fails. Nothing is written into the collection.
"""

import argparse
import contextlib
import io
import re
import sys
import tempfile
import warnings
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

import astropy.units as u
import dask
import hats
import lsdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.coordinates import SkyCoord, search_around_sky
from astropy.io import votable
from astropy.io.votable.ucd import check_ucd
from astropy.table import Table
from astropy_healpix import HEALPix
from hats.catalog.dataset.collection_properties import CollectionProperties
from hats.catalog.dataset.table_properties import TableProperties
from hats.io.file_io import read_fits_image
from hats.io.validation import is_valid_catalog, is_valid_collection
from hats.pixel_math.spatial_index import compute_spatial_index
from hats_import.verification.arguments import VerificationArguments
from hats_import.verification.run_verification import run as verify
from mocpy import MOC

ORDER = 29
INDEX = "_healpix_29"
CROSSMATCH_ARCSEC = 5.0
CIRCLE = 64
VOTABLE_KEY = b"IVOA.VOTable-Parquet.content"
VERSION_KEY = b"IVOA.VOTable-Parquet.version"
ARROW_TYPES = {pa.int16(): "short", pa.int32(): "int", pa.int64(): "long", pa.float32(): "float", pa.float64(): "double",
               pa.bool_(): "boolean", pa.string(): "char"}


class Failed(Exception):
    pass


def require(condition, message):
    if not condition:
        raise Failed(message)


class Leaves:
    """A main or margin table: its properties, and the rows of its leaves with the tile of each."""

    def __init__(self, folder, id_column):
        self.folder, self.dataset = folder, folder / "dataset"
        self.info = TableProperties.read_from_dir(folder)
        self.leaves = {tile_of(p): p for p in sorted(self.dataset.glob("Norder=*/Dir=*/Npix=*.parquet"))}
        columns = [id_column, self.info.ra_column, self.info.dec_column, INDEX]
        frames = []
        for (order, pixel), path in self.leaves.items():
            frame = pq.read_table(path, columns=columns, partitioning=None).to_pandas()
            frame = frame.set_axis(["id", "ra", "dec", "hash"], axis=1)
            frames.append(frame.assign(order=order, pixel=pixel))
        empty = pd.DataFrame({c: [] for c in ("id", "ra", "dec", "hash", "order", "pixel")}).astype({"hash": int})
        self.rows = pd.concat(frames, ignore_index=True) if frames else empty


class Release:
    def __init__(self, folder, id_column):
        self.folder, self.id_column = folder, id_column
        self.properties = CollectionProperties.read_from_dir(folder)
        require(self.properties.default_margin, "collection.properties has no default_margin")
        self.main = Leaves(folder / self.properties.hats_primary_table_url, id_column)
        self.margin = Leaves(folder / self.properties.default_margin, id_column)
        self.index = folder / (self.properties.all_indexes or {}).get(id_column, "no index of " + id_column)
        self.threshold = self.margin.info.margin_threshold
        self.rows = self.main.rows
        self.sky = SkyCoord(self.rows.ra.values, self.rows.dec.values, unit="deg")

    @cached_property
    def catalog(self):
        return lsdb.open_catalog(self.folder, columns="all")

    def validity(self):
        require(is_valid_collection(self.folder, strict=True, verbose=True), "hats: is_valid_collection is false")
        require(is_valid_catalog(self.main.folder, strict=True, verbose=True), "hats: is_valid_catalog is false")
        return f"{len(self.main.leaves)} tiles, margin {len(self.margin.leaves)}, valid in strict mode"

    def addresses(self):
        for folder in (self.margin.folder, self.index):
            url = TableProperties.read_from_dir(folder).primary_catalog
            require((folder / url).resolve() == self.main.folder.resolve(), f"{folder.name}: {url} is not the main table")
        return "margin and index point at the main table"

    def verification(self):
        truth, passed = self.main.dataset / "_common_metadata", 0
        for table in (self.main, self.margin):
            if not table.leaves:
                continue
            with tempfile.TemporaryDirectory() as output:
                arguments = VerificationArguments(
                    input_catalog_path=table.folder, output_path=output, truth_total_rows=len(table.rows),
                    truth_schema=truth, check_metadata=True, verbose=False)
                results = verify(arguments).results
            for result in results:
                name = f"{table.folder.name}: {result.test}, {result.target}"
                require(result.passed, f"{name}: {result.description} {result.bad_files[:3]}")
            passed += len(results)
        return f"{passed} tests of hats-import passed"

    def counts(self):
        for table in (self.main, self.margin):
            total = table.info.total_rows
            require(total == len(table.rows), f"{table.folder.name}: hats_nrows {total}, the leaves have {len(table.rows)}")
        most = self.rows.groupby(["order", "pixel"]).size().max()
        allowed = self.main.info.hats_max_rows
        require(allowed is None or most <= allowed, f"a tile has {most} rows, hats_max_rows is {allowed}")
        require(self.rows.id.is_unique, f"{self.id_column} is not unique")
        return f"{len(self.rows)} rows, margin {len(self.margin.rows)}, at most {most} in a tile"

    def types(self):
        for table in (self.main, self.margin):
            for path in [table.dataset / "_common_metadata", *table.leaves.values()]:
                for field in pq.read_schema(path):
                    good = field.type in ARROW_TYPES or is_vector(field.type)
                    require(good, f"{path.relative_to(self.folder)}: column {field.name} is {field.type}")
        schema = pq.read_schema(self.main.dataset / "_common_metadata")
        require(schema.names[0] == INDEX, f"the first column is {schema.names[0]}")
        return f"{len(schema)} columns of allowed types"

    def positions(self):
        cells, worst = HEALPix(nside=2**ORDER, order="nested"), 0.0
        for table in (self.main, self.margin):
            if not table.leaves:
                continue
            rows, name = table.rows, table.folder.name
            wrong = compute_spatial_index(rows.ra.values, rows.dec.values) != rows.hash
            require(not wrong.any(), f"{name}: {INDEX} is not that of ra, dec in {wrong.sum()} rows")
            lon, lat = cells.healpix_to_lonlat(rows.hash.values)
            distance = SkyCoord(lon, lat).separation(SkyCoord(rows.ra.values, rows.dec.values, unit="deg")).mas
            require(distance.max() < 1.0, f"{name}: a row is {distance.max():.2f} mas from the centre of its cell")
            worst = max(worst, distance.max())
            inside = rows.hash.values >> (2 * (ORDER - rows.order.values)) == rows.pixel.values
            wanted = inside if table is self.main else ~inside
            require(wanted.all(), f"{name}: {(~wanted).sum()} rows in the wrong tile")
        for tile, leaf in self.rows.groupby(["order", "pixel"]):
            require(leaf.hash.is_monotonic_increasing, f"Norder={tile[0]} Npix={tile[1]} is not sorted by {INDEX}")
        return f"{len(self.rows)} rows in their tiles, in order; at most {worst:.2f} mas from the centre of the cell"

    def skymaps(self):
        found = []
        for name in ("skymap.fits", "point_map.fits"):
            path = self.main.folder / name
            if path.exists():
                image = read_fits_image(path)
                order = (len(image) // 12).bit_length() // 2
                wanted = np.bincount(self.rows.hash.values >> 2 * (ORDER - order), minlength=len(image))
                require(np.array_equal(image, wanted), f"{name}: {(image != wanted).sum()} cells have another count")
                require(order == self.main.info.skymap_order, f"{name} has order {order}, not hats_skymap_order")
                found.append(f"{name} order {order}")
        return ", ".join(found) or "none"

    def coverage(self):
        paths = [folder / "moc.fits" for folder in (self.folder, self.main.folder) if (folder / "moc.fits").exists()]
        for path in paths:
            moc = MOC.from_fits(path)
            cells = pd.unique(self.rows.hash.values >> 2 * (ORDER - moc.max_order)).astype(np.uint64)
            rows = MOC.from_healpix_cells(cells, np.full(len(cells), moc.max_order, np.uint8), moc.max_order)
            require(rows.difference(moc).empty(), f"{path.name} does not cover all rows")
            orders, pixels = np.array(list(self.main.leaves)).T
            tiles = MOC.from_healpix_cells(pixels.astype(np.uint64), orders.astype(np.uint8), ORDER)
            require(moc.difference(tiles).empty(), f"{path.name} goes beyond the tiles")
        return ", ".join(f"moc.fits order {MOC.from_fits(p).max_order}" for p in paths) or "no moc.fits"

    def ids(self):
        tables = [pq.read_table(p) for p in sorted((self.index / "dataset" / "index").glob("*.parquet"))]
        index = pa.concat_tables(tables).to_pandas().reset_index()
        total = TableProperties.read_from_dir(self.index).total_rows
        require(total == len(index) == len(self.rows), f"{len(index)} rows, hats_nrows {total}, main has {len(self.rows)}")
        require(index[self.id_column].is_monotonic_increasing, "not sorted")
        wanted = self.rows.sort_values("id")
        for column, of_main in ((self.id_column, "id"), (INDEX, "hash"), ("Norder", "order"), ("Npix", "pixel")):
            same = index[column].astype(np.int64).values == wanted[of_main].values
            require(same.all(), f"{column} is another one in {(~same).sum()} rows")
        chosen = self.rows.groupby(["order", "pixel"]).id.first().head(5).tolist()
        got = computed(lambda: self.catalog.id_search(values={self.id_column: chosen}))
        require(sorted(got[self.id_column]) == sorted(chosen), f"id_search of {chosen} found {list(got[self.id_column])}")
        absent = int(self.rows.id.max()) + 1
        got = computed(lambda: self.catalog.id_search(values={self.id_column: absent}))
        require(len(got) == 0, f"id_search of {absent}, which does not exist, found {len(got)} rows")
        return f"{len(index)} ids, {len(chosen)} found by id_search, one absent"

    def all_rows(self):
        frame = computed(lambda: self.catalog)
        require(self.catalog.margin is not None, "lsdb opened the collection without its margin")
        require(len(frame) == len(self.rows), f"lsdb computes {len(frame)} rows of {len(self.rows)}")
        require(set(frame[self.id_column]) == set(self.rows.id), "lsdb computes other ids")
        return f"{len(frame)} rows computed by lsdb"

    def cones(self):
        smallest = self.rows.order.max()
        radius = 0.2 * np.degrees(np.sqrt(np.pi / 3)) / 2**smallest * u.deg
        centres = [int(self.rows.index[self.rows.order == smallest][0]), len(self.rows) // 2, int(self.rows.dec.idxmax())]
        found = 0
        for row in centres:
            ra, dec = self.rows.ra[row], self.rows.dec[row]
            near = SkyCoord(ra, dec, unit="deg").separation(self.sky) <= radius
            cone = (ra, dec, radius.to_value(u.arcsec))
            searches = {"cone_search": lambda: self.catalog.cone_search(*cone),
                        "open_catalog with a cone": lambda: lsdb.open_catalog(
                            self.folder, columns="all", search_filter=lsdb.ConeSearch(*cone))}
            for label, search in searches.items():
                got = computed(search)[self.id_column]
                same = sorted(got) == sorted(self.rows.id[near])
                require(same, f"{label} {cone}: {len(got)} rows, astropy finds {near.sum()}")
            found += int(near.sum())
        return f"{len(centres)} cones of {radius.to(u.arcmin):.1f}, {found} rows, as astropy finds"

    def crossmatch(self):
        radius = min(CROSSMATCH_ARCSEC, self.threshold)
        crossing = self.matched(self.rows, self.catalog, radius, "itself")
        moved = self.moved(0.8 * radius)
        copy = quietly(lambda: lsdb.from_dataframe(moved[["id", "ra", "dec"]].rename(columns={"id": self.id_column})))
        shifted = self.matched(moved, copy, radius, "a shifted copy")
        require(shifted[1] > 0, "no row lies near the border of a tile: this collection cannot prove its margin")
        return "{} pairs, {} across borders; shifted copy: {}, {}".format(*crossing, *shifted)

    def matched(self, left, catalog, radius, label):
        """Compares lsdb's pairs with astropy's; how many there are, and how many of them between two tiles."""
        positions = SkyCoord(left.ra.values, left.dec.values, unit="deg")
        a, b, _, _ = search_around_sky(positions, self.sky, radius * u.arcsec)
        wanted = set(zip(left.id.values[a], self.rows.id.values[b]))
        most = int(np.bincount(a).max())
        frame = computed(lambda: catalog.crossmatch(
            self.catalog, n_neighbors=most, radius_arcsec=radius, suffixes=("_left", "_right"), suffix_method="all_columns"))
        got = set(zip(frame[f"{self.id_column}_left"], frame[f"{self.id_column}_right"]))
        extra, missing = len(got - wanted), len(wanted - got)
        require(not extra and not missing, f"with {label}: {len(wanted)} pairs, lsdb misses {missing} and has {extra} more")
        hashes = compute_spatial_index(left.ra.values[a], left.dec.values[a])
        right = self.rows.iloc[b]
        return len(wanted), int((hashes >> 2 * (ORDER - right.order.values) != right.pixel.values).sum())

    def moved(self, arcsec):
        """All rows moved by a distance, into another tile where there is one so near."""
        ra, dec, hashes = circles(self.rows, arcsec)
        outside = hashes >> 2 * (ORDER - self.rows.order.values[:, None]) != self.rows.pixel.values[:, None]
        chosen = np.argmax(outside, axis=1)
        everyone = np.arange(len(self.rows))
        return pd.DataFrame({"id": self.rows.id, "ra": ra[everyone, chosen], "dec": dec[everyone, chosen]})

    def margin_rows(self):
        tiles = [*self.main.leaves, *((p.order, p.pixel) for p in self.catalog.hc_structure.generate_negative_tree_pixels())]
        tiles = sorted(tiles, key=lambda t: t[1] << 2 * (ORDER - t[0]))
        starts = np.array([pixel << 2 * (ORDER - order) for order, pixel in tiles])
        own = np.searchsorted(starts, self.rows.hash.values, side="right") - 1
        wanted = set()
        for part in (0.999, 0.6, 0.3):
            found = np.searchsorted(starts, circles(self.rows, part * self.threshold)[2], side="right") - 1
            row, _ = np.nonzero(found != own[:, None])
            wanted |= set(zip(self.rows.id.values[row], found[found != own[:, None]]))
        place = {tile: i for i, tile in enumerate(tiles)}
        rows = self.margin.rows
        unknown = set(self.margin.leaves) - set(place)
        require(not unknown, f"margin tiles that are neither tiles nor empty sky: {sorted(unknown)[:3]}")
        listed = list(zip(rows.id.values, [place[t] for t in zip(rows.order, rows.pixel)]))
        require(len(listed) == len(set(listed)), "a row is twice in the margin of a tile")
        missing = sorted(wanted - set(listed))
        if missing:
            star, tile = missing[0]
            require(False, f"{len(missing)} of {len(wanted)} rows are missing, first {star} in Norder=%d Npix=%d" % tiles[tile])
        joined = rows.merge(self.rows, on="id", how="left", suffixes=("", "_main"))
        same = (joined.ra == joined.ra_main) & (joined.dec == joined.dec_main) & (joined.hash == joined.hash_main)
        require(same.all(), f"{(~same).sum()} rows are not those of the main table")
        return f"{len(wanted)} rows within {self.threshold:g} arcsec of another tile, all among {len(rows)}"

    def votables(self):
        files = []
        for table in (self.main, self.margin):
            files += [table.dataset / "_common_metadata", *table.leaves.values()]
            files += [p for p in (table.dataset / "_metadata", table.folder / "data_thumbnail.parquet") if p.exists()]
        texts = {}
        for path in files:
            metadata = pq.read_schema(path).metadata or {}
            require(metadata.get(VERSION_KEY) == b"1.0", f"{path}: no {VERSION_KEY.decode()} = 1.0")
            require(VOTABLE_KEY in metadata, f"{path}: no {VOTABLE_KEY.decode()}")
            texts.setdefault(metadata[VOTABLE_KEY], path)
        require(len(texts) == 1, f"the VOTables differ: {', '.join(str(p) for p in texts.values())}")
        text = next(iter(texts))
        units = {f.get("name"): f.get("unit") for f in ElementTree.fromstring(text).iterfind(".//{*}FIELD") if f.get("unit")}
        for name, unit in units.items():
            require(is_vounit(unit), f"VOTable field {name} has the unit {unit}, which is not a VOUnit")
        described = votable.parse(io.BytesIO(text))
        require("J2016.0" in [c.epoch for c in described.iter_coosys()], "no COOSYS of epoch J2016.0")
        fields = described.get_first_table().fields
        self.fields_agree(fields)
        leaves = [*self.main.leaves.values(), *self.margin.leaves.values()]
        for path in leaves:
            self.read_by_astropy(path, fields)
        return f"{len(files)} files with one VOTable of {len(fields)} fields, {len(units)} units; {len(leaves)} leaves read by astropy"

    def fields_agree(self, fields):
        schema = pq.read_schema(self.main.dataset / "_common_metadata")
        require([f.name for f in fields] == schema.names, "the VOTable's fields are not the columns, in order")
        for field, column in zip(fields, schema):
            name = f"VOTable field {field.name}"
            kind = ARROW_TYPES[column.type.value_type if is_vector(column.type) else column.type]
            require(field.datatype == kind or (field.datatype, kind) == ("unicodeChar", "char"),
                    f"{name} is {field.datatype}, the column {column.type}")
            if kind != "char":
                size = str(column.type.list_size) if is_vector(column.type) else None
                require(field.arraysize == size, f"{name} has arraysize {field.arraysize}, the column is {column.type}")
            require(field.description, f"{name} has no description")
            require(field.ucd and check_ucd(field.ucd, check_controlled_vocabulary=True), f"{name} has the UCD {field.ucd}")

    def read_by_astropy(self, path, fields):
        table = Table.read(path, format="parquet.votable")
        arrow = pq.read_table(path, partitioning=None)
        require(table.colnames == arrow.column_names, f"{path}: astropy reads the columns {table.colnames}")
        require(len(table) == len(arrow), f"{path}: astropy reads {len(table)} rows of {len(arrow)}")
        for field in fields:
            column, name = table[field.name], f"{path}: column {field.name}"
            read = (column.unit, column.description, column.meta.get("ucd"))
            require(read == (field.unit, field.description, field.ucd), f"{name}: astropy reads {read}")
            if not is_vector(kind := arrow.schema.field(field.name).type) and kind != pa.string():
                require(column.dtype == kind.to_pandas_dtype(), f"{name}: {kind} becomes {column.dtype} in astropy")
                values = arrow[field.name].to_numpy()
                require(np.array_equal(column, values, equal_nan=values.dtype.kind == "f"), f"{name}: other values in astropy")


def tile_of(path):
    order, folder, pixel = map(int, re.search(r"Norder=(\d+)/Dir=(\d+)/Npix=(\d+)\.parquet$", path.as_posix()).groups())
    require(folder == pixel // 10000 * 10000, f"{path}: not the folder of this pixel")
    return order, pixel


def is_vector(kind):
    return pa.types.is_fixed_size_list(kind) and kind.value_type == pa.float32()


def is_vounit(text):
    """Whether astropy knows it as a VOUnit; it lacks two things of that standard, log(..) and quoted names of other units."""
    plain = re.sub(r"'\w+'", "ct", re.sub(r"^log\((.+)\)$", r"\1", text))
    with warnings.catch_warnings():
        warnings.simplefilter("error", u.UnitsWarning)
        try:
            u.Unit(plain, format="vounit", parse_strict="raise")
        except (ValueError, u.UnitsWarning):
            return False
    return True


def circles(rows, arcsec):
    """Points on a circle round each row, (rows, points): right ascension, declination, and hash by astropy_healpix."""
    angle = np.linspace(0, 2 * np.pi, CIRCLE, endpoint=False)
    ra, dec, radius = np.radians(rows.ra.values)[:, None], np.radians(rows.dec.values)[:, None], np.radians(arcsec / 3600)
    lat = np.arcsin(np.clip(np.sin(dec) * np.cos(radius) + np.cos(dec) * np.sin(radius) * np.cos(angle), -1, 1))
    east = np.sin(angle) * np.sin(radius) * np.cos(dec)
    lon = (ra + np.arctan2(east, np.cos(radius) - np.sin(dec) * np.sin(lat))) % (2 * np.pi)
    hashes = HEALPix(nside=2**ORDER, order="nested").lonlat_to_healpix(lon.ravel() * u.rad, lat.ravel() * u.rad)
    return np.degrees(lon), np.degrees(lat), hashes.reshape(lon.shape)


def quietly(call):
    with contextlib.redirect_stdout(io.StringIO()):
        return call()


def computed(make):
    return quietly(lambda: make().compute(progress_bar=False)).reset_index()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path)
    parser.add_argument("--id-column", default="source_id")
    parser.add_argument("--without-votable", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    dask.config.set(scheduler="synchronous")
    name = "opening"
    try:
        release = Release(args.collection.resolve(), args.id_column)
        checks = {
            "hats validation": release.validity, "tables' addresses": release.addresses, "row counts": release.counts,
            "column types": release.types, "hats-import verification": release.verification, "positions": release.positions,
            "skymaps": release.skymaps, "MOC": release.coverage, "margin": release.margin_rows, "index": release.ids,
            "lsdb, all rows": release.all_rows, "lsdb, cones": release.cones, "lsdb, crossmatch": release.crossmatch,
        }
        if not args.without_votable:
            checks["VOTable"] = release.votables
        for name, check in checks.items():
            print(f"{name:24} OK  {check()}", flush=True)
    except Exception as error:
        kind = "" if isinstance(error, Failed) else f"{type(error).__name__}: "
        print(f"{name:24} FAIL  {kind}{error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
