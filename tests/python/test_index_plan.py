"""What an index costs, chooses, learns and measures: plan, "auto", train, params, tune, health."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import pictrieve as pt

CROSSOVER = 20_000


def rows(count: int, dim: int = 16, seed: int = 0) -> NDArray[np.float32]:
    """Give vectors around 200 centres."""
    random = np.random.default_rng(seed)
    centres = 2 * np.random.default_rng(99).normal(size=(200, dim))
    return (centres[random.integers(0, 200, count)] + random.normal(size=(count, dim))).astype(np.float32)


def test_auto_compares_with_all_until_a_graph_pays(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    index = pt.Index(4, factory="auto", params={"efConstruction": 16})
    index.add(rows(CROSSOVER, 4))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("plan for 20,000 vectors: Flat, ")
    assert index.factory == "Flat"
    index.add(rows(1, 4, seed=1))
    assert capsys.readouterr().err.startswith("plan for 20,001 vectors: HNSW32, ")
    assert index.factory == "HNSW32"
    index.add(rows(50, 4, seed=2))
    assert capsys.readouterr().err == ""  # said once
    assert index.search(rows(9, 4, seed=3), 10).ids.shape == (9, 10)
    assert index.health(rows(50, 4, seed=3)).recall > 0.9
    index.save(tmp_path / "auto")
    assert pt.Index.load(tmp_path / "auto").factory == "HNSW32"


def test_auto_keeps_codes_where_memory_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    index = pt.Index(64, factory="auto", params={"maxMemory": 6_000_000, "efConstruction": 16})
    index.add(rows(CROSSOVER + 1, 64))
    assert "codes instead of vectors" in capsys.readouterr().err
    health = index.health(sample=1)
    assert health.bytes_vectors + health.bytes_graph < 6_900_000
    assert index.search(rows(9, 64, seed=3), 10).ids.shape == (9, 10)


@pytest.mark.parametrize(
    ("count", "memory", "kind"),
    [(5000, None, "Flat"), (20_001, None, "HNSW32"), (20_001, 9_000_000, "HNSW32,SQ8"), (20_001, 2_000_000, "IVF")],
)
def test_a_plan_names_the_bytes_that_the_index_takes(count: int, memory: int | None, kind: str) -> None:
    dim = 64
    plan = pt.plan(count, dim, max_memory=memory)
    assert plan.factory.startswith(kind)
    assert plan.rows == count
    index = pt.Index(dim, factory=plan.factory, params={"efConstruction": 16})
    index.add(rows(count, dim))
    health = index.health(sample=20)
    assert plan.bytes == pytest.approx(health.bytes_vectors + health.bytes_graph, rel=0.15)
    assert plan.seconds >= 0
    assert plan.factory in str(plan)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((-1, 8), "rows: expected at least 0"),
        ((10, 0), "dim: expected at least 1"),
        ((10, 8, "manhattan"), "manhattan"),
        ((1_000_000, 384, "cosine", "float32", 1000), "max_memory: 1,000,000 vectors of 384 need at least"),
        ((10, 8, "cosine", "float32", "lots"), "max_memory: expected bytes or text such as"),
        ((10, 8, "cosine", "float32", 0), "max_memory: expected more than 0"),
        ((10, 8, "cosine", "float32", "inf GB"), "max_memory: expected bytes or text such as"),
        ((10_000, 512, "l1", "float32", "1 KiB"), "1.0 KB; keep them as dtype='float16', or split"),
        ((10_000, 512, "hamming", "bits", "1 KiB"), "1.0 KB; keep fewer bits, or split"),
        ((10, 8, "cosine", "float8"), "float8"),
    ],
)
def test_a_plan_for_nonsense_is_refused(arguments: tuple[object, ...], said: str) -> None:
    names = ("rows", "dim", "metric", "dtype", "max_memory")
    with pytest.raises(ValueError, match=said):
        pt.plan(**dict(zip(names, arguments, strict=False)))  # type: ignore[arg-type]


def test_a_plan_counts_codebooks_and_lists() -> None:
    plan = pt.plan(21_000, 384, max_memory="9 MB")
    assert plan.factory.startswith("IVF")
    index = pt.Index(384, factory=plan.factory)
    index.train(rows(6000, 384))
    index.add(rows(21_000, 384))
    health = index.health(sample=1)
    assert plan.bytes == pytest.approx(health.bytes_vectors + health.bytes_graph, rel=0.15)


def test_a_plan_for_one_vector_has_a_finite_time() -> None:
    plan = pt.plan(1, 1000, max_memory=2000)  # warnings are errors here
    assert plan.factory == "HNSW32,SQ8"
    assert np.isfinite(plan.seconds)


def test_auto_says_that_codes_replace_another_dtype(capsys: pytest.CaptureFixture[str]) -> None:
    params = {"maxMemory": 6_000_000, "efConstruction": 16}
    index = pt.Index(64, factory="auto", dtype="float16", params=params)
    index.add(rows(CROSSOVER + 1, 64))
    assert "codes instead of float16 vectors" in capsys.readouterr().err
    assert index.dtype != "float16"


def test_too_few_vectors_to_learn_from_are_refused_with_how_many_it_takes() -> None:
    for factory, enough in (("IVF64,Flat", "64"), ("PQ8", "256"), ("IVF16,PQ8", "256"), ("PCA16,Flat", "16")):
        index = pt.Index(16, factory=factory)
        with pytest.raises(ValueError, match=enough):
            index.add(rows(10))
        assert len(index) == 0
        index.train(rows(1000))
        index.add(rows(10))  # learned before: now any number will do
        assert index.search(rows(3), 10).ids.shape == (3, 10)
        with pytest.raises(ValueError, match=r"train"):
            index.train(rows(1000))


def test_params_are_the_defaults_of_searches(tmp_path: Path) -> None:
    index = pt.Index(16, factory="HNSW16", params={"efSearch": 17, "nprobe": 3, "kFactor": 5})
    assert index.params == {"efSearch": 17, "nprobe": 3, "kFactor": 5}
    index.add(rows(100))
    index.save(tmp_path / "a")
    assert pt.Index.load(tmp_path / "a").params == index.params
    with pytest.raises(ValueError, match="params: expected some of efSearch, nprobe, kFactor, exact, got ef"):
        index.search(rows(1), 1, params={"ef": 5})
    with pytest.raises(ValueError, match="nprobe: expected at least 1, got 0"):
        index.search(rows(1), 1, params={"nprobe": 0})


def test_more_lists_find_more_and_all_of_them_find_everything() -> None:
    index = pt.Index(16, factory="IVF64,Flat")
    index.add(rows(8000))
    queries = rows(100, seed=1)
    true_ids = index.search(queries, 10, params={"exact": 1}).ids
    recalls = []
    for nprobe in (1, 4, 16, 64):
        ids = index.search(queries, 10, params={"nprobe": nprobe}).ids
        recalls.append(np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(ids, true_ids, strict=True)]))
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.95
    assert recalls[-1] == 1.0


@pytest.mark.parametrize(("factory", "name"), [("IVF64,Flat", "nprobe"), ("HNSW8", "efSearch")])
def test_tune_finds_the_smallest_effort_and_keeps_it(factory: str, name: str) -> None:
    index = pt.Index(32, factory=factory, params={"efConstruction": 40})
    index.add(rows(6000, 32))
    queries = rows(100, 32, seed=1)
    tuned = index.tune(queries, target_recall=0.9)
    assert tuned["recall"] >= 0.9
    assert index.params[name] == tuned[name]
    assert index.health(queries).recall == pytest.approx(tuned["recall"])
    true_ids = index.search(queries, 10, params={"exact": 1}).ids
    less = index.search(queries, 10, params={name: max(1, int(tuned[name] * 0.8))}).ids
    share = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(less, true_ids, strict=True)])
    assert share < 0.9 or tuned[name] <= 10
    for bad in (0.0, 1.1, float("nan")):
        with pytest.raises(ValueError, match="target_recall"):
            index.tune(queries, target_recall=bad)


def test_health_measures_queries_of_ones_own() -> None:
    index = pt.Index(16, factory="HNSW4", params={"efConstruction": 8, "efSearch": 10})
    index.add(rows(5000))
    queries = rows(70, seed=1)
    health = index.health(queries)
    found, true_ids = index.search(queries, 10).ids, index.search(queries, 10, params={"exact": 1}).ids
    shares = [len(np.intersect1d(a, b)) / 10 for a, b in zip(found, true_ids, strict=True)]
    assert health.recall == pytest.approx(np.mean(shares))
    assert health.recall < 1
    assert (health.sampled, health.items) == (70, 5000)
    assert pt.Index(16).health().items == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8"])
def test_dtypes_take_less_and_round_what_they_keep(dtype: str) -> None:
    wide, narrow = pt.Index(64), pt.Index(64, dtype=dtype)
    for index in (wide, narrow):
        index.add(rows(2000, 64))
    ratio = narrow.health(sample=1).bytes_vectors / wide.health(sample=1).bytes_vectors
    assert ratio < (0.4 if dtype == "int8" else 0.62)
    assert narrow.dtype == dtype
    kept, given = narrow.reconstruct(narrow.ids), rows(2000, 64)
    largest = np.abs(given).max(axis=1, keepdims=True)
    step = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "int8": 1 / 254}[dtype]
    assert (np.abs(kept - given) <= 1.01 * step * largest).all()
    queries = rows(50, 64, seed=1)
    found, true_ids = narrow.search(queries, 10).ids, wide.search(queries, 10).ids
    shares = [len(np.intersect1d(a, b)) / 10 for a, b in zip(found, true_ids, strict=True)]
    assert np.mean(shares) > (0.9 if dtype != "float16" else 0.99)


@pytest.mark.parametrize("metric", ["hamming", "jaccard"])
def test_bits_are_compared_as_bits(metric: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    packed, queries = random.integers(0, 256, (300, 16), np.uint8), random.integers(0, 256, (9, 16), np.uint8)
    index = pt.Index(128, metric=metric, dtype="bits")
    index.add(packed)
    ids, scores = index.search(queries, 300)
    bits, asked = np.unpackbits(packed, axis=1).astype(int), np.unpackbits(queries, axis=1).astype(int)
    both, either = asked @ bits.T, 128 - (1 - asked) @ (1 - bits).T
    expected = -(either - both) if metric == "hamming" else both / either
    np.testing.assert_allclose(scores, np.take_along_axis(expected, ids, axis=1), rtol=1e-6)
    index.save(tmp_path / "bits")
    loaded = pt.Index.load(tmp_path / "bits", mmap=True)
    assert loaded.reconstruct(7).dtype == np.uint8
    np.testing.assert_array_equal(loaded.reconstruct(loaded.ids), packed)
    np.testing.assert_array_equal(loaded.search(queries, 300).ids, ids)
    with pytest.raises(ValueError, match="multiple of 8"):
        pt.Index(12, metric="hamming", dtype="bits")
    with pytest.raises(ValueError, match="bits"):
        pt.Index(16, metric="cosine", dtype="bits")
