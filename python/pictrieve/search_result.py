"""What searches and health checks of an index give back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class _Pair(NamedTuple):
    ids: NDArray[np.int64]
    scores: NDArray[np.float32]


class SearchResult(_Pair):
    """Ids and scores, best first and ties by id; unpacks as ``ids, scores = ix.search(queries, 10)``.

    Attributes:
        ids: ``(n, m)`` int64, or ``(m,)`` for one 1-D query; m is the smaller of k and the number of matching
            items.
        scores: float32 of the same shape, larger is better.
        offsets: None; but where queries have results of unequal length (a batch with ``min_score`` or
            ``range_search``) ids and scores are flat and query i owns ``[offsets[i], offsets[i + 1])``.
    """

    offsets: NDArray[np.int64] | None
    _metric: str

    def __new__(
        cls,
        ids: NDArray[np.int64],
        scores: NDArray[np.float32],
        offsets: NDArray[np.int64] | None = None,
        metric: str = "cosine",
    ) -> SearchResult:
        """Keep offsets and metric beside the pair, so that the result still unpacks in two."""
        result = super().__new__(cls, ids, scores)
        result.offsets = offsets
        result._metric = metric
        return result

    @property
    def distances(self) -> NDArray[np.float32]:
        """Smaller is better: Euclidean distance for l2, 1 - cosine for cosine, minus the product for ip."""
        return np.float32(1) - self.scores if self._metric == "cosine" else np.float32(0) - self.scores


class Health(NamedTuple):
    """What ``Index.health`` measured.

    Attributes:
        recall: Share of the true nearest neighbours that a search finds, 0 to 1; 1 for exact indexes.
        sampled: Items whose neighbours were searched.
        items: Items that can be found.
        removed: Deleted rows that still take up space.
        bytes_vectors: Size of the vectors.
        bytes_graph: Size of the links, 0 without a graph.
    """

    recall: float
    sampled: int
    items: int
    removed: int
    bytes_vectors: int
    bytes_graph: int


def overlap(found: NDArray[np.int64], true_ids: NDArray[np.int64]) -> float:
    """Share of each row's true ids that were found, averaged."""
    shares = [len(np.intersect1d(row, true)) / len(true) for row, true in zip(found, true_ids, strict=True)]
    return float(np.mean(shares))


def without(found: NDArray[np.int64], own: NDArray[np.int64]) -> NDArray[np.int64]:
    """Drop each query's own id, or the last hit where equal vectors crowded it out."""
    keep = found != own[:, np.newaxis]
    keep[keep.all(axis=1), -1] = False
    others: NDArray[np.int64] = found[keep].reshape(len(found), -1)
    return others
