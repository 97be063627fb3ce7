"""How much of the mean average precision 64-bit codes keep, of frozen vectors and of the head whose signs they are.

python benchmarks/hashing.py [folder of data sets]
"""

from __future__ import annotations

import csv
import time
from typing import Any

import numpy as np
from _labelled_sets import data_folder, load
from _pairing import say_machine

import pictrieve as pt

BITS = 64


def halves(name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Rows to learn from and search in, and rows to search with: the set's own split, or four fifths and one."""
    with (data_folder() / name / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    splits = [row.get("split", "") for row in rows]
    if "test" in splits:
        is_test = np.array([split == "test" for split in splits])
    else:
        is_test = np.random.default_rng(0).permutation(len(rows)) % 5 == 0
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def precision(queries: Any, gallery: Any, labels: Any, gallery_labels: Any, **settings: Any) -> float:
    """Mean average precision of queries in a gallery; of equal distances the wrong ones come first."""
    return float(pt.evaluate.embeddings(queries, gallery, labels, gallery_labels, ties="worst", **settings)["map"])


def main() -> None:
    """Print a line for each set and method."""
    say_machine()
    image = pt.ImageEncoder()
    print(f"{'set':10s} {'method':6s} frozen map  head map  {BITS}-bit map  of frozen  of head  seconds")
    for name in ("grocery", "clothing", "cifar10"):
        rows, labels = load(name)
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        train, test = halves(name)
        frozen = precision(rows[test], rows[train], labels[test], labels[train])
        for method in ("csq", "itq"):
            start = time.perf_counter()
            codes = pt.finetune.hashing(image, (rows[train], labels[train]), bits=BITS, method=method)
            seconds = time.perf_counter() - start
            queries, gallery = codes.codes(rows[test]), codes.codes(rows[train])
            found = precision(queries, gallery, labels[test], labels[train], metric="hamming")
            floats = [np.tanh(codes.project(part)) for part in (rows[test], rows[train])]
            head = precision(*floats, labels[test], labels[train])
            print(
                f"{name:10s} {method:6s} {frozen:10.3f} {head:9.3f} {found:11.3f} {found / frozen:10.3f} "
                f"{found / head:8.3f} {seconds:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
