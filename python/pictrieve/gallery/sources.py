"""What a user may hand to `Gallery.add`, as a flat list of pictures with their facts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pictrieve._core import DecodeError
from pictrieve._sources import pixels_of
from pictrieve.gallery.items import is_missing
from pictrieve.gallery.report import Report
from pictrieve.gallery.store import DATABASE

# Suffixes that are worth opening. HEIC and AVIF are among them so that the ledger names them rather than
# nobody.
SUFFIXES = frozenset([
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".pbm", ".pgm", ".ppm",
    ".pnm", ".heic", ".heif", ".avif",
])  # fmt: skip
Table = Mapping[str, Any] | Iterable[Any] | Callable[[str], Any] | None
UNREADABLE = "unreadable"  # the status of what cannot be opened
_Lookup = Mapping[str, Any] | Sequence[Any] | Callable[[str], Any] | None


@dataclass
class Source:
    """One picture to take in: a file, or `content` (bytes, a pixel array, a PIL image) that has no path."""

    path: str | None
    content: Any = None
    metadata: dict[str, Any] | None = None
    text: str | None = None
    vectors: dict[str, Any] | None = None

    @property
    def label(self) -> str:
        """Give the path, or what stands for it in messages."""
        return self.path if self.path is not None else "(picture without a path)"


def expand(items: Any, metadata: Table, texts: Table, report: Report) -> list[Source]:
    """List the pictures of a folder, a DataFrame, or any iterable of paths, bytes, arrays, images and dicts.

    Raises:
        FileNotFoundError: A path given directly does not exist as file or folder.
        ValueError: metadata or texts have another length than items.
    """
    listed = list(_elements(items))
    metadata, texts = _records(metadata), _listed("texts", texts)
    _check_length("metadata", metadata, len(listed))
    _check_length("texts", texts, len(listed))
    return list(_expanded(listed, metadata, texts, report, alone=isinstance(items, str | os.PathLike)))


def stream(items: Any, metadata: Table, texts: Table, report: Report) -> Iterable[Source]:
    """Do as `expand`, but read a generator only as far as it is asked for: its pictures need not fit in memory."""
    items = _of_dataset(items) if _is_dataset(items) else items
    if not isinstance(items, Iterator):
        return expand(items, metadata, texts, report)
    return _expanded(items, _records(metadata), _listed("texts", texts), report)


def _expanded(
    elements: Iterable[Any], metadata: _Lookup, texts: _Lookup, report: Report, *, alone: bool = False
) -> Iterator[Source]:
    count = 0
    for position, element in enumerate(elements):
        count = position + 1
        for source in _sources_of(element, report, alone=alone):
            source.metadata = _join(source.metadata, _lookup("metadata", metadata, source.path, position))
            found = _lookup("texts", texts, source.path, position)
            source.text = source.text if is_missing(found) else str(found)
            yield source
    _check_length("metadata", metadata, count)
    _check_length("texts", texts, count)


def walk(folder: str, report: Report | None = None) -> Iterator[str]:
    """Give the picture files below a folder in sorted order; hidden ones and other galleries are left out.

    Links to folders are followed, each real folder once, so that circles end. A folder below that cannot be
    listed fails in the report.

    Raises:
        OSError: The folder itself cannot be listed.
    """

    def note(error: OSError) -> None:
        if error.filename == folder:
            raise error
        if report is not None:
            report.fail(str(error.filename), UNREADABLE, f"folder: {error.strerror}")

    seen: set[tuple[int, int]] = set()
    for root, folders, files in os.walk(folder, onerror=note, followlinks=True):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in seen or DATABASE in files:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.startswith("."):
                continue
            path = os.path.join(root, name)
            if os.path.splitext(name)[1].lower() in SUFFIXES:
                yield path
            elif report is not None:
                report.skip(path, "not a picture by its suffix")


def _is_dataset(items: Any) -> bool:
    """Say whether it is a `datasets.Dataset`, without importing the loaders."""
    return all(hasattr(items, name) for name in ("paths", "captions", "metadata", "images"))


def _of_dataset(ds: Any) -> Iterator[Source]:
    """Give the pictures of a data set; label, split and further columns are metadata, captions the text."""
    images = ds.images()
    for row, sample in enumerate(ds):
        facts = dict(sample.metadata)
        if sample.label is not None:
            facts.setdefault(ds.label_name, sample.label)
        if ds.splits is not None:
            facts.setdefault("split", str(ds.splits[row]))
        text = "\n".join(sample.captions) or None
        try:
            image = images[row]
        except (OSError, DecodeError):  # of a crop: the file goes to the ledger
            image = sample.path
        except ValueError as error:  # a box outside of its picture, an archive that was cut off
            image = error
        if isinstance(image, str | os.PathLike):
            yield Source(os.path.abspath(os.fsdecode(image)), None, facts, text)
        else:  # a crop, or packed in an archive
            yield Source(None, image, {**facts, "source": str(sample.path)}, text)


def _elements(items: Any) -> Iterable[Any]:
    if _is_dataset(items):
        return _of_dataset(items)
    if isinstance(items, str | os.PathLike | bytes | Mapping) or hasattr(items, "getexif"):
        return [items]
    if hasattr(items, "columns") and hasattr(items, "to_dict"):  # a pandas DataFrame, without importing pandas
        if "path" not in items.columns:
            raise ValueError(f"items: expected a DataFrame with a column 'path', got {list(items.columns)}")
        return _rows_with_path(items.to_dict("records"))
    if isinstance(items, np.ndarray) and items.dtype.kind in "biufc":
        return [pixels_of(items)] if items.ndim in (2, 3) else list(items)
    if not isinstance(items, Iterable):
        raise TypeError(
            f"items: expected a folder, paths, bytes, arrays, images or a DataFrame, got {type(items).__name__}"
        )
    return items


def _rows_with_path(rows: list[dict[Any, Any]]) -> list[dict[Any, Any]]:
    for position, row in enumerate(rows):
        if is_missing(row["path"]):
            raise ValueError(
                f"items: row {position} of the DataFrame has nothing in its column 'path'; "
                f"drop such rows: frame.dropna(subset=['path'])"
            )
    return rows


def _sources_of(element: Any, report: Report, *, alone: bool) -> Iterator[Source]:
    if isinstance(element, Source):
        yield element
    elif isinstance(element, Mapping):
        facts = {str(key): value for key, value in element.items()}
        content = facts.pop("path", None) if "path" in facts else facts.pop("image", None)
        if content is None:
            raise ValueError(f"items: expected 'path' or 'image' in each row, got {sorted(facts)}")
        text = facts.pop("text", None)
        for source in _sources_of(content, report, alone=False):
            source.metadata, source.text = facts, text if isinstance(text, str) else None
            yield source
    elif isinstance(element, str | os.PathLike):
        path = os.path.abspath(os.fsdecode(element))
        if os.path.isdir(path):
            yield from (Source(file) for file in walk(path, report))
        elif alone and not os.path.lexists(path):
            raise FileNotFoundError(2, "no such file or folder", path)
        else:
            yield Source(path)
    else:
        yield Source(None, element)


def _lookup(name: str, table: _Lookup, path: str | None, position: int) -> Any:
    if table is None:
        return None
    if callable(table):
        return table(path if path is not None else str(position))
    if isinstance(table, Mapping):
        keys = (path, os.path.relpath(path), Path(path).name) if path is not None else ()
        return next((table[key] for key in keys if key in table), None)
    if position >= len(table):
        raise ValueError(f"{name}: expected one entry for each item, got {len(table)} and more items than that")
    return table[position]


def _records(metadata: Any) -> _Lookup:
    """Accept a DataFrame of rows, and one plain dict as the metadata of every picture."""
    if hasattr(metadata, "columns") and hasattr(metadata, "to_dict"):
        return list(metadata.to_dict("records"))
    if isinstance(metadata, Mapping) and metadata and not any(isinstance(v, Mapping) for v in metadata.values()):
        constant = dict(metadata)
        return lambda _path: constant
    return _listed("metadata", metadata)


def _listed(name: str, table: Any) -> _Lookup:
    """Make a list of anything in order: a pandas Series counts by its labels, a generator not at all."""
    if table is None or callable(table) or isinstance(table, Mapping | str):
        return table  # type: ignore[no-any-return]
    if not isinstance(table, Iterable):
        raise TypeError(f"{name}: expected one entry for each item, a mapping or a function, got {table!r}")
    return list(table)


def _join(first: dict[str, Any] | None, second: Any) -> dict[str, Any] | None:
    if is_missing(second):
        return first
    if not isinstance(second, Mapping):
        raise TypeError(f"metadata: expected a mapping for each picture, got {type(second).__name__}")
    return {**(first or {}), **second}


def _check_length(name: str, table: _Lookup, length: int) -> None:
    if table is None or callable(table) or isinstance(table, Mapping):
        return
    if isinstance(table, str) or len(table) != length:
        raise ValueError(
            f"{name}: expected one entry for each of the {length} items, got {len(table)}; for a folder "
            f"give a mapping from file name to value, or a function of the path"
        )
