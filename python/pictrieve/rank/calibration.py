"""How sure a match is: scores measured against what unrelated items of the same index score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pictrieve import _core
from pictrieve._index_arguments import as_queries

if TYPE_CHECKING:
    from pictrieve.index import Index

# Similarities with an upper limit of 1, near which a normal distribution of the score itself cannot hold.
_LIMITED = ("cosine", "pearson", "jaccard", "hellinger")
_CLOSEST = 1 - 1e-7  # atanh(1) is infinite


class Calibration:
    """The null distribution of an index, and the confidence that it gives to scores.

    For each query of a sample, the scores of random items are taken as normal: under cosine and other metrics whose
    best score is 1, in Fisher's ``atanh(score)``. Confidence is the probability that the best of as many random items
    as the index has would score less, averaged over the sample. A score of 0.9 is thus worth less in a larger index,
    and under an encoder to which all pictures look alike.

    High confidence says that a match is no coincidence, not that it is the item sought: a pear has more in common with
    an apple than random pictures have. Of models tried on real features, one normal distribution a query kept the
    promised rate of false alarms, while one for all queries and extrapolated tails did not: true matches among the
    random pairs make such tails far too heavy. For the same reason the sample's largest and smallest scores are drawn
    in to 4 robust standard deviations.

    Make one with ``fit`` or ``from_dict``.

    Example:
        >>> import numpy as np
        >>> import pictrieve as pt
        >>> ix = pt.Index(64)
        >>> ix.add(np.random.default_rng(0).normal(size=(2000, 64)).astype(np.float32))
        >>> calibration = pt.rank.Calibration.fit(ix)
        >>> bool(calibration.confidence(0.3) < 0.01), bool(calibration.confidence(0.7) > 0.99)
        (True, True)
    """

    _means: NDArray[np.float64]
    _deviations: NDArray[np.float64]
    _metric: str
    _items: int

    def __init__(self) -> None:
        """Refuse: there is nothing to know without an index."""
        raise TypeError("Calibration: expected Calibration.fit(index) or Calibration.from_dict(saved)")

    @classmethod
    def fit(
        cls, index: Index, *, queries: NDArray[np.float32] | None = None, sample: int = 1000, seed: int = 0
    ) -> Calibration:
        """Measure what random items of an index score.

        Args:
            index: At least 3 items; figures are rough below about 100.
            queries: ``(n, dim)`` of the kind that will be asked, where that differs from the items (texts that
                search pictures). Whether they have a match in the index does not matter. By default random items
                are the queries, each without itself.
            sample: How many items, and how many of them as queries.
            seed: Of the random choice; equal seeds give equal calibrations.

        Raises:
            ValueError: For fewer than 3 items, no queries, or a sample below 3.
        """
        ids = index.ids
        if len(ids) < 3 or sample < 3:
            raise ValueError(f"fit: expected at least 3 items and a sample of 3, got {len(ids)} and {sample}")
        generator = np.random.default_rng(seed)
        items = generator.choice(ids, min(sample, len(ids)), replace=False)
        own = None
        if queries is None:
            own = generator.choice(ids, min(sample, len(ids)), replace=False)
            queries = index.reconstruct(own)
        queries, _ = as_queries(queries)
        if len(queries) == 0:
            raise ValueError("queries: expected at least one, got none")
        found, scores = index.search(queries, len(items), where=items, params={"exact": 1})
        values = scores.astype(np.float64)
        if own is not None:
            values[found == own[:, np.newaxis]] = np.nan
        if index.metric in _LIMITED:
            values = np.arctanh(np.clip(values, -_CLOSEST, _CLOSEST))
        return cls._make(*_moments(values), index.metric, len(ids))

    @classmethod
    def _make(cls, means: NDArray[np.float64], deviations: NDArray[np.float64], metric: str, items: int) -> Calibration:
        calibration = cls.__new__(cls)
        calibration._means, calibration._deviations = means, deviations
        calibration._metric, calibration._items = metric, items
        return calibration

    @property
    def items(self) -> int:
        """Items of the index when it was measured."""
        return self._items

    @property
    def metric(self) -> str:
        """Metric of the index."""
        return self._metric

    @overload
    def confidence(self, scores: float, items: int | None = None) -> float: ...
    @overload
    def confidence(self, scores: ArrayLike, items: int | None = None) -> NDArray[np.float64]: ...
    def confidence(self, scores: ArrayLike, items: int | None = None) -> float | NDArray[np.float64]:
        """Give the probability that the best of ``items`` random items would score less.

        Args:
            scores: Of any shape.
            items: By default as many as the index had; for a search with a filter, as many as match.

        Returns:
            Float64 of the scores' shape, a float for a single number; in [0, 1], rising with the score.

        Raises:
            ValueError: For NaN, or items below 1.
        """
        given = np.asarray(scores, dtype=np.float64)
        count = self._items if items is None else items
        flat = np.ascontiguousarray(given.reshape(-1))
        values = _core.null_confidences(self._means, self._deviations, self._metric in _LIMITED, count, flat)
        return float(values[0]) if given.ndim == 0 else values.reshape(given.shape)

    def threshold(self, min_confidence: float, items: int | None = None) -> float:
        """Give the smallest float32 score of at least this confidence, for ``search(..., min_score=)``.

        Args:
            min_confidence: Above 0 and below 1; 0.95 lets one of 20 queries without a match through, at most.
            items: As for ``confidence``.
        """
        if not 0 < min_confidence < 1:
            raise ValueError(f"min_confidence: expected above 0 and below 1, got {min_confidence}")
        high = np.float32(1.0 if self._metric in _LIMITED else np.finfo(np.float32).max)
        low = -high
        while np.nextafter(low, high) < high:  # both are float32, with the threshold above low and not above high
            middle = np.float32(float(low) / 2 + float(high) / 2)
            low, high = (low, middle) if self.confidence(float(middle), items) >= min_confidence else (middle, high)
        return float(high)

    def to_dict(self) -> dict[str, Any]:
        """Give everything as numbers, text and lists, for a JSON file; two numbers for each sampled query."""
        return {
            "version": 1,
            "metric": self._metric,
            "items": self._items,
            "means": self._means.tolist(),
            "deviations": self._deviations.tolist(),
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Calibration:
        """Take up what ``to_dict`` gave.

        Raises:
            ValueError: For anything else, or that of a newer version.
        """
        if saved.get("version") != 1:
            raise ValueError(f"calibration: expected version 1, got {saved.get('version')!r}; fit it anew")
        try:
            means = np.array(saved["means"], dtype=np.float64)
            deviations = np.array(saved["deviations"], dtype=np.float64)
            metric, items = str(saved["metric"]), int(saved["items"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"calibration: expected what to_dict gave, got {error!r}; fit it anew") from error
        sound = means.ndim == 1 and len(means) > 0 and means.shape == deviations.shape and items > 0
        if not sound or not np.isfinite(means).all() or not np.isfinite(deviations).all() or (deviations < 0).any():
            raise ValueError("calibration: expected as many finite means as deviations from 0; fit it anew")
        return cls._make(means, deviations, metric, items)

    def __repr__(self) -> str:
        """Show what was measured."""
        return f"Calibration(metric={self._metric!r}, items={self._items}, queries={len(self._means)})"


def _moments(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each row, NaN left out, with what is far out drawn in.

    A row where most values are equal (sparse features) has a robust deviation of 0 and stays as it is.
    """
    low, middle, high = np.nanquantile(values, [0.1587, 0.5, 0.8413], axis=1, keepdims=True)
    reach = np.where(high > low, 2 * (high - low), np.inf)  # 4 times half the width of the middle 68 %
    drawn_in = np.clip(values, middle - reach, middle + reach)
    return np.nanmean(drawn_in, axis=1), np.nanstd(drawn_in, axis=1, ddof=1)
