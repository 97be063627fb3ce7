"""Re-rankers by name, all in the form ``(index, queries, k) -> SearchResult``, and what to write for others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pictrieve.index import Index
from pictrieve.rank.diffusion import diffusion
from pictrieve.rank.diversity import mmr
from pictrieve.rank.expansion import augment_database, query_expansion
from pictrieve.rank.reciprocal import k_reciprocal
from pictrieve.search_result import SearchResult

Reranker: TypeAlias = Callable[..., Any]

_DIVERSE_OF = 50  # candidates, at least, among which unlike ones are chosen
_AS_LAMBDA = {
    "query_expansion": "lambda ix, q, k: ix.search(pt.rank.query_expansion(ix, q), k)",
    "augment_database": "lambda ix, q, k: augmented.search(q, k)",
    "mmr": "lambda ix, q, k: pt.rank.mmr(ix.search(q, 50), k, index=ix)",
    "geometric": "lambda ix, q, k: pt.rank.geometric(ix.search(q, 50), verify, k)",
    "k_reciprocal": "lambda ix, q, k: pt.rank.k_reciprocal(ix, q, k)",
}


def _expansion(index: Index, queries: NDArray[np.float32], k: int, where: Any = None) -> SearchResult:
    return index.search(query_expansion(index, queries, where=where), k, where=where)


def _mmr(index: Index, queries: NDArray[np.float32], k: int) -> SearchResult:
    return mmr(index.search(queries, max(_DIVERSE_OF, k)), k, index=index)


BY_NEIGHBOURS: Mapping[str, Reranker] = {
    "k_reciprocal": k_reciprocal,
    "expansion": _expansion,
    "diffusion": diffusion,
}
NAMES = (*BY_NEIGHBOURS, "mmr", "augmentation")


def reranker_of(given: str | Reranker, index: Index) -> Reranker:
    """Give the function that a name stands for on an index, or the given one where it has the form.

    Raises:
        ValueError: For an unknown name.
        TypeError: For what cannot be called as ``(index, queries, k)``.
    """
    if callable(given):
        require_reranker(given)
        return given
    if given not in NAMES:
        raise ValueError(f"rerank: expected {', '.join(NAMES)} or a function (index, queries, k), got {given!r}")
    if given == "mmr":
        return _mmr
    if given == "augmentation":
        augmented = Index(index.dim)
        augmented.add(augment_database(index), ids=index.ids, show_progress_bar=False)
        return lambda _, queries, k: augmented.search(queries, k)
    return BY_NEIGHBOURS[given]


def require_reranker(function: Reranker, **keywords: Any) -> None:
    """Refuse a function that cannot be called as ``(index, queries, k)``, and say what to write instead."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # a builtin without one
        return
    name = str(getattr(getattr(function, "func", function), "__name__", "the function"))
    try:
        signature.bind(None, None, 1, **keywords)
        if name == "geometric":  # takes three of something else
            raise TypeError("it takes a result")
    except TypeError as error:
        example = _AS_LAMBDA.get(name, _AS_LAMBDA["k_reciprocal"])
        raise TypeError(
            f"rerank: expected a function (index, queries, k) -> SearchResult, got {name}{signature} ({error}); "
            f"write one, such as {example}"
        ) from None
