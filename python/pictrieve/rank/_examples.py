"""Marked examples: which vectors somebody wants and which not, by id or by the vector itself."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pictrieve._index_arguments import as_ids
from pictrieve.index import Index

Floats = NDArray[np.float32]
Key = int | bytes
"""An id of the index, or the bytes of a vector that is in none."""

METRICS = ("cosine", "ip")
_T = TypeVar("_T", bound=np.generic)


class Round(NamedTuple):
    """What one call of ``mark`` or ``unmark`` changed.

    Attributes:
        relevant: Ids that were marked as relevant.
        irrelevant: Ids that were marked as irrelevant.
        unmarked: Ids whose mark was taken back.
        vectors: How many vectors without an id were marked or unmarked.
    """

    relevant: tuple[int, ...] = ()
    irrelevant: tuple[int, ...] = ()
    unmarked: tuple[int, ...] = ()
    vectors: int = 0


class Question(NamedTuple):
    """An item worth asking about.

    Attributes:
        id: Of the item.
        score: Under the query so far.
        reason: Why it was chosen, in words.
    """

    id: int
    score: float
    reason: str


def require_products(index: Index) -> None:
    """Refuse metrics under which a direction does not rank."""
    if index.metric not in METRICS:
        raise ValueError(f"index: expected the metric cosine or ip, which rank by a direction, got {index.metric}")


def unit_rows(vectors: Any, dim: int | None, name: str) -> Floats:
    """Give float32 ``(dim,)`` or ``(n, dim)`` as a fresh matrix of unit rows; a row of zeros stays."""
    if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32 or vectors.ndim not in (1, 2):
        got = f"{vectors.dtype} {vectors.shape}" if isinstance(vectors, np.ndarray) else type(vectors).__name__
        raise ValueError(f"{name}: expected a float32 array (dim,) or (n, dim), got {got}")
    rows = np.atleast_2d(vectors)
    if dim is not None and rows.shape[1] != dim:
        raise ValueError(f"{name}: expected vectors of {dim} numbers, got {rows.shape[1]}")
    if not np.isfinite(rows).all():
        bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity in row {bad}")
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return np.ascontiguousarray(rows / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def index_rows(index: Index, ids: NDArray[np.int64]) -> Floats:
    """Read the vectors of ids, of unit length where the metric is the cosine."""
    rows = index.reconstruct(ids)
    return unit_rows(rows, None, "index") if index.metric == "cosine" else rows


def examples_of(given: ArrayLike | None, index: Index | None, dim: int | None, name: str) -> dict[Key, Floats]:
    """Tell ids from vectors and give each its row."""
    if given is None:
        return {}
    array = np.asarray(given)
    if array.dtype.kind in "iu" or array.size == 0:
        if index is None:
            raise ValueError(f"{name}: ids need an index; pass Feedback(index, ...), or mark vectors")
        ids = as_ids(np.atleast_1d(array), name)
        return dict(zip(ids.tolist(), index_rows(index, ids), strict=True)) if len(ids) else {}
    rows = unit_rows(given, dim, name)
    return {row.tobytes(): row for row in rows}


def pack(array: NDArray[_T]) -> str:
    """Write numbers as text, bit for bit."""
    return base64.b64encode(array.tobytes()).decode("ascii")


def unpack(text: str, dtype: type[_T]) -> NDArray[_T]:
    """Read what ``pack`` wrote; the array is fresh and writable."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype).copy()


def shown(keys: Iterable[Key]) -> str:
    """Name a few keys for a message."""
    names = [f"id {key}" if isinstance(key, int) else "a vector" for key in keys]
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def require_count(k: Any) -> None:
    """Refuse what is no number of results."""
    if not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k: expected a whole number of at least 1, got {k!r}")


def search_without(
    index: Index, query: Floats, k: int, where: ArrayLike | None, excluded: Iterable[int]
) -> tuple[NDArray[np.int64], Floats]:
    """Find the k best that are not excluded, by one search that leaves room for all that are."""
    require_count(k)
    out = np.fromiter(excluded, np.int64)
    ids, scores = index.search(query, int(k) + len(out), where=where)
    keep = ~np.isin(ids, out)
    return ids[keep][:k], scores[keep][:k]


def reason_of(score: float, boundary: float, likeness: float | None) -> str:
    """Say why an item is asked about."""
    text = f"score {score:.3f} is close to {boundary:.3f}, where relevant and irrelevant meet"
    return text if likeness is None else f"{text}; cosine to the questions before at most {likeness:.2f}"
