"""Compressed and binary rows against float64 over what they decode to, and against faiss-cpu at the same bytes."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

import pictrieve as pt

Rows = NDArray[np.float32]
METRICS = ["cosine", "ip", "l2"]
NUMBERS = ["float16", "bfloat16", "int8"]
FACTORIES = {"float16": "SQfp16", "bfloat16": "SQbf16", "int8": "SQ8"}
THEIRS = {
    "float16": faiss.ScalarQuantizer.QT_fp16,
    "bfloat16": faiss.ScalarQuantizer.QT_bf16,
    "int8": faiss.ScalarQuantizer.QT_8bit,
}


def real_vectors(data: Path, name: str) -> tuple[Rows, Rows]:
    """Give base rows and queries."""
    folder = data / "vectors"
    if name == "sift":  # TEXMEX records: an int32 dimension, then the values
        base = np.fromfile(folder / "sift_grocery_10k" / "base.bvecs", np.uint8).reshape(-1, 132)[:, 4:]
        queries = np.fromfile(folder / "sift_grocery_10k" / "query.fvecs", np.float32).reshape(-1, 129)[:, 1:]
        return base.astype(np.float32), np.ascontiguousarray(queries)
    path = {"efficientnet": "efficientnet_lite0_grocery/features.npy", "words": "wordvecs_1000x300/vectors.npy"}[name]
    rows = np.load(folder / path).astype(np.float32)
    held_out = np.arange(len(rows)) % 10 == 0
    return np.ascontiguousarray(rows[~held_out]), np.ascontiguousarray(rows[held_out])


def true_scores(queries: Rows, rows: Rows, metric: str) -> NDArray[np.float64]:
    a, b = queries.astype(np.float64), rows.astype(np.float64)
    if metric == "l2":
        return np.asarray(-cdist(a, b))
    if metric == "cosine":
        a /= np.linalg.norm(a, axis=1, keepdims=True)
        b /= np.linalg.norm(b, axis=1, keepdims=True)
    return np.asarray(a @ b.T)


def recall(found: NDArray[np.int64], expected: NDArray[np.int64]) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, expected, strict=True)]))


def as_kept(rows: Rows, metric: str, dtype: str) -> Rows:
    """Give rows, or queries, as an index rounds them."""
    index = pt.Index(rows.shape[1], metric=metric, dtype=dtype)
    index.add(rows)
    return index.reconstruct(np.arange(len(rows)))


def true_ids(queries: Rows, base: Rows, metric: str, k: int) -> NDArray[np.int64]:
    return np.argsort(-true_scores(queries, base, metric), axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("name", ["sift", "efficientnet"])
def test_a_search_equals_float64_over_the_rounded_rows(data: Path, name: str, dtype: str, metric: str) -> None:
    base, queries = real_vectors(data, name)
    queries = queries[:200]
    index = pt.Index(base.shape[1], metric=metric, dtype=dtype)
    index.add(base)
    expected = true_scores(as_kept(queries, metric, dtype), index.reconstruct(np.arange(len(base))), metric)
    for given in (queries, queries[:1]):  # a batch goes through BLAS, a single query does not
        ids, scores = index.search(given, 10)
        np.testing.assert_allclose(scores, np.take_along_axis(expected[: len(given)], ids, axis=1), rtol=1e-6)
        np.testing.assert_allclose(scores, -np.sort(-expected[: len(given)], axis=1)[:, :10], rtol=1e-6)
        assert ((np.diff(scores, axis=1) < 0) | (np.diff(ids, axis=1) > 0)).all()  # best first, ties by id


@pytest.mark.parametrize("metric", ["l1", "chi2", "intersection", "jaccard", "hellinger"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_histograms_in_half_precision_equal_float64(data: Path, dtype: str, metric: str) -> None:
    base, queries = real_vectors(data, "sift")
    base, queries = base[:1000], queries[:20]
    index = pt.Index(128, metric=metric, dtype=dtype)
    index.add(base)
    if metric == "hellinger":  # square roots are kept
        roots = [as_kept(np.sqrt(rows), "cosine", dtype) for rows in (queries, base)]
        expected = true_scores(roots[0], roots[1], "cosine")
    else:
        a, b = (as_kept(rows, metric, dtype).astype(np.float64) for rows in (queries, base))
        minima = np.stack([np.minimum(row, b).sum(axis=1) for row in a])
        totals = a.sum(axis=1)[:, None] + b.sum(axis=1)
        if metric == "l1":
            expected = -cdist(a, b, "cityblock")
        elif metric == "chi2":
            terms = [np.divide((row - b) ** 2, row + b, out=np.zeros_like(b), where=row + b > 0) for row in a]
            expected = -np.stack([term.sum(axis=1) for term in terms])
        else:
            expected = minima if metric == "intersection" else minima / (totals - minima)
    ids, scores = index.search(queries, 10)
    np.testing.assert_allclose(scores, np.take_along_axis(expected, ids, axis=1), rtol=1e-6)
    np.testing.assert_allclose(scores, -np.sort(-expected, axis=1)[:, :10], rtol=1e-6)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_rounding_is_no_coarser_than_the_type(data: Path, dtype: str) -> None:
    base, _ = real_vectors(data, "efficientnet")
    kept = as_kept(base, "cosine", dtype)
    if dtype == "float16":
        np.testing.assert_array_equal(kept, base.astype(np.float16).astype(np.float32))
    elif dtype == "bfloat16":
        bits = base.view(np.uint32)
        nearest = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
        np.testing.assert_array_equal(kept, nearest.astype(np.uint32).view(np.float32))
    else:
        step = np.ptp(base, axis=1, keepdims=True) / 254
        assert (np.abs(kept - base) <= step * 0.50001).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("name", ["sift", "efficientnet"])
def test_recall_is_that_of_faiss_scalar_quantizers(data: Path, name: str, dtype: str, metric: str) -> None:
    base, queries = real_vectors(data, name)
    queries = queries[:400]
    if metric == "cosine":
        faiss.normalize_L2(base)
        faiss.normalize_L2(queries)
    expected = true_ids(queries, base, metric, 10)
    theirs = faiss.IndexScalarQuantizer(
        base.shape[1], THEIRS[dtype], faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    )
    theirs.train(base)
    theirs.add(base)
    index = pt.Index(base.shape[1], metric=metric, factory=FACTORIES[dtype])
    index.add(base)
    ours = recall(index.search(queries, 10).ids, expected)
    assert ours >= recall(theirs.search(queries, 10)[1], expected) - 0.01
    assert ours >= 0.985


@pytest.mark.parametrize("bits", [64, 256])
@pytest.mark.parametrize("name", ["sift", "words"])  # of 1,280 numbers, faiss takes seconds for its rotation
def test_sign_bits_find_more_than_those_of_faiss(data: Path, name: str, bits: int) -> None:
    base, queries = real_vectors(data, name)
    queries = queries[:400]
    expected = true_ids(queries, base, "cosine", 10)
    theirs = faiss.IndexLSH(base.shape[1], bits)
    theirs.train(base)
    theirs.add(base)
    index = pt.Index(base.shape[1], factory=f"LSH{bits}")
    index.add(base)
    ids = index.search(queries, 10).ids
    assert recall(ids, expected) >= recall(theirs.search(queries, 10)[1], expected) + 0.03
    refined = pt.Index(base.shape[1], factory=f"LSH{bits},RFlat", params={"kFactor": 20})
    refined.add(base)
    result = refined.search(queries, 10)
    assert recall(result.ids, expected) >= (0.9 if bits == 64 else 0.99) - 0.15 * (bits == 64)
    true = true_scores(queries, base, "cosine")
    np.testing.assert_allclose(result.scores, np.take_along_axis(true, result.ids, axis=1), atol=1e-6)
    # Each score estimates the cosine with the standard error that SignRows states, at most about.
    everything = index.search(queries[:50], len(base))
    errors = everything.scores - np.take_along_axis(true[:50], everything.ids, axis=1)
    assert np.sqrt(np.mean(errors**2)) < 1.1 * np.sqrt(np.pi / 2 / bits)
    assert np.all(index.search(base[:50], 1).scores == 1)


def bits_of(data: Path, bits: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Give hashes of real vectors: near ones differ in few bits, as with pictures and their perceptual hashes."""
    base, queries = real_vectors(data, "sift")
    directions = np.random.default_rng(0).standard_normal((base.shape[1], bits))
    mean = base.mean(axis=0)
    return np.packbits((base - mean) @ directions > 0, axis=1), np.packbits((queries - mean) @ directions > 0, axis=1)


