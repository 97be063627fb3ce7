"""Whether a re-ranker helps on your data, before you switch it on."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve.evaluate import EvalReport, Protocol, retrieval
from pictrieve.evaluate.statistics import Units, resampled_means
from pictrieve.index import Index
from pictrieve.rank._rankings import as_rankings
from pictrieve.rank._rerankers import reranker_of
from pictrieve.rank._source import as_index

if TYPE_CHECKING:
    import pandas

_RESAMPLES = 10_000
_FEWEST_QUERIES = 10  # below, resampling says nothing about queries that were not asked


class GainRow(NamedTuple):
    """One metric before and after.

    Attributes:
        metric: Its name, e.g. "map@10".
        before: Mean over queries of the plain search.
        after: Mean over queries of the re-ranker.
        difference: after - before.
        low: Lower end of the 95 % confidence interval of the difference.
        high: Upper end.
        better: Share of queries that the re-ranker improved.
        worse: Share of queries that it made worse.
        verdict: "gain" or "loss" where the interval excludes 0, "no difference" where it does not, "too few queries"
            below 10.
    """

    metric: str
    before: float
    after: float
    difference: float
    low: float
    high: float
    better: float
    worse: float
    verdict: str


class Gain(Mapping[str, GainRow]):
    """A table of metrics before and after, e.g. ``gain["map@10"].difference``; prints as one.

    Attributes:
        queries: How many queries count: those with relevant items.
        ms_before: Milliseconds per query of the plain search.
        ms_after: Milliseconds per query of the re-ranker, its own search included.
        before: The report of the plain search.
        after: The report of the re-ranker.
    """

    def __init__(self, rows: Sequence[GainRow], before: EvalReport, after: EvalReport, ms: tuple[float, float]) -> None:
        """Hold what ``evaluate_gain`` measured."""
        self._rows = {row.metric: row for row in rows}
        self.before = before
        self.after = after
        self.queries = int(np.isfinite(before.per_query[rows[0].metric]).sum())
        self.ms_before, self.ms_after = ms

    def __getitem__(self, metric: str) -> GainRow:
        """Give a metric's row."""
        if metric not in self._rows:
            raise KeyError(f"{metric!r}; measured were {', '.join(self._rows)}")
        return self._rows[metric]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the metrics' names."""
        return iter(self._rows)

    def __len__(self) -> int:
        """Count the metrics."""
        return len(self._rows)

    @property
    def verdict(self) -> str:
        """What the last row says, in words."""
        row = list(self.values())[-1]
        interval = f"95 % interval {row.low:+.4f} to {row.high:+.4f}, paired bootstrap over {self.queries} queries"
        words = {
            "gain": "a significant gain",
            "loss": "a significant loss: leave it off",
            "no difference": "no significant difference: leave it off",
            "too few queries": f"too few queries to tell; ask at least {_FEWEST_QUERIES}",
        }
        lost = [other.metric for other in self.values() if other.verdict == "loss" and other is not row]
        elsewhere = f"; loses {', '.join(lost)}" if lost else ""
        return f"{row.metric} {row.difference:+.4f}, {words[row.verdict]}{elsewhere} ({interval})"

    def to_pandas(self) -> pandas.DataFrame:
        """Give a DataFrame with a row for each metric; needs pandas."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_pandas needs pandas; run: pip install 'pictrieve[pandas]'") from error
        return pandas.DataFrame(list(self.values()), columns=list(GainRow._fields)).set_index("metric")

    def __repr__(self) -> str:
        """Show the table and what it says."""
        lines = [" ".join(f"{cell:>{width}}" for cell, width in zip(_HEADER, _WIDTHS, strict=True))]
        for row in self.values():
            lines.append(" ".join(f"{cell:>{width}}" for cell, width in zip(_cells(row), _WIDTHS, strict=True)))
        lines.append(f"milliseconds per query: {self.ms_before:.2f} before, {self.ms_after:.2f} after")
        return "\n".join([*lines, self.verdict])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in _HEADER)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(row)) + "</tr>" for row in self.values()
        )
        return f"<table><caption>{html.escape(self.verdict)}</caption><tr>{head}</tr>{body}</table>"


_HEADER = ("metric", "before", "after", "difference", "95 % interval", "better", "worse", "verdict")
_WIDTHS = (13, 7, 7, 10, 18, 7, 7, 15)


def _cells(row: GainRow) -> list[str]:
    numbers = [f"{row.before:.4f}", f"{row.after:.4f}", f"{row.difference:+.4f}", f"{row.low:+.4f} {row.high:+.4f}"]
    return [row.metric, *numbers, f"{row.better:.1%}", f"{row.worse:.1%}", row.verdict]


def evaluate_gain(
    rerank: str | Callable[[Index, NDArray[np.float32], int], Any],
    index: Index | NDArray[np.float32],
    queries: NDArray[np.float32],
    relevant: Sequence[Iterable[int] | Mapping[int, float]],
    *,
    k: int = 10,
    ks: Sequence[int] = (1, 5, 10),
    metrics: Sequence[str] = ("precision@k", "map@k"),
    protocol: Protocol = "trec",
    junk: Sequence[Iterable[int]] | None = None,
    seed: int = 0,
) -> Gain:
    """Measure a re-ranker against the plain search, query by query.

    Re-rankers can hurt: none is on by default. The difference of each metric has a 95 % confidence interval from a
    paired bootstrap (Efron 1979; Sakai, SIGIR 2006): queries are drawn 10,000 times with replacement, and the middle
    95 % of the mean differences are kept.

    Args:
        rerank: "k_reciprocal", "expansion", "diffusion", "mmr" (of 50 candidates) or "augmentation" with their
            defaults. Or a function called as ``rerank(index, queries, k)``, giving a ``SearchResult``;
            ``functools.partial`` sets the options of ``k_reciprocal`` and ``diffusion``, and others are written out:
            ``lambda ix, q, k: ix.search(pt.rank.query_expansion(ix, q, n=3), k)``.
        index: An ``Index``, or ``(rows, dim)`` float32 vectors, whose ids are row numbers.
        queries: ``(n, dim)`` float32, C-contiguous.
        relevant: For each query the relevant ids, or a dict from id to gain. Queries without any do not count.
        k: Results that are asked for, at least the largest of ks.
        ks: Cut-offs that "@k" stands for.
        metrics: Names as in ``pictrieve.evaluate.retrieval``; "map@k" is one row for each of ks, "mrr" one row.
        protocol: As in ``pictrieve.evaluate.retrieval``.
        junk: For each query ids that do not count, such as the query's own where it is an item.
        seed: Of the bootstrap.

    Returns:
        The table. Its verdict is about the last row: by default map at the largest cut-off.

    Raises:
        ValueError: For a k below a cut-off, an unknown name or metric, or what ``retrieval`` refuses.
        TypeError: For a function of other arguments, or one that gives no result.

    Example:
        >>> import numpy as np
        >>> import pictrieve as pt
        >>> groups = np.eye(8, dtype=np.float32)[np.arange(80) % 8]
        >>> items = groups + np.random.default_rng(0).normal(0, 0.4, groups.shape).astype(np.float32)
        >>> relevant = [range(i % 8, 80, 8) for i in range(80)]
        >>> gain = pt.rank.evaluate_gain("k_reciprocal", items, items, relevant)
        >>> gain["map@10"].verdict
        'gain'
    """
    if k < max(ks, default=1):
        raise ValueError(f"k: expected at least the largest cut-off {max(ks)}, got {k}")
    source = as_index(index)
    function = reranker_of(rerank, source)
    before, ms_before = _report(source.search, queries, k, relevant, protocol, ks, junk)
    after, ms_after = _report(
        lambda rows, count: function(source, rows, count), queries, k, relevant, protocol, ks, junk
    )
    names = [name for metric in metrics for name in _expanded(metric, ks)]
    if not names or not set(names) <= set(before):
        unknown = ", ".join(sorted(set(names) - set(before))) or "none"
        raise ValueError(f"metrics: expected some of {', '.join(before)}, or @k for each cut-off, got {unknown}")
    rows = _rows(names, before, after, seed)
    return Gain(rows, before, after, (ms_before, ms_after))


def _expanded(metric: str, ks: Sequence[int]) -> list[str]:
    """Give "map@k" as map at each cut-off."""
    stem = metric.removesuffix("@k")
    return [metric] if stem == metric else [f"{stem}@{k}" for k in ks]


def _report(
    search: Callable[[NDArray[np.float32], int], Any],
    queries: NDArray[np.float32],
    k: int,
    relevant: Sequence[Iterable[int] | Mapping[int, float]],
    protocol: Protocol,
    ks: Sequence[int],
    junk: Sequence[Iterable[int]] | None,
) -> tuple[EvalReport, float]:
    """Search, and give the report and the milliseconds per query."""
    start = time.perf_counter()
    result = search(queries, k)
    taken = time.perf_counter() - start
    found = as_rankings(result, "rerank", scored=False)
    if len(found) != len(queries):
        raise ValueError(f"rerank: expected results of {len(queries)} queries, got those of {len(found)}")
    ids, offsets = np.asarray(result[0]), getattr(result, "offsets", None)
    ranked = ids if offsets is None else np.split(ids, offsets[1:-1])
    return retrieval(ranked, relevant, protocol, ks, junk=junk), 1000 * taken / max(len(queries), 1)


def _rows(names: Sequence[str], before: EvalReport, after: EvalReport, seed: int) -> list[GainRow]:
    pairs = np.stack([[before.per_query[name], after.per_query[name]] for name in names])
    pairs = pairs[:, :, np.isfinite(pairs[0, 0])]  # a query without relevant items has NaN
    differences = pairs[:, 1] - pairs[:, 0]
    means = [resampled_means(Units(values, None), _RESAMPLES, seed) for values in differences]
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    return [
        GainRow(
            metric=name,
            before=float(pairs[i, 0].mean()),
            after=float(pairs[i, 1].mean()),
            difference=float(differences[i].mean()),
            low=float(low[i]),
            high=float(high[i]),
            better=float((differences[i] > 0).mean()),
            worse=float((differences[i] < 0).mean()),
            verdict=_verdict(float(low[i]), float(high[i]), differences.shape[1]),
        )
        for i, name in enumerate(names)
    ]


def _verdict(low: float, high: float, queries: int) -> str:
    if queries < _FEWEST_QUERIES:
        return "too few queries"
    return "gain" if low > 0 else "loss" if high < 0 else "no difference"
