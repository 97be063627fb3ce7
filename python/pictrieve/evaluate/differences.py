"""Whether one report is better than another, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve.evaluate import statistics
from pictrieve.evaluate.report import EvalReport
from pictrieve.evaluate.statistics import Method
from pictrieve.evaluate.table import Table


class Difference(NamedTuple):
    """One metric in two reports.

    Attributes:
        metric: Its name.
        a: Mean of the first report.
        b: Mean of the second.
        difference: b - a.
        low: Lower end of the confidence interval of the difference.
        high: Upper end.
        p_value: How often chance alone would give a difference as large.
        better: Share of queries where b is better.
        worse: Share of queries where it is worse.
    """

    metric: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p_value: float
    better: float
    worse: float


def compare_reports(
    a: EvalReport,
    b: EvalReport,
    metrics: Sequence[str] | None = None,
    *,
    test: Literal["permutation", "bootstrap"] = "permutation",
    method: Method = "bca",
    level: float = 0.95,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> Table[Difference]:
    """Compare two systems on the same queries, query by query.

    Intervals are those of a paired bootstrap. The p-value is that of a paired permutation test: a and b are swapped at
    random (exactly, in all ways, where the queries are few), two-sided. With `test="bootstrap"` it is twice the share
    of resampled differences on the other side of 0. Of several metrics that are tested one in twenty comes out below
    0.05 by chance: decide beforehand which one counts.

    Args:
        a: A report.
        b: A report on the same queries in the same order.
        metrics: By default all that both have.
        test: Where the p-value is from.
        method: Of the intervals, see `EvalReport.interval`.
        level: Confidence.
        clusters: As in `EvalReport.interval`: drawn and swapped together. Where means are over classes, these are.
        resamples: Of the bootstrap, and of the permutation test where it is not exact.
        seed: Of both.

    Raises:
        ValueError: The reports are not about the same queries, have no metric in common, or average otherwise.

    Example:
        >>> from pictrieve.evaluate import retrieval
        >>> relevant = [{0}] * 8
        >>> worse, better = retrieval([[1, 0]] * 8, relevant), retrieval([[0, 1]] * 8, relevant)
        >>> row = compare_reports(worse, better, ["mrr"])[0]
        >>> row.difference, row.p_value
        (0.5, 0.0078125)
    """
    statistics.require_choices(level, method, resamples)
    if test not in ("permutation", "bootstrap"):
        raise ValueError(f"test: expected permutation or bootstrap, got {test!r}")
    if not _same(a.classes, b.classes):
        raise ValueError("b: expected means over the same classes, or over queries, as a has them")
    names = [name for name in a if name in b] if metrics is None else list(metrics)
    if not names:
        raise ValueError(f"metrics: expected some that both reports have, got none; a has {', '.join(a)}")
    rows = [_row(a, b, name, test, method, level, clusters, resamples, seed) for name in names]
    what = "clusters" if clusters is not None else "queries" if a.classes is None else "classes"
    title = f"b - a over {a.queries} queries; {level:.0%} {method} intervals and paired {test} test over {what}"
    return Table(rows, title)


def _same(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b)


def _row(
    a: EvalReport, b: EvalReport, name: str, test: str, method: Method, level: float, clusters: Any, resamples: int,
    seed: int,
) -> Difference:  # fmt: skip
    first, second = a.values_of(name), b.values_of(name)
    counted = statistics.matched(first, second, clusters)
    differences = second - first
    units = statistics.units_of(differences, a.classes, clusters)
    interval = statistics.bootstrap(units, level=level, method=method, resamples=resamples, seed=seed)
    if test == "permutation":
        p_value = statistics.permutation_p(units, resamples, seed)
    else:
        drawn = statistics.resampled_means(units, resamples, seed)
        p_value = min(1.0, 2 * min(float((drawn <= 0).mean()), float((drawn >= 0).mean())))
    better, worse = (differences[counted] > 0).mean(), (differences[counted] < 0).mean()
    means = a[name], b[name], interval.mean
    return Difference(name, *means, interval.low, interval.high, p_value, float(better), float(worse))
