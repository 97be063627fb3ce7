"""Files of FAISS and Annoy, against faiss-cpu and annoy: what they write we read, and FAISS reads what we write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import annoy
import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

import pictrieve as pt
from pictrieve.index_exchange import read_annoy, read_faiss, write_faiss

Rows = NDArray[np.float32]
METRICS = {"l2": faiss.METRIC_L2, "ip": faiss.METRIC_INNER_PRODUCT}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads of FAISS wait for each other by spinning, which takes minutes on a busy machine."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


@pytest.fixture(scope="module")
def rows(data: Path) -> Rows:
    """1,500 SIFT descriptors of real photos, as 128 numbers."""
    path = data / "vectors" / "sift_grocery_10k" / "base.bvecs"
    base = np.fromfile(path, np.uint8).reshape(-1, 132)[:2000, 4:].astype(np.float32)
    return np.ascontiguousarray(np.unique(base, axis=0)[:1500])


def ids_for(rows: Rows) -> NDArray[np.int64]:
    return np.random.default_rng(5).permutation(len(rows)).astype(np.int64) * 7 + 1000


def built_by_faiss(rows: Rows, factory: str, metric: str, ids: NDArray[np.int64] | None = None) -> faiss.Index:
    index = faiss.index_factory(rows.shape[1], factory, METRICS[metric])
    index.train(rows)
    index.add(rows) if ids is None else index.add_with_ids(rows, ids)
    return index


def scores_of(distances: Rows, metric: str) -> Rows:
    """Ours for l2 is minus the distance, FAISS gives its square."""
    return -np.sqrt(np.maximum(distances, 0)) if metric == "l2" else distances


def set_effort(index: faiss.Index, value: int) -> None:
    inner = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap) else index
    if hasattr(inner, "hnsw"):
        inner.hnsw.efSearch = value
    if hasattr(inner, "nprobe"):
        inner.nprobe = value


def recall(found: NDArray[np.int64], expected: NDArray[np.int64]) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, expected, strict=True)]))


def assert_same_search(ours: pt.Index, theirs: faiss.Index, queries: Rows, metric: str, effort: int = 64) -> None:
    """The same neighbours, but for ties and what rounds differently; the same scores of them."""
    set_effort(theirs, effort)
    distances, labels = theirs.search(queries, 10)
    result = ours.search(queries, 10, params={"efSearch": effort, "nprobe": effort})
    assert recall(result.ids, labels) > 0.995
    expected = scores_of(distances, metric)
    np.testing.assert_allclose(result.scores[:, 0], expected[:, 0], rtol=1e-4, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize(
    ("factory", "kind", "dtype"),
    [("Flat", "Flat", "float32"), ("HNSW16", "HNSW16,Flat", "float32"), ("IVF32,Flat", "IVF32,Flat", "float32")],
)
def test_what_faiss_writes_is_read_as_it_is(
    rows: Rows, tmp_path: Path, factory: str, kind: str, dtype: str, metric: str
) -> None:
    base, queries = rows[:-200], rows[-200:]
    theirs = built_by_faiss(base, factory, metric)
    faiss.write_index(theirs, str(tmp_path / "a.faiss"))
    ours = read_faiss(tmp_path / "a.faiss")
    assert (ours.factory, ours.metric, ours.dtype, len(ours)) == (kind, metric, dtype, len(base))
    np.testing.assert_array_equal(np.sort(ours.ids), np.arange(len(base)))
    np.testing.assert_array_equal(ours.reconstruct(np.arange(len(base))), base)
    assert_same_search(ours, theirs, queries, metric, effort=8 if "IVF" in factory else 64)


@pytest.mark.parametrize("factory", ["IDMap,Flat", "IDMap2,Flat", "IVF32,Flat", "IDMap,HNSW16"])
def test_ids_are_read(rows: Rows, tmp_path: Path, factory: str) -> None:
    ids = ids_for(rows)
    theirs = built_by_faiss(rows, factory, "l2", ids)
    faiss.write_index(theirs, str(tmp_path / "a.faiss"))
    ours = read_faiss(tmp_path / "a.faiss")
    np.testing.assert_array_equal(np.sort(ours.ids), np.sort(ids))
    np.testing.assert_array_equal(ours.reconstruct(ids), rows)
    assert_same_search(ours, theirs, rows[:100], "l2")
    ours.remove(ids[:3])
    ours.add(rows[:3], ids=ids[:3])
    np.testing.assert_array_equal(ours.search(rows[:3], 1).ids[:, 0], ids[:3])


def test_a_graph_is_kept_link_by_link(rows: Rows, tmp_path: Path) -> None:
    """Through us and back: FAISS finds the arrays that it wrote."""
    theirs = built_by_faiss(rows, "HNSW16", "l2")
    faiss.write_index(theirs, str(tmp_path / "a.faiss"))
    write_faiss(read_faiss(tmp_path / "a.faiss"), tmp_path / "b.faiss")
    again = faiss.read_index(str(tmp_path / "b.faiss"))
    for name in ("levels", "offsets", "neighbors"):
        before, after = (faiss.vector_to_array(getattr(index.hnsw, name)) for index in (theirs, again))
        np.testing.assert_array_equal(before, after)
    assert again.hnsw.entry_point == theirs.hnsw.entry_point
    assert again.hnsw.max_level == theirs.hnsw.max_level


@pytest.mark.parametrize(("factory", "kind", "step"), [("SQfp16", "SQfp16", 0.0), ("SQ8", "SQ8", 1 / 127)])
def test_scalar_codes_are_read_and_rounded_at_most_once_more(
    rows: Rows, tmp_path: Path, factory: str, kind: str, step: float
) -> None:
    theirs = built_by_faiss(rows, factory, "l2")
    faiss.write_index(theirs, str(tmp_path / "a.faiss"))
    ours = read_faiss(tmp_path / "a.faiss")
    assert ours.factory == kind
    decoded = np.asarray(theirs.reconstruct_n(0, len(rows)))  # a tensor once faiss.contrib.torch_utils was imported
    span = np.ptp(decoded, axis=1, keepdims=True)
    assert (np.abs(ours.reconstruct(np.arange(len(rows))) - decoded) <= step * span + 1e-6).all()


@pytest.mark.parametrize("factory", ["PQ16x4", "PCA16,Flat", "IVF16,PQ16x4", "LSH"])
def test_what_has_no_like_here_says_its_name_and_comes_with_a_factory(rows: Rows, tmp_path: Path, factory: str) -> None:
    theirs = built_by_faiss(rows, factory, "l2")
    faiss.write_index(theirs, str(tmp_path / "a.faiss"))
    with pytest.raises(pt.FormatError, match=r"type faiss::Index\w+ has no like here; pass a factory"):
        read_faiss(tmp_path / "a.faiss")
    ours = read_faiss(tmp_path / "a.faiss", factory="Flat")
    expected = theirs.reconstruct_n(0, len(rows))
    np.testing.assert_allclose(ours.reconstruct(np.arange(len(rows))), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
@pytest.mark.parametrize("factory", ["Flat", "HNSW16", "IVF32,Flat", "SQ8,RFlat"])
@pytest.mark.parametrize("own_ids", [False, True])
def test_faiss_reads_what_we_write(rows: Rows, tmp_path: Path, factory: str, metric: str, own_ids: bool) -> None:
    base, queries = rows[:-200], rows[-200:]
    ours = pt.Index(rows.shape[1], metric, factory, params={"efConstruction": 80})
    ours.add(base, ids=ids_for(base) if own_ids else None)
    if own_ids:
        assert ours.remove(ids_for(base)[::9]) > 100
    items = len(ours)
    write_faiss(ours, tmp_path / "a.faiss")
    theirs = faiss.read_index(str(tmp_path / "a.faiss"))
    assert theirs.ntotal == items == len(ours)
    if metric == "cosine":
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    exact = factory in {"Flat", "SQ8,RFlat"}
    set_effort(theirs, 32 if "IVF" in factory else 64)
    distances, labels = theirs.search(queries, 10)
    result = ours.search(queries, 10, params={"exact": 1} if exact else {"efSearch": 64, "nprobe": 32})
    assert recall(result.ids, labels) > (0.995 if exact or "IVF" in factory or not own_ids else 0.97)
    expected = scores_of(distances, metric)
    np.testing.assert_allclose(result.scores[:, 0], expected[:, 0], rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    np.testing.assert_array_equal(np.sort(read_faiss(tmp_path / "a.faiss").ids), np.sort(ours.ids))


@pytest.mark.parametrize("factory", ["BFlat", "BHNSW16"])
@pytest.mark.parametrize("own_ids", [False, True])
def test_bits_go_both_ways(rows: Rows, tmp_path: Path, factory: str, own_ids: bool) -> None:
    bits = np.packbits(rows > np.median(rows, axis=0), axis=1)
    ours = pt.Index(128, "hamming", factory, dtype="bits")
    ours.add(bits, ids=ids_for(rows) if own_ids else None)
    write_faiss(ours, tmp_path / "a.faiss")
    theirs = faiss.read_index_binary(str(tmp_path / "a.faiss"))
    distances, _ = theirs.search(bits[:200], 5)
    result = ours.search(bits[:200], 5)
    assert (result.scores == -distances).mean() > 0.98
    faiss.write_index_binary(theirs, str(tmp_path / "b.faiss"))
    again = read_faiss(tmp_path / "b.faiss")
    assert (again.metric, again.dtype, again.factory) == ("hamming", "bits", factory)
    np.testing.assert_array_equal(again.ids, ours.ids)
    np.testing.assert_array_equal(again.reconstruct(again.ids), bits)
    np.testing.assert_array_equal(again.search(bits[:200], 5).ids, result.ids)


def test_what_faiss_has_no_like_of_is_refused(rows: Rows, tmp_path: Path) -> None:
    for metric, factory in (("chi2", "Flat"), ("cosine", "LSH64"), ("l2", "PQ16"), ("pearson", "HNSW8")):
        index = pt.Index(128, metric, factory)
        index.add(rows)
        with pytest.raises(ValueError, match="has no like in FAISS"):
            write_faiss(index, tmp_path / "a.faiss")
    assert not (tmp_path / "a.faiss").exists()


def test_broken_faiss_files_are_named(rows: Rows, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_faiss(tmp_path / "none.faiss")
    path = tmp_path / "a.faiss"
    faiss.write_index(built_by_faiss(rows[:300], "HNSW8", "l2"), str(path))
    whole = path.read_bytes()
    for length in (0, 1, 4, 30, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(pt.FormatError, match=r"a\.faiss"):
            read_faiss(path)
    path.write_bytes(b"GIF89a" + whole)
    with pytest.raises(pt.FormatError, match=r"a\.faiss"):
        read_faiss(path)


ANNOY = {"angular": "cosine", "euclidean": "l2", "manhattan": "l1", "dot": "ip"}


def built_by_annoy(rows: NDArray[np.generic], metric: str, path: Path) -> annoy.AnnoyIndex:
    """Every eleventh number has no item."""
    index = annoy.AnnoyIndex(rows.shape[1], metric)
    index.set_seed(3)
    for i, row in enumerate(rows):
        if i % 11 != 5:
            index.add_item(i, row.tolist())
    index.build(10)
    index.save(str(path))
    return index


@pytest.mark.parametrize("metric", [*ANNOY, "hamming"])
def test_annoy_items_are_taken_over_with_their_numbers(rows: Rows, tmp_path: Path, metric: str) -> None:
    values: NDArray[np.generic] = rows[:800]
    if metric == "hamming":
        values = (rows[:800, :77] > np.median(rows[:, :77], axis=0)).astype(np.uint8)
    theirs = built_by_annoy(values, metric, tmp_path / "a.ann")
    ours = read_annoy(tmp_path / "a.ann", values.shape[1], metric)
    items = np.array([i for i in range(len(values)) if i % 11 != 5])
    np.testing.assert_array_equal(ours.ids, items)
    stored = np.array([theirs.get_item_vector(i) for i in items], np.float32)
    if metric == "hamming":
        assert (ours.metric, ours.dim, ours.factory) == ("hamming", 80, "BHNSW32")
        np.testing.assert_array_equal(ours.reconstruct(items), np.packbits(stored.astype(np.uint8), axis=1))
        queries = ours.reconstruct(items[:100])
    else:
        assert (ours.metric, ours.factory) == (ANNOY[metric], "HNSW32")
        np.testing.assert_array_equal(ours.reconstruct(items), stored)
        queries = stored[:100]
    exact = ours.search(queries, 10, params={"exact": 1})
    found = ours.search(queries, 10)
    # By score, as bits have many ties.
    by_us = float((found.scores >= exact.scores[:, -1:]).mean())
    worst = exact.scores[:, -1]
    by_annoy = [
        [ours_score >= worst[i] for ours_score in scores_of_items(ours, queries[i], theirs.get_nns_by_item(item, 10))]
        for i, item in enumerate(items[:100])
    ]
    assert by_us >= float(np.mean(np.concatenate(by_annoy)))
    assert by_us > 0.97


def scores_of_items(index: pt.Index, query: NDArray[np.generic], items: list[int]) -> Rows:
    return index.search(query, len(items), where=items).scores


def test_annoy_files_that_are_not_what_they_are_said_to_be_are_refused(rows: Rows, tmp_path: Path) -> None:
    path = tmp_path / "a.ann"
    built_by_annoy(rows[:200], "euclidean", path)
    whole = path.read_bytes()
    with pytest.raises(pt.FormatError, match="dim and metric"):
        read_annoy(path, 127, "euclidean")
    with pytest.raises(pt.FormatError, match="dim and metric"):
        read_annoy(path, 128, "angular")
    with pytest.raises(ValueError, match="expected angular"):
        read_annoy(path, 128, "cosine")
    with pytest.raises(FileNotFoundError):
        read_annoy(tmp_path / "none.ann", 128, "euclidean")
    node = 16 + 4 * 128
    for broken in (b"", whole[:-1], whole[: node * 3], b"\0" * node * 4, b"\xff" * node * 4):
        path.write_bytes(broken)
        with pytest.raises(pt.FormatError, match="dim and metric"):
            read_annoy(path, 128, "euclidean")
    random = np.random.default_rng(1)
    for _ in range(200):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[random.integers(len(whole), size=20)] = random.integers(256, size=20)
        path.write_bytes(damaged.tobytes())
        try:
            index = read_annoy(path, 128, "euclidean", factory="Flat")
        except pt.FormatError:
            continue
        index.search(rows[:1], 3)
