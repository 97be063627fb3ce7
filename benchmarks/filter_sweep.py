"""Filters from 0.01 % to 100 %: k is met whenever k items match, at what latency and recall; drawn as PNG.

Two kinds of filter: random items, and those nearest to a random direction, which a query may lie far from.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from _pairing import say_machine
from _search_sets import SETS, SearchSet, load, recall
from numpy.typing import NDArray

import pictrieve as pt

SHARES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
K, QUERIES = 10, 200


def masks(chosen: SearchSet, share: float) -> dict[str, NDArray[np.bool_]]:
    """Make a random and a correlated filter of a share of the items."""
    rng = np.random.default_rng(1)
    count = max(1, round(share * len(chosen.base)))
    projected = chosen.base @ rng.standard_normal(chosen.base.shape[1]).astype(np.float32)
    random_mask = np.zeros(len(chosen.base), bool)
    random_mask[rng.permutation(len(chosen.base))[:count]] = True
    near_mask = np.zeros(len(chosen.base), bool)
    near_mask[np.argsort(-projected)[:count]] = True
    return {"random": random_mask, "correlated": near_mask}


def measure(index: pt.Index, chosen: SearchSet, mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Give recall and median milliseconds of single queries; raise where k is not met."""
    queries = chosen.queries[:QUERIES]
    found, spent = [], []
    for query in queries:
        start = time.perf_counter()
        found.append(index.search(query, K, where=mask).ids)
        spent.append(time.perf_counter() - start)
    expected = min(K, int(mask.sum()))
    if any(len(ids) != expected or not mask[ids].all() for ids in found):
        raise SystemExit(f"k was not met, or a hit does not match, where {mask.sum()} items do")
    true_ids = index.search(queries, K, where=mask, params={"exact": 1}).ids
    return recall(np.array(found), true_ids), 1000 * median(spent)


def main() -> None:
    """Sweep one set with each factory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", nargs="?", default="gloss", choices=SETS)
    parser.add_argument("--factories", default="HNSW16 IVF1024,Flat Flat")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    mpl.use("Agg")
    say_machine()
    chosen = load(arguments.set)
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    worst = 1.0
    for factory in arguments.factories.split(" "):
        index = pt.Index(chosen.base.shape[1], metric=chosen.metric, factory=factory)
        index.add(chosen.base, show_progress_bar=False)
        for kind, style in (("random", "-"), ("correlated", "--")):
            points = []
            for share in SHARES:
                found, latency = measure(index, chosen, masks(chosen, share)[kind])
                points.append((100 * share, latency, found))
                worst = min(worst, found)
                print(
                    f"{factory:12s} {kind:10s} {100 * share:7.2f} %: {latency:7.3f} ms, recall {found:.4f}", flush=True
                )
            shares, latencies, recalls = zip(*points, strict=True)
            panels[0].plot(shares, latencies, style, marker="o", markersize=3, label=f"{factory} {kind}")
            panels[1].plot(shares, recalls, style, marker="o", markersize=3)
    panels[0].set(xscale="log", yscale="log", xlabel="% of items that match", ylabel="ms a query")
    panels[1].set(xscale="log", xlabel="% of items that match", ylabel="recall@10")
    panels[0].legend()
    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / f"filter_{chosen.name}.png", dpi=110)
    print(f"filters, lowest recall@10 (k always met): {worst:.3f}")


if __name__ == "__main__":
    main()
