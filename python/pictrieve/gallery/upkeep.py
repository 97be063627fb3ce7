"""What a gallery holds, and making deletions final."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pictrieve.gallery.channels import ChannelIndex
from pictrieve.gallery.store import Store


def gallery_info(store: Store, indexes: Mapping[str, ChannelIndex]) -> dict[str, Any]:
    """Collect the facts of `Gallery.info`."""
    channels = {
        channel.name: {
            "dim": channel.dim,
            "metric": channel.metric,
            "fingerprint": channel.fingerprint,
            "index_bytes": indexes[channel.name].bytes_on_disk(),
        }
        for channel in store.channels.values()
    }
    return {
        "path": str(store.directory),
        "items": int(store.value("SELECT count(*) FROM items")),
        "failures": int(store.value("SELECT count(*) FROM ledger")),
        "encoder": store.settings["encoder"],
        "channels": channels,
        "metadata": [row[0] for row in store.rows("SELECT name FROM metadata_keys ORDER BY name")],
        "bytes": sum(file.stat().st_size for file in store.directory.rglob("*") if file.is_file()),
        "created": store.settings["created"],
        "format_version": int(store.value("PRAGMA user_version")),
    }


def purge_deleted(store: Store, indexes: Mapping[str, ChannelIndex]) -> None:
    """Rewrite database and index files, so that nothing of deleted items stays on disk."""
    with store.transaction() as change:
        store.connection.execute("DELETE FROM tombstones")
        store.connection.execute("UPDATE settings SET value = ? WHERE key = 'purged'", (change,))
    with store.errors():
        store.connection.execute("VACUUM")
        store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    for index in indexes.values():
        index.rewrite()
