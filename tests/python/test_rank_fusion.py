"""Fusion, diversity and calibration against references in NumPy and SciPy, on real features."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

import pictrieve as pt
from pictrieve import rank


@pytest.fixture(scope="module")
def grocery(data: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Give 1,155 photos' features, of unit length, and the 55 products on them."""
    features = np.load(data / "vectors" / "efficientnet_lite0_grocery" / "features.npy").astype(np.float32)
    with (data / "grocery" / "labels.csv").open(encoding="utf-8") as file:
        products = np.array([int(row["label_id"]) for row in csv.DictReader(file)])
    return features / np.linalg.norm(features, axis=1, keepdims=True), products


def index_of(vectors: NDArray[np.float32], ids: Any = None, metric: str = "cosine") -> pt.Index:
    index = pt.Index(vectors.shape[1], metric=metric)
    index.add(np.ascontiguousarray(vectors), ids)
    return index


def flatten(result: Any) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Give each query's ids and scores."""
    if result.offsets is None:
        return list(zip(np.atleast_2d(result.ids), np.atleast_2d(result.scores), strict=True))
    spans = [slice(*pair) for pair in zip(result.offsets[:-1], result.offsets[1:], strict=True)]
    return [(result.ids[span], result.scores[span]) for span in spans]


# fusion


def reference(channels: list[dict[int, float]], weights: list[float], method: str) -> dict[int, float]:
    """Fuse one query's channels, each a dict of ids to scores in order, in float64."""
    total: dict[int, float] = {}
    values = []
    for channel in channels:
        scores = np.array(list(channel.values()), dtype=np.float64)
        if method == "rrf":
            scaled = 1 / (60 + np.arange(1, len(scores) + 1))
        elif method == "none":
            scaled = scores
        elif len(scores) == 0 or scores.max() == scores.min():
            scaled = np.zeros(len(scores))
        else:
            scaled = stats.zscore(scores) if method == "zscore" else (scores - scores.min()) / np.ptp(scores)
        values.append((dict(zip(channel, scaled, strict=True)), 0 if method == "rrf" else min(scaled, default=0.0)))
    for item in {item for channel in channels for item in channel}:
        total[item] = sum(w * found.get(item, worst) for w, (found, worst) in zip(weights, values, strict=True))
    return total


RANKINGS = st.lists(
    st.dictionaries(st.integers(-(2**40), 30), st.floats(-100, 100, width=32), max_size=12), min_size=1, max_size=4
)


@settings(max_examples=150, deadline=None)
@given(RANKINGS, st.sampled_from(["rrf", "zscore", "minmax", "none"]), st.integers(1, 20))
def test_fusion_is_the_formula(channels: list[dict[int, float]], method: Any, k: int) -> None:
    channels = [dict(sorted(channel.items(), key=lambda pair: -pair[1])) for channel in channels]
    weights = [1.0 + i for i in range(len(channels))]
    results = [(list(channel), list(channel.values())) for channel in channels]
    if method == "rrf":
        fused = rank.rrf(results, k, weights=weights)
    else:
        fused = rank.weighted(results, weights, k, normalize=method)
    shares = weights if method == "rrf" else [weight / sum(weights) for weight in weights]
    expected = reference(channels, shares, method)
    assert len(fused.ids) == min(k, len(expected))
    np.testing.assert_allclose(fused.scores, [expected[item] for item in fused.ids], rtol=1e-5, atol=2e-5)
    best = sorted(expected.values(), reverse=True)[: len(fused.ids)]
    np.testing.assert_allclose(fused.scores, best, rtol=1e-5, atol=2e-5)
    order = list(zip(-fused.scores, fused.ids, strict=True))
    assert order == sorted(order)
    assert fused.contributions.shape == (len(fused.ids), len(channels))
    np.testing.assert_array_equal(fused.scores, fused.contributions.sum(axis=1, dtype=np.float64).astype(np.float32))