@pytest.mark.parametrize("bits", [64, 256, 104])
def test_bits_equal_faiss_and_scipy(data: Path, bits: int) -> None:
    base, queries = bits_of(data, bits)
    theirs = faiss.IndexBinaryFlat(bits)
    theirs.add(base)
    distances, _ = theirs.search(queries, 20)
    index = pt.Index(bits, metric="hamming", factory="BFlat")
    index.add(base)
    ids, scores = index.search(queries, 20)
    np.testing.assert_array_equal(-scores, distances)
    a, b = (np.unpackbits(rows, axis=1).astype(bool) for rows in (queries[:30], base))
    every = cdist(a, b, "hamming") * bits
    order = np.lexsort((np.broadcast_to(np.arange(len(b)), every.shape), every.round()), axis=1)[:, :20]
    np.testing.assert_array_equal(ids[:30], order)
    index = pt.Index(bits, metric="jaccard", dtype="bits")
    index.add(base)
    scores = index.search(queries[:30], 20).scores
    np.testing.assert_allclose(scores, 1 - np.sort(cdist(a, b, "jaccard"), axis=1)[:, :20], rtol=1e-6)


@pytest.mark.parametrize("bits", [64, 256])
@pytest.mark.parametrize("metric", ["hamming", "jaccard"])
def test_graphs_and_hash_tables_of_bits_reach_their_recall(data: Path, bits: int, metric: str) -> None:
    base, queries = bits_of(data, bits)
    flat = pt.Index(bits, metric=metric, factory="BFlat")
    flat.add(base)
    worst = flat.search(queries, 10).scores[:, -1:]
    for factory, params in (("BHNSW16", {"efSearch": 128}), ("BHash16", {"nprobe": 137})):
        index = pt.Index(bits, metric=metric, factory=factory)
        index.add(base)
        found = index.search(queries, 10, params=params).scores
        floor = 0.85 if metric == "jaccard" and factory == "BHash16" else 0.93
        assert np.mean(found >= worst) >= floor  # a tie with the last is as good
        exact = index.search(queries, 10, params={"exact": 1})
        np.testing.assert_array_equal(exact.scores, flat.search(queries, 10).scores)


