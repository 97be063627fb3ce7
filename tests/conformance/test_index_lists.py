"""Inverted lists, product quantisers and projections beside faiss-cpu, on real SIFT with its published neighbours."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

import pictrieve as pt

Rows = NDArray[np.float32]
Sift = tuple[Rows, Rows, NDArray[np.int32]]


@pytest.fixture(scope="module")
def sift(data: Path) -> Sift:
    """Give 10,000 base rows, queries, and each query's neighbours by L2."""
    folder = data / "vectors" / "sift_grocery_10k"
    base = np.fromfile(folder / "base.bvecs", np.uint8).reshape(-1, 132)[:, 4:].astype(np.float32)
    queries = np.ascontiguousarray(np.fromfile(folder / "query.fvecs", np.float32).reshape(-1, 129)[:, 1:])
    truth = np.fromfile(folder / "groundtruth.ivecs", np.int32)
    return base, queries, truth.reshape(len(queries), -1)[:, 1:]


def recall(found: NDArray[np.int64], truth: NDArray[np.int32], k: int = 10) -> float:
    return float(np.mean([len(np.intersect1d(a[:k], b[:k])) / k for a, b in zip(found, truth, strict=True)]))


def built(factory: str, base: Rows, metric: str = "l2", **params: int) -> pt.Index:
    index = pt.Index(base.shape[1], metric=metric, factory=factory, params=params)
    index.add(base, show_progress_bar=False)
    return index


def probing(nprobe: int) -> dict[str, int]:
    return {"nprobe": nprobe} if nprobe else {}


def found_by_faiss(factory: str, sift: Sift, nprobe: int = 0) -> NDArray[np.int64]:
    base, queries, _ = sift
    index = faiss.index_factory(base.shape[1], factory)
    coded = faiss.downcast_index(index)
    if hasattr(coded, "pq"):
        coded.pq.cp.niter = 8  # of 25, which take minutes on small machines and change recall by less than 0.01
    index.train(base)
    index.add(base)
    if nprobe:
        faiss.extract_index_ivf(index).nprobe = nprobe
    found: NDArray[np.int64] = index.search(queries, 10)[1]
    return found


@pytest.mark.parametrize("nprobe", [1, 4, 16])
def test_lists_find_what_those_of_faiss_find(sift: Sift, nprobe: int) -> None:
    base, queries, truth = sift
    ours = recall(built("IVF64,Flat", base).search(queries, 10, params=probing(nprobe)).ids, truth)
    theirs = recall(found_by_faiss("IVF64,Flat", sift, nprobe), truth)
    assert abs(ours - theirs) < 0.02 or ours > theirs, (ours, theirs)


@pytest.mark.parametrize("factory", ["PQ16", "PQ16x4fs", "IVF64,PQ16", "IVF64,PQ16x4fs"])
def test_codes_find_no_less_than_those_of_faiss(sift: Sift, factory: str) -> None:
    base, queries, truth = sift
    nprobe = 16 if "IVF" in factory else 0
    ours = recall(built(factory, base).search(queries, 10, params=probing(nprobe)).ids, truth)
    theirs = recall(found_by_faiss(factory, sift, nprobe), truth)
    print(factory, "recall@10", ours, "faiss", theirs)
    assert ours > theirs - 0.02, (ours, theirs)


def test_a_learned_rotation_finds_what_that_of_faiss_found(sift: Sift) -> None:
    base, queries, truth = sift
    # faiss-cpu 1.15's OPQ16,PQ16 finds 0.698 of these after a minute or more of learning, too long for a test.
    assert recall(built("OPQ16,PQ16", base).search(queries, 10).ids, truth) > 0.698


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_original_rows_beside_the_codes_give_exact_scores(sift: Sift, metric: str) -> None:
    base, queries, _ = sift
    index = built("OPQ16_64,IVF64,PQ16,RFlat", base, metric)
    ids, scores = index.search(queries, 10, params=probing(32))
    exact = built("Flat", base, metric).search(queries, 10)
    assert np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(ids, exact.ids, strict=True)]) > 0.95
    same = ids == exact.ids
    np.testing.assert_array_equal(scores[same], exact.scores[same])
    np.testing.assert_array_equal(index.reconstruct([7]), base[7:8])


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("factory", ["IVF64,Flat", "IVF64_HNSW16,Flat"])
def test_all_lists_visited_equal_an_exact_search(sift: Sift, metric: str, factory: str) -> None:
    base, queries, _ = sift
    exact = built("Flat", base, metric).search(queries, 10)
    found = built(factory, base, metric, nprobe=64).search(queries, 10)
    np.testing.assert_array_equal(found.ids, exact.ids)
    np.testing.assert_array_equal(found.scores, exact.scores)


