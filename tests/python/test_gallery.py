"""The gallery as a user meets it: add, resume, search, filter, delete, sync, export."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from gallery_encoders import PALETTE, ColourEncoder, ColourWords, picture
from PIL import Image

from pictrieve import DecodeError
from pictrieve.gallery import FingerprintError, Gallery, GalleryError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with three pictures of each colour, one of them in a subfolder with a Chinese name."""
    root = tmp_path / "pictures"
    (root / "图片 é").mkdir(parents=True)
    for name in PALETTE:
        for i in range(3):
            where = root / "图片 é" if i == 2 else root
            Image.fromarray(picture(name, seed=i)).save(where / f"{name}{i}.png")
    (root / ".hidden.png").write_bytes(b"")
    (root / "notes.txt").write_text("not a picture")
    return root


@pytest.fixture
def gallery(tmp_path: Path, folder: Path) -> Gallery:
    """Give a gallery of that folder."""
    g = Gallery.create(tmp_path / "g", ColourWords())
    report = g.add(folder)
    assert (report.added, report.skipped, report.failed) == (24, 1, 0)
    return g


def test_words_find_pictures_and_pictures_find_themselves(gallery: Gallery, folder: Path) -> None:
    hits = gallery.search("something red", k=3)
    assert {hit.name for hit in hits} == {"red0.png", "red1.png", "red2.png"}
    assert hits.channel == "dual"
    path = str(folder / "blue0.png")
    hits = gallery.search(path, k=1)
    assert hits[0].path == path
    assert hits[0].score == pytest.approx(1.0, abs=1e-5)
    assert hits.channel == "features"
    assert hits[0].width == hits[0].height == 32


def test_scores_are_those_of_numpy(gallery: Gallery, folder: Path) -> None:
    encoder = ColourWords()
    items = list(gallery)
    rows = encoder.encode_images_both([item.path for item in items]).dual
    expected = rows @ encoder.encode_texts(["green"])[0]
    hits = gallery.search(text="green", k=100)
    assert len(hits) == 24
    by_id = dict(zip(hits.ids, hits.scores, strict=True))
    np.testing.assert_allclose([by_id[item.id] for item in items], expected, atol=1e-6)
    assert hits.scores == sorted(hits.scores, reverse=True)


def test_sums_of_pictures_and_words(gallery: Gallery, folder: Path) -> None:
    orange = folder / "orange0.png"
    hits = gallery.search(f"{orange} + red - 0.5:yellow", k=5)
    assert hits.channel == "dual"
    assert [term.weight for term in hits.terms] == [1.0, 1.0, -0.5]
    for hit in hits:
        assert sum(hit.contributions) == pytest.approx(hit.score, abs=1e-5)
    assert "+ red  - 0.5:yellow" in hits.explain()
    without = gallery.search(image=orange, negative="red", k=24)
    assert "red" not in "".join(hit.name for hit in without[:3])
    assert gallery.search(hits[0], k=1)[0].id == hits[0].id


def test_where_gives_exactly_k_while_k_match(gallery: Gallery) -> None:
    for item in gallery:
        name = Path(item.path or "").stem
        gallery.update(item.id, {"colour": name[:-1], "price": int(name[-1]) * 10, "shop": {"city": "柏林"}})
    hits = gallery.search("red", k=8, where="price >= 20")
    assert len(hits) == 8
    assert all(hit.metadata["price"] == 20 for hit in hits)
    hits = gallery.search("red", k=10, where="colour in ('blue', 'green') and not price = 0")
    assert sorted(hit.name for hit in hits) == ["blue1.png", "blue2.png", "green1.png", "green2.png"]
    assert len(gallery.search("red", where="colour = 'purple'")) == 0
    assert len(gallery.search("red", k=30, where="path like '%图片%' or width > 100")) == 8
    gallery.update([1], {"price": None})
    assert "price" not in gallery[1].metadata
    with pytest.raises(ValueError, match=r"no column 'cost'.*colour, price"):
        gallery.search("red", where="cost < 3")


