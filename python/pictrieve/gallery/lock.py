"""One writer at a time: an flock on a file in the gallery, which the kernel drops when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from pictrieve.gallery.errors import GalleryLockedError


class WriterLock:
    """The right to write to one gallery. Readers never ask for it."""

    def __init__(self, path: Path) -> None:
        """Name the lock file; nothing is locked yet."""
        self._path = path
        self._file: int | None = None
        self._guard = threading.RLock()

    @property
    def held(self) -> bool:
        """Whether this process object holds the lock."""
        return self._file is not None

    def acquire(self) -> None:
        """Take the lock at once or raise GalleryLockedError; taking it twice is harmless."""
        with self._guard:
            if self._file is None:
                self._file = self._locked_file()

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[None]:
        """Hold the lock during a block; other threads that want it wait, and find it as it was before."""
        with self._guard:
            held = self.held
            self.acquire()
            try:
                yield
            finally:
                if not held:
                    self.release()

    def _locked_file(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _pid_in(descriptor)
            os.close(descriptor)
            raise GalleryLockedError(f"gallery {self._path.parent}: {_who(pid)}", pid) from None
        except BaseException:
            os.close(descriptor)
            raise
        with contextlib.suppress(OSError):  # the number is a courtesy; a full disk must not stop a delete
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor

    def release(self) -> None:
        """Give the lock back; harmless where it is not held."""
        with self._guard:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def __del__(self) -> None:
        """Give the lock back where a gallery is dropped without being closed."""
        self.release()


def _who(pid: int | None) -> str:
    if pid == os.getpid():
        return "an unclosed Gallery in this process is writing to it; close that one, or write through it"
    holder = f"process {pid}" if pid else "another process"
    return f"{holder} is writing to it; wait for it to finish, or stop it (searching stays possible meanwhile)"


def _pid_in(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None
