"""The searchable collection on disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import length_hint
from pathlib import Path
from typing import Any

from pictrieve.gallery import own_vectors
from pictrieve.gallery.export import export_npy
from pictrieve.gallery.ingest import Ingest, IngestOptions
from pictrieve.gallery.items import delete_items, item_ids, update_metadata
from pictrieve.gallery.report import Report
from pictrieve.gallery.searching import SearchableGallery
from pictrieve.gallery.sources import Source, Table, stream, walk
from pictrieve.gallery.spaces import absolute_model, describe, load_encoder
from pictrieve.gallery.store import Channel, Store
from pictrieve.gallery.sync import move_renamed, remove_vanished
from pictrieve.gallery.upkeep import purge_deleted
from pictrieve.models import DEFAULT_DUAL
from pictrieve.progress import progress_bar


class Gallery(SearchableGallery):
    """A collection of pictures on disk that is searched by picture, by words, or by both.

    What was committed survives any kill: `add` commits in small batches, and interrupted work is resumed by
    calling it again. One process writes at a time, any number read. Nothing leaves the machine, and of a
    picture only its size, format, hash and vectors are kept: no GPS position or other EXIF data.

    Example:
        >>> import pictrieve as pt
        >>> g = pt.Gallery.create("photos.gallery")            # doctest: +SKIP
        >>> g.add("photos/")                                   # doctest: +SKIP
        >>> g.search("two dogs in the snow", k=5)              # doctest: +SKIP
        >>> g.search("photos/dog.jpg + snow - 2:car")          # doctest: +SKIP
    """

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        encoder: Any = DEFAULT_DUAL,
        *,
        text: str | None = None,
        dim: int | None = None,
    ) -> Gallery:
        """Make a new, empty gallery: after a kill it is there whole, or not at all.

        Args:
            path: A directory that does not exist yet, or is empty.
            encoder: A model name, an `ImageEncoder` (pictures only) or a `DualEncoder` (pictures and words).
            text: Name of a text model, to be paired with an `encoder` given by name.
            dim: Length of vectors of your own; the gallery then has no encoder, and `add` takes vectors=.

        Raises:
            FileExistsError: Something is there already.
        """
        if dim is not None:
            kind, name = "vectors", "(own vectors)"
            channels = [Channel(1, "features", own_vectors.checked_dim(dim), "cosine", own_vectors.FINGERPRINT)]
        else:
            name = encoder if isinstance(encoder, str) else encoder.name
            if isinstance(encoder, str):
                name = absolute_model(name if text is None else f"{name}+{text}")
                encoder = load_encoder(name)
            elif text is not None:
                raise ValueError("text: expected only beside an encoder given by name, got an encoder object")
            kind, channels = describe(encoder)
        Store.create(Path(os.path.abspath(path)), channels, {"kind": kind, "encoder": name})
        gallery = cls(path)
        if dim is None:
            gallery._spaces.use(encoder)
        return gallery

    @classmethod
    def open(cls, path: str | os.PathLike[str], encoder: Any = None) -> Gallery:
        """Open a gallery. Its encoder is loaded when a search or an add first needs it.

        Args:
            path: Directory of the gallery.
            encoder: The encoder object that wrote it, where its name is not enough to load it.

        Raises:
            FileNotFoundError: There is no such directory.
            GalleryError: The directory is not a gallery.
            FormatError: The gallery is damaged, or of a newer format than this version reads.
            FingerprintError: `encoder` is not the one that the gallery was written by.
        """
        gallery = cls(path)
        try:
            if encoder is not None:
                gallery._spaces.use(encoder)
        except BaseException:
            gallery.close()
            raise
        return gallery

    def add(
        self,
        items: Any = None,
        metadata: Table = None,
        texts: Table = None,
        *,
        vectors: Any = None,
        batch_size: int = 64,
        retry: bool = False,
        show_progress_bar: bool | None = None,
        on_commit: Callable[[int], None] | None = None,
    ) -> Report:
        """Take in pictures; what is there already is skipped, so an interrupted call is simply repeated.

        Args:
            items: A folder (searched recursively), a path, or an iterable of paths, encoded bytes, uint8
                arrays, PIL images or dicts with "path" or "image"; or a DataFrame with a column "path", whose
                other columns become metadata ("text" becomes the text); or a `datasets.Dataset`.
            metadata: A dict for each item, a DataFrame of the same length, a mapping from path or file name
                to dict, a function of the path, or one plain dict for all.
            texts: A caption for each item, in the same forms.
            vectors: (n, dim) float32 vectors of your own, for a gallery created with dim=; or a dict from
                channel to (n, dim) rows that the gallery's own encoder made elsewhere.
            batch_size: Pictures in one commit, at most; slower work commits about every two seconds.
            retry: Try files again that could not be read before, though they have not changed.
            show_progress_bar: None shows a bar on a terminal once the work has lasted a second.
            on_commit: Called after each commit with the number of pictures that this call has committed.

        Returns:
            Counts, and a row for each input that failed or was passed over for a reason. Unreadable files are
            noted in the ledger (`failures`) and never stop the run.

        Raises:
            GalleryLockedError: Another process is writing.
            GalleryError: The disk is full; what was committed is kept.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        self._begin_writing()
        started = time.monotonic()
        report = Report()
        if vectors is not None or self._store.settings["kind"] == "vectors":
            sources = own_vectors.sources_of(items, vectors, metadata, texts, self._store, report)
            own_vectors.write(self._store, sources, report, on_commit)
        else:
            options = IngestOptions(batch_size, retry, on_commit)
            self._ingest(stream(items, metadata, texts, report), report, options, show_progress_bar)
        self._save_indexes()
        report.seconds = time.monotonic() - started
        return report

    def sync(
        self,
        folder: str | os.PathLike[str],
        *,
        show_progress_bar: bool | None = None,
        on_commit: Callable[[int], None] | None = None,
    ) -> Report:
        """Make the gallery equal to a folder: add what is new, redo what has changed, delete what is gone.

        A renamed file keeps its id and metadata. Items from elsewhere are left alone. Doing it twice changes
        nothing.
        """
        root = os.path.abspath(folder)
        if not os.path.isdir(root):  # an unmounted disk must not empty the gallery
            raise NotADirectoryError(20, "sync needs an existing folder", root)
        self._begin_writing()
        started = time.monotonic()
        report = Report()
        paths = list(walk(root, report))
        report.updated += move_renamed(self._store, root, paths)
        options = IngestOptions(on_commit=on_commit)
        self._ingest([Source(path) for path in paths], report, options, show_progress_bar)
        remove_vanished(self._store, root, report)
        self._save_indexes()
        report.seconds = time.monotonic() - started
        return report

    def delete(self, ids: int | Sequence[int]) -> int:
        """Delete items and give how many of the ids existed; no id is used twice. `purge` frees the space."""
        listed = item_ids(ids)
        self._begin_writing()
        with self._store.transaction() as change:
            return delete_items(self._store, change, listed)

    def update(self, ids: int | Sequence[int], metadata: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Merge values into the metadata of items; None removes a key. One dict serves all ids."""
        listed = item_ids(ids)
        self._begin_writing()
        rows = [metadata] * len(listed) if isinstance(metadata, Mapping) else list(metadata)
        if len(rows) != len(listed):
            raise ValueError(f"metadata: expected one dict for each of the {len(listed)} ids, got {len(rows)}")
        with self._store.transaction():
            update_metadata(self._store, listed, rows)

    def purge(self) -> None:
        """Overwrite what was deleted: rewrite the database and the index files without it."""
        self._begin_writing()
        purge_deleted(self._store, self._indexes)

    def health(self) -> dict[str, Any]:
        """Give what each channel's index says of itself: measured recall against exact search, and bytes."""
        return {name: index.health() for name, index in self._indexes.items() if len(self)}

    def export(self, folder: str | os.PathLike[str], format: str = "npy") -> list[Path]:
        """Write vectors, ids and items as plain files and give their paths: see `gallery.export`."""
        if format != "npy":
            raise ValueError(f"format: expected 'npy', got {format!r}")
        return export_npy(self._store, Path(folder))

    def _ingest(self, sources: Iterable[Source], report: Report, options: IngestOptions, show: bool | None) -> None:
        with progress_bar(length_hint(sources) or None, "images", show) as progress:
            options.progress = progress
            Ingest(self._store, self._spaces, report, options).run(sources)

    def _save_indexes(self) -> None:
        for index in self._indexes.values():
            index.save_if_worthwhile()
