"""Splits that come out the same on every machine, and keep what belongs together on one side."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictrieve.datasets.columns import check_length, is_nothing, number_by_value
from pictrieve.datasets.dataset import Dataset

_BLOCK = 1024  # rows compared at a time


def split(
    ds: Dataset,
    fractions: Mapping[str, float],
    by: str = "label",
    *,
    seed: int = 0,
    groups: Any = None,
    embeddings: NDArray[Any] | None = None,
    threshold: float = 0.95,
    id_column: str | None = None,
) -> Dataset:
    """Give each picture a split. The outcome depends on the ids of the pictures and the seed, not on their order.

    Args:
        ds: The data set; splits that it has are replaced.
        fractions: Share of the pictures by the name of the split, e.g. `{"train": 0.8, "test": 0.2}`; together 1.
        by: "label": each class is divided by the fractions; every picture goes its own way. "class": whole classes go
            to one side, for protocols of unseen classes. "duplicates": pictures of one group go to one side; the groups
            are `groups`, or come from `embeddings` by `duplicate_groups`. Any other name is a column (of a product, of
            a person) whose equal values go to one side. Labels that are the same in a whole group are divided as well
            as groups allow.
        seed: Another seed gives other splits.
        groups: For "duplicates": `(n,)` any values, equal for what belongs together.
        embeddings: For "duplicates": `(n, d)` vectors of the pictures, compared by cosine.
        threshold: Cosine from which two pictures count as duplicates.
        id_column: Column of ids that tell pictures apart; None: their paths below their common folder.

    Returns:
        The data set with `splits`.

    Raises:
        ValueError: Fractions that do not sum to 1, a column that is absent, ids that repeat, fewer groups than splits.

    Example:
        >>> ds = Dataset([f"{i}.jpg" for i in range(10)], labels=["cat", "dog"] * 5)
        >>> halves = split(ds, {"train": 0.6, "test": 0.4}, by="label")
        >>> halves.split("train").counts(), halves.split("test").counts()
        ({'cat': 3, 'dog': 3}, {'cat': 2, 'dog': 2})
    """
    if not fractions or any(share <= 0 for share in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-9:
        raise ValueError(f"fractions: expected shares above 0 that sum to 1, got {dict(fractions)}")
    together = _groups_of(ds, by, groups, embeddings, threshold)
    chosen = _assign(together, _strata_of(ds, by, together), _ids_of(ds, id_column), list(fractions.values()), seed)
    names = np.array(list(fractions))
    empty = [name for number, name in enumerate(fractions) if number not in chosen]
    if empty:
        count = len(np.unique(together))
        raise ValueError(f"{ds.name}: expected groups for every split, {count} by {by!r} leave none for {empty}")
    return replace(ds, splits=names[chosen])


def hold_out_classes(ds: Dataset, column: str | None = None, folds: int = 5, *, seed: int = 0) -> list[Dataset]:
    """Divide the classes into folds; of each data set given, the classes of one fold are "test", all others "train".

    Args:
        ds: The data set; its labels stay as they are.
        column: Column of the classes to hold out, e.g. a coarser one; None: the labels.
        folds: Number of data sets, each of about as many pictures in "test".
        seed: Another seed gives other folds.

    Raises:
        ValueError: Fewer classes than folds, or pictures without a class.
    """
    values = ds.column(column or ds.label_name)
    numbers, classes = number_by_value(values)
    if folds < 2 or folds > len(classes):
        raise ValueError(f"folds: expected 2 to {len(classes)}, the number of classes, got {folds}")
    if (numbers < 0).any():
        raise ValueError(f"{ds.name}: expected a class for every picture, {int((numbers < 0).sum())} have none")
    names = [classes[number] for number in numbers]  # the name decides, so that the order of pictures does not
    fold = _assign(numbers, np.zeros(len(ds), np.int64), names, [1 / folds] * folds, seed)
    return [
        replace(ds, name=f"{ds.name} (fold {one})", splits=np.where(fold == one, "test", "train"))
        for one in range(folds)
    ]


def duplicate_groups(embeddings: NDArray[Any], threshold: float = 0.95) -> NDArray[np.int64]:
    """Number groups of pictures that are linked by pairs of cosine `threshold` or more: `(n,)`, from 0.

    Args:
        embeddings: `(n, d)` vectors, of an encoder or a perceptual hash as numbers; a row of zeros is like no other.
        threshold: Above 0, at most 1.

    Raises:
        ValueError: Another shape or threshold, or numbers that are not finite.
    """
    rows = np.asarray(embeddings, np.float32)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ValueError(f"embeddings: expected finite (n, d) numbers, got shape {rows.shape}")
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold: expected a cosine above 0, at most 1, got {threshold}")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    parent = np.arange(len(rows))
    for begin in range(0, len(rows), _BLOCK):
        near = rows[begin : begin + _BLOCK] @ rows[begin:].T >= threshold - 1e-6  # rounding: copies reach 0.9999999
        for first, second in zip(*np.nonzero(np.triu(near, 1)), strict=True):
            one, other = _root(parent, begin + int(first)), _root(parent, begin + int(second))
            parent[max(one, other)] = min(one, other)
    roots = [_root(parent, row) for row in range(len(rows))]
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


def _root(parent: NDArray[np.int64], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = int(parent[row])
    return row


def _groups_of(ds: Dataset, by: str, groups: Any, embeddings: Any, threshold: float) -> NDArray[np.int64]:
    if by != "duplicates" and (groups is not None or embeddings is not None):
        raise ValueError(f'split: groups and embeddings are for by="duplicates", got by={by!r}')
    if by == "label":
        return np.arange(len(ds))
    if by == "duplicates":
        if (groups is None) == (embeddings is None):
            raise ValueError('split: by="duplicates" takes either groups or embeddings')
        if groups is None:
            check_length("embeddings", embeddings, len(ds))
            return duplicate_groups(embeddings, threshold)
        values = list(groups)
    else:
        values = list(ds.column(ds.label_name if by == "class" else by))
    check_length("groups", values, len(ds))
    numbers = number_by_value(values)[0].copy()
    alone = np.array([is_nothing(value) for value in values], np.bool_) | (numbers < 0)
    numbers[alone] = len(ds) + np.flatnonzero(alone)  # what has no group is a group of its own
    return numbers


def _strata_of(ds: Dataset, by: str, groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the label of each picture where its whole group has it, and -1 elsewhere."""
    if ds.labels is None or by == "class":
        return np.full(len(ds), -1)
    label = {int(group): int(own) for group, own in zip(groups, ds.labels, strict=True)}
    mixed = {int(group) for group, own in zip(groups, ds.labels, strict=True) if label[int(group)] != own}
    return np.array([-1 if int(group) in mixed else label[int(group)] for group in groups], np.int64)


