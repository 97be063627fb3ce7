"""Every kind of index keeps the same promises: ids, filters, deletion, files; k hits wherever k items match."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pictrieve as pt

DIM, COUNT = 32, 600
FACTORIES = [
    "Flat",
    "SQ8",
    "SQfp16",
    "SQbf16",
    "PQ8",
    "PQ8x4fs",
    "PQ8,RFlat",
    "LSH128",
    "LSH128,RFlat",
    "PCA16,Flat",
    "OPQ8,PQ8",
    "OPQ8_16,PQ8,RFlat",
    "RR32,SQ8",
    "IVF16,Flat",
    "IVF16,SQ8",
    "IVF16,PQ8",
    "IVF16,PQ8x4fs",
    "IVF16,PQ8x4fs,RFlat",
    "IVF16_HNSW8,Flat",
    "HNSW16",
    "HNSW16,SQ8",
    "HNSW16,SQ8,RFlat",
    "HNSW16,SQfp16",
    "PCA16,HNSW16,Flat",
    "auto",
    "BFlat",
    "BHNSW16",
    "BHash8",
]


def rows(factory: str, count: int, seed: int = 0) -> NDArray[Any]:
    """Give vectors around 20 centres, or bits, of the kind that an index takes."""
    random = np.random.default_rng(seed)
    if factory.startswith("B"):
        return random.integers(0, 256, (count, DIM), dtype=np.uint8)
    centres = np.random.default_rng(99).normal(size=(20, DIM))
    return (centres[random.integers(0, 20, count)] + random.normal(size=(count, DIM))).astype(np.float32)


def empty(factory: str, seed: int = 0) -> pt.Index:
    if factory.startswith("B"):
        return pt.Index(8 * DIM, metric="hamming", factory=factory, seed=seed)
    return pt.Index(DIM, factory=factory, seed=seed)


def sound(result: pt.SearchResult, k: int, items: Any) -> None:
    """Hold a batch to what every result promises: k of the items, each once, best first, ties by id."""
    matching = np.unique(items)
    assert result.ids.shape == result.scores.shape
    assert result.ids.shape[1] == min(k, len(matching))
    assert np.isin(result.ids, matching).all()
    assert np.isfinite(result.scores).all()
    for ids, scores in zip(result.ids, result.scores, strict=True):
        assert len(np.unique(ids)) == len(ids)
        assert (np.lexsort((ids, -scores)) == np.arange(len(ids))).all()


@pytest.fixture(params=FACTORIES)
def factory(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def index(factory: str) -> pt.Index:
    """Give 600 items with the ids 10, 13, 16 and so on."""
    made = empty(factory)
    made.add(rows(factory, COUNT), ids=10 + 3 * np.arange(COUNT))
    return made


def test_k_items_are_found_however_large_k_is(index: pt.Index, factory: str) -> None:
    queries = rows(factory, 7, seed=1)
    for k in (1, 10, COUNT - 1, COUNT, 10 * COUNT):
        sound(index.search(queries, k), k, index.ids)
        assert index.search(queries[0], k).ids.shape == (min(k, COUNT),)


def test_an_item_finds_itself(index: pt.Index, factory: str) -> None:
    chosen = np.arange(0, COUNT, 5)
    found = index.search(rows(factory, COUNT)[chosen], 10, params={"exact": 1}).ids
    share = np.mean([10 + 3 * row in ids for row, ids in zip(chosen.tolist(), found.tolist(), strict=True)])
    assert share >= (0.9 if factory in ("PQ8x4fs", "IVF16,PQ8x4fs") else 0.97)


def test_an_empty_index_finds_nothing(factory: str) -> None:
    index = empty(factory)
    assert index.search(rows(factory, 3), 5).ids.shape == (3, 0)
    assert index.search(rows(factory, 1)[0], 5).ids.shape == (0,)
    assert index.range_search(rows(factory, 3), -1e9).ids.shape == (0,)
    assert (len(index), len(index.ids), index.remove([1, 2])) == (0, 0, 0)
    index.compact()


def test_removed_items_never_come_back(index: pt.Index, factory: str) -> None:
    gone = np.random.default_rng(1).permutation(index.ids)[:550]
    assert index.remove(gone) == 550
    assert index.remove(gone) == 0
    left = np.setdiff1d(10 + 3 * np.arange(COUNT), gone)
    np.testing.assert_array_equal(index.ids, left)
    queries = rows(factory, 9, seed=2)
    for k in (10, 50, 60):
        sound(index.search(queries, k), k, left)
        sound(index.search(queries, k, params={"exact": 1}), k, left)
    with pytest.raises(ValueError, match=str(gone[0])):
        index.reconstruct(gone[:1])


def test_compaction_changes_nothing_that_is_left(index: pt.Index, factory: str) -> None:
    index.remove(index.ids[::2])
    before = index.search(rows(factory, 9, seed=2), 20, params={"exact": 1})
    kept = index.reconstruct(index.ids)
    size = index.health(sample=1)
    index.compact()
    after = index.search(rows(factory, 9, seed=2), 20, params={"exact": 1})
    np.testing.assert_array_equal(before.ids, after.ids)
    np.testing.assert_array_equal(before.scores, after.scores)
    np.testing.assert_array_equal(index.reconstruct(index.ids), kept)
    health = index.health(sample=1)
    assert (health.removed, health.items) == (0, COUNT // 2)
    assert health.bytes_vectors < size.bytes_vectors or size.removed == 0
    sound(index.search(rows(factory, 9, seed=2), 20), 20, index.ids)


def test_an_emptied_index_takes_new_items(index: pt.Index, factory: str) -> None:
    index.remove(index.ids)
    index.compact()
    assert index.search(rows(factory, 2), 3).ids.shape == (2, 0)
    index.add(rows(factory, 40, seed=3))
    assert index.ids.min() > 10 + 3 * (COUNT - 1) - 1  # numbers go on, no id is given twice
    sound(index.search(rows(factory, 2), 50), 50, index.ids)


def test_where_is_met_by_k_items(index: pt.Index, factory: str) -> None:
    index.remove(index.ids[::3])
    queries = rows(factory, 9, seed=5)
    everything = index.search(queries, COUNT, params={"exact": 1}).ids
    for share in (0.0, 0.002, 0.1, 0.7, 1.0):
        mask = np.random.default_rng(4).random(len(index)) < share
        allowed = index.ids[mask]
        by_ids = index.search(queries, 12, where=allowed)
        sound(by_ids, 12, allowed)
        by_mask = index.search(queries, 12, where=mask)
        by_predicate = index.search(queries, 12, where=lambda ids, allowed=allowed: np.isin(ids, allowed))
        for other in (by_mask, by_predicate):
            np.testing.assert_array_equal(other.ids, by_ids.ids)
            np.testing.assert_array_equal(other.scores, by_ids.scores)
        exact = index.search(queries, 12, where=allowed, params={"exact": 1}).ids
        sound(index.search(queries, COUNT, where=allowed), COUNT, allowed)
        if "RFlat" not in factory:  # there the candidates that are scored exactly depend on k
            expected = [row[np.isin(row, allowed)][:12] for row in everything]
            np.testing.assert_array_equal(exact, expected)


def test_upsert_replaces_and_adds(index: pt.Index, factory: str) -> None:
    new = rows(factory, 4, seed=77)
    index.upsert(new, ids=[10, 13, 100_000, 100_001])
    assert len(index) == COUNT + 2
    assert index.ids[-4:].tolist() == [10, 13, 100_000, 100_001]
    everything = index.search(rows(factory, 3, seed=1), 10 * COUNT)
    sound(everything, 10 * COUNT, index.ids)
    fresh = empty(factory)
    fresh.add(rows(factory, COUNT), ids=10 + 3 * np.arange(COUNT))
    np.testing.assert_array_equal(index.reconstruct(np.arange(16, 100, 3)), fresh.reconstruct(np.arange(16, 100, 3)))
    ours, old = index.reconstruct([10, 13]), fresh.reconstruct([10, 13])
    assert (np.abs(ours.astype(float) - new[:2]).sum(axis=1) < np.abs(old.astype(float) - new[:2]).sum(axis=1)).all()


def test_thresholds_agree_with_a_full_search(index: pt.Index, factory: str) -> None:
    queries = rows(factory, 5, seed=6)
    index.remove(index.ids[::4])
    everything = index.search(queries, COUNT, params={"exact": 1})
    threshold = float(np.quantile(everything.scores, 0.9))
    found = index.range_search(queries, threshold)
    cut = index.search(queries, 30, min_score=threshold)
    assert found.offsets is not None
    assert cut.offsets is not None
    for i in range(5):
        ids = found.ids[found.offsets[i] : found.offsets[i + 1]]
        reached = everything.scores[i] >= threshold
        np.testing.assert_array_equal(ids, everything.ids[i][reached])
        part = slice(cut.offsets[i], cut.offsets[i + 1])
        assert (cut.scores[part] >= threshold).all()
        assert cut.offsets[i + 1] - cut.offsets[i] <= 30
    half = index.ids[::2]
    assert np.isin(index.range_search(queries, threshold, where=half).ids, half).all()


def test_a_file_holds_everything(index: pt.Index, factory: str, tmp_path: Path) -> None:
    index.remove(index.ids[5:25])
    queries = rows(factory, 9, seed=7)
    expected = index.search(queries, 15)
    index.save(tmp_path / "a", note="gallery of 猫")
    for mapped in (False, True):
        loaded = pt.Index.load(tmp_path / "a", mmap=mapped)
        assert (loaded.factory, loaded.metric, loaded.dim, loaded.note) == (
            index.factory,
            index.metric,
            index.dim,
            "gallery of 猫",
        )
        assert loaded.params == index.params
        np.testing.assert_array_equal(loaded.ids, index.ids)
        found = loaded.search(queries, 15)
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_array_equal(found.scores, expected.scores)
        np.testing.assert_array_equal(loaded.reconstruct(loaded.ids), index.reconstruct(index.ids))
        loaded.remove(loaded.ids[:10])
        loaded.add(rows(factory, 5, seed=8))
        sound(loaded.search(queries, 700), 700, loaded.ids)
    pt.Index.load(tmp_path / "a").save(tmp_path / "b", note="gallery of 猫")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_same_calls_give_the_same_bytes_on_any_number_of_threads(factory: str, tmp_path: Path) -> None:
    before = pt.num_threads()
    try:
        for threads in (1, 2, 4):
            pt.set_num_threads(threads)
            made = empty(factory, seed=3)
            made.add(rows(factory, COUNT))
            made.remove(np.arange(0, 100, 3))
            made.add(rows(factory, 50, seed=9))
            made.save(tmp_path / f"{threads}")
    finally:
        pt.set_num_threads(before)
    files = [(tmp_path / f"{threads}").read_bytes() for threads in (1, 2, 4)]
    assert files[0] == files[1] == files[2]


def test_what_is_wrong_is_refused_and_changes_nothing(index: pt.Index, factory: str) -> None:
    good = rows(factory, 4, seed=10)
    width = good.shape[1]
    wrong: list[tuple[Any, Any, str]] = [
        (good, [1, 2, 2, 3], "2"),
        (good, [1, 2, 5, 10], "10"),
        (good, [1, 2, 5], "4"),
        (good[:, : width - 8].copy(), None, str(index.dim)),
        (good.astype(np.float64), None, "float64"),
        (good.reshape(2, 2, -1), None, "2, 2"),
        (good[:, ::-1], None, "contiguous"),
    ]
    if good.dtype == np.float32:
        for bad in (np.nan, np.inf):
            spoilt = good.copy()
            spoilt[2, 5] = bad
            wrong.append((spoilt, None, "row 2"))
            with pytest.raises(ValueError, match="row 2"):
                index.search(spoilt, 3)
    for given, ids, said in wrong:
        with pytest.raises(ValueError, match=said):
            index.add(given, ids=ids)
    for given, _, _ in wrong[3:7]:
        with pytest.raises(ValueError, match=r"\w"):
            index.search(given, 3)
    for k in (0, -1):
        with pytest.raises(ValueError, match="k"):
            index.search(good, k)
    with pytest.raises(ValueError, match=f"{COUNT}"):
        index.search(good, 3, where=np.ones(COUNT + 1, bool))
    with pytest.raises(ValueError, match="12345"):
        index.reconstruct([10, 12345])
    assert len(index) == COUNT
    sound(index.search(good, 5), 5, 10 + 3 * np.arange(COUNT))
