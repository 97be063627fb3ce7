"""The boundary's promise: inputs are borrowed, outputs own their memory, nothing is converted in silence."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import numpy as np
import pytest

import pictrieve as pt
from pictrieve import _core


def address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def encoder() -> pt.ImageEncoder:
    return pt.ImageEncoder("efficientnet_lite0", weights="random")


def test_encoders_write_into_the_callers_memory(encoder: pt.ImageEncoder, picture: np.ndarray) -> None:
    out = np.full((3, encoder.dim), np.nan, np.float32)
    before = address(out)
    rows = encoder.encode([picture] * 3, out=out)
    assert address(rows) == before
    assert np.shares_memory(rows, out)
    assert np.isfinite(out).all()


def test_the_array_that_the_core_fills_is_the_array_returned(encoder: pt.ImageEncoder, picture: np.ndarray) -> None:
    rows = encoder.encode([picture])
    assert rows.flags.owndata or rows.base is not None
    assert rows.flags.c_contiguous
    assert rows.dtype == np.float32


def test_pixels_are_read_where_they_lie(picture: np.ndarray) -> None:
    # A crop is a view with gaps between its rows: it is read through its stride, not copied first.
    crop = picture[8:40, 4:36]
    assert not crop.flags.c_contiguous
    assert np.array_equal(pt.resize(crop, (16, 16)), pt.resize(crop.copy(), (16, 16)))
    picture[:] = 7
    assert (pt.resize(crop, (16, 16)) == 7).all()  # a later change is seen: nothing was kept


def test_read_only_input_is_welcome(encoder: pt.ImageEncoder, picture: np.ndarray) -> None:
    expected = encoder.encode(picture)
    picture.flags.writeable = False
    assert np.array_equal(encoder.encode(picture), expected)


def test_references_are_given_back(encoder: pt.ImageEncoder, picture: np.ndarray) -> None:
    before = sys.getrefcount(picture)
    for _ in range(3):
        encoder.encode([picture, picture])
        pt.resize(picture, (8, 8))
    gc.collect()
    assert sys.getrefcount(picture) == before


def test_outputs_outlive_what_made_them(picture: np.ndarray) -> None:
    small = pt.resize(picture, (8, 8))
    view = small[2:]
    expected = view.copy()
    del small
    gc.collect()
    _ = [np.empty(1 << 16, np.uint8) for _ in range(50)]  # reuse freed memory, were it freed
    assert np.array_equal(view, expected)


def resident_megabytes() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def test_output_memory_is_freed_with_its_last_array(picture: np.ndarray) -> None:
    before = resident_megabytes()
    for _ in range(100):
        view = pt.resize(picture, (1500, 1500))[10:]  # 6.75 MB each
        del view
    assert resident_megabytes() - before < 100


def test_one_tensor_keeps_its_mapped_file() -> None:
    weights = _core.read_weights(str(pt.models.resolve("minilm").weights))
    kept = weights["pooler.dense.weight"]
    expected = kept.copy()
    del weights
    gc.collect()
    assert np.array_equal(kept, expected)
    assert not kept.flags.writeable


def test_search_borrows_vectors_and_fills_the_callers_arrays() -> None:
    vectors = np.random.default_rng(1).standard_normal((50, 16)).astype(np.float32)
    index = pt.Index(16)
    index.add(vectors)
    ids, scores = np.empty((5, 3), np.int64), np.empty((5, 3), np.float32)
    result = index.search(vectors[:5], 3, out=(ids, scores))
    assert address(result.ids) == address(ids)
    assert address(result.scores) == address(scores)
    assert (ids[:, 0] == np.arange(5)).all()


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        (np.zeros((4, 16), np.float64), "float64"),
        (np.zeros((16, 4), np.float32).T, "contiguous"),
        (np.zeros((4, 16), np.float32)[::2, ::2], "contiguous"),
        (np.zeros(3, np.int32), "int32"),
    ],
)
def test_other_types_and_layouts_are_refused_with_the_remedy(wrong: np.ndarray, part: str) -> None:
    index = pt.Index(16)
    with pytest.raises((TypeError, ValueError), match=part) as caught:
        index.add(wrong)
    assert "float32" in str(caught.value)
    assert len(index) == 0


def test_out_of_the_wrong_shape_is_refused(encoder: pt.ImageEncoder, picture: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"out: expected float32 \(2, 1280\)"):
        encoder.encode([picture] * 2, out=np.empty((1, encoder.dim), np.float32))
    frozen = np.empty((1, encoder.dim), np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="writable"):
        encoder.encode([picture], out=frozen)
