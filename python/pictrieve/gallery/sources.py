"""What a user may hand to `Gallery.add`, as a flat list of pictures with their facts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pictrieve.gallery.report import Report
from pictrieve.gallery.store import DATABASE

# Suffixes that are worth opening. HEIC and AVIF are among them so that the ledger names them rather than
# nobody.
SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in [
        "jpg",
        "jpeg",
        "jpe",
        "jfif",
        "png",
        "gif",
        "webp",
        "tif",
        "tiff",
        "bmp",
        "dib",
        "pbm",
        "pgm",
        "ppm",
        "pnm",
        "heic",
        "heif",
        "avif",
    ]
)
Table = Mapping[str, Any] | Sequence[Any] | Callable[[str], Any] | None


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
    sources: list[Source] = []
    listed = list(_elements(items))
    metadata = _records(metadata)
    _check_length("metadata", metadata, len(listed))
    _check_length("texts", texts, len(listed))
    for position, element in enumerate(listed):
        for source in _sources_of(element, report, alone=isinstance(items, str | os.PathLike)):
            source.metadata = _join(source.metadata, _lookup(metadata, source.path, position))
            found = _lookup(texts, source.path, position)
            source.text = str(found) if found is not None else source.text
            sources.append(source)
    return sources


def walk(folder: str, report: Report | None = None) -> Iterator[str]:
    """Give the picture files below a folder in sorted order; hidden ones and other galleries are left out.

    Links to folders are followed, each real folder once, so that circles end.
    """
    seen: set[tuple[int, int]] = set()
    for root, folders, files in os.walk(folder, followlinks=True):
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


def _elements(items: Any) -> Iterable[Any]:
    if isinstance(items, str | os.PathLike | bytes | Mapping) or hasattr(items, "getexif"):
        return [items]
    if hasattr(items, "columns") and hasattr(items, "to_dict"):  # a pandas DataFrame, without importing pandas
        if "path" not in items.columns:
            raise ValueError(f"items: expected a DataFrame with a column 'path', got {list(items.columns)}")
        return list(items.to_dict("records"))
    if isinstance(items, np.ndarray):
        return [items] if items.ndim == 2 or (items.ndim == 3 and items.shape[2] in (3, 4)) else list(items)
    if not isinstance(items, Iterable):
        raise TypeError(
            f"items: expected a folder, paths, bytes, arrays, images or a DataFrame, got {type(items).__name__}"
        )
    return items


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


def _lookup(table: Table, path: str | None, position: int) -> Any:
    if table is None:
        return None
    if callable(table):
        return table(path if path is not None else str(position))
    if isinstance(table, Mapping):
        keys = (path, os.path.relpath(path), Path(path).name) if path is not None else ()
        return next((table[key] for key in keys if key in table), None)
    return table[position]


def _records(metadata: Any) -> Table:
    """Accept a DataFrame of rows, and one plain dict as the metadata of every picture."""
    if hasattr(metadata, "columns") and hasattr(metadata, "to_dict"):
        return list(metadata.to_dict("records"))
    if isinstance(metadata, Mapping) and metadata and not any(isinstance(v, Mapping) for v in metadata.values()):
        constant = dict(metadata)
        return lambda _path: constant
    return metadata  # type: ignore[no-any-return]


def _join(first: dict[str, Any] | None, second: Any) -> dict[str, Any] | None:
    if second is None:
        return first
    if not isinstance(second, Mapping):
        raise TypeError(f"metadata: expected a mapping for each picture, got {type(second).__name__}")
    return {**(first or {}), **second}


def _check_length(name: str, table: Table, length: int) -> None:
    if table is None or callable(table) or isinstance(table, Mapping):
        return
    if isinstance(table, str) or len(table) != length:
        raise ValueError(
            f"{name}: expected one entry for each of the {length} items, got {len(table)}; for a folder "
            f"give a mapping "
            f"from file name to value, or a function of the path"
        )
