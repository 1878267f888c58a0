"""Stars of Green et al. (2020, arXiv 2006.16258) with labels and colours, but no spectra, as a Parquet file.

    pip install -r requirements.txt
    python green2020_stars.py green2020_test_data_small.h5 green2020.parquet
    lamcat eval --model lam.safetensors -c "SELECT * EXCEPT (survey) FROM 'green2020.parquet'" --inputs labels -o report

The file is the test data of https://github.com/gregreen/green2020-stellar-model: labels of LAMOST, APOGEE and GALAH, Gaia
DR2 and 2MASS magnitudes, parallaxes and reddenings of dust maps, of stars that lamcat did not choose. Columns are named as
the model's tokens, <token>_error their 1-sigma errors, NaN where unknown. What differs from the quantities that a model is
trained on, and shows as bias: photometry and parallaxes are those of DR2, the labels those of three surveys, and the
reddening is in units of Bayestar19, of which E(B-V) is 0.884 (http://argonaut.skymaps.info/usage).
"""

import sys

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# Places in `mag`.
G, BP, RP, J, H, KS = 0, 1, 2, 8, 9, 10
EBV_OF_BAYESTAR19 = 0.884
# As sql/train_simulated.sql: no dust has this ln E(B-V), and a parallax less exact than this says nothing, in mas.
LOGEBV_OF_NO_DUST = -7.0
PARALLAX_ERROR_LIMIT = 0.1


def columns(stars):
    teff, logg, m_h = stars["atm_param"].astype("f8").T
    variances = np.einsum("nii->ni", stars["atm_param_cov"]).astype("f8")
    teff_error, logg_error, m_h_error = np.sqrt(variances).T
    mag = stars["mag"].astype("f8")
    ebv = EBV_OF_BAYESTAR19 * stars["r"].astype("f8")
    with np.errstate(divide="ignore"):
        logebv = np.where(ebv > 0, np.log(ebv), LOGEBV_OF_NO_DUST)
    good = stars["parallax_err"] <= PARALLAX_ERROR_LIMIT
    scale = np.where(good, 10 ** (0.2 * mag[:, G]), np.nan)
    return {
        "teff": teff,
        "teff_error": teff_error,
        "logg": logg,
        "logg_error": logg_error,
        "m_h": m_h,
        "m_h_error": m_h_error,
        "logebv": logebv,
        "g_fakemag": stars["parallax"] * scale,
        "g_fakemag_error": stars["parallax_err"] * scale,
        "bprp": mag[:, BP] - mag[:, RP],
        "jh": mag[:, J] - mag[:, H],
        "jk": mag[:, J] - mag[:, KS],
        "survey": np.char.decode(stars["atm_source"]),
    }


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with h5py.File(sys.argv[1]) as file:
        stars = file["data"][:]
    table = pa.table(columns(stars))
    pq.write_table(table, sys.argv[2])
    print(f"wrote {table.num_rows} stars to {sys.argv[2]}")


if __name__ == "__main__":
    main()