@pytest.mark.parametrize("bits", [64, 256])
def test_hash_tables_find_more_than_those_of_faiss(data: Path, bits: int) -> None:
    base, queries = bits_of(data, bits)
    theirs = faiss.IndexBinaryHash(bits, 16)
    theirs.add(base)
    theirs.nflip = 2  # 137 buckets of one table
    index = pt.Index(bits, metric="hamming", factory="BHash16")
    index.add(base)
    expected = pt.Index(bits, metric="hamming", factory="BFlat")
    expected.add(base)
    worst = expected.search(queries, 10).scores[:, -1:]
    distances, ids = theirs.search(queries, 10)
    found = index.search(queries, 10, params={"nprobe": 17}).scores  # 17 buckets of each
    assert np.mean(found >= worst) > np.mean((ids >= 0) & (-distances >= worst))


@pytest.mark.parametrize(
    ("factory", "dtype", "bytes_a_row"),
    [
        ("Flat", "float16", 256),
        ("SQbf16", "float32", 256),
        ("SQ8", "float32", 128 + 16),
        ("HNSW8,SQ8,RFlat", "float32", 128 + 16 + 512),
        ("LSH64", "float32", 8),
        ("BHash16", "bits", 16),
    ],
)
def test_a_file_gives_back_what_was_saved(
    data: Path, tmp_path: Path, factory: str, dtype: str, bytes_a_row: int
) -> None:
    base, queries = bits_of(data, 128) if dtype == "bits" else real_vectors(data, "sift")
    base, queries = base[:2000], queries[:20]
    index = pt.Index(128, metric="hamming" if dtype == "bits" else "cosine", factory=factory, dtype=dtype)
    index.add(base)
    info = index._core.info()
    assert info.bytes_vectors == len(base) * bytes_a_row + (64 * 128 * 4 if factory == "LSH64" else 0)
    index.save(tmp_path / "codes.ptx")
    expected = index.search(queries, 10)
    for mmap in (False, True):
        read = pt.Index.load(tmp_path / "codes.ptx", mmap=mmap)
        found = read.search(queries, 10)
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_array_equal(found.scores, expected.scores)
        np.testing.assert_array_equal(read.reconstruct([5, 1999]), index.reconstruct([5, 1999]))
        read.remove(np.arange(0, 2000, 3))
        read.compact()
        read.add(base[:10])
        left = read.search(queries, 10).ids
        assert not np.isin(left, np.arange(0, 2000, 3)).any()
