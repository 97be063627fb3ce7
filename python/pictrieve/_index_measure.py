"""What an index finds of what it should: tuning and health, measured."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pictrieve import _core
from pictrieve._index_arguments import MOST, as_true_ids, real_number, search_params, whole_number
from pictrieve.search_result import Health, overlap, without

if TYPE_CHECKING:
    from pictrieve.index import Index


def holds_vectors(info: _core.IndexInfo) -> bool:
    """Tell whether comparing with all compares with the vectors as they were added."""
    if info.dtype not in ("float32", "bits"):
        return False
    return _refined(info.factory) or re.match(r"PCA|OPQ|RR", info.factory) is None


def _refined(factory: str) -> bool:
    return re.search(r",(RFlat|Refine)", factory) is not None


def _efforts(factory: str, items: int, k: int) -> dict[str, tuple[int, int]]:
    """Name what trades speed for recall in such an index, each from its least to its most."""
    efforts = {}
    if _refined(factory):
        efforts["kFactor"] = (1, max(1, -(-items // k)))
    if lists := re.search(r"IVF(\d+)", factory):
        efforts["nprobe"] = (1, int(lists[1]))
    elif bits := re.search(r"BHash(\d+)", factory):
        efforts["nprobe"] = (1, 2 ** min(int(bits[1]), 30))
    elif "HNSW" in factory:
        efforts["efSearch"] = (k, max(k, items))
    return efforts


def _smallest(recall: Callable[[int], float], target: float, least: int, most: int) -> tuple[int, float]:
    """Find the smallest effort that reaches the target, or else the best recall, and the recall there.

    The effort doubles until it reaches the target, or is at its most, or gained nothing twice.
    """
    tried = {least: recall(least)}
    effort, idle = least, 0
    while tried[effort] < target and effort < most and idle < 2:
        best = max(tried.values())
        effort = min(2 * effort, most)
        tried[effort] = recall(effort)
        idle = 0 if tried[effort] > best else idle + 1
    wanted = min(target, max(tried.values()))
    enough = min(effort for effort, reached in tried.items() if reached >= wanted)
    too_few = max((effort for effort in tried if effort < enough), default=enough - 1)
    while enough - too_few > max(1, enough // 32):
        middle = (too_few + enough) // 2
        tried[middle] = recall(middle)
        too_few, enough = (too_few, middle) if tried[middle] >= wanted else (middle, enough)
    return enough, tried[enough]


def tuned(
    index: Index, queries: NDArray[np.generic], target_recall: float, k: int, true_ids: ArrayLike | None
) -> dict[str, Any]:
    """Set the smallest efforts that reach a recall; give them, the recall there and what it was measured against."""
    target = real_number("target_recall", target_recall)
    if not 0 < target <= 1:
        raise ValueError(f"target_recall: expected above 0 and up to 1, got {target_recall}")
    whole_number("k", k, 1)
    items, info = len(index), index._core.info()
    if len(queries) == 0 or items == 0:
        raise ValueError("tune: expected at least one query and one item")
    truth = _truth(index, queries, min(k, items), true_ids)
    chosen: dict[str, int] = {}

    def recall(effort: dict[str, int]) -> float:
        return overlap(index.search(queries, k, params=chosen | effort).ids, truth)

    efforts = _efforts(info.factory, items, k)
    reached = 1.0 if efforts else recall({})
    for name, (least, most) in efforts.items():
        chosen[name], reached = _smallest(lambda effort, name=name: recall({name: effort}), target, least, most)  # type: ignore[misc]
    index._core.set_params(search_params(chosen))
    if reached < target:
        remedy = _remedy(info)
        warnings.warn(f"target_recall: expected {target}, reached {reached:.3f}; {remedy}", UserWarning, stacklevel=3)
    codes = true_ids is None and not holds_vectors(info)
    return chosen | {"recall": reached} | ({"against": "codes"} if codes else {})


def _remedy(info: _core.IndexInfo) -> str:
    if not holds_vectors(info):
        return "keep the vectors beside the codes (a factory that ends in ,RFlat), or take longer codes"
    if "HNSW" in info.factory:
        return "build with more links (HNSW64) or a larger efConstruction, or compare with all (Flat)"
    return 'compare with all: params={"exact": 1}, or Flat'


def _truth(index: Index, queries: NDArray[np.generic], k: int, true_ids: ArrayLike | None) -> NDArray[np.int64]:
    if true_ids is not None:
        return as_true_ids(true_ids, len(queries), k)
    return index.search(queries, k, params={"exact": 1}).ids


def measured_health(
    index: Index, queries: NDArray[np.generic] | None, sample: int, k: int, true_ids: ArrayLike | None
) -> Health:
    """Measure recall for held-out queries, or for sampled items, each without itself."""
    k, sample = whole_number("k", k, 1, MOST), whole_number("sample", sample, 1, MOST)
    info, ids = index._core.info(), index.ids
    recall, count = 1.0, 0
    if queries is not None:
        count = len(queries)
        if count == 0:
            raise ValueError("queries: expected at least one, got none")
        if (info.approximate or true_ids is not None) and len(ids) > 0:
            recall = overlap(index.search(queries, k).ids, _truth(index, queries, min(k, len(ids)), true_ids))
    elif true_ids is not None:
        raise ValueError("true_ids: expected the queries that they belong to as well")
    else:
        chosen = np.sort(np.random.default_rng(0).choice(ids, min(sample, len(ids)), replace=False))
        count = len(chosen)
        if info.approximate and len(ids) > 1:
            own = index.reconstruct(chosen)
            truth = without(index.search(own, k + 1, params={"exact": 1}).ids, chosen)
            recall = overlap(without(index.search(own, k + 1).ids, chosen), truth)
    against = "vectors" if true_ids is not None or holds_vectors(info) else "codes"
    return Health(recall, count, len(ids), info.removed, info.bytes_vectors, info.bytes_structure, against)
