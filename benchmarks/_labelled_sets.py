"""Labelled photos as vectors: what feedback and re-ranking are measured on."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import pictrieve as pt


def data_folder() -> Path:
    """The folder of data sets: the first argument, or where this checkout has it."""
    return Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2] / "shared" / "data"


def load(name: str, column: str = "label") -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit vectors, the stored ones where there are some, and the numbers of the labels in a column."""
    folder = data_folder() / name
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    stored = data_folder() / "vectors" / f"efficientnet_lite0_{name}" / "features.npy"
    if stored.exists():
        vectors = np.load(stored).astype(np.float32)
    else:
        paths = [folder / row["image"] for row in rows]
        vectors = pt.ImageEncoder().encode(paths, show_progress_bar=False)
    _, labels = np.unique([row[column] for row in rows], return_inverse=True)
    return np.ascontiguousarray(vectors), labels
