"""From what users have (ids, sets, dicts, labels, matrices) to the core's lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

IdLists = tuple[NDArray[np.int64], NDArray[np.int64]]
Relevant = Sequence[Iterable[int] | Mapping[int, float]]


class Level(NamedTuple):
    """Lists of relevant gallery rows, and which of them each query has; the core takes it as a tuple."""

    lists: IdLists
    gains: NDArray[np.float64] | None
    gain: float
    list_of_query: NDArray[np.int64]


def whole_numbers(ids: Any, name: str) -> NDArray[np.int64]:
    """Refuse ids that are not whole numbers."""
    array = np.asarray(ids)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected ids that are whole numbers, got {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.int64)


def lists_of(lists: Any, name: str) -> IdLists:
    """Pack lists of ids, one after another."""
    if isinstance(lists, np.ndarray):
        if lists.ndim != 2:
            raise ValueError(f"{name}: expected (n, k) or a list of lists, got shape {lists.shape}")
        offsets = np.arange(lists.shape[0] + 1, dtype=np.int64) * lists.shape[1]
        return whole_numbers(lists, name).ravel(), offsets
    arrays = [whole_numbers(ids if isinstance(ids, np.ndarray) else list(ids), name) for ids in lists]
    if any(array.ndim != 1 for array in arrays):
        raise ValueError(f"{name}: expected a list of lists of ids")
    offsets = np.zeros(len(arrays) + 1, dtype=np.int64)
    np.cumsum([len(array) for array in arrays], out=offsets[1:])
    return np.concatenate([*arrays, np.empty(0, np.int64)]), offsets


def relevant_of(relevant: Any) -> tuple[IdLists, NDArray[np.float64] | None]:
    """Pack relevant ids in rising order, and their gains where any query has gains."""
    if isinstance(relevant, str | Mapping):
        raise TypeError(f"relevant: expected a list with one set or dict for each query, got {type(relevant).__name__}")
    if not any(isinstance(ids, Mapping) for ids in relevant):
        return lists_of([np.unique(whole_numbers(list(ids), "relevant")) for ids in relevant], "relevant"), None
    dicts = [dict(ids) if isinstance(ids, Mapping) else dict.fromkeys(ids, 1.0) for ids in relevant]
    for query, gains in enumerate(dicts):
        for item, gain in gains.items():
            if not (np.isfinite(gain) and gain >= 0):
                raise ValueError(f"relevant: expected gains from 0, got {gain} for id {item} of query {query}")
    kept = [sorted((item, float(gain)) for item, gain in gains.items() if gain > 0) for gains in dicts]
    flat = np.array([gain for pairs in kept for _, gain in pairs], dtype=np.float64)
    return lists_of([[item for item, _ in pairs] for pairs in kept], "relevant"), flat


def junk_of(junk: Sequence[Iterable[int]] | None, query_ids: Any, queries: int) -> IdLists | None:
    """Pack what each query does not see: junk, and itself where `query_ids` says who it is."""
    if query_ids is None:
        return None if junk is None else lists_of([sorted(set(ids)) for ids in junk], "junk")
    own = whole_numbers(query_ids, "query_ids")
    if own.shape != (queries,):
        raise ValueError(f"query_ids: expected one id for each of {queries} queries, got shape {own.shape}")
    if junk is not None and len(junk) != queries:
        raise ValueError(f"junk: expected one set for each of {queries} queries, got {len(junk)}")
    sets = [set()] * queries if junk is None else [set(ids) for ids in junk]
    return lists_of([sorted(ids | {int(one)}) for ids, one in zip(sets, own, strict=True)], "junk")


def without_own(relevant: Relevant, query_ids: Any) -> Relevant:
    """Take each query's own id out of what is relevant to it."""
    return [
        {item: gain for item, gain in ids.items() if item != own}
        if isinstance(ids, Mapping)
        else [item for item in ids if item != own]
        for ids, own in zip(relevant, np.asarray(query_ids).tolist(), strict=True)
    ]


