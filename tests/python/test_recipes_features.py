"""Recipes on cached features: probe, prototypes, episodes and binary codes, beside their references."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.neighbors import NearestCentroid  # noqa: E402

import pictrieve as pt  # noqa: E402
from pictrieve import datasets, finetune  # noqa: E402
from pictrieve.finetune.hashing import class_codes, rotated  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

Array = np.ndarray[Any, Any]
QUIET: dict[str, Any] = {"show_progress_bar": False}


@pytest.fixture(scope="module")
def grocery(data: Path) -> dict[str, tuple[Array, Array]]:
    """Rows and labels of 12 products, by split."""
    with (data / "grocery" / "labels.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    rows = np.load(data / "vectors" / "efficientnet_lite0_grocery" / "features.npy").astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels, splits = (np.array([row[name] for row in table]) for name in ("label", "split"))
    few = np.isin(labels, np.unique(labels)[::4][:12])
    return {name: (rows[few & (splits == name)], labels[few & (splits == name)]) for name in ("train", "test")}


@pytest.fixture(scope="module")
def short(grocery: dict[str, tuple[Array, Array]]) -> dict[str, tuple[Array, Array]]:
    """Every tenth number of the rows, which the references are quick with."""
    cut = {name: (rows[:, ::10], labels) for name, (rows, labels) in grocery.items()}
    return {name: (rows / np.linalg.norm(rows, axis=1, keepdims=True), labels) for name, (rows, labels) in cut.items()}


@pytest.mark.parametrize("balanced", [False, True])
def test_the_probe_is_scikit_learns(short: dict[str, tuple[Array, Array]], balanced: bool) -> None:
    rows, labels = short["train"]
    rows, labels = rows[30:], labels[30:]  # classes of different size
    ours = finetune.linear_probe(None, (rows, labels), c=10.0, balanced=balanced)
    theirs = LogisticRegression(C=10.0, tol=1e-9, max_iter=5000, class_weight="balanced" if balanced else None)
    theirs.fit(rows.astype(np.float64), labels)
    test, truth = short["test"]
    assert np.abs(ours.predict_proba(test) - theirs.predict_proba(test)).max() < 1e-4
    assert ours.classes == theirs.classes_.tolist()
    known = np.isin(truth, ours.classes)
    report = ours.report((test[known], truth[known]))
    assert report.accuracy.mean == pytest.approx(theirs.score(test[known], truth[known]), abs=1e-12)
    assert report.confusion.sum() == known.sum()
    left = truth != truth[0]
    with pytest.warns(
        UserWarning,
        match=rf"{(~(known & left)).sum()} of {len(truth)} pictures are left out, of 2 classes .*: of no class",
    ):
        unseen = ours.report((test, np.where(left, truth, "of no class")))
    assert unseen.confusion.sum() == (known & left).sum()
    assert unseen.accuracy.mean == pytest.approx(theirs.score(test[known & left], truth[known & left]), abs=1e-12)
    with pytest.raises(ValueError, match=r"test: expected pictures of .* trained class, got of no class"):
        ours.report((test, ["of no class"] * len(test)))


def test_the_probe_chooses_c_and_is_kept(short: dict[str, tuple[Array, Array]], tmp_path: Path) -> None:
    test, truth = short["test"]
    fitted = {c: finetune.linear_probe(None, short["train"], c=c).report((test, truth)) for c in (0.01, 30.0)}
    chosen = finetune.linear_probe(None, short["train"], c=[0.01, 30.0], validation=(test, truth))
    assert chosen.report((test, truth)).accuracy.mean == max(report.accuracy.mean for report in fitted.values())
    chosen.save(tmp_path / "probe.safetensors")
    again = finetune.LinearClassifier.load(tmp_path / "probe.safetensors")
    assert np.array_equal(again.scores(test), chosen.scores(test))
    assert again.classes == chosen.classes
    assert again.predict(3 * test) == chosen.predict(test), "lengths do not matter"
    with pytest.raises(ValueError, match=r"no encoder, got list; LinearClassifier.load\(path, encoder\) reads"):
        again.predict(["shoe.jpg"])


def test_a_kept_probe_takes_the_name_of_its_encoder(data: Path, tmp_path: Path) -> None:
    table = datasets.Table(data / "grocery" / "labels.csv")
    few = table.filter(lambda s: s.label in ("Lemon", "Zucchini") and int(s.path.stem[-2:]) < 4)
    probe = finetune.linear_probe("efficientnet_lite0", few, **QUIET)
    probe.save(tmp_path / "probe.safetensors")
    again = finetune.LinearClassifier.load(tmp_path / "probe.safetensors", "efficientnet_lite0")
    assert again.predict(few.paths) == probe.predict(few.paths)
    other = pt.Preprocess("imagenet")
    with pytest.raises(pt.FormatError, match="expected the encoder that it was fitted with"):
        finetune.LinearClassifier.load(
            tmp_path / "probe.safetensors", pt.ImageEncoder("efficientnet_lite0", preprocess=other)
        )


def test_prototypes_are_those_of_scikit_learn(short: dict[str, tuple[Array, Array]]) -> None:
    (rows, labels), (test, truth) = short["train"], short["test"]
    mean = finetune.prototypes(None, (rows, labels))
    assert mean.predict(test) == NearestCentroid().fit(rows, labels).predict(test).tolist()
    lda = finetune.prototypes(None, (rows, labels), head="lda", shrinkage=0.2)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2).fit(rows.astype(np.float64), labels)
    assert np.abs(lda.predict_proba(test) - theirs.predict_proba(test)).max() < 1e-3
    assert lda.report((test, truth)).accuracy.mean > mean.report((test, truth)).accuracy.mean


def test_episodes_are_those_of_a_plain_loop(grocery: dict[str, tuple[Array, Array]]) -> None:
    rows, labels = grocery["test"]
    found = finetune.episodes(None, (rows, labels), ways=4, shots=2, queries=3, count=50, seed=7)
    names, chance, expected = np.unique(labels), np.random.default_rng(7), []
    for _ in range(50):
        drawn = [
            chance.choice(np.flatnonzero(labels == names[i]), 5, replace=False)
            for i in chance.choice(len(names), 4, replace=False)
        ]
        centres = [rows[some[:2]].mean(axis=0) for some in drawn]
        right = [
            np.argmin([np.square(rows[q] - centre).sum() for centre in centres]) == way
            for way, some in enumerate(drawn)
            for q in some[2:]
        ]
        expected.append(np.mean(right))
    assert np.allclose(found.per_episode, expected, atol=1e-12)
    assert found.half_width == pytest.approx(1.96 * np.std(expected, ddof=1) / np.sqrt(50))
    more = finetune.episodes(None, (rows, labels), ways=4, shots=5, queries=3, count=50, seed=7)
    assert more.accuracy > found.accuracy > 0.25
    with pytest.raises(ValueError, match="ways: expected at most 0, the classes with 99 pictures"):
        finetune.episodes(None, (rows, labels), shots=90, queries=9)


def test_codes_of_classes_differ_in_half_of_their_bits() -> None:
    codes = class_codes(100, 64, seed=1)
    distances = (codes[:, None] != codes[None]).sum(axis=2)[np.triu_indices(100, 1)]
    assert set(distances.tolist()) <= {32, 64}
    assert (distances == 32).mean() > 0.98
    many = class_codes(40, 24, seed=1)
    assert many.sum(axis=1).tolist() == [12] * 40
    assert len(np.unique(many, axis=0)) == 40


def precision(queries: Any, gallery: Any, labels: Any, gallery_labels: Any, metric: str) -> float:
    return float(pt.evaluate.embeddings(queries, gallery, labels, gallery_labels, metric=metric, ties="worst")["map"])


def test_codes_keep_the_precision(grocery: dict[str, tuple[Array, Array]], tmp_path: Path) -> None:
    """Of the frozen vectors and of the head's numbers; the index finds what the distances say."""
    (rows, labels), (test, truth) = grocery["train"], grocery["test"]
    image = pt.ImageEncoder()
    encoder = finetune.hashing(
        image, (rows, labels), validation=(test, truth), epochs=20, batch_size=32, out=tmp_path / "run", **QUIET
    )
    made = encoder.codes(rows), encoder.codes(test)
    assert made[0].shape == (len(rows), 8)
    assert made[0].dtype == np.uint8
    kept = precision(made[1], made[0], truth, labels, "hamming")
    assert kept > 0.9 * precision(test, rows, truth, labels, "cosine")
    head = np.tanh(encoder.project(rows)), np.tanh(encoder.project(test))
    assert kept > 0.9 * precision(head[1], head[0], truth, labels, "cosine")
    index = pt.Index(encoder.bits, metric="hamming", factory="BFlat")
    index.add(made[0])
    ids, scores = index.search(made[1][:5], k=3)
    distances = np.unpackbits(made[1][:5, None] ^ made[0][None], axis=2).sum(axis=2)
    assert np.array_equal(-scores, np.sort(distances, axis=1)[:, :3])
    assert np.array_equal(distances[np.arange(5)[:, None], ids], -scores)
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    expected = np.packbits(encoder.project(image.encode([picture])) > 0, axis=1)
    again = finetune.Run(tmp_path / "run").encoder
    assert np.array_equal(again.encode(picture), expected[0])
    encoder.save_pretrained(tmp_path / "copy")
    assert pt.encoders.BinaryEncoder(tmp_path / "copy").fingerprint == encoder.fingerprint
    report = finetune.Run(tmp_path / "run").report()
    assert report.after["map"] > report.before["map"]


