"""The items that a log of marks names: found by their ids, and looked at once."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pictrieve.datasets import Dataset
from pictrieve.encoders import ImageEncoder
from pictrieve.encoders.rows import Floats
from pictrieve.finetune.marks import Id, Judgement

Items = Mapping[Id, Any] | Dataset | Sequence[Any] | Floats
_NAMED = 5  # ids in a message


def cached(encoder: ImageEncoder, searches: Sequence[Judgement], items: Items) -> tuple[list[Judgement], Floats]:
    """Look at every item of a log once.

    Args:
        encoder: What looks; its projection is left out.
        searches: The log.
        items: Pictures by id, or a data set or list of them, or vectors.

    Returns:
        The log with row numbers instead of ids, and the `(m, d)` unit vectors of these rows.

    Raises:
        ValueError: Ids are unknown, or vectors have another length than the encoder's.
    """
    named: dict[Id, None] = {}
    for search in searches:
        named.update(dict.fromkeys([search.query] if search.query is not None else []))
        named.update(dict.fromkeys((*search.relevant, *search.irrelevant)))
    keys, pictures = _places(items)
    places = {name: _key(name, keys) for name in named}
    unknown = [str(name) for name, place in places.items() if place is None]
    if unknown:
        more = ", ..." if len(unknown) > _NAMED else ""
        raise ValueError(f"log: {len(unknown)} of {len(named)} ids are unknown: {', '.join(unknown[:_NAMED])}{more}")
    order = sorted({place for place in places.values() if place is not None})
    row = {place: i for i, place in enumerate(order)}
    number = {name: row[place] for name, place in places.items() if place is not None}
    rows = _rows(encoder, pictures, order)
    return [_numbered(search, number) for search in searches], rows


def _places(items: Items) -> tuple[Mapping[Any, int], Any]:
    """Give the place of each id, and what lies at the places."""
    if isinstance(items, Mapping):
        return {key: i for i, key in enumerate(items)}, list(items.values())
    if isinstance(items, Dataset):
        by_name = {str(part): i for i, path in enumerate(items.paths) for part in (path.name, path)}
        return {**by_name, **{i: i for i in range(len(items))}}, items.images()
    return {i: i for i in range(len(items))}, items


def _key(name: Id, keys: Mapping[Any, int]) -> int | None:
    """Find an id; files have numbers as text."""
    if name in keys:
        return keys[name]
    return keys.get(int(name)) if isinstance(name, str) and name.isdecimal() else keys.get(str(name))


def _rows(encoder: ImageEncoder, pictures: Any, order: Sequence[int]) -> Floats:
    plain = copy.copy(encoder)
    plain._core = plain._assemble(None)
    if isinstance(pictures, np.ndarray) and pictures.ndim == 2:
        if pictures.shape[1] != plain.dim or pictures.dtype != np.float32:
            raise ValueError(
                f"items: expected float32 (n, {plain.dim}), vectors of the encoder without a projection, got "
                f"{pictures.dtype} {pictures.shape}"
            )
        found = pictures[list(order)]
        rows: Floats = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.float32(1e-30))
        return rows
    encoded: Floats = plain.encode([pictures[place] for place in order])
    return encoded


def _numbered(search: Judgement, number: Mapping[Id, int]) -> Judgement:
    query = None if search.query is None else number[search.query]
    relevant, irrelevant = (tuple(number[one] for one in ids) for ids in (search.relevant, search.irrelevant))
    return Judgement(query, relevant, irrelevant)
