"""An open gallery before anything is added or searched: its parts, what it holds, closing it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from pictrieve.gallery.channels import ChannelIndex
from pictrieve.gallery.errors import GalleryError, GalleryLockedError
from pictrieve.gallery.items import Item, all_items, read_items
from pictrieve.gallery.ledger import Failure, all_failures
from pictrieve.gallery.lock import WriterLock
from pictrieve.gallery.search import Searcher
from pictrieve.gallery.spaces import Spaces
from pictrieve.gallery.store import Store
from pictrieve.gallery.upkeep import gallery_info

Self = TypeVar("Self", bound="OpenGallery")


class OpenGallery:
    """Base of `Gallery`: database, lock, encoders and indexes, none of them loaded before it is needed."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open an existing gallery; `Gallery.open` says more and takes an encoder."""
        self.path = Path(path)
        self._store = Store(self.path)
        self._lock = WriterLock(self.path / "writer.lock")
        self._spaces = Spaces(str(path), self._store.settings, self._store.channels)
        self._indexes = {name: ChannelIndex(self._store, channel) for name, channel in self._store.channels.items()}
        self._searcher = Searcher(self._store, self._spaces, self._indexes)

    def close(self) -> None:
        """Close the gallery; using it as a context manager does the same."""
        self._store.close()
        self._lock.release()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Count the committed items, those of other processes included."""
        return int(self._store.value("SELECT count(*) FROM items"))

    def __bool__(self) -> bool:
        """An open gallery is true, also while it is empty."""
        return True

    def __getitem__(self, item_id: int) -> Item:
        """Give what is known of one item."""
        found = read_items(self._store, [item_id])
        if not found:
            raise KeyError(f"no item with id {item_id} in gallery {self.path}")
        return found[0]

    def __iter__(self) -> Iterator[Item]:
        """Walk over all items, by id."""
        return all_items(self._store)

    def failures(self) -> list[Failure]:
        """List the files that could not be read, with the reason; they are tried again once they change."""
        return all_failures(self._store)

    def info(self) -> dict[str, Any]:
        """Say what the gallery holds: items, channels, bytes, failures, encoder, format, time of creation."""
        return gallery_info(self._store, self._indexes)

    def __repr__(self) -> str:
        """Say where the gallery is and what it holds."""
        channels = ", ".join(f"{c.name} {c.dim}-d" for c in self._store.channels.values())
        encoder = self._store.settings["encoder"]
        return f"Gallery({str(self.path)!r}, {len(self)} items, encoder {encoder!r}, {channels})"

    def _save_rebuilt(self) -> None:
        """Spare the next process a rebuild; whoever is writing now will do it otherwise."""
        rebuilt = [index for index in self._indexes.values() if index.needs_saving]
        if not rebuilt or self._store.read_only:
            return
        with contextlib.suppress(GalleryLockedError, OSError), self._lock.borrowed():
            for index in rebuilt:
                index.save_if_worthwhile(always=True)

    def _begin_writing(self) -> None:
        if self._store.read_only:
            raise GalleryError(f"gallery {self.path}: it cannot be written to (read-only file or directory)")
        self._lock.acquire()
