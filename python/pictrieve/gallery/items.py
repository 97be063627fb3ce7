"""Rows of the items table: writing them, finding them, reading vectors back."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pictrieve._index_arguments import as_ids
from pictrieve.gallery.store import Channel, Store, now

Floats = NDArray[np.float32]
BLOCK = 4096  # rows read at a time: 20 MB of 1280-d vectors


@dataclass
class Item:
    """What the gallery knows about one picture."""

    path: str | None
    sha256: str | None = None
    size: int | None = None
    mtime: int | None = None  # nanoseconds, as os.stat gives it
    width: int | None = None
    height: int | None = None
    format: str | None = None
    text: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    id: int = 0
    added_at: str = ""


_COLUMNS = "path, sha256, size, mtime, width, height, format, text, metadata, id, added_at"
_UPSERT = """
INSERT INTO items (path, sha256, size, mtime, width, height, format, text, metadata, added_at, change)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (path) DO UPDATE SET sha256 = excluded.sha256, size = excluded.size, mtime = excluded.mtime,
  width = excluded.width, height = excluded.height, format = excluded.format, change = excluded.change,
  text = coalesce(excluded.text, text),
  metadata = CASE excluded.metadata WHEN '{}' THEN metadata ELSE excluded.metadata END
RETURNING id
"""


def path_to_column(path: str) -> str | bytes:
    """Keep names that are not valid UTF-8 as the bytes they are: SQLite text cannot hold them."""
    try:
        path.encode()
        return path
    except UnicodeEncodeError:
        return os.fsencode(path)


def path_from_column(column: str | bytes | None) -> str | None:
    """Undo path_to_column."""
    return os.fsdecode(column) if isinstance(column, bytes) else column


def item_ids(ids: Any) -> list[int]:
    """Bring one id or several to a list; what merely looks like ids is refused.

    Raises:
        TypeError: Not whole numbers: 1.9 is no id, nor is "3", nor True.
    """
    listed = [ids] if np.ndim(ids) == 0 and not isinstance(ids, set | frozenset) else ids
    try:
        if not isinstance(listed, np.ndarray):
            listed = list(listed)
            if any(isinstance(one, bool | np.bool_) for one in listed):  # NumPy would count True as 1
                raise ValueError
        return [int(one) for one in as_ids(listed, "ids")]
    except (ValueError, OverflowError):
        raise TypeError(f"ids: expected one whole number or several, such as hits.ids, got {ids!r:.80}") from None


def write_item(store: Store, change: int, item: Item, vectors: Mapping[str, Floats]) -> int:
    """Insert an item, or replace that of the same path, and give its id. Call inside a transaction."""
    path = None if item.path is None else path_to_column(item.path)
    metadata = clean_metadata(item.metadata)
    values = (path, item.sha256, item.size, item.mtime, item.width, item.height, item.format, clean_text(item.text),
              json.dumps(metadata, ensure_ascii=False), now(), change)  # fmt: skip
    item_id = int(store.connection.execute(_UPSERT, values).fetchone()[0])
    rows = [(store.channels[name].number, item_id, row.tobytes()) for name, row in vectors.items()]
    store.connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
    _note_keys(store, metadata)
    return item_id


def update_metadata(store: Store, ids: Sequence[int], metadata: Sequence[Mapping[str, Any]]) -> None:
    """Merge new values into the metadata of items; None removes a key. Call inside a transaction."""
    known = {item.id: item for item in read_items(store, ids)}
    for item_id, new in zip(ids, metadata, strict=True):
        if item_id not in known:
            raise KeyError(f"no item with id {item_id} in gallery {store.directory}")
        merged = {key: value for key, value in {**known[item_id].metadata, **new}.items() if value is not None}
        cleaned = clean_metadata(merged)
        known[item_id].metadata = cleaned
        text = json.dumps(cleaned, ensure_ascii=False)
        store.connection.execute("UPDATE items SET metadata = ? WHERE id = ?", (text, item_id))
        _note_keys(store, cleaned)


def delete_items(store: Store, change: int, ids: Iterable[int]) -> int:
    """Delete the items that exist, with a tombstone each, and count them. Call inside a transaction."""
    deleted = 0
    for item_id in ids:
        if store.connection.execute("DELETE FROM items WHERE id = ?", (item_id,)).rowcount:
            store.connection.execute("INSERT OR REPLACE INTO tombstones VALUES (?, ?)", (item_id, change))
            deleted += 1
    return deleted


def read_items(store: Store, ids: Sequence[int]) -> list[Item]:
    """Give the items of those ids that exist, in the order asked for."""
    found: dict[int, Item] = {}
    for start in range(0, len(ids), 500):  # SQLite limits the parameters of one statement
        block = [int(item_id) for item_id in ids[start : start + 500]]
        marks = ",".join("?" * len(block))
        for row in store.rows(f"SELECT {_COLUMNS} FROM items WHERE id IN ({marks})", block):
            item = _item_from_row(row)
            found[item.id] = item
    return [found[int(item_id)] for item_id in ids if int(item_id) in found]


def item_at(store: Store, path: str) -> Item | None:
    """Give the item of that path."""
    rows = store.rows(f"SELECT {_COLUMNS} FROM items WHERE path = ?", (path_to_column(path),))
    return _item_from_row(rows[0]) if rows else None


def all_items(store: Store) -> Iterator[Item]:
    """Walk over all items by id, a block at a time."""
    last = 0
    while rows := store.rows(f"SELECT {_COLUMNS} FROM items WHERE id > ? ORDER BY id LIMIT {BLOCK}", (last,)):
        yield from map(_item_from_row, rows)
        last = rows[-1][9]


def vectors_since(store: Store, channel: Channel, change: int) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Give ids (n,) and vectors (n, dim) of items changed after `change`, a block at a time, by id."""
    sql = f"""SELECT items.id, vector FROM items JOIN vectors ON item_id = items.id AND channel = ?
              WHERE items.id > ? {"AND change > ?" if change else ""} ORDER BY items.id LIMIT {BLOCK}"""
    last = 0
    while rows := store.rows(sql, (channel.number, last, change) if change else (channel.number, last)):
        yield _stack(rows, channel)
        last = rows[-1][0]


