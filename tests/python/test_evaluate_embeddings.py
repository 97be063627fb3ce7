"""embeddings() and image_text(): against rankings made by NumPy, options, and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse

import pictrieve as pt
from pictrieve.evaluate import EvalReport, embeddings, image_text, retrieval


def whole_rows(seed: int, count: int = 120, dim: int = 8) -> np.ndarray:
    """Small whole numbers: products are exact in any order, many scores are equal, and some rows are."""
    return np.random.default_rng(seed).integers(-2, 3, (count, dim)).astype(np.float32)


def by_sorting(scores: np.ndarray, relevant: list[set[int]], own: bool, protocol: Any = "trec") -> EvalReport:
    """Rankings of the whole gallery; equal scores by id."""
    ranked = np.argsort(-scores, axis=1, kind="stable")
    return retrieval(ranked, relevant, protocol, query_ids=range(len(scores)) if own else None)


def same(a: EvalReport, b: EvalReport) -> None:
    assert list(a) == list(b)
    for name in a:
        np.testing.assert_array_equal(a.per_query[name], b.per_query[name], err_msg=name)


@pytest.mark.parametrize("metric", ["ip", "l2", "l1"])
def test_every_rank_is_that_of_a_sorted_gallery(metric: str) -> None:
    rows = whole_rows(0)
    labels = np.random.default_rng(1).integers(-1, 6, len(rows))  # -1: none
    relevant = [set(np.flatnonzero(labels == label).tolist()) if label >= 0 else set() for label in labels]
    scores = {
        "ip": rows @ rows.T,
        "l2": -((rows[:, None] - rows) ** 2).sum(-1),
        "l1": -np.abs(rows[:, None] - rows).sum(-1),
    }[metric]
    same(embeddings(rows, labels=labels, metric=metric), by_sorting(scores, relevant, own=True))
    gallery = whole_rows(2, 90)
    apart = {"ip": rows @ gallery.T, "l2": -((rows[:, None] - gallery) ** 2).sum(-1),
             "l1": -np.abs(rows[:, None] - gallery).sum(-1)}[metric]  # fmt: skip
    sets = [set(np.flatnonzero(apart[i] % 3 == i % 3).tolist()) for i in range(len(rows))]
    for protocol in ("trec", "map@r", "oxford", "cmc"):
        found = embeddings(rows, gallery, relevant=sets, metric=metric, protocol=protocol)  # type: ignore[arg-type]
        same(found, by_sorting(apart, sets, own=False, protocol=protocol))


def test_ways_to_say_what_is_relevant() -> None:
    rows, gallery = whole_rows(0, 30), whole_rows(1, 40)
    labels, others = np.arange(30) % 4, np.arange(40) % 4
    report = embeddings(rows, gallery, labels, others, metric="ip")
    matrix = labels[:, None] == others
    sets = [np.flatnonzero(row) for row in matrix]
    names = np.array(["cup", "hat", "ski", "猫"])
    for again in (
        embeddings(rows, gallery, relevant=matrix, metric="ip"),
        embeddings(rows, gallery, relevant=scipy.sparse.csr_array(matrix), metric="ip"),
        embeddings(rows, gallery, relevant=sets, metric="ip"),
        embeddings(rows, gallery, names[labels], names[others], metric="ip"),
        embeddings(rows @ gallery.T, labels=labels, gallery_labels=others, metric="scores"),
        embeddings(rows, gallery, labels, others, metric="ip", max_memory="700KB"),
    ):
        same(report, again)
    assert report.columns["label"].tolist() == labels.tolist()


def test_levels_of_labels_are_graded() -> None:
    rows = np.array([[10.0], [9], [8], [7]], np.float32)  # the query 0 finds 1, 2, 3
    levels = [np.array([0, 1, 0, 2]), np.array([0, 0, 0, 1]), np.zeros(4, int)]
    report = embeddings(rows, labels=levels, metric="l2")
    discounts = 1 / np.log2([2, 3, 4])
    assert report.per_query["ndcg"][0] == pytest.approx((2, 3, 1) @ discounts / ((3, 2, 1) @ discounts), abs=1e-15)
    assert report.per_query["mrr"][0] == 0.5  # the finest level alone is relevant
    assert embeddings(rows, labels=levels, metric="l2", least_gain=0).per_query["mrr"][0] == 1.0
    burges = embeddings(rows, labels=levels, metric="l2", ndcg_gain="exponential", gains=(5, 2, 1)).per_query
    assert burges["ndcg"][0] == pytest.approx((3, 31, 1) @ discounts / ((31, 3, 1) @ discounts), abs=1e-15)
    assert burges["mrr"][0] == 0.5


def test_junk_is_not_seen() -> None:
    rows = np.array([[3.0], [2], [1], [0]], np.float32)
    query = np.array([[4.0]], np.float32)
    report = embeddings(query, rows, [7], [7, 8, 7, 8], metric="l2", junk=[[0, 1]])  # re-identification's own camera
    assert report["map"] == 1.0
    assert embeddings(query, rows, [7], [8, 8, 7, 8], metric="l2")["mrr"] == pytest.approx(1 / 3)


def test_equal_scores_go_by_the_rule() -> None:
    rows = np.zeros((5, 2), np.float32)
    found = {
        ties: embeddings(rows[:1], rows, relevant=[{2}], metric="ip", ties=ties)["mrr"]  # type: ignore[arg-type]
        for ties in ("lowest id", "highest id", "best", "worst")
    }
    assert found == {"lowest id": 1 / 3, "highest id": 1 / 3, "best": 1.0, "worst": 1 / 5}


def test_equal_rows_tie_wherever_they_stand() -> None:
    chance = np.random.default_rng(3)
    distinct = chance.standard_normal((37, 61)).astype(np.float32)
    copies = np.tile(distinct, (100, 1))
    report = embeddings(distinct, copies, relevant=[{i + 37 * 50} for i in range(37)], ties="lowest id")
    np.testing.assert_array_equal(report.per_query["mrr"], 1 / 51)  # after the 50 copies before it


def test_threads_and_memory_change_nothing() -> None:
    rows = np.random.default_rng(4).standard_normal((700, 33)).astype(np.float32)
    labels = np.arange(700) % 50
    before, threads = embeddings(rows, labels=labels), pt.num_threads()
    try:
        pt.set_num_threads(1)
        same(before, embeddings(rows, labels=labels, max_memory=100_000))
    finally:
        pt.set_num_threads(threads)


def test_ukbench_finds_itself() -> None:
    rows = np.eye(8, dtype=np.float32)[np.arange(8) // 4 * 4]
    assert embeddings(rows, labels=np.arange(8) // 4, protocol="ukbench", exclude_self=False)["n-s"] == 4.0
    with pytest.raises(ValueError, match="exclude_self: in protocol 'ukbench'"):
        embeddings(rows, labels=np.arange(8) // 4, protocol="ukbench")


def test_progress_is_told_and_may_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    from pictrieve import _core

    seen: list[int] = []

    def stop(done: int, total: int) -> None:
        seen.append(total)
        raise KeyboardInterrupt

    rows = np.random.default_rng(0).standard_normal((20_000, 64)).astype(np.float32)
    everything = (np.arange(20_000), np.array([0, 20_000])), None, 1.0, np.zeros(20_000, np.int64)
    with pytest.raises(KeyboardInterrupt):
        _core.evaluate_embeddings(
            rows, rows, "ip", [everything], None, True, "best", 10**9, np.array([1]), "all", 0.0, stop
        )
    assert seen == [20_000]


def test_captions_and_pictures() -> None:
    images = np.eye(6, dtype=np.float32)
    owner = np.repeat(np.arange(6), 2)
    texts = images[owner].copy()
    texts[1::2] = images[(owner[1::2] + 1) % 6]  # every second caption fits the next picture
    both = image_text(images, texts, owner, ks=(1, 6))
    assert both.text_to_image["recall@1"] == 0.5
    assert both.text_to_image["recall@6"] == 1.0
    assert both.image_to_text["recall@1"] == pytest.approx(1 / 6 + 0)  # a wrong caption comes first, but for picture 0
    folds = image_text(images, texts, owner, ks=(1,), folds=3)
    parts = [image_text(images[i : i + 2], texts[2 * i : 2 * i + 4], owner[:4], ks=(1,)) for i in (0, 2, 4)]
    assert folds.text_to_image["recall@1"] == pytest.approx(np.mean([part.text_to_image["recall@1"] for part in parts]))
    assert folds.image_to_text["recall@1"] == pytest.approx(np.mean([part.image_to_text["recall@1"] for part in parts]))
    assert "mean of 3 folds" in folds.text_to_image.definitions["recall@1"]


ROWS = np.zeros((4, 3), np.float32) + 1


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((ROWS,), {}, ValueError, "labels: expected either labels or relevant, got neither"),
        ((ROWS, ROWS, [1, 1, 1, 1]), {}, ValueError, "gallery_labels: expected labels of the gallery's 4 rows"),
        ((ROWS, None, [1, 2]), {}, ValueError, r"labels: expected 4 labels, one for each row, got shape \(2,\)"),
        ((ROWS, None, [1.5] * 4), {}, TypeError, "labels: expected whole numbers or text, got float64"),
        ((ROWS, ROWS, list("abcd"), [1, 2, 3, 4]), {}, TypeError, "gallery_labels: expected labels like those"),
        ((ROWS, ROWS[:, :2].copy(), [1] * 4, [1] * 4), {}, ValueError, "gallery: expected rows of 3 numbers"),
        ((ROWS.astype(np.float64), None, [1] * 4), {}, ValueError, "queries: expected C-contiguous float32"),
        ((ROWS.tolist(), None, [1] * 4), {}, TypeError, "queries: expected a NumPy array"),
        ((ROWS * np.nan, None, [1] * 4), {}, ValueError, "queries"),
        ((ROWS, None, [1] * 4), {"metric": "cos"}, ValueError, "metric"),
        ((ROWS, None, [1] * 4), {"max_memory": 1000}, ValueError, "max_memory: expected at least"),
        ((ROWS, None, [1, 2, 3, 4]), {}, ValueError, "none of 4 queries has a relevant item"),
        (
            (ROWS,),
            {"relevant": [{9}, set(), set(), set()]},
            ValueError,
            "relevant: expected rows of the gallery, 0 to 3",
        ),
        ((ROWS,), {"relevant": [{1}]}, ValueError, "relevant: expected one set for each of 4 queries, got 1"),
        ((ROWS,), {"relevant": np.ones((4, 5))}, ValueError, r"relevant: expected a matrix \(4, 4\), got \(4, 5\)"),
        ((ROWS,), {"relevant": -np.ones((4, 4))}, ValueError, "relevant: expected gains from 0 in the matrix"),
        ((ROWS, None, [1] * 4), {"junk": [[1]]}, ValueError, "junk: expected one set for each of 4 queries"),
        ((ROWS, None, [1] * 4), {"gains": [1, 2]}, ValueError, "gains: expected 1 numbers above 0"),
        ((ROWS, ROWS, [1] * 4, [1] * 4), {"metric": "scores"}, ValueError, "gallery: expected none with metric"),
    ],
)
def test_bad_input_is_refused(arguments: Any, options: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        embeddings(*arguments, **options)


def test_bad_captions_are_refused() -> None:
    with pytest.raises(ValueError, match="image_of_text: expected rows 0 to 3, got 0 to 4"):
        image_text(ROWS, ROWS, [0, 1, 2, 4])
    with pytest.raises(ValueError, match="folds: expected a number that divides 4 pictures, got 3"):
        image_text(ROWS, ROWS, [0, 1, 2, 3], folds=3)


def test_bits_and_one_cut_off() -> None:
    bits, labels = np.random.default_rng(5).integers(0, 256, (40, 4), dtype=np.uint8), np.arange(40) % 8
    same(embeddings(bits, labels=labels), embeddings(bits, labels=labels, metric="hamming"))
    both = image_text(bits, bits[::-1].copy(), np.arange(40))
    same(both.text_to_image, image_text(bits, bits[::-1].copy(), np.arange(40), metric="hamming").text_to_image)
    same(embeddings(bits, labels=labels, ks=5), embeddings(bits, labels=labels, ks=(5,)))
    same(retrieval([[0, 1]], [{1}], ks=2), retrieval([[0, 1]], [{1}], ks=[2]))


def test_labels_of_python_objects() -> None:
    rows, labels = whole_rows(6, 30), np.arange(30) % 5 - 1  # -1: none
    whole, text = np.array(labels.tolist(), object), np.array([f"猫{label}" for label in labels], object)
    same(embeddings(rows, labels=labels), embeddings(rows, labels=whole))
    same(embeddings(rows, labels=text), embeddings(rows, labels=text.tolist()))
    for bad, words in (
        ([0, None, 1], r"whole numbers \(below 0: no label\) or text alone, got None in row 1"),
        ([None, "a", "a"], r"whole numbers \(below 0: no label\) or text alone, got None in row 0"),
        (np.array(["a", 1, "a"], object), "text alone, got 1 in row 1"),
        (np.array(["a", "b", np.nan], object), "text alone, got nan in row 2"),
    ):
        with pytest.raises(TypeError, match=f"labels: expected {words}"):
            embeddings(rows[:3], labels=bad)


def test_single_rows_are_refused() -> None:
    rows = whole_rows(7, 4)
    with pytest.raises(ValueError, match=r"queries: expected two dimensions \(rows, dim\), got shape \(8,\)"):
        embeddings(rows[0], rows, relevant=[{1}])
