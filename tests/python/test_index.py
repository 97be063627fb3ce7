"""Behaviour of pictrieve.Index: what it promises beyond finding the right neighbours."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import pictrieve as pt

FACTORIES = ["Flat", "HNSW4"]  # of so few links that 500 vectors are not compared with all
DATA = Path(__file__).resolve().parent.parent / "data" / "indexes"


def random_rows(count: int, dim: int = 16, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def filled(factory: str = "Flat", count: int = 500, metric: str = "cosine", dim: int = 16) -> pt.Index:
    index = pt.Index(dim, metric=metric, factory=factory)
    index.add(random_rows(count, dim))
    return index


@pytest.fixture(params=FACTORIES)
def factory(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_result_unpacks_in_two_and_has_distances() -> None:
    index = pt.Index(2, metric="l2")
    index.add(np.array([[0, 0], [3, 4], [6, 8]], np.float32), ids=[10, 20, 30])
    result = index.search(np.array([3, 4], np.float32), k=2)
    ids, scores = result
    assert ids.dtype == np.int64
    assert scores.dtype == np.float32
    assert ids.tolist() == [20, 10]
    assert scores.tolist() == [0.0, -5.0]
    assert result.distances.tolist() == [0.0, 5.0]
    assert result.offsets is None


def test_one_query_and_its_batch_agree_bit_for_bit(factory: str) -> None:
    index = filled(factory, 3000, dim=37)
    queries = random_rows(40, 37, seed=1)
    batch = index.search(queries, 5)
    for i, query in enumerate(queries):
        one = index.search(query, 5)
        assert one.ids.shape == (5,)
        np.testing.assert_array_equal(one.ids, batch.ids[i])
        np.testing.assert_array_equal(one.scores, batch.scores[i])


@pytest.mark.parametrize("dim", [1, 3, 16, 100, 384, 1000])
def test_equal_vectors_have_a_cosine_of_exactly_one(dim: int) -> None:
    rows = np.random.default_rng(3).normal(size=(50, dim)).astype(np.float32) * np.float32(7.3)
    index = pt.Index(dim)
    index.add(rows)
    assert (index.search(rows, 1).scores == 1.0).all()


def test_a_zero_vector_has_a_cosine_of_zero(factory: str) -> None:
    index = pt.Index(4, factory=factory)
    index.add(np.array([[0, 0, 0, 0], [1, 0, 0, 0], [-1, 0, 0, 0]], np.float32))
    ids, scores = index.search(np.array([2, 0, 0, 0], np.float32), 3)
    assert (ids.tolist(), scores.tolist()) == ([1, 0, 2], [1.0, 0.0, -1.0])


def test_ties_are_ordered_by_id_even_where_k_cuts_through_them() -> None:
    index = pt.Index(4, metric="l2")
    index.add(np.ones((700, 4), np.float32), ids=np.arange(700)[::-1].copy())
    for queries in (np.ones(4, np.float32), np.zeros((9, 4), np.float32)):
        ids = index.search(queries, 5).ids
        assert (ids == np.arange(5)).all()


def test_k_larger_than_the_index_gives_every_item(factory: str) -> None:
    index = filled(factory, 7)
    ids, _ = index.search(random_rows(3, seed=1), 100)
    assert ids.shape == (3, 7)
    assert (np.sort(ids, axis=1) == np.arange(7)).all()


def test_an_empty_index_gives_an_empty_result(factory: str) -> None:
    index = pt.Index(16, factory=factory)
    assert index.search(random_rows(3), 5).ids.shape == (3, 0)
    assert index.search(random_rows(1)[0], 5).ids.shape == (0,)
    assert index.range_search(random_rows(3), 0.5).offsets is not None
    assert len(index.ids) == len(index) == 0


def test_removed_items_are_not_found_and_results_stay_full(factory: str) -> None:
    index = filled(factory)
    removed = np.random.default_rng(1).permutation(500)[:430]
    assert index.remove(removed) == 430
    assert index.remove(removed) == 0
    ids, _ = index.search(random_rows(30, seed=2), 70)
    assert ids.shape == (30, 70)
    assert not np.isin(ids, removed).any()
    assert len(index) == 70
    np.testing.assert_array_equal(index.ids, np.setdiff1d(np.arange(500), removed))


def test_an_id_can_be_removed_and_added_again(factory: str) -> None:
    index = filled(factory)
    index.remove([3])
    row = random_rows(1, seed=9)
    index.add(row, ids=[3])
    np.testing.assert_array_equal(index.reconstruct(3), row[0])
    assert index.search(row[0], 1).ids[0] == 3


@pytest.mark.parametrize("share", [0.002, 0.05, 0.5, 0.95])
def test_where_is_exact_in_number_and_takes_ids_or_a_mask(factory: str, share: float) -> None:
    index = filled(factory, 4000)
    index.remove(np.arange(0, 4000, 7))
    mask = np.random.default_rng(5).random(len(index)) < share
    allowed = index.ids[mask]
    queries = random_rows(20, seed=6)
    by_mask = index.search(queries, 10, where=mask)
    by_ids = index.search(queries, 10, where=np.concatenate([allowed, [10**12]]).astype(np.uint64))
    assert by_mask.ids.shape == (20, min(10, len(allowed)))
    assert np.isin(by_mask.ids, allowed).all()
    np.testing.assert_array_equal(by_mask.ids, by_ids.ids)


def test_where_that_allows_nothing_gives_nothing(factory: str) -> None:
    index = filled(factory)
    assert index.search(random_rows(2), 5, where=[]).ids.shape == (2, 0)
    assert index.search(random_rows(2), 5, where=np.zeros(500, bool)).ids.shape == (2, 0)


def test_min_score_gives_offsets_for_a_batch_and_none_for_one_query(factory: str) -> None:
    index = filled(factory)
    queries = random_rows(20, seed=1)
    full = index.search(queries, 10)
    result = index.search(queries, 10, min_score=0.5)
    assert result.offsets is not None
    for i, scores in enumerate(full.scores):
        own = slice(result.offsets[i], result.offsets[i + 1])
        np.testing.assert_array_equal(result.ids[own], full.ids[i][scores >= 0.5])
    assert index.search(queries[0], 10, min_score=0.5).offsets is None
    with pytest.raises(ValueError, match="min_score: expected a number, got NaN"):
        index.search(queries, 10, min_score=float("nan"))


def test_out_is_written_in_place(factory: str) -> None:
    index = filled(factory)
    queries = random_rows(6, seed=1)
    expected = index.search(queries, 4)
    ids, scores = np.empty((6, 4), np.int64), np.empty((6, 4), np.float32)
    result = index.search(queries, 4, out=(ids, scores))
    np.testing.assert_array_equal(ids, expected.ids)
    np.testing.assert_array_equal(scores, expected.scores)
    assert np.shares_memory(result.ids, ids)
    one = np.empty(4, np.int64), np.empty(4, np.float32)
    index.search(queries[0], 4, out=one)
    np.testing.assert_array_equal(one[0], expected.ids[0])
    with pytest.raises(ValueError, match=r"out: expected shape \(6, 5\)"):
        index.search(queries, 5, out=(ids, scores))


def test_replace_gives_an_id_its_new_vector(factory: str) -> None:
    index = filled(factory)
    row = random_rows(1, seed=8)
    with pytest.raises(ValueError, match="ids: 42 is in the index already"):
        index.add(row, ids=[42])
    index.add(row, ids=[42], replace=True)
    assert len(index) == 500
    assert index.ids[-1] == 42
    np.testing.assert_array_equal(index.reconstruct([42]), row)


def test_ids_go_on_from_the_largest_so_far() -> None:
    index = pt.Index(16)
    index.add(random_rows(2), ids=[7, -5])
    index.add(random_rows(2))
    assert index.ids.tolist() == [7, -5, 8, 9]


def test_ids_are_not_given_twice_by_an_index_that_was_saved(tmp_path: Path) -> None:
    index = filled(count=10)
    index.remove([7, 8, 9])
    index.save(tmp_path / "saved.index")
    loaded = pt.Index.load(tmp_path / "saved.index")
    loaded.add(random_rows(1))
    assert loaded.ids.tolist() == [0, 1, 2, 3, 4, 5, 6, 10]


def test_ids_past_the_largest_integer_are_refused() -> None:
    index = pt.Index(16)
    index.add(random_rows(1), ids=[2**63 - 2])
    for replace in (False, True):
        with pytest.raises(ValueError, match="choose them yourself"):
            index.add(random_rows(2), replace=replace)
    index.add(random_rows(1), ids=[2**63 - 1])
    with pytest.raises(ValueError, match="choose them yourself"):
        index.add(random_rows(1), replace=True)
    assert index.ids.tolist() == [2**63 - 2, 2**63 - 1]


def test_the_same_seed_and_one_thread_give_the_same_graph(tmp_path: Path) -> None:
    before = pt.num_threads()
    try:
        pt.set_num_threads(1)
        for name in ("a", "b"):
            filled("HNSW8", 800).save(tmp_path / name)
    finally:
        pt.set_num_threads(before)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_saved_index_goes_on_as_if_it_had_stayed(factory: str, tmp_path: Path) -> None:
    index = filled(factory)
    index.remove([1, 2, 3])
    index.save(tmp_path / "saved.index", note='{"row": "é"}')
    queries = random_rows(9, seed=4)
    expected = index.search(queries, 5)
    for mmap in (False, True):
        loaded = pt.Index.load(tmp_path / "saved.index", mmap=mmap)
        assert (loaded.note, len(loaded), loaded.factory) == ('{"row": "é"}', 497, factory)
        np.testing.assert_array_equal(loaded.search(queries, 5).ids, expected.ids)
        loaded.add(random_rows(3, seed=5))
        loaded.remove(np.arange(300))
        assert loaded.search(queries, 5).ids.min() >= 300
        loaded.save(tmp_path / "saved again.index")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["saved again.index", "saved.index"]


def test_paths_may_hold_any_bytes(tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.index")
    for name in (path, os.fsdecode(path)):
        filled(count=3).save(name)
        assert len(pt.Index.load(name)) == 3
        os.remove(name)
        with pytest.raises(FileNotFoundError) as failed:
            pt.Index.load(name)
        assert os.fsencode(failed.value.filename) == path


@pytest.mark.parametrize("name", ["flat_l2", "hnsw_cosine"])
def test_files_of_format_version_1_are_read(name: str) -> None:
    index = pt.Index.load(DATA / f"{name}_v1.index")
    rows = np.load(DATA / "rows.npy")
    assert index.note == "format version 1"
    np.testing.assert_array_equal(index.ids, [100, 101, 102, 104, 105, 106, 107])
    np.testing.assert_array_equal(index.reconstruct([100, 107]), rows[[0, 7]])
    assert index.search(rows[5], 1).ids.tolist() == [105]


def test_mapped_damage_shows_in_health(tmp_path: Path) -> None:
    path = tmp_path / "damaged.index"
    rows = random_rows(100)
    index = pt.Index(16)
    index.add(rows)
    index.save(path)
    contents = bytearray(path.read_bytes())
    contents[contents.find(rows[50].tobytes())] ^= 1
    path.write_bytes(contents)
    with pytest.raises(pt.FormatError, match="damaged"):
        pt.Index.load(path)
    mapped = pt.Index.load(path, mmap=True)
    assert mapped.search(rows, 3).ids.shape == (100, 3)
    with pytest.raises(pt.FormatError, match="vectors are damaged"):
        mapped.health()


def test_loading_what_is_no_index_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pt.Index.load(tmp_path / "absent")
    (tmp_path / "text").write_text("not an index, but long enough to be one")
    with pytest.raises(pt.FormatError, match="does not begin as an index"):
        pt.Index.load(tmp_path / "text")
    with pytest.raises(IsADirectoryError):
        pt.Index.load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="regular file"):  # and does not wait for somebody who writes
        pt.Index.load(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        filled().save(tmp_path / "no folder" / "index")


def test_tune_reaches_its_target_and_health_measures_it() -> None:
    index = filled("HNSW4", 4000, dim=32)
    tuned = index.tune(random_rows(100, 32, seed=1), target_recall=0.9)
    assert tuned["recall"] >= 0.9
    health = index.health()
    assert 0.5 < health.recall <= 1
    assert (health.sampled, health.items, health.bytes_vectors) == (200, 4000, 4000 * 32 * 4)
    assert filled().health().recall == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"metric": "euclid"}, "expected cosine, ip, l2, l1, .* got 'euclid'"),
        ({"factory": "IVF4096,Flatt"}, "cannot read 'Flatt' in 'IVF4096,Flatt'; expected"),
        ({"factory": "HNSW1"}, "expected HNSW<links> with 2 to 256 links"),
        ({"dtype": "float64"}, "expected float32, float16, bfloat16, int8 or bits, got 'float64'"),
        ({"dtype": "int8", "factory": "SQfp16"}, "dtype 'int8' says otherwise"),
        ({"metric": "hamming"}, "does not compare numbers"),
        ({"metric": "l1", "factory": "PQ2"}, "needs rows as numbers"),
        ({"params": {"efBuild": 3}}, "expected some of efConstruction, .*, got efBuild"),
    ],
)
def test_unknown_options_are_refused_with_the_known_ones(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        pt.Index(4, **arguments)  # type: ignore[arg-type]


def test_wrong_input_is_refused_with_the_remedy(factory: str) -> None:
    index = filled(factory)
    rows = random_rows(4)
    with pytest.raises(TypeError, match="expected a float32 array"):
        index.add(rows.tolist())
    with pytest.raises(ValueError, match=r"x: expected C-contiguous float32 \(rows, cols\), got float64"):
        index.add(rows.astype(np.float64))
    with pytest.raises(ValueError, match=r"not C-contiguous; convert with np\.ascontiguousarray"):
        index.search(np.asfortranarray(rows), 3)
    with pytest.raises(ValueError, match="expected rows of 16 numbers, got 15"):
        index.add(random_rows(4, 15))
    with pytest.raises(ValueError, match="expected rows of 16 numbers, got 15"):
        index.search(random_rows(4, 15), 3)
    with pytest.raises(ValueError, match="k: expected at least 1, got 0"):
        index.search(rows, 0)
    with pytest.raises(ValueError, match="ids: 5 occurs twice"):
        index.add(rows, ids=[600, 5, 700, 5], replace=True)
    with pytest.raises(ValueError, match="ids: expected one for each of the 4 rows, got 0"):
        index.add(rows, ids=[])
    with pytest.raises(ValueError, match=r"ids: expected integers of shape \(n,\), got float64"):
        index.add(rows, ids=[0.5, 1, 2, 3])
    with pytest.raises(ValueError, match="expected one entry for each of the 500 ids"):
        index.search(rows, 3, where=np.ones(499, bool))
    with pytest.raises(ValueError, match="ids: 12345 is not in the index"):
        index.reconstruct([12345])
    assert len(index) == 500


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_naming_the_row(factory: str, bad: float) -> None:
    index = filled(factory)
    rows = random_rows(5000)
    rows[3210, 15] = bad
    with pytest.raises(ValueError, match="row 3210"):
        index.add(rows)
    with pytest.raises(ValueError, match="row 3210"):
        index.search(rows, 1)
    assert len(index) == 500


def test_other_threads_run_while_an_index_is_built_and_searched() -> None:
    rows = random_rows(6000, 64)
    steps = 0
    done = threading.Event()

    def count() -> None:
        nonlocal steps
        while not done.is_set():
            steps += 1
            time.sleep(0.001)

    counter = threading.Thread(target=count)
    counter.start()
    index = pt.Index(64, factory="HNSW16")
    index.add(rows)
    done.set()
    counter.join()
    assert steps > 10


def test_readers_and_a_writer_share_an_index(factory: str) -> None:
    index = filled(factory, 300)
    queries = random_rows(10, seed=1)
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(30):
                ids, _ = index.search(queries, 5)
                assert (ids >= 0).all()
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for seed in range(10):
        index.add(random_rows(20, seed=seed))
        index.remove(index.ids[:10])
    for reader in readers:
        reader.join()
    assert not failures
    assert len(index) == 400
