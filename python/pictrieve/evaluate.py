"""How good a ranking is, by named protocols, because one name stands for several numbers in the wild."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core

__all__ = ["EvalReport", "Protocol", "retrieval"]

Protocol = Literal["trec", "beir", "hits", "map@r", "oxford"]
IdLists = tuple[NDArray[np.int64], NDArray[np.int64]]

# The order of the core's columns.
_CUT_METRICS = ("map", "ndcg", "recall", "precision", "hit")
_WHOLE_METRICS = ("map", "map@r", "oxford", "r-precision", "mrr", "ndcg")

_DIVISORS = {"trec": "all", "beir": "reachable", "hits": "hits", "map@r": "all", "oxford": "all"}
_WORDS = {
    "map": "precision at each relevant item of the {top}, summed, divided by {divisor}",
    "ndcg": "gain / log2(rank + 1) over the {top}, divided by that of the best ranking of all relevant items",
    "recall": "relevant items in the {top}, divided by all relevant items",
    "precision": "relevant items in the {top}, divided by {k}",
    "hit": "1 where any relevant item is in the {top} (metric learning calls this recall@k)",
    "map@r": "precision at each relevant item of the top R, summed, divided by R, the number of all",
    "r-precision": "relevant items in the top R, divided by R, the count of relevant items",
    "mrr": "1 / rank of the first relevant item, 0 where none is ranked",
}
_OXFORD_WORDS = "area under the precision-recall curve by the trapezoid rule, over the whole ranking"


@dataclass(frozen=True, repr=False)
class EvalReport(Mapping[str, float]):
    """Means over queries by the name of the metric, e.g. `report["map@5"]`, and what each means.

    Example:
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

    def __getitem__(self, name: str) -> float:
        """Give the mean of a metric over the queries that count."""
        if name not in self.per_query:
            raise KeyError(f"{name!r}; protocol {self.protocol!r} has {', '.join(self.per_query)}")
        return float(np.nanmean(self.per_query[name]))

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.per_query)

    def __len__(self) -> int:
        """Count the metrics."""
        return len(self.per_query)

    def to_dict(self) -> dict[str, Any]:
        """Give everything but `per_query` as plain values, ready for JSON."""
        return {
            "protocol": self.protocol,
            "queries": self.queries,
            "empty_queries": self.empty_queries,
            "empty": self.empty,
            "metrics": dict(self),
            "definitions": self.definitions,
        }

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
        return f"EvalReport: protocol {self.protocol!r}, {self.queries} queries{empty}"


def retrieval(
    ranked_ids: NDArray[np.integer[Any]] | Sequence[Iterable[int]],
    relevant: Sequence[Iterable[int] | Mapping[int, float]],
    protocol: Protocol = "trec",
    ks: Sequence[int] = (1, 5, 10),
    *,
    junk: Sequence[Iterable[int]] | None = None,
    empty: Literal["drop", "zero", "one"] = "drop",
) -> EvalReport:
    """Score rankings against what is relevant.

    Protocols differ in what average precision is divided by: `"trec"` by all relevant items (trec_eval,
    ranx), `"beir"` by min(k, relevant items) (sentence-transformers, recommenders), `"hits"` by the relevant
    items found in the top k (torchmetrics). `"map@r"` has MAP@R (Musgrave et al. 2020) in place of map and
    map@k, `"oxford"` the trapezoid rule of the Oxford and Paris buildings. The other metrics are the same in
    each; `report.definitions` says what each is.

    Args:
        ranked_ids: `(n, k)` whole numbers, best first, or a list of lists of unequal length.
        relevant: for each query the relevant ids, or a dict from id to gain; a gain of 0 is not relevant.
            Gains change ndcg only.
        protocol: see above.
        ks: cut-offs.
        junk: for each query ids to take out of the ranking before it is scored.
        empty: whether a query without relevant items is left out of the means, or counts as 0 or as 1.

    Raises:
        ValueError: a ranking names an id twice, numbers of queries differ, a gain is negative or not finite,
            an id is both junk and relevant, no query counts.
        TypeError: ids are not whole numbers.
    """
    _check_choices(protocol, ks, empty)
    ranked = _lists_of(ranked_ids, "ranked_ids")
    relevant_ids, gains = _relevant_of(relevant)
    junk_ids = None if junk is None else _lists_of([sorted(set(ids)) for ids in junk], "junk")
    cuts = np.array(ks, dtype=np.int64)
    values = _core.evaluate_rankings(ranked, relevant_ids, gains, junk_ids, cuts, _DIVISORS[protocol])
    is_empty = np.diff(relevant_ids[1]) == 0
    if empty == "drop" and is_empty.all():
        raise ValueError(f"relevant: none of {len(is_empty)} queries has a relevant item, so there is no mean")
    if empty != "drop":
        values[is_empty] = 0.0 if empty == "zero" else 1.0
    names = [f"{name}@{k}" for k in ks for name in _CUT_METRICS] + list(_WHOLE_METRICS)
    columns = _columns_of(protocol, dict(zip(names, values.T, strict=True)))
    definitions = {name: _definition(name, protocol, junk is not None) for name in columns}
    return EvalReport(protocol, len(is_empty), int(is_empty.sum()), empty, definitions, columns)


