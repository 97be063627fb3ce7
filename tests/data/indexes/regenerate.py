"""Writes the saved indexes that keep this format version readable. Run once for each new format version only.

Those of version 1 (flat_l2_v1, hnsw_cosine_v1, over rows.npy) were written by the code of that time.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import pictrieve as pt

HERE = Path(__file__).resolve().parent
VERSION = 2
DIM = 16

# name -> metric, factory, dtype
KINDS = {
    "flat_l2": ("l2", "Flat", "float32"),
    "flat_chi2": ("chi2", "Flat", "float16"),
    "hnsw_cosine": ("cosine", "HNSW4", "float32"),
    "hnsw_int8_ip": ("ip", "HNSW4,SQ8,RFlat", "float32"),
    "bfloat16_cosine": ("cosine", "SQbf16", "float32"),
    "lsh_cosine": ("cosine", "LSH64", "float32"),
    "ivf_l2": ("l2", "IVF4,Flat", "float32"),
    "ivf_graph_ip": ("ip", "IVF4_HNSW4,SQ8", "float32"),
    "ivf_pq_cosine": ("cosine", "IVF4,PQ4x4fs,RFlat", "float32"),
    "pca_hnsw_l2": ("l2", "PCA8,HNSW4", "float32"),
    "opq_pq_ip": ("ip", "OPQ4_8,PQ4x4fs", "float32"),
    "bits_hamming": ("hamming", "BFlat", "bits"),
    "bits_graph_jaccard": ("jaccard", "BHNSW4", "bits"),
    "bits_hash_hamming": ("hamming", "BHash4", "bits"),
    "auto_l2": ("l2", "auto", "float32"),
}


def vectors(dtype: str, count: int, seed: int) -> NDArray[np.generic]:
    """Whole numbers, so that no machine rounds them in another way."""
    random = np.random.default_rng(seed)
    if dtype == "bits":
        return random.integers(0, 256, (count, DIM // 8)).astype(np.uint8)
    return random.integers(0, 50, (count, DIM)).astype(np.float32)


def main() -> None:
    """Save forty items with one removed and one replaced, and what searches find in them."""
    pt.set_num_threads(1)
    expected = {}
    for name, (metric, factory, dtype) in KINDS.items():
        index = pt.Index(DIM, metric=metric, factory=factory, dtype=dtype, seed=3)
        index.add(vectors(dtype, 40, seed=1), ids=np.arange(100, 140))
        index.remove([103])
        index.upsert(vectors(dtype, 1, seed=2), ids=[110])
        index.save(HERE / f"{name}_v{VERSION}.index", note=f"format version {VERSION}")
        ids, scores = index.search(vectors(dtype, 4, seed=4), k=5)
        expected[name] = {"ids": ids.tolist(), "scores": scores.tolist()}
    (HERE / f"expected_v{VERSION}.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
