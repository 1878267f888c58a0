"""The stars of Green et al. (2020) as Parquet: real labels, colours and parallaxes without spectra.

    python benches/peers/green2020_to_parquet.py green2020_test_data_small.h5 -o green2020.parquet

The file is that of https://github.com/gregreen/green2020-stellar-model (MIT). Teff in K, logg and m_h in dex with 1-sigma
errors from LAMOST, APOGEE or GALAH; ebv is the reddening of Bayestar19 or SFD in mag, missing where the catalogue has a
default only; G, BP and RP of Gaia DR2, J, H, Ks of 2MASS in mag; parallax in mas. Every fifth star is kept for tests
(split = 'test').
"""

import argparse

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

G, BP, RP, J, H, KS = 0, 1, 2, 8, 9, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hdf5")
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()

    with h5py.File(args.hdf5) as file:
        stars = file["data"][:]
    mag, labels, covariance = stars["mag"], stars["atm_param"], stars["atm_param_cov"]
    columns = {"star": np.arange(len(stars), dtype=np.int64)}
    for i, name in enumerate(["teff", "logg", "m_h"]):
        columns[name] = labels[:, i]
        columns[f"{name}_error"] = np.sqrt(covariance[:, i, i])
    columns["ebv"] = np.where(stars["r_source"] == b"default", np.nan, stars["r"])
    columns["phot_g_mean_mag"] = mag[:, G]
    columns["bp_rp"] = mag[:, BP] - mag[:, RP]
    columns["j_h"] = mag[:, J] - mag[:, H]
    columns["j_k"] = mag[:, J] - mag[:, KS]
    columns["parallax"] = stars["parallax"].astype(np.float64)
    columns["parallax_error"] = stars["parallax_err"]
    columns["source"] = [source.decode() for source in stars["atm_source"]]
    columns["split"] = np.where(columns["star"] % 5 == 0, "test", "train")
    table = pa.table({name: pa.array(column, from_pandas=True) for name, column in columns.items()})
    pq.write_table(table, args.output)
    print(f"wrote {table.num_rows} stars to {args.output}")


if __name__ == "__main__":
    main()
