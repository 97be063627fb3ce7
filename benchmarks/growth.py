"""P11: 10,000 to 1,000,000 vectors of 96: time and memory of adding, searching and evaluating.

Vectors are streamed from a file in pieces, so that memory beyond the index itself stays flat.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import _search_sets as search_sets
import numpy as np
from _pairing import say_machine

import pictrieve as pt

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "million.npy"
QUERIES = CACHE.with_name("million_queries.npy")
PIECE, K = 50_000, 10


def resident_mb() -> float:
    """Memory of this process now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_mb() -> float:
    """The most memory this process has had."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1000


def make() -> None:
    """Save the vectors; the file that is asked for comes last, and whole."""
    base, queries = search_sets.million()
    CACHE.parent.mkdir(exist_ok=True)
    np.save(QUERIES, queries)
    np.save(CACHE.with_suffix(".part.npy"), base)
    CACHE.with_suffix(".part.npy").rename(CACHE)


def main() -> None:
    """Grow, search, evaluate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--factory", default="HNSW16")
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--make", action="store_true", help="only make the vectors")
    arguments = parser.parse_args()
    if arguments.make:
        return make()
    if not CACHE.exists():  # in a process of its own, so that the memory it takes does not count
        subprocess.run([sys.executable, __file__, "--make"], check=True)
    say_machine()
    stored = np.load(CACHE, mmap_mode="r")
    queries = np.load(QUERIES)[:1000]
    before = resident_mb()
    index = pt.Index(stored.shape[1], metric="ip", factory=arguments.factory)
    spent, latency = 0.0, {}
    for rows in (10_000, 100_000, 1_000_000):
        while len(index) < min(rows, arguments.most):
            piece = np.array(stored[len(index) : min(rows, len(index) + PIECE)])
            start = time.perf_counter()
            index.add(piece, show_progress_bar=False)
            spent += time.perf_counter() - start
        start = time.perf_counter()
        for query in queries:
            index.search(query, K)
        latency[len(index)] = (time.perf_counter() - start) / len(queries) * 1000
        size = index.health(queries[:1])
        used = (size.bytes_vectors + size.bytes_graph) / 1e6
        print(
            f"{len(index):9,d} vectors: added in {spent:6.1f} s, {latency[len(index)]:.3f} ms a query, "
            f"index {used:6.0f} MB, process {resident_mb() - before:6.0f} MB more",
            flush=True,
        )
    start = time.perf_counter()
    ids = index.ids
    ranked = np.concatenate([index.search(np.array(stored[i : i + PIECE]), K).ids for i in range(0, len(index), PIECE)])
    report = pt.evaluate.retrieval(ranked, [{int(i)} for i in ids], protocol="trec", ks=(1, 10))
    print(
        f"evaluated {len(index):,} x {len(index):,} in {time.perf_counter() - start:.0f} s: "
        f"recall@1 of each item by itself {report['recall@1']:.4f}; peak memory {peak_mb():.0f} MB"
    )
    small, large = min(latency), max(latency)
    print(f"P11 growth of latency over growth of items: {latency[large] / latency[small] / (large / small):.4f}")


if __name__ == "__main__":
    main()
