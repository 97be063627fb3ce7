"""Vectors averaged with what lies near them: of queries before a search, or of items before an index is built."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve._index_arguments import Where, as_queries, as_where
from pictrieve.index import Index
from pictrieve.rank._source import as_index


def query_expansion(
    index: Index | NDArray[np.float32],
    queries: NDArray[np.float32],
    *,
    n: int = 10,
    alpha: float = 3.0,
    where: Where = None,
) -> NDArray[np.float32]:
    """Move queries towards their nearest items (alpha query expansion, Radenovic, Tolias and Chum, TPAMI 2018).

    The new query is the sum of the query and its n nearest items, all scaled to length 1; an item weighs
    ``cosine ** alpha`` and the query 1. With ``alpha=0`` it is the plain average of Chum et al. (ICCV 2007). It helps
    where the nearest items are right, and drifts away where they are not: measure with ``evaluate_gain``.

    Args:
        index: An ``Index`` with metric "cosine", or ``(rows, dim)`` float32 vectors.
        queries: ``(n, dim)``, or one of ``(dim,)``; float32, C-contiguous.
        n: Items that are averaged; all where there are fewer.
        alpha: From 0. The larger, the less far items count. Items whose cosine is not above 0 count nothing.
        where: Items that may be averaged, as in ``Index.search``.

    Returns:
        Queries of length 1, float32, of the shape of ``queries``; search with them. A query of zeros stays one.

    Raises:
        TypeError: Where queries is not an array.
        ValueError: For another metric than cosine, a wrong shape, dtype, n, alpha or mask, NaN or infinity.

    Example:
        >>> import numpy as np
        >>> import pictrieve as pt
        >>> items = np.array([[1, 0], [0.6, 0.8], [-1, 0]], np.float32)
        >>> pt.rank.query_expansion(items, np.array([1, 0], np.float32), n=2, alpha=0).round(3)
        array([0.956, 0.294], dtype=float32)
    """
    source = as_index(index)
    rows, single = as_queries(queries)
    expanded = _core.expand_queries(source._core, rows, n, alpha, *as_where(where, source))
    return expanded[0] if single else expanded


def augment_database(
    index_or_vectors: Index | NDArray[np.float32], *, n: int = 10, alpha: float = 3.0
) -> NDArray[np.float32]:
    """Average every item with its nearest others (Turcot and Lowe 2009; Arandjelovic and Zisserman, CVPR 2012).

    Made for a new index, once: searches in it then cost what they cost before. Weights are those of
    ``query_expansion``; an item is not counted among its own neighbours.

    Args:
        index_or_vectors: An ``Index`` with metric "cosine", or ``(rows, dim)`` float32 vectors. Nobody may remove
            items meanwhile.
        n: Other items that are averaged.
        alpha: From 0.

    Returns:
        ``(rows, dim)`` float32 vectors of length 1 in the order of ``index.ids``.

    Raises:
        ValueError: For another metric than cosine, or a wrong shape, n or alpha.

    Example:
        ``better = pt.Index(ix.dim); better.add(pt.rank.augment_database(ix), ids=ix.ids)``
    """
    return _core.augment_database(as_index(index_or_vectors)._core, n, alpha)
