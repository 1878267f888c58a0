"""Gives positions to simulated stars and to real ones, as the input of a release to check with `hats_release.py`.

    lamcat simulate --rows 200000 -o simulated.parquet
    lamcat ingest field_stars.fits -o field.parquet
    python tests/peers/release_input.py simulated.parquet field.parquet FOLDER

Simulated stars have no position: 70 % are put evenly over the sky and 30 % into two square degrees, so that tiles of
several orders come out; the same ones every time. The real stars' file has no position either: they go to the centre of
the level-12 pixel that their source_id names, less than a minute of arc from where they are.
"""

import argparse
from pathlib import Path

import cdshealpix
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = ["source_id", "ra", "dec", "bp_coefficients", "rp_coefficients", "bp_n_relevant_bases", "rp_n_relevant_bases",
           "phot_g_mean_mag", "bp_rp"]
# A source_id is the level-12 pixel times this, plus a running number.
SOURCES_OF_PIXEL = 2**35


def placed(table, ra, dec):
    return table.append_column("ra", pa.array(ra)).append_column("dec", pa.array(dec)).select(COLUMNS)


def simulated(path):
    table = pq.read_table(path)
    random = np.random.default_rng(1)
    u, v, crowded = random.random(table.num_rows), random.random(table.num_rows), random.random(table.num_rows) < 0.3
    ra = np.where(crowded, 266.4 + 2 * u, 360 * u)
    dec = np.where(crowded, -29 + v, np.degrees(np.arcsin(2 * v - 1)))
    return placed(table, ra, dec)


def real(path):
    table = pq.read_table(path).rename_columns({"bp_coeff": "bp_coefficients", "rp_coeff": "rp_coefficients"})
    pixel = (table["source_id"].to_numpy() // SOURCES_OF_PIXEL).astype(np.uint64)
    ra, dec = cdshealpix.nested.healpix_to_lonlat(pixel, np.uint8(12))
    # The file has no magnitudes either.
    unknown = pa.nulls(table.num_rows, pa.float32())
    table = table.append_column("phot_g_mean_mag", unknown).append_column("bp_rp", unknown)
    return placed(table, ra.to_value("deg"), dec.to_value("deg"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("simulated", type=Path)
    parser.add_argument("field", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, table in [("simulated", simulated(arguments.simulated)), ("field", real(arguments.field))]:
        pq.write_table(table, arguments.folder / f"{name}.parquet", row_group_size=50_000)
        print(f"{name}: {table.num_rows} stars")


if __name__ == "__main__":
    main()
