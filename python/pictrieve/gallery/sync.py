"""Making a gallery equal to a folder: what is new, what has changed, what is gone."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pictrieve.gallery.items import delete_items, path_from_column, path_to_column
from pictrieve.gallery.ledger import all_failures, forget_failures
from pictrieve.gallery.reading import file_facts, file_hash
from pictrieve.gallery.report import Report
from pictrieve.gallery.sources import UNREADABLE, walk
from pictrieve.gallery.store import Store


def move_renamed(store: Store, folder: str, paths: list[str]) -> int:
    """Give items whose file was renamed inside the folder their new path: same size, time and content.

    They keep id, metadata and vectors. A file counts as renamed where exactly one vanished item fits.
    """
    known = {path for _, path, *_ in _items_below(store, folder)}
    closed = _unreadable(folder) if known.difference(paths) else []
    vanished: dict[tuple[int | None, int | None], dict[int, str | None]] = {}
    for item_id, _, size, mtime, sha256 in _vanished(store, folder, set(paths), closed):
        vanished.setdefault((size, mtime), {})[item_id] = sha256
    moves = []
    for path in paths:
        candidates = {} if path in known else vanished.get(file_facts(path), {})
        content = file_hash(path) if candidates else None
        fitting = [item_id for item_id, sha256 in candidates.items() if content is not None and sha256 == content]
        if len(fitting) == 1:
            del candidates[fitting[0]]
            moves.append((path_to_column(path), fitting[0]))
    if moves:
        with store.transaction():
            store.connection.executemany("UPDATE items SET path = ? WHERE id = ?", moves)
    return len(moves)


def remove_vanished(store: Store, folder: str, report: Report) -> None:
    """Delete the items and ledger rows of files below the folder that are not there any more.

    What lies below a folder that cannot be listed is left alone: nobody knows whether it is gone.
    """
    seen = Report()
    present = set(walk(folder, seen))
    closed = _closed_folders(seen)
    gone = [item_id for item_id, *_ in _vanished(store, folder, present, closed)]
    failures = [
        row.path
        for row in all_failures(store)
        if _is_below(row.path, folder) and row.path not in present and not _is_below_any(row.path, closed)
    ]
    if gone or failures:
        with store.transaction() as change:
            report.removed += delete_items(store, change, gone)
            forget_failures(store, failures)


_Row = tuple[int, str, int | None, int | None, str | None]  # id, path, size, mtime, sha256


def _vanished(store: Store, folder: str, present: set[str], closed: list[str]) -> Iterator[_Row]:
    for row in _items_below(store, folder):
        if row[1] not in present and not _is_below_any(row[1], closed):
            yield row


def _items_below(store: Store, folder: str) -> Iterator[_Row]:
    sql = "SELECT id, path, size, mtime, sha256 FROM items WHERE path IS NOT NULL"
    for item_id, column, size, mtime, sha256 in store.rows(sql):
        path = path_from_column(column)
        if path is not None and _is_below(path, folder):
            yield item_id, path, size, mtime, sha256


def _unreadable(folder: str) -> list[str]:
    """Give the folders below that cannot be listed."""
    seen = Report()
    for _ in walk(folder, seen):
        pass
    return _closed_folders(seen)


def _closed_folders(report: Report) -> list[str]:
    return [row.path for row in report.rows if row.status == UNREADABLE]


def _is_below_any(path: str, folders: list[str]) -> bool:
    return any(_is_below(path, folder) for folder in folders)


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)
