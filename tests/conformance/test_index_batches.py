"""Large batches, which a first pass over 8-bit codes serves, against faiss-cpu and float64."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

import pictrieve as pt


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_a_batch_equals_faiss_and_its_queries_alone(data: Path, metric: str) -> None:
    folder = data / "vectors" / "sift_grocery_10k"  # TEXMEX records: an int32 dimension, then the values
    base = np.fromfile(folder / "base.bvecs", np.uint8).reshape(-1, 132)[:, 4:].astype(np.float32)
    queries = np.concatenate([np.fromfile(folder / "query.fvecs", np.float32).reshape(-1, 129)[:, 1:], base[::20]])
    if metric == "cosine":  # so that both see the same numbers
        base /= np.linalg.norm(base, axis=1, keepdims=True)
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    ours = pt.Index(base.shape[1], metric=metric)
    ours.add(base)
    theirs = (faiss.IndexFlatL2 if metric == "l2" else faiss.IndexFlatIP)(base.shape[1])
    theirs.add(base)
    plain = ours.health(sample=1).bytes_vectors
    found = ours.search(queries, 10)
    assert plain < ours.health(sample=1).bytes_vectors <= 1.4 * plain  # codes of all rows lie beside them now
    scores = theirs.search(queries, 10)[0]
    expected = -np.sqrt(np.maximum(scores, 0)) if metric == "l2" else scores
    np.testing.assert_allclose(found.scores, expected, rtol=1e-5, atol=1e-5)
    for i in range(0, len(queries), 40):
        alone = ours.search(queries[i : i + 1], 10)
        np.testing.assert_array_equal(found.ids[i], alone.ids[0])
        np.testing.assert_array_equal(found.scores[i], alone.scores[0])


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_filters_deletes_and_floors_hold_in_batches(metric: str) -> None:
    generator = np.random.default_rng(3)
    rows = generator.standard_normal((9000, 80), dtype=np.float32) + np.float32(0.3)
    queries = generator.standard_normal((300, 80), dtype=np.float32) + np.float32(0.3)
    index = pt.Index(80, metric=metric)
    index.add(rows)
    index.search(queries, 10)  # makes the codes
    index.remove(np.arange(0, 9000, 7))
    live = np.setdiff1d(np.arange(9000), np.arange(0, 9000, 7))
    mask = generator.random(len(live)) < 0.6
    a, b = queries.astype(np.float64), rows.astype(np.float64)
    if metric == "cosine":
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    scores = -np.sqrt(((a[:, None] - b) ** 2).sum(axis=2)) if metric == "l2" else a @ b.T
    scores[:, np.setdiff1d(np.arange(9000), live[mask])] = -np.inf
    best = np.sort(scores, axis=1)[:, :-11:-1]
    found = index.search(queries, 10, where=mask)
    np.testing.assert_allclose(found.scores, best, rtol=1e-4, atol=1e-5)
    assert np.isin(found.ids, live[mask]).all()
    floor = float(np.median(best[:, 4]))
    above = index.search(queries, 10, where=mask, min_score=floor)
    expected = np.concatenate([row[row >= floor] for row in np.asarray(found.scores)])
    np.testing.assert_array_equal(above.scores.reshape(-1), expected)
