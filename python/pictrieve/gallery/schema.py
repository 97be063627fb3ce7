"""The tables of gallery.sqlite, and what makes a file one of ours."""

from __future__ import annotations

APPLICATION_ID = 0x50494354  # "PICT": tells a gallery from any other SQLite file
FORMAT_VERSION = 1

# Note [changes]: every commit that touches vectors takes the next number of settings.change. An item carries
# the number of its last change, a tombstone that of its deletion; an index file notes the number up to which
# it is complete. What is newer than the note is replayed, so an index file may lag behind or be absent, and
# is never trusted over these tables.
SCHEMA = """
CREATE TABLE settings (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE channels (
  number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, dim INTEGER NOT NULL, metric TEXT NOT NULL,
  fingerprint TEXT NOT NULL
);
CREATE TABLE items (
  id INTEGER PRIMARY KEY AUTOINCREMENT, path UNIQUE, sha256 TEXT, size INTEGER, mtime INTEGER, width INTEGER,
  height INTEGER, format TEXT, text TEXT, metadata TEXT NOT NULL DEFAULT '{}', added_at TEXT NOT NULL,
  change INTEGER NOT NULL
);
CREATE INDEX items_by_change ON items (change);
CREATE INDEX items_by_hash ON items (sha256);
CREATE TABLE vectors (
  channel INTEGER NOT NULL, item_id INTEGER NOT NULL REFERENCES items (id) ON DELETE CASCADE, vector BLOB NOT
  NULL, UNIQUE (item_id, channel)
);
CREATE TABLE tombstones (item_id INTEGER PRIMARY KEY, change INTEGER NOT NULL);
CREATE INDEX tombstones_by_change ON tombstones (change);
CREATE TABLE metadata_keys (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE ledger (
  path PRIMARY KEY, size INTEGER, mtime INTEGER, status TEXT NOT NULL, reason TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 1, at TEXT NOT NULL
);
"""
