"""How sure a mean is, and a difference of means: bootstrap intervals and paired tests.

The bootstrap draws queries with replacement and looks at how the mean varies (Efron 1979). BCa corrects it for bias and
skewness (Efron 1987, "Better bootstrap confidence intervals"). The paired permutation test (Fisher 1935; for retrieval
Smucker, Allan and Carterette 2007) swaps the two systems query by query: were they equal, the observed difference would
be one of many.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Method = Literal["bca", "percentile"]

_NUMBERS_AT_ONCE = 2_000_000  # drawn at a time: 16 MB


class Interval(NamedTuple):
    """A mean and its confidence interval.

    Attributes:
        mean: Of all that count.
        low: Lower end.
        high: Upper end.
        level: Confidence.
        method: "bca" or "percentile".
        units: How many queries, or clusters of queries, were drawn from.
    """

    mean: float
    low: float
    high: float
    level: float
    method: str
    units: int

    def __str__(self) -> str:
        """Write "0.4301 [0.4155, 0.4448]"."""
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


class Units(NamedTuple):
    """What is drawn: queries, or clusters of them with the number of their queries as weight."""

    values: Floats
    weights: Floats | None

    def mean(self) -> float:
        """The mean of all."""
        if self.weights is None:
            return float(self.values.mean()) if self.values.size else float("nan")
        return float((self.values * self.weights).sum() / self.weights.sum())

    def means_of(self, drawn: NDArray[np.int64]) -> Floats:
        """The mean of each row of unit numbers."""
        means: Floats
        if self.weights is None:
            means = self.values[drawn].mean(axis=-1)
        else:
            weights = self.weights[drawn]
            means = (self.values[drawn] * weights).sum(axis=-1) / weights.sum(axis=-1)
        return means

    def means_without_each(self) -> Floats:
        """The mean of all units but one, for each."""
        weights = np.ones_like(self.values) if self.weights is None else self.weights
        products = self.values * weights
        means: Floats = (products.sum() - products) / (weights.sum() - weights)
        return means


def units_of(values: Floats, classes: NDArray[Any] | None, clusters: Any) -> Units:
    """Drop NaN; gather queries by class, each of weight 1; gather these by cluster, weighted by their number."""
    counted = ~np.isnan(values)
    groups = None if clusters is None else np.asarray(clusters)
    if groups is not None:
        if groups.shape != values.shape:
            raise ValueError(f"clusters: expected one for each of {len(values)} queries, got shape {groups.shape}")
        groups = groups[counted]
    values = values[counted]
    if classes is not None:
        names, first, numbers = np.unique(classes[counted], return_index=True, return_inverse=True)
        if groups is not None:
            divided = np.flatnonzero(groups != groups[first][numbers])
            if divided.size:
                raise ValueError(
                    "clusters: expected each class in one cluster, because means are over classes, got several for "
                    f"class {names[numbers[divided[0]]]}; cluster classes, or make the report without classes"
                )
            groups = groups[first]
        values = _means(values, numbers)[0]
    return Units(values, None) if groups is None else Units(*_means(values, np.unique(groups, return_inverse=True)[1]))


def _means(values: Floats, numbers: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The mean of each numbered group, and its size."""
    sizes = np.bincount(numbers).astype(np.float64)
    return np.bincount(numbers, values) / sizes, sizes


def bootstrap(
    units: Units, *, level: float = 0.95, method: Method = "bca", resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Draw units with replacement; see `EvalReport.interval`."""
    require_choices(level, method, resamples)
    count = len(units.values)
    if count < 2:
        raise ValueError(f"interval: expected at least 2 queries or clusters that count, got {count}")
    mean = units.mean()
    if np.ptp(units.values) == 0:  # nothing varies, and the correction would divide 0 by 0
        return Interval(mean, mean, mean, level, method, count)
    drawn = resampled_means(units, resamples, seed)
    shares = (1 - level) / 2, (1 + level) / 2
    if method == "bca":
        shares = _corrected_shares(units, drawn, mean, shares)
    low, high = np.quantile(drawn, shares)
    return Interval(mean, float(low), float(high), level, method, count)


def require_choices(level: float, method: str, resamples: int) -> None:
    """Refuse settings that have no meaning."""
    if not 0 < level < 1:
        raise ValueError(f"level: expected a confidence between 0 and 1 such as 0.95, got {level}")
    if method not in ("bca", "percentile"):
        raise ValueError(f"method: expected bca or percentile, got {method!r}")
    if resamples < 100:
        raise ValueError(f"resamples: expected at least 100, got {resamples}")


def resampled_means(units: Units, resamples: int, seed: int) -> Floats:
    """Means of units drawn with replacement, `(resamples,)`; the same for every batch size."""
    random = np.random.default_rng(seed)
    count = len(units.values)
    batch = max(1, _NUMBERS_AT_ONCE // count)
    parts = [
        units.means_of(random.integers(0, count, (min(batch, resamples - begin), count)))
        for begin in range(0, resamples, batch)
    ]
    return np.concatenate(parts)


def _corrected_shares(units: Units, drawn: Floats, mean: float, shares: tuple[float, float]) -> tuple[float, float]:
    """BCa: which quantiles to take instead, from the bias of the drawn means and the skewness of the jackknife's."""
    normal = NormalDist()
    below = float(((drawn < mean).mean() + (drawn <= mean).mean()) / 2)
    if not 0 < below < 1:
        return shares
    bias = normal.inv_cdf(below)
    without = units.means_without_each()
    spread = without.mean() - without
    scale = float((spread**2).sum() ** 1.5)
    acceleration = float((spread**3).sum()) / (6 * scale) if scale > 0 else 0.0

    def corrected(share: float) -> float:
        z = bias + normal.inv_cdf(share)
        return normal.cdf(bias + z / (1 - acceleration * z))

    return corrected(shares[0]), corrected(shares[1])


def permutation_p(differences: Units, resamples: int, seed: int) -> float:
    """Two-sided p-value of the mean difference under random signs; exact where there are few units.

    Raises:
        ValueError: There is no unit.
    """
    values = differences.values if differences.weights is None else differences.values * differences.weights
    if values.size == 0:
        raise ValueError("permutation test: expected at least 1 query that counts, got 0")
    observed = abs(values.sum()) * (1 - 1e-12)  # what rounds differently is as far off
    if 2.0 ** len(values) <= resamples:
        signs = 1 - 2 * ((np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1)
        return float((np.abs(signs @ values) >= observed).mean())
    random = np.random.default_rng(seed)
    batch = max(1, _NUMBERS_AT_ONCE // len(values))
    beyond = 0
    for begin in range(0, resamples, batch):
        flips = random.integers(0, 2, (min(batch, resamples - begin), len(values)), dtype=np.int8)
        beyond += int((np.abs(values.sum() - 2 * (flips @ values)) >= observed).sum())
    return (beyond + 1) / (resamples + 1)


def matched(a: Floats, b: Floats, clusters: Sequence[Any] | NDArray[Any] | None) -> NDArray[np.bool_]:
    """Say which queries count in both; those without relevant items must be the same."""
    if a.shape != b.shape:
        raise ValueError(f"b: expected values of the same {len(a)} queries as a, got {len(b)}")
    if (np.isnan(a) != np.isnan(b)).any():
        query = int(np.flatnonzero(np.isnan(a) != np.isnan(b))[0])
        raise ValueError(f"b: query {query} has relevant items in one report only; evaluate both on the same queries")
    if clusters is not None and len(clusters) != len(a):
        raise ValueError(f"clusters: expected one for each of {len(a)} queries, got {len(clusters)}")
    return ~np.isnan(a)
