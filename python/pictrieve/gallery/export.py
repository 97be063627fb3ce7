"""A gallery as plain files that other tools open."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from pictrieve.gallery.items import Item, all_items, vectors_since
from pictrieve.gallery.store import Store


def export_npy(store: Store, folder: Path) -> list[Path]:
    """Write ids.npy, <channel>.npy of (n, dim) float32 in the same order, items.jsonl and gallery.json.

    Arrays are written row by row, so memory stays small.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "ids.npy", folder / "items.jsonl", folder / "gallery.json"]
    with store.snapshot():
        ids = np.array([row[0] for row in store.rows("SELECT id FROM items ORDER BY id")], np.int64)
        np.save(written[0], ids)
        with written[1].open("w", encoding="utf-8") as file:
            for item in all_items(store):
                file.write(json.dumps(_facts(item), ensure_ascii=True) + "\n")
        for channel in store.channels.values():
            path = folder / f"{channel.name}.npy"
            rows = np.lib.format.open_memmap(path, "w+", np.float32, (len(ids), channel.dim)) if len(ids) else None
            start = 0
            for block_ids, vectors in vectors_since(store, channel, 0):
                rows[start : start + len(block_ids)] = vectors  # type: ignore[index]
                start += len(block_ids)
            if rows is None:
                np.save(path, np.empty((0, channel.dim), np.float32))
            else:
                rows.flush()
            written.append(path)
    facts = {
        "encoder": store.settings["encoder"],
        "channels": {c.name: {"dim": c.dim, "metric": c.metric, "fingerprint": c.fingerprint}
                     for c in store.channels.values()},
    }  # fmt: skip
    written[2].write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return written


def _facts(item: Item) -> dict[str, object]:
    return {
        "id": item.id, "path": item.path, "sha256": item.sha256, "size": item.size, "width": item.width,
        "height": item.height, "format": item.format, "text": item.text, "metadata": item.metadata,
        "added_at": item.added_at,
    }  # fmt: skip
