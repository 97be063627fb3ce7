"""Changes that are interrupted, repeated or watched: the index stays whole, and so do its files."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import pictrieve as pt


def rows_of(count: int, dim: int = 64, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


class Stop(Exception):
    """Raised by a progress callback, as Ctrl-C would be."""


def stop(_done: int, _total: int) -> None:
    raise Stop


@pytest.mark.parametrize(
    ("factory", "metric", "dtype", "said"),
    [
        ("BHash8", "cosine", "float16", "does not compare bits|BHash holds bits|says otherwise"),
        ("IVF4", "hamming", "bits", "IVF, PCA, OPQ and RR hold numbers"),
        ("IVF4,BFlat", "hamming", "float32", "IVF, PCA, OPQ and RR hold numbers"),
        ("BFlat,RFlat", "hamming", "float32", "keeps bits and numbers"),
        ("Flat,Refine(SQ8)", "l1", "float32", "needs rows as numbers"),
        ("HNSW8,RFlat", "l1", "int8", "needs rows as numbers"),
        ("PCA0,Flat", "cosine", "float32", "keeps no dimensions"),
        ("LSH4294967304", "cosine", "float32", "cannot read"),
        ("IDMap,Flat", "cosine", "float32", "leave it out"),
        ("SQ4", "cosine", "float32", "write SQ8"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(factory: str, metric: str, dtype: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        pt.Index(64, metric=metric, factory=factory, dtype=dtype)


@pytest.mark.parametrize("factory", ["HNSW", "HNSW32_SQ8", "HNSW32, SQ8", "HNSW32,Flat"])
def test_what_faiss_users_write_is_understood(factory: str) -> None:
    index = pt.Index(64, factory=factory)
    index.add(rows_of(50))
    assert index.search(rows_of(50), 1).ids[:, 0].tolist() == list(range(50))


@pytest.mark.parametrize("factory", ["Flat", "IVF8,Flat", "SQ8"])
def test_upserts_do_not_pile_up(factory: str) -> None:
    index = pt.Index(64, factory=factory)
    for seed in range(10):
        index.upsert(rows_of(500, seed=seed), np.arange(500))
        assert index.removed <= 500
    assert len(index) == 500
    assert index.search(rows_of(500, seed=9), 1).ids[:, 0].tolist() == list(range(500))


@pytest.mark.parametrize("factory", ["HNSW8", "IVF16,Flat", "HNSW8,SQ8,RFlat"])
def test_a_file_saved_during_an_add_is_whole(factory: str, tmp_path: Path) -> None:
    index = pt.Index(64, factory=factory)
    index.add(rows_of(3000))
    saved: list[int] = []
    adding = threading.Thread(target=index.add, args=(rows_of(3000, seed=1),))
    adding.start()
    while adding.is_alive():
        index.save(tmp_path / "index")
        saved.append(len(pt.Index.load(tmp_path / "index")))
    adding.join()
    assert saved
    assert set(saved) <= {3000, 6000}


def test_reconstruct_during_a_watched_compaction_does_not_hang() -> None:
    index = pt.Index(64, factory="HNSW8")
    index.add(rows_of(4000))
    index.remove(np.arange(2000))
    compacting = threading.Thread(target=index._core.compact, args=(lambda _done, _total: None,), daemon=True)
    compacting.start()
    while compacting.is_alive():
        assert index.reconstruct([3000]).shape == (1, 64)
    compacting.join(timeout=60)
    assert index.removed == 0


def test_an_interrupted_growth_leaves_an_exact_index() -> None:
    index = pt.Index(64, factory="auto")
    index.add(rows_of(15_000))
    with pytest.raises(Stop):
        index._core.add(rows_of(15_000, seed=1), None, False, stop)
    assert index.factory == "Flat"
    assert len(index) == 15_000
    assert not index._core.info().approximate


def test_an_interrupted_training_is_not_used() -> None:
    index = pt.Index(64, factory="IVF64_HNSW8,PQ8")
    index.train(rows_of(3000))
    with pytest.raises(Stop):
        index._core.train(rows_of(3000, seed=1), stop)
    index.add(rows_of(3000))  # learns anew
    fresh = pt.Index(64, factory="IVF64_HNSW8,PQ8")
    fresh.add(rows_of(3000))
    queries = rows_of(50, seed=2)
    assert np.array_equal(index.search(queries, 10).ids, fresh.search(queries, 10).ids)


@pytest.mark.parametrize("factory", ["HNSW8", "IVF16,Flat", "HNSW8,SQ8", "IVF16,PQ8"])
def test_a_loaded_index_goes_on_as_the_saved_one_would_have(factory: str, tmp_path: Path) -> None:
    index = pt.Index(64, factory=factory)
    index.add(rows_of(3000))
    index.remove(np.arange(0, 900, 3))
    index.compact()
    index.save(tmp_path / "first")
    loaded = pt.Index.load(tmp_path / "first")
    for one, name in ((index, "a"), (loaded, "b")):
        one.add(rows_of(3000, seed=1))
        one.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_more_candidates_of_codes_find_more() -> None:
    index = pt.Index(64, factory="HNSW16,PQ8,RFlat")
    index.add(rows_of(3000))
    queries = rows_of(100, seed=1)
    true_ids = index.search(queries, 20, params={"exact": 1}).ids

    def recall(factor: int) -> float:
        found = index.search(queries, 20, params={"kFactor": factor}).ids
        return float(np.mean([len(np.intersect1d(a, b)) / 20 for a, b in zip(found, true_ids, strict=True)]))

    assert recall(32) > recall(1) + 0.05
    assert recall(32) > 0.95


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
def test_a_graph_of_many_float_rows_is_walked_by_codes_and_scored_by_the_rows(metric: str, tmp_path: Path) -> None:
    rows, queries = rows_of(6000), rows_of(100, seed=1)
    index, plain = (pt.Index(64, metric=metric, factory=factory) for factory in ("HNSW16", "HNSW16,Flat"))
    for one in (index, plain):
        one.add(rows)
    more = index.health(queries).bytes_vectors - plain.health(queries).bytes_vectors
    assert more == 6000 * (64 + 16)  # codes, and four numbers a row
    assert index.dtype == plain.dtype == "float32"
    assert np.array_equal(index.reconstruct(index.ids), rows)
    index.save(tmp_path / "index")
    true_ids, true_scores = plain.search(queries, 10, params={"exact": 1})
    for one in (index, pt.Index.load(tmp_path / "index"), pt.Index.load(tmp_path / "index", mmap=True)):
        ids, scores = one.search(queries, 10, params={"efSearch": 400})
        assert np.mean(ids == true_ids) > 0.99
        assert np.array_equal(scores[ids == true_ids], true_scores[ids == true_ids])
        assert np.array_equal(one.search(queries, 10, where=np.arange(0, 6000, 100)).ids % 100, np.zeros((100, 10)))


def test_codes_that_do_not_tell_neighbours_apart_are_not_walked() -> None:
    rows = rows_of(6000) * np.float32(0.01)
    rows[:, 0] += np.where(np.arange(6000) % 2, 100, -100).astype(np.float32)  # one number takes all of a code's steps
    index = pt.Index(64, metric="l2", factory="HNSW16")
    index.add(rows)
    assert index.health(rows[:10]).bytes_vectors == 6000 * 64 * 4
    assert index.search(rows[:100], 1).ids[:, 0].tolist() == list(range(100))
