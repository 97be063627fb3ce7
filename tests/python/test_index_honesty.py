"""What an index claims: recall against what, distances in whose units, and what it makes of odd arguments."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pictrieve as pt
from pictrieve.sizes import as_bytes


def rows(count: int, dim: int = 16, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def filled(
    factory: str = "Flat", count: int = 600, dim: int = 16, dtype: Any = "float32", metric: str = "cosine"
) -> Any:
    index = pt.Index(16, metric, factory, dtype)
    index.add(rows(count))
    return index


def share(found: NDArray[np.int64], true_ids: NDArray[np.int64]) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, true_ids, strict=True)]))


CODED = [("PQ4", "float32"), ("LSH64", "float32"), ("SQ8", "float32"), ("SQfp16", "float32"), ("Flat", "int8")]
CODED += [("Flat", "bfloat16"), ("PCA8,Flat", "float32"), ("HNSW16,SQ8", "float32"), ("PQ4,Refine(SQfp16)", "float32")]


@pytest.mark.parametrize(("factory", "dtype"), CODED)
def test_recall_of_codes_is_said_to_be_that_and_measured_against_true_ids(factory: str, dtype: str) -> None:
    index, queries = filled(factory, dtype=dtype), rows(40, seed=1)
    true_ids = filled().search(queries, 20).ids
    assert index.health().against == index.health(queries).against == "codes"
    honest = index.health(queries, true_ids=true_ids)
    assert honest.against == "vectors"
    assert honest.recall == pytest.approx(share(index.search(queries, 10).ids, true_ids[:, :10]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PQ4 does not reach it
        assert index.tune(queries)["against"] == "codes"
        tuned = index.tune(queries, true_ids=true_ids)
    assert "against" not in tuned
    assert tuned["recall"] == pytest.approx(share(index.search(queries, 10).ids, true_ids[:, :10]))


@pytest.mark.parametrize("factory", ["Flat", "HNSW16", "IVF8,Flat", "PQ4,RFlat", "PCA8,SQ8,RFlat"])
def test_recall_of_vectors_is_said_to_be_that(factory: str) -> None:
    index, queries = filled(factory), rows(40, seed=1)
    assert index.health(queries).against == "vectors"
    assert index.health(queries) == index.health(queries, true_ids=filled().search(queries, 10).ids)


def test_tune_sets_nothing_where_there_is_nothing_to_set() -> None:
    for factory in ("Flat", "SQ8"):
        index = filled(factory)
        before = index.params
        assert index.tune(rows(9, seed=1))["recall"] == 1.0
        assert index.params == before


def test_tune_sets_how_many_candidates_are_scored_exactly() -> None:
    index, queries = filled("PQ4,RFlat"), rows(60, seed=1)
    tuned = index.tune(queries, 0.9)
    assert set(tuned) == {"kFactor", "recall"}
    assert tuned["recall"] >= 0.9
    assert index.params["kFactor"] == tuned["kFactor"] > 1
    assert index.health(queries).recall == pytest.approx(tuned["recall"])
    fewer = index.search(queries, 10, params={"kFactor": tuned["kFactor"] - 1})
    assert share(fewer.ids, index.search(queries, 10, params={"exact": 1}).ids) < 0.9


def test_tune_stops_at_all_lists_and_warns_of_a_target_that_is_out_of_reach() -> None:
    queries = rows(60, seed=1)
    index, true_ids = filled("IVF8,PQ2"), filled().search(queries, 10).ids
    with pytest.warns(UserWarning, match=r"target_recall: expected 0.99, reached 0\.\d+; keep the vectors beside"):
        tuned = index.tune(queries, 0.99, true_ids=true_ids)
    assert tuned["nprobe"] == index.params["nprobe"] <= 8
    everywhere = share(index.search(queries, 10, params={"nprobe": 8}).ids, true_ids)
    assert tuned["recall"] >= everywhere - 0.01
    assert filled("IVF8,Flat").tune(queries, 1.0) == {"nprobe": 8, "recall": 1.0}
    graph = filled("HNSW16", 5000)
    assert graph.tune(queries, 0.01, k=30)["efSearch"] == 30  # never below k


def test_one_query_is_a_batch_of_one() -> None:
    index = filled("HNSW16")
    assert index.health(rows(1, seed=1)[0]).sampled == 1
    assert index.tune(rows(1, seed=1)[0])["recall"] >= 0.95


@pytest.mark.parametrize(
    "metric", ["cosine", "pearson", "ip", "l2", "l1", "chi2", "intersection", "jaccard", "hellinger"]
)
def test_distances_are_those_of_pairwise(metric: Any) -> None:
    gallery, queries = np.abs(rows(200)), np.abs(rows(5, seed=1))
    index = pt.Index(16, metric)
    index.add(gallery)
    found = index.search(queries, 200)
    expected = np.take_along_axis(pt.pairwise(queries, gallery, metric), found.ids, axis=1)
    np.testing.assert_allclose(found.distances, expected, rtol=1e-5, atol=1e-5)
    assert found.distances.dtype == np.float32


def test_distances_of_bits_are_those_of_pairwise() -> None:
    packed = np.random.default_rng(0).integers(0, 256, (50, 8), np.uint8)
    for metric in ("hamming", "jaccard"):
        index = pt.Index(64, metric, dtype="bits")
        index.add(packed)
        found = index.search(packed[:5], 50)
        expected = np.take_along_axis(pt.pairwise(packed[:5], packed, metric), found.ids, axis=1)  # type: ignore[arg-type]
        np.testing.assert_allclose(found.distances, expected, atol=1e-6)


def test_a_changed_result_keeps_its_offsets_and_metric() -> None:
    found = filled(metric="l2").search(rows(3, seed=1), 10, min_score=-4.0)
    for changed in (found._replace(ids=found.ids + 1), copy.copy(found), pickle.loads(pickle.dumps(found))):
        np.testing.assert_array_equal(changed.offsets, found.offsets)
        np.testing.assert_array_equal(changed.distances, -found.scores)
    assert "offsets=array(" in repr(found)
    assert "offsets" not in repr(filled().search(rows(3), 2))


def test_ids_come_in_any_container() -> None:
    index = filled()
    wanted = {5, 3, 400, 77}
    expected = index.search(rows(4, seed=1), 9, where=sorted(wanted))
    for ids in (wanted, frozenset(wanted), dict.fromkeys(wanted).keys(), np.array([5, 3, 400, 77])):
        np.testing.assert_array_equal(index.search(rows(4, seed=1), 9, where=ids).ids, expected.ids)
    np.testing.assert_array_equal(index.reconstruct(wanted), index.reconstruct(sorted(wanted)))
    np.testing.assert_array_equal(index.reconstruct(range(3)), index.reconstruct([0, 1, 2]))
    assert index.search(rows(4), 9, where=range(7)).ids.max() == 6
    assert index.search(rows(4), 9, where=set()).ids.shape == (4, 0)
    assert (index.remove(wanted), index.remove(range(10)), len(index)) == (4, 8, 588)
    assert (77 in index, np.int64(78) in index, -1 in index, 2**70 in index, "78" in index) == (
        False,
        True,
        *[False] * 3,
    )
    with pytest.raises(ValueError, match="where: expected integers"):
        index.search(rows(1), 1, where={0.5})


def test_a_mask_of_integers_is_refused() -> None:
    index = filled(count=6)
    for mask in (np.array([0, 1, 1, 0, 0, 1]), [1] * 6, np.zeros(6, np.uint8)):
        with pytest.raises(ValueError, match=r"looks like a mask; pass mask.astype\(bool\)"):
            index.search(rows(1), 1, where=mask)
    assert index.search(rows(1), 9, where=[0, 1, 1]).ids.shape == (1, 2)


def test_a_predicate_decides_by_id_even_where_items_go_meanwhile() -> None:
    index = filled(count=50)

    def odd(ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        index.remove([0])
        return ids % 2 == 1

    assert (index.search(rows(3, seed=1), 50, where=odd).ids % 2 == 1).all()
    for bad in (lambda ids: ids, lambda ids: np.ones(3, bool)):
        with pytest.raises(ValueError, match="from the predicate"):
            index.search(rows(1), 1, where=bad)


ODD: list[tuple[type[Exception], str, Any]] = [
    (TypeError, "k: expected a whole number, got 2.5", lambda ix, q: ix.search(q, 2.5)),
    (TypeError, "k: expected a whole number, got '3'", lambda ix, q: ix.search(q, "3")),
    (TypeError, "k: expected a whole number, got None", lambda ix, q: ix.search(q, None)),
    (ValueError, "k: expected at most", lambda ix, q: ix.search(q, 2**70)),
    (TypeError, "dim: expected a whole number, got 64.0", lambda ix, q: pt.Index(64.0)),  # type: ignore[arg-type]
    (ValueError, "seed: expected at least 0, got -1", lambda ix, q: pt.Index(4, seed=-1)),
    (TypeError, "seed: expected a whole number, got None", lambda ix, q: pt.Index(4, seed=None)),  # type: ignore[arg-type]
    (TypeError, "dtype: expected a name", lambda ix, q: pt.Index(4, dtype=None)),
    (ValueError, "dtype: expected .* got 'float64'", lambda ix, q: pt.Index(4, dtype=float)),
    (TypeError, "min_score: expected a number, got '0.5'", lambda ix, q: ix.search(q, 1, min_score="0.5")),
    (TypeError, "threshold: expected a number, got 'x'", lambda ix, q: ix.range_search(q, "x")),
    (TypeError, "efSearch: expected a whole", lambda ix, q: ix.search(q, 1, params={"efSearch": 64.5})),
    (ValueError, "efSearch: expected at most", lambda ix, q: ix.search(q, 1, params={"efSearch": 2**40})),
    (TypeError, "efSearch: .*None", lambda ix, q: ix.search(q, 1, params={"efSearch": None})),
    (TypeError, "efSearch: .*'64'", lambda ix, q: ix.search(q, 1, params={"efSearch": "64"})),
    (TypeError, "params: expected a dict", lambda ix, q: ix.search(q, 1, params=["efSearch"])),
    (TypeError, "out: expected two arrays.*list, list", lambda ix, q: ix.search(q, 1, out=([], []))),
    (TypeError, "out: expected two arrays.*ndarray", lambda ix, q: ix.search(q, 1, out=np.empty((1, 1)))),
    (ValueError, "k: expected at least 1, got 0", lambda ix, q: ix.health(k=0)),
    (ValueError, "sample: expected at least 1, got 0", lambda ix, q: ix.health(sample=0)),
    (ValueError, "sample: expected at least 1, got -1", lambda ix, q: ix.health(sample=-1)),
    (ValueError, r"true_ids: .*\(1, 10\).*got int64 \(1, 3\)", lambda ix, q: ix.health(q, true_ids=[[1, 2, 3]])),
    (ValueError, "true_ids: expected the queries", lambda ix, q: ix.health(true_ids=[[1, 2, 3]])),
    (TypeError, "target_recall: expected a number", lambda ix, q: ix.tune(q, "0.9")),
    (ValueError, "params: expected some of efSearch, nprobe, kFactor, got ef", lambda ix, q: ix.set_params(ef=9)),
    (TypeError, r"index.save\(path\)", lambda ix, q: pickle.dumps(ix)),
    (TypeError, "maxMemory: expected bytes", lambda ix, q: pt.Index(4, "l2", "auto", params={"maxMemory": 1.5})),  # type: ignore[dict-item]
]


@pytest.mark.parametrize(("error", "said", "call"), ODD)
def test_odd_arguments_are_named(error: type[Exception], said: str, call: Any) -> None:
    with pytest.raises(error, match=said):
        call(filled(count=20), rows(1))


def test_numpy_names_dtypes_and_numbers_too() -> None:
    for dtype in (np.float16, np.dtype("float16")):
        assert pt.Index(np.int32(8), dtype=dtype).dtype == "float16"  # type: ignore[arg-type]
        assert pt.plan(100, 8, dtype=dtype).factory == "Flat"
    assert filled().search(rows(1), np.uint8(3), min_score=np.float32(-2)).ids.shape == (3,)


def test_defaults_of_searches_can_be_set() -> None:
    index = filled("HNSW16")
    index.set_params(efSearch=99)
    index.params = {"kFactor": 3}
    assert index.params == {"efSearch": 99, "nprobe": 16, "kFactor": 3}


def test_bytes_are_read_as_people_write_them() -> None:
    wanted = {"1 MB": 10**6, "1.5gb": 1_500_000_000, "2 KiB": 2048, "2TiB": 2**41, " 7 ": 7, "3 b": 3, "1G": 10**9}
    assert {text: as_bytes(text, "size") for text in wanted} == wanted
    assert as_bytes(np.int64(12), "size") == 12  # type: ignore[arg-type]
    for bad in ("inf", "nan", "1e9", "-1MB", "1 QB", "", "٣MB", "0 MB"):
        with pytest.raises(ValueError, match="size: expected"):
            as_bytes(bad, "size")
    for bad in (True, float("inf"), 1.5, None):
        with pytest.raises(TypeError, match="size: expected bytes"):
            as_bytes(bad, "size")  # type: ignore[arg-type]


def test_exchange_takes_a_progress_bar_setting(tmp_path: Path) -> None:
    index = filled()
    index.write_faiss(tmp_path / "a.faiss", show_progress_bar=False)
    assert len(pt.Index.read_faiss(tmp_path / "a.faiss", show_progress_bar=False)) == len(index)
    with pytest.raises(FileNotFoundError):
        pt.Index.read_annoy(tmp_path / "none.ann", 4, show_progress_bar=False)
