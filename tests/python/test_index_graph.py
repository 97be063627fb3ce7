"""Graph indexes on real vectors: the same bytes twice, deletes that leave no trace, readers beside a writer."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import pictrieve as pt


@pytest.fixture(scope="module")
def sift(data: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give 10,000 base vectors and 400 queries of 128 dimensions."""
    folder = data / "vectors" / "sift_grocery_10k"
    base = np.fromfile(folder / "base.bvecs", np.uint8).reshape(-1, 132)[:, 4:].astype(np.float32)
    queries = np.fromfile(folder / "query.fvecs", np.float32).reshape(-1, 129)[:, 1:]
    return base, np.ascontiguousarray(queries)


def exact_ids(base: NDArray[np.float32], queries: NDArray[np.float32], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rank by float64 distances, ties by id."""
    wide, asked = base.astype(np.float64), queries.astype(np.float64)
    squared = (wide**2).sum(1) - 2 * asked @ wide.T
    return ids[np.argsort(squared, axis=1, kind="stable")[:, :10]]


def recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)]))


def built(base: NDArray[np.float32], ids: NDArray[np.int64] | None = None) -> pt.Index:
    index = pt.Index(128, metric="l2", factory="HNSW16", params={"efConstruction": 100})
    index.add(base, ids)
    return index


def test_a_saved_graph_has_the_same_bytes_whatever_the_threads(
    sift: tuple[NDArray[np.float32], NDArray[np.float32]], tmp_path: Path
) -> None:
    base = sift[0][:4000]
    before = pt.num_threads()
    try:
        for threads in (1, 3):
            pt.set_num_threads(threads)
            index = built(base[:3000])
            index.add(base[3000:])
            index.remove(np.arange(0, 4000, 3))
            index.compact()
            index.save(tmp_path / f"{threads}.ptx")
    finally:
        pt.set_num_threads(before)
    assert (tmp_path / "1.ptx").read_bytes() == (tmp_path / "3.ptx").read_bytes()


def test_half_deleted_serves_as_well_before_and_after_compaction_as_a_fresh_graph(
    sift: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    base, queries = sift
    ids = np.arange(len(base), dtype=np.int64)
    gone = np.random.default_rng(0).permutation(ids)[: len(ids) // 2]
    left = np.setdiff1d(ids, gone)
    truth = exact_ids(base[left], queries, left)
    index = built(base)
    index.remove(gone)
    tombstones = index.search(queries, 10, params={"efSearch": 64}).ids
    index.compact()
    compacted = index.search(queries, 10, params={"efSearch": 64}).ids
    fresh = built(np.ascontiguousarray(base[left]), left).search(queries, 10, params={"efSearch": 64}).ids
    for found in (tombstones, compacted):
        assert not np.isin(found, gone).any()
        assert recall(found, truth) >= recall(fresh, truth) - 0.005


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.6])
def test_a_filtered_search_is_as_good_as_an_unfiltered_one(
    share: float, sift: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    base, queries = sift
    index = built(base)
    chosen = np.flatnonzero(np.random.default_rng(1).random(len(base)) < share)
    found = index.search(queries, 10, where=chosen).ids
    assert np.isin(found, chosen).all()
    truth = exact_ids(base[chosen], queries, chosen)
    assert recall(found, truth) > 0.97


def test_readers_go_on_during_an_add_and_see_all_of_it_or_nothing(
    sift: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    base, queries = sift
    index = built(base[:2000])
    sizes: list[int] = []
    newest: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            size = len(index)
            newest.append(int(index.search(queries[:20], 10).ids.max()))
            sizes.append(size)

    reader = threading.Thread(target=read)
    reader.start()
    index.add(base[2000:])
    during = len(sizes)
    done.set()
    reader.join()
    assert during > 20
    assert set(sizes) <= {2000, 10000}
    assert max(newest[: sizes.index(10000) - 1] if 10000 in sizes else newest[: during - 1]) < 2000