def read_vectors(store: Store, channel: Channel, ids: Sequence[int]) -> tuple[NDArray[np.int64], Floats]:
    """Give the vectors of up to 30,000 ids that exist, by id."""
    marks = ",".join("?" * len(ids))
    sql = f"SELECT item_id, vector FROM vectors WHERE item_id IN ({marks}) AND channel = ? ORDER BY item_id"
    return _stack(store.rows(sql, [*(int(item_id) for item_id in ids), channel.number]), channel)


def clean_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Turn NumPy and pandas values into what JSON holds; missing values are left out."""
    cleaned = {clean_text(str(key)): _clean(value) for key, value in metadata.items()}
    return {key: value for key, value in cleaned.items() if value is not None}


_Text = TypeVar("_Text", str, str | None)


def clean_text(text: _Text) -> _Text:
    """Replace halves of surrogate pairs, which no file and no database can hold."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_missing(value: Any) -> bool:
    """Tell None, not-a-number, and pandas' words for a missing value, without importing pandas."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _clean(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if is_missing(value) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, str):
        return clean_text(str(value))
    if isinstance(value, int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {clean_text(str(key)): _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return clean_text(str(value))  # dates in ISO form, paths, decimals


def _note_keys(store: Store, metadata: Mapping[str, Any]) -> None:
    store.connection.executemany("INSERT OR IGNORE INTO metadata_keys VALUES (?)", [(key,) for key in metadata])


def _item_from_row(row: Sequence[Any]) -> Item:
    facts = dict(zip(_COLUMNS.split(", "), row, strict=True))
    facts["path"], facts["metadata"] = path_from_column(row[0]), json.loads(row[8])
    return Item(**facts)


def _stack(rows: Sequence[Sequence[Any]], channel: Channel) -> tuple[NDArray[np.int64], Floats]:
    ids = np.array([row[0] for row in rows], np.int64)
    vectors = np.frombuffer(b"".join(row[1] for row in rows), np.float32).reshape(len(rows), channel.dim)
    return ids, vectors
