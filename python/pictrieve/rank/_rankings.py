"""Results of searches as flat arrays with offsets, the form in which rankings cross into the core, and back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve._index_arguments import as_ids


class Rankings(NamedTuple):
    """What was found for each query: query i owns ``[offsets[i], offsets[i + 1])``.

    Attributes:
        ids: ``(total,)`` int64.
        scores: ``(total,)`` float32, or None where only the order is known.
        offsets: ``(n + 1,)`` int64.
        single: Whether it was the 1-D result of one query.
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float32] | None
    offsets: NDArray[np.int64]
    single: bool

    def __len__(self) -> int:
        """Count the queries."""
        return len(self.offsets) - 1

    def span(self, query: int) -> slice:
        """Give the place of a query's items."""
        return slice(int(self.offsets[query]), int(self.offsets[query + 1]))


def as_rankings(result: Any, name: str, *, scored: bool = True) -> Rankings:
    """Read a search result or an ``(ids, scores)`` pair; without ``scored`` the scores may be None."""
    try:
        given_ids, given_scores = result
    except (TypeError, ValueError):
        raise TypeError(
            f"{name}: expected a SearchResult or a pair (ids, scores), got {type(result).__name__}"
        ) from None
    array = np.asarray(given_ids)
    offsets = getattr(result, "offsets", None)
    if array.ndim not in (1, 2):
        raise ValueError(f"{name}: expected ids of shape (m,) or (n, m), got {array.shape}")
    ids = as_ids(array.reshape(-1), name)
    scores = None if given_scores is None and not scored else _as_scores(given_scores, array.shape, name)
    if offsets is not None:
        return Rankings(ids, scores, as_ids(offsets, f"{name}.offsets"), False)
    queries, length = array.shape if array.ndim == 2 else (1, len(array))
    return Rankings(ids, scores, np.arange(queries + 1, dtype=np.int64) * length, array.ndim == 1)


def _as_scores(given: Any, shape: tuple[int, ...], name: str) -> NDArray[np.float32]:
    array = np.asarray(given)
    if array.size and array.dtype.kind not in "fiu":
        raise ValueError(f"{name}: expected scores that are numbers, got {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"{name}: expected scores of the ids' shape {shape}, got {array.shape}")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused below
        scores = np.ascontiguousarray(array.reshape(-1), dtype=np.float32)
    if not np.isfinite(scores).all():
        place = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise ValueError(f"{name}: expected finite scores, got {scores[place]} at place {place}")
    return scores


def shaped(array: NDArray[Any], offsets: NDArray[np.int64], single: bool) -> tuple[NDArray[Any], bool]:
    """Give flat rows the shape ``(m, ...)`` of one query or ``(n, m, ...)`` of many; True where they stay flat."""
    if single:
        return array, False
    lengths = np.diff(offsets)
    if len(lengths) and (lengths != lengths[0]).any():
        return array, True
    return array.reshape(len(lengths), int(lengths[0]) if len(lengths) else 0, *array.shape[1:]), False
