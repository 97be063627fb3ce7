"""Pairwise distances against SciPy and, where it has none, independent sums in NumPy; both in float64."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

import pictrieve as pt

Rows = NDArray[Any]
DIMS = (1, 3, 7, 8, 15, 16, 17, 31, 33, 64, 127, 384, 1000)  # around the widths of SIMD registers
GENERAL = ["cosine", "pearson", "ip", "l2", "l1"]
HISTOGRAMS = ["chi2", "intersection", "jaccard", "hellinger"]


def each(x: Rows, y: Rows, terms: Callable[[Rows, Rows], Rows]) -> Rows:
    """Sum terms(row, y) over the last axis, for each row of x."""
    return np.stack([terms(row, y).sum(axis=-1) for row in x])


def chi2_terms(a: Rows, b: Rows) -> Rows:
    total = np.asarray(a + b)
    return np.divide((a - b) ** 2, total, out=np.zeros_like(total), where=total > 0)


def true_distances(x: Rows, y: Rows, metric: str) -> NDArray[np.float64]:
    """Give distances in float64: SciPy's where it has the metric."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    names: dict[str, Any] = {"l2": "euclidean", "l1": "cityblock", "cosine": "cosine", "pearson": "correlation"}
    if metric in names:
        return cdist(x, y, names[metric])
    if metric == "chi2":
        return each(x, y, chi2_terms)
    if metric == "jaccard":
        return 1 - each(x, y, np.minimum) / each(x, y, np.maximum)
    if metric == "hellinger":
        p, q = (np.sqrt(rows / rows.sum(axis=1, keepdims=True)) for rows in (x, y))
        return cdist(p, q) / np.sqrt(2)  # Hellinger's own definition, which has no difference of near numbers
    return -(each(x, y, np.minimum) if metric == "intersection" else x @ y.T)


def assert_close(ours: Rows, x: Rows, y: Rows, metric: str) -> None:
    """Compare within 1e-5, relative for distances that are sums of what is >= 0, else of the largest number summed."""
    truth = true_distances(x, y, metric)
    assert ours.dtype == np.float32
    scale = 1.0
    if metric == "ip":  # products cancel: their error is that of |x| |y|
        scale = float(np.linalg.norm(x, axis=1).max() * np.linalg.norm(y, axis=1).max())
    relative = 1e-5 if metric in ("l1", "l2", "chi2", "intersection") else 0.0
    absolute = 1e-5 * scale if metric not in ("l1", "l2", "chi2", "intersection") else 1e-12
    np.testing.assert_allclose(ours, truth, rtol=relative, atol=absolute)


