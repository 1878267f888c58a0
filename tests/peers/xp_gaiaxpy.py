"""Compares lamcat's XP functions with GaiaXPy's calibrate, convert and generate on real spectra.

    pip install -r tests/peers/requirements.txt
    cargo build && python tests/peers/xp_gaiaxpy.py target/debug/lamcat

Spectra are read from the shared data folder: $LAMCAT_SHARED, --shared, or ../shared beside the repository. 200 field
stars have no correlations, so zeros are given to both programs; the others have their own. Prints the worst relative
difference (for magnitudes: absolute, in mag) of every quantity and exits with 1 if one is more than allowed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.table import Table
from gaiaxpy import PhotometricSystem, calibrate, convert, generate

STARS = 200
CORRELATIONS = 55 * 54 // 2
SAMPLING = np.linspace(0, 60, 600)
LISTS = [f"{b}_coefficient{c}" for b in ("bp", "rp") for c in ("s", "_errors", "_correlations")]
BANDS = [(s.get_system_label(), band) for s in PhotometricSystem for band in s.get_bands()]
SYSTEMS = list(PhotometricSystem)
RELEVANT = ", bp_n_relevant_bases, rp_n_relevant_bases"


class Peers:
    """The two programs on the spectra of one file, and the rows of the report."""

    def __init__(self, lamcat, folder, name, peer_input, stars, list_type):
        self.lamcat, self.folder, self.name, self.peer_input = lamcat, folder, name, peer_input
        self.stars, self.rows = len(stars), []
        columns = {c: pa.array(stars[c], pa.list_(list_type)) for c in LISTS}
        for c in ("source_id", "bp_n_relevant_bases", "rp_n_relevant_bases"):
            columns[c] = pa.array([None if pd.isna(v) else int(v) for v in stars[c]], pa.int64())
        columns["row"] = pa.array(range(len(stars)))
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")

    def sql(self, expressions):
        """A column of numbers for each expression, NULL as NaN: (stars, elements)."""
        query = self.folder / "query.sql"
        selected = ", ".join(f"{e} AS c{i}" for i, e in enumerate(expressions))
        query.write_text(f"SELECT {selected} FROM '{self.name}.parquet' ORDER BY row")
        subprocess.run([self.lamcat, "sql", "-q", "-f", query.name, "-o", "result.parquet"], cwd=self.folder, check=True)
        table = pq.read_table(self.folder / "result.parquet")
        (self.folder / "result.parquet").unlink()
        return [numbers(table[f"c{i}"].to_pylist()) for i in range(len(expressions))]

    def compare(self, quantity, got, wanted, allowed, absolute=False):
        wanted = numbers(wanted)
        wanted = np.broadcast_to(wanted, np.broadcast_shapes(wanted.shape, got.shape))
        got = np.broadcast_to(got, wanted.shape)
        same_gaps = np.array_equal(np.isnan(got), np.isnan(wanted))
        with np.errstate(all="ignore"):
            difference = abs(got - wanted) / (1 if absolute else abs(wanted))
        difference = np.where(got == wanted, 0.0, difference)
        worst = np.nanmax(difference) if same_gaps and not np.isnan(wanted).all() else np.inf
        self.rows.append((f"{quantity}, {self.name}", self.stars, worst, allowed, worst <= allowed))

    def calibrated(self):
        lists = {"flux": "bp_coefficients, rp_coefficients", "flux_error": ", ".join(c for c in LISTS if "_coefficient_" in c)}
        for truncation, more in ((False, ""), (True, RELEVANT)):
            peer, wavelengths = calibrate(self.peer_input, truncation=truncation, save_file=False)
            calls = [f"xp_calibrate({lists['flux']}{more})", f"xp_calibrate_error({lists['flux_error']}{more})"]
            *results, grid = self.sql([*calls, "xp_wavelength()"])
            label = "calibrate, truncated" if truncation else "calibrate"
            for column, got in zip(("flux", "flux_error"), results):
                self.compare(f"{label}: {column}", got, peer[column], 1e-6)
        self.compare("wavelength", grid, [wavelengths] * self.stars, 0.0)

    def converted(self):
        sampling = "[" + ", ".join(repr(float(x)) for x in SAMPLING) + "]"
        for truncation in (False, True):
            peer, _ = convert(self.peer_input, sampling=SAMPLING, truncation=truncation, save_file=False)
            for b in ("bp", "rp"):
                more = f", {b}_n_relevant_bases" if truncation else ""
                flux = f"xp_convert({b}_coefficients, '{b}', {sampling}{more})"
                error = f"xp_convert_error({b}_coefficient_errors, {b}_coefficient_correlations, '{b}', {sampling}{more})"
                of_band = peer[peer["xp"] == b.upper()]
                label = f"convert {b}, truncated" if truncation else f"convert {b}"
                for column, got in zip(("flux", "flux_error"), self.sql([flux, error])):
                    self.compare(f"{label}: {column}", got, of_band[column], 1e-6)

    def photometry(self):
        for truncation, more in ((False, ""), (True, RELEVANT)):
            peer = generate(self.peer_input, photometric_system=SYSTEMS, truncation=truncation, save_file=False)
            all_lists = ", ".join(LISTS)
            functions = {
                "mag": "xp_synth_mag(bp_coefficients, rp_coefficients, '{}'{})",
                "flux": "xp_synth_flux(bp_coefficients, rp_coefficients, '{}'{})",
                "flux_error": f"xp_synth_flux_error({all_lists}, '{{}}'{{}})",
                "mag_error": f"xp_synth_mag_error({all_lists}, '{{}}'{{}})",
            }
            groups = {"G, BP, RP": ["GaiaDr3Vega"], "JkcStd": ["JkcStd"], "SdssStd": ["SdssStd"]}
            groups |= {"Panstarrs1Std": ["Panstarrs1Std"], "Stromgren": ["Stromgren", "StromgrenStd"]}
            named = sum(groups.values(), [])
            others = [s.get_system_label() for s in SYSTEMS if s.get_system_label() not in named]
            groups[f"{len(others)} other systems"] = others
            for group, systems in groups.items():
                bands = [(s, b) for s, b in BANDS if s in systems]
                for quantity, call in functions.items():
                    got = np.hstack(self.sql([call.format(f"{s}_{b}", more) for s, b in bands]))
                    wanted = np.column_stack([peer_photometry(peer, quantity, s, b) for s, b in bands])
                    label = f"generate{', truncated' if truncation else ''} {group} ({len(bands)}): {quantity}"
                    self.compare(label, got, wanted, 1e-6, absolute=quantity == "mag")


def peer_photometry(peer, quantity, system, band):
    column = lambda q: peer[f"{system}_{q}_{band}"].to_numpy(float)
    if quantity != "mag_error":
        return column(quantity)
    with np.errstate(all="ignore"):
        error = 2.5 / np.log(10) * column("flux_error") / column("flux")
    return np.where(np.isnan(column("mag")), np.nan, error)


def numbers(rows):
    """Rows of numbers or of lists, as an array of two dimensions; what is missing is NaN."""
    rows = [[np.nan] if r is None else np.atleast_1d(np.array(r, float)) for r in rows]
    width = max(len(r) for r in rows)
    return np.array([np.full(width, np.nan) if len(r) < width else r for r in rows])


def field_stars(lamcat, shared, folder):
    fits = shared / "field_stars/xp_continuous_combined_chunk0.fits"
    subprocess.run([lamcat, "ingest", fits, "-o", folder / "ingested.parquet"], check=True, capture_output=True)
    table = pq.read_table(folder / "ingested.parquet").to_pandas()
    table = table.iloc[:: len(table) // STARS].head(STARS).reset_index(drop=True)
    stars = table[["source_id", "bp_n_relevant_bases", "rp_n_relevant_bases"]].copy()
    for b in ("bp", "rp"):
        stars[f"{b}_n_parameters"] = 55
        # It cancels, whatever it is.
        stars[f"{b}_standard_deviation"] = np.linspace(0.7, 3.0, len(stars))
        stars[f"{b}_coefficients"] = [np.array(v, float) for v in table[f"{b}_coeff"]]
        stars[f"{b}_coefficient_errors"] = [np.array(v, float) for v in table[f"e_{b}_coeff"]]
        stars[f"{b}_coefficient_correlations"] = [np.zeros(CORRELATIONS)] * len(stars)
    return stars


def votable(path):
    table = Table.read(path)
    stars = pd.DataFrame({c: list(table[c]) for c in table.colnames})
    for c in LISTS:
        stars[c] = [np.array(v, float) for v in stars[c]]
    return stars


def archive_csv(path):
    stars = pd.read_csv(path, float_precision="round_trip")
    for c in LISTS:
        stars[c] = [np.fromstring(v.strip("()"), sep=",") if isinstance(v, str) else None for v in stars[c]]
    return stars


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lamcat", type=Path)
    default = os.environ.get("LAMCAT_SHARED", Path(__file__).parents[2] / ".." / "shared")
    parser.add_argument("--shared", type=Path, default=default)
    args = parser.parse_args()
    lamcat, shared = args.lamcat.resolve(), Path(args.shared).resolve() / "data/xp_continuous"
    warnings.simplefilter("ignore")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        field = field_stars(lamcat, shared, folder)
        four = votable(shared / "field_stars/xp_continuous_combined_weiler2023_examples.vot")
        raw = shared / "gaiaxpy/XP_CONTINUOUS_RAW.csv"
        no_bp = shared / "gaiaxpy/XP_CONTINUOUS_RAW_with_missing_BP.csv"
        sets = [
            ("field", field.copy(), field, pa.float32()),
            ("votable", four.copy(), four, pa.float64()),
            ("archive", raw, archive_csv(raw), pa.float64()),
            ("missing_bp", no_bp, archive_csv(no_bp), pa.float64()),
        ]
        for name, peer_input, stars, list_type in sets:
            peers = Peers(lamcat, folder, name, peer_input, stars, list_type)
            peers.calibrated()
            peers.converted()
            peers.photometry()
            rows += peers.rows
    print(f"\n{'quantity':64} {'stars':>5} {'worst':>9} {'allowed':>8}")
    for quantity, count, worst, allowed, good in rows:
        print(f"{quantity:64} {count:5} {worst:9.1e} {allowed:8.0e} {'OK' if good else 'FAIL'}")
    return 0 if all(row[-1] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
