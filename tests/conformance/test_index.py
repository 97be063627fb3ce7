"""Searches against NumPy in float64 and faiss-cpu; graphs by a floor on their recall of real vectors."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

import pictrieve as pt

Rows = NDArray[np.float32]
METRICS = ["cosine", "ip", "l2"]
SETS = ["sift", "efficientnet", "words"]


def true_scores(queries: Rows, rows: Rows, metric: str) -> NDArray[np.float64]:
    a, b = queries.astype(np.float64), rows.astype(np.float64)
    if metric == "l2":
        return -np.sqrt(np.stack([((b - query) ** 2).sum(axis=1) for query in a]))
    if metric == "cosine":
        a /= np.linalg.norm(a, axis=1, keepdims=True)
        b /= np.linalg.norm(b, axis=1, keepdims=True)
    return a @ b.T


def split(rows: Rows) -> tuple[Rows, Rows]:
    """Give base rows and every tenth as a query."""
    held_out = np.arange(len(rows)) % 10 == 0
    return np.ascontiguousarray(rows[~held_out]), np.ascontiguousarray(rows[held_out])


def real_vectors(data: Path, name: str) -> tuple[Rows, Rows]:
    folder = data / "vectors"
    if name == "efficientnet":
        return split(np.load(folder / "efficientnet_lite0_grocery" / "features.npy").astype(np.float32))
    if name == "words":
        return split(np.load(folder / "wordvecs_1000x300" / "vectors.npy"))
    sift = folder / "sift_grocery_10k"  # TEXMEX records: an int32 dimension, then the values
    base = np.fromfile(sift / "base.bvecs", np.uint8).reshape(-1, 132)[:, 4:].astype(np.float32)
    queries = np.fromfile(sift / "query.fvecs", np.float32).reshape(-1, 129)[:, 1:]
    return base, np.ascontiguousarray(queries)


def recall(found: NDArray[np.int64], true_ids: NDArray[np.int64]) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, true_ids, strict=True)]))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", SETS)
def test_exact_search_equals_float64_up_to_ties(data: Path, name: str, metric: str) -> None:
    base, queries = real_vectors(data, name)
    expected = true_scores(queries, base, metric)
    index = pt.Index(base.shape[1], metric=metric)
    index.add(base)
    # float32 sums of products: relative to the largest score, and for l2 to its square root near 0
    tolerance = 1e-5 * max(1.0, float(np.abs(expected).max()))
    for k in (1, 10, 100):
        ids, scores = index.search(queries, k)
        np.testing.assert_allclose(scores, np.take_along_axis(expected, ids, axis=1), atol=tolerance)
        np.testing.assert_allclose(scores, -np.sort(-expected, axis=1)[:, :k], atol=tolerance)
        assert all(len(set(row)) == k for row in ids.tolist())
        worse = np.diff(scores, axis=1) < 0
        assert (worse | (np.diff(ids, axis=1) > 0)).all()  # best first, ties by id


@pytest.mark.parametrize("metric", METRICS)
def test_exact_search_equals_faiss(data: Path, metric: str) -> None:
    base, queries = real_vectors(data, "efficientnet")
    reference = (faiss.IndexFlatL2 if metric == "l2" else faiss.IndexFlatIP)(base.shape[1])
    index = pt.Index(base.shape[1], metric=metric)
    if metric == "cosine":
        faiss.normalize_L2(base)
        faiss.normalize_L2(queries)
    reference.add(base)
    index.add(base)
    theirs, _ = reference.search(queries, 10)
    ours = index.search(queries, 10).scores
    expected = -np.sqrt(np.maximum(theirs, 0)) if metric == "l2" else theirs
    np.testing.assert_allclose(ours, expected, atol=2e-4)  # faiss subtracts squared lengths for l2


def test_published_neighbours_of_sift_are_found(data: Path) -> None:
    base, queries = real_vectors(data, "sift")
    folder = data / "vectors" / "sift_grocery_10k"
    squared = np.load(folder / "groundtruth_l2sq.npy")
    index = pt.Index(128, metric="l2")
    index.add(base)
    scores = index.search(queries, 100).scores
    np.testing.assert_allclose(scores, -np.sqrt(squared), rtol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_range_search_finds_all_above_the_threshold(data: Path, metric: str) -> None:
    base, queries = real_vectors(data, "words")
    expected = true_scores(queries, base, metric)
    threshold = float(np.float32(np.quantile(expected, 0.99)))
    index = pt.Index(base.shape[1], metric=metric)
    index.add(base)
    result = index.range_search(queries, threshold)
    assert result.offsets is not None
    for i, scores in enumerate(expected):
        own = result.ids[result.offsets[i] : result.offsets[i + 1]]
        unclear = np.flatnonzero(np.abs(scores - threshold) < 1e-5)
        found = np.setdiff1d(own, unclear)
        np.testing.assert_array_equal(found, np.setdiff1d(np.flatnonzero(scores >= threshold), unclear))


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("name", SETS)
def test_graph_search_reaches_its_recall_on_real_vectors(data: Path, name: str, metric: str) -> None:
    base, queries = real_vectors(data, name)
    true_ids = np.argsort(-true_scores(queries, base, metric), axis=1, kind="stable")[:, :10]
    index = pt.Index(base.shape[1], metric=metric, factory="HNSW16")
    index.add(base)
    assert recall(index.search(queries, 10, params={"efSearch": 128}).ids, true_ids) >= 0.97
    exact = index.search(queries, 10, params={"exact": 1})
    assert recall(exact.ids, true_ids) >= 0.999  # ties among SIFT's integers


def test_graph_search_among_a_filter_reaches_its_recall(data: Path) -> None:
    base, queries = real_vectors(data, "sift")
    index = pt.Index(128, metric="l2", factory="HNSW16")
    index.add(base)
    for share in (0.01, 0.3, 0.8):
        mask = np.random.default_rng(0).random(len(base)) < share
        expected = index.search(queries, 10, where=mask, params={"exact": 1}).ids
        assert recall(index.search(queries, 10, where=mask, params={"efSearch": 128}).ids, expected) >= 0.95


def test_graph_is_as_good_as_that_of_faiss(data: Path) -> None:
    base, queries = real_vectors(data, "sift")
    true_ids = np.argsort(-true_scores(queries, base, "l2"), axis=1, kind="stable")[:, :10]
    index = pt.Index(128, metric="l2", factory="HNSW16")
    index.add(base)
    reference = faiss.IndexHNSWFlat(128, 16)
    reference.hnsw.efConstruction = 200
    reference.add(base)
    for ef in (16, 32, 64):
        reference.hnsw.efSearch = ef
        theirs = recall(reference.search(queries, 10)[1], true_ids)
        ours = recall(index.search(queries, 10, params={"efSearch": ef}).ids, true_ids)
        assert ours >= theirs - 0.01  # thread timing moves either by some thousandths


def test_items_that_are_all_equal_are_all_found() -> None:
    rows = np.repeat(np.eye(8, 16, dtype=np.float32), 60, axis=0)
    index = pt.Index(16, factory="HNSW8")
    index.add(rows)
    for group in range(8):
        ids, scores = index.search(rows[60 * group], 60)
        assert (scores == 1.0).mean() >= 0.9
        assert len(set(ids.tolist())) == 60
