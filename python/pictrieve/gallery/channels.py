"""Search indexes derived from SQLite: loaded from a cache file, brought up to date, rebuilt when in doubt."""

from __future__ import annotations

import contextlib
import json
import logging
from typing import Any, cast

import numpy as np

from pictrieve._core import Error, FormatError
from pictrieve.gallery.items import vectors_since
from pictrieve.gallery.store import Channel, Store
from pictrieve.index import Index
from pictrieve.search_result import Health

logger = logging.getLogger("pictrieve.gallery")

# Items from which a graph is searched instead of comparing with all of them. Exact search of 200,000 vectors
# takes about a tenth of a second; linking one vector of 1280 numbers into a graph takes milliseconds, a good
# part of its encoding.
GRAPH_FROM = 200_000
MAP_FROM = 64 << 20  # bytes; smaller files are read whole, which verifies every vector in a few milliseconds
SMALL = 1000  # items up to which the cache file is simply written anew, and rebuilding is not worth a file
COMPACT_SHARE = 0.25  # of deleted rows, from which their space is given back before a file is written
REPLAY_SHARE = 0.02  # a cache file may lag behind by this share of the gallery before it is written anew


class ChannelIndex:
    """The index of one channel, equal to SQLite after `refresh`."""

    def __init__(self, store: Store, channel: Channel) -> None:
        """Name the cache file; nothing is read yet."""
        self.channel = channel
        self.path = store.directory / "index" / f"{channel.name}.ptidx"
        self._store = store
        self._index: Index | None = None
        self._change = 0  # up to which change the index in memory is complete
        self._saved_change = -1  # the same of the file; -1: there is no usable file
        self._replayed = 0  # rows added or removed since the file was written

    def refresh(self) -> Index:
        """Give the index, after applying whatever was committed since the last call."""
        with self._store.snapshot():
            change = self._store.change
            if self._index is None:
                self._load(change)
            if self._index is None:
                self._rebuild(change)
            elif self._change != change:
                self._replay(self._index, change)
        return cast(Index, self._index)

    def save_if_worthwhile(self, *, always: bool = False) -> None:
        """Write the cache file where it is absent or lags far behind; a failure to write is only logged."""
        index = self.refresh()
        graph_wanted = len(index) >= GRAPH_FROM
        if graph_wanted and not _is_graph(index):
            self._rebuild(self._change)
            index = self.refresh()
        lag = self._change != self._saved_change
        small = len(index) < SMALL
        if lag and (always or small or self._saved_change < 0 or self._replayed > REPLAY_SHARE * len(index)):
            self._save(index)

    @property
    def needs_saving(self) -> bool:
        """Whether a rebuild is not on disk yet that took noticeable time, or had an unusable file to replace."""
        if self._index is None or self._saved_change >= 0:
            return False
        return len(self._index) >= SMALL or self.path.exists()

    def health(self) -> Health:
        """Measure the index; where its mapped file turns out to be damaged, rebuild it first."""
        try:
            return self.refresh().health()
        except FormatError as error:
            logger.warning("gallery %s: rebuilding %s (%s)", self._store.directory, self.path.name, error)
            with contextlib.suppress(OSError):
                self.path.unlink()
            self._index = None
            return self.refresh().health()

    def rewrite(self) -> None:
        """Build the index anew from SQLite and write it: no trace of deleted vectors stays behind."""
        with self._store.snapshot():
            self._rebuild(self._store.change)
        self._save(self.refresh())

    def bytes_on_disk(self) -> int:
        """Give the size of the cache file, 0 where there is none."""
        return self.path.stat().st_size if self.path.exists() else 0

    def _load(self, change: int) -> None:
        """Take the cache file where it belongs to this gallery; otherwise leave the index unset."""
        if not self.path.exists():
            return
        try:
            index = Index.load(self.path, mmap=self.path.stat().st_size > MAP_FROM)
            note = json.loads(index.note)
            reason = self._objection(index, note, change)
            if reason is None and int(note["change"]) != change:  # changes are applied to an index held in memory
                index = Index.load(self.path, mmap=False)
        except (Error, OSError, ValueError, KeyError, TypeError) as error:
            reason = str(error)
        if reason is not None:
            logger.warning("gallery %s: rebuilding the index %s (%s)", self._store.directory, self.path.name, reason)
            return
        self._index, self._change, self._saved_change = index, int(note["change"]), int(note["change"])

    def _objection(self, index: Index, note: dict[str, Any], change: int) -> str | None:
        if note["gallery"] != self._store.settings["uuid"] or note["channel"] != self.channel.name:
            return "it belongs to another gallery"
        if index.dim != self.channel.dim:
            return f"its vectors have {index.dim} numbers, expected {self.channel.dim}"
        purged = int(self._store.value("SELECT value FROM settings WHERE key = 'purged'"))
        if not purged <= int(note["change"]) <= change:
            return "it is from another state of the gallery"
        return None

    def _rebuild(self, change: int) -> None:
        count = int(self._store.value("SELECT count(*) FROM items"))
        index = Index(self.channel.dim, metric=self.channel.metric, factory="HNSW16" if count >= GRAPH_FROM else "Flat")
        for ids, vectors in vectors_since(self._store, self.channel, 0):
            index.add(vectors, ids, show_progress_bar=False)
        self._index, self._change, self._saved_change = index, change, -1

    def _replay(self, index: Index, change: int) -> None:
        gone = self._store.rows("SELECT item_id FROM tombstones WHERE change > ?", (self._change,))
        purged = int(self._store.value("SELECT value FROM settings WHERE key = 'purged'"))
        if purged > self._change:  # its tombstones are gone: what to remove is no longer known
            self._rebuild(change)
            return
        if gone:
            index.remove(np.array([row[0] for row in gone], np.int64))
        self._replayed += len(gone)
        for ids, vectors in vectors_since(self._store, self.channel, self._change):
            index.upsert(vectors, ids, show_progress_bar=False)  # a changed picture keeps its id
            self._replayed += len(ids)
        self._change = change

    def _save(self, index: Index) -> None:
        facts = {
            "gallery": self._store.settings["uuid"],
            "channel": self.channel.name,
            "change": self._change,
        }
        if index.removed > COMPACT_SHARE * (len(index) + index.removed):
            index.compact(show_progress_bar=False)
        try:
            self.path.parent.mkdir(exist_ok=True)
            index.save(self.path, note=json.dumps(facts))
        except (OSError, Error) as error:
            logger.warning("gallery %s: the index cache was not written (%s)", self._store.directory, error)
            return
        self._saved_change, self._replayed = self._change, 0


def _is_graph(index: Index) -> bool:
    return index.factory.startswith("HNSW")
