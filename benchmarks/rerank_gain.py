"""What every re-ranker gives and costs on labelled pictures: mean average precision before and after, and the losses.

    python benchmarks/rerank_gain.py [folder of data sets]

Every tenth picture is a query, the others are the index; what has the query's label is relevant.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from _labelled_sets import load
from _pairing import say_machine, seconds

import pictrieve as pt

Rerank = Callable[[pt.Index, np.ndarray, int], Any]
HELD_OUT = 10


def sets() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Give each labelled set: its name, unit vectors and labels."""
    yield "grocery by product", *load("grocery")
    yield "grocery by coarse class", *load("grocery", "coarse_label")
    for name in ("clothing", "cifar10"):
        yield name, *load(name)


def expansion(index: pt.Index, queries: np.ndarray, k: int, *, n: int, alpha: float) -> pt.SearchResult:
    """Search with expanded queries."""
    return index.search(pt.rank.query_expansion(index, queries, n=n, alpha=alpha), k)


def in_another(other: pt.Index, _: pt.Index, queries: np.ndarray, k: int) -> pt.SearchResult:
    """Search an augmented index instead."""
    return other.search(queries, k)


def diverse(index: pt.Index, queries: np.ndarray, k: int) -> pt.SearchResult:
    """Choose k of 50 that differ from each other."""
    return pt.rank.mmr(index.search(queries, 50), k, index=index, diversity=0.3)


def rerankers(index: pt.Index) -> dict[str, Rerank]:
    """Every re-ranker with its defaults, and settings of the papers that hurt here."""
    chosen: dict[str, Rerank] = {
        "average QE, n=10": partial(expansion, n=10, alpha=0.0),
        "alpha QE, n=10": partial(expansion, n=10, alpha=3.0),
        "alpha QE, n=3": partial(expansion, n=3, alpha=3.0),
    }
    for n in (3, 10):
        augmented = pt.Index(index.dim)
        augmented.add(pt.rank.augment_database(index, n=n), ids=index.ids, show_progress_bar=False)
        chosen[f"DBA, n={n}"] = partial(in_another, augmented)
    chosen["DBA + alpha QE, n=10"] = lambda ix, q, k: expansion(augmented, q, k, n=10, alpha=3.0)
    chosen["k-reciprocal"] = pt.rank.k_reciprocal
    chosen["k-reciprocal, k1=10 k2=3"] = partial(pt.rank.k_reciprocal, k1=10, k2=3)
    chosen["diffusion"] = pt.rank.diffusion
    chosen["diffusion, 50 nn, a=0.99"] = partial(pt.rank.diffusion, neighbours=50, alpha=0.99)
    chosen["MMR 0.3 of 50"] = diverse
    return chosen


def main() -> None:
    """Print a table for each set."""
    say_machine()
    for name, vectors, labels in sets():
        held_out = np.arange(len(vectors)) % HELD_OUT == 0
        own, asked = labels[~held_out], labels[held_out]
        relevant = [np.flatnonzero(own == label).tolist() for label in asked]
        index = pt.Index(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors[~held_out]), show_progress_bar=False)
        queries = np.ascontiguousarray(vectors[held_out])
        plain = statistics.median(seconds(lambda: index.search(queries, 10)) for _ in range(5))  # noqa: B023
        typical = int(np.median([len(ids) for ids in relevant]))
        print(f"\n{name}: {len(index)} items, {len(queries)} queries, median {typical} relevant")
        print(f"plain search {1000 * plain / len(queries):.3f} ms per query")
        print(f"{'':26s} {'p@1':>13s} {'map@10':>13s} {'95 % interval':>17s} {'better':>6s} {'worse':>6s} {'ms':>7s}")
        for method, rerank in rerankers(index).items():
            gain = pt.rank.evaluate_gain(rerank, index, queries, relevant, protocol="beir")
            taken = statistics.median(seconds(lambda: rerank(index, queries, 10)) for _ in range(5))  # noqa: B023
            row, first = gain["map@10"], gain["precision@1"]
            print(
                f"{method:26s} {first.after:.3f} {first.difference:+.3f} {row.after:.3f} {row.difference:+.3f}"
                f"   {row.low:+.3f} {row.high:+.3f} {row.better:6.1%} {row.worse:6.1%}"
                f" {1000 * taken / len(queries):7.3f}  {row.verdict}"
            )


if __name__ == "__main__":
    main()
