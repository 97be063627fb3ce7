"""Slices, worst queries, intervals, comparisons: what can be asked of a report, and errors."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from pictrieve.evaluate import Protocol, compare_reports, correlation, embeddings, retrieval

RANKED = [[0, 1], [1, 0], [1, 0], [0, 1]]
REPORT = retrieval(
    RANKED, [{0}, {0}, {0}, set()], columns={"kind": ["cup", "hat", "hat", "cup"], "length": [1.0, 2.0, 9.0, np.nan]}
)


def test_slices() -> None:
    table = REPORT.by("kind", "mrr")
    assert [(row.value, row.queries, row.mean) for row in table] == [("hat", 2, 0.5), ("cup", 1, 1.0)]
    assert (table[0].low, table[0].high) == (0.5, 0.5)
    assert np.isnan(table[1].low)
    assert repr(table).splitlines()[0] == "mrr by kind, worst first; 95% BCa intervals over queries"
    assert "<td>hat</td><td>2</td><td>0.5000</td>" in table._repr_html_()
    frame = table.to_pandas()
    assert frame["mean"].tolist() == [0.5, 1.0]
    assert [row.value for row in REPORT.by([1, 2, 2, 1], "mrr")] == [2, 1]
    assert len(table[0:1]) == 1


def test_slices_of_numbers() -> None:
    rows = {row.value: row.queries for row in REPORT.by("length", "mrr", bins=2)}
    assert rows == {"-inf .. 2": 1, "2 .. inf": 2}
    assert {row.value for row in REPORT.by("length", "mrr", bins=[1.5, 5])} == {"-inf .. 1.5", "1.5 .. 5", "5 .. inf"}


def test_worst_queries_and_frames() -> None:
    assert REPORT.worst(2, "mrr").tolist() == [1, 2]
    assert REPORT.worst(99, "mrr").tolist() == [1, 2, 0]  # the dropped one is not among them
    frame = REPORT.to_pandas()
    assert frame.index.name == "query"
    assert frame["kind"].tolist() == ["cup", "hat", "hat", "cup"]
    assert frame["mrr"].tolist()[:3] == [1.0, 0.5, 0.5]


def test_the_headline_is_the_default() -> None:
    own = {"holidays": [5, 6, 7, 8]}
    reports = {name: retrieval(RANKED, [{0}] * 4, name, query_ids=own.get(name)) for name in get_args(Protocol)}
    assert {name: report.headline for name, report in reports.items()} == dict.fromkeys(reports, "map") | {
        "map@r": "map@r", "oml": "map@1", "coco": "recall@1", "ukbench": "n-s", "legacy": "ndcg@1",
    }  # fmt: skip
    ranked, kinds = [[1, 3, 2], [3, 1, 0], [0, 1, 3]], ["cup", "hat", "cup"]
    report = retrieval(ranked, [{1, 3}, {0, 3}, {0, 3}], "map@r", columns={"kind": kinds})
    assert repr(report.by("kind")) == repr(report.by("kind", "map@r"))
    assert report.interval() == report.interval("map@r")
    assert report.worst(3).tolist() == report.worst(3, "map@r").tolist() == [1, 2, 0]


def test_clusters_of_classes() -> None:
    chance = np.random.default_rng(0)
    classes = chance.integers(0, 12, 90)
    clusters = np.where(classes < 7, "a", np.where(classes < 10, "b", "c"))
    ranked = [chance.permutation(9).tolist() for _ in classes]
    report = retrieval(ranked, [{0}] * 90, classes=classes)
    together = report.interval("mrr", clusters=clusters)
    assert (together.units, together.mean) == (3, pytest.approx(report["mrr"], abs=1e-15))
    means = np.array([report.per_query["mrr"][classes == i].mean() for i in range(12)])
    drawn = np.random.default_rng(0).integers(0, 3, (10_000, 3))
    sums, sizes = np.array([means[:7].sum(), means[7:10].sum(), means[10:].sum()]), np.array([7, 3, 2])
    expected = np.quantile(sums[drawn].sum(1) / sizes[drawn].sum(1), [0.025, 0.975])
    percentile = report.interval("mrr", clusters=clusters, method="percentile")
    np.testing.assert_allclose((percentile.low, percentile.high), expected, rtol=1e-12)
    np.testing.assert_allclose(report.interval("mrr", clusters=classes)[:3], report.interval("mrr")[:3], rtol=1e-12)
    with pytest.raises(ValueError, match=r"clusters: expected each class in one cluster.* got several for class"):
        report.interval("mrr", clusters=np.arange(90) % 5)
    with pytest.raises(ValueError, match=r"clusters: expected one for each of 90 queries, got shape \(5,\)"):
        report.interval("mrr", clusters=classes[:5])


def test_labels_are_a_column() -> None:
    rows = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
    report = embeddings(rows, labels=["a", "a", "b", "b"])
    assert [row.value for row in report.by("label", "mrr")] == ["b", "a"]


def test_comparisons() -> None:
    chance = np.random.default_rng(0)
    gains = [{0} for _ in range(50)]
    worse = retrieval([[1, 0] if flip else [0, 1] for flip in chance.integers(0, 2, 50)], gains)
    better = retrieval([[0, 1]] * 50, gains)
    table = compare_reports(worse, better, ["mrr", "hit@1"])
    row = table[1]
    assert row.metric == "hit@1"
    assert row.difference == row.b - row.a == row.better
    assert row.low < row.difference < row.high
    assert row.p_value == 1 / 10_001
    assert "paired permutation test over queries" in repr(table)
    assert compare_reports(worse, worse, ["mrr"])[0].p_value == 1.0
    clusters = np.arange(50) // 5
    lost = np.bincount(clusters, better.per_query["mrr"] - worse.per_query["mrr"])
    assert compare_reports(worse, better, ["mrr"], clusters=clusters)[0].p_value == 2 / 2 ** np.count_nonzero(lost)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: REPORT.by("color"), KeyError, "the report has the columns kind, length"),
        (lambda: retrieval([[0]], [{0}]).by("kind"), KeyError, "the report has the columns none"),
        (lambda: REPORT.by([1, 2]), ValueError, r"column: expected a value for each of 4 queries, got shape \(2,\)"),
        (lambda: REPORT.by("kind", bins=2), TypeError, "bins: expected a column of numbers"),
        (lambda: REPORT.by("length", bins=0), ValueError, "bins: expected at least 1"),
        (lambda: REPORT.by("length", bins=[2, 1]), ValueError, "bins: expected rising edges"),
        (lambda: REPORT.by("kind", "ap"), KeyError, "'ap'; protocol 'trec' has map@1"),
        (lambda: REPORT.worst(0), ValueError, "n: expected at least 1, got 0"),
        (lambda: REPORT.interval("mrr", level=95), ValueError, "level: expected a confidence between 0 and 1"),
        (lambda: REPORT.interval("mrr", method="t"), ValueError, "method: expected bca or percentile, got 't'"),
        (lambda: REPORT.interval("mrr", resamples=9), ValueError, "resamples: expected at least 100"),
        (lambda: REPORT.interval("mrr", clusters=[1]), ValueError, "clusters: expected one for each of 4 queries"),
        (lambda: retrieval([[0]], [{0}]).interval("mrr"), ValueError, "interval: expected at least 2 queries"),
        (lambda: compare_reports(REPORT, retrieval([[0]], [{0}])), ValueError, "b: expected values of the same 4"),
        (
            lambda: compare_reports(REPORT, retrieval(RANKED, [{0}, set(), {0}, {0}])),
            ValueError,
            "b: query 1 has relevant items in one report only",
        ),
        (lambda: compare_reports(REPORT, REPORT, []), ValueError, "metrics: expected some that both reports have"),
        (lambda: compare_reports(REPORT, REPORT, test="t"), ValueError, "test: expected permutation or bootstrap"),
        (
            lambda: compare_reports(REPORT, retrieval(RANKED, [{0}] * 4, classes=[1, 1, 2, 2])),
            ValueError,
            "b: expected means over the same classes",
        ),
        (lambda: correlation([1, 2, 3], [1, 2]), ValueError, "judgements: expected one for each score"),
        (lambda: correlation([1, 2, 3], [2, 2, 2]), ValueError, "judgements: expected numbers that vary, got 2 3"),
        (lambda: correlation([1, 2, np.nan], [2, 2, 3]), ValueError, "scores: expected .* without NaN"),
        (lambda: correlation([1, 2, 3], [2, 2, 3], clusters=[1]), ValueError, "clusters: expected one for each of 3"),
    ],
)
def test_bad_questions_are_refused(call: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_correlations_of_clusters() -> None:
    scores, judged = np.arange(40.0), np.arange(40.0) // 2 + np.tile([0.0, 7.0], 20)
    alone, joined = correlation(scores, judged), correlation(scores, judged, clusters=np.arange(40) // 4)
    assert alone.spearman.mean == joined.spearman.mean
    assert joined.spearman.units == 10
    assert str(joined).startswith("Spearman 0.")
