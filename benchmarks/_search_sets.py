"""The vectors that searches are timed on: base rows, held-out queries and their true neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import _gloss_vectors as gloss_vectors
import faiss
import numpy as np
from numpy.typing import NDArray

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "vectors"
SETS = ("gloss", "sift", "grocery", "words", "million")
Rows = NDArray[np.float32]


class SearchSet(NamedTuple):
    """What a benchmark needs of a set; metric is "ip" (unit rows) or "l2"."""

    name: str
    base: Rows
    queries: Rows
    metric: str
    true_ids: NDArray[np.int64]


def unit(rows: NDArray[np.floating]) -> Rows:
    """Divide rows by their lengths."""
    return np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def texmex(path: Path, kind: type) -> Rows:
    """Read .bvecs or .fvecs: an int32 dimension before each row."""
    raw = np.fromfile(path, np.uint8)
    dim = int(raw[:4].view(np.int32)[0])
    width = 4 + dim * np.dtype(kind).itemsize
    return np.ascontiguousarray(raw.reshape(-1, width)[:, 4:]).view(kind).astype(np.float32)


def million() -> tuple[Rows, Rows]:
    """Mix pairs of gloss vectors and keep 96 principal components: a million rows on the manifold of real ones."""
    base, queries = gloss_vectors.load(None)
    _, vectors = np.linalg.eigh(base.T @ base)
    rng = np.random.default_rng(0)
    first, second = rng.integers(len(base), size=(2, 1_000_000))
    share = rng.uniform(0.5, 1, (1_000_000, 1)).astype(np.float32)
    small = base @ vectors[:, -96:]
    return unit(share * small[first] + (1 - share) * small[second]), unit(queries @ vectors[:, -96:])


def held_out(rows: Rows, count: int) -> tuple[Rows, Rows]:
    """Take random rows away as queries."""
    order = np.random.default_rng(0).permutation(len(rows))
    return np.ascontiguousarray(rows[np.sort(order[count:])]), np.ascontiguousarray(rows[order[:count]])


def load(name: str, k: int = 10, queries: int = 2000) -> SearchSet:
    """Load a set and compute its true neighbours with the wheel of FAISS, exactly."""
    metric = "ip"
    if name == "gloss":
        base, asked = gloss_vectors.load(None)
    elif name == "million":
        base, asked = million()
    elif name == "sift":
        folder, metric = SHARED / "sift_grocery_10k", "l2"
        base, asked = texmex(folder / "base.bvecs", np.uint8), texmex(folder / "query.fvecs", np.float32)
    elif name == "grocery":
        base, asked = held_out(unit(np.load(SHARED / "efficientnet_lite0_grocery" / "features.npy")), 200)
    else:
        base, asked = held_out(unit(np.load(SHARED / "wordvecs_1000x300" / "vectors.npy")), 100)
    asked = asked[:queries]
    exact = faiss.IndexFlatIP(base.shape[1]) if metric == "ip" else faiss.IndexFlatL2(base.shape[1])
    exact.add(base)
    return SearchSet(name, base, asked, metric, exact.search(asked, k)[1])


def recall(found: NDArray[np.int64], true_ids: NDArray[np.int64]) -> float:
    """Share of the true neighbours that were found."""
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, true_ids, strict=True)]))
