"""The gallery's facts in SQLite: opening, creating, transactions. All else can be rebuilt from here."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pictrieve._core import FormatError
from pictrieve.gallery.errors import GalleryError, GalleryLockedError
from pictrieve.gallery.schema import APPLICATION_ID, FORMAT_VERSION, SCHEMA

DATABASE = "gallery.sqlite"
BUSY_SECONDS = 30.0  # only a checkpoint or a purge of another process makes anybody wait


@dataclass(frozen=True)
class Channel:
    """One vector space of a gallery: every item has one row of `dim` float32 in it."""

    number: int
    name: str
    dim: int
    metric: str
    fingerprint: str


def now() -> str:
    """Give the time in UTC as ISO 8601 text, seconds exact."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


class Store:
    """An open gallery.sqlite."""

    def __init__(self, directory: Path) -> None:
        """Open and check the database of an existing gallery directory."""
        self.directory = directory
        self._guard = threading.RLock()  # one connection: a transaction of one thread is none of another's
        self._closed = False
        self.connection, self._read_only = _open(directory)
        with self.errors():
            self._check_format()
            self.settings: dict[str, Any] = dict(self.connection.execute("SELECT key, value FROM settings"))
            rows = self.connection.execute(
                "SELECT number, name, dim, metric, fingerprint FROM channels ORDER BY number"
            )
            self.channels = {row[1]: Channel(*row) for row in rows}

    @classmethod
    def create(cls, directory: Path, channels: Sequence[Channel], settings: Mapping[str, str]) -> None:
        """Make a new gallery appear at `directory` in one step: it is complete, or it is not there."""
        _refuse_existing(directory)
        directory.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(directory)
        temporary = directory.parent / f".{directory.name}.creating-{os.getpid()}-{secrets.token_hex(4)}"
        temporary.mkdir()
        try:
            (temporary / "index").mkdir()
            _write_new(temporary / DATABASE, channels, settings)
            _sync_directory(temporary)
            try:
                temporary.rename(directory)
            except OSError:
                _refuse_existing(directory)
                raise
            _sync_directory(directory.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def close(self) -> None:
        """Close the connection; SQLite folds the write-ahead log back in where this was the last one."""
        with self._guard:
            self._closed = True
            self.connection.close()

    @property
    def read_only(self) -> bool:
        """Whether file system or medium forbid writing; a closed gallery is an error."""
        if self._closed:
            raise GalleryError(f"gallery {self.directory}: it was closed; open it again with Gallery.open")
        return self._read_only

    @property
    def change(self) -> int:
        """The number of the last committed change of vectors, see Note [changes]."""
        return int(self.value("SELECT value FROM settings WHERE key = 'change'"))

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Run a query and give the first column of its first row, None where there is no row."""
        with self.errors():
            row = self.connection.execute(sql, parameters).fetchone()
        return None if row is None else row[0]

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query and give all its rows."""
        with self.errors():
            return self.connection.execute(sql, parameters).fetchall()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[int]:
        """Run the body as one durable commit; gives the change number that its vectors take."""
        if self.read_only:
            raise GalleryError(f"gallery {self.directory}: it cannot be written to (read-only file or directory)")
        with self.errors():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                change = self.change + 1
                yield change
                self.connection.execute("UPDATE settings SET value = ? WHERE key = 'change'", (change,))
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:  # SQLite itself rolls back when the disk is full
                    self.connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Run the body on one state of the database, whatever other processes commit meanwhile."""
        with self.errors():
            if self.connection.in_transaction:
                yield
                return
            self.connection.execute("BEGIN")
            try:
                yield
            finally:
                self.connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Keep other threads off the connection, and say in the library's words what SQLite reports."""
        with self._guard:
            try:
                yield
            except sqlite3.DatabaseError as error:
                raise _translated(error, self.directory) from error

    def _check_format(self) -> None:
        if self.connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise GalleryError(f"{self.directory}: {DATABASE} is an SQLite file, but not that of a pictrieve gallery")
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version > FORMAT_VERSION:
            raise FormatError(
                f"gallery {self.directory}: format {version} is newer than the {FORMAT_VERSION} that this "
                f"pictrieve "
                f"reads; run: pip install --upgrade pictrieve"
            )


def _open(directory: Path) -> tuple[sqlite3.Connection, bool]:
    """Connect for reading and writing where the file system allows, else for reading."""
    if not directory.exists():
        remedy = f"create it with Gallery.create or `pictrieve index DIR -o {directory}`"
        raise FileNotFoundError(2, f"no such gallery; {remedy}", str(directory))
    database = directory / DATABASE
    if not database.is_file():
        raise GalleryError(f"{directory}: not a pictrieve gallery (no {DATABASE} in it)")
    # immutable=1 reads a WAL database without creating its side files, which a read-only medium needs.
    for options, read_only in (("mode=rw", False), ("mode=ro", True), ("mode=ro&immutable=1", True)):
        connection = None
        try:
            connection = sqlite3.connect(
                f"file:{quote(os.fsencode(database.absolute()))}?{options}", uri=True, isolation_level=None,
                timeout=BUSY_SECONDS, check_same_thread=False,
            )  # fmt: skip
            for pragma in ("synchronous = FULL", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return connection, read_only or not os.access(directory, os.W_OK)
        except sqlite3.OperationalError as error:
            if connection is not None:
                connection.close()
            last: sqlite3.DatabaseError = error
        except sqlite3.DatabaseError as error:
            if connection is not None:
                connection.close()
            raise _translated(error, directory) from error
    raise _translated(last, directory)


def _write_new(database: Path, channels: Sequence[Channel], settings: Mapping[str, str]) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript("BEGIN;" + SCHEMA + f"PRAGMA user_version = {FORMAT_VERSION}; COMMIT;")
        facts: dict[str, Any] = {
            "uuid": uuid.uuid4().hex,
            "created": now(),
            "change": 0,
            "purged": 0,
            **settings,
        }
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO settings VALUES (?, ?)", facts.items())
        rows = [(c.number, c.name, c.dim, c.metric, c.fingerprint) for c in channels]
        connection.executemany("INSERT INTO channels VALUES (?, ?, ?, ?, ?)", rows)
        connection.execute("COMMIT")


def _refuse_existing(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        kind = "a gallery" if (directory / DATABASE).exists() else "something else"
        remedy = "open it with Gallery.open or choose another name"
        raise FileExistsError(17, f"{kind} is already there; {remedy}", str(directory))


def _remove_abandoned(directory: Path) -> None:
    """Delete what a killed `create` of the same gallery left behind."""
    for leftover in directory.parent.glob(f".{directory.name}.creating-*"):
        pid = leftover.name.split("-")[-2]
        if not (pid.isdigit() and Path(f"/proc/{pid}").exists()):
            shutil.rmtree(leftover, ignore_errors=True)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _translated(error: sqlite3.DatabaseError, directory: Path) -> Exception:
    text = str(error)
    if "closed database" in text:
        return GalleryError(f"gallery {directory}: it was closed; open it again with Gallery.open")
    if "full" in text or "disk I/O error" in text:
        return GalleryError(
            f"gallery {directory}: the disk is full or failing ({text}); everything committed before is "
            f"kept: "
            f"free some space and run the same again"
        )
    if "locked" in text or "busy" in text:
        return GalleryLockedError(f"gallery {directory}: another process holds it ({text}); try again in a moment")
    if "malformed" in text or "not a database" in text or "no such table" in text:
        return FormatError(f"gallery {directory}: {DATABASE} is damaged ({text}); restore it from a copy")
    return GalleryError(f"gallery {directory}: {text}")
