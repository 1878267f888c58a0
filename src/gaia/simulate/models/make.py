"""Makes models.npz, the data that `lamcat simulate` carries, from a folder of the files it was made of.

    pip install numpy astropy h5py
    python make.py FOLDER LAMCAT

FOLDER has these files; `lamcat simulate --data FOLDER` reads them as they are:

- forward_model/ck04/ck{m25,m20,m15,m10,m05,p00,p02,p05}/*.fits: the ATLAS9 grid of Castelli & Kurucz (2004), from
  https://archive.stsci.edu/hlsps/reference-atlases/cdbs/grid/ck04models/;
- forward_model/payne_xp/payne_cool_gaiaxp.npz: https://github.com/dnidever/gaiaxpspec (python/gaiaxpspec/data);
- labels/green2020/green2020_nn_model.h5 and green2020_theta_normalization.json:
  https://github.com/gregreen/green2020-stellar-model;
- labels/spectrafm_apogee_dr17/{labels,label_errs}_{train,test}.npy: labels of APOGEE DR17,
  https://github.com/NolanKoblischke/SpectraFM_NeurIPS;
- xp_continuous/field_stars/xp_continuous_combined_chunk0.fits: field stars of Gaia DR3,
  https://github.com/fjaellet/xp_spectral_lines, or the Gaia archive.

LAMCAT is the program, which gives the stars' synthetic magnitudes. Arrays whose name has a companion NAME_scale are
integers q that stand for scale[0] + scale[1] q; -32768 stands for no value. Those of ck04 and field_log_errors are
differences of neighbours on the last axis, which take less room.
"""

import csv
import io
import json
import pathlib
import subprocess
import sys

import h5py
import numpy as np
from astropy.io import fits

HERE = pathlib.Path(__file__).parent
WAVELENGTHS_NM = np.arange(336.0, 1021.0, 2.0)
# The same figures as in ck04.rs, payne.rs, inversion.rs and green.rs.
METALLICITIES = ["m25", "m20", "m15", "m10", "m05", "p00", "p02", "p05"]
BLUR_NM = 4.0
CELL = np.array([100.0, 0.2, 0.2])
NEAR_STARS = 5
PRIOR_LIMIT = 16.0
G_ZERO_POINT = 25.6873668671
NONE = -32768

arrays = {}


def scaled(name, values, offset, step, differences=False):
    """Adds values in 16 bits, of `step` from `offset` on; NaN has the sign of none."""
    integers = np.where(np.isfinite(values), np.round((values - offset) / step), NONE)
    assert np.nanmax(np.abs((values - offset) / step)) < 32767, name
    integers = integers.astype("<i4")
    if differences:
        integers = np.diff(integers, axis=-1, prepend=0).astype("<i2")
    arrays[name] = integers.astype("<i2")
    arrays[f"{name}_scale"] = np.array([offset, step])


def blur(nm):
    """Weights by which samples average a model's points: a Gaussian times the points' widths."""
    weights = np.zeros((len(WAVELENGTHS_NM), len(nm)))
    for sample, centre in enumerate(WAVELENGTHS_NM):
        start = max(np.searchsorted(nm, centre - 4 * BLUR_NM), 1)
        end = min(np.searchsorted(nm, centre + 4 * BLUR_NM, side="right"), len(nm) - 1)
        i = np.arange(start, end)
        w = np.exp(-0.5 * ((nm[i] - centre) / BLUR_NM) ** 2) * (nm[i + 1] - nm[i - 1])
        weights[sample, i] = w / w.sum()
    return weights


def ck04(folder):
    """ln of the flux by [M/H], Teff, logg and sample, to 2.5e-4."""
    grid = np.full((8, 19, 11, len(WAVELENGTHS_NM)), np.nan)
    for m, suffix in enumerate(METALLICITIES):
        for t in range(19):
            path = folder / f"forward_model/ck04/ck{suffix}/ck{suffix}_{3500 + 250 * t}.fits"
            table = fits.getdata(path, 1)
            weights = blur(table["WAVELENGTH"].astype(float) / 10)
            for g in range(11):
                flux = weights @ table[f"g{5 * g:02d}"].astype(float)
                if flux.min() > np.finfo(np.float32).tiny:
                    grid[m, t, g] = np.log(flux)
    scaled("ck04", grid, 12.5, 5e-4, differences=True)


def payne(folder):
    """Weights in 16 bits, and the cells of labels that the network has seen."""
    network = np.load(folder / "forward_model/payne_xp/payne_cool_gaiaxp.npz")
    for i in range(3):
        weights = network[f"w_array_{i}"]
        scaled(f"payne_weights_{i}", weights, 0.0, float(np.abs(weights).max()) / 32766)
        arrays[f"payne_bias_{i}"] = network[f"b_array_{i}"].astype("<f4")
    low, high = network["x_min"], network["x_max"]
    arrays["payne_labels"] = np.array([low, high - low]).astype("<f4")
    counts = {}
    # In single precision, as the program divides them.
    labels = network["labels"].astype("<f4") / CELL.astype("<f4")
    for cell in np.floor(labels).astype(int):
        for step in np.ndindex(3, 3, 3):
            near = tuple(int(x) for x in cell + np.array(step) - 1)
            counts[near] = counts.get(near, 0) + 1
    arrays["payne_seen"] = np.array(sorted(c for c, n in counts.items() if n >= NEAR_STARS), dtype="<i2")


