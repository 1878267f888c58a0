"""Makes a folder of very many small Parquet files, to measure how long it takes to plan over them.

    lamcat sql -c "COPY (SELECT source_id, ra, dec, teff FROM 'lamcat-demo/stars.parquet' LIMIT 20)
                   TO 'small.parquet'"
    python benches/many_files.py small.parquet many 100000

The files are links to one, ten in each folder region=0000, region=0001, …
"""

import os
import shutil
import sys
from pathlib import Path

LINKS = 50_000
FILES_OF_A_FOLDER = 10


def main(small, folder, count):
    folder = Path(folder)
    for number in range(count):
        region = folder / f"region={number // FILES_OF_A_FOLDER:04}"
        if number % FILES_OF_A_FOLDER == 0:
            region.mkdir(parents=True)
        file = region / f"part-{number:06}.parquet"
        if number % LINKS == 0:
            original = file
            shutil.copy(small, file)
        else:
            os.link(original, file)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
