"""A table of the corpus: what lamcat is asked for, and what independent readers make of it."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa


@dataclass
class Peer:
    """An independent reader's table of a case."""

    name: str
    read: Callable[[], pa.Table]
    # What a reader has no type for is compared by its values alone.
    with_types: bool = True
    # The table has the cells of a text, and no types.
    is_text: bool = False


@dataclass
class Case:
    name: str
    peers: list[Peer]
    # FITS, VOTable, ECSV and CSV write NaN for what is not known, so that lamcat makes it NULL there; Parquet, Arrow and
    # JSON have NULL of their own, and NaN stays what it is.
    nan_is_null: bool = False
    # Rows of several files, and of batches that are read side by side, come in no order.
    in_order: bool = True
    # astropy drops what stands on the left of a cell of TABLEDATA, and makes a list without values of an empty one.
    loose: bool = False
    # Columns are compared by name where the format has no order of them.
    by_name: bool = False
    # Writers beside the corpus's own are named in what is printed.
    writer: str = ""
    # What lamcat may say in the place of an answer, or what may be said of the two.
    refusals: tuple[str, ...] = ()
