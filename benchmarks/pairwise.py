"""pt.pairwise against SciPy's cdist for every metric that both have: 2,000 x 2,000 real or random rows.

SciPy computes in float64 and on one thread; the distances are compared first. The Bhattacharyya and chi-square
distances, which SciPy lacks, run against scikit-learn and NumPy.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _pairing import medians, say_machine
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import additive_chi2_kernel

import pictrieve as pt

Side = Callable[[], NDArray[np.floating]]


def sides(x: NDArray[np.float32]) -> dict[str, tuple[Side, Side]]:
    """Give ours and theirs for each metric."""
    wide = x.astype(np.float64)
    histograms = np.abs(x)
    wide_histograms = np.abs(wide)
    roots = np.sqrt(wide_histograms / wide_histograms.sum(axis=1, keepdims=True))
    set_bits = x > 0
    bits = np.packbits(set_bits, axis=1)
    scipy_names = {"l2": "euclidean", "l1": "cityblock", "cosine": "cosine", "pearson": "correlation"}
    found: dict[str, tuple[Side, Side]] = {
        metric: (lambda metric=metric: pt.pairwise(x, metric=metric), lambda name=name: cdist(wide, wide, name))
        for metric, name in scipy_names.items()
    }
    found["hamming"] = (
        lambda: pt.pairwise(bits, metric="hamming"),
        lambda: cdist(set_bits, set_bits, "hamming") * set_bits.shape[1],
    )
    found["jaccard"] = (lambda: pt.pairwise(bits, metric="jaccard"), lambda: cdist(set_bits, set_bits, "jaccard"))
    found["hellinger"] = (
        lambda: pt.pairwise(histograms, metric="hellinger"),
        lambda: cdist(roots, roots) / np.sqrt(2),
    )
    found["chi2"] = (
        lambda: pt.pairwise(histograms, metric="chi2"),
        lambda: -additive_chi2_kernel(wide_histograms),
    )
    return found


def main() -> None:
    """Check that both give the same, then time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, help="float32 .npy (n, dim) instead of random rows")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--threads", type=int, help="of pictrieve; the machine's by default")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.threads:
        pt.set_num_threads(arguments.threads)
    say_machine()
    x = np.random.default_rng(0).standard_normal((arguments.rows, 256), dtype=np.float32)
    if arguments.vectors:
        x = np.ascontiguousarray(np.load(arguments.vectors)[: arguments.rows], dtype=np.float32)
    print(f"{len(x)} x {len(x)} rows of {x.shape[1]}, {pt.num_threads()} threads")
    ratios = {}
    for metric, (ours, theirs) in sides(x).items():
        np.testing.assert_allclose(ours(), theirs(), rtol=1e-5, atol=1e-5)
        taken = medians({f"{metric} pictrieve": ours, f"{metric} reference": theirs}, arguments.repeats)
        mine, other = taken.values()
        ratios[metric] = other / mine
        print(f"{metric}: {ratios[metric]:.1f}")
    print(f"pairwise: {min(ratios.values()):.2f}")


if __name__ == "__main__":
    main()
