"""Saved indexes: those of earlier versions, damaged ones, and what a file keeps."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pictrieve as pt

DATA = Path(__file__).resolve().parent.parent / "data" / "indexes"


def regenerate() -> Any:
    spec = importlib.util.spec_from_file_location("regenerate", DATA / "regenerate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FIXTURES = regenerate()


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("name", FIXTURES.KINDS)
def test_files_of_version_2_stay_readable(tmp_path: Path, name: str, mmap: bool) -> None:
    metric, factory, dtype = FIXTURES.KINDS[name]
    expected = json.loads((DATA / "expected_v2.json").read_text(encoding="utf-8"))[name]
    index = pt.Index.load(DATA / f"{name}_v2.index", mmap=mmap)
    assert (index.metric, index.dim, len(index), index.note) == (metric, 16, 39, "format version 2")
    assert index.factory == ("Flat" if factory == "auto" else factory)
    assert sorted(index.ids) == sorted(set(range(100, 140)) - {103})
    ids, scores = index.search(FIXTURES.vectors(dtype, 4, seed=4), k=5)
    np.testing.assert_allclose(scores, expected["scores"], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(ids, expected["ids"])
    index.add(FIXTURES.vectors(dtype, 8, seed=5))
    assert index.ids.max() == 147
    index.compact()
    index.save(tmp_path / "again.index")
    assert len(pt.Index.load(tmp_path / "again.index")) == 47


@pytest.mark.parametrize("name", FIXTURES.KINDS)
def test_equal_calls_give_equal_files(tmp_path: Path, name: str) -> None:
    metric, factory, dtype = FIXTURES.KINDS[name]
    files = []
    for threads in (1, 2):
        before = pt.num_threads()
        pt.set_num_threads(threads)
        try:
            index = pt.Index(16, metric=metric, factory=factory, dtype=dtype, seed=3)
            index.add(FIXTURES.vectors(dtype, 400, seed=1))
            index.remove(np.arange(0, 400, 9))
            index.save(tmp_path / f"{threads}.index")
        finally:
            pt.set_num_threads(before)
        files.append((tmp_path / f"{threads}.index").read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("name", ["hnsw_cosine", "ivf_pq_cosine", "bits_hash_hamming"])
def test_a_file_cut_or_changed_anywhere_is_refused(tmp_path: Path, name: str) -> None:
    whole = (DATA / f"{name}_v2.index").read_bytes()
    path = tmp_path / "broken.index"
    for place in [*range(0, 600), *range(600, len(whole), 37)]:
        path.unlink(missing_ok=True)
        path.write_bytes(whole[:place])
        with pytest.raises(pt.FormatError):
            pt.Index.load(path)
        path.unlink()
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(pt.FormatError):
            pt.Index.load(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(pt.FormatError):
        pt.Index.load(path)


def test_damage_to_mapped_vectors_shows_in_health(tmp_path: Path) -> None:
    whole = bytearray((DATA / "flat_l2_v2.index").read_bytes())
    rows = FIXTURES.vectors("float32", 40, seed=1)
    place = whole.index(rows[7].tobytes())
    whole[place] ^= 1
    path = tmp_path / "broken.index"
    path.write_bytes(whole)
    with pytest.raises(pt.FormatError, match="checksum"):
        pt.Index.load(path)
    index = pt.Index.load(path, mmap=True)
    with pytest.raises(pt.FormatError, match="vectors are damaged"):
        index.health()
