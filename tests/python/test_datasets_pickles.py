"""Revisited Oxford and Paris, and the reader of their pickles, which takes data and runs nothing."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_trees import lines, photos
from hypothesis import given
from hypothesis import strategies as st

from pictrieve.datasets import CountWarning, RevisitedOxford, RevisitedParis, read_pickle, relevance

BY_COLUMNS = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
ARRAYS = [np.arange(6), np.arange(6, dtype=">i2"), BY_COLUMNS, np.array([True]),
          np.array(["x", "猫猫"]), np.empty(0), np.array(5), np.array([b"ab"])]  # fmt: skip
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(value=PLAIN, protocol=st.integers(0, 5))
def test_plain_values_are_read_as_pickle_reads_them(
    tmp_path_factory: pytest.TempPathFactory, value: Any, protocol: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "v.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    ours = read_pickle(path)
    assert repr(ours) == repr(value)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_are_read_as_numpy_reads_them(tmp_path: Path, array: np.ndarray, protocol: int) -> None:
    path = tmp_path / "v.pkl"
    path.write_bytes(pickle.dumps({"a": [array, array.ravel()[:1]], "n": np.float32(2.5)}, protocol))
    ours = read_pickle(path)
    assert ours["a"][0].dtype == array.dtype
    assert np.array_equal(ours["a"][0], array)
    assert ours["n"] == 2.5


def test_names_of_old_numpy_and_python_2_are_known(tmp_path: Path) -> None:
    path = tmp_path / "v.pkl"
    content = pickle.dumps([np.arange(3)], 2)
    path.write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert read_pickle(path)[0].tolist() == [0, 1, 2]
    path.write_bytes(b"(dp0\nS'name'\np1\nS'all_souls_\\xe9'\np2\ns.")  # protocol 0 of Python 2, bytes as text
    assert read_pickle(path) == {"name": "all_souls_é"}


class Command:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


class Plain:
    """An instance, which pickle makes without calling anything by name but its class."""


def hostile(marker: Path) -> dict[str, bytes]:
    command = f"touch {marker}"
    array = pickle.dumps(np.arange(3), 2)
    return {
        "system": pickle.dumps(Command(os.system, command)),
        "system, first protocol": pickle.dumps(Command(os.system, command), 0),
        "eval inside": pickle.dumps({"imlist": [Command(eval, f"open({str(marker)!r}, 'w')")]}),
        "instance": pickle.dumps(Plain()),
        "instance, old": b"(iposix\nsystem\n.",
        "numpy's loader": pickle.dumps(Command(np.load, str(marker))),
        "array of objects": pickle.dumps(np.array([Command(os.system, command)], object), 2),
        "array of plain objects": pickle.dumps(np.array([{}], object), 2),
        "record array": pickle.dumps(np.zeros(1, [("a", "i4"), ("b", "O")]), 2),
        "a type as data": b"cnumpy\nndarray\n.",
        "an attribute by dots": b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.",
        "state for a type": b"cnumpy\nndarray\n}b.",
        "state for a reader of ours": b"cnumpy.core.multiarray\nscalar\n(N}U\x08__init__cnumpy\ndtype\nstb.",
        "state for what was read": array[:-1] + b"}b.",
        "encode by another codec": b"c_codecs\nencode\n(X\x01\x00\x00\x00xX\x03\x00\x00\x00hextR.",
        "persistent id": b"Pabc\n.",
        "extension": b"\x80\x02\x82\x01.",
        "deep key": b"\x80\x02})" + b"\x85" * 1_000_000 + b"Ns.",
        "deep key by the memo": b"\x80\x04})" + b"\x85\x94" * 1_000_000 + b"Ns.",
        "wide key": b"\x80\x02})" + b"2\x86" * 60 + b"Ns.",
        "wide key by the memo": b"\x80\x04})" + b"\x94" + b"".join(b"h%c\x86\x94" % n for n in range(60)) + b"Ns.",
        "memo without end": b"\x80\x02]r\xff\xff\xff\x7f.",
        "itself": b"]q\x00h\x00a.",
        "cut array": array[:-9] + b".",
        "shape that does not fit": array.replace(b"K\x03\x85", b"K\x04\x85"),
        "cut off": pickle.dumps(list(range(1000)))[:-10],
        "text": b"no pickle at all",
        "empty": b"",
        "deep": b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".",
    }


@pytest.mark.parametrize("name", hostile(Path()))
def test_hostile_pickles_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "v.pkl"
    path.write_bytes(hostile(tmp_path / "ran")[name])
    with pytest.raises(ValueError, match=r"v\.pkl: expected a (pickle of plain data|whole pickle)"):
        read_pickle(path)
    assert not (tmp_path / "ran").exists()


def test_a_refused_pickle_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "v.pkl"
    path.write_bytes(hostile(tmp_path)["state for a reader of ours"])
    with pytest.raises(ValueError, match="damaged file or none"):
        read_pickle(path)
    path.write_bytes(pickle.dumps(np.float32(3)))
    assert read_pickle(path) == 3


def test_what_is_refused_is_named(tmp_path: Path) -> None:
    path = tmp_path / "v.pkl"
    for name, message in (
        ("system", "got posix.system; it is not read"),
        ("memo without end", "got a memo number of 2147483647 at byte 3"),
        ("array of plain objects", r"got an array of 'O8'"),
        ("encode by another codec", "got a call of encode with 'hex'"),
        ("extension", "got an extension code"),
        ("wide key", "got tuples within tuples without end"),
        ("deep key by the memo", "got tuples within tuples without end"),
        ("itself", "got a container that holds itself"),
        ("a type as data", "got a type in place of data"),
    ):
        path.write_bytes(hostile(tmp_path)[name])
        with pytest.raises(ValueError, match=message):
            read_pickle(path)


def test_shared_lists_do_not_swell(tmp_path: Path) -> None:
    value: list[Any] = ["x"]
    for _ in range(60):  # 2 to the power of 60, if each were copied
        value = [value, value]
    (tmp_path / "v.pkl").write_bytes(pickle.dumps(value))
    ours = read_pickle(tmp_path / "v.pkl")
    assert ours[0] is ours[1]


def ground_truth() -> dict[str, Any]:
    return {
        "imlist": ["all_souls_000", "christ_church_1", "猫_2", "d"],
        "qimlist": ["q0", "q1"],
        "gnd": [{"bbx": [1.5, 2.0, 20.5, 19.0], "easy": np.array([0, 2]), "hard": np.array([1]), "junk": [3]},
                {"bbx": np.array([0, 0, 8.0, 8.0]), "easy": np.empty(0, int), "hard": np.array([3, 0]), "junk": []}],
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore::pictrieve.datasets.CountWarning")
def test_revisited_oxford(tmp_path: Path) -> None:
    truth = ground_truth()
    (tmp_path / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(truth, 2))
    photos(tmp_path / "jpg", [f"{name}.jpg" for name in truth["imlist"] + truth["qimlist"]])
    ds = RevisitedOxford(tmp_path, check_files=True)
    assert [path.stem for path in ds.gallery().paths] == truth["imlist"]
    assert [path.stem for path in ds.queries().paths] == truth["qimlist"]
    assert [image.shape for image in ds.queries().images()] == [(17, 20, 3), (8, 8, 3)]
    assert relevance(ds, "easy") == ([[0, 2], []], [[1, 3], [0, 3]])
    assert relevance(ds, "medium") == ([[0, 1, 2], [0, 3]], [[3], []])
    assert relevance(ds, "hard") == ([[1], [0, 3]], [[0, 2, 3], []])
    with pytest.raises(ValueError, match="easy, medium or hard, got 'expert'"):
        relevance(ds, "expert")  # type: ignore[arg-type]
    for one in truth["gnd"]:
        one.update({key: np.asarray(value).tolist() for key, value in one.items()})
    lines(tmp_path / "gnd_rparis6k.json", json.dumps(truth))
    paris = RevisitedParis(tmp_path)
    assert paris.metadata == ds.metadata


def test_ground_truth_that_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "gnd_roxford5k.pkl"
    for change, message in (
        ({"gnd": ground_truth()["gnd"][:1]}, "bbx, easy, hard and junk for each of 2 queries"),
        ({"imlist": ["a"]}, "expected easy pictures 0 to 0, got 2"),
        ({"qimlist": ["a"]}, "for each of 1 queries"),
    ):
        path.write_bytes(pickle.dumps(ground_truth() | change))
        with pytest.raises(ValueError, match=message):
            RevisitedOxford(tmp_path)
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(ValueError, match="a dict with imlist, qimlist and gnd, got list"):
        RevisitedOxford(tmp_path)
    path.write_bytes(pickle.dumps(ground_truth()))
    with pytest.warns(CountWarning, match="query: 70 expected, 2 got; gallery: 4,993 expected, 4 got"):
        RevisitedOxford(tmp_path)
