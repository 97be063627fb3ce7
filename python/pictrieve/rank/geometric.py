"""Re-ranking by what you can verify about a pair of pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictrieve.rank._rankings import Rankings, as_rankings, shaped
from pictrieve.search_result import SearchResult


def geometric(result: Any, verify: Callable[[int, int], float], k: int = 10, *, depth: int = 50) -> SearchResult:
    """Order the first results by a check of your own, such as the inliers of a RANSAC between local features.

    Args:
        result: A ``SearchResult`` or a pair ``(ids, scores)`` of one query, ``(m,)``, or a batch, ``(n, m)``.
        verify: Called as ``verify(query_index, id)``, on this thread and in the order of the results; larger is
            better. ``query_index`` is the row of the batch, 0 for a single query.
        k: Results of each query, at least 1.
        depth: How many of the first results of each query are verified, at least k in any case; only these are in the
            result. Search for that many.

    Returns:
        Ids with the scores that ``verify`` gave, best first; where they are equal the original score decides.

    Raises:
        RuntimeError: Where ``verify`` raises, with the item and the query in the message and the exception as cause.
        TypeError: Where ``verify`` gives what is not a number.
        ValueError: For a k or depth below 1, or a score that is NaN.

    Example:
        >>> import numpy as np
        >>> import pictrieve as pt
        >>> inliers = {7: 4, 3: 60, 9: 4}
        >>> result = (np.array([7, 3, 9]), np.array([0.9, 0.8, 0.7], np.float32))
        >>> pt.rank.geometric(result, lambda query, item: inliers[item], k=2).ids.tolist()
        [3, 7]
    """
    for name, value in (("k", k), ("depth", depth)):
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    found = as_rankings(result, "result")
    kept = [_verified(found, query, verify, k, max(k, depth)) for query in range(len(found))]
    offsets = np.cumsum([0, *(len(places) for places, _ in kept)], dtype=np.int64)
    places = np.concatenate([np.empty(0, np.int64), *(places for places, _ in kept)])
    verified = np.concatenate([np.empty(0, np.float32), *(scores for _, scores in kept)])
    ids, ragged = shaped(found.ids[places], offsets, found.single)
    scores, _ = shaped(verified, offsets, found.single)
    return SearchResult(ids, scores, offsets if ragged else None, "ip")


def _verified(
    found: Rankings, query: int, verify: Callable[[int, int], float], k: int, depth: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Give the places of a query's k best, and what they were given."""
    assert found.scores is not None  # as_rankings asked for them
    span = found.span(query)
    places = np.arange(span.start, min(span.stop, span.start + depth), dtype=np.int64)
    scores = np.array([_score(verify, query, int(found.ids[place])) for place in places], dtype=np.float64)
    order = np.lexsort((places, -found.scores[places], -scores))[:k]
    return places[order], scores[order].astype(np.float32)


def _score(verify: Callable[[int, int], float], query: int, item: int) -> float:
    try:
        given = verify(query, item)
    except Exception as error:
        raise RuntimeError(f"verify: failed for id {item} of query {query}: {error!r}") from error
    try:
        score = float(given)
    except (TypeError, ValueError):
        raise TypeError(f"verify: expected a number for id {item} of query {query}, got {given!r}") from None
    if math.isnan(score):
        raise ValueError(f"verify: expected a number for id {item} of query {query}, got NaN")
    return score