@pytest.mark.parametrize("factory", ["IVF64,Flat", "IVF64,PQ16", "IVF64,PQ16x4fs"])
def test_deletes_upserts_filters_and_files(sift: Sift, factory: str, tmp_path: Path) -> None:
    base, queries, _ = sift
    index = built(factory, base, nprobe=64)
    expected = {i: i for i in range(10_000)}  # id -> row of base
    generator = np.random.default_rng(0)
    removed = generator.permutation(10_000)[:4000]
    index.remove(removed)
    moved = np.setdiff1d(np.arange(10_000), removed)[:500]
    index.upsert(base[:500], ids=moved)
    for one in removed.tolist():
        del expected[one]
    expected.update(zip(moved.tolist(), range(500), strict=True))
    fresh = pt.Index(128, metric="l2", factory=factory, params={"nprobe": 64})
    fresh.train(base, show_progress_bar=False)
    fresh.add(base[list(expected.values())], ids=list(expected), show_progress_bar=False)
    index.save(tmp_path / "lists.pt")
    for mmap in (False, True):
        loaded = pt.Index.load(tmp_path / "lists.pt", mmap=mmap)
        compacted = pt.Index.load(tmp_path / "lists.pt", mmap=mmap)
        compacted.compact(show_progress_bar=False)
        assert len(loaded) == len(compacted) == len(expected)
        for where in (None, generator.permutation(10_000)[:5000], generator.permutation(10_000)[:100]):
            wanted = fresh.search(queries, 10, where=where)
            for one in (index, loaded, compacted):
                result = one.search(queries, 10, where=where)
                np.testing.assert_array_equal(result.scores, wanted.scores)
                np.testing.assert_array_equal(result.ids, wanted.ids)
            few = loaded.search(queries, 10, where=where, params=probing(1))  # k items, however few lists are asked for
            assert few.ids.shape == wanted.ids.shape
            assert (few.ids >= 0).all()
            if where is not None:
                assert np.isin(few.ids, where).all()


def test_codes_keep_directions_and_lengths(sift: Sift) -> None:
    base = sift[0] - sift[0].mean(axis=0)
    for metric in ("cosine", "ip", "l2"):
        back = built("PQ32", base, metric).reconstruct(np.arange(1000))
        errors = np.linalg.norm(back - base[:1000], axis=1) / np.linalg.norm(base[:1000], axis=1)
        assert errors.mean() < 0.35, metric
        if metric == "cosine":
            np.testing.assert_allclose(np.linalg.norm(back, axis=1), np.linalg.norm(base[:1000], axis=1), rtol=1e-5)


def test_pca_is_that_of_numpy(sift: Sift) -> None:
    base, queries, _ = sift
    mean = base.mean(axis=0, dtype=np.float64)
    _, _, directions = np.linalg.svd(base - mean, full_matrices=False)
    rows, asked = (base - mean) @ directions[:32].T, (queries - mean) @ directions[:32].T
    squared = (asked**2).sum(axis=1)[:, None] + (rows**2).sum(axis=1) - 2 * asked @ rows.T
    expected = -np.sqrt(np.sort(squared, axis=1)[:, :10])
    result = built("PCA32,Flat", base).search(queries, 10)
    np.testing.assert_allclose(result.scores, expected, rtol=1e-3, atol=0.1)
