"""What an index finds of what it should: tuning and health, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pictrieve.search_result import Health, overlap, without

if TYPE_CHECKING:
    from pictrieve.index import Index


def effort_name(factory: str) -> str:
    """Name the parameter that trades speed for recall in such an index."""
    return "nprobe" if any(part.startswith(("IVF", "BHash")) for part in factory.split(",")) else "efSearch"


def smallest_effort(index: Index, queries: NDArray[np.generic], target_recall: float, k: int) -> tuple[str, int, float]:
    """Find the smallest effort that reaches a recall: its name, its value and the recall there."""
    if not 0 < target_recall <= 1:
        raise ValueError(f"target_recall: expected above 0 and up to 1, got {target_recall}")
    if len(queries) == 0 or len(index) == 0:
        raise ValueError("tune: expected at least one query and one item")
    name = effort_name(index.factory)
    true_ids = index.search(queries, k, params={"exact": 1}).ids

    def recall(effort: int) -> float:
        return overlap(index.search(queries, k, params={name: effort}).ids, true_ids)

    enough = max(k, 8) if name == "efSearch" else 1
    best = recall(enough)
    while best < target_recall and enough < len(index):
        enough *= 2
        best = recall(enough)
    too_few = enough // 2
    while enough - too_few > max(1, enough // 32):
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if recall(middle) >= target_recall else (middle, enough)
    return name, enough, recall(enough)


def measured_health(index: Index, queries: NDArray[np.generic] | None, sample: int, k: int) -> Health:
    """Measure recall for held-out queries, or for sampled items, each without itself."""
    info = index._core.info()
    ids = index.ids
    recall, count = 1.0, 0
    if queries is not None:
        count = len(queries)
        if info.approximate and len(ids) > 0 and count > 0:
            recall = overlap(index.search(queries, k).ids, index.search(queries, k, params={"exact": 1}).ids)
    else:
        chosen = np.sort(np.random.default_rng(0).choice(ids, min(sample, len(ids)), replace=False))
        count = len(chosen)
        if info.approximate and len(ids) > 1:
            own = index.reconstruct(chosen)
            true_ids = without(index.search(own, k + 1, params={"exact": 1}).ids, chosen)
            recall = overlap(without(index.search(own, k + 1).ids, chosen), true_ids)
    return Health(recall, count, len(ids), info.removed, info.bytes_vectors, info.bytes_structure)
