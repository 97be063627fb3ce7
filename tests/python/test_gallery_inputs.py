"""What is handed to a gallery: tables of captions and metadata, arrays, generators, broken and odd values."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from gallery_encoders import PALETTE, ColourEncoder, ColourWords, picture
from PIL import Image

from pictrieve.gallery import Gallery
from pictrieve.gallery.items import item_ids


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    """Give an empty gallery of colours."""
    with Gallery.create(tmp_path / "g", ColourEncoder()) as g:
        yield g


def three_pictures(folder: Path) -> list[str]:
    folder.mkdir(exist_ok=True)
    for name in ("red", "green", "blue"):
        Image.fromarray(picture(name)).save(folder / f"{name}.png")
    return [str(folder / f"{name}.png") for name in ("red", "green", "blue")]


def test_tables_count_by_position_whatever_their_labels(gallery: Gallery, tmp_path: Path) -> None:
    paths = three_pictures(tmp_path / "p")
    texts = pd.Series(["red", np.nan, "blue"], index=[2, 1, 0])
    gallery.add(paths, texts=texts, metadata=pd.Series([{"n": 1}, {"n": 2}, None], index=["a", "b", "c"]))
    assert [item.text for item in gallery] == ["red", None, "blue"]
    assert [item.metadata for item in gallery] == [{"n": 1}, {"n": 2}, {}]
    gallery.add(paths, texts=(f"{i}" for i in range(3)))
    assert [item.text for item in gallery] == ["0", "1", "2"]
    with pytest.raises(TypeError, match="texts: expected one entry for each item"):
        gallery.add(paths, texts=5)
    with pytest.raises(ValueError, match="one entry for each"):
        gallery.add((path for path in paths), texts=["a"])


def test_ids_are_whole_numbers() -> None:
    assert item_ids(3) == item_ids(np.int32(3)) == item_ids([3]) == item_ids({3}) == [3]
    assert item_ids(range(2)) == item_ids(np.arange(2)) == item_ids(pd.Series([0, 1])) == [0, 1]
    assert item_ids([]) == []
    for wrong in (1.9, "3", ["3"], [1.0], True, [True, False], [1, True], np.array([True]), None, [None], [[1]], 2**70):
        with pytest.raises(TypeError, match="ids: expected one whole number or several"):
            item_ids(wrong)


def test_broken_pictures_in_memory_are_reported_one_by_one(gallery: Gallery) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(buffer, "JPEG")
    cut = Image.open(io.BytesIO(buffer.getvalue()[:1000]))
    report = gallery.add([picture("red"), cut, np.zeros((3, 8, 9), np.uint8), 5, picture("blue")])
    assert (report.added, report.failed) == (2, 3)
    assert [row.status for row in report.rows] == ["corrupt", "unsupported", "unsupported"]
    assert "truncated" in report.rows[0].reason


def test_a_row_without_path_is_named(gallery: Gallery, tmp_path: Path) -> None:
    paths: list[object] = [*three_pictures(tmp_path / "p")]
    for missing in (None, np.nan, pd.NA):
        paths[1] = missing
        with pytest.raises(ValueError, match="row 1 of the DataFrame has nothing in its column 'path'"):
            gallery.add(pd.DataFrame({"path": paths}))


def test_arrays_are_one_picture_or_many_by_their_dimensions(gallery: Gallery) -> None:
    assert gallery.add(picture("red")[:, :, :1]).added == 1
    assert gallery.add(picture("red")[:, :, 0] // 2).added == 1
    assert gallery.add(np.stack([picture("white"), picture("black")])).added == 2
    with pytest.raises(ValueError, match="channels come last"):
        gallery.add(np.zeros((3, 32, 32), np.uint8))
    with pytest.raises(TypeError, match="uint8"):
        gallery.add(np.zeros((32, 32, 3), np.float32))
    assert len(gallery) == 4


def test_metadata_of_any_kind_is_taken_again(gallery: Gallery, tmp_path: Path) -> None:
    path = three_pictures(tmp_path / "p")[0]
    odd = {"box": np.array([1, 2]), "when": pd.NaT, "price": pd.NA, "name": "a\ud800b", "pair": "\ud83d\ude00"}
    for _ in range(2):
        gallery.add([path], metadata=[odd], texts=["half \udfff"])
    item = next(iter(gallery))
    assert item.metadata == {"box": [1, 2], "name": "a\ufffdb", "pair": "\U0001f600"}
    assert item.text == "half \ufffd"


def test_generators_are_not_read_ahead(tmp_path: Path) -> None:
    read = 0
    committed: list[int] = []

    def pictures() -> Iterator[np.ndarray]:
        nonlocal read
        for read in range(1, 101):
            yield picture(list(PALETTE)[read % 8], seed=read)

    from pictrieve.gallery.ingest import Ingest, IngestOptions
    from pictrieve.gallery.report import Report
    from pictrieve.gallery.sources import stream

    with Gallery.create(tmp_path / "g", ColourWords()) as g:
        report = Report()
        options = IngestOptions(batch_size=8, on_commit=lambda _: committed.append(read))
        sources = stream(pictures(), (({"n": i}) for i in range(100)), None, report)
        Ingest(g._store, g._spaces, report, options).run(sources)
        assert report.added == 100
        assert committed[0] <= 16
        assert [item.metadata["n"] for item in g] == list(range(100))
