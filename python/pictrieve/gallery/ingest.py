"""Taking pictures in: skip what is known, read ahead, encode, commit in small batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from operator import length_hint
from typing import Any

import numpy as np

from pictrieve.gallery.items import Item, clean_metadata, clean_text, item_at, update_metadata, write_item
from pictrieve.gallery.ledger import failure_at, forget_failures, record_failure, status_of
from pictrieve.gallery.reading import Loaded, file_facts, load_all
from pictrieve.gallery.report import Report
from pictrieve.gallery.sources import Source
from pictrieve.gallery.spaces import EncodedBatch, Spaces
from pictrieve.gallery.store import Store

COMMIT_SECONDS = 2.0  # a batch is sized so that it is committed after about this time


@dataclass
class IngestOptions:
    """How pictures are taken in."""

    batch_size: int = 64  # pictures in one commit, at most
    retry: bool = False  # try files again that failed before and have not changed
    on_commit: Callable[[int], None] | None = None  # called after each commit with the pictures committed so far
    progress: Callable[[int, int], None] | None = None  # called with (inputs done, inputs in all)


class Ingest:
    """One run of `Gallery.add`."""

    def __init__(self, store: Store, spaces: Spaces, report: Report, options: IngestOptions) -> None:
        """Prepare a run; the caller holds the writer lock."""
        self._store = store
        self._spaces = spaces
        self._report = report
        self._options = options
        self._batch = min(16, options.batch_size)  # grows to batch_size where the encoder is fast enough
        self._seen = 0
        self._total = 0
        self._renewed: list[tuple[int, str | None, int | None, dict[str, Any]]] = []  # facts without new vectors

    def run(self, sources: Iterable[Source]) -> None:
        """Take in all sources, a batch at a time; whatever was committed stays, also after an exception."""
        self._total = length_hint(sources)
        fresh = self._fresh(sources)
        with ThreadPoolExecutor(1, thread_name_prefix="pictrieve-read") as reader:
            ahead = reader.submit(load_all, list(islice(fresh, self._batch)))
            while batch := ahead.result():
                ahead = reader.submit(load_all, list(islice(fresh, self._batch)))
                started = time.monotonic()
                self._take_in(batch)
                self._resize_batch(len(batch), time.monotonic() - started)
        self._commit_renewed()
        self._tell_progress(0)

    def _fresh(self, sources: Iterable[Source]) -> Iterator[Source]:
        """Leave out files that are in the gallery unchanged, and unchanged failures."""
        for source in sources:
            if source.path is None or not self._is_settled(source, source.path):
                yield source
            else:
                self._seen += 1
                if self._seen % 256 == 0:
                    self._tell_progress(0)

    def _is_settled(self, source: Source, path: str) -> bool:
        size, mtime = file_facts(path)
        item = item_at(self._store, path)
        if item is not None and size is not None and (item.size, item.mtime) == (size, mtime):
            self._report.skip()
            self._refresh_facts(item, source)
            return True
        failure = None if self._options.retry else failure_at(self._store, path)
        if failure is not None and (failure.size, failure.mtime) == (size, mtime):
            self._report.skip(path, f"failed before: {failure.reason}")
            return True
        return False

    def _refresh_facts(self, item: Item, source: Source, mtime: int | None = None) -> None:
        """Take over new metadata, text or time of a picture whose pixels are known."""
        text = clean_text(source.text)
        text = text if text != item.text else None
        changed = {k: v for k, v in clean_metadata(source.metadata or {}).items() if item.metadata.get(k) != v}
        if text is not None or changed or mtime is not None:
            self._renewed.append((item.id, text, mtime, changed))
        if len(self._renewed) >= 1000:
            self._commit_renewed()

    def _commit_renewed(self) -> None:
        if not self._renewed:
            return
        with self._store.transaction():
            for item_id, text, mtime, changed in self._renewed:
                sql = "UPDATE items SET text = coalesce(?, text), mtime = coalesce(?, mtime) WHERE id = ?"
                self._store.connection.execute(sql, (text, mtime, item_id))
                if changed:
                    update_metadata(self._store, [item_id], [changed])
        self._renewed.clear()

    def _take_in(self, batch: Sequence[Loaded]) -> None:
        fresh = [loaded for loaded in batch if not self._is_same_content(loaded)]
        readable = [loaded for loaded in fresh if loaded.failure is None]
        encoded = None
        if readable:
            encoded = self._spaces.encode_images([loaded.content for loaded in readable])
            for index, reason in encoded.errors:
                readable[index].failure = (status_of(reason), reason)
        if fresh:
            self._commit(fresh, readable, encoded)
        self._tell_progress(len(batch))

    def _is_same_content(self, loaded: Loaded) -> bool:
        """Tell a file that was only touched, or a picture without a path that is there already."""
        item = loaded.item
        if loaded.failure is not None or item.sha256 is None:
            return False
        if item.path is not None:
            known = item_at(self._store, item.path)
            if known is None or known.sha256 != item.sha256:
                return False
            self._report.skip()
            self._refresh_facts(known, loaded.source, mtime=item.mtime)
            return True
        sql = "SELECT id FROM items WHERE sha256 = ? AND path IS NULL"
        known_id = self._store.value(sql, (item.sha256,))
        if known_id is not None:
            self._report.skip(loaded.source.label, f"the same picture is item {known_id}")
        return known_id is not None

    def _commit(self, fresh: Sequence[Loaded], readable: Sequence[Loaded], encoded: EncodedBatch | None) -> None:
        counts = {"added": 0, "updated": 0}
        with self._store.transaction() as change:
            if encoded is not None:
                for row, position in enumerate(encoded.kept):
                    item = readable[int(position)].item
                    known = item.path is not None and item_at(self._store, item.path) is not None
                    vectors = {name: np.ascontiguousarray(rows[row]) for name, rows in encoded.vectors.items()}
                    write_item(self._store, change, item, vectors)
                    counts["updated" if known else "added"] += 1
            good = [loaded.item.path for loaded in fresh if loaded.failure is None and loaded.item.path is not None]
            forget_failures(self._store, good)
            failed = [(loaded.item, loaded.failure) for loaded in fresh if loaded.failure is not None]
            for item, (status, reason) in failed:
                if item.path is not None:
                    record_failure(self._store, item.path, item.size, item.mtime, reason, status)
        self._report.added += counts["added"]
        self._report.updated += counts["updated"]
        for item, (status, reason) in failed:
            self._report.fail(item.path or "(picture without a path)", status, reason)
        if self._options.on_commit is not None:
            self._options.on_commit(self._report.added + self._report.updated)

    def _resize_batch(self, count: int, seconds: float) -> None:
        affordable = int(count / max(seconds, 1e-3) * COMMIT_SECONDS)
        self._batch = max(1, min(self._options.batch_size, affordable, 2 * max(count, 8)))

    def _tell_progress(self, count: int) -> None:
        self._seen += count
        if self._options.progress is not None:
            self._options.progress(self._seen, self._total)
