"""The bare model by lamcat, PyTorch and ONNX Runtime in one run: full-size weights, 64 XP tokens in, three labels out.

    pip install -r benches/peers/requirements.txt
    python benches/peers/inference.py target/release/lamcat [--threads 2] [--rounds 3] [--json FILE]

Each peer first takes the batch size at which it is fastest and the better of two ways to use the cores: together on each
operation, or apart on a batch each. Then all have their turns, SECONDS each, ROUNDS times over, so that a drift of the
machine hits them alike. A rate is the median of the rounds. Contexts are full, so the peers run without a mask, which suits
them; they embed each token once for all rows. lamcat runs as `lamcat bench` with stars of its own, since time does not
depend on the values; its answers come from SQL on the stars that the peers have. sgemm is the faster of numpy and PyTorch on
4096 x 4096 matrices. A star costs the MFLOP that `lamcat bench` states whoever computes: what absorbing saves counts as
speed. What torch.compile makes is cached between runs of this script.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

BATCHES = [16, 32, 64, 128]
COMPILED_BATCHES = [32, 64]
LAMCAT = {
    "lamcat": ["--precision", "f32"],
    "lamcat int8": ["--precision", "int8"],
    "lamcat, 1 label": ["--precision", "f32", "--labels", "teff"],
    "lamcat int8, 1 label": ["--precision", "int8", "--labels", "teff"],
}
REDUCED = ("int8", "bf16")
# Of a token's scale. Sums in another order differ by less; a wrong answer by far more.
TOLERANCE = 1e-4


def by_torch(call, kind="float32"):
    """A function of the cores of an operation that returns one of standardised values (rows, 64)."""
    import torch

    def with_cores(cores):
        torch.set_num_threads(cores)

        def answer(values):
            with torch.inference_mode():
                return [x.float().numpy() for x in call(torch.from_numpy(values).to(getattr(torch, kind)))]

        return answer

    return with_cores


def compiled(labels):
    import torch
    import torch._dynamo.config as dynamo

    # Each batch size and number of cores is compiled anew.
    dynamo.recompile_limit = 100
    return torch.compile(labels, fullgraph=True, dynamic=False)


def by_onnx(path):
    """As by_torch."""
    sessions = {}

    def with_cores(cores):
        if cores not in sessions:
            sessions[cores] = onnx_session(path, cores)
        return sessions[cores]

    return with_cores


def onnx_session(path, cores):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda values: session.run(None, {"values": values})


def peers(model, folder):
    """Name to what by_torch returns; the answers are mean and log variance (rows, 3)."""
    import copy

    from transformer import Labels, export_onnx

    found = {}
    for name, absorbed in (("", False), (", absorbed", True)):
        labels = Labels(model, absorbed=absorbed)
        found[f"PyTorch{name}"] = by_torch(labels)
        found[f"torch.compile{name}"] = by_torch(compiled(labels))
        paths = [str(folder / f"{absorbed}{kind}.onnx") for kind in ("", "-int8")]
        export_onnx(labels, *paths)
        found[f"ONNX Runtime{name}"] = by_onnx(paths[0])
        found[f"ONNX Runtime int8{name}"] = by_onnx(paths[1])
    found["PyTorch, absorbed, oneDNN"] = by_torch(Labels(model, absorbed=True, onednn=True))
    half = copy.deepcopy(labels).bfloat16()
    found["PyTorch bf16, absorbed"] = by_torch(half, "bfloat16")
    found["torch.compile bf16, absorbed"] = by_torch(compiled(half), "bfloat16")
    return found


def rate(with_cores, values, threads, apart, seconds):
    """Stars a second."""
    import concurrent.futures

    cores, workers = (1, threads) if apart else (threads, 1)
    with_cores(cores)(values)
    end = time.perf_counter() + seconds

    def work(_):
        answer = with_cores(cores)
        began, stars = time.perf_counter(), 0
        while time.perf_counter() < end:
            answer(values)
            stars += len(values)
        return stars / (time.perf_counter() - began)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(work, range(workers)))


def lamcat_bench(args, model, flags):
    command = [args.lamcat, "bench", "--json", "--model", model, "--threads", str(args.threads)]
    command += ["--seconds", str(args.seconds), *flags]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def gflops(multiply, size=4096, tries=3):
    multiply()
    best = float("inf")
    for _ in range(tries):
        began = time.perf_counter()
        multiply()
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best / 1e9


def sgemm(threads):
    import numpy as np
    import torch

    torch.set_num_threads(threads)
    a = np.random.default_rng(0).standard_normal((4096, 4096), dtype="f4")
    of_torch, out, out_of_torch = torch.from_numpy(a), np.empty_like(a), torch.empty(4096, 4096)
    return {
        "numpy": gflops(lambda: np.matmul(a, a, out=out)),
        "PyTorch": gflops(lambda: torch.mm(of_torch, of_torch, out=out_of_torch)),
    }


def lamcat_answers(args, model_path, folder, xp, precision):
    """Values and errors (rows, 3) in physical units by SQL on lists of 110 coefficients."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from transformer import LABELS

    stars, output = folder / "stars.parquet", folder / f"{precision}.parquet"
    lists = pa.FixedSizeListArray.from_arrays(pa.array(xp.ravel(), pa.float64()), xp.shape[1])
    pq.write_table(pa.table({"star": np.arange(len(xp)), "xp": lists}), stars)
    both = "lam_infer(xp, '{0}') AS {0}, lam_error(xp, '{0}') AS {0}_error"
    columns = ", ".join(both.format(label) for label in LABELS)
    sql = f"SELECT star, {columns} FROM '{stars}' ORDER BY star"
    command = [args.lamcat, "sql", "--model", model_path, "--precision", precision, "-q", "-o", output, "-c", sql]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    table = pq.read_table(output)
    return [np.column_stack([table[label + end].to_numpy() for label in LABELS]) for end in ("", "_error")]


