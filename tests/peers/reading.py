"""Holds lamcat's readers against independent ones: a corpus of tables by seed, and public test files, value by value.

    pip install -r tests/peers/requirements-reading.txt
    cargo build && python tests/peers/reading.py target/debug/lamcat [--seed N] [--times N] [--only TEXT] [--keep FOLDER]

astropy, pyarrow, pandas, polars and DuckDB write the tables and say what is in them. Every value, NULL and type that lamcat reads
must be theirs; where it differs on purpose, `reading_astropy.py` and `reading_text.py` say so. Prints how much was compared,
and what differs; then it exits with 1.
"""

import argparse
import collections
import random
import sys
import tempfile
import time
from pathlib import Path

import reading_archive
import reading_columnar
import reading_folders
import reading_public
import reading_text
from reading_compare import Differs, compare, compare_cells
from reading_lamcat import Lamcat, table

# How many files of each kind.
KINDS = {
    "csv": (reading_text.csv_by_hand, 60), "of_csv": (reading_text.csv_by_program, 40),
    "parquet": (reading_columnar.pyarrow_parquet, 60), "of_parquet": (reading_columnar.other_parquet, 30),
    "int96": (reading_columnar.old_times, 8), "arrow": (reading_columnar.arrow_file, 30),
    "json": (reading_columnar.json_lines, 40), "fits": (reading_archive.fits_file, 40),
    "votable": (reading_archive.votable_file, 40), "ecsv": (reading_archive.ecsv_file, 40),
    "glob": (reading_folders.globbed, 40), "hive": (reading_folders.partitioned, 15), "wide": (reading_folders.widened, 15),
}


def corpus(folder, seed, times, only):
    cases = []
    for kind, (write, count) in KINDS.items():
        for i in range(count * times if only in kind else 0):
            rng = random.Random(f"{seed} {kind} {i}")
            made = write(rng, folder, f"{kind}{i}")
            cases += made if isinstance(made, list) else [made]
    return cases


def check(cases, lamcat):
    """How many values of how many tables are the same, and what differs."""
    answers = lamcat.read([case.name for case in cases])
    counts, faults = collections.Counter(), []
    for case in cases:
        answer = answers[case.name]
        try:
            if not isinstance(answer, str):
                counts["values"] += sum(check_peer(case, peer, table(answer)) for peer in case.peers)
                counts["tables"] += 1
            else:
                raise Differs(answer)
        except Differs as e:
            if any(refusal in str(e) for refusal in case.refusals):
                counts["refused"] += 1
            else:
                faults.append(f"{case.name} (by {case.writer}): {e}")
    return counts, faults


def check_peer(case, peer, got):
    try:
        expected = peer.read()
    except Exception as e:
        # Readers have faults of their own, and say nothing then.
        print(f"{case.name}: {peer.name} does not read it: {type(e).__name__}: {str(e)[:100]}")
        return 0
    if case.by_name:
        got, expected = (t.select(sorted(t.column_names)) for t in (got, expected))
    try:
        if peer.is_text:
            return compare_cells(expected, got)
        return compare(expected, got, case.nan_is_null, peer.with_types, case.in_order, case.loose)
    except Differs as e:
        raise Differs(f"{e}, by {peer.name}") from e


def check_unread(names, lamcat):
    """What no independent reader reads may be refused by lamcat too, but in words."""
    answers = lamcat.read(names)
    read = sum(not isinstance(answer, str) for answer in answers.values())
    faults = [f"{name}: {answer}" for name, answer in answers.items()
              if isinstance(answer, str) and not answer.startswith("error")]
    print(f"{len(names)} files that the others do not read: {read} read, {len(names) - read} refused")
    return faults


def report(title, began, counts, faults):
    print(f"{title}: {counts['tables']} tables alike, {counts['values']} values compared, {counts['refused']} refused as "
          f"foreseen, in {time.time() - began:.0f} s", flush=True)
    for fault in faults:
        print(f"DIFFERS {fault}")
    return len(faults)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lamcat", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--times", type=int, default=1, help="makes the corpus so many times larger")
    parser.add_argument("--only", default="", help="only the kinds whose names contain this")
    parser.add_argument("--keep", type=Path, help="folder for the files, which stay there")
    parser.add_argument("--public", type=Path, help="reads public files too; a folder where their packages are kept")
    args = parser.parse_args()
    began, wrong = time.time(), 0
    with tempfile.TemporaryDirectory() as name:
        folder = args.keep or Path(name)
        (folder / "out").mkdir(parents=True)
        (folder / "public").mkdir()
        made = corpus(folder, args.seed, args.times, args.only)
        print(f"seed {args.seed}: {len(made)} tables written in {time.time() - began:.0f} s", flush=True)
        wrong += report("corpus", began, *check(made, Lamcat(args.lamcat, folder, folder / "out")))
        if args.public:
            began = time.time()
            lamcat = Lamcat(args.lamcat, folder, folder / "public")
            public, unread = reading_public.cases(args.public)
            wrong += report("public files", began, *check(public, lamcat))
            wrong += report("public files that others refuse", began, collections.Counter(), check_unread(unread, lamcat))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
