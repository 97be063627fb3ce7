"""Making a gallery equal to a folder: what is new, what has changed, what is gone."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pictrieve.gallery.items import delete_items, path_from_column
from pictrieve.gallery.ledger import all_failures, forget_failures
from pictrieve.gallery.reading import file_facts
from pictrieve.gallery.report import Report
from pictrieve.gallery.sources import walk
from pictrieve.gallery.store import Store


def move_renamed(store: Store, folder: str, paths: list[str]) -> int:
    """Give items whose file was renamed inside the folder their new path: same size and time, new name.

    They keep id, metadata and vectors. A file counts as renamed where exactly one vanished item fits.
    """
    present = set(paths)
    vanished: dict[tuple[int | None, int | None], list[int]] = {}
    known = set()
    for item_id, path, size, mtime in _items_below(store, folder):
        known.add(path)
        if path not in present:
            vanished.setdefault((size, mtime), []).append(item_id)
    moves = []
    for path in paths:
        candidates = [] if path in known else vanished.get(file_facts(path), [])
        if len(candidates) == 1:
            moves.append((path, candidates.pop()))
    if moves:
        with store.transaction():
            store.connection.executemany("UPDATE items SET path = ? WHERE id = ?", moves)
    return len(moves)


def remove_vanished(store: Store, folder: str, report: Report) -> None:
    """Delete the items and ledger rows of files below the folder that are not there any more."""
    present = set(walk(folder))
    gone = [item_id for item_id, path, _, _ in _items_below(store, folder) if path not in present]
    failures = [row.path for row in all_failures(store) if _is_below(row.path, folder) and row.path not in present]
    if gone or failures:
        with store.transaction() as change:
            report.removed += delete_items(store, change, gone)
            forget_failures(store, failures)


def _items_below(store: Store, folder: str) -> Iterator[tuple[int, str, int | None, int | None]]:
    for item_id, column, size, mtime in store.rows("SELECT id, path, size, mtime FROM items WHERE path IS NOT NULL"):
        path = path_from_column(column)
        if path is not None and _is_below(path, folder):
            yield item_id, path, size, mtime


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)
