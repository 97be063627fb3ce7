"""Tables of pictures: csv, tsv, jsonl, parquet or a DataFrame, OML's df.csv included."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from pictrieve.datasets.columns import is_nothing
from pictrieve.datasets.counts import finished, with_files
from pictrieve.datasets.dataset import Dataset
from pictrieve.datasets.reading import StrPath, read_table
from pictrieve.datasets.table_columns import (
    CAPTIONS,
    IMAGES,
    LABELS,
    SPLITS,
    all_names,
    box_columns,
    caption_columns,
    captions_of,
    chosen,
    first_of,
    typed,
    without_objects,
)

Rows = list[dict[str, Any]]


def Table(
    source: StrPath | Any,
    *,
    root: StrPath | None = None,
    image: str | None = None,
    label: str | None = None,
    caption: str | None = None,
    split: str | None = None,
    name: str | None = None,
    check_files: bool = False,
) -> Dataset:
    """Read a table with one row for each picture, or several rows where each has another caption.

    Columns are found by their usual names, in upper or lower case: "path", "image" or "file_name"; "label" or "class";
    "caption", "text", "caption_0"... or a list "captions"; "split"; "is_query" and "is_gallery"; boxes "x_1", "y_1",
    "x_2", "y_2". All others become metadata; whole columns of numbers in a csv become numbers, and a column that
    differs between the rows of one picture, such as the id of each caption, becomes a list for each picture.

    Args:
        source: A .csv, .tsv, .jsonl, .json or .parquet file in UTF-8, or a DataFrame. Where the head of a csv has no
            comma, but semicolons, as Excel writes them, or tabs or "|", these separate the cells.
        root: Folder that paths are relative to; the folder of the file, or of a DataFrame the current one.
        image: Column of the paths, where its name is another.
        label: Column of the labels. What no option names stays with its usual meaning.
        caption: Column of the captions.
        split: Column of the splits.
        name: What reports call the data set.
        check_files: Whether every picture must be there.

    Raises:
        FileNotFoundError: No such file; with `check_files`, absent pictures.
        ValueError: A named column is absent (lists the columns), a picture has two rows that differ in more than
            captions, a line has too many or too few cells, or is not UTF-8 (names the line).
    """
    rows, shown, base = _rows_of(source)
    names = all_names(rows)
    path = chosen(names, image, IMAGES, "image", shown)
    if path is None:
        usual = ", ".join(map(repr, IMAGES[:3]))
        raise ValueError(
            f"{shown}: expected a column {usual} or image=, got {', '.join(map(repr, names)) or 'no rows'}"
        )
    labels, splits = chosen(names, label, LABELS, "label", shown), chosen(names, split, SPLITS, "split", shown)
    texts = without_objects(rows, names)
    if caption is not None:
        chosen(texts, caption, (), "caption", shown)
    captions = caption_columns(texts, CAPTIONS if caption is None else [caption])
    box = box_columns(names)
    query, shelf = (first_of(names, [role]) or role for role in ("is_query", "is_gallery"))
    same = [column for column in (labels, splits) if column is not None]
    groups = _grouped(rows, path, box, same, bool(captions), shown)
    used = {path, labels, splits, *captions, *box, query, shelf}
    cells = {key: _cells(groups, key, several=key not in used) for key in names}
    ds = Dataset(
        [Path(base if root is None else root, str(cell)) for cell in cells[path]],
        name=name or "/".join(Path(shown).parts[-2:]),
        labels=None if labels is None else typed(cells[labels]),
        captions=[[text for row in group for text in captions_of(row, captions)] for group in groups]
        if captions
        else None,
        splits=None if splits is None else cells[splits],
        boxes=[_box(group[0], box, shown) for group in groups] if box else None,
        metadata={key: typed(values) for key, values in cells.items() if key not in used},
        label_name=labels or "label",
        is_query=cells.get(query),
        is_gallery=cells.get(shelf),
    )
    finished(ds, strict=False, published={})
    return with_files(ds) if check_files else ds


def Captions(source: StrPath | Any, **options: Any) -> Dataset:
    """Read a table as `Table` does, whose pictures have captions.

    Raises:
        ValueError: There is no column of captions, or a picture without any; else as `Table`.
    """
    ds = Table(source, **options)
    if ds.captions is None:
        raise ValueError(
            f"{ds.name}: expected a column of captions named {', '.join(map(repr, CAPTIONS[:3]))} or caption=, "
            f"got {', '.join(map(repr, ds.metadata))}"
        )
    bare = [path for path, texts in zip(ds.paths, ds.captions, strict=True) if not texts]
    if bare:
        raise ValueError(f"{ds.name}: expected captions for every picture, {len(bare)} have none, first {bare[0]}")
    return ds


def _rows_of(source: Any) -> tuple[Rows, str, Path]:
    """Give the rows, what messages call the table, and the folder that its paths are relative to."""
    if isinstance(source, str | os.PathLike):
        return read_table(source), os.fspath(source), Path(source).parent
    if hasattr(source, "columns") and hasattr(source, "to_dict"):
        return [{str(key): cell for key, cell in row.items()} for row in source.to_dict("records")], "DataFrame", Path()
    raise TypeError(f"Table: expected a path or a DataFrame, got {type(source).__name__}")


def _grouped(rows: Rows, path: str, box: list[str], same: list[str], captioned: bool, shown: str) -> list[Rows]:
    """Bring the rows of one picture (and box) together; the columns `same` must agree in them."""
    groups: dict[tuple[Any, ...], Rows] = {}
    for number, row in enumerate(rows):
        if is_nothing(row.get(path)):
            raise ValueError(f"{shown}: row {number} has nothing in its column {path!r}")
        picture = os.path.normpath(str(row[path]))  # "./0.jpg" is "0.jpg"
        group = groups.setdefault((picture, *(str(row.get(one)) for one in box)), [])
        if group and not captioned:
            raise ValueError(f"{shown}: expected each picture once, row {number} repeats {row[path]!r}; drop one")
        if group:
            _check_same(group[0], row, same, number, shown)
        group.append(row)
    return list(groups.values())


def _cells(groups: list[Rows], column: str, *, several: bool) -> list[Any]:
    """Give one cell for each picture; where `several` and they differ in any picture, a list for each."""
    if several and any(row.get(column) != group[0].get(column) for group in groups for row in group[1:]):
        return [[row.get(column) for row in group] for group in groups]
    return [group[0].get(column) for group in groups]


def _check_same(first: dict[str, Any], other: dict[str, Any], columns: list[str], number: int, shown: str) -> None:
    """Refuse a picture that is in two splits or of two classes."""
    for column in columns:
        one, another = first.get(column), other.get(column)
        if one != another and not (is_nothing(one) and is_nothing(another)):
            raise ValueError(
                f"{shown}: row {number} gives its picture the {column} {another!r}, an earlier row {one!r}"
            )


def _box(row: dict[str, Any], names: list[str], shown: str) -> list[float]:
    try:
        return [math.nan if is_nothing(row.get(name)) else float(row[name]) for name in names]
    except (TypeError, ValueError):
        raise ValueError(f"{shown}: expected numbers in {names}, got {[row.get(name) for name in names]}") from None
