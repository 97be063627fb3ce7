"""retrieval() and its report: behaviour and errors."""

from __future__ import annotations

import json
from typing import Any, get_args

import numpy as np
import pytest

from pictrieve.evaluate import Protocol, oxford_protocols, retrieval

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
        ("trec", "mrr@1", 0.0),
        ("oml", "map@5", 0.50),
        ("oml", "precision@5", 0.5),
        ("oml", "cmc@5", 1.0),
        ("coco", "recall@5", 1.0),
        ("cmc", "map", 0.3571),
        ("revisited", "map", 0.2619),
        ("revisited", "mp@10", 3 / 7),
        ("ukbench", "n-s", 2.0),
        ("legacy", "ndcg@5", 0.6509),
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
    for protocol in get_args(Protocol):
        own = [77] if protocol == "holidays" else None
        report = retrieval(RANKED, RELEVANT, protocol, junk=[[99]], query_ids=own)
        assert list(report) == list(report.definitions)
        assert all("{" not in words and "junk removed" in words for words in report.definitions.values())
    oxford = retrieval(RANKED, RELEVANT, "oxford")
    assert "map@5" not in oxford
    assert "trapezoid" in oxford.definitions["map"]


def test_a_query_leaves_itself_out() -> None:
    report = retrieval([[5, 1, 2], [6, 5]], [{5, 1}, {6}], "holidays", query_ids=[5, 6])
    assert report.per_query["map"][0] == 1.0
    assert report.empty_queries == 1
    assert retrieval([[5, 1], [6, 5]], [{1: 2.0}, {5}], query_ids=np.array([5, 6]))["mrr"] == 1.0
    with pytest.raises(ValueError, match="query_ids: protocol 'holidays' takes the query out"):
        retrieval([[5]], [{5}], "holidays")
    with pytest.raises(ValueError, match="query_ids: in protocol 'ukbench' the query counts"):
        retrieval([[5]], [{5}], "ukbench", query_ids=[5])
    with pytest.raises(ValueError, match="query_ids: expected one id for each of 1 queries"):
        retrieval([[5]], [{5}], query_ids=[5, 6])


@pytest.mark.parametrize(("ties", "rank"), [("lowest id", 2), ("highest id", 2), ("best", 1), ("worst", 3)])
def test_equal_scores_go_by_the_rule(ties: Any, rank: int) -> None:
    report = retrieval([[3, 2, 1, 0]], [{2}], scores=[[0.5, 0.5, 0.5, 0.1]], ties=ties)
    assert report["mrr"] == 1 / rank
    assert retrieval([[3, 2]], [{2}], scores=np.array([[0.1, 0.2]]), ties=ties)["mrr"] == 1.0


def test_revisited_protocols() -> None:
    ranked = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]]
    gnd = [{"easy": [1], "hard": [3], "junk": [0]}, {"easy": [], "hard": [0], "junk": []}]
    reports = oxford_protocols(ranked, gnd, ks=(2,))
    assert list(reports) == ["easy", "medium", "hard"]
    assert reports["easy"].per_query["map"][0] == 1.0
    assert reports["easy"].empty_queries == 1
    assert reports["medium"].per_query["map"][0] == (1 + (1 / 2 + 2 / 3) / 2) / 2
    assert reports["hard"].per_query["map"][0] == (0 + 1 / 2) / 2  # 2, then 3: junk is gone
    assert reports["hard"].per_query["mp@2"].tolist() == [0.5, 0.0]
    with pytest.raises(ValueError, match="gnd: query 0 lacks easy, hard"):
        oxford_protocols(ranked, [{"ok": [1], "junk": []}])


def test_means_over_classes() -> None:
    report = retrieval([[0], [0], [1]], [{0}, {0}, {0}], classes=["a", "a", "b"])
    assert report["hit@1"] == 0.5
    assert "means over 2 classes" in repr(report)
    assert report.to_dict()["average"] == "classes"


def test_gains_from_the_least_on_are_relevant() -> None:
    report = retrieval([[1, 2]], [{1: 1.0, 2: 3.0}], least_gain=2)
    assert report["mrr"] == 0.5
    ideal = 7 + 1 / np.log2(3)
    burges = retrieval([[1, 2]], [{1: 1.0, 2: 3.0}], least_gain=2, ndcg_gain="exponential")
    assert burges["ndcg"] == pytest.approx((1 + 7 / np.log2(3)) / ideal, abs=1e-15)
    assert burges["mrr"] == 0.5


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
        (([[1]], [{1}], "voc"), {}, "protocol: expected one of trec"),
        (([[1]], [{1}], "trec", (0,)), {}, "ks: expected different whole numbers"),
        (([[1]], [{1}]), {"empty": "keep"}, "empty: expected drop, zero or one"),
        (([[1]], [{1}]), {"junk": [[1]]}, "junk: query 0 has id 1 as relevant too"),
        (([[1]], [{1}]), {"junk": [[2], [3]]}, "junk: expected one set"),
        (([[1]], [{1}]), {"ties": "any"}, "ties: expected 'lowest id'"),
        (([[1]], [{1}]), {"ndcg_gain": "square"}, "ndcg_gain: expected linear or exponential"),
        (([[1]], [{1}]), {"scores": [[1.0, 2.0]]}, "scores: expected one for each ranked id"),
        (([[1]], [{1}]), {"scores": [[np.nan]]}, "scores: expected numbers, got NaN"),
        (([[1]], [{1}]), {"classes": ["a", "b"]}, r"classes: expected a value for each of 1 queries, got shape \(2,\)"),
        (([[1]], [{1}]), {"columns": {"c": [1, 2]}}, r"columns\['c'\]: expected a value for each of 1"),
        (([[1]], [{1}], "coco", ()), {}, "ks: protocol 'coco' measures at cut-offs only"),
        (([[1]], [{1}], "ukbench"), {"empty": "one"}, "empty: 'one' is no perfect score"),
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
