"""Gaia XP coefficients to labels with errors, Parquet in and Parquet out, by lamcat and by ways to do it in Python.

    pip install -r benches/peers/requirements.txt && pip install --no-deps -r benches/peers/requirements_daft.txt
    target/release/lamcat simulate --rows 8000 --seed 1 -o stars.parquet
    python benches/peers/parquet_to_parquet.py target/release/lamcat stars.parquet [--threads 2] [--repeat 3] [--json FILE]

The file has source_id, bp_coefficients, rp_coefficients and phot_g_mean_mag; the first 32 coefficients of each band must be
there, so that the peers need no mask. All have the same full-size weights and write source_id, teff, logg, m_h and their
errors as zstd Parquet. Each runs in a process of its own, timed from start to end; the fastest of REPEAT, in turns. Start-up
is what the same program takes for a file of 64 of the rows, less their share. The peers have the model in the form that
inference.py finds fastest, keys and values absorbed and PyTorch by oneDNN, and run it as is fastest for them: each core on
batches of its own of 32 rows; "eager" is PyTorch without any of that, on 1024 rows with both cores on each operation, as one
writes it first. ONNX files are made beforehand. Memory is the peak of the process.
"""

import argparse
import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

COLUMNS = ["source_id", "bp_coefficients", "rp_coefficients", "phot_g_mean_mag"]
LABELS = ["teff", "logg", "m_h"]
ANSWERS = [name + end for name in LABELS for end in ("", "_error")]
ORDERS = 32
BATCH, BATCH_EAGER = 32, 1024
FEW = 64
EAGER = "eager"
# Of a token's scale; int8 may be off by as much as its rounding makes it.
TOLERANCE, TOLERANCE_INT8 = 1e-4, 0.5


class Labeller:
    """Arrow arrays of coefficients and magnitudes to arrays of labels and errors."""

    def __init__(self, folder, form, threads):
        import concurrent.futures

        import numpy as np

        self.median, self.scale, self.median_of_label, self.scale_of_label = np.load(f"{folder}/scales.npz").values()
        eager = form == EAGER
        if eager or not form:
            self.infer = with_torch(f"{folder}/model.safetensors", threads if eager else 1, tuned=not eager)
        else:
            from inference import onnx_session

            self.infer = onnx_session(f"{folder}/{form}", 1)
        self.rows = BATCH_EAGER if eager else BATCH
        self.pool = concurrent.futures.ThreadPoolExecutor(1 if eager else threads)

    def __call__(self, bp, rp, g):
        """A list of six arrays, in the order of ANSWERS."""
        import numpy as np

        bands = [band.flatten().to_numpy(zero_copy_only=False).reshape(len(g), -1)[:, :ORDERS] for band in (bp, rp)]
        flux = 10 ** ((25.6873668671 - g.to_numpy(zero_copy_only=False).astype("f8")) / 2.5)
        values = ((np.hstack(bands) / flux[:, None] - self.median) / self.scale).astype("f4")
        if not np.isfinite(values).all():
            raise SystemExit("the peers take stars with complete spectra and magnitudes only")
        parts = self.pool.map(self.infer, (values[at : at + self.rows] for at in range(0, len(values), self.rows)))
        mean, log_variance = (np.concatenate(part) for part in zip(*parts))
        label = (mean * self.scale_of_label + self.median_of_label).astype("f4")
        error = (np.exp(0.5 * log_variance) * self.scale_of_label).astype("f4")
        return [both[:, i] for i in range(len(LABELS)) for both in (label, error)]


def with_torch(model_path, threads, tuned):
    import torch
    from transformer import Labels, Model

    torch.set_num_threads(threads)
    labels = Labels(Model.open(model_path), absorbed=tuned, onednn=tuned)

    def infer(values):
        with torch.inference_mode():
            return [x.numpy() for x in labels(torch.from_numpy(values))]

    return infer


def with_pyarrow(make, path, out, threads):
    import pyarrow as pa
    import pyarrow.parquet as pq

    label = make()
    schema = pa.schema([("source_id", pa.int64()), *((name, pa.float32()) for name in ANSWERS)])
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for batch in pq.ParquetFile(path).iter_batches(2048, columns=COLUMNS):
            answers = label(*(batch[name] for name in COLUMNS[1:]))
            writer.write_batch(pa.record_batch([batch["source_id"].cast(pa.int64()), *answers], schema=schema))


