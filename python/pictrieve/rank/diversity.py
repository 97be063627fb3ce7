"""Results that do not all show the same thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve._index_arguments import as_queries, as_rows
from pictrieve.rank._rankings import Rankings, as_rankings, shaped
from pictrieve.search_result import SearchResult

if TYPE_CHECKING:
    from pictrieve.index import Index


def mmr(
    result: Any,
    k: int = 10,
    *,
    vectors: NDArray[np.float32] | None = None,
    index: Index | None = None,
    query: NDArray[np.float32] | None = None,
    diversity: float = 0.3,
    metric: str | None = None,
) -> SearchResult:
    """Choose k results that are relevant and unlike each other (Carbonell and Goldstein, SIGIR 1998).

    Again and again the item with the largest ``(1 - diversity) * relevance - diversity * s`` is chosen, s its
    similarity to the nearest item chosen so far, ties by id. Search for more than you want to show: k of m candidates
    take ``k * m`` similarities.

    Args:
        result: A ``SearchResult`` or a pair ``(ids, scores)`` of one query, ``(m,)``, or a batch, ``(n, m)``. Its
            scores are the relevance; they should be of the same kind as the similarities. Those of a fusion are
            not: pass ``query`` too. An id stands once in a query's result.
        k: How many to choose, at least 1; all where there are fewer.
        vectors: The items' vectors, of the shape of ids and ``dim``; float32, C-contiguous.
        index: Where to look the vectors up instead.
        query: ``(dim,)``, or ``(n, dim)`` for a batch: relevance is then each item's similarity to it, and scores
            may be None.
        diversity: 0 gives the order of relevance, 1 looks only at the difference from what is chosen.
        metric: Similarity of two vectors: "cosine", "ip" or "l2" (minus the Euclidean distance). By default that
            of the index, or cosine.

    Returns:
        Ids in the order of choice, with their relevance as scores, which therefore need not fall.

    Raises:
        TypeError: Where result is not a pair, or vectors or query is not an array.
        ValueError: For both or neither of vectors and index, wrong shapes, NaN or infinity, a diversity outside
            0 to 1, an unknown metric or id, or a k below 1.

    Example:
        >>> import numpy as np
        >>> import pictrieve as pt
        >>> ix = pt.Index(2)
        >>> ix.add(np.array([[1, 0.1], [1, 0.11], [0.8, -0.6]], np.float32))  # two are nearly the same
        >>> pt.rank.mmr(ix.search(np.array([1, 0], np.float32), k=3), k=2, index=ix, diversity=0.5).ids.tolist()
        [0, 2]
    """
    found = as_rankings(result, "result", scored=query is None)
    chosen_metric = metric or ("cosine" if index is None else index.metric)
    rows, matrix = _rows(found, np.shape(result[0]), vectors, index)
    queries = None if query is None else _queries(query, found)
    scores = found.scores if query is None else None
    places, relevance, offsets = _core.mmr(
        found.ids, scores, rows, found.offsets, queries, matrix, k, diversity, chosen_metric
    )
    ids, ragged = shaped(found.ids[places], offsets, found.single)
    shaped_relevance, _ = shaped(relevance, offsets, found.single)
    own_metric = chosen_metric if query is not None else getattr(result, "_metric", chosen_metric)
    return SearchResult(ids, shaped_relevance, offsets if ragged else None, own_metric)


def _rows(
    found: Rankings, shape: tuple[int, ...], vectors: NDArray[np.float32] | None, index: Index | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Give the matrix of vectors and each candidate's row in it; an item that many queries found is there once."""
    if (vectors is None) == (index is None):
        raise ValueError("mmr: expected one of vectors= and index=")
    if index is not None:
        unique, rows = np.unique(found.ids, return_inverse=True)
        return np.ascontiguousarray(rows.reshape(-1), dtype=np.int64), index.reconstruct(unique)
    given = as_rows(vectors, "vectors")
    if given.ndim < 2 or given.shape[:-1] != shape:
        raise ValueError(f"vectors: expected one for each id, {(*shape, 'dim')}, got {given.shape}")
    return np.arange(len(found.ids), dtype=np.int64), given.reshape(len(found.ids), given.shape[-1])


def _queries(query: NDArray[np.float32], found: Rankings) -> NDArray[np.float32]:
    queries, single = as_queries(query)
    if queries.ndim != 2 or single != found.single or len(queries) != len(found):
        wanted = "(dim,) as result is of one query" if found.single else f"({len(found)}, dim)"
        raise ValueError(f"query: expected {wanted}, got {np.shape(query)}")
    return queries
