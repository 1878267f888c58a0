"""Writes a gzip ECSV file shaped like the archive's bulk files of the XP continuous mean spectra.

    python generate_ecsv.py TEMPLATE.csv ROWS OUT.csv.gz [--no-gzip]

Each row is a source of TEMPLATE (an archive CSV with all 26 columns) whose numbers are multiplied by random factors
near one and printed with the archive's digits: 17 for float64, 9 at most for float32. The seed is fixed. The header is
the ECSV description of the archive's columns.
"""

import csv
import gzip
import sys

import numpy as np

TYPES = {"source_id": "int64", "solution_id": "int64"}


def datatype(name):
    if name in TYPES:
        return TYPES[name], None
    if name.endswith("_coefficients"):
        return "string", "float64[null]"
    if name.endswith(("_errors", "_correlations")):
        return "string", "float32[null]"
    if name.endswith(("_deviation", "_squared", "_shrinking")):
        return "float32", None
    return "int16", None


def header(names):
    lines = ["# %ECSV 1.0", "# ---", "# delimiter: ','", "# datatype:"]
    for name in names:
        kind, subtype = datatype(name)
        extra = f", subtype: '{subtype}'" if subtype else ""
        lines.append(f"# - {{name: {name}, datatype: {kind}{extra}}}")
    return "\n".join(lines) + "\n" + ",".join(names) + "\n"


def main():
    template, rows, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    sources = list(csv.DictReader(open(template)))
    names = list(sources[0])
    rng = np.random.default_rng(20260101)
    ids = np.sort(rng.choice(2**55, rows, replace=False)) * 16
    opener = open if "--no-gzip" in sys.argv else lambda p, m: gzip.open(p, m, compresslevel=6)
    parsed = []
    for source in sources:
        arrays = {n: np.array(eval(v)) for n, v in source.items() if v.startswith(("(", "["))}
        parsed.append((source, arrays))
    with opener(out, "wt") as file:
        file.write(header(names))
        for row in range(rows):
            source, arrays = parsed[row % len(parsed)]
            cells = []
            for name in names:
                kind, subtype = datatype(name)
                if name == "source_id":
                    cells.append(str(ids[row]))
                elif subtype:
                    values = arrays[name] * rng.normal(1, 0.05, len(arrays[name]))
                    if subtype.startswith("float32"):
                        text = ",".join(map(str, values.astype(np.float32)))
                    else:
                        text = ",".join(map(repr, values.tolist()))
                    cells.append(f'"[{text}]"')
                else:
                    cells.append(source[name])
            file.write(",".join(cells) + "\n")


main()
