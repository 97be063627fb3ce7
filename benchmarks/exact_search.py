"""P9: exact search, a batch of 2,000 queries and single ones, against the faiss-cpu wheel.

The single query is also compared with the machine's memory bandwidth: the time to read the vectors once.
With --small instead: 1,000 to 10,000 vectors, where what a search costs besides comparing counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import _gloss_vectors as gloss_vectors
import faiss
import numpy as np
from _pairing import medians, say_machine
from numpy.typing import NDArray

import pictrieve as pt

K = 10


def reader(base: NDArray[np.float32], threads: int) -> Callable[[], object]:
    """Read all of the vectors once, as fast as NumPy sums them."""
    pool = ThreadPoolExecutor(threads)
    parts = np.array_split(base.view(np.float64).reshape(-1), threads)
    return lambda: list(pool.map(np.max, parts))


def one_by_one(search: Callable[..., object], queries: NDArray[np.float32], k: int) -> None:
    """Ask 20 queries, one a call."""
    for i in range(20):
        search(queries[i : i + 1], k)


def small_sets(base: NDArray[np.float32], queries: NDArray[np.float32], rounds: int) -> None:
    """Print the ratio for each size, dimension and k, for single queries and for a batch of 256."""
    for dim in (64, 384, 1280):
        wide, asked = (np.ascontiguousarray(np.tile(rows, (1, 4))[:, :dim]) for rows in (base[:10_000], queries[:256]))
        for count in (1000, 4000, 10_000):
            ours, theirs = pt.Index(dim, metric="ip"), faiss.IndexFlatIP(dim)
            ours.add(wide[:count])
            theirs.add(wide[:count])
            sides = {"pictrieve": ours.search, "faiss": theirs.search}
            for k in (10, 100):
                single = medians(
                    {name: partial(one_by_one, search, asked, k) for name, search in sides.items()}, rounds
                )
                batch = medians({name: partial(search, asked, k) for name, search in sides.items()}, rounds)
                ratios = [spent["faiss"] / spent["pictrieve"] for spent in (single, batch)]
                print(f"{count} x {dim}, k {k}: single {ratios[0]:.2f}, batch {ratios[1]:.2f} of faiss", flush=True)


def main() -> None:
    """Check that both find the same, then time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, help="float32 .npy instead of encoding the glosses")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--small", action="store_true", help="small sets only; best with --threads 1")
    arguments = parser.parse_args()
    say_machine()
    pt.set_num_threads(arguments.threads)
    faiss.omp_set_num_threads(arguments.threads)
    base, held_out = gloss_vectors.load(arguments.vectors)
    if arguments.small:
        return small_sets(base, held_out, arguments.rounds)
    batch = np.concatenate([held_out, base[:: len(base) // 1000]])[:2000]
    ours = pt.Index(base.shape[1], metric="ip")
    ours.add(base)
    theirs = faiss.IndexFlatIP(base.shape[1])
    theirs.add(base)
    np.testing.assert_allclose(ours.search(batch, K).scores, theirs.search(batch, K)[0], atol=2e-6)

    one = batch[:1]
    batched = medians(
        {"pictrieve": lambda: ours.search(batch, K), "faiss": lambda: theirs.search(batch, K)},
        arguments.rounds,
    )
    single = medians(
        {
            "pictrieve": lambda: ours.search(one, K),
            "faiss": lambda: theirs.search(one, K),
            "memory": reader(base, arguments.threads),
        },
        5 * arguments.rounds,
    )
    for name, seconds in batched.items():
        print(f"batch of {len(batch)}, {name}: {len(batch) / seconds:.0f} queries/s")
    for name, seconds in single.items():
        print(f"single, {name}: {seconds * 1e3:.1f} ms, {base.nbytes / seconds / 1e9:.1f} GB/s")
    print(f"single query: {single['faiss'] / single['pictrieve']:.2f} of faiss")
    print(f"single query: {single['memory'] / single['pictrieve']:.2f} of memory bandwidth")
    print(f"P9 exact search: {batched['faiss'] / batched['pictrieve']:.2f}")


if __name__ == "__main__":
    main()
