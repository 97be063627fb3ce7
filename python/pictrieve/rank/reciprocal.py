"""Re-ranking by shared mutual neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve._index_arguments import Where, as_queries, as_where
from pictrieve.index import Index
from pictrieve.rank._source import as_index
from pictrieve.search_result import SearchResult


def k_reciprocal(
    index: Index | NDArray[np.float32],
    queries: NDArray[np.float32],
    k: int = 10,
    *,
    candidates: int = 100,
    k1: int = 20,
    k2: int = 6,
    weight: float = 0.3,
    where: Where = None,
) -> SearchResult:
    """Search, and rank by how many mutual neighbours query and item share (Zhong et al., CVPR 2017).

    The query and its nearest ``candidates`` are each encoded by their k-reciprocal neighbours: those among the
    nearest k1 that have it among their nearest k1, and the mutual neighbours of these at half of k1 (rounded up)
    where two thirds or more of them are shared. A neighbour weighs ``exp(-distance)``, the distance being
    1 - cosine. Encodings are averaged over the k2 nearest, the own included, and compared by their Jaccard
    similarity. The score, larger is better, is::

        (1 - weight) * jaccard + weight * cosine

    that is, 1 minus the paper's final distance. Everything is computed among the candidates: time and memory of a
    query grow with their square and not with the index, and with as many candidates as items it is the paper's
    method. It pays where queries have many right answers, up to k1; measure with ``evaluate_gain``.

    Args:
        index: An ``Index`` with metric "cosine", or ``(rows, dim)`` float32 vectors, whose ids are row numbers.
        queries: ``(n, dim)``, or one of ``(dim,)``; float32, C-contiguous.
        k: Results of each query, at least 1.
        candidates: Nearest items that are re-ranked, at least k in any case.
        k1: Neighbours that are looked at for being mutual.
        k2: Encodings that are averaged; 1 for no local query expansion.
        weight: Of the cosine, 0 to 1.
        where: Items that may be found, as in ``Index.search``; others play no part.

    Returns:
        Ids and scores, best first; equal scores keep the order of the search.

    Raises:
        TypeError: Where queries is not an array.
        ValueError: For another metric than cosine, a wrong shape, dtype or number, NaN or infinity.

    Example:
        >>> import numpy as np
        >>> import pictrieve as pt
        >>> angles = np.radians([0, 20, 25, 30, 180, 200])  # the query stands alone between 0 and a group
        >>> items = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
        >>> pt.rank.k_reciprocal(items, items[2], k=3, k1=2, k2=1).ids.tolist()
        [2, 1, 3]
    """
    source = as_index(index)
    rows, single = as_queries(queries)
    found = _core.k_reciprocal(source._core, rows, k, *as_where(where, source), candidates, k1, k2, weight)
    ids, scores = (array[0] for array in found) if single else found
    return SearchResult(ids, scores)
