"""P8: graph search at a given recall, and building, against the faiss-cpu wheel with equal options.

Prints queries per second at recall@10 of 0.95 and 0.99, interpolated over a sweep of efSearch. Both sides
alternate and each point is the median of its rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import faiss
import gloss_vectors
import numpy as np
from numpy.typing import NDArray

import pictrieve as pt

LINKS, EF_CONSTRUCTION, K = 16, 200, 10
SWEEP = (12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384)
Search = Callable[[NDArray[np.float32], int], NDArray[np.int64]]


def recall(found: NDArray[np.int64], true_ids: NDArray[np.int64]) -> float:
    """Share of the true neighbours that were found."""
    return float(np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(found, true_ids, strict=True)]))


def build_ours(base: NDArray[np.float32]) -> Search:
    """Build our graph."""
    index = pt.Index(base.shape[1], metric="ip", factory=f"HNSW{LINKS}", params={"efConstruction": EF_CONSTRUCTION})
    index.add(base, show_progress_bar=False)
    return lambda queries, ef: index.search(queries, K, params={"efSearch": ef}).ids


def build_faiss(base: NDArray[np.float32]) -> Search:
    """Build the wheel's graph."""
    index = faiss.IndexHNSWFlat(base.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = EF_CONSTRUCTION
    index.add(base)

    def search(queries: NDArray[np.float32], ef: int) -> NDArray[np.int64]:
        index.hnsw.efSearch = ef
        return index.search(queries, K)[1]

    return search


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def speed_at(target: float, recalls: list[float], seconds: list[float], queries: int) -> float:
    """Queries per second where the curve of recall over efSearch crosses the target."""
    if not recalls[0] <= target <= max(recalls):
        raise SystemExit(f"recall {target} is outside of the sweep: {recalls}")
    rising = np.maximum.accumulate(recalls)
    return float(queries / np.exp(np.interp(target, rising, np.log(seconds))))


def main() -> None:
    """Build both, check that both answer well, then time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, help="float32 .npy instead of encoding the glosses")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    pt.set_num_threads(arguments.threads)
    faiss.omp_set_num_threads(arguments.threads)
    base, queries = gloss_vectors.load(arguments.vectors)
    exact = faiss.IndexFlatIP(base.shape[1])
    exact.add(base)
    true_ids = exact.search(queries, K)[1]

    sides: dict[str, Search] = {}
    for name, build in (("pictrieve", build_ours), ("faiss", build_faiss)):
        start = time.perf_counter()
        sides[name] = build(base)
        print(f"build {name}: {time.perf_counter() - start:.1f} s", flush=True)
    recalls = {name: [recall(search(queries, ef), true_ids) for ef in SWEEP] for name, search in sides.items()}
    if min(max(values) for values in recalls.values()) < 0.99:
        raise SystemExit(f"a side does not reach a recall of 0.99: {recalls}")
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for ef in SWEEP:
        rounds: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(arguments.rounds):
            for name, search in sides.items():
                rounds[name].append(timed(lambda search=search, ef=ef: search(queries, ef)))
        for name in sides:
            seconds[name].append(median(rounds[name]))
    for name in sides:
        for ef, found, spent in zip(SWEEP, recalls[name], seconds[name], strict=True):
            print(f"{name} efSearch={ef}: recall@10 {found:.4f}, {len(queries) / spent:.0f} queries/s")
    ratios = []
    for target in (0.95, 0.99):
        speeds = {name: speed_at(target, recalls[name], seconds[name], len(queries)) for name in sides}
        ratios.append(speeds["pictrieve"] / speeds["faiss"])
        print(f"at recall {target}: " + ", ".join(f"{name} {speed:.0f}/s" for name, speed in speeds.items()))
    print(f"P8 graph search: {min(ratios):.2f}")


if __name__ == "__main__":
    main()
