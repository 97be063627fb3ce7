"""Writes the saved indexes that keep format version 1 readable. Run once for each new format version only."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import pictrieve as pt

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Save eight rows, one of them removed, as an exact index and as a graph."""
    rows = np.random.default_rng(11).normal(size=(8, 6)).astype(np.float32)
    np.save(HERE / "rows.npy", rows)
    pt.set_num_threads(1)
    for name, metric, factory in (("flat_l2", "l2", "Flat"), ("hnsw_cosine", "cosine", "HNSW4")):
        index = pt.Index(6, metric=metric, factory=factory)
        index.add(rows, ids=np.arange(100, 108))
        index.remove([103])
        index.save(HERE / f"{name}_v1.index", note="format version 1")


if __name__ == "__main__":
    main()