def test_batches_and_ragged_results_are_fused_query_by_query(grocery: Any) -> None:
    vectors, _ = grocery
    queries = np.ascontiguousarray(vectors[::50])
    halves = [np.ascontiguousarray(vectors[:, :640]), np.ascontiguousarray(vectors[:, 640:])]
    indexes = [index_of(half) for half in halves]
    asked = [np.ascontiguousarray(queries[:, :640]), np.ascontiguousarray(queries[:, 640:])]
    full = [index.search(x, 20) for index, x in zip(indexes, asked, strict=True)]
    batch = rank.weighted(full, k=10)
    assert batch.ids.shape == (len(queries), 10)
    assert batch.contributions.shape == (len(queries), 10, 2)
    assert batch.offsets is None
    cut = [index.search(x, 20, min_score=0.75) for index, x in zip(indexes, asked, strict=True)]
    ragged = rank.rrf(cut, k=10)
    assert ragged.offsets is not None
    assert len({len(ids) for ids, _ in flatten(ragged)}) > 1
    for i in range(len(queries)):
        alone = rank.weighted([(ids[i], scores[i]) for ids, scores in full], k=10)
        np.testing.assert_array_equal(batch.ids[i], alone.ids)
        np.testing.assert_array_equal(batch.contributions[i], alone.contributions)
        alone = rank.rrf([flatten(result)[i] for result in cut], k=10)
        np.testing.assert_array_equal(flatten(ragged)[i][0], alone.ids)
        np.testing.assert_array_equal(flatten(ragged)[i][1], alone.scores)
        assert ragged.explain(i) == alone.explain()


def test_an_explanation_says_what_each_channel_did() -> None:
    fused = rank.rrf({"image": ([7, 3], [0.9, 0.6]), "text": ([3], None)}, k=2)
    explanation = fused.explain()
    assert fused.channels == ("image", "text")
    assert explanation[0]["id"] == 3
    assert explanation[1] == {
        "rank": 2,
        "id": 7,
        "score": pytest.approx(1 / 61),
        "image.rank": 1,
        "image.score": pytest.approx(0.9),
        "image.contribution": pytest.approx(1 / 61),
        "text.rank": None,
        "text.score": None,
        "text.contribution": 0.0,
    }
    header, *rows = str(explanation).splitlines()
    assert header.split() == list(explanation[0])
    assert rows[1].split() == ["2", "7", "0.016393", "1", "0.9", "0.016393", "0"]
    with pytest.raises(IndexError, match="query: expected 0 to 0, got 1"):
        fused.explain(1)


