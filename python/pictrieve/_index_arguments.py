"""Arguments of `pictrieve.index`, checked: matrices as they are, ids and masks converted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pictrieve import _core

Where: TypeAlias = ArrayLike | Callable[[NDArray[np.int64]], ArrayLike] | None


class HasIds(Protocol):
    """What a predicate is asked about."""

    @property
    def ids(self) -> NDArray[np.int64]:
        """``(n,)`` int64."""


def known_params(params: Mapping[str, int] | None, names: tuple[str, ...]) -> dict[str, int]:
    """Refuse parameters that would otherwise do nothing."""
    unknown = sorted(set(params or {}) - set(names))
    if unknown:
        raise ValueError(f"params: expected some of {', '.join(names)}, got {', '.join(unknown)}")
    return dict(params or {})


def search_params(chosen: Mapping[str, int]) -> _core.SearchParams:
    """Give the core's parameters; what is not chosen stays at the index's default."""
    for name in ("efSearch", "nprobe", "kFactor"):
        if name in chosen and chosen[name] < 1:
            raise ValueError(f"{name}: expected at least 1, got {chosen[name]}")
    return _core.SearchParams(chosen.get("efSearch", 0), chosen.get("nprobe", 0), chosen.get("kFactor", 0))


def as_rows(x: object, name: str) -> NDArray[Any]:
    """Refuse what is not an array: a list or a tensor would be copied without anyone seeing it."""
    if not isinstance(x, np.ndarray):
        raise TypeError(
            f"{name}: expected a float32 array (n, dim), got {type(x).__name__}; "
            f"convert with np.ascontiguousarray({name}, dtype=np.float32)"
        )
    return x


def as_queries(x: object) -> tuple[NDArray[Any], bool]:
    """Give queries as a matrix, and whether it was one 1-D query."""
    queries = as_rows(x, "queries")
    return (queries[np.newaxis], True) if queries.ndim == 1 else (queries, False)


def as_ids(ids: ArrayLike, name: str) -> NDArray[np.int64]:
    """Convert any integers to int64."""
    array = np.asarray(ids)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise ValueError(f"{name}: expected integers of shape (n,), got {array.dtype} {array.shape}")
    if array.dtype == np.uint64 and array.max(initial=0) > np.iinfo(np.int64).max:
        raise ValueError(f"{name}: expected values below 2**63, got {array.max()}")
    return np.ascontiguousarray(array, dtype=np.int64)


def as_out(
    out: tuple[NDArray[np.int64], NDArray[np.float32]], single: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Give the caller's arrays as matrices."""
    ids, scores = out
    return (ids[np.newaxis], scores[np.newaxis]) if single else (ids, scores)


def as_where(where: Where, index: HasIds) -> tuple[NDArray[np.int64] | None, NDArray[np.uint8] | None]:
    """Tell allowed ids from a boolean mask; ask a predicate for its mask."""
    if where is None:
        return None, None
    if callable(where):
        allowed = np.asarray(where(index.ids))
        if allowed.dtype != np.bool_:
            raise ValueError(f"where: expected the predicate to give a boolean mask of the ids, got {allowed.dtype}")
    else:
        allowed = np.asarray(where)
    if allowed.dtype != np.bool_:
        return as_ids(allowed, "where"), None
    if allowed.ndim != 1:
        raise ValueError(f"where: expected a mask of shape (n,), got {allowed.shape}")
    return None, np.ascontiguousarray(allowed).view(np.uint8)
