"""A gallery as plain files that other tools open."""

from __future__ import annotations

import contextlib
import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pictrieve.gallery.errors import GalleryError
from pictrieve.gallery.items import Item, all_items, vectors_since
from pictrieve.gallery.store import Channel, Store

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def export_npy(store: Store, folder: Path) -> list[Path]:
    """Write ids.npy, <channel>.npy of (n, dim) float32 in the same order, items.jsonl and gallery.json.

    Arrays are written block by block, so memory stays small.

    Raises:
        GalleryError: The disk is full or failing; the file that could not be finished is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "ids.npy", folder / "items.jsonl", folder / "gallery.json"]
    with store.snapshot():
        ids = np.array([row[0] for row in store.rows("SELECT id FROM items ORDER BY id")], np.int64)
        with _whole_file(written[0]) as file:
            np.lib.format.write_array(file, ids)
        with _whole_file(written[1]) as file:
            for item in all_items(store):
                file.write((json.dumps(_facts(item), ensure_ascii=True) + "\n").encode())
        for channel in store.channels.values():
            written.append(folder / f"{channel.name}.npy")
            with _whole_file(written[-1]) as file:
                _write_vectors(file, store, channel, len(ids))
    facts = {
        "encoder": store.settings["encoder"],
        "channels": {c.name: {"dim": c.dim, "metric": c.metric, "fingerprint": c.fingerprint}
                     for c in store.channels.values()},
    }  # fmt: skip
    with _whole_file(written[2]) as file:
        file.write((json.dumps(facts, indent=2) + "\n").encode())
    return written


def _write_vectors(file: BinaryIO, store: Store, channel: Channel, count: int) -> None:
    """Write plain blocks: a mapped file kills the process where the disk turns out to be full."""
    header = {"descr": "<f4", "fortran_order": False, "shape": (count, channel.dim)}
    np.lib.format.write_array_header_1_0(file, header)
    for _, vectors in vectors_since(store, channel, 0):
        file.write(vectors.tobytes())


@contextlib.contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing; after an error it is not left half written."""
    file = path.open("wb")
    try:
        with file:
            yield file
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            raise GalleryError(
                f"export to {path}: the disk is full or failing ({error.strerror}); "
                f"free some space or choose another folder"
            ) from error
        raise


def _facts(item: Item) -> dict[str, object]:
    return {
        "id": item.id, "path": item.path, "sha256": item.sha256, "size": item.size, "width": item.width,
        "height": item.height, "format": item.format, "text": item.text, "metadata": item.metadata,
        "added_at": item.added_at,
    }  # fmt: skip