def test_absent_items_get_what_the_caller_says() -> None:
    channels = {"a": ([1, 2], [2.0, 1.0]), "b": ([2, 3], [5.0, 4.0])}
    usual = rank.weighted(channels)  # last in one channel and first in the other is as good as first and absent
    assert usual.ids.tolist() == [1, 2, 3]
    assert usual.scores.tolist() == [0.0, 0.0, -1.0]
    strict = rank.weighted(channels, missing=-3.0)
    assert strict.ids.tolist() == [2, 1, 3]
    np.testing.assert_allclose(strict.contributions, [[-0.5, 0.5], [0.5, -1.5], [-1.5, -0.5]])
    named = rank.weighted(channels, {"b": 1, "a": 3})
    np.testing.assert_allclose(named.contributions[0], [0.75, -0.25])
    no_hits = rank.rrf([([], []), ([4], [1.0])])
    assert no_hits.ids.tolist() == [4]
    assert rank.rrf([([], [])]).ids.tolist() == []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: rank.rrf([]), "at least one channel, got none"),
        (lambda: rank.rrf([([1, 1], [2, 1])]), "channel 0 names id 1 twice for query 0"),
        (lambda: rank.rrf([([1, 2], [2])]), r"of the ids' shape \(2,\), got \(1,\)"),
        (lambda: rank.rrf([([1, 2], [2, float("nan")])]), "finite scores, got nan at place 1"),
        (lambda: rank.rrf([([1], [1e300])]), "finite scores, got inf"),
        (lambda: rank.rrf([([1], ["a"])]), "scores that are numbers"),
        (lambda: rank.rrf([([1.5], [1])]), "expected integers"),
        (lambda: rank.rrf([([1], [1])], k=0), "k: expected at least 1, got 0"),
        (lambda: rank.rrf([([1], [1])], constant=-1), "constant: expected a number from 0, got -1"),
        (lambda: rank.rrf([([1], [1])], weights=[-1]), "weights: expected numbers from 0"),
        (lambda: rank.rrf([([1], [1])], weights=[0]), "not all of them 0"),
        (lambda: rank.rrf([([1], [1])], weights=[1, 2]), "one for each of 1 channels, got 2"),
        (lambda: rank.rrf({"a": ([1], [1])}, weights={"b": 1}), "one for each of a, got b"),
        (lambda: rank.rrf([([1], [1]), ([[1]], [[1]])]), r"one query \(m,\) as in the first channel, got a batch of 1"),
        (lambda: rank.weighted([([1], [1])], normalize="l7"), "zscore, minmax or none, got 'l7'"),  # type: ignore[arg-type]
        (lambda: rank.weighted([([1], [1])], missing=float("inf")), "missing: expected a finite number"),
        (lambda: rank.weighted([([1], None)]), "scores that are numbers"),
    ],
)
def test_fusion_refuses(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_one_result_is_not_a_list_of_results(grocery: Any) -> None:
    result = index_of(grocery[0]).search(grocery[0][:2], 5)
    with pytest.raises(TypeError, match="put it into a list"):
        rank.rrf(result)
    with pytest.raises(TypeError, match=r"pair \(ids, scores\), got int"):
        rank.rrf([3])


@pytest.mark.parametrize("wrong", [10, "ab", [1, "2"], [1, None], {"0": 1, "1": "2"}, [[1, 2]]])
def test_weights_are_a_list_of_numbers(wrong: Any) -> None:
    results = [([1], [1.0]), ([2], [1.0])]
    with pytest.raises(TypeError, match="weights: expected"):
        rank.weighted(results, wrong)
    with pytest.raises(TypeError, match="weights: expected"):
        rank.rrf(results, weights=wrong)
    assert rank.weighted(results, np.array([1, 3], np.float32)).scores.tolist() == [0.0, 0.0]


# diversity


def reference_mmr(
    ids: NDArray[np.int64], relevance: NDArray[Any], similarity: NDArray[np.float64], k: int, diversity: float
) -> list[int]:
    chosen: list[int] = []
    while len(chosen) < min(k, len(ids)):
        rest = [i for i in range(len(ids)) if i not in chosen]
        nearest = [max((similarity[i, j] for j in chosen), default=0.0) for i in rest]
        value = [(1 - diversity) * float(relevance[i]) - diversity * n for i, n in zip(rest, nearest, strict=True)]
        chosen.append(min(zip(rest, value, strict=True), key=lambda pair: (-pair[1], ids[pair[0]]))[0])
    return [int(ids[i]) for i in chosen]


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("diversity", [0.0, 0.3, 0.7, 1.0])
def test_mmr_is_the_greedy_choice(grocery: Any, metric: str, diversity: float) -> None:
    lengths = np.random.default_rng(0).uniform(0.5, 3, (len(grocery[0]), 1))
    vectors = np.ascontiguousarray(grocery[0] * lengths, dtype=np.float32)
    index = index_of(vectors, np.arange(len(vectors))[::-1] * 7, metric)
    queries = np.ascontiguousarray(vectors[100::200])
    result = index.search(queries, 30)
    found = rank.mmr(result, 12, index=index, diversity=diversity)
    own = np.stack([index.reconstruct(ids) for ids in result.ids])
    aligned = rank.mmr(result, 12, vectors=own, diversity=diversity, metric=metric)
    np.testing.assert_array_equal(found.ids, aligned.ids)
    for i, ids in enumerate(result.ids):
        x = own[i].astype(np.float64)
        similarity = x @ x.T
        if metric == "cosine":
            similarity /= np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(x, axis=1))
        elif metric == "l2":
            similarity = -np.linalg.norm(x[:, np.newaxis] - x, axis=2)
        assert found.ids[i].tolist() == reference_mmr(ids, result.scores[i], similarity, 12, diversity)
        by_id = dict(zip(ids.tolist(), result.scores[i].tolist(), strict=True))
        assert found.scores[i].tolist() == [by_id[item] for item in found.ids[i].tolist()]
        alone = rank.mmr((ids, result.scores[i]), 12, index=index, diversity=diversity)
        np.testing.assert_array_equal(alone.ids, found.ids[i])
    if diversity == 0:
        np.testing.assert_array_equal(found.ids, result.ids[:, :12])
        np.testing.assert_array_equal(found.scores, result.scores[:, :12])


