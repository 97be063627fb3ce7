"""What an evaluation gives: means by the name of the metric, and every query's own values behind them."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pictrieve.evaluate import protocols, slices, statistics
from pictrieve.evaluate.statistics import Interval, Method
from pictrieve.evaluate.table import Table, pandas_module

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, repr=False, eq=False)
class EvalReport(Mapping[str, float]):
    """Means over queries by the name of the metric, e.g. `report["map@5"]`, and what each means.

    Example:
        >>> from pictrieve.evaluate import retrieval
        >>> report = retrieval([[7, 3, 9]], [{3}], ks=(1, 3))
        >>> report["mrr"], report["recall@1"], report["recall@3"]
        (0.5, 0.0, 1.0)
    """

    protocol: str
    queries: int
    """How many queries were given."""
    empty_queries: int
    """How many of them have no relevant item."""
    empty: str
    """What became of these: `"drop"`, `"zero"` or `"one"`."""
    definitions: dict[str, str] = field(repr=False)
    """Each metric in words."""
    per_query: dict[str, NDArray[np.float64]] = field(repr=False)
    """Each metric as `(queries,) float64`; NaN for a query that was dropped."""
    classes: NDArray[Any] | None = field(default=None, repr=False)
    """The class of each query where means are over classes: the mean of the classes' means."""
    columns: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False)
    """What else is known of the queries, as `(queries,)` arrays for `by`."""

    def __getitem__(self, name: str) -> float:
        """Give the mean of a metric over the queries that count."""
        return statistics.units_of(self.values_of(name), self.classes, None).mean()

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.per_query)

    def __len__(self) -> int:
        """Count the metrics."""
        return len(self.per_query)

    @property
    def headline(self) -> str:
        """The metric that stands for the protocol, such as "map" for "trec" and "map@r" for "map@r".

        It is the protocol's first over the whole ranking, or where all have cut-offs, its first at the first of `ks`.
        """
        return protocols.headline(self.protocol, self)

    def values_of(self, name: str) -> NDArray[np.float64]:
        """Give a metric's values by query, or say which metrics there are."""
        if name not in self.per_query:
            raise KeyError(f"{name!r}; protocol {self.protocol!r} has {', '.join(self.per_query)}")
        return self.per_query[name]

    def interval(
        self,
        name: str | None = None,
        *,
        level: float = 0.95,
        method: Method = "bca",
        clusters: NDArray[Any] | Sequence[Any] | None = None,
        resamples: int = 10_000,
        seed: int = 0,
    ) -> Interval:
        """Give the bootstrap confidence interval of a mean: how far it might be off with other queries of this kind.

        Args:
            name: A metric; by default the headline.
            level: Confidence.
            method: "bca", bias-corrected and accelerated (Efron 1987), or "percentile".
            clusters: For each query a number or name. Queries of one cluster, such as those of one class or photo
                session, are drawn together, because they are not independent. Where means are over classes, whole
                classes are drawn anyway, and clusters are groups of classes.
            resamples: How often queries are drawn, with replacement.
            seed: Of the drawing.

        Raises:
            KeyError: For an unknown metric.
            ValueError: Fewer than two queries, or clusters, count; clusters of another number, or that divide a class.
        """
        units = statistics.units_of(self.values_of(name or self.headline), self.classes, clusters)
        return statistics.bootstrap(units, level=level, method=method, resamples=resamples, seed=seed)

    def by(
        self,
        column: str | NDArray[Any] | Sequence[Any],
        metric: str | None = None,
        *,
        bins: int | Sequence[float] | None = None,
        level: float = 0.95,
        seed: int = 0,
    ) -> Table[slices.Slice]:
        """Give a metric for each value of a column, worst first: where the errors are.

        Args:
            column: The name of one of `columns`, or a value for each query, such as its label or its length.
            metric: By default the headline.
            bins: For a column of numbers: how many groups of equal size to make of them, or the edges between groups.
            level: Confidence of the intervals; they are BCa. A slice of one query has NaN.
            seed: Of the drawing.

        Example:
            >>> from pictrieve.evaluate import retrieval
            >>> report = retrieval([[0, 1], [1, 0], [0, 1]], [{0}, {0}, {1}], columns={"kind": ["cup", "hat", "hat"]})
            >>> [(row.value, row.queries, row.mean) for row in report.by("kind", "mrr")]
            [('hat', 2, 0.5), ('cup', 1, 1.0)]
        """
        return slices.slices_of(self, column, metric or self.headline, bins, level, seed)

    def worst(self, n: int = 10, metric: str | None = None) -> NDArray[np.int64]:
        """Give the numbers of the worst queries that count, worst first and equals in order.

        Args:
            n: How many at most.
            metric: By default the headline.
        """
        if n < 1:
            raise ValueError(f"n: expected at least 1, got {n}")
        values = self.values_of(metric or self.headline)
        order = np.argsort(values, kind="stable")  # NaN last
        return order[: min(n, int(np.isfinite(values).sum()))].astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Give everything but what belongs to single queries as plain values, ready for JSON."""
        return {
            "protocol": self.protocol,
            "queries": self.queries,
            "empty_queries": self.empty_queries,
            "empty": self.empty,
            "average": "queries" if self.classes is None else "classes",
            "metrics": dict(self),
            "definitions": self.definitions,
        }

    def to_pandas(self) -> pandas.DataFrame:
        """Give a DataFrame with a row for each query: its columns, then its metrics; needs pandas."""
        frame = pandas_module().DataFrame(self.columns | self.per_query)
        frame.index.name = "query"
        return frame

    def __repr__(self) -> str:
        """Show one metric to the line."""
        width = max(map(len, self))
        return "\n".join([self._summary(), *(f"  {name:<{width}}  {value:.4f}" for name, value in self.items())])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th><td>{value:.4f}</td>"
            f"<td style='text-align:left'>{html.escape(self.definitions[name])}</td></tr>"
            for name, value in self.items()
        )
        return f"<table><caption>{html.escape(self._summary())}</caption>{rows}</table>"

    def _summary(self) -> str:
        fate = {"drop": "dropped", "zero": "counted as 0", "one": "counted as 1"}[self.empty]
        empty = f", {self.empty_queries} without relevant items {fate}" if self.empty_queries else ""
        classes = "" if self.classes is None else f", means over {len(np.unique(self.classes))} classes"
        return f"EvalReport: protocol {self.protocol!r}, {self.queries} queries{empty}{classes}"
