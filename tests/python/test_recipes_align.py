"""`align`: what is trained is what is served, it helps on photos never seen, and wrong data is named."""

from __future__ import annotations

import csv
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pictrieve as pt  # noqa: E402
from pictrieve import datasets, finetune  # noqa: E402
from pictrieve.encoders.aligned import LabelTexts  # noqa: E402
from pictrieve.finetune.pairs import Pairs  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

Array = np.ndarray[Any, Any]
QUIET: dict[str, Any] = {"show_progress_bar": False}


@pytest.fixture(scope="module")
def encoders() -> tuple[pt.ImageEncoder, pt.TextEncoder]:
    return pt.ImageEncoder(), pt.TextEncoder()


@pytest.fixture(scope="module")
def photos(data: Path) -> datasets.Dataset:
    every = datasets.Table(data / "flickr8k" / "captions.csv")
    train, test = (every.split(name).subset(range(count)) for name, count in (("train", 50), ("test", 40)))
    paths, captions = train.paths + test.paths, [some[:2] for some in (train.captions or []) + (test.captions or [])]
    return datasets.Dataset(paths, captions=captions, splits=["train"] * 50 + ["test"] * 40)


@pytest.fixture(scope="module")
def cached(data: Path) -> tuple[Array, list[list[str]]]:
    folder = data / "flickr8k_features"
    with (folder / "captions.csv").open(encoding="utf-8", newline="") as file:
        captions = [[row["caption_0"]] for row in csv.DictReader(file)][:800]
    return np.load(folder / "features_u8.npy")[:800] * np.load(folder / "scale.npy"), captions


def random_pairs(n: int = 24, seed: int = 0) -> tuple[Array, Array]:
    chance = np.random.default_rng(seed)
    return chance.standard_normal((n, 1280), np.float32), chance.standard_normal((n, 2, 384), np.float32)


def unit(rows: Array) -> Array:
    made: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return made


def test_what_is_served_is_the_formula(
    photos: datasets.Dataset, encoders: tuple[pt.ImageEncoder, pt.TextEncoder], tmp_path: Path
) -> None:
    """Both sides by plain NumPy from the file of the heads; copies, pickles and a gallery give the same."""
    image, text = encoders
    dual = finetune.align(
        image, text, photos.split("train"), dim=24, label_space=0.5, epochs=2, out=tmp_path / "run", **QUIET
    )
    heads = pt._core.read_weights(str(tmp_path / "run" / "model" / "heads.safetensors"))
    test, words = photos.split("test").subset(range(6)), ["a dog runs", "two children play"]
    look = image.look(test.paths, probabilities=True, show_progress_bar=False)
    labels = LabelTexts(text)
    for served, rows, side, part in (
        (dual.encode_images(test.paths), look.features, "image", labels.pictures(look)),
        (dual.encode_texts(words), text.encode(words), "text", labels.texts(words, 32, False)),
    ):
        learnt = unit((rows - heads[f"{side}.mean"]) @ heads[f"{side}.matrix"].T)
        expected = unit(np.concatenate([learnt, 0.5 * part], axis=1))
        assert served.shape == (len(rows), 1024)
        assert dual.dim == 1024
        assert np.abs(served - expected).max() < 1e-5
    dual.save_pretrained(tmp_path / "copy")
    copy = pt.DualEncoder.from_pretrained(tmp_path / "copy")
    assert not (tmp_path / "copy" / "image").exists(), "a model that comes with us is kept by name"
    again = pickle.loads(pickle.dumps(dual))
    assert copy.fingerprint == dual.fingerprint == again.fingerprint
    assert np.array_equal(copy.encode_texts(words), dual.encode_texts(words))
    assert np.array_equal(again.encode_texts(words), dual.encode_texts(words))
    with pt.Gallery.create(tmp_path / "g", dual) as gallery:
        gallery.add(test.paths)
    with pt.Gallery.open(tmp_path / "g") as gallery:  # its encoder is found again
        hits = gallery.search(text=words[0], k=6)
        scores = dual.encode_images(test.paths) @ dual.encode_texts(words[0])
        assert [Path(hit.path).name for hit in hits] == [test.paths[i].name for i in np.argsort(-scores)]


