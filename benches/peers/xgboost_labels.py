"""Labels by XGBoost and by lamcat from the same inputs of the same stars, side by side. From the project's root:

    pip install -r benches/peers/requirements.txt
    STARS="CREATE VIEW stars AS SELECT * FROM 'stars.parquet'"
    lamcat sql -c "$STARS" -f sql/train_simulated.sql -o train.parquet
    lamcat sql -c "$STARS" -f sql/test_simulated.sql -o test.parquet
    lamcat eval --model run/model.safetensors -c "$STARS" --sql sql/test_simulated.sql -o report
    python benches/peers/xgboost_labels.py train.parquet test.parquet report/metrics.csv

XGBoost has one regressor for each label, of 2000 trees as in Leung & Bovy (2023) with a learning rate of 0.1, and else with
its defaults; the default rate, 0.3, is meant for far fewer trees. The inputs are bp/rp 0-29, jh, jk and bprp, coefficients
beyond the relevant bases missing. lamcat's figures are those of the input set xp30-colours of metrics.csv. A star counts as
it counts there: it has the label, the colours and a coefficient of each band. mad_std and bias are of truth minus
prediction; XGBoost's mad_std has its error from a bootstrap over the test stars.
"""

import argparse
import csv
import time

import numpy as np
import pyarrow.parquet as pq
import xgboost

INPUTS = "xp30-colours"
COLOURS = ["jh", "jk", "bprp"]
COEFFICIENTS = 30
PER_BAND = 55
MAD_TO_SIGMA = 1.482602218505602


def read(path, labels):
    """Inputs (stars, 63) and labels of a Parquet file, NaN where missing, of the stars that count."""
    missing = [name for name in ["xp", *COLOURS, *labels] if name not in pq.read_schema(path).names]
    if missing:
        raise SystemExit(f"{path} has no column {', '.join(missing)}; it has {', '.join(pq.read_schema(path).names)}")
    table = pq.read_table(path, columns=["xp", *COLOURS, *labels])
    column = lambda name: table[name].to_numpy(zero_copy_only=False).astype("f8")
    xp = np.array([[np.nan if v is None else v for v in row] if row else [np.nan] * 2 * PER_BAND
                   for row in table["xp"].to_pylist()], dtype="f8")
    bands = [xp[:, start : start + COEFFICIENTS] for start in (0, PER_BAND)]
    colours = np.column_stack([column(name) for name in COLOURS])
    counts = np.isfinite(colours).all(1)
    for band in bands:
        counts &= np.isfinite(band).any(1)
    x = np.column_stack([*bands, colours])[counts]
    return x, {label: column(label)[counts] for label in labels}


def mad_std(values):
    return MAD_TO_SIGMA * np.median(np.abs(values - np.median(values)))


def bootstrap_error(values, seed=0, draws=200):
    rng = np.random.default_rng(seed)
    return np.std([mad_std(rng.choice(values, len(values))) for _ in range(draws)])


def lamcat_metrics(path):
    with open(path, newline="") as file:
        return {row["label"]: row for row in csv.DictReader(file) if row["inputs"] == INPUTS}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", help="Parquet file to learn from")
    parser.add_argument("test", help="Parquet file of the stars that lamcat eval judged")
    parser.add_argument("metrics", help="metrics.csv of lamcat eval")
    parser.add_argument("--trees", type=int, default=2000, help="trees of a label (default 2000)")
    parser.add_argument("--eta", type=float, default=0.1, help="learning rate (default 0.1; XGBoost's own is 0.3)")
    parser.add_argument("--labels", default="teff,logg,m_h", help="with commas between them (default teff,logg,m_h)")
    args = parser.parse_args()
    labels = list(dict.fromkeys(args.labels.split(",")))
    lamcat = lamcat_metrics(args.metrics)
    for label in labels:
        if label not in lamcat:
            known = ", ".join(lamcat) or "none"
            raise SystemExit(f"{args.metrics} has no {label} from {INPUTS}; labels from these inputs: {known}")
    (x, train), (x_test, test) = read(args.train, labels), read(args.test, labels)

    print(f"XGBoost {xgboost.__version__}, {args.trees} trees, learning rate {args.eta:g}; "
          f"{len(x)} stars to learn from; inputs {INPUTS}\n")
    print(f"{'label':<10}{'stars':>8}{'XGBoost mad_std':>26}{'lamcat mad_std':>17}{'ratio':>8}"
          f"{'XGBoost bias':>15}{'lamcat bias':>14}{'fit s':>8}")
    for label in labels:
        known, known_test = np.isfinite(train[label]), np.isfinite(test[label])
        started = time.perf_counter()
        stars = xgboost.DMatrix(x[known], train[label][known])
        model = xgboost.train({"objective": "reg:squarederror", "eta": args.eta, "seed": 0}, stars, args.trees)
        seconds = time.perf_counter() - started
        residual = test[label][known_test] - model.predict(xgboost.DMatrix(x_test[known_test]))
        peer, error = mad_std(residual), bootstrap_error(residual)
        row = lamcat[label]
        if int(row["stars"]) != len(residual):
            raise SystemExit(f"{label}: lamcat judged {row['stars']} stars, here are {len(residual)}: "
                             "metrics.csv is of another query")
        own = float(row["mad_std"])
        print(f"{label:<10}{len(residual):>8}{f'{peer:.4g} +- {error:.2g}':>26}{own:>17.4g}{own / peer:>8.2f}"
              f"{np.median(residual):>15.3g}{float(row['bias']):>14.3g}{seconds:>8.0f}")


if __name__ == "__main__":
    main()