def with_duckdb(make, path, out, threads):
    import duckdb
    import pyarrow as pa

    label = make()

    def labels(bp, rp, g):
        arrays = [x.combine_chunks() if isinstance(x, pa.ChunkedArray) else x for x in (bp, rp, g)]
        return pa.StructArray.from_arrays([pa.array(x) for x in label(*arrays)], ANSWERS)

    database = duckdb.connect(config={"threads": threads})
    fields = ", ".join(f"{name} FLOAT" for name in ANSWERS)
    database.create_function("labels", labels, ["FLOAT[]", "FLOAT[]", "FLOAT"], f"STRUCT({fields})", type="arrow")
    database.sql(
        f"COPY (SELECT source_id, unnest(labels) FROM (SELECT source_id, labels(bp_coefficients, rp_coefficients, "
        f"phot_g_mean_mag) AS labels FROM '{path}')) TO '{out}' (FORMAT parquet, COMPRESSION zstd)"
    )


def with_daft(make, path, out, threads):
    import daft
    import pyarrow as pa

    kind = daft.DataType.struct({name: daft.DataType.float32() for name in ANSWERS})

    @daft.cls(use_process=False)
    class Stars:
        def __init__(self):
            self.label = make()

        @daft.method.batch(return_dtype=kind, unnest=True, batch_size=2048)
        def labels(self, *columns):
            answers = self.label(*(column.to_arrow() for column in columns))
            return pa.StructArray.from_arrays([pa.array(x) for x in answers], ANSWERS)

    stars = daft.read_parquet(path)
    labels = Stars().labels(*(stars[name] for name in COLUMNS[1:]))
    stars.select("source_id", labels).write_parquet(out, compression="zstd")


# How it runs, and the ONNX file that it runs the model from, or whether it is PyTorch's plainest form.
PEERS = {
    "pyarrow, PyTorch": (with_pyarrow, None),
    "pyarrow, ONNX Runtime": (with_pyarrow, "f32.onnx"),
    "pyarrow, ONNX Runtime int8": (with_pyarrow, "int8.onnx"),
    "DuckDB, PyTorch": (with_duckdb, None),
    "Daft, PyTorch": (with_daft, None),
    "DuckDB, PyTorch eager": (with_duckdb, EAGER),
    "Daft, PyTorch eager": (with_daft, EAGER),
}


def run_peer(name, folder, path, out, threads):
    how, form = PEERS[name]
    how(functools.partial(Labeller, folder, form, int(threads)), path, out, int(threads))


def lamcat_command(lamcat, folder, path, out, threads, precision):
    columns = ", ".join(f"lam_infer(xp, '{name}') AS {name}, lam_error(xp, '{name}') AS {name}_error" for name in LABELS)
    sql = (f"SELECT source_id, {columns} FROM (SELECT source_id, xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) "
           f"AS xp FROM '{path}')")
    return [lamcat, "sql", "-q", "--model", f"{folder}/model.safetensors", "--threads", str(threads),
            "--precision", precision, "-o", out, "-c", sql]


def commands(args, folder):
    """Name to a function of paths in and out that returns a command."""
    found = {}
    for name, precision in (("lamcat", "f32"), ("lamcat int8", "int8")):
        found[name] = lambda path, out, precision=precision: lamcat_command(
            args.lamcat, folder, path, out, args.threads, precision)
    for name in PEERS:
        found[name] = lambda path, out, name=name: [
            sys.executable, __file__, "--peer", name, str(folder), path, out, str(args.threads)]
    return found


def measure(command):
    """Seconds from start to end, and the peak of memory in MB."""
    environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONWARNINGS="ignore", DAFT_PROGRESS_BAR="0")
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command}: {errors.decode()[-2000:]}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def prepare(folder, path):
    """What the peers need of the model file in the folder, and few.parquet, some of the stars."""
    import numpy as np
    import pyarrow.parquet as pq
    from transformer import Labels, Model, export_onnx

    model = Model.open(f"{folder}/model.safetensors")
    labels = Labels(model, absorbed=True)
    tokens, requests = labels.tokens[0].numpy(), labels.requests.numpy()
    of_tokens, of_labels = ((model.medians[ids], model.scales[ids]) for ids in (tokens, requests))
    np.savez(f"{folder}/scales.npz", *of_tokens, *of_labels)
    export_onnx(labels, f"{folder}/f32.onnx", f"{folder}/int8.onnx")
    pq.write_table(pq.read_table(path).slice(0, FEW), f"{folder}/few.parquet", compression="zstd")


