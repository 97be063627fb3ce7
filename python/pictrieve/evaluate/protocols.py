"""What each protocol measures, under which names, and how that is said in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Protocol = Literal[
    "trec", "beir", "hits", "map@r", "oxford", "revisited", "holidays", "oml", "coco", "cmc", "ukbench", "legacy"
]
Floats = NDArray[np.float64]

# The order of the core's columns.
_CUT_COLUMNS = (
    "map", "ndcg", "recall", "precision", "hit", "mrr", "reachable precision", "mp", "retrieved ndcg", "hits",
)  # fmt: skip
_WHOLE_COLUMNS = ("map", "map@r", "oxford", "r-precision", "mrr", "ndcg")

_UKBENCH_GROUP = 4

_PLAIN = {name: name for name in ("ndcg", "recall", "precision", "hit", "mrr")}
_WHOLE = {name: name for name in ("map@r", "r-precision", "mrr", "ndcg")}
_WITH_MAP = {"map": "map"}


class Rules(NamedTuple):
    """A protocol: what average precision is divided by, and the core's column behind each name.

    The first of `whole`, or of `cuts` where there is none, is the protocol's headline.
    """

    divisor: str
    cuts: dict[str, str]
    whole: dict[str, str]


RULES: dict[str, Rules] = {
    "trec": Rules("all", _WITH_MAP | _PLAIN, _WITH_MAP | _WHOLE),
    "beir": Rules("reachable", _WITH_MAP | _PLAIN, _WITH_MAP | _WHOLE),
    "hits": Rules("hits", _WITH_MAP | _PLAIN, _WITH_MAP | _WHOLE),
    "map@r": Rules("all", _PLAIN, _WHOLE),
    "oxford": Rules("all", _PLAIN, {"map": "oxford"} | _WHOLE),
    "revisited": Rules("all", {"mp": "mp"}, {"map": "oxford"}),
    "holidays": Rules("all", {}, {"map": "oxford"}),
    "oml": Rules("hits", {"map": "map", "precision": "reachable precision", "cmc": "hit"}, {}),
    "coco": Rules("all", {"recall": "hit"}, {}),
    "cmc": Rules("all", {"cmc": "hit"}, {"map": "map"}),
    "ukbench": Rules("all", {}, {"n-s": "n-s"}),
    "legacy": Rules("all", {"ndcg": "retrieved ndcg"}, {}),
}

_WORDS = {
    "map": "precision at each relevant item of the {top}, summed, divided by {divisor}",
    "ndcg": "gain / log2(rank + 1) over the {top}, divided by that of the best ranking of all relevant items",
    "recall": "relevant items in the {top}, divided by all relevant items",
    "precision": "relevant items in the {top}, divided by {k}",
    "hit": "1 where any relevant item is in the {top} (metric learning calls this recall@k)",
    "mrr": "1 / rank of the first relevant item in the {top}, 0 where there is none",
    "reachable precision": "relevant items in the {top}, divided by min({k}, relevant items)",
    "mp": "relevant items in the {top}, divided by {k} or, where smaller, by the rank of the last relevant item",
    "retrieved ndcg": "gain / log2(rank + 1) over the {top}, divided by that of the best order of these same items: "
    "what was not found costs nothing, so the value is too high",
    "map@r": "precision at each relevant item of the top R, summed, divided by R, the number of all",
    "r-precision": "relevant items in the top R, divided by R, the count of relevant items",
    "oxford": "area under the precision-recall curve by the trapezoid rule, over the whole ranking",
    "n-s": "relevant items in the top 4, the query itself being one of 4, so at most 4",
}


def known_rules(protocol: str) -> Rules:
    """Give a protocol's rules, or name those there are."""
    if protocol not in RULES:
        raise ValueError(f"protocol: expected one of {', '.join(RULES)}, got {protocol!r}")
    return RULES[protocol]


def cut_offs(ks: int | Sequence[int]) -> tuple[int, ...]:
    """Give the cut-offs as a tuple, or refuse them."""
    ks = (ks,) if isinstance(ks, int | np.integer) else ks
    if any(not isinstance(k, int | np.integer) or k < 1 for k in ks) or len(set(ks)) != len(ks):
        raise ValueError(f"ks: expected different whole numbers from 1, got {tuple(ks)}")
    return tuple(int(k) for k in ks)


def require_metric(metric: str | None, protocol: str, ks: int | Sequence[int] = (1, 5, 10)) -> None:
    """Refuse a metric that the protocol does not have, before there is a report."""
    known_rules(protocol)
    names = definitions(protocol, cut_offs(ks), [])
    if metric is not None and metric not in names:
        raise ValueError(f"metric: protocol {protocol!r} has {', '.join(names)}, got {metric!r}")


def headline(protocol: str, names: Iterable[str]) -> str:
    """The one of a report's metrics that stands for all: that of the whole ranking, or else at the first cut-off."""
    return next(iter([*RULES[protocol].whole, *names]))


def core_cuts(protocol: str, ks: tuple[int, ...]) -> tuple[int, ...]:
    """The cut-offs that the core is asked for."""
    return (*ks, _UKBENCH_GROUP) if protocol == "ukbench" else ks


def named_columns(protocol: str, ks: tuple[int, ...], values: Floats) -> dict[str, Floats]:
    """Pick a protocol's metrics out of the core's columns `(queries, columns)`."""
    cuts = core_cuts(protocol, ks)
    names = [f"{name}@{k}" for k in cuts for name in _CUT_COLUMNS] + list(_WHOLE_COLUMNS)
    columns = dict(zip(names, values.T, strict=True))
    if protocol == "ukbench":
        columns["n-s"] = columns[f"hits@{_UKBENCH_GROUP}"]
    rules = RULES[protocol]
    wanted = {f"{name}@{k}": f"{column}@{k}" for k in ks for name, column in rules.cuts.items()} | rules.whole
    return {name: np.ascontiguousarray(columns[column]) for name, column in wanted.items()}


def definitions(protocol: str, ks: tuple[int, ...], notes: list[str]) -> dict[str, str]:
    """Each metric of a protocol in words; `notes` say what else was chosen."""
    rules = RULES[protocol]
    cuts = {f"{name}@{k}": (column, k) for k in ks for name, column in rules.cuts.items()}
    whole: dict[str, tuple[str, int | None]] = {name: (column, None) for name, column in rules.whole.items()}
    return {
        name: f"mean over queries of: {_in_words(protocol, column, k)} ({', '.join([protocol, *notes])})"
        for name, (column, k) in {**cuts, **whole}.items()
    }


def _in_words(protocol: str, column: str, k: int | None) -> str:
    divisor = "the relevant items found there" if RULES[protocol].divisor == "hits" else "all relevant items"
    if RULES[protocol].divisor == "reachable" and k:
        divisor = f"min({k}, relevant items)"
    return _WORDS[column].format(top=f"top {k}" if k else "ranking", k=k, divisor=divisor)