def test_mmr_shows_more_products_and_takes_a_fused_result(grocery: Any) -> None:
    vectors, products = grocery
    index = index_of(vectors)
    queries = np.ascontiguousarray(vectors[::20])
    result = index.search(queries, 50)
    plain, diverse = (rank.mmr(result, 10, index=index, diversity=d).ids for d in (0, 0.5))
    different = [np.mean([len(set(products[row])) for row in ids]) for ids in (plain, diverse)]
    assert different[1] > different[0] + 1
    fused = rank.rrf([result, index.search(queries, 60)], k=50)
    again = rank.mmr(fused, 10, index=index, query=queries, diversity=0.5)
    assert again.ids.shape == (len(queries), 10)
    by_query = rank.mmr((fused.ids, None), 10, index=index, query=queries, diversity=0)
    np.testing.assert_array_equal(by_query.ids, plain)
    np.testing.assert_allclose(by_query.scores, result.scores[:, :10], atol=1e-6)


def test_mmr_takes_ragged_results_and_breaks_ties_by_id(grocery: Any) -> None:
    index = index_of(grocery[0])
    ragged = index.search(np.ascontiguousarray(grocery[0][::100]), 40, min_score=0.75)
    chosen = rank.mmr(ragged, 5, index=index)
    assert chosen.offsets is not None
    for (ids, _), (all_ids, scores) in zip(flatten(chosen), flatten(ragged), strict=True):
        np.testing.assert_array_equal(ids, rank.mmr((all_ids, scores), 5, index=index).ids)
    twins = np.ones((3, 4), np.float32)
    assert rank.mmr(([9, 2, 5], [1, 1, 1]), vectors=twins).ids.tolist() == [2, 5, 9]
    assert rank.mmr(([], []), vectors=np.empty((0, 4), np.float32)).ids.tolist() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": 0}, "k: expected at least 1"),
        ({"diversity": 1.5}, "diversity: expected 0 to 1, got 1.5"),
        ({"metric": "l1"}, "metric: expected cosine, ip or l2, got 'l1'"),
        ({"vectors": None}, "one of vectors= and index="),
        ({"vectors": np.ones((3, 4), np.float32)}, r"\(2, 'dim'\), got \(3, 4\)"),
        ({"vectors": np.ones((2, 4))}, "C-contiguous float32"),
        ({"vectors": np.full((2, 4), np.nan, np.float32)}, "vectors: row 0 has NaN"),
        ({"query": np.ones((1, 4), np.float32)}, r"query: expected \(dim,\) as result is of one query"),
        ({"query": np.ones(3, np.float32)}, "query: expected 1 vectors of 4 numbers"),
    ],
)
def test_mmr_refuses(change: dict[str, Any], words: str) -> None:
    arguments: dict[str, Any] = {"vectors": np.eye(2, 4, dtype=np.float32)} | change
    with pytest.raises(ValueError, match=words):
        rank.mmr(([1, 2], [0.5, 0.4]), **arguments)
