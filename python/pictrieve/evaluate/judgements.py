"""Whether scores rise with what people say: rank correlations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve.evaluate.statistics import Interval, require_choices

Floats = NDArray[np.float64]


class Correlation(NamedTuple):
    """Rank correlations from -1 to 1, each with its confidence interval.

    Attributes:
        spearman: Correlation of the ranks, equals having their mean rank (Spearman 1904).
        kendall: tau-b: pairs that agree less those that do not, corrected for equals (Kendall 1945).
    """

    spearman: Interval
    kendall: Interval

    def __str__(self) -> str:
        """Write both."""
        return f"Spearman {self.spearman}, Kendall tau-b {self.kendall}, n = {self.spearman.units}"


def correlation(
    scores: Sequence[float] | NDArray[Any],
    judgements: Sequence[float] | NDArray[Any],
    *,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Correlation:
    """Compare scores with graded judgements by their order; both may have equals.

    The intervals are percentile bootstrap intervals: pairs of score and judgement are drawn with replacement.

    Args:
        scores: `(n,)` numbers of a system.
        judgements: `(n,)` numbers of people, such as grades from 1 to 4.
        clusters: For each pair the picture, query or person it belongs to: these are drawn as a whole.
        level: Confidence.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        ValueError: Other numbers of scores than of judgements, NaN, fewer than 3 pairs, or nothing that varies.

    Example:
        >>> correlation([0.1, 0.4, 0.3, 0.8], [1, 2, 2, 4]).spearman.mean.__round__(3)
        0.949
    """
    require_choices(level, "percentile", resamples)
    x, y = _numbers(scores, "scores"), _numbers(judgements, "judgements")
    if x.shape != y.shape or len(x) < 3:
        raise ValueError(f"judgements: expected one for each score, at least 3, got {len(x)} scores and {len(y)}")
    for values, name in ((x, "scores"), (y, "judgements")):
        if np.ptp(values) == 0:
            raise ValueError(f"{name}: expected numbers that vary, got {values[0]:g} {len(values)} times")
    groups = _groups(clusters, len(x))
    drawn: list[tuple[float, float]] = []
    random = np.random.default_rng(seed)
    count = len(x) if groups is None else len(groups)
    while len(drawn) < resamples:
        units = random.integers(0, count, count)
        rows = units if groups is None else np.concatenate([groups[unit] for unit in units])
        a, b = x[rows], y[rows]
        if np.ptp(a) == 0 or np.ptp(b) == 0:  # no order to compare; few pairs, or grades that hardly vary
            continue
        drawn.append((_spearman(a, b), _kendall(a, b)))
    ends = np.quantile(np.array(drawn), [(1 - level) / 2, (1 + level) / 2], axis=0)

    def interval(place: int, measure: Callable[[Floats, Floats], float]) -> Interval:
        return Interval(measure(x, y), float(ends[0, place]), float(ends[1, place]), level, "percentile", count)

    return Correlation(interval(0, _spearman), interval(1, _kendall))


def _numbers(values: Any, name: str) -> Floats:
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.ndim != 1 or np.isnan(array).any():
        raise ValueError(f"{name}: expected (n,) numbers without NaN, got shape {array.shape}")
    return array


def _groups(clusters: Any, count: int) -> list[NDArray[np.int64]] | None:
    if clusters is None:
        return None
    if len(clusters) != count:
        raise ValueError(f"clusters: expected one for each of {count} pairs, got {len(clusters)}")
    _, numbers = np.unique(np.asarray(clusters), return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.cumsum(np.bincount(numbers))[:-1])


def _ranks(values: Floats) -> Floats:
    """Ranks from 1; equals have the mean of theirs."""
    _, numbers, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = ((last - counts + 1 + last) / 2)[numbers]
    return ranks


def _spearman(x: Floats, y: Floats) -> float:
    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def _kendall(x: Floats, y: Floats) -> float:
    discordant, equal_x, equal_y, equal_both = _core.count_pairs(x, y)
    pairs = len(x) * (len(x) - 1) // 2
    agreement = pairs - equal_x - equal_y + equal_both - 2 * discordant
    return float(agreement / np.sqrt(float(pairs - equal_x)) / np.sqrt(float(pairs - equal_y)))
