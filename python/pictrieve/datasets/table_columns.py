"""Which column of a table is what, by the names that are usual, and the types of its cells."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pictrieve.datasets.columns import is_nothing

# In the order in which they are looked for. The names of OML's df.csv are among them.
IMAGES = ("path", "image", "file_name", "filename", "image_path", "img_path", "filepath", "file")
CAPTIONS = ("caption", "captions", "text", "texts", "sentence", "sentences")
LABELS = ("label", "class")
SPLITS = ("split",)
_TEXTS = ("raw", "caption", "text")  # of a caption that is an object
BOXES = (("x_1", "y_1", "x_2", "y_2"), ("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"))
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


def all_names(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Give the names of all columns in order of appearance; rows of JSON need not have the same."""
    return list(dict.fromkeys(name for row in rows for name in row))


def first_of(names: Sequence[str], candidates: Sequence[str]) -> str | None:
    """Give the first candidate that is a column; upper case and blanks around a name do not count."""
    there = {plainly(name): name for name in reversed(names)} | {name: name for name in names}
    return next((there[name] for name in candidates if name in there), None)


def plainly(name: str) -> str:
    """Give the name of a column as it is compared."""
    return name.strip().lower()


def chosen(names: Sequence[str], wanted: str | None, candidates: Sequence[str], what: str, source: str) -> str | None:
    """Give the column that the caller names, or the first usual one.

    Raises:
        ValueError: The table has no column of that name; lists its columns.
    """
    if wanted is None:
        return first_of(names, candidates)
    found = first_of(names, (wanted, plainly(wanted)))
    if found is None:
        raise ValueError(f"{source}: expected a column {wanted!r} for {what}=, got {', '.join(map(repr, names))}")
    return found


def caption_columns(names: Sequence[str], candidates: Sequence[str]) -> list[str]:
    """Give the column of captions, or those numbered as caption_0, caption_1, ... in the order of their numbers."""
    for stem in candidates:
        numbers = re.compile(rf"{re.escape(plainly(stem))}[_ ]?(\d+)")
        numbered = [(int(match[1]), name) for name in names if (match := numbers.fullmatch(plainly(name)))]
        whole = first_of(names, (stem, plainly(stem)))
        if whole is not None or numbered:
            return [name for _, name in sorted(numbered)] if whole is None else [whole]
    return []


def box_columns(names: Sequence[str]) -> list[str]:
    """Give the four columns of boxes, or none."""
    for usual in BOXES:
        four = [found for one in usual if (found := first_of(names, [one])) is not None]
        if len(four) == len(usual):
            return four
    return []


def captions_of(row: dict[str, Any], columns: Sequence[str]) -> list[str]:
    """Collect the captions of one row; a cell may be a list of texts, or of objects with "raw" or "caption"."""
    found: list[str] = []
    for name in columns:
        cell = row.get(name)
        cells = cell if isinstance(cell, Iterable) and not isinstance(cell, str | dict) else [cell]
        found += [_text_of(one) for one in cells if not is_nothing(one)]
    return found


def without_objects(rows: Sequence[dict[str, Any]], names: Iterable[str]) -> list[str]:
    """Leave out columns of JSON objects that are no captions, such as texts by language."""

    def is_other(cell: Any) -> bool:
        return isinstance(cell, dict) and not any(key in cell for key in _TEXTS)

    return [name for name in names if not any(is_other(row.get(name)) for row in rows)]


def _text_of(value: Any) -> str:
    return str(next((value[key] for key in _TEXTS if key in value), "")) if isinstance(value, dict) else str(value)


def typed(cells: list[Any]) -> list[Any]:
    """Make numbers of texts where every cell is one in its usual spelling; "007" is none, nor is a mixed column."""
    texts = [cell for cell in cells if not is_nothing(cell)]
    if not texts or not all(isinstance(cell, str) for cell in texts):
        return cells
    if len(texts) == len(cells) and all(_WHOLE.fullmatch(text) for text in texts):
        return [int(text) for text in cells]
    if all(_DECIMAL.fullmatch(text) for text in texts):
        return [math.nan if is_nothing(cell) else float(cell) for cell in cells]
    return cells
