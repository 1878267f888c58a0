"""The same gzip ECSV file to Parquet by lamcat, pandas, pyarrow, DuckDB and astropy, one after the other.

    pip install -r requirements.txt
    python generate_ecsv.py TEMPLATE.csv 2000 /tmp/bulk.csv.gz
    python ecsv_to_parquet.py LAMCAT /tmp/bulk.csv.gz [--repeat 3]

Each reads every column, arrays as numbers (float64 coefficients, float32 errors and correlations), and writes zstd
Parquet. Each runs in a process of its own, timed from start to end with its start-up, taken the fastest of REPEAT; the
peak of memory is the process's. `inflate` is gzip alone, with zlib-ng where Python has it: one core cannot go faster.
pandas and pyarrow read the arrays as strings first, as they know no lists in CSV; how they are split is the fastest way
found: numpy.fromstring a cell for pandas, split and cast of the whole column for pyarrow.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time

LISTS = {}
for band in ("bp", "rp"):
    LISTS[f"{band}_coefficients"] = "float64"
    LISTS[f"{band}_coefficient_errors"] = "float32"
    LISTS[f"{band}_coefficient_correlations"] = "float32"


def header_lines(path):
    import gzip

    with gzip.open(path, "rt") as file:
        return next(n for n, line in enumerate(file) if not line.startswith("#"))


def with_pandas(path, out):
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = pd.read_csv(path, comment="#", compression="gzip")
    table = pa.Table.from_pandas(frame.drop(columns=list(LISTS)), preserve_index=False)
    for name, kind in LISTS.items():
        arrays = [np.fromstring(cell[1:-1], sep=",", dtype=kind) for cell in frame[name]]
        values = pa.array(np.concatenate(arrays))
        table = table.append_column(name, pa.FixedSizeListArray.from_arrays(values, len(arrays[0])))
    pq.write_table(table, out, compression="zstd")


def with_pyarrow(path, out):
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv
    import pyarrow.parquet as pq

    skip = header_lines(path)
    # The reader finds no lists and its parallel blocks must hold whole lines of 40 kB.
    table = pyarrow.csv.read_csv(path, pyarrow.csv.ReadOptions(skip_rows=skip, block_size=8 << 20))
    for name, kind in LISTS.items():
        lists = []
        for chunk in table[name].chunks:
            parts = pc.split_pattern(pc.utf8_trim(chunk, "[]"), ",")
            values = pc.cast(parts.flatten(), pa.float64() if kind == "float64" else pa.float32())
            lists.append(pa.FixedSizeListArray.from_arrays(values, len(parts[0])))
        table = table.set_column(table.column_names.index(name), name, pa.chunked_array(lists))
    pq.write_table(table, out, compression="zstd")


def with_duckdb(path, out):
    import duckdb

    types = ", ".join(f"'{n}': '{'DOUBLE' if k == 'float64' else 'FLOAT'}[]'" for n, k in LISTS.items())
    duckdb.sql(
        f"COPY (SELECT * FROM read_csv('{path}', skip={header_lines(path)}, header=true, delim=',', quote='\"', "
        f"auto_detect=true, types={{{types}}}, max_line_size=4000000)) "
        f"TO '{out}' (FORMAT parquet, COMPRESSION zstd)"
    )


def with_astropy(path, out):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from astropy.table import Table

    table = Table.read(path, format="ascii.ecsv")
    arrow = {}
    for name in table.colnames:
        if name in LISTS:
            values = np.stack(table[name])
            arrow[name] = pa.FixedSizeListArray.from_arrays(values.ravel(), values.shape[1])
        else:
            arrow[name] = np.asarray(table[name])
    pq.write_table(pa.table(arrow), out, compression="zstd")


def inflate(path, out):
    try:
        from zlib_ng import gzip_ng as gzip
    except ImportError:
        import gzip
    with gzip.open(path) as file:
        while file.read(1 << 20):
            pass


PEERS = {"inflate": inflate, "pandas": with_pandas, "pyarrow": with_pyarrow, "duckdb": with_duckdb, "astropy": with_astropy}


def measure(command):
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command}: {errors.decode()[-2000:]}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def rows_of(path):
    import pyarrow.parquet as pq

    return pq.ParquetFile(path).metadata.num_rows


def main():
    lamcat, path = sys.argv[1], sys.argv[2]
    repeat = int(sys.argv[sys.argv.index("--repeat") + 1]) if "--repeat" in sys.argv else 3
    only = sys.argv[sys.argv.index("--only") + 1].split(",") if "--only" in sys.argv else ["lamcat", *PEERS]
    results, sums = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name in only:
            out = f"{folder}/{name}.parquet"
            if name == "lamcat":
                command = [lamcat, "ingest", path, "-o", out, "--overwrite"]
            else:
                command = [sys.executable, __file__, "--peer", name, path, out]
            results[name] = min(measure(command) for _ in range(repeat))
            if name != "inflate":
                rows = rows_of(out)
                sums[name] = checksum(out)
    if len(set(sums.values())) > 1:
        print("warning: the outputs differ:", sums)
    fastest = min((r[0] for n, r in results.items() if n not in ("lamcat", "inflate")), default=float("nan"))
    print(f"{rows} rows, {os.path.getsize(path) / 1e6:.1f} MB gzip; fastest of {repeat}; {os.cpu_count()} cores")
    print(f"{'':8} {'s':>7} {'cpu s':>7} {'rows/s':>8} {'peak MB':>8}  speed over the fastest peer")
    for name, (seconds, peak, cpu) in results.items():
        print(f"{name:8} {seconds:7.2f} {cpu:7.2f} {rows / seconds:8.0f} {peak:8.0f}  {fastest / seconds:.2f}")


def checksum(path):
    """Sums of every list column, so that who reads less is seen."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    total = []
    for name in LISTS:
        column = pq.read_table(path, columns=[name])[name].combine_chunks()
        values = column.flatten() if not pa.types.is_struct(column.type) else column
        total.append(f"{np.asarray(values, dtype='float64').sum():.6e}/{len(values)}")
    return tuple(total)


if len(sys.argv) > 2 and sys.argv[1] == "--peer":
    PEERS[sys.argv[2]](sys.argv[3], sys.argv[4])
else:
    main()