def answers(path):
    """Answers (rows, 6) by source_id."""
    import numpy as np
    import pyarrow.parquet as pq

    answers = pq.read_table(path).sort_by("source_id")
    return answers["source_id"].to_pylist(), np.column_stack([answers[name].to_numpy() for name in ANSWERS])


def differences(folder, names):
    """Number of rows, and how far each one's answers are from pyarrow and PyTorch's: largest, in a token's scale, and rms
    of Teff in K."""
    import numpy as np

    scales = np.repeat(list(np.load(folder / "scales.npz").values())[3], 2)
    ids, truth = answers(folder / "pyarrow, PyTorch.parquet")
    off = {}
    for name in names:
        own_ids, own = answers(folder / f"{name}.parquet")
        if own_ids != ids:
            raise SystemExit(f"{name} wrote other stars")
        largest = float((np.abs(own - truth) / scales).max())
        if not largest < (TOLERANCE_INT8 if "int8" in name else TOLERANCE):
            raise SystemExit(f"{name} answers something else: off by {largest:.1e} of a token's scale")
        off[name] = largest, float(np.sqrt(np.mean((own - truth)[:, 0] ** 2)))
    return len(ids), off


def show(args, rows, results):
    print(f"{rows} rows, {args.threads} threads, fastest of {args.repeat}\n")
    print("| | s | start-up s | rows/s | rows/s without start-up | peak MB | lamcat's speed over it | "
          "without start-up | largest difference, scales | Teff, rms K |\n|---|---|---|---|---|---|---|---|---|---|")
    for row in results:
        own = next(r for r in results if r["name"] == ("lamcat int8" if "int8" in row["name"] else "lamcat"))
        ratios = (f"{own[kind] / row[kind]:.2f}" for kind in ("rows_per_second", "rows_per_second_after_start"))
        print(f"| {row['name']} | {row['seconds']:.2f} | {row['start_seconds']:.2f} | {row['rows_per_second']:.0f} | "
              f"{row['rows_per_second_after_start']:.0f} | {row['peak_mb']:.0f} | {' | '.join(ratios)} | "
              f"{row['largest_difference']:.1e} | {row['teff_rms_difference']:.2g} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lamcat", help="the lamcat program")
    parser.add_argument("stars", help="Parquet file")
    parser.add_argument("--model", help="a lamcat model file (default: random weights of the published size)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", help="the figures for programs")
    args = parser.parse_args()
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if args.model:
            (folder / "model.safetensors").symlink_to(pathlib.Path(args.model).resolve())
        else:
            command = [args.lamcat, "model", "init", "--seed", "0", "-o", folder / "model.safetensors"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        # A process's peak of memory counts what the one that started it held, so this one stays small until all have run.
        measure([sys.executable, __file__, "--prepare", str(folder), args.stars])
        runs, small = {}, {}
        for _ in range(args.repeat):
            for name, command in commands(args, folder).items():
                out = folder / f"{name}.parquet"
                for path, results in ((str(folder / "few.parquet"), small), (args.stars, runs)):
                    remove(out)
                    results.setdefault(name, []).append(measure(command(path, str(out))))
        rows, off = differences(folder, runs)
    results = []
    for name, measured in runs.items():
        seconds, few_seconds = min(measured)[0], min(small[name])[0]
        rate = (rows - FEW) / (seconds - few_seconds)
        results.append({
            "name": name, "seconds": seconds, "start_seconds": seconds - rows / rate, "rows_per_second": rows / seconds,
            "rows_per_second_after_start": rate, "peak_mb": max(peak for _, peak in measured),
            "largest_difference": off[name][0], "teff_rms_difference": off[name][1],
        })
    show(args, rows, results)
    if args.json:
        figures = {"rows": rows, "threads": args.threads, "repeat": args.repeat, "results": results}
        pathlib.Path(args.json).write_text(json.dumps(figures, indent=1) + "\n")


def remove(path):
    """Daft makes a folder."""
    import shutil

    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


if len(sys.argv) > 1 and sys.argv[1] in ("--peer", "--prepare"):
    {"--peer": run_peer, "--prepare": prepare}[sys.argv[1]](*sys.argv[2:])
elif __name__ == "__main__":
    main()
