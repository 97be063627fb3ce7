"""Rankings that are at hand as lists of ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve.evaluate import inputs, protocols
from pictrieve.evaluate.finishing import Empty, NdcgGain, Ties, burges, check_choices, finished
from pictrieve.evaluate.inputs import IdLists, Relevant
from pictrieve.evaluate.protocols import Protocol
from pictrieve.evaluate.report import EvalReport


def retrieval(
    ranked_ids: NDArray[np.integer[Any]] | Sequence[Iterable[int]],
    relevant: Relevant,
    protocol: Protocol = "trec",
    ks: int | Sequence[int] = (1, 5, 10),
    *,
    junk: Sequence[Iterable[int]] | None = None,
    empty: Empty = "drop",
    scores: NDArray[np.floating[Any]] | Sequence[Sequence[float]] | None = None,
    ties: Ties = "lowest id",
    query_ids: Sequence[int] | NDArray[np.integer[Any]] | None = None,
    ndcg_gain: NdcgGain = "linear",
    least_gain: float = 0.0,
    classes: Sequence[Any] | NDArray[Any] | None = None,
    columns: Mapping[str, Sequence[Any] | NDArray[Any]] | None = None,
) -> EvalReport:
    """Score rankings against what is relevant.

    Protocols differ in what average precision is divided by: `"trec"` by all relevant items (trec_eval,
    ranx), `"beir"` by min(k, relevant items) (sentence-transformers, recommenders), `"hits"` by the relevant
    items found in the top k (torchmetrics). `"map@r"` has MAP@R (Musgrave et al. 2020) in place of map and
    map@k, `"oxford"` the trapezoid rule of the Oxford and Paris buildings; the other metrics are the same in
    each. These report what their communities do: `"revisited"` map and mP@k of the revisited Oxford and Paris
    (Radenović et al. 2018; see `oxford_protocols`), `"holidays"` map without the query, `"ukbench"` the N-S score
    with it, `"cmc"` the curve of re-identification and map, `"coco"` recall@k of captions and pictures, `"oml"`
    the metrics of Open Metric Learning, `"legacy"` imagededup's nDCG. `report.definitions` says what each metric is.

    Args:
        ranked_ids: `(n, k)` whole numbers, best first, or a list of lists of unequal length.
        relevant: for each query the relevant ids, or a dict from id to gain; a gain of 0 is not relevant.
            Gains change ndcg only.
        protocol: see above.
        ks: cut-offs, or one.
        junk: for each query ids to take out of the ranking before it is scored.
        empty: whether a query without relevant items is left out of the means, or counts as 0 or as 1.
        scores: of the ranked ids, larger for better, to order them by.
        ties: who comes first among equal scores: the "lowest id", the "highest id" (trec_eval), the relevant items
            ("best") or the others ("worst").
        query_ids: each query's own id, where it is an item too: it is taken out of its ranking and of what is relevant.
        ndcg_gain: "linear", or "exponential" for 2^gain - 1 (Burges et al. 2005).
        least_gain: items with less gain are relevant to ndcg only.
        classes: the class of each query. Means are then those of the classes' means, so that large classes do not
            outweigh small ones.
        columns: what else is known of each query, for `report.by`.

    Raises:
        ValueError: a ranking names an id twice, numbers of queries differ, a gain is negative or not finite,
            an id is both junk and relevant, no query counts.
        TypeError: ids are not whole numbers.
    """
    rules, cuts = protocols.known_rules(protocol), check_choices(ks, empty, ties, ndcg_gain)
    _check_own_ids(protocol, query_ids)
    ranked = inputs.lists_of(ranked_ids, "ranked_ids")
    queries = len(ranked[1]) - 1
    if query_ids is not None and len(query_ids) == len(relevant):
        relevant = inputs.without_own(relevant, query_ids)
    relevant_ids, gains = inputs.relevant_of(relevant)
    junk_ids = inputs.junk_of(junk, query_ids, queries)
    if scores is not None:
        ranked = _ordered(ranked, scores, ties, relevant_ids)
    if gains is not None and ndcg_gain == "exponential":
        gains, least_gain = burges(gains), burges(least_gain)
    asked = np.array(protocols.core_cuts(protocol, cuts), dtype=np.int64)
    values = _core.evaluate_rankings(ranked, relevant_ids, gains, junk_ids, asked, rules.divisor, float(least_gain))
    notes = ["junk removed"] * (junk is not None) + ["query removed"] * (query_ids is not None)
    notes += [f"ties: {ties}"] * (scores is not None) + ["gain 2^g - 1"] * (ndcg_gain == "exponential")
    return finished(values, protocol, cuts, empty=empty, notes=notes, classes=classes, columns=columns)


def oxford_protocols(
    ranked_ids: NDArray[np.integer[Any]] | Sequence[Iterable[int]],
    gnd: Sequence[Mapping[str, Iterable[int]]],
    ks: int | Sequence[int] = (1, 5, 10),
) -> dict[str, EvalReport]:
    """Score rankings by the three protocols of the revisited Oxford and Paris (Radenović et al., CVPR 2018).

    What a protocol leaves out is junk: removed from the ranking. Queries without relevant items are dropped.

    Args:
        ranked_ids: as in `retrieval`; the whole gallery should be ranked.
        gnd: for each query a dict of the rows that are "easy", "hard" and "junk".
        ks: cut-offs of mp@k.

    Returns:
        Reports with map and mp@k by protocol: "easy" (relevant: easy; junk: junk, hard), "medium" (easy, hard; junk),
        "hard" (hard; junk, easy). A protocol that has no query with relevant items is absent.
    """
    for query, one in enumerate(gnd):
        if missing := {"easy", "hard", "junk"} - set(one):
            raise ValueError(
                f"gnd: query {query} lacks {', '.join(sorted(missing))}; the original Oxford and Paris have ok and "
                "junk: use retrieval(ranked_ids, ok, 'oxford', junk=junk)"
            )
    parts = {
        "easy": (["easy"], ["junk", "hard"]),
        "medium": (["easy", "hard"], ["junk"]),
        "hard": (["hard"], ["junk", "easy"]),
    }
    reports = {}
    for name, (relevant, junk) in parts.items():
        wanted, ignored = _joined(gnd, relevant), _joined(gnd, junk)
        if any(wanted):
            reports[name] = retrieval(ranked_ids, wanted, "revisited", ks, junk=ignored)
    if not reports:
        raise ValueError("gnd: expected easy or hard rows for at least one query, got none")
    return reports


def _joined(gnd: Sequence[Mapping[str, Iterable[int]]], names: list[str]) -> list[set[int]]:
    return [{int(row) for name in names for row in one[name]} for one in gnd]


def _check_own_ids(protocol: str, query_ids: Any) -> None:
    if protocol == "holidays" and query_ids is None:
        raise ValueError("query_ids: protocol 'holidays' takes the query out of its ranking, so it expects their ids")
    if protocol == "ukbench" and query_ids is not None:
        raise ValueError("query_ids: in protocol 'ukbench' the query counts as one of its four, so leave its id in")


def _ordered(ranked: IdLists, scores: Any, ties: Ties, relevant: IdLists) -> IdLists:
    """Order each ranking by score, and equal scores by the rule."""
    flat = [np.asarray(row, dtype=np.float64).ravel() for row in scores]
    ids, offsets = ranked
    lengths = np.diff(offsets)
    if [len(row) for row in flat] != lengths.tolist():
        raise ValueError("scores: expected one for each ranked id, got other numbers of them")
    values = np.concatenate([*flat, np.empty(0)])
    if np.isnan(values).any():
        raise ValueError("scores: expected numbers, got NaN; give what has no score the lowest one")
    query = np.repeat(np.arange(len(lengths)), lengths)
    second = ids if ties != "highest id" else -ids
    keys = [second]
    if ties in ("best", "worst") and len(relevant[1]) == len(offsets):
        hit = np.concatenate(
            [np.isin(ids[a:b], relevant[0][c:d]) for a, b, c, d in _spans(offsets, relevant[1])] or [np.empty(0, bool)]
        )
        keys.append(~hit if ties == "best" else hit)
    return np.ascontiguousarray(ids[np.lexsort([*keys, -values, query])]), offsets


def _spans(a: NDArray[np.int64], b: NDArray[np.int64]) -> Iterable[tuple[int, int, int, int]]:
    return zip(a[:-1].tolist(), a[1:].tolist(), b[:-1].tolist(), b[1:].tolist(), strict=True)
