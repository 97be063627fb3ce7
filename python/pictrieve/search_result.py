"""What searches and health checks of an index give back."""

from __future__ import annotations

from typing import Any, NamedTuple

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
        """Smaller is better, and what ``pt.pairwise`` gives for the metric.

        1 - score for cosine, pearson and jaccard, the root of that for hellinger, minus the score for the others.
        """
        if self._metric == "hellinger":
            root: NDArray[np.float32] = np.sqrt(np.maximum(np.float32(1) - self.scores, np.float32(0)))
            return root
        return np.float32(self._metric in ("cosine", "pearson", "jaccard")) - self.scores

    def _replace(self, /, **changes: Any) -> SearchResult:
        """Give a copy with other ids, scores, offsets or metric."""
        kept: dict[str, Any] = {"ids": self.ids, "scores": self.scores, "offsets": self.offsets, "metric": self._metric}
        return SearchResult(**(kept | changes))

    def __repr__(self) -> str:
        """Show the offsets too, where there are any."""
        offsets = "" if self.offsets is None else f", offsets={self.offsets!r}"
        return f"SearchResult(ids={self.ids!r}, scores={self.scores!r}{offsets})"


class Health(NamedTuple):
    """What ``Index.health`` measured.

    Attributes:
        recall: Share of the nearest neighbours, as ``against`` has them, that a search finds, 0 to 1.
        sampled: Items whose neighbours were searched.
        items: Items that can be found.
        removed: Deleted rows that still take up space.
        bytes_vectors: Size of the vectors.
        bytes_graph: Size of the structure: a graph's links, or the centroids and lists, or the hash tables; else 0.
        against: "vectors" where the true neighbours are those of the vectors; "codes" where the index keeps only
            codes or rounded vectors and no ``true_ids`` were given: what these lose is then not in ``recall``.
    """

    recall: float
    sampled: int
    items: int
    removed: int
    bytes_vectors: int
    bytes_graph: int
    against: str = "vectors"


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
