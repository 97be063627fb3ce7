"""How hits are ordered: plain, re-ranked, fused of several parts, or diverse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pictrieve import rank
from pictrieve.index import Index
from pictrieve.rank import FusedResult
from pictrieve.rank._rankings import as_rankings
from pictrieve.rank._rerankers import BY_NEIGHBOURS, Reranker, require_reranker
from pictrieve.search_result import SearchResult

Floats = NDArray[np.float32]
Fusion: TypeAlias = Literal["weighted", "rrf"]
Rerank: TypeAlias = Literal["k_reciprocal", "expansion", "diffusion"] | Reranker | None

_FUSED_FROM = 200  # best items of each part, at least, that a fusion sees
_DIVERSE_FROM = 100  # best items, at least, among which diverse ones are chosen


@dataclass(frozen=True)
class Ranking:
    """What is asked of a search beside its terms; see `Gallery.search`."""

    k: int = 10
    where: str | None = None
    rerank: Rerank = None
    diversify: float | None = None
    min_confidence: float | None = None
    fusion: Fusion | None = None

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if not isinstance(self.k, int | np.integer) or self.k < 1:
            raise ValueError(f"k: expected a whole number of at least 1, got {self.k!r}")
        if self.min_confidence is not None and not 0 <= _number(self.min_confidence) <= 1:
            raise ValueError(f"min_confidence: expected 0 to 1, got {self.min_confidence!r}")
        if self.diversify is not None and not 0 < _number(self.diversify) <= 1:
            raise ValueError(f"diversify: expected above 0 and up to 1, got {self.diversify!r}")
        if self.fusion not in (None, "weighted", "rrf"):
            raise ValueError(f"fusion: expected weighted or rrf, got {self.fusion!r}")
        if self.rerank is not None and not callable(self.rerank) and self.rerank not in BY_NEIGHBOURS:
            raise ValueError(f"rerank: expected {', '.join(BY_NEIGHBOURS)} or a function, got {self.rerank!r}")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float | np.integer | np.floating) else math.nan


@dataclass(frozen=True)
class Aim:
    """One part of a query as a direction in one vector space.

    Attributes:
        name: Of the part.
        weight: Of the part beside the others.
        channel: The vector space.
        index: Its index.
        kinds: Of each term: "words" or "item".
        vectors: ``(terms, dim)`` unit rows.
        shares: ``(terms,)`` weights that make the direction of them.
        query: ``(dim,)``, the direction, of length 1.
    """

    name: str
    weight: float
    channel: str
    index: Index
    kinds: tuple[str, ...]
    vectors: Floats
    shares: Floats
    query: Floats


class Place(NamedTuple):
    """Where one part of a query ranked a hit.

    Attributes:
        part: Such as "image".
        rank: From 1; None where the part did not find the item.
        score: In that part, None likewise.
        contribution: What that adds to the hit's score.
    """

    part: str
    rank: int | None
    score: float | None
    contribution: float


def ranked(aims: Sequence[Aim], options: Ranking, allowed: NDArray[np.int64] | None) -> SearchResult:
    """Find the best items for all parts together; a `FusedResult` where they are several."""
    items = len(aims[0].index) if allowed is None else len(allowed)
    k = min(int(options.k), len(aims[0].index))
    wanted = k if options.diversify is None else max(4 * k, _DIVERSE_FROM)
    if len(aims) == 1:
        return _search(aims[0], min(wanted, items), options.rerank, allowed)
    depth = min(max(4 * wanted, _FUSED_FROM), items)
    results = {aim.name: _search(aim, depth, options.rerank, allowed) for aim in aims}
    weights = {aim.name: aim.weight for aim in aims}
    if options.fusion == "rrf":
        return rank.rrf(results, wanted, weights=weights)
    return rank.weighted(results, weights, wanted)


def _search(aim: Aim, k: int, rerank: Rerank, allowed: NDArray[np.int64] | None) -> SearchResult:
    if rerank is None:
        return aim.index.search(aim.query, k, where=allowed)
    function = rerank if callable(rerank) else BY_NEIGHBOURS[rerank]
    condition = {} if allowed is None else {"where": allowed}
    require_reranker(function, **condition)
    found = as_rankings(function(aim.index, aim.query[np.newaxis], k, **condition), "rerank")
    assert found.scores is not None  # as_rankings asked for them
    return SearchResult(found.ids[:k], found.scores[:k])


def diverse(found: SearchResult, k: int, index: Index, diversity: float, *, cosines: bool) -> SearchResult:
    """Choose k that are unlike each other; scores that are no cosines are brought to 0 to 1 for that."""
    if len(found.ids) == 0:
        return found
    relevance = found.scores
    if not cosines:
        low, high = float(relevance.min()), float(relevance.max())
        relevance = (relevance - np.float32(low)) / np.float32(max(high - low, 1e-9))
    chosen = rank.mmr((found.ids, relevance), k, index=index, diversity=diversity).ids
    score = dict(zip(found.ids.tolist(), found.scores.tolist(), strict=True))
    return SearchResult(chosen, np.array([score[item] for item in chosen.tolist()], np.float32))


def places(found: SearchResult) -> dict[int, tuple[Place, ...]]:
    """Say for each item of a fusion where every part ranked it."""
    if not isinstance(found, FusedResult):
        return {}
    return {
        row["id"]: tuple(
            Place(name, row[f"{name}.rank"], row[f"{name}.score"], row[f"{name}.contribution"])
            for name in found.channels
        )
        for row in found.explain()
    }