def green(folder):
    """Weights, a row of inputs for each output, and the scaling of the labels."""
    with h5py.File(folder / "labels/green2020/green2020_nn_model.h5") as network:
        for i, name in enumerate(["stellar_model_hidden_1", "stellar_model_hidden_2", "BM"]):
            layer = network[f"model_weights/{name}/{name}"]
            arrays[f"green_weights_{i}"] = np.ascontiguousarray(layer["kernel:0"][()].T.astype("<f4"))
            arrays[f"green_bias_{i}"] = layer["bias:0"][()].astype("<f4")
    scaling = json.loads((folder / "labels/green2020/green2020_theta_normalization.json").read_text())
    arrays["green_labels"] = np.array([scaling["theta_med"], scaling["theta_std"]], dtype="<f4")


def population(folder):
    """Labels and errors of APOGEE's stars that have them all, far finer than their errors."""
    parts = {
        kind: np.concatenate([np.load(folder / f"labels/spectrafm_apogee_dr17/{kind}_{p}.npy") for p in ["train", "test"]])
        for kind in ["labels", "label_errs"]
    }
    # Teff, logg and [Fe/H].
    labels, errors = (parts[kind][:, [0, 1, 4]].astype(float) for kind in ["labels", "label_errs"])
    whole = np.isfinite(labels).all(axis=1) & (errors > 0).all(axis=1)
    for i, (name, offset, step, error_step) in enumerate(
        [("teff", 5000.0, 0.5, 0.1), ("logg", 0.0, 1e-3, 5e-4), ("m_h", 0.0, 1e-3, 1e-4)]
    ):
        scaled(f"apogee_{name}", labels[whole, i], offset, step)
        scaled(f"apogee_{name}_error", errors[whole, i], 0.0, error_step)


def magnitudes(path, lamcat):
    """Synthetic G, BP and RP of the stars of a file, by source id."""
    lists = ", ".join(f"[{', '.join(f'{band}_coeff_{i}' for i in range(55))}]" for band in ["bp", "rp"])
    bands = ", ".join(f"xp_synth_mag({lists}, '{band}') AS {band.lower()}" for band in ["G", "BP", "RP"])
    query = f"SELECT source_id, {bands} FROM '{path}'"
    text = subprocess.run([lamcat, "sql", "-q", "--format", "csv", "-c", query], check=True, capture_output=True, text=True)
    number = lambda cell: float(cell) if cell else np.nan
    return {int(row["source_id"]): [number(row[band]) for band in ["g", "bp", "rp"]] for row in csv.DictReader(io.StringIO(text.stdout))}


def field_stars(folder, lamcat):
    """Of real stars, magnitude, colour and errors; of the spectra of the bright ones, mean and covariance alone."""
    path = folder / "xp_continuous/field_stars/xp_continuous_combined_chunk0.fits"
    table = fits.getdata(path, 1)
    names = [f"{band}_coeff_{i}" for band in ["bp", "rp"] for i in range(55)]
    known = magnitudes(path, lamcat)
    mags = np.array([known[int(i)] for i in table["source_id"]])
    flux = 10 ** (-0.4 * (mags[:, :1] - G_ZERO_POINT))
    coefficients, errors = (
        (np.stack([table[prefix + name].astype(float) for name in names], axis=1) / flux).astype("<f4").astype(float)
        for prefix in ["", "e_"]
    )
    colour = mags[:, 1] - mags[:, 2]
    whole = np.isfinite(coefficients).all(axis=1) & np.isfinite(errors).all(axis=1) & np.isfinite(colour)
    order = np.flatnonzero(whole)[np.argsort(mags[whole, 0], kind="stable")]
    bright = coefficients[order][mags[order, 0] < PRIOR_LIMIT]
    arrays["prior_mean"] = bright.mean(axis=0)
    arrays["prior_covariance"] = np.cov(bright.T)[np.tril_indices(110)]
    arrays["field_g"] = mags[order, 0].astype("<f4")
    arrays["field_bp_rp"] = colour[order].astype("<f4")
    relevant = np.stack([table[f"{band}_n_relevant_bases"] for band in ["bp", "rp"]], axis=1)
    arrays["field_relevant"] = relevant[order].astype("<i2")
    scaled("field_log_errors", np.log(errors[order]), 0.0, 1e-3, differences=True)


def main():
    folder, lamcat = pathlib.Path(sys.argv[1]), sys.argv[2]
    ck04(folder)
    payne(folder)
    green(folder)
    population(folder)
    field_stars(folder, lamcat)
    np.savez_compressed(HERE / "models.npz", **arrays)


main()
