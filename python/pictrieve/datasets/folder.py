"""Folders whose sub-folders are classes, and Hugging Face's imagefolder: the same with splits and a metadata file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pictrieve.datasets.columns import is_nothing
from pictrieve.datasets.counts import finished
from pictrieve.datasets.dataset import Dataset
from pictrieve.datasets.reading import SUFFIXES, StrPath, folder_of, read_table
from pictrieve.datasets.table_columns import (
    CAPTIONS,
    LABELS,
    all_names,
    caption_columns,
    captions_of,
    first_of,
    typed,
    without_objects,
)

_SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
Rows = dict[Path, dict[str, Any]]


def ImageFolder(root: StrPath, *, split_folders: bool | None = None, name: str | None = None) -> Dataset:
    """Read `root/class/**/picture`, in torchvision's order: classes sorted by code point, files sorted in each.

    Pictures right in `root` are taken where there are no classes. Hidden folders (".ipynb_checkpoints") are no classes.
    A `metadata.csv`, `.jsonl` or `.parquet` with a column `file_name` (a path relative to its own folder) adds its
    columns to the pictures, as Hugging Face's imagefolder has it: "caption" or "text" its captions, "label" its label.
    Where it names pictures that lie beside folders, these folders are no classes.

    Args:
        root: The folder.
        split_folders: Whether the folders in `root` are splits ("train", "validation", ...) with classes inside;
            None: where every folder has the name of one. "validation" and "dev" become "val".
        name: What reports call the data set.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: No picture in it, or a metadata file that names pictures that are not there.

    Warns:
        UserWarning: A metadata file that is not used or does not name every picture, pictures beside the classes.
    """
    folder = folder_of(root, "ImageFolder")
    inside = _folders(folder)
    if split_folders is None:
        split_folders = bool(inside) and all(path.name.lower() in _SPLITS for path in inside)
    parts = [(path, _SPLITS.get(path.name.lower(), path.name)) for path in inside] if split_folders else [(folder, "")]
    rows = _metadata_below(folder)
    flat = any(path in rows for part, _ in parts for path in _loose(part))
    found = [(path, label, split) for part, split in parts for path, label in _classed(part, flat=flat)]
    if not found:
        suffixes = " ".join(sorted(SUFFIXES))
        raise ValueError(f"{folder}: expected pictures in folders, one for each class, got none with suffix {suffixes}")
    classes = [] if flat else sorted({sub.name for part, _ in parts for sub in _folders(part)})
    number = {label: i for i, label in enumerate(classes)}
    ds = Dataset(
        [path for path, _, _ in found],
        name=name or folder.resolve().name,
        labels=[number.get(label, -1) for _, label, _ in found] if classes else None,
        classes=classes,
        splits=[split for _, _, split in found] if split_folders else None,
    )
    return finished(_with_metadata(ds, rows, folder), strict=False, published={})


def _folders(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."), key=lambda p: p.name)


def _loose(part: Path) -> list[Path]:
    return [path for path in sorted(part.iterdir()) if _is_picture(path)]


def _classed(part: Path, *, flat: bool) -> Iterator[tuple[Path, str]]:
    """Give the pictures of one split with their class, "" where the folder has no classes."""
    loose, classes = _loose(part), _folders(part)
    if flat or not classes:
        yield from ((path, "") for path in pictures_below(part))
        return
    if loose:
        warnings.warn(f"{part}: {len(loose)} pictures beside the class folders are left out, first {loose[0].name}",
                      stacklevel=4)  # fmt: skip
    for folder in classes:
        yield from ((path, folder.name) for path in pictures_below(folder))


def pictures_below(folder: Path) -> list[Path]:
    """Give the pictures at any depth, folder by folder in sorted order; links are followed, circles once."""
    seen: set[tuple[int, int]] = set()
    found: list[tuple[str, list[str]]] = []
    for root, folders, files in os.walk(folder, followlinks=True):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.append((root, sorted(files)))
    return [path for root, files in sorted(found) for path in (Path(root, name) for name in files) if _is_picture(path)]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _metadata_below(folder: Path) -> Rows:
    rows: Rows = {}
    for path in sorted(path for name in _METADATA for path in folder.rglob(name)):
        rows.update(_metadata_rows(path))
    return rows


def _with_metadata(ds: Dataset, rows: Rows, folder: Path) -> Dataset:
    if not rows:
        return ds
    there = set(ds.paths)
    lost = [path for path in rows if path not in there]
    if lost:
        raise ValueError(f"{folder}: metadata names {len(lost)} pictures that are not there, the first is {lost[0]}")
    bare = [path for path in ds.paths if path not in rows]
    if bare:
        warnings.warn(f"{folder}: {len(bare)} pictures have no row of metadata, the first is {bare[0]}", stacklevel=4)
    return _joined(ds, [rows.get(path, {}) for path in ds.paths])


def _metadata_rows(path: Path) -> Rows:
    table = read_table(path)
    key = first_of(all_names(table), ["file_name"])
    if key is None:
        names = ", ".join(all_names(table)) or "no rows"
        warnings.warn(f"{path} is not used: expected a column 'file_name', got {names}", stacklevel=4)
        return {}
    rows: Rows = {}
    for row in table:
        file = path.parent / str(row[key])
        if file in rows:
            raise ValueError(f"{path}: expected each picture once, got {row[key]!r} twice")
        rows[file] = {name: value for name, value in row.items() if name != key}
    return rows


def _joined(ds: Dataset, rows: list[dict[str, Any]]) -> Dataset:
    names = all_names(rows)
    captions, label = caption_columns(without_objects(rows, names), CAPTIONS), first_of(names, LABELS)
    facts = {key: typed([row.get(key) for row in rows]) for key in names if key not in (*captions, label)}
    labels = None if label is None else typed([row.get(label) for row in rows])
    if labels is not None and all(map(is_nothing, labels)):
        labels = None
    return Dataset(
        ds.paths, name=ds.name, splits=ds.splits, metadata=facts,
        labels=ds.labels if labels is None else labels, classes=ds.classes if labels is None else [],
        captions=[captions_of(row, captions) for row in rows] if captions else None,
    )  # fmt: skip
