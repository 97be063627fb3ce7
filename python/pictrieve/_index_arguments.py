"""Arguments of `pictrieve.index`, checked: matrices as they are, ids and masks converted."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Set
from typing import Any, Protocol, SupportsFloat, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pictrieve import _core
from pictrieve.sizes import as_bytes

AnyIds: TypeAlias = ArrayLike | Set[int]
Where: TypeAlias = AnyIds | Callable[[NDArray[np.int64]], ArrayLike] | None

EFFORTS = ("efSearch", "nprobe", "kFactor")
_NOTHING_CHOSEN = _core.SearchParams(0, 0, 0)  # made once: searching a thousand short vectors takes five times as long
MOST = 2**31 - 1  # that the core's int holds


class HasIds(Protocol):
    """What a predicate is asked about."""

    @property
    def ids(self) -> NDArray[np.int64]:
        """``(n,)`` int64."""


def whole_number(name: str, value: object, least: int, most: int = 2**63 - 1) -> int:
    """Take Python's and NumPy's integers between two bounds; refuse 3.0, "3", True and None."""
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"{name}: expected a whole number, got {value!r}")
    number = operator.index(value)
    if number < least:
        raise ValueError(f"{name}: expected at least {least}, got {number}")
    if number > most:
        raise ValueError(f"{name}: expected at most {most}, got {number}")
    return number


def real_number(name: str, value: object) -> float:
    """Take any number; refuse "0.5", None and arrays."""
    if isinstance(value, (bool, np.ndarray, np.bool_)) or not isinstance(value, SupportsFloat):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    return float(value)


def known_params(params: Mapping[str, int] | None, names: tuple[str, ...]) -> dict[str, int]:
    """Refuse parameters that would otherwise do nothing, and values that are none."""
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        raise TypeError(f'params: expected a dict such as {{"{names[0]}": 64}}, got {params!r}')
    unknown = sorted(str(name) for name in params if name not in names)
    if unknown:
        raise ValueError(f"params: expected some of {', '.join(names)}, got {', '.join(unknown)}")
    return {name: _param(name, value) for name, value in params.items()}


def _param(name: str, value: Any) -> int:
    if name == "maxMemory":
        return as_bytes(value, name)
    if name == "exact":
        return whole_number(name, int(value) if isinstance(value, bool) else value, 0, 1)
    return whole_number(name, value, 1, MOST)


def search_params(chosen: Mapping[str, int]) -> _core.SearchParams:
    """Give the core's parameters; what is not chosen stays at the index's default."""
    return _core.SearchParams(*(chosen.get(name, 0) for name in EFFORTS)) if chosen else _NOTHING_CHOSEN


def dtype_name(dtype: object) -> str:
    """Give the name of a dtype: "float16", ``np.float16`` and ``np.dtype("float16")`` are one."""
    if isinstance(dtype, str):
        return dtype
    try:
        if dtype is None:  # NumPy's float64
            raise TypeError
        return np.dtype(dtype).name  # type: ignore[call-overload, no-any-return]
    except TypeError:
        raise TypeError(f'dtype: expected a name such as "float32" or a NumPy dtype, got {dtype!r}') from None


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
    if array.size == 0 and array.ndim == 1:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise ValueError(f"{name}: expected integers of shape (n,), got {array.dtype} {array.shape}")
    if array.dtype == np.uint64 and array.max(initial=0) > np.iinfo(np.int64).max:
        raise ValueError(f"{name}: expected values below 2**63, got {array.max()}")
    return np.ascontiguousarray(array, dtype=np.int64)


def as_any_ids(ids: AnyIds, name: str) -> NDArray[np.int64]:
    """Convert integers whose order is nobody's business: also those of a set or of a dict's keys, ascending."""
    return np.sort(as_ids(list(ids), name)) if isinstance(ids, Set) else as_ids(ids, name)


def as_true_ids(true_ids: ArrayLike, queries: int, k: int) -> NDArray[np.int64]:
    """Take the first k columns of what an index of the vectors found."""
    array = np.asarray(true_ids)
    if array.dtype.kind not in "iu" or array.ndim != 2 or len(array) != queries or array.shape[1] < k:
        raise ValueError(
            f"true_ids: expected integers of shape ({queries}, {k}), one row a query and at least that many columns, "
            f"got {array.dtype} {array.shape}; take vectors_index.search(queries, {k}).ids"
        )
    return array[:, :k].astype(np.int64)


def as_out(
    out: tuple[NDArray[np.int64], NDArray[np.float32]], single: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Give the caller's arrays as matrices."""
    pair = isinstance(out, (tuple, list)) and len(out) == 2
    if not pair or not all(isinstance(one, np.ndarray) for one in out):
        got = f"({', '.join(type(one).__name__ for one in out)})" if pair else type(out).__name__
        raise TypeError(f"out: expected two arrays, (ids int64, scores float32), got {got}")
    ids, scores = out
    return (ids[np.newaxis], scores[np.newaxis]) if single else (ids, scores)


def as_where(where: Where, index: HasIds) -> tuple[NDArray[np.int64] | None, NDArray[np.uint8] | None]:
    """Tell allowed ids from a boolean mask; ask a predicate for its mask, and take the ids that it allows."""
    if where is None:
        return None, None
    if callable(where):
        return _allowed_by(where, index.ids), None
    if isinstance(where, Set):
        return as_any_ids(where, "where"), None
    allowed = np.asarray(where)
    if allowed.dtype != np.bool_:
        ids = as_ids(allowed, "where")
        few = 1 < len(ids) != len(np.unique(ids)) <= 2
        if few and ids.min() >= 0 and ids.max() <= 1 and len(ids) == len(index.ids):
            raise ValueError(
                f"where: expected ids or a boolean mask, got {len(ids)} integers 0 and 1, one for each item, which "
                "looks like a mask; pass mask.astype(bool)"
            )
        return ids, None
    if allowed.ndim != 1:
        raise ValueError(f"where: expected a mask of shape (n,), got {allowed.shape}")
    return None, np.ascontiguousarray(allowed).view(np.uint8)


def _allowed_by(where: Callable[[NDArray[np.int64]], ArrayLike], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ids and not a mask: an item that another thread removes meanwhile would shift a mask."""
    mask = np.asarray(where(ids))
    if mask.dtype != np.bool_ or mask.shape != ids.shape:
        raise ValueError(
            f"where: expected a boolean mask of the ids, {ids.shape}, from the predicate, got {mask.dtype} {mask.shape}"
        )
    allowed: NDArray[np.int64] = ids[mask]
    return allowed