def test_captions_lift_recall_on_other_photos(
    photos: datasets.Dataset,
    cached: tuple[Array, list[list[str]]],
    encoders: tuple[pt.ImageEncoder, pt.TextEncoder],
    tmp_path: Path,
) -> None:
    """800 stored rows against the space without training, which the report has as "before"."""
    check = photos.split("test")
    finetune.align(*encoders, cached, validation=check, epochs=20, patience=20, out=tmp_path / "run", **QUIET)
    report = finetune.Run(tmp_path / "run").report()
    zero = pt.DualEncoder()
    look = encoders[0].look(check.paths, probabilities=True, show_progress_bar=False)
    texts = [caption for some in check.captions or [] for caption in some]
    before = pt.evaluate.image_text(
        LabelTexts(encoders[1]).pictures(look), zero.encode_texts(texts), np.repeat(np.arange(40), 2), ks=(1, 5, 10)
    )
    assert abs(report.before["recall@1"] - before.text_to_image["recall@1"]) < 1e-9
    assert report.after["recall@1"] > report.before["recall@1"]
    assert report.after["recall@5"] > report.before["recall@5"]
    dual = finetune.Run(tmp_path / "run").encoder
    rows = dual.encode_images(check.paths), dual.encode_texts(texts)
    after = pt.evaluate.image_text(*rows, np.repeat(np.arange(40), 2), ks=(1, 5, 10))
    assert abs(report.after["recall@1"] - after.text_to_image["recall@1"]) < 1e-9
    assert abs(report.after["image_to_text_recall@1"] - after.image_to_text["recall@1"]) < 1e-9


def test_the_weight_is_chosen_on_pictures_not_seen(
    photos: datasets.Dataset, encoders: tuple[pt.ImageEncoder, pt.TextEncoder], tmp_path: Path
) -> None:
    dual = finetune.align(*encoders, photos.split("train"), dim=16, epochs=2, out=tmp_path / "run", **QUIET)
    note = json.loads((tmp_path / "run" / "model" / "aligned.json").read_text(encoding="utf-8"))
    facts = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))["facts"]
    assert facts == {"label_weight": note["label_weight"], "chosen_on_pictures": 6}
    assert note["label_weight"] > 0, "after two epochs the heads know nothing, and the label space much"
    assert dual.dim == 1016


def test_a_changed_encoder_is_copied_and_checked(tmp_path: Path) -> None:
    image = pt.ImageEncoder(pooling="gem")
    dual = finetune.align(image, "minilm", random_pairs(), dim=8, epochs=1, out=tmp_path / "run", **QUIET)
    assert dual.dim == 8
    assert dual.image_encoder.pooling == "gem"
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert np.abs(dual.image_encoder.encode(picture) - image.encode(picture)).max() < 1e-6
    path = tmp_path / "run" / "model" / "aligned.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"model": "image"', '"model": "efficientnet_lite0"'))
    with pytest.raises(pt.FormatError, match="expected the encoder that it was trained with"):
        pt.DualEncoder(tmp_path / "run" / "model").encode_images(picture)


def test_equal_seeds_give_equal_heads(
    encoders: tuple[pt.ImageEncoder, pt.TextEncoder],
) -> None:
    same, other = ([finetune.align(*encoders, random_pairs(), dim=8, epochs=2, batch_size=8, seed=seed, **QUIET)
                    .encode_texts("x") for seed in seeds] for seeds in ((3, 3), (3, 4)))  # fmt: skip
    assert np.array_equal(*same)
    assert not np.array_equal(*other)


def test_mean_reciprocal_is_that_of_loops() -> None:
    counts = np.array([2, 1, 3, 2])
    scores = np.random.default_rng(1).standard_normal((8, 4)).astype(np.float32)
    pairs = Pairs(np.zeros((4, 2), np.float32), np.zeros((8, 2), np.float32), counts)
    owner = [0, 0, 1, 2, 2, 2, 3, 3]
    forth = [1 / (1 + sum(other > scores[i, own] for other in scores[i])) for i, own in enumerate(owner)]
    back = []
    for picture in range(4):
        order = sorted(range(8), key=lambda i: -scores[i, picture])
        back.append(1 / (1 + min(order.index(i) for i in range(8) if owner[i] == picture)))
    assert abs(pairs.mean_reciprocal(scores) - (np.mean(forth) + np.mean(back)) / 2) < 1e-12
    assert pairs.subset(np.array([2, 0])).owner.tolist() == [0, 0, 0, 1, 1]


def test_wrong_pairs_are_named(encoders: tuple[pt.ImageEncoder, pt.TextEncoder], photos: datasets.Dataset) -> None:
    images, texts = random_pairs()
    wrong: list[tuple[Any, str]] = [
        (datasets.Dataset(photos.paths), "expected pictures with captions, got none"),
        ((images[:, :5], texts), r"expected floats \(n, 1280\), the encoder's dim, got float32 \(24, 5\)"),
        ((images, texts[..., :3]), r"expected floats \(n, c, 384\)"),
        ((images, texts[:4]), "expected captions of 24 pictures, got those of 4"),
        ((np.where(images > 2, np.nan, images), texts), "expected finite numbers"),
        ((images[:2], [["a dog"], []]), "row 1 has none"),
        ((images[:1], texts[:1]), "expected 2 captioned pictures or more, got 1"),
    ]
    for pairs, message in wrong:
        with pytest.raises(ValueError, match=message):
            finetune.align(*encoders, pairs, **QUIET)
    with pytest.raises(TypeError, match="got list"):
        finetune.align(*encoders, [images, texts], **QUIET)
    with pytest.raises(ValueError, match='label_space: expected "auto" or a weight'):
        finetune.align(*encoders, (images, texts), label_space="yes", **QUIET)