def rows_with_near_pairs(dim: int, histogram: bool) -> tuple[Rows, Rows]:
    """Give random rows, some of them again or nearly so on the other side."""
    generator = np.random.default_rng(dim)
    x = generator.standard_normal((37, dim), dtype=np.float32)
    y = generator.standard_normal((70, dim), dtype=np.float32)
    y[:5] = x[:5]
    y[5:10] = x[5:10] * (1 + 1e-4 * generator.standard_normal((5, dim), dtype=np.float32))
    if histogram:
        x, y = np.abs(x), np.abs(y)
        x[20:, dim // 2 + 1 :] = 0
        y[40:, 1 : dim // 2 + 1] = 0
    return x, y


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("metric", GENERAL + HISTOGRAMS)
def test_distances_equal_float64_for_every_width(metric: str, dim: int) -> None:
    if metric == "pearson":
        dim = max(dim, 3)  # one number has no correlation
    x, y = rows_with_near_pairs(dim, metric in HISTOGRAMS)
    ours = pt.pairwise(x, y, metric)  # type: ignore[arg-type]
    assert_close(ours, x, y, metric)
    if metric not in ("ip", "intersection"):
        assert (ours[np.arange(5), np.arange(5)] == 0).all()
    scores = pt.pairwise(x, y, metric, kind="score")  # type: ignore[arg-type]
    turned = {"cosine": 1 - ours, "pearson": 1 - ours, "jaccard": 1 - ours, "hellinger": 1 - ours**2}.get(metric, -ours)
    np.testing.assert_allclose(scores, turned, atol=3e-7)
    if metric in ("cosine", "pearson", "jaccard", "hellinger"):
        assert (scores[np.arange(5), np.arange(5)] == 1).all()
        assert np.abs(scores).max() <= 1


@pytest.mark.parametrize("dim", DIMS)
def test_bits_equal_scipy_exactly(dim: int) -> None:
    generator = np.random.default_rng(dim)
    x, y = generator.random((33, 8 * dim)) < 0.3, generator.random((70, 8 * dim)) < 0.5
    y[0] = x[0]
    packed = np.packbits(x, axis=1), np.packbits(y, axis=1)
    differing = np.rint(cdist(x, y, "hamming") * 8 * dim).astype(np.float32)
    np.testing.assert_array_equal(pt.pairwise(*packed, "hamming"), differing)
    np.testing.assert_array_equal(pt.pairwise(*packed, "hamming", kind="score"), -differing)
    jaccard = cdist(x, y, "jaccard")
    np.testing.assert_allclose(pt.pairwise(*packed, "jaccard"), jaccard, atol=1e-7)
    as_floats = pt.pairwise(x.astype(np.float32), y.astype(np.float32), "jaccard")
    np.testing.assert_array_equal(as_floats, pt.pairwise(*packed, "jaccard"))


@pytest.mark.parametrize("metric", GENERAL + HISTOGRAMS)
@pytest.mark.parametrize("name", ["words", "sift"])
def test_real_vectors_equal_float64_on_any_number_of_threads(data: Path, name: str, metric: str) -> None:
    if name == "words":
        x = np.load(data / "vectors" / "wordvecs_1000x300" / "vectors.npy")
    else:
        records = np.fromfile(data / "vectors" / "sift_grocery_10k" / "base.bvecs", np.uint8).reshape(-1, 132)
        x = records[:1000, 4:].astype(np.float32)
    if metric in HISTOGRAMS:
        x = np.abs(x)
    y = np.ascontiguousarray(x[::5])
    threads = pt.num_threads()
    try:
        pt.set_num_threads(1)
        one = pt.pairwise(x, y, metric)  # type: ignore[arg-type]
        pt.set_num_threads(2)
        np.testing.assert_array_equal(pt.pairwise(x, y, metric), one)  # type: ignore[arg-type]
    finally:
        pt.set_num_threads(threads)
    assert_close(one, x, y, metric)


def test_nearly_equal_vectors_far_from_the_origin_keep_their_distance() -> None:
    generator = np.random.default_rng(1)
    x = (1000 + generator.standard_normal((300, 64))).astype(np.float32)
    for metric in ("l2", "cosine"):
        truth = true_distances(x, x, metric)
        ours = pt.pairwise(x, metric=metric)
        np.testing.assert_allclose(ours, truth, rtol=1e-5 if metric == "l2" else 1e-3, atol=1e-12)
        assert (np.diag(ours) == 0).all()


def test_rows_of_zeros() -> None:
    x = np.zeros((2, 9), np.float32)
    x[1] = 2
    assert pt.pairwise(x, metric="cosine").tolist() == [[1, 1], [1, 0]]
    assert pt.pairwise(x, metric="pearson").tolist() == [[1, 1], [1, 1]]  # neither has a correlation
    assert pt.pairwise(x, metric="hellinger").tolist() == [[1, 1], [1, 0]]
    assert pt.pairwise(x, metric="chi2").tolist() == [[0, 18], [18, 0]]
    for rows in (x, np.zeros((2, 9), np.uint8)):
        assert pt.pairwise(rows, metric="jaccard")[0, 0] == 0


def test_results_of_other_sizes() -> None:
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    out = np.empty((4, 4), np.float32)
    assert pt.pairwise(x, metric="l1", out=out) is out
    np.testing.assert_array_equal(out, cdist(x, x, "cityblock"))
    assert pt.pairwise(x[:0], x).shape == (0, 4)
    assert pt.pairwise(x, x[:0], "chi2").shape == (4, 0)


def test_blocks_give_the_whole_within_the_memory() -> None:
    x = np.random.default_rng(2).standard_normal((501, 20), dtype=np.float32)
    seen = np.empty((501, 501), np.float32)
    for rows, block in pt.pairwise_blocks(x, metric="l1", max_memory="40KB"):
        assert block.nbytes <= 20_000
        seen[rows] = block
    np.testing.assert_array_equal(seen, pt.pairwise(x, metric="l1"))


def test_a_result_past_the_memory_is_refused_with_the_remedy() -> None:
    x = np.zeros((600, 2), np.float32)
    with pytest.raises(ValueError, match=r"0\.00144 GB of a \(600, 600\).*1MB.*pt\.pairwise_blocks\("):
        pt.pairwise(x, max_memory="1MB")
    assert pt.pairwise(x, max_memory="1.5 MB").shape == (600, 600)
    assert pt.pairwise(x, max_memory=1, out=np.empty((600, 600), np.float32))[0, 0] == 1
    with pytest.raises(ValueError, match="max_memory: expected at least 4800 bytes"):
        pt.pairwise_blocks(x, max_memory=1000)
    with pytest.raises(ValueError, match="max_memory: expected bytes or text"):
        pt.pairwise(x, max_memory="much")


def test_arguments_that_cannot_be_compared_are_refused_by_name() -> None:
    x = np.ones((3, 4), np.float32)
    bad, negative = x.copy(), x.copy()
    bad[2, 1] = np.nan
    negative[1, 3] = -1
    refused: list[tuple[type[Exception], str, Callable[[], object]]] = [
        (ValueError, "x: .*float64", lambda: pt.pairwise(x.astype(np.float64))),  # type: ignore[arg-type]
        (ValueError, "y: .*not C-contiguous", lambda: pt.pairwise(x, np.asfortranarray(x))),
        (TypeError, "x: .*list", lambda: pt.pairwise([[1.0]])),  # type: ignore[arg-type]
        (ValueError, r"x: .*\(4,\)", lambda: pt.pairwise(x[0])),
        (ValueError, "y: expected rows of 4", lambda: pt.pairwise(x, x[:, :2].copy())),
        (ValueError, "metric: expected cosine", lambda: pt.pairwise(x, metric="cos")),  # type: ignore[arg-type]
        (ValueError, "kind: expected", lambda: pt.pairwise(x, kind="similarity")),  # type: ignore[arg-type]
        (ValueError, "x: .*uint8", lambda: pt.pairwise(x, metric="hamming")),
        (ValueError, "hamming or jaccard", lambda: pt.pairwise(x.astype(np.uint8), metric="l2")),
        (ValueError, "out: expected shape", lambda: pt.pairwise(x, out=np.empty((3, 4), np.float32))),
        (ValueError, "metric: expected cosine", lambda: pt.pairwise_blocks(x, metric="cos")),  # type: ignore[arg-type]
    ]
    for metric in GENERAL + HISTOGRAMS:
        call = lambda metric=metric: pt.pairwise(x, bad, metric)  # noqa: E731
        refused.append((ValueError, "y: .*NaN or infinity.*row 2|y: row 2 has NaN", call))
    for metric in HISTOGRAMS:
        refused.append((ValueError, "x: .*row 1", lambda metric=metric: pt.pairwise(negative, metric=metric)))
    for error, text, call in refused:
        with pytest.raises(error, match=text):
            call()
