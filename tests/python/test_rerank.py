"""Re-ranking as users meet it: shapes, refusals, the hook for verification, the table of gains."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import pictrieve as pt

RERANKERS = [pt.rank.k_reciprocal, pt.rank.diffusion]


@pytest.fixture
def index() -> pt.Index:
    rows = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    made = pt.Index(8)
    made.add(rows, ids=np.arange(60) * 10)
    return made


@pytest.mark.parametrize("rerank", RERANKERS)
def test_results_have_the_shape_of_a_search(index: pt.Index, rerank) -> None:  # type: ignore[no-untyped-def]
    queries = index.reconstruct([0, 30, 70])
    batch = rerank(index, queries, 5)
    single = rerank(index, queries[1], 5)
    assert isinstance(batch, pt.SearchResult)
    assert batch.ids.shape == batch.scores.shape == (3, 5)
    np.testing.assert_array_equal(single.ids, batch.ids[1])
    assert (np.diff(batch.scores, axis=1) <= 0).all()
    assert rerank(index, queries, 100).ids.shape == (3, 60)
    assert rerank(index, queries, 5, where=[10, 20, 999]).ids.shape == (3, 2)
    rows = index.reconstruct(index.ids)
    np.testing.assert_array_equal(rerank(rows, queries, 5).ids * 10, batch.ids)


def test_expansion_keeps_the_shape_of_the_queries(index: pt.Index) -> None:
    queries = index.reconstruct([0, 30, 70])
    batch = pt.rank.query_expansion(index, queries, n=3)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(pt.rank.query_expansion(index, queries[2], n=3), batch[2])
    assert pt.rank.augment_database(index).shape == (60, 8)


@pytest.mark.parametrize("rerank", [*RERANKERS, pt.rank.query_expansion])
def test_what_cannot_be_reranked_is_refused(index: pt.Index, rerank) -> None:  # type: ignore[no-untyped-def]
    query = index.reconstruct(0)
    with pytest.raises(ValueError, match="metric 'cosine', got 'l2'"):
        rerank(pt.Index(8, metric="l2"), query)
    with pytest.raises(ValueError, match="float32"):
        rerank(index, query.astype(np.float64))
    with pytest.raises(ValueError, match=r"expected .*8"):
        rerank(index, query[:4].copy())
    with pytest.raises(ValueError, match="NaN"):
        rerank(index, np.full(8, np.nan, np.float32))
    with pytest.raises(ValueError, match=r"index: expected an Index or vectors"):
        rerank(query, query)
    with pytest.raises(TypeError, match="queries: expected a float32 array"):
        rerank(index, query.tolist())


def test_verified_scores_come_first_and_the_original_breaks_ties() -> None:
    result = pt.SearchResult(
        np.array([[5, 6, 7, 8], [8, 7, 6, 5]]), np.array([[0.9, 0.8, 0.7, 0.6], [4, 3, 2, 1]], np.float32)
    )
    asked: list[tuple[int, int]] = []

    def verify(query: int, item: int) -> int:
        asked.append((query, item))
        return {5: 0, 6: 9, 7: 9, 8: 50}[item]

    found = pt.rank.geometric(result, verify, k=2, depth=3)
    assert found.ids.tolist() == [[6, 7], [8, 7]]
    assert found.scores.tolist() == [[9, 9], [50, 9]]
    assert asked == [(0, 5), (0, 6), (0, 7), (1, 8), (1, 7), (1, 6)]
    single = pt.rank.geometric((result.ids[0], result.scores[0]), verify, k=10)
    assert single.ids.tolist() == [8, 6, 7, 5]
    ragged = pt.SearchResult(np.array([5, 6, 7]), np.array([3, 2, 1], np.float32), np.array([0, 1, 3]))
    again = pt.rank.geometric(ragged, verify)
    assert (again.ids.tolist(), again.offsets.tolist()) == ([5, 6, 7], [0, 1, 3])  # type: ignore[union-attr]


def test_what_goes_wrong_in_verify_names_the_item() -> None:
    result = (np.array([4, 9]), np.array([2, 1], np.float32))
    with pytest.raises(RuntimeError, match=r"id 9 of query 0: ZeroDivisionError") as raised:
        pt.rank.geometric(result, lambda _, item: 1 / (item - 9))
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    with pytest.raises(TypeError, match=r"number for id 4 of query 0, got None"):
        pt.rank.geometric(result, lambda *_: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(ValueError, match=r"id 4 of query 0, got NaN"):
        pt.rank.geometric(result, lambda *_: float("nan"))
    with pytest.raises(ValueError, match=r"depth: expected at least 1, got 0"):
        pt.rank.geometric(result, lambda *_: 1.0, depth=0)


def test_a_gain_prints_as_a_table_and_says_what_it_means(index: pt.Index) -> None:
    queries = index.reconstruct(index.ids)
    gain = pt.rank.evaluate_gain(pt.rank.diffusion, index, queries, [{item} for item in index.ids], metrics=["mrr"])
    assert re.search(r"metric +before +after +difference", repr(gain))
    assert "paired bootstrap over 60 queries" in repr(gain)
    assert "<table>" in gain._repr_html_()
    assert gain["mrr"].before == 1
    few = pt.rank.evaluate_gain(pt.rank.diffusion, index, queries[:3], [{0}, {10}, {1}])
    assert "too few queries to tell" in few.verdict
    with pytest.raises(KeyError, match="measured were mrr"):
        gain["map@10"]
    with pytest.raises(ValueError, match="k: expected at least the largest cut-off 10, got 5"):
        pt.rank.evaluate_gain(pt.rank.diffusion, index, queries, [{0}] * 60, k=5)
    with pytest.raises(ValueError, match=r"metrics: expected some of .*, got auc"):
        pt.rank.evaluate_gain(pt.rank.diffusion, index, queries, [{0}] * 60, metrics=["auc"])


def test_rerankers_have_names(index: pt.Index) -> None:
    queries = index.reconstruct(index.ids)
    relevant = [{item, (item + 10) % 600} for item in index.ids.tolist()]
    augmented = pt.Index(8)
    augmented.add(pt.rank.augment_database(index), ids=index.ids)
    for name, function in {
        "k_reciprocal": pt.rank.k_reciprocal,
        "diffusion": pt.rank.diffusion,
        "expansion": lambda ix, q, k: ix.search(pt.rank.query_expansion(ix, q), k),
        "mmr": lambda ix, q, k: pt.rank.mmr(ix.search(q, 50), k, index=ix),
        "augmentation": lambda ix, q, k: augmented.search(q, k),
    }.items():
        named = pt.rank.evaluate_gain(name, index, queries, relevant)
        assert dict(named) == dict(pt.rank.evaluate_gain(function, index, queries, relevant))
        assert named["map@10"].better + named["map@10"].worse > 0
    with pytest.raises(ValueError, match=r"rerank: expected k_reciprocal, .*, augmentation or a function"):
        pt.rank.evaluate_gain("magic", index, queries, relevant)


@pytest.mark.parametrize(
    ("rerank", "said"),
    [
        (pt.rank.query_expansion, r"got query_expansion\(.*lambda ix, q, k: ix\.search\(pt\.rank\.query_expansion"),
        (pt.rank.mmr, r"got mmr\(.*lambda ix, q, k: pt\.rank\.mmr\("),
        (pt.rank.geometric, r"got geometric\(.*lambda ix, q, k: pt\.rank\.geometric\("),
        (lambda queries: None, r"function \(index, queries, k\) -> SearchResult, got <lambda>\(queries\)"),
        (lambda index, queries, k: None, r"pair \(ids, scores\), got NoneType"),
    ],
)
def test_a_function_of_another_form_is_refused(index: pt.Index, rerank, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TypeError, match=said):
        pt.rank.evaluate_gain(rerank, index, index.reconstruct(index.ids), [{0}] * 60)


def test_results_of_fewer_queries_are_refused(index: pt.Index) -> None:
    with pytest.raises(ValueError, match="rerank: expected results of 60 queries, got those of 1"):
        pt.rank.evaluate_gain(
            lambda ix, q, k: ix.search(q[:1].copy(), k), index, index.reconstruct(index.ids), [{0}] * 60
        )


def test_files_of_other_tools_are_refused_in_words_of_ours(index: pt.Index, tmp_path: Path) -> None:
    index.save(tmp_path / "own.ptidx")
    with pytest.raises(pt.FormatError, match=r"own\.ptidx: a file of this library; read it with Index\.load"):
        pt.Index.read_faiss(tmp_path / "own.ptidx")
    index.write_faiss(tmp_path / "whole.faiss")
    (tmp_path / "cut.faiss").write_bytes((tmp_path / "whole.faiss").read_bytes()[:100])
    with pytest.raises(pt.FormatError, match=r"^faiss file \S*cut\.faiss: it ends too early; expected") as raised:
        pt.Index.read_faiss(tmp_path / "cut.faiss")
    assert ".cpp" not in str(raised.value)
