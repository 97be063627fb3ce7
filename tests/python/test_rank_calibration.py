"""Calibration: the promised rate of false alarms, and what it is worth on labelled photos."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import pictrieve as pt
from pictrieve.rank import Calibration


def index_of(vectors: NDArray[np.float32], metric: str = "cosine") -> pt.Index:
    index = pt.Index(vectors.shape[1], metric=metric)
    index.add(np.ascontiguousarray(vectors, dtype=np.float32))
    return index


@pytest.fixture(scope="module")
def grocery(data: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Give 1,155 photos' features and the 55 products on them."""
    features = np.load(data / "vectors" / "efficientnet_lite0_grocery" / "features.npy").astype(np.float32)
    with (data / "grocery" / "labels.csv").open(encoding="utf-8") as file:
        return features, np.array([int(row["label_id"]) for row in csv.DictReader(file)])


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_queries_that_match_nothing_keep_the_promised_rate(metric: str) -> None:
    generator = np.random.default_rng(1)
    index = index_of(generator.normal(size=(5000, 64)), metric)
    calibration = Calibration.fit(index, sample=300)
    best = index.search(generator.normal(size=(1000, 64)).astype(np.float32), 1).scores[:, 0]
    confidence = calibration.confidence(best)
    assert stats.kstest(confidence, "uniform").statistic < 0.12
    assert (confidence > 0.95).mean() < 0.08
    assert (best >= calibration.threshold(0.95)).mean() == (confidence >= 0.95).mean()


def test_a_product_that_is_absent_is_rejected_more_often_than_one_that_is_there(grocery: Any) -> None:
    features, products = grocery
    absent, present = [], []
    for product in np.unique(products)[::2]:
        own = products == product
        rest = np.ascontiguousarray(features[~own])
        index = index_of(rest)
        calibration = Calibration.fit(index, sample=300)
        absent.append(calibration.confidence(index.search(np.ascontiguousarray(features[own]), 1).scores[:, 0]))
        asked = np.random.default_rng(int(product)).choice(len(rest), 20, replace=False)
        others = index.search(np.ascontiguousarray(rest[asked]), 2).scores[:, 1]  # the first is the photo itself
        present.append(calibration.confidence(others))
    out, there = np.concatenate(absent), np.concatenate(present)
    auc = stats.mannwhitneyu(there, out).statistic / len(there) / len(out)
    print(f"auc {auc:.3f}, above 0.5: {np.mean(there > 0.5):.3f} {np.mean(out > 0.5):.3f}")
    print(f"above 0.95: {np.mean(there > 0.95):.3f} {np.mean(out > 0.95):.3f}")
    assert auc > 0.73
    assert np.mean(out > 0.95) < 0.04 < 0.17 < np.mean(there > 0.95)
    assert np.mean(out > 0.5) < 0.4 < 0.65 < np.mean(there > 0.5)


def test_unrelated_pictures_are_rejected(grocery: Any, data: Path) -> None:
    folder = data / "flickr8k_features"
    flickr = np.load(folder / "features_u8.npy")[::4] * np.load(folder / "scale.npy").astype(np.float32)
    for items, queries in ((grocery[0], flickr), (flickr, grocery[0])):
        index = index_of(items)
        best = index.search(np.ascontiguousarray(queries, dtype=np.float32), 1).scores[:, 0]
        assert (Calibration.fit(index).confidence(best) > 0.95).mean() < 0.03


def test_it_is_the_formula(grocery: Any) -> None:
    features = grocery[0][:200]
    index = index_of(features)
    calibration = Calibration.fit(index)  # all pairs
    x = features.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    values = np.arctanh((x @ x.T)[~np.eye(len(x), dtype=bool)].reshape(len(x), -1))
    low, middle, high = np.quantile(values, [0.1587, 0.5, 0.8413], axis=1, keepdims=True)
    values = np.clip(values, middle - 2 * (high - low), middle + 2 * (high - low))
    scores = np.linspace(0.2, 0.99, 40)
    z = (np.arctanh(scores)[:, np.newaxis] - values.mean(axis=1)) / values.std(axis=1, ddof=1)
    expected = np.exp(50 * stats.norm.logcdf(z)).mean(axis=1)
    np.testing.assert_allclose(calibration.confidence(scores, items=50), expected, atol=1e-5)


