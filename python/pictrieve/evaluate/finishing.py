"""The way from the core's columns to a report, the same for rankings and embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pictrieve.evaluate import protocols
from pictrieve.evaluate.report import EvalReport

Empty = Literal["drop", "zero", "one"]
Ties = Literal["lowest id", "highest id", "best", "worst"]
NdcgGain = Literal["linear", "exponential"]


def check_choices(ks: int | Sequence[int], empty: str, ties: str, ndcg_gain: str) -> tuple[int, ...]:
    """Refuse settings that have no meaning; give the cut-offs."""
    if empty not in ("drop", "zero", "one"):
        raise ValueError(f"empty: expected drop, zero or one, got {empty!r}")
    if ties not in ("lowest id", "highest id", "best", "worst"):
        raise ValueError(f"ties: expected 'lowest id', 'highest id', 'best' or 'worst', got {ties!r}")
    if ndcg_gain not in ("linear", "exponential"):
        raise ValueError(f"ndcg_gain: expected linear or exponential, got {ndcg_gain!r}")
    return protocols.cut_offs(ks)


def burges(gains: Any) -> Any:
    """2^gain - 1 (Burges et al. 2005)."""
    return np.exp2(gains) - 1


def finished(
    values: NDArray[np.float64],
    protocol: str,
    ks: tuple[int, ...],
    *,
    empty: Empty,
    notes: list[str],
    classes: Any = None,
    columns: Mapping[str, Any] | None = None,
) -> EvalReport:
    """Make a report of the core's `(queries, columns)`; a row of NaN is a query without relevant items."""
    is_empty = np.isnan(values[:, -1])
    if empty == "drop" and is_empty.all():
        raise ValueError(f"relevant: none of {len(values)} queries has a relevant item, so there is no mean")
    if empty != "drop":
        values[is_empty] = 0.0 if empty == "zero" else 1.0
    if empty == "one" and protocol == "ukbench":
        raise ValueError("empty: 'one' is no perfect score of protocol 'ukbench', which goes to 4; use drop or zero")
    names = protocols.named_columns(protocol, ks, values)
    if not names:
        raise ValueError(f"ks: protocol {protocol!r} measures at cut-offs only, so it expects at least one, got none")
    queries = len(values)
    known = {name: _of_queries(column, queries, f"columns[{name!r}]") for name, column in (columns or {}).items()}
    groups = None if classes is None else _of_queries(classes, queries, "classes")
    if groups is not None:
        notes = [*notes, "mean of the means of classes"]
    words = protocols.definitions(protocol, ks, notes)
    return EvalReport(protocol, queries, int(is_empty.sum()), empty, words, names, groups, known)


def _of_queries(column: Any, queries: int, name: str) -> NDArray[Any]:
    array = np.asarray(column)
    if array.shape != (queries,):
        raise ValueError(f"{name}: expected a value for each of {queries} queries, got shape {array.shape}")
    return array