def differences(args, model, model_path, folder, found, rows=256):
    """How far each contestant's answers are from eager PyTorch's: largest, in a token's scale, and rms of Teff in K."""
    import numpy as np
    from transformer import INPUTS, LABELS

    rng = np.random.default_rng(1)
    names = [f"{band}{order}" for band in ("bp", "rp") for order in range(55)]
    of_list, requests = model.tokens(names), model.tokens(LABELS)
    xp = model.medians[of_list] + model.scales[of_list] * rng.standard_normal((rows, len(names)))
    xp = xp.astype("f4")
    inputs = [names.index(name) for name in INPUTS]
    values = model.standardise(of_list[inputs], xp[:, inputs])
    parts = np.split(values, rows // COMPILED_BATCHES[-1])
    answers = {}
    for name, with_cores in found.items():
        both = zip(*map(with_cores(args.threads), parts))
        answers[name] = model.physical(requests, *map(np.concatenate, both))
    for precision in ("f32", "int8"):
        name = "lamcat" if precision == "f32" else "lamcat int8"
        answers[name] = lamcat_answers(args, model_path, folder, xp, precision)
    truth, off = answers["PyTorch"], {}
    for name, both in answers.items():
        largest = max(np.abs(ours - theirs).max(0)[i] / model.scales[requests[i]]
                      for ours, theirs in zip(both, truth) for i in range(len(LABELS)))
        off[name] = float(largest), float(np.sqrt(np.mean((both[0] - truth[0])[:, 0] ** 2)))
        if not (largest < TOLERANCE or any(kind in name for kind in REDUCED)):
            raise SystemExit(f"{name} answers something else: off by {largest:.1e} of a token's scale")
    return values, off


def fastest_way(args, name, with_cores, values):
    """Batch size and whether the cores work apart."""
    import numpy as np

    tried = {}
    for rows in COMPILED_BATCHES if "compile" in name else BATCHES:
        for apart in (False, True):
            inputs = np.resize(values, (rows, values.shape[1]))
            tried[rows, apart] = rate(with_cores, inputs, args.threads, apart, args.seconds / 4)
    return max(tried, key=tried.get)


def measure(args, model_path, found, values):
    """Rates by name, one a round, ways by name, MFLOP of a star by name and the machine's GFLOP/s of each round."""
    import numpy as np

    ways = {name: fastest_way(args, name, with_cores, values) for name, with_cores in found.items()}
    rates, machine, work = {}, [], {}
    for number in range(args.rounds):
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
        machine.append(sgemm(args.threads))
        for name, (rows, apart) in ways.items():
            if name in found:
                inputs = np.resize(values, (rows, values.shape[1]))
                rates.setdefault(name, []).append(rate(found[name], inputs, args.threads, apart, args.seconds))
        # The peers' threads go on spinning for a moment.
        time.sleep(0.3)
        for name, flags in LAMCAT.items():
            figures = lamcat_bench(args, model_path, flags)
            rates.setdefault(name, []).append(figures["stars_per_second"])
            work[name], ways[name] = figures["mflop_per_star"], (figures["batch_rows"], None)
    return rates, ways, work, machine


def table(rates, ways, work, machine, off):
    """The rows of the table, fastest first, one label last, and the machine's GFLOP/s."""
    median = {name: statistics.median(values) for name, values in rates.items()}
    peak = statistics.median(max(each.values()) for each in machine)
    full = {name: value for name, value in median.items() if "lamcat" not in name and not any(k in name for k in REDUCED)}
    int8 = {name: value for name, value in median.items() if name.startswith("ONNX Runtime int8")}
    best, best_int8 = max(full.values()), max(int8.values(), default=None)
    rows = []
    for name in sorted(median, key=lambda name: ("1 label" in name, -median[name])):
        three = "1 label" not in name
        rows.append({
            "name": name,
            "batch": ways[name][0],
            "cores": {None: "", False: "together", True: "apart"}[ways[name][1]],
            "stars_per_second": median[name],
            "lowest": min(rates[name]),
            "highest": max(rates[name]),
            "over_best_f32_peer": median[name] / best if three else None,
            "over_onnx_int8": median[name] / best_int8 if three and best_int8 else None,
            "share_of_sgemm": median[name] * work.get(name, work["lamcat"]) / 1e3 / peak,
            "largest_difference": off[name][0] if name in off else None,
            "teff_rms_difference": off[name][1] if name in off else None,
        })
    return rows, peak


def show(args, rows, peak, machine, work):
    sides = ", ".join(f"{name} {statistics.median(each[name] for each in machine):.0f}" for name in machine[0])
    print(f"{args.threads} threads, medians of {args.rounds} rounds; a star of 3 labels {work['lamcat']:.1f} MFLOP, of one "
          f"{work['lamcat, 1 label']:.1f}; sgemm of 4096 x 4096 {peak:.0f} GFLOP/s ({sides})\n")
    print("| | batch | cores | stars/s | lowest to highest | over best f32 peer | over ONNX Runtime int8 | of sgemm | "
          "largest difference, scales | Teff, rms K |\n|---|---|---|---|---|---|---|---|---|---|")
    number = lambda value, form: "" if value is None else format(value, form)
    for row in rows:
        name = f"**{row['name']}**" if row["name"].startswith("lamcat") else row["name"]
        print(f"| {name} | {row['batch']} | {row['cores']} | {row['stars_per_second']:.0f} | "
              f"{row['lowest']:.0f} to {row['highest']:.0f} | "
              f"{number(row['over_best_f32_peer'], '.2f')} | {number(row['over_onnx_int8'], '.2f')} | "
              f"{row['share_of_sgemm']:.0%} | {number(row['largest_difference'], '.1e')} | "
              f"{number(row['teff_rms_difference'], '.2g')} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lamcat", help="the lamcat program")
    parser.add_argument("--model", help="a lamcat model file (default: random weights of the published size)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a contestant's turn (default 2)")
    parser.add_argument("--only", metavar="PART", help="peers with this in their name only, and eager PyTorch")
    parser.add_argument("--json", metavar="FILE", help="the figures for programs")
    args = parser.parse_args()
    # Before numpy and PyTorch are loaded; the first two would hold numpy to another CPU's kernels.
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(args.threads)
    from transformer import Model

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        path = args.model or str(folder / "full.safetensors")
        if not args.model:
            command = [args.lamcat, "model", "init", "--seed", "0", "-o", path]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        model = Model.open(path)
        found = peers(model, folder)
        if args.only:
            found = {name: peer for name, peer in found.items() if args.only in name or name == "PyTorch"}
        values, off = differences(args, model, path, folder, found)
        rates, ways, work, machine = measure(args, path, found, values)
    rows, peak = table(rates, ways, work, machine, off)
    show(args, rows, peak, machine, work)
    if args.json:
        figures = {"threads": args.threads, "rounds": args.rounds, "sgemm_gflops": peak, "rows": rows}
        pathlib.Path(args.json).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