def _check_choices(protocol: str, ks: Sequence[int], empty: str) -> None:
    if protocol not in _DIVISORS:
        raise ValueError(f"protocol: expected one of {', '.join(_DIVISORS)}, got {protocol!r}")
    if empty not in ("drop", "zero", "one"):
        raise ValueError(f"empty: expected drop, zero or one, got {empty!r}")
    if any(not isinstance(k, int | np.integer) or k < 1 for k in ks) or len(set(ks)) != len(ks):
        raise ValueError(f"ks: expected different whole numbers from 1, got {tuple(ks)}")


def _whole_numbers(ids: Any, name: str) -> NDArray[np.int64]:
    array = np.asarray(ids)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected ids that are whole numbers, got {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.int64)


def _lists_of(lists: Any, name: str) -> IdLists:
    """Pack lists of ids, one after another."""
    if isinstance(lists, np.ndarray):
        if lists.ndim != 2:
            raise ValueError(f"{name}: expected (n, k) or a list of lists, got shape {lists.shape}")
        offsets = np.arange(lists.shape[0] + 1, dtype=np.int64) * lists.shape[1]
        return _whole_numbers(lists, name).ravel(), offsets
    arrays = [_whole_numbers(ids if isinstance(ids, np.ndarray) else list(ids), name) for ids in lists]
    if any(array.ndim != 1 for array in arrays):
        raise ValueError(f"{name}: expected a list of lists of ids")
    offsets = np.zeros(len(arrays) + 1, dtype=np.int64)
    np.cumsum([len(array) for array in arrays], out=offsets[1:])
    return np.concatenate([*arrays, np.empty(0, np.int64)]), offsets


def _relevant_of(relevant: Sequence[Any]) -> tuple[IdLists, NDArray[np.float64] | None]:
    """Pack relevant ids in rising order, and their gains where any query has gains."""
    if isinstance(relevant, str | Mapping):
        raise TypeError(f"relevant: expected a list with one set or dict for each query, got {type(relevant).__name__}")
    graded = any(isinstance(ids, Mapping) for ids in relevant)
    if not graded:
        return _lists_of([np.unique(_whole_numbers(list(ids), "relevant")) for ids in relevant], "relevant"), None
    dicts = [dict(ids) if isinstance(ids, Mapping) else dict.fromkeys(ids, 1.0) for ids in relevant]
    for query, gains in enumerate(dicts):
        for item, gain in gains.items():
            if not (np.isfinite(gain) and gain >= 0):
                raise ValueError(f"relevant: expected gains from 0, got {gain} for id {item} of query {query}")
    kept = [sorted((item, float(gain)) for item, gain in gains.items() if gain > 0) for gains in dicts]
    flat = np.array([gain for pairs in kept for _, gain in pairs], dtype=np.float64)
    return _lists_of([[item for item, _ in pairs] for pairs in kept], "relevant"), flat


def _columns_of(protocol: str, columns: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Keep what a protocol defines, under the names it has there."""
    trapezoid = columns.pop("oxford")
    if protocol in ("map@r", "oxford"):
        columns = {
            name: column for name, column in columns.items() if name.partition("@")[0] != "map" or name == "map@r"
        }
    if protocol == "oxford":
        columns = {"map": trapezoid} | columns
    return {name: np.ascontiguousarray(column) for name, column in columns.items()}


def _definition(name: str, protocol: str, has_junk: bool) -> str:
    metric, _, cut = name.partition("@")
    words = _WORDS[name] if name in _WORDS else _WORDS[metric]
    if name == "map" and protocol == "oxford":
        words = _OXFORD_WORDS
    divisor = "the relevant items found there" if protocol == "hits" else "all relevant items"
    if protocol == "beir" and cut:
        divisor = f"min({cut}, relevant items)"
    words = words.format(top=f"top {cut}" if cut else "ranking", k=cut, divisor=divisor)
    return f"mean over queries of: {words} ({protocol}{', junk removed' if has_junk else ''})"
