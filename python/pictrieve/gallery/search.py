"""From a query to hits: which channel, which vector, which items may match."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pictrieve.gallery.channels import ChannelIndex
from pictrieve.gallery.confidence import Confidence
from pictrieve.gallery.errors import GalleryError
from pictrieve.gallery.hits import Hit, Hits
from pictrieve.gallery.items import read_items, read_vectors
from pictrieve.gallery.query import Term
from pictrieve.gallery.ranking import Aim, Place, Ranking, diverse, places, ranked
from pictrieve.gallery.spaces import DUAL, FEATURES, Spaces
from pictrieve.gallery.store import Store
from pictrieve.gallery.terms import Part
from pictrieve.gallery.where import parse_where
from pictrieve.index import Index
from pictrieve.search_result import SearchResult

Floats = NDArray[np.float32]


class Searcher:
    """Answers queries on one open gallery."""

    def __init__(self, store: Store, spaces: Spaces, indexes: Mapping[str, ChannelIndex]) -> None:
        """Keep what a search needs; nothing is loaded."""
        self._store = store
        self._spaces = spaces
        self._indexes = indexes
        self._confidence = Confidence(store, spaces)

    @property
    def uuid(self) -> str:
        """The gallery's own."""
        return str(self._store.settings["uuid"])

    def index(self, channel: str) -> Index:
        """Give the index of a channel as of now."""
        if channel not in self._indexes:
            raise ValueError(f"channel: expected one of {', '.join(self._indexes)}, got {channel!r}")
        return self._indexes[channel].refresh()

    def require_own(self, state: Mapping[str, Any], version: int, keys: Sequence[str]) -> None:
        """Refuse a saved session or profile of another gallery or a newer version, or a damaged one."""
        if state.get("version") != version:
            raise ValueError(f"state: expected version {version}, got {state.get('version')!r}")
        if state.get("gallery") != self.uuid:
            raise GalleryError(f"gallery {self._store.directory}: what was saved belongs to another gallery")
        missing = [key for key in keys if key not in state]
        if missing:
            raise ValueError(f"state: expected what to_dict gives, got one without {', '.join(missing)}")

    def allowed(self, where: str | None) -> NDArray[np.int64] | None:
        """Give the ids that meet a condition; None where there is none."""
        if where is None:
            return None
        keys = [row[0] for row in self._store.rows("SELECT name FROM metadata_keys")]
        condition = parse_where(where, keys)
        rows = self._store.rows(f"SELECT id FROM items WHERE {condition.sql}", condition.parameters)
        return np.array([row[0] for row in rows], np.int64)

    def search(self, parts: Sequence[Part], options: Ranking) -> Hits:
        """Find the items nearest to the weighted sum of a part's terms; several parts are fused."""
        allowed = self.allowed(options.where)
        channels = [self._channel(part.terms) for part in parts]
        with self._store.snapshot():  # all channels of the same moment
            indexes = {channel: self.index(channel) for channel in channels}
        terms = [term for part in parts for term in part.terms]
        items = len(indexes[channels[0]]) if allowed is None else len(allowed)
        if items == 0 or len(indexes[channels[0]]) == 0:
            return Hits([], terms, channels[0])
        aims = [self._aim(part, channel, indexes[channel]) for part, channel in zip(parts, channels, strict=True)]
        found = ranked(aims, options, allowed)
        chosen, sure = self._confident(found, aims, items, options.min_confidence)
        if options.diversify is not None:
            plain = len(aims) == 1 and options.rerank is None
            chosen = diverse(chosen, options.k, aims[0].index, options.diversify, cosines=plain)
        chosen = SearchResult(chosen.ids[: options.k], chosen.scores[: options.k])
        main = max(aims, key=lambda aim: aim.weight)
        parts_of_scores = self._contributions(aims[0], chosen.ids) if len(aims) == 1 and options.rerank is None else {}
        return self.hits(chosen, terms, main.channel, main.query, parts_of_scores, sure, places(found))

    def hits(
        self,
        found: SearchResult,
        terms: Sequence[Term],
        channel: str,
        query: Floats | None = None,
        contributions: Mapping[int, tuple[float, ...]] | None = None,
        confidence: Mapping[int, float] | None = None,
        placed: Mapping[int, tuple[Place, ...]] | None = None,
    ) -> Hits:
        """Look up the items of a ranking; one that was deleted this moment is left out."""
        items = {item.id: item for item in read_items(self._store, found.ids.tolist())}
        hits = []
        for item_id, score in zip(found.ids.tolist(), found.scores.tolist(), strict=True):
            item = items.get(item_id)
            if item is None:
                continue
            where = (placed or {}).get(item_id, ())
            added = tuple(place.contribution for place in where) or (contributions or {}).get(item_id, ())
            sure = (confidence or {}).get(item_id)
            hits.append(Hit(item_id, score, item.path, item.text, item.metadata, item.width, item.height, added,
                            sure, where))  # fmt: skip
        return Hits(hits, terms, channel, query)

    def _aim(self, part: Part, channel: str, index: Index) -> Aim:
        """Add up the terms of a part."""
        vectors = np.stack([self._vector(term, channel) for term in part.terms])
        weights = np.array([term.weight for term in part.terms], np.float32)
        query = weights @ vectors
        length = np.float32(np.linalg.norm(query))
        if length < 1e-6:
            raise ValueError("query: its terms cancel each other out, nothing is left to search for")
        kinds = tuple("words" if term.kind == "text" else "item" for term in part.terms)
        return Aim(part.name, part.weight, channel, index, kinds, vectors, weights / length, query / length)

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

    def _contributions(self, aim: Aim, ids: NDArray[np.int64]) -> dict[int, tuple[float, ...]]:
        """Split the cosine of each item into what each term adds."""
        if not 0 < len(ids) <= 10_000:
            return {}
        order, rows = read_vectors(self._store, self._store.channels[aim.channel], ids.tolist())
        parts = (rows @ aim.vectors.T) * aim.shares
        return {item: tuple(row) for item, row in zip(order.tolist(), parts.tolist(), strict=True)}

    def _confident(
        self, found: SearchResult, aims: Sequence[Aim], items: int, least: float | None
    ) -> tuple[SearchResult, dict[int, float]]:
        """Drop what may well be chance, and give the confidence of the rest; no change where it was not asked for."""
        sure = None if least is None else self._confidence.of(aims, found.ids, items)
        if least is None or sure is None:
            return SearchResult(found.ids, found.scores), {}
        enough = sure >= least
        kept = found.ids[enough]
        return SearchResult(kept, found.scores[enough]), dict(zip(kept.tolist(), sure[enough].tolist(), strict=True))
