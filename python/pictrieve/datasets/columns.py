"""Columns of a data set: brought to one type each, checked, cut, and optional packages for reading them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_length(name: str, column: Any, length: int) -> None:
    """Raise ValueError where a column has not one entry for each picture."""
    if len(column) != length:
        raise ValueError(f"{name}: expected one entry for each of the {length} pictures, got {len(column)}")


def as_paths(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Give a list of paths.

    Raises:
        TypeError: One path, whose letters would else be taken for paths.
    """
    if isinstance(paths, str | bytes | os.PathLike):
        raise TypeError(f"paths: expected a list of paths, got one, {os.fspath(paths)!r}; write [path]")
    return [path if isinstance(path, Path) else Path(path) for path in paths]


def is_nothing(value: Any) -> bool:
    """Say whether a cell of a table is empty: None, NaN, NaT, pandas.NA or ""."""
    if value is None or isinstance(value, str):
        return not value
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas.NA has no truth; an array has several
        return type(value).__name__ == "NAType"


def plain(value: Any) -> Any:
    """Give NumPy's scalars as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def printable(text: str) -> str:
    """Give a text that can be written: bytes of file names that are not UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def as_labels(labels: Any, classes: Sequence[str], length: int) -> tuple[NDArray[np.int64] | None, list[str]]:
    """Give labels as numbers of classes, -1 for none, and the names of these.

    Raises:
        ValueError: A number outside of the given classes, several labels of one picture, or another count of labels
            than pictures.
    """
    if labels is None:
        return None, list(classes)
    check_length("labels", labels, length)
    several = next(
        (row for row, one in enumerate(labels) if isinstance(one, list | tuple | set | dict | np.ndarray)), -1
    )
    if several >= 0:
        raise ValueError(
            f"labels: expected one class for each picture, got {labels[several]} for picture {several}; "
            "keep several in metadata"
        )
    if len(classes) == 0:
        return number_by_value(labels)
    numbers = np.asarray(labels)
    if numbers.dtype == object:
        numbers = np.array([-1 if is_nothing(label) else label for label in labels])
    if numbers.dtype.kind not in "iu":
        raise ValueError(f"labels: expected whole numbers that count into classes, got {numbers.dtype}; leave classes")
    wrong = np.flatnonzero((numbers < -1) | (numbers >= len(classes)))
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(f"labels: expected -1 to {len(classes) - 1}, got {numbers[row]} for picture {row}")
    return frozen(numbers.astype(np.int64)), [str(name) for name in classes]


def number_by_value(values: Iterable[Any]) -> tuple[NDArray[np.int64], list[str]]:
    """Number any values by their sorted distinct ones: numbers by size, texts by code point; nothing is -1."""
    listed = [None if is_nothing(value) else plain(value) for value in values]
    whole = [int(v) if isinstance(v, float) and v.is_integer() else v for v in listed]  # pandas makes 3.0 of 3
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in whole if v is not None)
    keys = [None if v is None or (numeric and v == -1) else v if numeric else str(v) for v in whole]
    classes = sorted({key for key in keys if key is not None})
    number = {key: i for i, key in enumerate(classes)}
    numbers = np.array([-1 if key is None else number[key] for key in keys], np.int64)
    return frozen(numbers), [str(key) for key in classes]


def as_captions(captions: Any) -> list[list[str]] | None:
    """Give each picture's captions as a list; one text is a list of one, nothing an empty list."""
    if captions is None:
        return None
    if isinstance(captions, str):
        raise ValueError(f"captions: expected a list for each picture, got one text, {captions!r:.60}")
    return [
        [] if is_nothing(own) else [own] if isinstance(own, str) else [str(text) for text in own] for own in captions
    ]


def as_texts(values: Any) -> NDArray[np.str_] | None:
    """Give a column as texts, nothing as ""."""
    if values is None:
        return None
    if isinstance(values, np.ndarray) and values.dtype.kind == "U":
        return held(values)
    return frozen(np.array(["" if is_nothing(value) else str(value) for value in values], dtype=np.str_))


def as_flags(values: Any, name: str) -> NDArray[np.bool_] | None:
    """Give a column as booleans; 0 and 1 and their names are taken for such, nothing is False."""
    if values is None:
        return None
    if isinstance(values, np.ndarray) and values.dtype == np.bool_:
        return held(values)
    words = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False, "": False}
    texts = ["" if is_nothing(value) else str(plain(value)).lower() for value in values]
    wrong = next((row for row, text in enumerate(texts) if text not in words), None)
    if wrong is not None:
        raise ValueError(f"{name}: expected true or false, got {texts[wrong]!r} for picture {wrong}")
    return frozen(np.array([words[text] for text in texts], np.bool_))


def as_boxes(boxes: Any) -> NDArray[np.float32] | None:
    """Give boxes as `(n, 4)` float32.

    Raises:
        ValueError: Another shape, or a box that ends before it begins.
    """
    if boxes is None:
        return None
    rows = np.array(boxes, np.float32)
    rows = rows.reshape(0, 4) if rows.size == 0 else rows
    if rows.ndim != 2 or rows.shape[1] != 4:
        raise ValueError(f"boxes: expected (n, 4) x1, y1, x2, y2, got shape {rows.shape}")
    wrong = np.flatnonzero((rows[:, 2] <= rows[:, 0]) | (rows[:, 3] <= rows[:, 1]))
    if len(wrong):
        raise ValueError(
            f"boxes: expected x1 < x2 and y1 < y2, got {rows[wrong[0]].tolist()} for picture {wrong[0]}; "
            f"a box of x, y, width, height is x, y, x + width, y + height here"
        )
    return frozen(rows)


def as_column(values: Any) -> Any:
    """Give a column as a read-only array where all its values are of one simple type, as a list otherwise."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        return held(values)
    listed = list(values)
    kinds = {type(value) for value in listed}
    if len(kinds) == 1 and kinds <= {int, float, bool, str}:
        column = np.array(listed)
        return frozen(column) if column.dtype != object else listed  # whole numbers of more than 64 bits
    return listed


def as_rows(rows: Any, length: int, name: str) -> list[int]:
    """Give row numbers, from numbers or a mask.

    Raises:
        ValueError: A mask of another length, or numbers that are no rows.
    """
    wanted = np.asarray(rows if isinstance(rows, np.ndarray) else list(rows))
    if wanted.dtype == np.bool_:
        check_length("mask", wanted, length)
        return [int(row) for row in np.flatnonzero(wanted)]
    if wanted.size and wanted.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected numbers of rows or a mask, got {wanted.dtype}")
    wrong = [row for row in wanted.tolist() if not -length <= row < length]
    if wrong:
        raise ValueError(f"{name}: expected rows below {length}, got {wrong[0]}")
    return [row % length for row in wanted.tolist()]


def take(column: Any, rows: list[int]) -> Any:
    """Pick rows of an array, of a list, or of pictures that are read when asked for."""
    if isinstance(column, np.ndarray):
        return column[np.array(rows, np.int64)]
    picked = getattr(column, "pick", None)
    return picked(rows) if picked else [column[row] for row in rows]


def held(array: NDArray[Any]) -> NDArray[Any]:
    """Give an array that is read-only, without changing the caller's own."""
    return frozen(array.copy()) if array.flags.writeable else array


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Make an array read-only and give it."""
    array.flags.writeable = False
    return array


def optional(module: str, extra: str, what: str) -> Any:
    """Import a package that not everybody has.

    Raises:
        ImportError: It is absent; names the extra that brings it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f'{what} needs {package}: pip install "pictrieve[{extra}]"') from error