def test_itq_needs_no_labels_and_loses_little(grocery: dict[str, tuple[Array, Array]], tmp_path: Path) -> None:
    (rows, labels), (test, truth) = grocery["train"], grocery["test"]
    encoder = finetune.hashing(pt.ImageEncoder(), rows, bits=48, method="itq", out=tmp_path / "run")
    kept = precision(encoder.codes(test), encoder.codes(rows), truth, labels, "hamming")
    assert kept > 0.8 * precision(test, rows, truth, labels, "cosine")
    few, losses = np.ascontiguousarray(rows[:, ::10]), []
    for rounds in (0, 5, 50):  # the rotation brings signs and numbers nearer to each other
        head = rotated(few, 48, seed=0, rounds=rounds)
        numbers = (few - head.mean) @ head.matrix.T
        losses.append(np.square(np.sign(numbers) - numbers).sum())
    assert losses[0] > losses[1] > losses[2]
    assert np.abs(head.matrix @ head.matrix.T - np.eye(48)).max() < 1e-5


def test_pictures_are_encoded_where_a_data_set_is_given(data: Path) -> None:
    every = datasets.Table(data / "grocery" / "labels.csv")
    few = every.filter(lambda sample: sample.label in ("Lemon", "Zucchini") and int(sample.path.stem[-2:]) < 3)
    image = pt.ImageEncoder()
    rows = image.encode(few.paths, show_progress_bar=False)
    assert few.labels is not None
    names = [few.classes[label] for label in few.labels]
    by_rows, by_pictures = (finetune.prototypes(image, given) for given in ((rows, names), few))
    assert by_pictures.classes == by_rows.classes == ["Lemon", "Zucchini"]
    assert np.allclose(by_pictures.weights, by_rows.weights)
    assert by_pictures.predict(few.paths[0]) == by_rows.predict(rows[:1])
    assert str(by_pictures.report(few)).startswith("accuracy ")


def test_wrong_arguments_are_named(grocery: dict[str, tuple[Array, Array]]) -> None:
    rows, labels = grocery["train"]
    for call, message in (
        (lambda: finetune.linear_probe(None, (rows, labels[:3])), "labels: expected one for each of"),
        (lambda: finetune.linear_probe(None, (rows, np.zeros(len(rows), int))), "expected at least 2 classes, got 1"),
        (lambda: finetune.linear_probe(None, (rows, labels), c=[1, 2]), "validation: expected data to choose among 2"),
        (lambda: finetune.linear_probe(None, (rows, labels), c=0), "c: expected numbers above 0"),
        (lambda: finetune.linear_probe(pt.ImageEncoder(), (rows[:, :3], labels)), r"expected floats \(n, 1280\)"),
        (lambda: finetune.prototypes(None, (rows[:2], ["a", "b"]), head="lda"), "a class with two different pictures"),
        (lambda: finetune.prototypes(None, (rows * np.nan, labels)), "expected finite numbers"),
        (lambda: finetune.hashing("efficientnet_lite0", (rows, labels), bits=12), "bits: expected 8, 16, 24"),
        (lambda: finetune.hashing("efficientnet_lite0", rows[:9], method="itq"), "bits: expected at most 8"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
