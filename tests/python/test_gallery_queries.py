"""What a gallery says to queries and encoders that make no sense."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pictrieve as pt


@pytest.fixture
def own(tmp_path: Path) -> pt.Gallery:
    gallery = pt.Gallery.create(tmp_path / "own.gallery", dim=8)
    gallery.add(vectors=np.eye(8, dtype=np.float32), metadata=[{"n": i} for i in range(8)])
    return gallery


def test_a_list_of_numbers_is_one_vector(own: pt.Gallery) -> None:
    query = [0.0] * 8
    query[3] = 1.0
    assert own.search(vector=query, k=1)[0].metadata == {"n": 3}


def test_k_beyond_the_gallery_gives_all(own: pt.Gallery) -> None:
    assert len(own.search(vector=np.ones(8, np.float32), k=10**20)) == 8


@pytest.mark.parametrize("wrong", [95, -0.1, float("nan")])
def test_a_confidence_is_a_share(own: pt.Gallery, wrong: float) -> None:
    with pytest.raises(ValueError, match="min_confidence: expected 0 to 1"):
        own.search(vector=np.ones(8, np.float32), min_confidence=wrong)


def test_empty_words_are_refused(tmp_path: Path) -> None:
    gallery = pt.Gallery.create(tmp_path / "g")
    with pytest.raises(ValueError, match="empty text"):
        gallery.search(text="  ")
    with pytest.raises(TypeError, match="expected words as str, got int"):
        gallery.search(text=5)  # type: ignore[arg-type]


def test_encoders_that_cannot_write_a_gallery_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="got TextEncoder"):
        pt.Gallery.create(tmp_path / "a", pt.TextEncoder("minilm"))
    with pytest.raises(ValueError, match="text: expected only beside an encoder given by name"):
        pt.Gallery.create(tmp_path / "b", pt.DualEncoder(), text="minilm")


def test_a_gallery_of_an_encoder_from_a_directory_opens_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pt.ImageEncoder("efficientnet_lite0").save_pretrained(tmp_path / "models" / "lite")
    monkeypatch.chdir(tmp_path / "models")
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    with pt.Gallery.create(tmp_path / "g", "lite") as gallery:
        gallery.add([picture])
    monkeypatch.chdir(tmp_path)
    with pt.Gallery.open(tmp_path / "g") as gallery:
        assert gallery.search(image=picture)[0].score == pytest.approx(1, abs=1e-5)


def test_json_is_json_on_any_terminal(tmp_path: Path) -> None:
    picture = np.zeros((32, 32, 3), np.uint8)
    with pt.Gallery.create(tmp_path / "g") as gallery:
        gallery.add([picture], metadata=[{"name": "café 🙂 猫"}])
    done = subprocess.run(
        [sys.executable, "-m", "pictrieve", "search", str(tmp_path / "g"), "--text", "black", "--json"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=True,
    )
    assert json.loads(done.stdout)[0]["metadata"] == {"name": "café 🙂 猫"}