def test_adding_again_encodes_nothing(tmp_path: Path, folder: Path) -> None:
    encoder = ColourWords()
    with Gallery.create(tmp_path / "g2", encoder) as g:
        g.add(folder)
        seen = encoder.image_encoder.seen
        report = g.add(folder)
        assert (report.added, report.updated, report.failed) == (0, 0, 0)
        os.utime(folder / "red0.png", ns=(1, 1))  # touched, not changed
        assert g.add(folder).updated == 0
        assert encoder.image_encoder.seen == seen
        old_id = g.search(folder / "red0.png", k=1)[0].id
        Image.fromarray(picture("white")).save(folder / "red0.png")
        report = g.add(folder, texts={"red0.png": "now white", "red1.png": "still red"})
        assert (report.added, report.updated) == (0, 1)
        assert g[old_id].text == "now white"
        assert {item.text for item in g} == {None, "now white", "still red"}
        assert encoder.image_encoder.seen == seen + 2  # the query, and the changed picture
        assert old_id in g.search("white", k=4).ids


def test_everything_a_picture_can_come_as(tmp_path: Path, folder: Path) -> None:
    with Gallery.create(tmp_path / "g2", ColourEncoder()) as g:
        encoded = (folder / "red0.png").read_bytes()
        rows = [encoded, picture("green"), Image.fromarray(picture("blue"))]
        assert g.add(rows, metadata=[{"n": 0}, {"n": np.int64(1)}, {"n": np.nan}]).added == 3
        assert [item.metadata for item in g] == [{"n": 0}, {"n": 1}, {}]
        assert g.add(rows).skipped == 3
        frame = pd.DataFrame({"path": [folder / "red1.png"], "label": ["r"], "text": ["红色"], "price": [1.5]})
        assert g.add(frame).added == 1
        assert g[4].text == "红色"
        assert g[4].metadata == {"label": "r", "price": 1.5}
        assert g.add({"path": folder / "red2.png", "label": "missing"}).failed == 1
        assert g.add(np.stack([picture("white"), picture("black")])).added == 2
        assert g.search(picture("green"), k=1)[0].id == 2
        assert g.search(Image.fromarray(picture("blue")), k=1)[0].id == 3
        assert g.search(vector=ColourEncoder().encode([encoded])[0], k=1)[0].id == 1
        with pytest.raises(GalleryError, match="knows no words"):
            g.search("red")
        with pytest.raises(DecodeError):
            g.search(b"no picture at all")
        with pytest.raises(ValueError, match="one entry for each of the 3 items"):
            g.add(rows, texts=["one"])
        with pytest.raises(FileNotFoundError):
            g.add(tmp_path / "nowhere")


