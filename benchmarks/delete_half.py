"""Delete half of an index, search, compact, search: no ghosts, and recall as that of an index built without them."""

from __future__ import annotations

import argparse
import time

import numpy as np
from _pairing import say_machine
from _search_sets import SETS, SearchSet, load, recall

import pictrieve as pt

K = 10


def report(name: str, index: pt.Index, chosen: SearchSet, gone: set[int]) -> float:
    """Print recall, speed and size; raise where a deleted id is found."""
    true_ids = index.search(chosen.queries, K, params={"exact": 1}).ids
    start = time.perf_counter()
    ids = index.search(chosen.queries, K).ids
    speed = len(chosen.queries) / (time.perf_counter() - start)
    if ids.shape != true_ids.shape or gone.intersection(ids.ravel().tolist()):
        raise SystemExit(f"{name}: a deleted item was found, or fewer than k")
    found = recall(ids, true_ids)
    size = index.health(chosen.queries[:1])
    used = (size.bytes_vectors + size.bytes_graph) / 1e6
    print(
        f"  {name:28s} recall@10 {found:.4f}  {speed:8.0f} queries/s  {used:7.1f} MB  {size.removed} removed rows",
        flush=True,
    )
    return found


def main() -> None:
    """Run each factory on one set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", nargs="?", default="gloss", choices=SETS)
    parser.add_argument("--factories", default="HNSW16 HNSW16,SQ8,RFlat IVF1024,Flat Flat")
    arguments = parser.parse_args()
    say_machine()
    chosen = load(arguments.set)
    removed = np.random.default_rng(0).permutation(len(chosen.base))[: len(chosen.base) // 2]
    kept = np.setdiff1d(np.arange(len(chosen.base)), removed)
    losses = []
    for factory in arguments.factories.split(" "):
        print(factory)
        index = pt.Index(chosen.base.shape[1], metric=chosen.metric, factory=factory)
        index.add(chosen.base, show_progress_bar=False)
        gone = set(removed.tolist())
        report("all", index, chosen, set())
        index.remove(removed)
        report("half deleted", index, chosen, gone)
        start = time.perf_counter()
        index.compact()
        print(f"  compact: {time.perf_counter() - start:.1f} s")
        compacted = report("compacted", index, chosen, gone)
        fresh = pt.Index(chosen.base.shape[1], metric=chosen.metric, factory=factory)
        fresh.add(np.ascontiguousarray(chosen.base[kept]), ids=kept, show_progress_bar=False)
        losses.append(report("built without them", fresh, chosen, gone) - compacted)
    print(f"delete half, most recall lost by compaction: {max(losses):.4f}")


if __name__ == "__main__":
    main()