def test_confidence_rises_with_the_score_and_falls_with_the_items(grocery: Any) -> None:
    calibration = Calibration.fit(index_of(grocery[0]), sample=200)
    scores = np.linspace(-1, 1, 2001)
    confidence = calibration.confidence(scores)
    assert confidence[0] == 0
    assert confidence[-1] == 1
    assert (np.diff(confidence) >= 0).all()
    assert (calibration.confidence(scores, 10**6) <= confidence).all()
    assert calibration.confidence(scores.reshape(3, -1)).shape == (3, 667)
    assert isinstance(calibration.confidence(0.9), float)
    assert calibration.items == 1155
    for wanted in (0.001, 0.5, 0.95, 0.999999):
        threshold = calibration.threshold(wanted)
        assert threshold == np.float32(threshold)
        assert calibration.confidence(threshold) >= wanted
        assert calibration.confidence(float(np.nextafter(np.float32(threshold), np.float32(-1)))) < wanted


def test_queries_of_another_kind_have_their_own_null(grocery: Any) -> None:
    index = index_of(grocery[0])
    queries = np.random.default_rng(0).normal(size=(50, 1280)).astype(np.float32)
    other = Calibration.fit(index, queries=queries)
    assert other.threshold(0.95) < Calibration.fit(index).threshold(0.95) - 0.3
    assert repr(other) == "Calibration(metric='cosine', items=1155, queries=50)"


def test_a_calibration_survives_json(grocery: Any) -> None:
    index = index_of(grocery[0])
    calibration = Calibration.fit(index, sample=100, seed=4)
    saved = json.loads(json.dumps(calibration.to_dict()))
    scores = np.linspace(0, 1, 50)
    again = Calibration.from_dict(saved)
    np.testing.assert_array_equal(again.confidence(scores), calibration.confidence(scores))
    assert Calibration.fit(index, sample=100, seed=4).to_dict() == saved
    assert Calibration.fit(index, sample=100, seed=5).to_dict() != saved
    damages: list[dict[str, Any]] = [
        {"version": 2},
        {"means": []},
        {"means": "x"},
        {"items": 0},
        {"deviations": [-1.0] * len(saved["means"])},
    ]
    for damage in damages:
        with pytest.raises(ValueError, match="fit it anew"):
            Calibration.from_dict(saved | damage)


def test_an_index_of_equals_is_a_step() -> None:
    calibration = Calibration.fit(index_of(np.ones((5, 4)), "l2"))
    assert calibration.confidence([-1.0, 0.0, 1.0]).tolist() == [0.0, 0.0, 1.0]


def test_calibration_refuses(grocery: Any) -> None:
    index = index_of(grocery[0][:50])
    calibration = Calibration.fit(index)
    with pytest.raises(ValueError, match="at least 3 items and a sample of 3, got 2 and 1000"):
        Calibration.fit(index_of(grocery[0][:2]))
    with pytest.raises(TypeError, match=r"expected Calibration\.fit\(index\)"):
        Calibration()
    with pytest.raises(ValueError, match="queries: expected at least one"):
        Calibration.fit(index, queries=np.empty((0, 1280), np.float32))
    with pytest.raises(ValueError, match="scores: expected numbers, got NaN"):
        calibration.confidence([0.5, np.nan])
    with pytest.raises(ValueError, match="items: expected at least 1, got 0"):
        calibration.confidence(0.5, items=0)
    for wrong in (0.0, 1.0, np.nan):
        with pytest.raises(ValueError, match="min_confidence: expected above 0 and below 1"):
            calibration.threshold(wrong)
