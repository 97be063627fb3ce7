"""Intervals, paired tests and rank correlations against SciPy."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from pictrieve.evaluate import compare_reports, correlation, retrieval
from pictrieve.evaluate.report import EvalReport


def report_of(values: np.ndarray, **facts: Any) -> EvalReport:
    """A report whose one metric has these values."""
    return EvalReport("trec", len(values), 0, "drop", {"map": ""}, {"map": values}, **facts)


def skewed(seed: int, count: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).beta(0.5, 1.5, count)


@pytest.mark.parametrize("method", ["bca", "percentile"])
@pytest.mark.parametrize("count", [7, 40])
def test_intervals_are_scipys(method: Any, count: int) -> None:
    values = skewed(1, count)
    ours = report_of(values).interval("map", method=method, level=0.9, resamples=4000, seed=5)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=4000, confidence_level=0.9, method="BCa" if method == "bca" else method,
        rng=np.random.default_rng(5),
    ).confidence_interval  # fmt: skip
    assert abs(ours.low - theirs.low) < 1e-12
    assert abs(ours.high - theirs.high) < 1e-12
    assert ours.mean == values.mean()


def test_a_difference_has_the_interval_of_its_values() -> None:
    a, b = skewed(2), skewed(3)
    row = compare_reports(report_of(a), report_of(b), seed=5)[0]
    theirs = scipy.stats.bootstrap((b - a,), np.mean, n_resamples=10_000, method="BCa", rng=np.random.default_rng(5))
    assert abs(row.low - theirs.confidence_interval.low) < 1e-12
    assert abs(row.high - theirs.confidence_interval.high) < 1e-12


def test_permutation_tests_are_scipys() -> None:
    def difference(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        return np.mean(x - y, axis=axis)

    for count, exact in ((9, True), (40, False)):
        a, b = skewed(4, count), skewed(5, count) + 0.05
        ours = compare_reports(report_of(a), report_of(b), resamples=20_000)[0].p_value
        theirs = scipy.stats.permutation_test(
            (b, a), difference, permutation_type="samples", n_resamples=np.inf if exact else 20_000,
            rng=np.random.default_rng(1),
        ).pvalue  # fmt: skip
        # Each share of 20,000 random signs is within 4 standard deviations, 0.015, of the exact value.
        assert abs(ours - theirs) < (1e-12 if exact else 0.02)


def test_clusters_are_drawn_as_a_whole() -> None:
    clusters = np.repeat(np.arange(12), [1, 2, 3, 4] * 3)
    values = skewed(6, 12)[clusters] + skewed(7, len(clusters)) / 100
    interval = report_of(values).interval("map", method="percentile", clusters=clusters, seed=5)
    groups = [values[clusters == c] for c in range(12)]
    drawn = np.random.default_rng(5).integers(0, 12, (10_000, 12))
    means = [np.concatenate([groups[c] for c in row]).mean() for row in drawn]
    np.testing.assert_allclose(interval[1:3], np.quantile(means, [0.025, 0.975]), rtol=0, atol=1e-12)
    alone = report_of(values).interval("map")
    assert interval.high - interval.low > 1.3 * (alone.high - alone.low)


def test_means_over_classes_draw_classes() -> None:
    classes = np.repeat([0, 1, 2, 3, 4], [1, 2, 3, 10, 20])
    values = skewed(8, len(classes))
    means = np.array([values[classes == c].mean() for c in range(5)])
    report = report_of(values, classes=classes)
    assert report["map"] == pytest.approx(means.mean(), abs=1e-15)
    theirs = scipy.stats.bootstrap((means,), np.mean, n_resamples=10_000, rng=np.random.default_rng(0))
    assert abs(report.interval("map").low - theirs.confidence_interval.low) < 1e-12


@pytest.mark.parametrize("levels", [0, 4])
def test_rank_correlations_are_scipys(levels: int) -> None:
    chance = np.random.default_rng(9)
    scores = chance.standard_normal(500).round(2)
    judgements = scores + chance.standard_normal(500)
    judgements = np.digitize(judgements, np.linspace(-1, 1, levels - 1)) if levels else judgements
    found = correlation(scores, judgements, resamples=200)
    assert abs(found.spearman.mean - scipy.stats.spearmanr(scores, judgements).statistic) < 1e-12
    assert abs(found.kendall.mean - scipy.stats.kendalltau(scores, judgements).statistic) < 1e-12
    drawn = np.random.default_rng(0)
    rows = [drawn.integers(0, 500, 500) for _ in range(200)]
    theirs = [scipy.stats.kendalltau(scores[row], judgements[row]).statistic for row in rows]
    np.testing.assert_allclose(found.kendall[1:3], np.quantile(theirs, [0.025, 0.975]), rtol=0, atol=1e-12)


def test_judgements_of_people(data: Path) -> None:
    with open(data / "caption_similarity/sts_captions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:800]
    human = np.array([float(row["score_0_to_5"]) for row in rows])
    words = [({*row["caption_1"].lower().split()}, {*row["caption_2"].lower().split()}) for row in rows]
    overlap = np.array([len(a & b) / len(a | b) for a, b in words])
    found = correlation(overlap, human, resamples=100)
    assert abs(found.spearman.mean - scipy.stats.spearmanr(overlap, human).statistic) < 1e-12
    assert found.spearman.low < found.spearman.mean < found.spearman.high


def test_a_real_difference_is_found_and_chance_is_not() -> None:
    chance = np.random.default_rng(10)
    found = []
    for _ in range(40):  # equal systems: p below 0.05 about twice
        ranks = [[0, 1] if flip else [1, 0] for flip in chance.integers(0, 2, 60)]
        other = [[0, 1] if flip else [1, 0] for flip in chance.integers(0, 2, 60)]
        a, b = (retrieval(ids, [{0}] * 60) for ids in (ranks, other))
        found.append(compare_reports(a, b, ["mrr"], resamples=1000)[0].p_value < 0.05)
    assert sum(found) <= 6
    best = retrieval([[0, 1]] * 60, [{0}] * 60)
    assert compare_reports(a, best, ["mrr"], test="bootstrap")[0].p_value < 1e-3
