"""A metric for each group of queries."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve.evaluate.statistics import Units, bootstrap
from pictrieve.evaluate.table import Table

if TYPE_CHECKING:
    from pictrieve.evaluate.report import EvalReport


class Slice(NamedTuple):
    """The queries that share one value.

    Attributes:
        value: The value, or for numbers in groups "from .. to".
        queries: How many of them count.
        mean: Of the metric.
        low: Lower end of its interval; NaN for a single query.
        high: Upper end.
    """

    value: Any
    queries: int
    mean: float
    low: float
    high: float


def slices_of(
    report: EvalReport, column: Any, metric: str, bins: int | Sequence[float] | None, level: float, seed: int
) -> Table[Slice]:
    """See `EvalReport.by`."""
    values, given = report.values_of(metric), _column(report, column)
    if given.shape != values.shape:
        raise ValueError(f"column: expected a value for each of {len(values)} queries, got shape {given.shape}")
    numbers, names = _groups(given, bins)
    rows = []
    for number, name in enumerate(names):
        mine = values[numbers == number]
        mine = mine[~np.isnan(mine)]
        if not mine.size:
            continue
        interval = bootstrap(Units(mine, None), level=level, seed=seed) if mine.size > 1 else None
        low, high = (interval.low, interval.high) if interval else (float("nan"), float("nan"))
        rows.append(Slice(name, len(mine), float(mine.mean()), low, high))
    if not rows:
        raise ValueError("column: expected a value for at least one query that counts, got none")
    rows.sort(key=lambda row: row.mean)
    label = column if isinstance(column, str) else "value"
    title = f"{metric} by {label}, worst first; {level:.0%} BCa intervals over queries"
    return Table(rows, title, [label, "queries", metric, "low", "high"])


def _column(report: EvalReport, column: Any) -> NDArray[Any]:
    if not isinstance(column, str):
        return np.asarray(column)
    if column not in report.columns:
        known = ", ".join(report.columns) or "none; give values instead, or columns= where the report is made"
        raise KeyError(f"{column!r}; the report has the columns {known}")
    return report.columns[column]


def _groups(given: NDArray[Any], bins: int | Sequence[float] | None) -> tuple[NDArray[np.int64], list[Any]]:
    """Number each query's group; -1 for NaN."""
    if bins is None:
        names, numbers = np.unique(given, return_inverse=True)
        return numbers.astype(np.int64).ravel(), names.tolist()
    if given.dtype.kind not in "iuf":
        raise TypeError(f"bins: expected a column of numbers, got {given.dtype}")
    known = given[~np.isnan(given)] if given.dtype.kind == "f" else given
    if isinstance(bins, int):
        if bins < 1 or not known.size:
            raise ValueError(f"bins: expected at least 1, and numbers to divide, got {bins} and {known.size}")
        edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))
    else:
        edges = np.asarray(bins, dtype=np.float64)
        if edges.ndim != 1 or (np.diff(edges) <= 0).any():
            raise ValueError(f"bins: expected rising edges between groups, got {bins}")
    numbers = np.searchsorted(edges, given, side="right").astype(np.int64)
    if given.dtype.kind == "f":
        numbers[np.isnan(given)] = -1
    ends = [-np.inf, *edges.tolist(), np.inf]
    return numbers, [f"{low:g} .. {high:g}" for low, high in pairwise(ends)]
