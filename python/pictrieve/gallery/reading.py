"""Files to bytes with their facts, one batch ahead of the encoder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pictrieve import _core
from pictrieve._core import Error
from pictrieve._sources import as_sources
from pictrieve.gallery.items import Item
from pictrieve.gallery.sources import Source

MAX_BYTES = 512 * 1024 * 1024  # a file is read into memory whole


@dataclass
class Loaded:
    """A source after reading: an item without vectors, and what the encoder gets; or a failure."""

    source: Source
    item: Item
    content: Any = None
    failure: tuple[str, str] | None = None  # status, reason


def load_all(sources: Sequence[Source]) -> list[Loaded]:
    """Read every source; whatever cannot be read carries its failure."""
    return [_load_file(source, source.path) if source.path is not None else _load_content(source) for source in sources]


def file_facts(path: str) -> tuple[int | None, int | None]:
    """Give size and modification time in nanoseconds, None for both where the file cannot be looked at."""
    try:
        status = os.stat(path)
    except OSError:
        return None, None
    return status.st_size, status.st_mtime_ns


def file_hash(path: str) -> str | None:
    """Give the SHA-256 of a file's bytes as an item keeps it, None where it cannot be read."""
    digest = hashlib.sha256()
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def _load_file(source: Source, path: str) -> Loaded:
    size, mtime = file_facts(path)
    item = Item(path, size=size, mtime=mtime, text=source.text, metadata=source.metadata or {})
    loaded = Loaded(source, item)
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            loaded.failure = ("unreadable", "not a regular file")
        elif status.st_size > MAX_BYTES:
            loaded.failure = ("too_large", f"{status.st_size:,} bytes, expected at most {MAX_BYTES:,}")
        else:
            with open(path, "rb") as file:
                loaded.content = file.read()
    except OSError as error:
        loaded.failure = ("unreadable", error.strerror or str(error))
    if loaded.content is not None:
        _describe_bytes(loaded, loaded.content)
    return loaded


def _load_content(source: Source) -> Loaded:
    """Take bytes, pixels or a PIL image that came without a path."""
    item = Item(None, text=source.text, metadata=source.metadata or {})
    loaded = Loaded(source, item, source.content)
    if isinstance(source.content, ValueError):  # what came in place of a picture
        loaded.failure = ("corrupt", str(source.content))
    elif isinstance(source.content, bytes | bytearray | memoryview):
        _describe_bytes(loaded, bytes(source.content))
    elif (reason := _objection(loaded)) is not None:
        loaded.failure = reason
    elif isinstance(source.content, np.ndarray):
        pixels = np.ascontiguousarray(source.content)
        item.sha256 = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
        item.height, item.width = pixels.shape[:2] if pixels.ndim >= 2 else (None, None)
    elif hasattr(source.content, "tobytes") and hasattr(source.content, "size"):  # PIL
        picture = source.content
        item.sha256 = hashlib.sha256(repr((picture.mode, picture.size)).encode() + picture.tobytes()).hexdigest()
        item.width, item.height = picture.size
    return loaded


def _objection(loaded: Loaded) -> tuple[str, str] | None:
    """Bring pixels and PIL images to what encoders read; give status and reason where that fails."""
    try:
        loaded.content = as_sources([loaded.content])[0][0]
    except (TypeError, ValueError) as error:
        return "unsupported", str(error)
    except (OSError, SyntaxError) as error:  # PIL decodes only now; SyntaxError is its word for a broken PNG
        return "corrupt", str(error)
    return None


def _describe_bytes(loaded: Loaded, content: bytes) -> None:
    loaded.content = content
    loaded.item.size = len(content)
    loaded.item.sha256 = hashlib.sha256(content).hexdigest()
    if not content:
        loaded.failure = ("corrupt", "the file is empty")
        return
    with contextlib.suppress(Error):  # the encoder will say what is wrong with it
        loaded.item.format, loaded.item.width, loaded.item.height, _ = _core.probe(content)
