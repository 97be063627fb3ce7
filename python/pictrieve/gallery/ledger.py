"""Which files could not be taken in, why, and whether they have changed since."""

from __future__ import annotations

from typing import NamedTuple

from pictrieve.gallery.items import path_from_column, path_to_column
from pictrieve.gallery.store import Store, now

# What a reason says decides the status; the first match wins.
_WORDS = (
    ("too_large", ("too large", "max_pixels", "pixels, more than", "limit", "at most")),
    (
        "unsupported",
        ("unsupported", "not a known", "unknown format", "not a picture", "not an image", "expected jpeg"),
    ),
    ("unreadable", ("permission", "no such file", "is a directory", "not a regular file", "errno")),
)


class Failure(NamedTuple):
    """One row of the ledger.

    Attributes:
        path: The file.
        size: Bytes at the last attempt, None where it could not be looked at.
        mtime: Modification time at the last attempt, in nanoseconds.
        status: corrupt, unsupported, too_large or unreadable.
        reason: What was wrong, in words.
        attempts: How often it was tried.
        at: When it was tried last, UTC.
    """

    path: str
    size: int | None
    mtime: int | None
    status: str
    reason: str
    attempts: int
    at: str


def status_of(reason: str) -> str:
    """Sort a decoder's message into one of the four statuses."""
    lowered = reason.lower()
    return next((status for status, words in _WORDS if any(word in lowered for word in words)), "corrupt")


def record_failure(store: Store, path: str, size: int | None, mtime: int | None, reason: str, status: str) -> None:
    """Note a failed attempt. Call inside a transaction."""
    store.connection.execute(
        """INSERT INTO ledger (path, size, mtime, status, reason, at) VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT (path) DO UPDATE SET size = excluded.size, mtime = excluded.mtime, status =
           excluded.status,
             reason = excluded.reason, at = excluded.at, attempts = attempts + 1""",
        (path_to_column(path), size, mtime, status, reason, now()),
    )


def forget_failures(store: Store, paths: list[str]) -> None:
    """Drop the rows of files that are in the gallery now, or gone. Call inside a transaction."""
    store.connection.executemany("DELETE FROM ledger WHERE path = ?", [(path_to_column(path),) for path in paths])


def failure_at(store: Store, path: str) -> Failure | None:
    """Give the ledger's row of one file."""
    rows = _select(store, "WHERE path = ?", (path_to_column(path),))
    return rows[0] if rows else None


def all_failures(store: Store) -> list[Failure]:
    """Give the whole ledger, by path."""
    return _select(store, "ORDER BY path", ())


def _select(store: Store, tail: str, parameters: tuple[str | bytes, ...]) -> list[Failure]:
    rows = store.rows(f"SELECT path, size, mtime, status, reason, attempts, at FROM ledger {tail}", parameters)
    return [Failure(path_from_column(row[0]) or "", *row[1:]) for row in rows]
