"""What re-rankers look at: an index of cosines, or plain vectors made into one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pictrieve._index_arguments import as_rows
from pictrieve.index import Index


def as_index(index: Index | NDArray[np.float32]) -> Index:
    """Give an index as it is, and vectors ``(rows, dim)`` as an index whose ids are the numbers of the rows."""
    if isinstance(index, Index):
        return index
    rows = as_rows(index, "index")
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"index: expected an Index or vectors of shape (rows, dim), got an array of {rows.shape}")
    made = Index(rows.shape[1])
    made.add(rows, show_progress_bar=False)
    return made
