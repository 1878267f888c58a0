#!/usr/bin/env python3
"""Check and measure lamcat on a GPU: answers beside the reference, stars a second, PyTorch on the same card.

usage: run.py LAMCAT [--output DIR] [--seconds S] [--rows N] [--skip PART,...] [--rehearse]

Parts, in this order: parity, card, bare, peers, sql, feed. Writes results.json as it goes and prints one table at the end, so
that what was measured before something failed is kept. Exits with 1 if an answer is off or a part failed.

--rehearse does the same on the CPU, to see that every part runs before a GPU is at hand; its figures are of no use.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

PRECISIONS = ["f32", "tf32", "f16", "bf16"]
LABELS = {1: "teff", 3: "teff,logg,m_h"}
BATCHES = [512, 2048, 8192, 16384]
PARTS = ["parity", "card", "bare", "peers", "sql", "feed"]


class Run:
    def __init__(self, args):
        self.args, self.results, self.failed = args, {}, []
        self.device = "cpu" if args.rehearse else "cuda"
        self.precisions = ["f32", "int8"] if args.rehearse else PRECISIONS
        self.fastest = self.precisions[-1]
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.model = self.folder / "full.safetensors"

    def lamcat(self, *words, timeout=300):
        """stdout of a command; the rest of what it said is shown."""
        command = [self.args.lamcat, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        if done.stderr:
            print("   ", done.stderr.strip().replace("\n", "\n    "), flush=True)
        if done.returncode and not done.stdout:
            raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.stdout

    def part(self, name, measure):
        if name in self.args.skip:
            return
        print(f"== {name}", flush=True)
        began = time.time()
        try:
            self.results[name] = measure()
        except Exception as e:  # what follows can still be measured
            self.failed.append(f"{name}: {e}")
            print(f"failed: {e}", flush=True)
        self.results.setdefault("seconds", {})[name] = round(time.time() - began, 1)
        (self.args.output / "results.json").write_text(json.dumps(self.results, indent=1))

    def parity(self):
        """Answers beside the authors' for each precision, and beside candle's for larger models."""
        places = [p for p in map(pathlib.Path, ("reference/tiny", "reference/small")) if p.is_dir()]
        reports = []
        for place in [*places, self.model, None]:
            for precision in self.precisions:
                path = [] if place is None else [place]
                report = json.loads(self.lamcat("model", "check", *path, "--device", self.device, "--precision", precision, "--json"))
                reports.append(report)
                if not report["passed"]:
                    self.failed.append(f"parity: {report['model']} in {precision}")
        return reports

    def card(self):
        """Matrix products of 8192 and copies, by PyTorch."""
        import torch

        def timed(call, repeats=10):
            for _ in range(3):
                call()
            self.wait()
            began = time.perf_counter()
            for _ in range(repeats):
                call()
            self.wait()
            return (time.perf_counter() - began) / repeats

        n, copied = (1024, 1 << 20) if self.args.rehearse else (8192, 1 << 30)
        card = "CPU, a rehearsal" if self.args.rehearse else torch.cuda.get_device_name()
        rates = {"name": card, "torch": torch.__version__}
        for name, kind, tf32 in [("bf16", torch.bfloat16, False), ("f16", torch.float16, False), ("tf32", torch.float32, True),
                                 ("f32", torch.float32, False)]:
            torch.backends.cuda.matmul.allow_tf32 = tf32
            a, b = (torch.randn(n, n, device=self.device).to(kind) for _ in range(2))
            rates[name] = 2 * n**3 / timed(lambda: a @ b) / 1e12
        a = torch.empty(copied, dtype=torch.int32, device=self.device)
        b = torch.empty_like(a)
        rates["copy_tb_s"] = 2 * a.nbytes / timed(lambda: b.copy_(a)) / 1e12
        return rates

    def wait(self):
        """Until the card has done what it was given."""
        import torch

        if self.device == "cuda":
            torch.cuda.synchronize()

    def bare(self):
        """lamcat bench: batches from host memory to answers in host memory."""
        rows = []
        for precision in self.precisions:
            for labels, names in LABELS.items():
                for batch in BATCHES if precision == self.fastest else BATCHES[2:3]:
                    words = ["--backend", self.device, "--model", self.model, "--labels", names, "--batch-rows", batch]
                    words += ["--precision", precision, "--seconds", self.args.seconds, "--json"]
                    rows.append(json.loads(self.lamcat("bench", *words)))
                    print(f"    {precision}, {labels} labels, {batch} stars: {rows[-1]['stars_per_second']:,.0f} stars/s", flush=True)
        return rows

    def peers(self):
        """torch.compile and plain PyTorch, bf16, from and to memory of the card."""
        import torch

        sys.path[:0] = [".", str(pathlib.Path(__file__).resolve().parents[1] / "peers")]
        import transformer

        torch.backends.cuda.matmul.allow_tf32 = True
        model, rows = transformer.Model.open(self.model), []
        for labels, names in LABELS.items():
            for absorbed in (False, True):
                plain = transformer.Labels(model, labels=names.split(","), absorbed=absorbed).to(self.device).to(torch.bfloat16)
                for mode in ("plain", "max-autotune") if not absorbed else ("max-autotune",):
                    call = plain if mode == "plain" else torch.compile(plain, mode=mode, fullgraph=True, dynamic=False)
                    for batch in (64,) if self.args.rehearse else (2048, 8192):
                        rows.append({"labels": labels, "absorbed": absorbed, "mode": mode, "batch_rows": batch,
                                     "stars_per_second": self.torch_rate(call, batch)})
                        print(f"    {rows[-1]}", flush=True)
        return rows

    def torch_rate(self, call, batch):
        import torch

        values = torch.randn(batch, 64, device=self.device, dtype=torch.bfloat16)
        repeats = 1 if self.args.rehearse else 10
        with torch.inference_mode():
            for _ in range(repeats // 2 + 1):
                call(values)
            self.wait()
            began, done = time.perf_counter(), 0
            while time.perf_counter() - began < self.args.seconds:
                for _ in range(repeats):
                    call(values)
                self.wait()
                done += repeats * batch
            return done / (time.perf_counter() - began)

    def stars(self):
        """A Parquet file of simulated stars: those that build.sh has made, repeated to have enough rows."""
        path, few = self.folder / "stars.parquet", pathlib.Path("stars.parquet").absolute()
        if not path.exists():
            if not few.exists():
                raise RuntimeError("stars.parquet is not in this folder: build.sh makes it where the simulator's data is")
            copies = max(1, self.args.rows // self.count(few))
            numbers = f"generate_series(1, {copies})"
            self.lamcat("sql", "-q", "-o", path, "-c", f"SELECT s.* FROM '{few}' AS s CROSS JOIN {numbers}")
        return path

    def count(self, path):
        return int(self.lamcat("sql", "-q", "--format", "csv", "-c", f"SELECT count(*) FROM '{path}'").split()[1])

    def sql(self):
        """Parquet to Parquet."""
        path, rows = self.stars(), []
        count = self.count(path)
        xp = "xp(bp_coefficients, rp_coefficients, phot_g_mean_mag)"
        for labels, names in LABELS.items():
            columns = ", ".join(f"lam_infer({xp}, '{name}') AS {name}" for name in names.split(","))
            to = self.folder / "labels.parquet"
            words = ["--model", self.model, "--device", self.device, "--precision", self.fastest, "-q", "-o", to]
            best = float("inf")
            for _ in range(2):
                began = time.perf_counter()
                self.lamcat("sql", *words, "-c", f"SELECT source_id, {columns} FROM '{path}'")
                best = min(best, time.perf_counter() - began)
            rows.append({"labels": labels, "rows": count, "seconds": best, "stars_per_second": count / best})
        return rows

    def feed(self):
        """What the host alone can read, on all its cores."""
        return json.loads(self.lamcat("bench", "--feed", self.stars(), "--seconds", self.args.seconds, "--json"))

    def table(self):
        card = self.results.get("card", {})
        print(f"\n{card.get('name', 'GPU')}: " + ", ".join(
            f"{name} {card[name]:.0f} TFLOP/s" for name in PRECISIONS if name in card))
        print(f"{'what':<34} {'labels':>6} {'batch':>6} {'stars/s':>12} {'TFLOP/s':>8} {'of matmul':>9}")

        def line(what, labels, batch, rate, tflops=None, of=None):
            tflops, of = (f"{x:{form}}" if x is not None else "-" for x, form in ((tflops, ".1f"), (of, ".0%")))
            print(f"{what:<34} {labels:>6} {batch:>6} {rate:>12,.0f} {tflops:>8} {of:>9}")

        for row in self.results.get("bare", []):
            tflops, peak = row["gflops"] / 1e3, card.get(row["precision"])
            line(f"lamcat {row['precision']}", row["labels"], row["batch_rows"], row["stars_per_second"], tflops,
                 tflops / peak if peak else None)
        for row in self.results.get("peers", []):
            what = f"torch bf16 {row['mode']}" + (" absorbed" if row["absorbed"] else "")
            line(what, row["labels"], row["batch_rows"], row["stars_per_second"])
        for row in self.results.get("sql", []):
            line(f"lamcat {self.fastest}, Parquet to Parquet", row["labels"], "-", row["stars_per_second"])
        for row in self.results.get("feed", []):
            line(f"host alone: {row['stage']}, {row['partitions']} cores", "-", "-", row["stars_per_second"])
        for report in self.results.get("parity", []):
            worst = max(max(case["worst"], case["worst_error"]) for case in report["cases"])
            verdict = "passes" if report["passed"] else "FAILS"
            print(f"parity {report['model']} {report['precision']}: {worst:.1e} of a scale at most, {verdict}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lamcat")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("."))
    parser.add_argument("--seconds", type=float, default=2.0, help="for each figure")
    parser.add_argument("--rows", type=int, default=2_000_000, help="stars of the file for sql and feed")
    parser.add_argument("--skip", type=lambda text: text.split(","), default=[], help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU")
    args = parser.parse_args()
    args.lamcat = os.path.abspath(args.lamcat)
    args.output.mkdir(parents=True, exist_ok=True)
    run = Run(args)
    run.lamcat("model", "init", "-o", run.model)
    for name in PARTS:
        run.part(name, getattr(run, name))
    run.table()
    if run.failed:
        sys.exit("\n".join(run.failed))


if __name__ == "__main__":
    main()