def label_levels(
    labels: Any, gallery_labels: Any, queries: int, items: int, gains: Sequence[float] | None
) -> list[Level]:
    """Lists of each class for one column of labels, or for several from the finest to the coarsest."""
    ours, theirs = _columns(labels, queries, "labels"), _columns(gallery_labels, items, "gallery_labels")
    if len(ours) != len(theirs):
        raise ValueError(f"gallery_labels: expected {len(ours)} columns like labels, got {len(theirs)}")
    if gains is None:
        gains = [float(rest) for rest in range(len(ours), 0, -1)]
    if len(gains) != len(ours) or not all(np.isfinite(gain) and gain > 0 for gain in gains):
        raise ValueError(f"gains: expected {len(ours)} numbers above 0, one for each column of labels, got {gains}")
    return [_classes(a, b, float(gain)) for a, b, gain in zip(ours, theirs, gains, strict=True)]


def finest(labels: Any, rows: int) -> NDArray[Any]:
    """The first column of labels."""
    return _columns(labels, rows, "labels")[0]


def _columns(labels: Any, rows: int, name: str) -> list[NDArray[Any]]:
    if isinstance(labels, np.ndarray) and labels.ndim == 2:
        columns = list(labels.T)
    elif isinstance(labels, np.ndarray) or not (len(labels) and np.ndim(labels[0]) == 1):
        columns = [np.asarray(labels)]
    else:
        columns = [np.asarray(column) for column in labels]
    columns = [_typed(column, name) if column.dtype.kind == "O" else column for column in columns]
    for column in columns:
        if column.shape != (rows,):
            raise ValueError(f"{name}: expected {rows} labels, one for each row, got shape {column.shape}")
        if column.dtype.kind not in "iubUS":
            raise TypeError(f"{name}: expected whole numbers or text, got {column.dtype}")
    return columns


def _typed(column: NDArray[Any], name: str) -> NDArray[Any]:
    """Give Python objects the type that they share."""
    kind = str if column.size and isinstance(column.flat[0], str) else int | np.integer
    for row, label in enumerate(column.flat):
        if not isinstance(label, kind):
            wanted = "text" if kind is str else "whole numbers (below 0: no label) or text"
            raise TypeError(f"{name}: expected {wanted} alone, got {label!r} in row {row}")
    return np.array(column.tolist())


def _classes(ours: NDArray[Any], theirs: NDArray[Any], gain: float) -> Level:
    if (ours.dtype.kind in "US") != (theirs.dtype.kind in "US"):
        raise TypeError(f"gallery_labels: expected labels like those of the queries, {ours.dtype}, got {theirs.dtype}")
    names, numbers = np.unique(np.concatenate([ours, theirs]), return_inverse=True)
    numbers = numbers.astype(np.int64).ravel()
    if names.dtype.kind == "i":
        numbers[np.concatenate([ours, theirs]) < 0] = -1  # no label: relevant to nothing
    of_query, of_item = numbers[: len(ours)].copy(), numbers[len(ours) :]
    labelled = np.flatnonzero(of_item >= 0)
    order = labelled[np.argsort(of_item[labelled], kind="stable")].astype(np.int64)
    offsets = np.zeros(len(names) + 1, dtype=np.int64)
    np.cumsum(np.bincount(of_item[labelled], minlength=len(names)), out=offsets[1:])
    return Level((order, offsets), None, gain, of_query)


def relevance_level(relevant: Any, queries: int, items: int) -> Level:
    """One list for each query, from sets or dicts of gallery rows, or from a matrix `(queries, items)` of gains."""
    if hasattr(relevant, "tocsr") or (isinstance(relevant, np.ndarray) and relevant.ndim == 2):
        lists, gains = _from_matrix(relevant, (queries, items))
    else:
        lists, gains = relevant_of(relevant)
    if len(lists[1]) - 1 != queries:
        raise ValueError(f"relevant: expected one set for each of {queries} queries, got {len(lists[1]) - 1}")
    return Level(lists, gains, 1.0, np.arange(queries, dtype=np.int64))


def _from_matrix(matrix: Any, shape: tuple[int, int]) -> tuple[IdLists, NDArray[np.float64] | None]:
    if matrix.shape != shape:
        raise ValueError(f"relevant: expected a matrix {shape}, got {matrix.shape}")
    rows, columns = (part.astype(np.int64) for part in matrix.nonzero())
    order = np.lexsort((columns, rows))
    rows, columns = rows[order], columns[order]
    gains = np.asarray(matrix[rows, columns], dtype=np.float64).ravel()
    if not (np.isfinite(gains) & (gains > 0)).all():
        raise ValueError("relevant: expected gains from 0 in the matrix, got a negative one, NaN or infinity")
    offsets = np.zeros(shape[0] + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=shape[0]), out=offsets[1:])
    return (columns, offsets), None if np.all(gains == 1) else gains