def _ids_of(ds: Dataset, column: str | None) -> list[str]:
    if column is not None:
        ids = [str(value) for value in ds.column(column)]
    else:
        folder = os.path.commonpath([path.parent for path in ds.paths]) if len(ds) else ""
        ids = [path.as_posix()[len(folder) :].lstrip("/") for path in ds.paths]
        if ds.boxes is not None:  # several objects of one picture
            ids = [f"{name} {box.tolist()}" for name, box in zip(ids, ds.boxes, strict=True)]
    if len(set(ids)) != len(ids):
        raise ValueError(
            f"{ds.name}: expected different ids, {len(ids) - len(set(ids))} repeat; name others: id_column="
        )
    return ids


def _assign(
    groups: NDArray[np.int64], strata: NDArray[np.int64], ids: Sequence[str], shares: list[float], seed: int
) -> NDArray[np.int64]:
    """Give each picture the number of its share: stratum by stratum, each group to the share that lacks most.

    What a stratum lacks or has too much is carried to the next, so that many small classes do not all fall to the
    largest share. Groups come by size and then by the hash of their least id, strata by that of theirs.
    """
    key = [hashlib.sha256(f"{seed}\0{one}".encode("utf-8", "surrogateescape")).digest() for one in ids]
    members: dict[int, list[int]] = {}
    for row, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(row)
    least = {group: min(key[row] for row in rows) for group, rows in members.items()}
    layers: dict[int, list[int]] = {}
    for group, rows in members.items():
        layers.setdefault(int(strata[rows[0]]), []).append(group)
    lacking = [0.0] * len(shares)
    chosen = np.empty(len(groups), np.int64)
    for layer in sorted(layers.values(), key=lambda own: min(least[group] for group in own)):
        count = sum(len(members[group]) for group in layer)
        lacking = [lack + share * count for lack, share in zip(lacking, shares, strict=True)]
        for group in sorted(layer, key=lambda one: (-len(members[one]), least[one])):
            share = max(range(len(shares)), key=lambda one: round(lacking[one], 9))  # rounding: ties are ties
            chosen[members[group]] = share
            lacking[share] -= len(members[group])
    return chosen
