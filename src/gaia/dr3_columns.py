"""Prints dr3_columns.csv from the headers of archive files in ECSV.

    python dr3_columns.py gaia_source.ecsv xp_continuous.ecsv > new.csv && mv new.csv dr3_columns.csv

Types, units and UCDs of the Gaia DR3 data model (ESA/Gaia/DPAC) as the archive writes them. The
descriptions are those of the file that is there.
"""

import sys
from pathlib import Path

import yaml


class Loader(yaml.SafeLoader):
    """Tags of astropy's own are of no interest here."""


Loader.add_constructor("!astropy.units.Unit", lambda loader, node: loader.construct_mapping(node)["unit"])
Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
Loader.add_multi_constructor("tag:yaml.org,2002:omap", lambda loader, suffix, node: None)

print("# Printed by dr3_columns.py from headers of the Gaia archive (Gaia DR3 data model, ESA/Gaia/DPAC).")
print("name,type,unit,ucd,description")
lines = (Path(__file__).parent / "dr3_columns.csv").read_text().splitlines()
descriptions = {line.split(",")[0]: line.split(",", 4)[4] for line in lines[2:]}
seen = set()
for path in sys.argv[1:]:
    lines = []
    for line in open(path):
        if not line.startswith("#"):
            break
        lines.append(line[2:])
    for column in yaml.load("".join(lines[1:]), Loader)["datatype"]:
        name, kind = column["name"], column.get("subtype") or column["datatype"]
        if name.islower() and name not in seen and kind != "object":
            seen.add(name)
            print(f"{name},{kind},{column.get('unit') or ''},{(column.get('meta') or {}).get('ucd') or ''},{descriptions.get(name, '')}")