def test_vectors_of_your_own(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((2500, 12)).astype(np.float32)
    with Gallery.create(tmp_path / "g2", dim=12) as g:
        assert g.add(vectors=rows, metadata=[{"n": i} for i in range(2500)]).added == 2500
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        expected = np.argsort(-(unit @ unit[7]), kind="stable")[:5]
        assert [hit.metadata["n"] for hit in g.search(vector=rows[7], k=5)] == expected.tolist()
        before = g.info()["bytes"]
        assert g.delete(range(1, 2401)) == 2400
        g.purge()
        assert g.info()["bytes"] < before / 4
        assert g.search(vector=rows[7], k=1)[0].id > 2400
        with pytest.raises(ValueError, match="as many numbers"):
            g.search(vector=rows[0, :5])
        with pytest.raises(ValueError, match=r"shape \(2500, 11\)"):
            g.add(vectors=rows[:, :11])
        with pytest.raises(GalleryError, match="no encoder"):
            g.search(image=picture("red"))


def test_large_galleries_search_a_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pictrieve.gallery.channels.GRAPH_FROM", 500)
    rows = np.random.default_rng(0).standard_normal((700, 12)).astype(np.float32)
    with Gallery.create(tmp_path / "g2", dim=12) as g:
        g.add(vectors=rows[:400])
        assert g._indexes["features"].refresh().factory == "Flat"
        g.add(vectors=rows[400:])
        assert g._indexes["features"].refresh().factory == "HNSW16"
        g.delete([3])
    with Gallery.open(tmp_path / "g2") as g:
        assert g._indexes["features"].refresh().factory == "HNSW16"
        assert len(g.search(vector=rows[2], k=700)) == 699
        assert g.search(vector=rows[650], k=1).ids == [651]
        assert g.health()["features"].recall > 0.9


def test_vectors_that_the_own_encoder_made_elsewhere(tmp_path: Path) -> None:
    pixels = [picture("red"), picture("blue")]
    both = ColourWords().encode_images_both(pixels)
    with Gallery.create(tmp_path / "g2", ColourWords()) as g:
        assert g.add(["r.png", "b.png"], vectors={"features": both.features, "dual": both.dual}).added == 2
        assert g.search("red", k=1)[0].name == "r.png"
        with pytest.raises(ValueError, match=r"expected the channels \['dual', 'features'\]"):
            g.add(vectors={"dual": both.dual})


def test_deleted_items_never_come_back(gallery: Gallery, folder: Path, tmp_path: Path) -> None:
    first = gallery.search("red", k=3)
    assert gallery.delete(first.ids[:2]) == 2
    assert gallery.delete(first.ids[:2]) == 0
    assert len(gallery) == 22
    assert not set(gallery.search("red", k=24).ids) & set(first.ids[:2])
    assert len(gallery.search("red", k=22)) == 22
    gallery.close()
    with Gallery.open(tmp_path / "g", ColourWords()) as g:
        assert not set(g.search("red", k=24).ids) & set(first.ids[:2])
        assert len(g.search("red", k=22)) == 22
        assert g.add(folder).added == 2
        assert not set(g.search("red", k=24).ids) & set(first.ids[:2])  # new ids
        g.delete(g.search("blue", k=3).ids)
        secret = g.search("green", k=1)[0]
        g.delete(secret.id)
        g.purge()
        assert len(g.search("green", k=24)) == 20
        stored = b"".join(path.read_bytes() for path in (tmp_path / "g").rglob("*") if path.is_file())
        assert secret.name.encode() not in stored
    with Gallery.open(tmp_path / "g", ColourWords()) as g:
        assert len(g.search("green", k=24)) == 20


def test_sync_follows_the_folder(gallery: Gallery, folder: Path) -> None:
    red = gallery.search(folder / "red0.png", k=1)[0].id
    gallery.update(red, {"keep": True})
    (folder / "red0.png").rename(folder / "renamed.png")
    (folder / "blue0.png").unlink()
    Image.fromarray(picture("white", seed=9)).save(folder / "blue1.png")
    Image.fromarray(picture("grey", seed=9)).save(folder / "new.png")
    report = gallery.sync(folder)
    assert (report.added, report.updated, report.removed, report.failed) == (1, 2, 1, 0)
    assert gallery[red].path == str(folder / "renamed.png")
    assert gallery[red].metadata == {"keep": True}
    again = gallery.sync(folder)
    assert (again.added, again.updated, again.removed, again.failed) == (0, 0, 0, 0)
    assert len(gallery) == 24
    with pytest.raises(NotADirectoryError):
        gallery.sync(folder / "unmounted")


def test_a_gallery_refuses_another_encoder(tmp_path: Path, gallery: Gallery) -> None:
    gallery.close()
    with pytest.raises(FingerprintError, match=r"written by 'colours\+words'.*create a new one"):
        Gallery.open(tmp_path / "g", ColourEncoder("other"))
    with Gallery.open(tmp_path / "g") as g:
        assert len(g) == 24  # what needs no encoder works without it
        with pytest.raises(GalleryError, match=r"Gallery.open\(path, encoder="):
            g.search("red")
        with pytest.raises(FingerprintError, match="vectors from elsewhere"):
            g.add(vectors=np.zeros((1, 64), np.float32))


def test_export_is_what_was_stored(gallery: Gallery, tmp_path: Path) -> None:
    gallery.export(tmp_path / "out")
    ids = np.load(tmp_path / "out" / "ids.npy")
    dual = np.load(tmp_path / "out" / "dual.npy")
    items = [json.loads(line) for line in (tmp_path / "out" / "items.jsonl").read_text().splitlines()]
    assert ids.tolist() == [item["id"] for item in items]
    expected = ColourWords().encode_images_both([item["path"] for item in items]).dual
    np.testing.assert_array_equal(dual, expected)
    with pytest.raises(ValueError, match="'npy'"):
        gallery.export(tmp_path / "out", format="parquet")


def test_bad_questions_are_refused(gallery: Gallery) -> None:
    for arguments, message in (
        ({}, "expected a query"),
        ({"query": "- red"}, "only negative"),
        ({"query": "red", "k": 0}, "k: expected"),
        ({"query": "red - red"}, "cancel"),
        ({"query": "red", "weights": {"image": 2}}, "no part"),
        ({"query": "red + blue", "weights": [1]}, "one for each of the 2 terms"),
        ({"vector": np.zeros(64)}, "not all zero"),
    ):
        with pytest.raises(ValueError, match=message):
            gallery.search(**arguments)
    with pytest.raises(KeyError):
        gallery.update(999, {"a": 1})


def test_confidence_separates_a_find_from_noise(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((3000, 48)).astype(np.float32)
    target = rng.standard_normal(48).astype(np.float32)
    rows[:4] = target + 0.3 * rng.standard_normal((4, 48))
    with Gallery.create(tmp_path / "g2", dim=48) as g:
        g.add(vectors=rows)
        assert sorted(g.search(vector=target, k=20, min_confidence=0.99).ids) == [1, 2, 3, 4]
        unrelated = rng.standard_normal(48).astype(np.float32)
        assert len(g.search(vector=unrelated, k=20, min_confidence=0.99)) == 0


def test_info_and_health(gallery: Gallery) -> None:
    info = gallery.info()
    assert info["items"] == 24
    assert set(info["channels"]) == {"features", "dual"}
    assert info["bytes"] > 10_000
    assert info["format_version"] == 1
    assert gallery.health()["features"].recall == 1.0
    assert "24 items" in repr(gallery)


def test_position_data_of_a_photo_is_not_stored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET-PLACE"
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 7.0)}
    Image.fromarray(picture("red")).save(tmp_path / "a.jpg", exif=exif)
    assert b"SECRET-PLACE" in (tmp_path / "a.jpg").read_bytes()
    with Gallery.create(tmp_path / "g2", ColourEncoder()) as g:
        g.add(tmp_path / "a.jpg")
        stored = b"".join(path.read_bytes() for path in (tmp_path / "g2").rglob("*") if path.is_file())
    assert b"SECRET-PLACE" not in stored


def test_folders_in_circles_and_galleries_inside(tmp_path: Path, folder: Path) -> None:
    (folder / "circle").symlink_to(folder)
    (folder / "图片 é" / "up").symlink_to(folder)
    (folder / "dangling.png").symlink_to(folder / "nothing.png")
    odd = os.fsencode(folder) + b"/odd\xff\n\xf0.png"
    shutil.copyfile(folder / "red0.png", odd)
    with Gallery.create(folder / "inside.gallery", ColourWords()) as g:
        report = g.add(folder)
        assert (report.added, report.failed) == (25, 1)
        assert [os.path.basename(row.path) for row in g.failures()] == ["dangling.png"]
        assert os.fsdecode(odd) in {item.path for item in g}
        assert g.add(folder).added == 0
        hits = g.search("red", k=4)
        assert json.loads(hits.to_json())[0]["rank"] == 1
        assert "odd" in repr(hits)
        hits._repr_html_().encode("utf-8")
