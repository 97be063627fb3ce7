"""What can go wrong with a gallery, beside the errors that the whole package shares."""

from __future__ import annotations

from pictrieve._core import Error


class GalleryError(Error):
    """A directory that is not a gallery, a gallery that cannot do what was asked, or a disk that is full."""


class GalleryLockedError(GalleryError):
    """Another process is writing to this gallery; `pid` is its process id where known."""

    def __init__(self, message: str, pid: int | None = None) -> None:
        """Keep the process id of the other writer."""
        super().__init__(message)
        self.pid = pid


class FingerprintError(GalleryError, ValueError):
    """Vectors or an encoder that do not belong to this gallery's space."""
