"""Galleries of vectors that the user computed: no encoder, no decoding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from pictrieve.gallery.errors import FingerprintError
from pictrieve.gallery.items import Floats, Item, item_at, write_item
from pictrieve.gallery.reading import file_facts
from pictrieve.gallery.report import Report
from pictrieve.gallery.sources import Source, Table, expand
from pictrieve.gallery.store import Store

FINGERPRINT = "own vectors"
_BATCH = 1024


def checked_dim(dim: int) -> int:
    """Refuse a length that no vector has."""
    if not isinstance(dim, int) or not 1 <= dim <= 65536:
        raise ValueError(f"dim: expected a whole number from 1 to 65536, got {dim!r}")
    return dim


def sources_of(items: Any, vectors: Any, metadata: Table, texts: Table, store: Store, report: Report) -> list[Source]:
    """Join items, or nothing, with the rows of `vectors`, scaled to unit length."""
    rows = _checked_rows(vectors, store)
    count = len(next(iter(rows.values())))
    listed = [Source(None) for _ in range(count)] if items is None else items
    sources = expand(listed, metadata, texts, report)
    if len(sources) != count:
        raise ValueError(f"vectors: expected one row for each of the {len(sources)} items, got {count}")
    for i, source in enumerate(sources):
        source.vectors = {name: channel_rows[i] for name, channel_rows in rows.items()}
    return sources


def _checked_rows(vectors: Any, store: Store) -> dict[str, Floats]:
    """Bring vectors to (n, dim) unit rows for each channel."""
    if store.settings["kind"] == "vectors":
        vectors = vectors if isinstance(vectors, Mapping) else {"features": vectors}
    elif not isinstance(vectors, Mapping):
        raise FingerprintError(
            f"gallery {store.directory}: its vectors are written by {store.settings['encoder']!r} alone; "
            f"vectors "
            f"from elsewhere cannot be compared with them: make a gallery of your own vectors with "
            f"Gallery.create(path, dim=...), or, if that very encoder made them, give a dict with "
            f"{sorted(store.channels)}"
        )
    if set(vectors) != set(store.channels):
        raise ValueError(f"vectors: expected the channels {sorted(store.channels)}, got {sorted(vectors)}")
    rows = {name: _unit_rows(vectors[name], channel.dim) for name, channel in store.channels.items()}
    if len({len(channel_rows) for channel_rows in rows.values()}) != 1:
        raise ValueError("vectors: expected as many rows in each channel")
    return rows


def _unit_rows(vectors: Any, dim: int) -> Floats:
    if vectors is None:
        raise ValueError(f"vectors: this gallery has no encoder; expected an array (n, {dim}), got None")
    rows = np.ascontiguousarray(vectors, np.float32)
    if rows.ndim != 2 or rows.shape[1] != dim or not np.isfinite(rows).all():
        raise ValueError(f"vectors: expected finite numbers of shape (n, {dim}), got shape {rows.shape}")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError("vectors: expected no row of zeros: it has no direction to compare")
    return cast(Floats, rows / lengths)


def write(store: Store, sources: Sequence[Source], report: Report, on_commit: Callable[[int], None] | None) -> None:
    """Commit all sources in batches; an item with a known path is replaced."""
    for start in range(0, len(sources), _BATCH):
        counts = [0, 0]
        with store.transaction() as change:
            for source in sources[start : start + _BATCH]:
                size, mtime = (None, None) if source.path is None else file_facts(source.path)
                known = source.path is not None and item_at(store, source.path) is not None
                item = Item(source.path, size=size, mtime=mtime, text=source.text, metadata=source.metadata or {})
                write_item(store, change, item, source.vectors or {})
                counts[known] += 1
        report.added += counts[0]
        report.updated += counts[1]
        if on_commit is not None:
            on_commit(report.added + report.updated)
