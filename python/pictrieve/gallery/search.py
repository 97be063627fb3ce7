"""From a query to hits: which channel, which vector, which items may match."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pictrieve.gallery.channels import ChannelIndex
from pictrieve.gallery.errors import GalleryError
from pictrieve.gallery.hits import Hit, Hits
from pictrieve.gallery.items import read_items, read_vectors
from pictrieve.gallery.query import Term, parse_query
from pictrieve.gallery.spaces import DUAL, FEATURES, Spaces
from pictrieve.gallery.store import Store
from pictrieve.gallery.where import parse_where

Floats = NDArray[np.float32]
_SAMPLE = 2000  # items that stand for the unrelated ones in a confidence


@dataclass(frozen=True)
class SearchOptions:
    """What is asked of a search beside the query."""

    k: int = 10
    where: str | None = None
    min_confidence: float | None = None


def terms_of(query: Any, parts: Mapping[str, Any], weights: Any) -> list[Term]:
    """Collect the terms of a query in the order query, image, text, vector, negative, with their weights."""
    terms: list[Term] = []
    groups: dict[str, list[Term]] = {}
    for name, value in (("query", query), *parts.items()):
        if value is not None:
            groups[name] = _group(name, value)
    for name, group in groups.items():
        factor = float(weights.get(name, 1.0)) if isinstance(weights, Mapping) else 1.0
        terms += [Term(t.kind, t.value, t.weight * factor, t.label) for t in group]
    if isinstance(weights, Mapping):
        unknown = set(weights) - set(groups)
        if unknown:
            raise ValueError(f"weights: no part {sorted(unknown)} in this query, which has {sorted(groups)}")
    elif weights is not None:
        if len(weights) != len(terms):
            raise ValueError(f"weights: expected one for each of the {len(terms)} terms, got {len(weights)}")
        terms = [Term(t.kind, t.value, t.weight * float(w), t.label) for t, w in zip(terms, weights, strict=True)]
    if not terms:
        raise ValueError("search: expected a query: words, a picture (image=), text= or vector=")
    if all(term.weight <= 0 for term in terms):
        raise ValueError("query: expected at least one term that is wanted, got only negative ones")
    return terms


def _group(name: str, value: Any) -> list[Term]:
    if name == "negative":
        values = value if isinstance(value, list | tuple) else [value]
        return [term for one in values for term in _query_terms(one, -1.0)]
    if name == "query":
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
    is_vector = isinstance(value, np.ndarray) and value.ndim == 1
    kind = "vector" if is_vector else "image"
    return [Term(kind, value, sign, _label(kind, value))]


def _label(kind: str, value: Any) -> str:
    if isinstance(value, Hit):
        return value.name
    return os.fsdecode(value) if isinstance(value, str | os.PathLike) else f"({kind})"


class Searcher:
    """Answers queries on one open gallery."""

    def __init__(self, store: Store, spaces: Spaces, indexes: Mapping[str, ChannelIndex]) -> None:
        """Keep what a search needs; nothing is loaded."""
        self._store = store
        self._spaces = spaces
        self._indexes = indexes

    def search(self, terms: Sequence[Term], options: SearchOptions) -> Hits:
        """Find the items nearest to the weighted sum of the terms."""
        if not isinstance(options.k, int | np.integer) or options.k < 1:
            raise ValueError(f"k: expected a whole number of at least 1, got {options.k!r}")
        if options.min_confidence is not None and not 0 <= options.min_confidence <= 1:
            raise ValueError(f"min_confidence: expected 0 to 1, got {options.min_confidence}")
        allowed = None if options.where is None else self._allowed(options.where)
        channel = self._channel(terms)
        index = self._indexes[channel].refresh()
        if len(index) == 0 or (allowed is not None and len(allowed) == 0):
            return Hits([], terms, channel)
        vectors = np.stack([self._vector(term, channel) for term in terms])
        weights = np.array([term.weight for term in terms], np.float32)
        query = weights @ vectors
        length = float(np.linalg.norm(query))
        if length < 1e-6:
            raise ValueError("query: its terms cancel each other out, nothing is left to search for")
        query /= np.float32(length)
        ids, scores = index.search(query, min(int(options.k), len(index)), where=allowed)
        if options.min_confidence is not None:
            sure = self._confidence(channel, query, scores) >= options.min_confidence
            ids, scores = ids[sure], scores[sure]
        parts = self._contributions(channel, ids, vectors, weights / np.float32(length))
        return self._hits(ids, scores, parts, terms, channel)

    def _channel(self, terms: Sequence[Term]) -> str:
        """Pictures alone are compared by their features; as soon as words take part, in the dual space."""
        if any(term.kind == "text" for term in terms):
            if DUAL not in self._indexes:
                self._spaces.encode_text_query("")  # raises what this gallery lacks
            return DUAL
        vectors = [term for term in terms if term.kind == "vector"]
        if vectors:
            size = np.asarray(vectors[0].value).size
            for name, index in self._indexes.items():
                if index.channel.dim == size:
                    return name
            dims = {name: index.channel.dim for name, index in self._indexes.items()}
            raise ValueError(f"vector: expected as many numbers as a channel of this gallery has {dims}, got {size}")
        return FEATURES

    def _vector(self, term: Term, channel: str) -> Floats:
        if term.kind == "text":
            return self._spaces.encode_text_query(str(term.value))
        if term.kind == "vector":
            return self._own_vector(term.value, channel)
        if isinstance(term.value, Hit):
            ids, vectors = read_vectors(self._store, self._store.channels[channel], [term.value.id])
            if len(ids) == 0:
                raise GalleryError(f"item {term.value.id} is not in gallery {self._store.directory} any more")
            return cast(Floats, vectors[0])
        return self._spaces.encode_image_query(term.value, channel)

    def _own_vector(self, value: Any, channel: str) -> Floats:
        vector = np.asarray(value, np.float32).reshape(-1)
        dim = self._store.channels[channel].dim
        if vector.size != dim:
            raise ValueError(f"vector: expected {dim} numbers as channel {channel!r} has, got {vector.size}")
        length = float(np.linalg.norm(vector))
        if not math.isfinite(length) or length == 0.0:
            raise ValueError("vector: expected finite numbers that are not all zero")
        return cast(Floats, vector / np.float32(length))

    def _allowed(self, where: str) -> NDArray[np.int64]:
        keys = [row[0] for row in self._store.rows("SELECT name FROM metadata_keys")]
        condition = parse_where(where, keys)
        rows = self._store.rows(f"SELECT id FROM items WHERE {condition.sql}", condition.parameters)
        return np.array([row[0] for row in rows], np.int64)

    def _confidence(self, channel: str, query: Floats, scores: Floats) -> NDArray[np.float64]:
        """Give the chance that no unrelated item of a gallery of this size would score as high.

        The best tenth of a sample's scores is taken as an exponential tail (the peaks-over-threshold method, Pickands
        1975): in the space of words scores have heavier tails than a normal distribution. Its median excess gives the
        scale, so that a few related items do not.
        """
        rows = self._store.rows("SELECT id FROM items ORDER BY (id * 2654435761) % 4294967296 LIMIT ?", (_SAMPLE,))
        _, vectors = read_vectors(self._store, self._store.channels[channel], [row[0] for row in rows])
        sample = vectors @ query
        threshold = float(np.quantile(sample, 0.9))
        excess = sample[sample > threshold] - threshold
        scale = max(float(np.median(excess)) / math.log(2), 1e-6) if len(excess) else 1e-6
        above = 0.1 * np.exp(-(np.maximum(scores, threshold) - threshold) / scale)
        count = int(self._store.value("SELECT count(*) FROM items"))
        return cast(NDArray[np.float64], np.exp(-count * above))

    def _contributions(self, channel: str, ids: NDArray[np.int64], vectors: Floats, shares: Floats) -> Floats:
        if len(shares) == 1 or not 0 < len(ids) <= 10_000:
            return np.empty((0, 0), np.float32)
        order, rows = read_vectors(self._store, self._store.channels[channel], ids.tolist())
        if len(order) != len(ids):  # deleted by another process this moment
            return np.empty((0, 0), np.float32)
        parts = (rows @ vectors.T) * shares
        parts = parts[np.searchsorted(order, ids)]
        return parts.astype(np.float32)

    def _hits(self, ids: Any, scores: Any, parts: Floats, terms: Sequence[Term], channel: str) -> Hits:
        items = {item.id: item for item in read_items(self._store, ids.tolist())}
        hits = []
        for i, (item_id, score) in enumerate(zip(ids.tolist(), scores.tolist(), strict=True)):
            item = items.get(item_id)
            if item is not None:
                contributions = tuple(parts[i].tolist()) if len(parts) else (score,)
                hits.append(Hit(item_id, score, item.path, item.text, item.metadata, item.width, item.height,
                                contributions))  # fmt: skip
        return Hits(hits, terms, channel)
