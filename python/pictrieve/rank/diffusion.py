"""Re-ranking along the shape that the items form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve._index_arguments import Where, as_queries, as_where
from pictrieve.index import Index
from pictrieve.rank._source import as_index
from pictrieve.search_result import SearchResult


def diffusion(
    index: Index | NDArray[np.float32],
    queries: NDArray[np.float32],
    k: int = 10,
    *,
    neighbours: int = 10,
    candidates: int = 200,
    alpha: float = 0.9,
    iterations: int = 20,
    where: Where = None,
) -> SearchResult:
    """Search, and let scores spread from item to item (Zhou et al. 2003; Iscen et al., CVPR 2017).

    The nearest ``candidates`` are the nodes of a graph; two are linked where each is among the other's nearest
    ``neighbours`` (Donoser and Bischof, CVPR 2013) with the affinity ``max(cosine, 0) ** 3``. With S the affinities
    normalised by the roots of both degrees, and y the query's affinities to its nearest ``neighbours``, the scores
    are ``(1 - alpha) * inv(I - alpha * S) @ y``, solved by conjugate gradients. An item that is only near a chain of
    right ones is found that way; where groups touch, scores leak. Iscen et al. find buildings with 50 neighbours and
    alpha 0.99; where an item has a dozen right answers such a graph joins what is different. Keep ``neighbours`` below
    the number of right answers, and measure with ``evaluate_gain``.

    Args:
        index: An ``Index`` with metric "cosine", or ``(rows, dim)`` float32 vectors, whose ids are row numbers.
        queries: ``(n, dim)``, or one of ``(dim,)``; float32, C-contiguous.
        k: Results of each query, at least 1.
        neighbours: Links of a node at most, and items that the query is linked with.
        candidates: Nearest items that are re-ranked, at least k in any case. Time and memory of a query grow with
            their square.
        alpha: How far scores spread, 0 (not at all) to below 1.
        iterations: Of conjugate gradients, at most; they stop where 1e-6 of y is left.
        where: Items that may be found, as in ``Index.search``; others play no part.

    Returns:
        Ids and scores, best first; equal scores (0, where nothing arrives) keep the order of the search.

    Raises:
        TypeError: Where queries is not an array.
        ValueError: For another metric than cosine, a wrong shape, dtype or number, NaN or infinity.

    Example:
        >>> import numpy as np
        >>> import pictrieve as pt
        >>> angles = np.radians([10, 30, 50, 70, -60])  # a chain on one side, an item on the other
        >>> items = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
        >>> query = np.array([1, 0], np.float32)
        >>> (items @ query).argsort()[::-1].tolist(), pt.rank.diffusion(items, query, k=5, neighbours=2).ids.tolist()
        ([0, 1, 2, 4, 3], [1, 0, 2, 3, 4])
    """
    source = as_index(index)
    rows, single = as_queries(queries)
    found = _core.diffusion(source._core, rows, k, *as_where(where, source), neighbours, candidates, alpha, iterations)
    ids, scores = (array[0] for array in found) if single else found
    return SearchResult(ids, scores, None, "ip")
