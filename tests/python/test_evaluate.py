"""retrieval() and its report: behaviour and errors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pictrieve.evaluate import retrieval

# Hits at ranks 2, 4 and 7; a fourth relevant item is not ranked.
RANKED = [[10, 1, 11, 2, 12, 13, 3, 14, 15, 16]]
RELEVANT = [{1, 2, 3, 4}]


@pytest.mark.parametrize(
    ("protocol", "name", "value"),
    [
        ("trec", "map@5", 0.25),
        ("trec", "map@10", 0.3571),
        ("beir", "map@5", 0.25),
        ("beir", "map@10", 0.3571),
        ("hits", "map@5", 0.50),
        ("hits", "map@10", 0.4762),
        ("map@r", "map@r", 0.25),
        ("map@r", "r-precision", 0.5),
        ("oxford", "map", 0.2619),
        ("trec", "ndcg@5", 0.4144),
        ("trec", "mrr", 0.5),
        ("trec", "recall@5", 0.5),
        ("trec", "precision@5", 0.4),
        ("trec", "hit@1", 0.0),
    ],
)
def test_the_worked_example(protocol: Any, name: str, value: float) -> None:
    assert retrieval(RANKED, RELEVANT, protocol)[name] == pytest.approx(value, abs=5e-5)


def test_a_report_says_what_it_means() -> None:
    report = retrieval(RANKED, RELEVANT, "beir", ks=(5,))
    assert report.definitions["map@5"] == (
        "mean over queries of: precision at each relevant item of the top 5, summed, divided by "
        "min(5, relevant items) (beir)"
    )
    assert set(report.definitions) == set(report.per_query) == set(report)
    assert repr(report).startswith("EvalReport: protocol 'beir', 1 queries\n  map@5        0.2500\n")
    assert "<th style='text-align:left'>map@5</th><td>0.2500</td>" in report._repr_html_()
    assert json.loads(json.dumps(report.to_dict()))["metrics"]["map@5"] == report["map@5"]


def test_every_definition_can_be_said() -> None:
    for protocol in ("trec", "beir", "hits", "map@r", "oxford"):
        report = retrieval(RANKED, RELEVANT, protocol, junk=[[99]])  # type: ignore[arg-type]
        assert all("{" not in words and "junk removed" in words for words in report.definitions.values())
    assert "map@5" not in report
    assert "trapezoid" in report.definitions["map"]


def test_arrays_and_lists_of_unequal_length() -> None:
    array = retrieval(np.array([[1, 2], [3, 4]], np.int32), [np.array([2]), [3]])
    lists = retrieval([[1, 2], [3]], [(2,), {3}])
    assert array["mrr"] == lists["mrr"] == 0.75
    assert array.per_query["mrr"].tolist() == [0.5, 1.0]


def test_gains_change_ndcg_only() -> None:
    graded = retrieval([[1, 2]], [{2: 3.0, 1: 1.0, 5: 0.0}])
    plain = retrieval([[1, 2]], [{1, 2}])
    ideal = 3 + 1 / np.log2(3)
    assert graded["ndcg@5"] == pytest.approx((1 + 3 / np.log2(3)) / ideal, abs=1e-15)
    assert {name for name in plain if plain[name] != graded[name]} == {"ndcg@1", "ndcg@5", "ndcg@10", "ndcg"}


def test_junk_is_taken_out_first() -> None:
    assert retrieval([[9, 1]], [{1}], "oxford", junk=[[9]])["map"] == 1.0
    assert retrieval([[9, 1]], [{1}], "oxford")["map"] == 0.25


@pytest.mark.parametrize(("empty", "value"), [("drop", 1.0), ("zero", 0.5), ("one", 1.0)])
def test_queries_without_relevant_items(empty: Any, value: float) -> None:
    report = retrieval([[1], [2]], [{1}, set()], empty=empty)
    assert report["mrr"] == value
    assert (report.queries, report.empty_queries) == (2, 1)
    assert "1 without relevant items" in repr(report)
    assert np.isnan(report.per_query["mrr"][1]) == (empty == "drop")


def test_a_ranking_may_be_empty() -> None:
    assert retrieval([[]], [{1}])["map"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        (([[1, 1]], [{1}]), {}, "ranked_ids: query 0 names id 1 twice"),
        (([[1]], [{1}, {2}]), {}, "relevant: expected one set for each of 1 queries, got 2"),
        (([[1]], [set()]), {}, "none of 1 queries has a relevant item"),
        (([[1]], [{1: -1.0}]), {}, "expected gains from 0, got -1.0 for id 1"),
        (([[1]], [{1: float("nan")}]), {}, "expected gains from 0, got nan"),
        (([[1]], [{1}], "coco"), {}, "protocol: expected one of trec"),
        (([[1]], [{1}], "trec", (0,)), {}, "ks: expected different whole numbers"),
        (([[1]], [{1}]), {"empty": "keep"}, "empty: expected drop, zero or one"),
        (([[1]], [{1}]), {"junk": [[1]]}, "junk: query 0 has id 1 as relevant too"),
        (([[1]], [{1}]), {"junk": [[2], [3]]}, "junk: expected one set"),
        ((np.zeros(3, np.int64), [{1}]), {}, r"ranked_ids: expected \(n, k\)"),
    ],
)
def test_bad_values_are_refused(arguments: Any, options: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        retrieval(*arguments, **options)


def test_bad_types_are_refused() -> None:
    with pytest.raises(TypeError, match="ids that are whole numbers, got float64"):
        retrieval(np.zeros((1, 2)), [{1}])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a list with one set or dict"):
        retrieval([[1]], {0: [1]})  # type: ignore[arg-type]
    with pytest.raises(KeyError, match=r"'map@7'; protocol 'trec' has map@1"):
        retrieval([[1]], [{1}])["map@7"]
