"""From the arguments of a search to its terms, and to the parts that are ranked apart and fused."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from pictrieve.gallery.hits import Hit
from pictrieve.gallery.profile import GalleryProfile
from pictrieve.gallery.query import Term, parse_query

NEGATIVE = "negative"


@dataclass(frozen=True)
class Part:
    """Terms that are added up and searched for together.

    Attributes:
        name: The argument that they came from, such as "image"; "sum" where all arguments make one part.
        terms: Wanted and unwanted ones.
        weight: Of the part beside the others.
    """

    name: str
    terms: list[Term]
    weight: float = 1.0


def parts_of(query: Any, arguments: Mapping[str, Any], weights: Any, fusion: str | None = None) -> list[Part]:
    """Collect what a search asks for: one sum of all terms, or parts where they have weights or a fusion is named.

    Raises:
        ValueError: Nothing is asked for, everything is unwanted, weights do not fit, or there is one part to fuse.
        TypeError: Weights are no numbers.
    """
    given = {name: value for name, value in (("query", query), *arguments.items()) if value is not None}
    groups = {name: _group(name, value) for name, value in given.items()}
    if fusion is not None:
        weights = _fusible({} if weights is None else weights, groups)
    if isinstance(weights, Mapping):
        parts = _weighted_parts(groups, weights)
    else:
        terms = [term for group in groups.values() for term in group]
        parts = [Part("sum", terms if weights is None else _weighted_terms(terms, weights))]
    if not parts or not parts[0].terms:
        raise ValueError("search: expected a query: words, a picture (image=), text= or vector=")
    for part in parts:
        if all(term.weight <= 0 for term in part.terms):
            raise ValueError("query: expected at least one term that is wanted, got only negative ones")
    return parts


def _fusible(weights: Any, groups: Mapping[str, list[Term]]) -> Mapping[str, float]:
    """Refuse a fusion that would do nothing."""
    wanted = [name for name in groups if name != NEGATIVE]
    if not isinstance(weights, Mapping):
        raise ValueError(
            f"fusion: expected weights by part, such as {{'image': 0.7, 'text': 0.3}}, got {weights!r:.80}"
        )
    if len(wanted) == 1:
        raise ValueError(f"fusion: expected several of query, image=, text= and vector= to fuse, got {wanted[0]} alone")
    return weights


def _factor(weight: Any) -> float:
    if not isinstance(weight, Real) or isinstance(weight, bool):
        raise TypeError(f"weights: expected numbers, got {weight!r:.80}")
    return float(weight)


def _weighted_terms(terms: Sequence[Term], weights: Any) -> list[Term]:
    if isinstance(weights, str) or np.ndim(weights) != 1:
        raise TypeError(f"weights: expected a number for each term, or a dict from part to number, got {weights!r:.80}")
    if len(weights) != len(terms):
        raise ValueError(f"weights: expected one for each of the {len(terms)} terms, got {len(weights)}")
    return [Term(t.kind, t.value, t.weight * _factor(w), t.label) for t, w in zip(terms, weights, strict=True)]


def _weighted_parts(groups: Mapping[str, list[Term]], weights: Mapping[str, float]) -> list[Part]:
    """Make a part of each argument; what is not wanted is taken off each of them."""
    unknown = set(weights) - set(groups)
    if unknown:
        raise ValueError(f"weights: no part {sorted(unknown)} in this query, which has {sorted(groups)}")
    factors = {name: _factor(weights.get(name, 1.0)) for name in groups}
    if any(not 0 <= factor < float("inf") for factor in factors.values()):
        raise ValueError(f"weights: expected numbers from 0, got {dict(weights)}; what is not wanted goes to negative=")
    away = [Term(t.kind, t.value, t.weight * factors[NEGATIVE], t.label) for t in groups.get(NEGATIVE, [])]
    wanted = [name for name in groups if name != NEGATIVE]
    if wanted and not any(factors[name] for name in wanted):
        raise ValueError(f"weights: expected one above 0, got {dict(weights)}")
    return [Part(name, [*groups[name], *away], factors[name]) for name in wanted if factors[name] > 0]


def _group(name: str, value: Any) -> list[Term]:
    if name == NEGATIVE:
        values = value if isinstance(value, list | tuple) else [value]
        return [term for one in values for term in _query_terms(one, -1.0)]
    if name == "query":
        return _query_terms(value, 1.0)
    if name == "vector" and isinstance(value, GalleryProfile):
        return _query_terms(value, 1.0)
    if name == "vector":  # a list of numbers is one vector, not many
        values = [value] if np.ndim(value) == 1 else list(value)
    else:
        values = value if isinstance(value, list | tuple) else [value]
    if name == "text":
        _require_words(values)
    return [Term(name, one, 1.0, _label(name, one)) for one in values]


def _require_words(texts: Sequence[Any]) -> None:
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"text: expected words as str, got {type(text).__name__}")
        if not text.strip():
            raise ValueError("text: expected words, got an empty text")


def _query_terms(value: Any, sign: float) -> list[Term]:
    if isinstance(value, str):
        return parse_query(value, sign)
    if isinstance(value, GalleryProfile):
        return [Term("vector", value.vector(), sign, "(profile)")]
    is_vector = isinstance(value, np.ndarray) and value.ndim == 1
    kind = "vector" if is_vector else "image"
    return [Term(kind, value, sign, _label(kind, value))]


def _label(kind: str, value: Any) -> str:
    if isinstance(value, Hit):
        return value.name
    return os.fsdecode(value) if isinstance(value, str | os.PathLike) else f"({kind})"
