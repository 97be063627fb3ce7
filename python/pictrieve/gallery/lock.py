"""One writer at a time: an flock on a file in the gallery, which the kernel drops when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from pictrieve.gallery.errors import GalleryLockedError


class WriterLock:
    """The right to write to one gallery. Readers never ask for it."""

    def __init__(self, path: Path) -> None:
        """Name the lock file; nothing is locked yet."""
        self._path = path
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """Whether this process object holds the lock."""
        return self._file is not None

    def acquire(self) -> None:
        """Take the lock at once or raise GalleryLockedError; taking it twice is harmless."""
        if self._file is not None:
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _pid_in(descriptor)
            os.close(descriptor)
            holder = f"process {pid}" if pid else "another process"
            raise GalleryLockedError(
                f"gallery {self._path.parent}: {holder} is writing to it; wait for it to finish, "
                f"or stop it (searching stays possible meanwhile)",
                pid,
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._file = descriptor
        with contextlib.suppress(OSError):  # the number is a courtesy; a full disk must not stop a delete
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give the lock back; harmless where it is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _pid_in(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None
